"""Pictures from cameras, upright. Of their EXIF only the orientation is read: other entries are often damaged.

Pillow's own `exif_transpose` reads all entries, and writes them again, and fails at the first one that makes no sense.
"""

import re
import struct

from PIL import ExifTags, Image

#: How a picture has to be turned to stand upright, by the orientation in its EXIF.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """The picture, loaded and turned as its EXIF says; what can't be read there changes nothing."""
    image.load()
    turn = TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def orientation(image: Image.Image) -> int:
    """How the picture was held, 1..8, 1 = upright or unknown."""
    if found := _first_entry(_exif(image), ExifTags.Base.Orientation):
        return found
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp", b"")
    text = xmp if isinstance(xmp, bytes) else str(xmp).encode(errors="ignore")
    said = re.search(rb'tiff:Orientation(?:="|>)([1-8])', text)
    return int(said[1]) if said else 1


def _exif(image: Image.Image) -> bytes:
    """The EXIF of a JPEG, WebP, AVIF or PNG file (older ones have it as text), which is built like a TIFF file."""
    text = "".join(image.info.get("Raw profile type exif", "").split("\n")[3:])
    try:
        exif = image.info.get("exif") or bytes.fromhex(text)
    except ValueError:  # other signs than digits
        exif = b""
    return exif.removeprefix(b"Exif\0\0")


def _first_entry(tiff: bytes, wanted: int) -> int | None:
    """A whole number in the first directory of a TIFF structure; None if it isn't there, or is out of reach."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}L", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, place)
            if tag == wanted:
                return struct.unpack_from(order + {1: "B", 4: "L"}.get(kind, "H"), tiff, place + 8)[0]
    except struct.error:  # it ends before
        return None
    return None
