"""Pictures to start from: of a model's own kind, drawn by our own models, and of other kinds."""

import base64
import functools

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from genmodels import checkpoint, operations
from genmodels.data import DATASETS, fit_picture, to_uint8
from genmodels.protocols import Samples
from genmodels.wrappers.core import calibration, computing, describe, get_model
from genmodels.wrappers.pictures import Pad, to_pad


def examples(name: str, n: int = 10) -> list[tuple[str, Pad]]:
    """Labelled pictures of the model's kind, drawn by our own VAE (the project holds no data set)."""
    return _drawn_examples(describe(name)["data"], n)


@functools.lru_cache(maxsize=16)
@computing
def _drawn_examples(data: str, n: int) -> list[tuple[str, Pad]]:
    """Samples of up to n classes of a data set; those that a sharp eye would call blurred are cleaned first.

    The sharp eye is the autoencoder of the same data: a sample that it finds more unusual than nine of ten test images
    is replaced by its reconstruction.
    """
    vae, autoencoder = f"vae-{data}", f"ae-{data}"
    if vae not in checkpoint.bundled():
        return []
    classes = describe(vae)["classes"]
    n = min(n, len(classes))
    labels = _spread(n, len(classes))
    x = operations.sample(get_model(vae, Samples), n, 7, labels, temperature=0.8)
    if autoencoder in checkpoint.bundled():
        model, typical = get_model(autoencoder), calibration(autoencoder)["scores"].quantile(0.9)
        blurred = operations.anomaly_score(model, x) > typical
        x = torch.where(blurred.view(-1, 1, 1, 1), operations.reconstruct(model, x), x)
    return [(classes[label], to_pad(image)) for label, image in zip(labels, to_uint8(x), strict=True)]


def _spread(n: int, count: int) -> list[int]:
    """n of the numbers 0 to count - 1, from the first to the last."""
    return [round(i * (count - 1) / max(1, n - 1)) for i in range(n)]


@functools.lru_cache(maxsize=16)
@computing
def own_pictures(name: str, n: int = 10, **knobs: float) -> list[tuple[str, Pad]]:
    """Labelled samples of the model itself, of up to n classes; knobs as for `operations.sample`."""
    model = get_model(name, Samples)
    classes = describe(name)["classes"] if describe(name)["conditional"] else []
    n = min(n, len(classes) or n)
    labels = _spread(n, len(classes)) if classes else None
    x = operations.sample(model, n, 7, labels, **knobs)
    titles = [classes[label] for label in labels] if labels else [f"number {i + 1}" for i in range(n)]
    return [(title, to_pad(image)) for title, image in zip(titles, to_uint8(x), strict=True)]


@functools.lru_cache(maxsize=16)
def outliers(name: str) -> list[tuple[str, Pad]]:
    """Labelled pictures of another kind than the model's, drawn by us or by our models of other data."""
    info = describe(name)
    shape, background = tuple(info["shape"]), info["background"]
    drawings = [("a letter", _letter), ("a smiley", _smiley), ("a chessboard", _chessboard), ("noise", _noise)]
    found = [(label, to_pad(fit_picture(draw(background), shape, background))) for label, draw in drawings]
    for other, label, position in (("mnist", "a digit", 3), ("fashion-mnist", "a sneaker", 7), ("heroes", "a hero", 5)):
        strangers = examples(f"vae-{other}") if other != info["data"] and f"vae-{other}" in checkpoint.bundled() else []
        if strangers:
            found.append((label, _refit(strangers[position][1], DATASETS[other].background, shape, background)))
    return found


@functools.lru_cache(maxsize=16)
def plain_pictures(name: str) -> list[tuple[str, Pad]]:
    """Labelled pictures with little in them: flat ones, and a glyph of two thin strokes."""
    info = describe(name)
    shape, background = tuple(info["shape"]), info["background"]
    flat = [("all black", 0), ("all grey", 128), ("all white", 255)]
    pictures = [(label, to_pad(np.full(shape, level, np.uint8))) for label, level in flat]
    return [*pictures, ("a glyph", to_pad(fit_picture(_glyph(background), shape, background)))]


def _refit(pad: Pad, from_background: int, shape: tuple[int, int, int], background: int) -> Pad:
    """A pad of one data set as a picture of another shape and background."""
    channels, height, width = pad["shape"]
    array = np.frombuffer(base64.b64decode(pad["pixels"]), np.uint8).reshape(height, width, channels)
    array = array if from_background == background else 255 - array
    image = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    return to_pad(fit_picture(image, shape, background))


def _canvas(background: int, mode: str = "L") -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    image = Image.new(mode, (256, 256), background)
    return image, ImageDraw.Draw(image), 255 - background


def _letter(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    draw.text((128, 128), "K", fill=ink, font=ImageFont.load_default(200), anchor="mm", stroke_width=4)
    return image


def _smiley(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    draw.ellipse((28, 28, 228, 228), outline=ink, width=18)
    for x in (92, 164):
        draw.ellipse((x - 14, 84, x + 14, 112), fill=ink)
    draw.arc((76, 90, 180, 186), 20, 160, fill=ink, width=18)
    return image


def _glyph(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    draw.arc((70, 50, 190, 170), 100, 350, fill=ink, width=12)
    draw.line((128, 110, 128, 214), fill=ink, width=12)
    return image


def _chessboard(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    for i in range(64):
        x, y = i % 8 * 32, i // 8 * 32
        if (i + i // 8) % 2:
            draw.rectangle((x, y, x + 31, y + 31), fill=ink)
    return image


def _noise(background: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8))
