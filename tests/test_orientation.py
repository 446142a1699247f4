"""Pictures from cameras stand upright, whatever else their EXIF says, and however it is damaged."""

import io
import struct

import pytest
from helpers import encoded, write_parquet
from PIL import Image
from test_data import COLOUR, halves, opened

from genmodels.data import fit_picture, load_dataset, read_pixels


@pytest.mark.parametrize(
    ("orientation", "size", "format"),
    [*((flag, (60, 40), "jpeg") for flag in range(1, 9)), (6, (32, 32), "jpeg"), (6, (60, 40), "png")],
    ids=str,
)
def test_cameras_pictures_stand_upright(orientation, size, format):
    """A picture stored turned or mirrored, with the flag that says so: its blue corner is top left when upright."""
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera does; Exif orientation -> PIL transpose
    upright = Image.new("RGB", size, "white")
    upright.paste("blue", (0, 0, size[0] // 2, size[1] // 2))
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = opened(encoded(stored, format, exif=exif, **({"quality": 95} if format == "jpeg" else {})))
    pixels = fit_picture(image, COLOUR).astype(int)
    corners = [pixels[:, y, x] for y, x in ((4, 4), (4, -4), (-4, 4), (-4, -4))]
    blue = [corner[2] > 200 and corner[0] < 60 for corner in corners]
    assert blue == [True, False, False, False]


def exif(*entries: bytes, data: bytes = b"") -> bytes:
    """EXIF of entries (tag, type, count and value or place, 12 bytes each) and the data after them, little-endian."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + data


LYING = struct.pack("<HHLL", 0x0112, 3, 1, 6)  # the camera was turned to the right
DAMAGE = {
    "a time that is a fraction": exif(LYING, struct.pack("<HHLL", 0x0132, 5, 1, 38), data=struct.pack("<LL", 72, 1)),
    "a negative fraction": exif(LYING, struct.pack("<HHLL", 0x011A, 10, 1, 38), data=struct.pack("<ll", -1, 0)),
    "a maker out of reach": exif(struct.pack("<HHLL", 0x010F, 2, 900, 9999), LYING),
    "an unknown type": exif(struct.pack("<HHLL", 0x010F, 99, 1, 0), LYING),
    "cut": exif(LYING, struct.pack("<HHLL", 0x0132, 2, 20, 38))[:36],
    "no pictures' tags": exif(LYING, struct.pack("<HHLL", 0x8769, 4, 1, 2**31)),
}
#: Without a header nobody knows the order of the bytes, without the entry what it said: such pictures stay as they are.
SILENT = {
    "no header": b"Exif\0\0\0\x08\0\x02\x01\x12\0\x03",
    "cut in the entry": exif(LYING)[:21],
    "a directory out of reach": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "empty": b"Exif\0\0",
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks, when it opens a JPEG
@pytest.mark.parametrize(
    ("damage", "format", "source"),
    [
        *((damage, "jpeg", "upload") for damage in (*DAMAGE, *SILENT)),
        *((damage, format, "upload") for damage in ("an unknown type", "no header") for format in ("png", "webp")),
        *(("an unknown type", "jpeg", source) for source in ("folder", "parquet")),
    ],
)
def test_damaged_exif(damage, format, source, tmp_path, monkeypatch):
    """The orientation counts, the rest is ignored: through an upload, a folder and the Hub's files alike."""
    stored = halves("RGB", (0, 0, 255), (255, 255, 0), (40, 30))  # turned upright, blue is above
    data = encoded(stored, format, exif=(DAMAGE | SILENT)[damage])
    if source == "upload":
        pixels = read_pixels(io.BytesIO(data), COLOUR)
    elif source == "folder":
        (tmp_path / f"a.{format}").write_bytes(data)
        pixels = load_dataset(str(tmp_path)).pixels[0].numpy()
    else:
        monkeypatch.setenv("GENMODELS_DATA", str(tmp_path))
        write_parquet(tmp_path / "heroes/train-0.parquet", [(data, 0)])
        pixels = load_dataset("heroes").pixels[0].numpy()
    corners = [pixels[:, y, x].astype(int) for y, x in ((4, 4), (4, -4), (-4, 4), (-4, -4))]
    assert [corner[2] > corner[0] for corner in corners] == [True, damage in DAMAGE, damage not in DAMAGE, False]
