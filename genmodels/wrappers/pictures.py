"""Pictures from visitors (pads, uploaded files) and to them (enlarged, signed, as film)."""

import base64
import binascii
import json
import math
import os
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

import genmodels
from genmodels.data import TooManyPixels, formats, read_pixels, tile, to_float, to_picture, to_uint8
from genmodels.device import here
from genmodels.wrappers.core import describe
from genmodels.wrappers.types import Pad

NO_PICTURE = "There is no picture yet: draw one, pick an example or upload a file."


# -- pictures in ------------------------------------------------------------------------------------------------------


def to_pad(pixels: Tensor | np.ndarray) -> Pad:
    """uint8 `(C, H, W)` as a pad's value."""
    array = np.asarray(pixels.cpu() if isinstance(pixels, Tensor) else pixels, dtype=np.uint8)
    data = base64.b64encode(np.ascontiguousarray(array.transpose(1, 2, 0)).tobytes()).decode()
    return {"pixels": data, "mask": "", "shape": list(array.shape)}


def from_pad(name: str, pad: Any) -> tuple[Tensor, Tensor]:
    """A pad's value as image `(1, C, H, W)` in [-1, 1] and hidden pixels `(1, 1, H, W)`, where this thread computes;
    ValueError if it doesn't fit."""
    channels, height, width = describe(name)["shape"]
    if not isinstance(pad, dict) or not isinstance(pad.get("pixels"), str):
        raise ValueError(NO_PICTURE)
    pixels = _bytes(
        pad["pixels"], channels * height * width, f"The picture must have {channels}x{height}x{width} bytes"
    )
    mask = pad.get("mask") or base64.b64encode(bytes(height * width)).decode()
    hidden = _bytes(mask, height * width, f"The mask must have {height}x{width} bytes")
    x = torch.from_numpy(pixels.reshape(height, width, channels).transpose(2, 0, 1).copy())
    return to_float(x).unsqueeze(0).to(here()), torch.from_numpy(hidden.reshape(1, 1, height, width) != 0).to(here())


def _bytes(text: Any, count: int, message: str) -> np.ndarray:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"{message} in base64.") from error
    if len(raw) != count:
        raise ValueError(f"{message}, not {len(raw)}.")
    return np.frombuffer(raw, np.uint8)


def read_upload(file: str | BinaryIO, name: str) -> np.ndarray:
    """An uploaded file in the model's shape, uint8 `(C, H, W)`. ValueError if it is no picture or too large."""
    try:
        return read_pixels(file, tuple(describe(name)["shape"]))
    except TooManyPixels as error:
        raise TooManyPixels(f"{error}.") from error
    except ValueError as error:
        common = ", ".join(name for name in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF") if name in formats())
        raise ValueError(f"This file can't be read as a picture ({error}); {common} and others work.") from error


def read_picture(file: str | BinaryIO, name: str) -> Pad:
    """An uploaded file as the model sees pictures: upright, its shape, 8 bits; ink on light paper inverted for a model
    of light strokes on black. ValueError if the file is no picture or too large."""
    info, pixels = describe(name), read_upload(file, name)
    border = np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1)
    if info["background"] == 0 and np.median(border) > 127:
        pixels = 255 - pixels
    return to_pad(pixels)


# -- pictures out -----------------------------------------------------------------------------------------------------


def signed(image: Image.Image, name: str, /, **settings: Any) -> Image.Image:
    """The picture with model, version and settings as PNG text."""
    image.info = dict(signature(name, **settings).items())
    return image


def signature(name: str, /, **settings: Any) -> dict[str, str]:
    """Model, version and settings as PNG text, of any script."""
    settings = {"Software": f"genmodels {genmodels.__version__}", "model": name} | settings
    return {
        key: _encodable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in settings.items()
    }


def _encodable(text: str) -> str:
    """The text with a question mark for what UTF-8 can't hold: half of a pair of code units, or a file name's odd byte."""
    return text.encode("utf-8", "replace").decode("utf-8")


def save_png(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """The picture with its text, as the app gives it to be downloaded."""
    text = PngInfo()
    for key, value in image.info.items():
        text.add_text(str(key), value)  # what Latin-1 does not hold becomes an iTXt
    image.save(path, "png", pnginfo=text)


def single(x: Tensor, name: str, /, **settings: Any) -> Image.Image:
    """Image `(C, H, W)` in [-1, 1], enlarged to at least 256 pixels."""
    return signed(to_picture(to_uint8(x), math.ceil(256 / x.shape[-1])), name, **settings)


def sheet(x: Tensor, name: str, columns: int | None = None, /, **settings: Any) -> Image.Image:
    """Images `(N, C, H, W)` as one picture, enlarged to about a thousand pixels."""
    columns = columns or math.ceil(math.sqrt(len(x)))
    scale = max(2, min(8, 1000 // (columns * (x.shape[-1] + 2))))
    return signed(tile(to_uint8(x), columns, scale=scale), name, **settings)
