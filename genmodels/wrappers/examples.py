"""Pictures to start from: of a model's own kind, and of other kinds."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genmodels import operations
from genmodels.data import DATASETS, Images, fit_picture, to_uint8
from genmodels.protocols import AnyModel, Judges, Samples
from genmodels.real_images import real_images
from genmodels.wrappers.core import describe, get_model, locked
from genmodels.wrappers.pictures import to_pad
from genmodels.wrappers.types import Labelled, Pad

GLYPH = 10  # of our pictures of Omniglot: a Greek φ, with the median ink


@functools.lru_cache(maxsize=16)
def known_images(name: str) -> Images | None:
    """The real test images of the model's data that we have, in its shape; None if we have none."""
    info = describe(name)
    images = real_images(info["data"], tuple(info["shape"]))
    return images if images and info["classes"] in ([], list(images.classes)) else None


def real_pictures(name: str, n: int = 10) -> list[Labelled]:
    """Labelled real test images of the model's data, of up to n classes; [] if we have none."""
    images = known_images(name)
    if images is None:
        return []
    labels = _spread(min(n, len(images.classes)), len(images.classes))
    return [(images.classes[label], to_pad(images.pixels[label])) for label in labels]


def of_kind(name: str, n: int = 10) -> list[Labelled]:
    """Labelled pictures of the model's kind: real ones, else its own, else (if it does not sample) none."""
    return real_pictures(name, n) or (own_pictures(name, n) if isinstance(get_model(name, AnyModel), Samples) else [])


def strips(name: str) -> list[tuple[str, list[tuple[str, Pad]]]]:
    """All pictures to start from, under a title each; those of the model's own making where it has a critic to show them
    to."""
    found = [("Pictures of the kind it knows", of_kind(name))]
    if isinstance(get_model(name, AnyModel), Judges) and isinstance(get_model(name, AnyModel), Samples):
        found.append(("Made by the model itself", own_pictures(name)))
    return [*found, ("Something it has never seen", [*plain_pictures(name), *outliers(name)])]


def _spread(n: int, count: int) -> list[int]:
    """n of the numbers 0 to count - 1, from the first to the last."""
    return [round(i * (count - 1) / max(1, n - 1)) for i in range(n)]


@functools.lru_cache(maxsize=16)
@locked
def own_pictures(name: str, n: int = 10) -> list[Labelled]:
    """Labelled samples of the model itself, of up to n classes."""
    model = get_model(name, Samples)
    classes = describe(name)["classes"] if describe(name)["conditional"] else []
    n = min(n, len(classes) or n)
    labels = _spread(n, len(classes)) if classes else None
    x = operations.sample(model, n, 7, labels)
    titles = [classes[label] for label in labels] if labels else [f"number {i + 1}" for i in range(n)]
    return [(title, to_pad(image)) for title, image in zip(titles, to_uint8(x), strict=True)]


@functools.lru_cache(maxsize=16)
def outliers(name: str) -> list[Labelled]:
    """Labelled pictures of another kind than the model's: drawn by us, and real ones of other data."""
    info = describe(name)
    shape, background = tuple(info["shape"]), info["background"]
    drawings = [("a letter", _letter), ("a smiley", _smiley), ("a chessboard", _chessboard), ("noise", _noise)]
    found = [(label, to_pad(fit_picture(draw(background), shape, background))) for label, draw in drawings]
    strangers = [("a digit", "mnist", 3), ("a sneaker", "fashion-mnist", 7), ("a hero", "heroes", 9)]
    return found + [(label, _stranger(name, data, i)) for label, data, i in strangers if data != info["data"]]


@functools.lru_cache(maxsize=16)
def plain_pictures(name: str) -> list[Labelled]:
    """Labelled pictures with little in them: flat ones, and a glyph of a few thin strokes."""
    shape = tuple(describe(name)["shape"])
    flat = [("all black", 0), ("all grey", 128), ("all white", 255)]
    pictures = [(label, to_pad(np.full(shape, level, np.uint8))) for label, level in flat]
    return [*pictures, ("an Omniglot glyph", _stranger(name, "omniglot", GLYPH))]


def _stranger(name: str, data: str, index: int) -> Pad:
    return to_pad(on_background(name, data, index))


def on_background(name: str, data: str, index: int) -> np.ndarray:
    """A real test image of other data in the model's shape, uint8 `(C, H, W)`, its levels inverted if the backgrounds differ."""
    info = describe(name)
    images = real_images(data, tuple(info["shape"]))
    if images is None:
        raise ValueError(f"There are no real images of {data!r} here.")
    picture = images.pixels[index].numpy()
    return picture if DATASETS[data].background == info["background"] else 255 - picture


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


def _chessboard(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    for i in range(64):
        x, y = i % 8 * 32, i // 8 * 32
        if (i + i // 8) % 2:
            draw.rectangle((x, y, x + 31, y + 31), fill=ink)
    return image


def _noise(background: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8))
