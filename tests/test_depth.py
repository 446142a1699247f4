"""Pictures of 16 bits and floats, in grey and in colour: what they hold is seen, however little of their range it takes."""

import io
import struct
import zlib

import numpy as np
import pytest
from helpers import encoded
from PIL import Image
from test_data import COLOUR, GREY, chunk, halves, opened, sides

from genmodels.data import fit_picture, load_dataset, read_pixels


def test_16_bit_and_float_files():
    """As files have them: a 16-bit PNG, a 16-bit TIFF, a TIFF of floats in [0, 1], one with NaN and infinity in it."""
    ramp = np.linspace(0, 65535, 28 * 28).reshape(28, 28)
    expected = (ramp / 257).round()
    for data in (
        encoded(Image.fromarray(ramp.astype(np.uint16))),
        encoded(Image.fromarray(ramp.astype(np.uint16)), "tiff"),
    ):
        assert np.abs(fit_picture(opened(data), GREY)[0] - expected).max() <= 1
    floats = (ramp / 65535).astype(np.float32)
    assert np.abs(fit_picture(opened(encoded(Image.fromarray(floats), "tiff")), GREY)[0] - expected).max() <= 1
    floats[0, 0], floats[0, 1], floats[1, 1] = np.nan, np.inf, -np.inf
    pixels = fit_picture(opened(encoded(Image.fromarray(floats), "tiff")), GREY)[0]
    assert pixels[-1, -1] > pixels[5, 5], "one NaN must not blacken the whole picture"


@pytest.mark.parametrize(
    ("mode", "highest", "white"),
    [
        *(("I;16", *range_) for range_ in ((255, 255), (256, 1023), (1023, 1023), (16383, 16383), (16384, 65535))),
        *((mode, 3000, 4095) for mode in ("I;16", "I;16B", "I")),
    ],
)
def test_16_bits_that_hold_fewer(mode, highest, white):
    """As microscopes and scanners write them: white is the brightest that 8, 10, 12, 14 or 16 bits can give."""
    dark, bright = sides(fit_picture(halves(mode, highest // 2, highest), GREY))
    assert abs(bright[0] - highest / white * 255) <= 1
    assert abs(dark[0] - highest // 2 / white * 255) <= 1


def png_of_16_bits(values: np.ndarray) -> bytes:
    """Colours `(H, W, C)` of 16 bits, which Pillow reads, but does not write."""
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


def tiff_of_16_bits(values: np.ndarray, order: str, compression: int) -> bytes:
    """The same as TIFF; order: "<" or ">", compression: 1 = none, 8 = deflate (which Pillow leaves to libtiff)."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compression == 8 else data
    after = 8 + 2 + 12 * 9 + 4
    entries = {256: width, 257: height, 258: after, 259: compression, 262: 2, 273: after + 8, 277: channels}
    entries |= {278: height, 279: len(data)}
    directory = b"".join(
        struct.pack(f"{order}HHLL", tag, 3, channels, value)
        if tag == 258
        else struct.pack(f"{order}HHLL", tag, 4, 1, value)
        for tag, value in entries.items()
    )
    head = b"II*\0" if order == "<" else b"MM\0*"
    head += struct.pack(f"{order}LH", 8, len(entries)) + directory + bytes(4)
    return head + struct.pack(f"{order}4H", *[16] * channels, *[0] * (4 - channels)) + data


@pytest.mark.parametrize(
    ("written", "highest", "white"),
    [
        (png_of_16_bits, 250, 255),
        (png_of_16_bits, 3000, 4095),
        (png_of_16_bits, 60_000, 65535),
        (lambda values: tiff_of_16_bits(values, "<", 1), 1000, 1023),
        (lambda values: tiff_of_16_bits(values, ">", 1), 1000, 1023),
        (lambda values: tiff_of_16_bits(values, "<", 8), 1000, 1023),
        (lambda values: tiff_of_16_bits(values, ">", 8), 1000, 1023),
    ],
    ids=[
        "png, 8 bits",
        "png, 12 bits",
        "png",
        "tiff",
        "tiff other order",
        "tiff deflated",
        "tiff other order deflated",
    ],
)
def test_16_bit_colours_that_hold_fewer(written, highest, white):
    """In colour too, of which Pillow keeps the upper 8 bits only."""
    values = np.random.default_rng(1).integers(0, highest, (32, 32, 3)).astype(np.uint16)
    values[5, 6] = highest, 0, highest // 2
    found = read_pixels(io.BytesIO(written(values)), COLOUR).transpose(1, 2, 0)
    assert np.abs(found - values / white * 255).max() <= 1


def test_16_bit_colours_keep_their_transparency():
    values = np.full((32, 32, 4), 1000, np.uint16)
    values[:, :16, 3], values[:, 16:, 3] = 0, 65535
    found = sides(read_pixels(io.BytesIO(png_of_16_bits(values)), COLOUR, 0))
    assert found == [(0, 0, 0), (1000 * 255 // 1023,) * 3]


def test_ten_bits_are_not_black(tmp_path):
    """16-bit files of a microscope's 10-bit values."""
    for i in range(4):
        image = Image.new("I;16", (24, 24), 300 + 200 * i)
        image.putpixel((3, 3), 1023)
        image.save(tmp_path / f"{i}.png")
    pixels = load_dataset(str(tmp_path), shape=(1, 24, 24)).pixels
    assert [int(grey) for grey in pixels[:, 0, 12, 12]] == [300 * 255 // 1023, 500 * 255 // 1023, 700 * 255 // 1023]
    assert pixels[:, 0, 3, 3].tolist() == [255] * 3
