"""Pictures of more than 8 bits per colour, which mostly hold fewer than their files could: 10 or 12 from a microscope.

What is white is the brightest value that a camera or scanner of 8, 10, 12, 14 or 16 bits can give: the lowest of these
that no pixel exceeds. Every picture decides it for itself, so that it looks the same alone, in any set and as an upload.
"""

import re
import sys
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
#: Who takes the lower byte of 16 bits for the upper one: the other order of bytes; N = this machine's own.
OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def grey(image: Image.Image) -> Image.Image:
    """A picture of whole numbers (modes "I", "I;16" …) or floats ("F", whose highest value is white) in 8 bits."""
    values = np.asarray(image, dtype=np.float64)
    highest = values.max(initial=1, where=np.isfinite(values))
    return Image.fromarray(_scaled(values, highest if image.mode == "F" else _white(highest)))


def colours(image: ImageFile.ImageFile, file: BinaryIO) -> Image.Image:
    """A picture just opened from a file; if it has 16-bit colours, in the 8 bits that count.

    Pillow keeps the upper 8, and those of 12-bit values are nearly black. The lower ones are read as if they were the upper.
    """
    lower_first = [tile._replace(args=_other_order(tile.args)) for tile in image.tile]
    if lower_first == image.tile or "transparency" in image.info:
        return image
    upper = np.asarray(image)
    if upper[..., :3].max() > WHITES[-2] >> 8:  # all 16 bits are in use
        return image
    file.seek(0)
    with Image.open(file, formats=[image.format] if image.format else None) as again:
        again.tile = lower_first
        values = upper[..., :3] * 256.0 + np.asarray(again)[..., :3]
    pixels = np.concatenate([_scaled(values, _white(values.max())), upper[..., 3:]], axis=2)
    scaled = Image.fromarray(pixels)
    scaled.info = image.info
    return scaled


def _other_order(args: Any) -> Any:
    """What a decoder of 16-bit colours is told, with the order of bytes swapped; anything else as it is."""
    if isinstance(args, tuple):
        return (_other_order(args[0]), *args[1:]) if args else args
    return re.sub(r"^(RGBA?;16)([BLN])$", lambda m: m[1] + OTHER_ORDER[m[2]], args) if isinstance(args, str) else args


def _white(highest: float) -> float:
    return next((white for white in WHITES if highest <= white), highest)


def _scaled(values: np.ndarray, white: float) -> np.ndarray:
    return np.nan_to_num(np.clip(values / white * 255, 0, 255)).astype(np.uint8)
