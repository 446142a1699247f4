"""The thin layer between the app and the models: plain values in (name, n, seed, knobs), pictures and tables out.

Everything that a visitor sends passes through here, so everything is checked here: a ValueError is one sentence that
says what was wrong and what is allowed. Pictures come back enlarged pixel by pixel, with their settings in `.info`
(written into the PNG as text). One lock keeps two visitors from computing at once, each with all threads: the second
waits some milliseconds instead of slowing both down many times over.
"""

import base64
import binascii
import functools
import io
import json
import math
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import genmodels
from genmodels import card, checkpoint, operations
from genmodels.data import DATASETS, MAX_PIXELS, UNREADABLE, fit_picture, tile, to_float, to_picture, to_uint8
from genmodels.device import set_threads
from genmodels.metrics import mean_squared_error, psnr
from genmodels.models.base import Model, draw_normal, seeded
from genmodels.protocols import Decodes, Encodes, Samples

#: {"pixels": base64 of uint8 H*W*C, "mask": base64 of uint8 H*W (1 = hidden) or "", "shape": [C, H, W]}
Pad = dict[str, Any]

MAX_IMAGES, MAX_SEED, MAX_FRAMES = 100, 2**31 - 1, 96
LARGEST = 1e12  # of any number that a visitor sends
MODELS_KEPT = 8
PROBES = 8  # codes around which the effect of a latent is measured
_compute = threading.RLock()
_load = threading.Lock()


# -- models and checks ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=MODELS_KEPT)
def _load_model(name: str) -> Model:
    """On the CPU, also where there is a GPU: these models answer in milliseconds there, and pads and pictures live there."""
    set_threads()
    return checkpoint.load(name, device="cpu")


def _model(name: str, *abilities: type) -> Model:
    """A bundled model, loaded at first use and kept; ValueError if there is none of that name or it lacks an ability."""
    _check_name(name)
    with _load:
        model = _load_model(name)
    operations.require(model, *abilities)
    return model


def _check_name(name: Any) -> None:
    names = checkpoint.bundled()
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"There is no model {str(name)[:80]!r}; the models are {', '.join(names) or 'not installed'}.")


@functools.lru_cache(maxsize=MODELS_KEPT)
def _calibration(name: str) -> dict[str, Tensor]:
    calibration = checkpoint.load_calibration(name)
    if not calibration:
        raise ValueError(f"The model {name!r} has no calibration on test images.")
    return calibration


def computing(function: Callable) -> Callable:
    """Only one computation at a time, without gradients."""

    @functools.wraps(function)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with _compute, torch.inference_mode():
            return function(*args, **kwargs)

    return locked


def whole(what: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in [low, high], or ValueError with the range. Accepts 3.0 (JSON has no ints), not 3.5 or True."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not low <= value <= high
        or value != int(value)
    ):
        raise ValueError(f"{what} must be a whole number from {low} to {high}, not {_shown(value)}.")
    return int(value)


def real(what: str, value: Any, low: float, high: float) -> float:
    """`value` as a float in [low, high], or ValueError with the range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # NaN fails too
        raise ValueError(f"{what} must be a number from {low:g} to {high:g}, not {_shown(value)}.")
    return float(value)


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 40 else repr(value)[:37] + "…"


def _class_index(name: str, label: int | str | None) -> int | None:
    """A class by number or name; None = no particular one. ValueError that lists the classes."""
    classes = describe(name)["classes"]
    if label is None:
        return None
    if not describe(name)["conditional"]:
        raise ValueError(f"The model {name!r} knows no classes: leave the class empty.")
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if isinstance(label, str):
        raise ValueError(f"There is no class {_shown(label)}; the classes are {', '.join(classes)}.")
    return whole("The class", label, 0, len(classes) - 1)


def describe(name: str) -> dict[str, Any]:
    """What the app shows of a model: names, shape, classes, size, measured figures."""
    _check_name(name)
    return _description(name)


@functools.lru_cache(maxsize=64)
def _description(name: str) -> dict[str, Any]:
    config = checkpoint.read_config(name)
    data, settings = config["data"], config["config"]
    known = DATASETS.get(data["name"])
    return {
        "name": name,
        "family": config["family"],
        "data": data["name"],
        "title": known.title if known else data["name"],
        "shape": list(data["shape"]),
        "classes": list(data["classes"]),
        "background": known.background if known else 255,
        "latent_dim": settings.get("latent_dim", 0),
        "conditional": bool(settings.get("num_classes")) and config["family"] != "autoencoder",
        "metrics": checkpoint.read_json(name, "metrics.json").get("metrics", {}),
    }


def available(family: str) -> list[str]:
    """The bundled models of a family, in the order of the data sets, the general ones before the special ones."""
    order = list(DATASETS)
    names = [name for name in checkpoint.bundled() if describe(name)["family"] == family]

    def rank(name: str) -> tuple:
        data = describe(name)["data"]
        special = name.removesuffix(data) not in ("ae-", f"{family}-")
        return special, order.index(data) if data in order else len(order), name

    return sorted(names, key=rank)


def about(family: str) -> str:
    """The opening text of the family's model file, Markdown."""
    return card.about(family)


# -- pictures in ------------------------------------------------------------------------------------------------------


def to_pad(pixels: Tensor | np.ndarray) -> Pad:
    """uint8 `(C, H, W)` as a pad's value."""
    array = np.asarray(pixels, dtype=np.uint8)
    data = base64.b64encode(np.ascontiguousarray(array.transpose(1, 2, 0)).tobytes()).decode()
    return {"pixels": data, "mask": "", "shape": list(array.shape)}


def _from_pad(name: str, pad: Any) -> tuple[Tensor, Tensor]:
    """A pad's value as image `(1, C, H, W)` in [-1, 1] and hidden pixels `(1, 1, H, W)`; ValueError if it doesn't fit."""
    channels, height, width = shape = describe(name)["shape"]
    if not isinstance(pad, dict) or not isinstance(pad.get("pixels"), str):
        raise ValueError("There is no picture yet: draw one, pick an example or upload a file.")
    pixels = _bytes(pad["pixels"], channels * height * width, f"The picture must have {shape} bytes")
    mask = pad.get("mask") or base64.b64encode(bytes(height * width)).decode()
    hidden = _bytes(mask, height * width, f"The mask must have {height}x{width} bytes")
    x = torch.from_numpy(pixels.reshape(height, width, channels).transpose(2, 0, 1).copy())
    return to_float(x).unsqueeze(0), torch.from_numpy(hidden.reshape(1, 1, height, width) != 0)


def _bytes(text: Any, count: int, message: str) -> np.ndarray:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"{message} in base64.") from error
    if len(raw) != count:
        raise ValueError(f"{message}, not {len(raw)}.")
    return np.frombuffer(raw, np.uint8)


def blank(name: str) -> Pad:
    """Empty canvas of the model's background."""
    info = describe(name)
    return to_pad(np.full(info["shape"], info["background"], dtype=np.uint8))


def read_picture(path: str, name: str) -> Pad:
    """An uploaded file as the model sees pictures: upright, its shape, 8 bits; ink on light paper inverted for a model
    of light strokes on black. ValueError if the file is no picture or too large."""
    info = describe(name)
    try:
        with Image.open(path) as image:
            pixels = fit_picture(image, tuple(info["shape"]), 255)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"The picture is far too large; at most {MAX_PIXELS // 10**6} megapixels are allowed."
        ) from error
    except UNREADABLE as error:
        raise ValueError("This file can't be read as a picture; PNG, JPEG, WebP, GIF, BMP and TIFF work.") from error
    border = np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1)
    if info["background"] == 0 and np.median(border) > 127:
        pixels = 255 - pixels
    return to_pad(pixels)


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
    labels = [round(i * (len(classes) - 1) / max(1, n - 1)) for i in range(n)]
    x = operations.sample(_model(vae, Samples), n, 7, labels, temperature=0.8)
    if autoencoder in checkpoint.bundled():
        model, typical = _model(autoencoder), _calibration(autoencoder)["scores"].quantile(0.9)
        blurred = operations.anomaly_score(model, x) > typical
        x = torch.where(blurred.view(-1, 1, 1, 1), operations.reconstruct(model, x), x)
    return [(classes[label], to_pad(image)) for label, image in zip(labels, to_uint8(x), strict=True)]


@functools.lru_cache(maxsize=16)
def outliers(name: str) -> list[tuple[str, Pad]]:
    """Labelled pictures of another kind than the model's, drawn by us or by our models of other data."""
    info = describe(name)
    shape, background = tuple(info["shape"]), info["background"]
    drawings = [("a letter", _letter), ("a smiley", _smiley), ("a checkerboard", _checkerboard), ("noise", _noise)]
    found = [(label, to_pad(fit_picture(draw(background), shape, background))) for label, draw in drawings]
    for other, label, position in (("mnist", "a digit", 3), ("fashion-mnist", "a sneaker", 7), ("heroes", "a hero", 5)):
        strangers = examples(f"vae-{other}") if other != info["data"] and f"vae-{other}" in checkpoint.bundled() else []
        if strangers:
            found.append((label, _refit(strangers[position][1], DATASETS[other].background, shape, background)))
    return found


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


def _checkerboard(background: int) -> Image.Image:
    image, draw, ink = _canvas(background)
    for i in range(64):
        x, y = i % 8 * 32, i // 8 * 32
        if (i + i // 8) % 2:
            draw.rectangle((x, y, x + 31, y + 31), fill=ink)
    return image


def _noise(background: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8))


# -- pictures out -----------------------------------------------------------------------------------------------------


def _signed(image: Image.Image, name: str, **settings: Any) -> Image.Image:
    """The picture with model, version and settings as PNG text."""
    image.info = {"Software": f"genmodels {genmodels.__version__}", "model": name}
    image.info |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return image


def _single(x: Tensor, name: str, **settings: Any) -> Image.Image:
    """Image `(C, H, W)` in [-1, 1], enlarged to at least 256 pixels."""
    return _signed(to_picture(to_uint8(x), math.ceil(256 / x.shape[-1])), name, **settings)


def _sheet(x: Tensor, name: str, columns: int | None = None, **settings: Any) -> Image.Image:
    """Images `(N, C, H, W)` as one picture, enlarged to about a thousand pixels."""
    columns = columns or math.ceil(math.sqrt(len(x)))
    scale = max(2, min(8, 1000 // (columns * (x.shape[-1] + 2))))
    return _signed(tile(to_uint8(x), columns, scale=scale), name, **settings)


def thumbnail(pad: Pad) -> str:
    """A pad's picture as a data URL, at its own small size."""
    channels, height, width = pad["shape"]
    array = np.frombuffer(base64.b64decode(pad["pixels"]), np.uint8).reshape(height, width, channels)
    buffer = io.BytesIO()
    Image.fromarray(array[:, :, 0] if channels == 1 else array).save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


# -- codes: autoencoder and everything else that encodes and decodes ---------------------------------------------------


@computing
def autoencode(name: str, pad: Pad, sigma: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """What a model makes of a picture, with noise of standard deviation sigma added and the hidden pixels erased.

    Returns seen, reconstruction, difference (pictures), code (list), score (root mean squared error in grey levels of
    the undamaged picture's reconstruction), percentile (of the score among test images), histogram of the test scores,
    psnr_seen (None if nothing was damaged) and psnr in dB against the picture as given, ms (time of the network).
    """
    model = _model(name, Encodes, Decodes)
    sigma, seed = real("The noise", sigma, 0, 1), whole("The seed", seed, 0, MAX_SEED)
    x, hidden = _from_pad(name, pad)
    seen = operations.corrupt(x, sigma, [seed], hidden).clamp(-1, 1)
    start = time.perf_counter()
    code = model.encode(seen)
    reconstruction = model.decode(code).clamp(-1, 1)
    elapsed = 1000 * (time.perf_counter() - start)
    score = float(operations.anomaly_score(model, x))
    scores = _calibration(name)["scores"].numpy()
    damaged = sigma > 0 or bool(hidden.any())
    made = {"sigma": sigma, "seed": seed}
    return {
        "seen": _single(seen[0], name, picture="what the network sees", **made),
        "reconstruction": _single(reconstruction[0], name, picture="reconstruction", **made),
        "difference": _single((reconstruction - x).abs()[0] - 1, name, picture="difference", **made),
        "code": code[0].flatten().tolist(),
        "score": score,
        "percentile": float((scores < score).mean() * 100),
        "histogram": _score_histogram(name),
        "psnr_seen": _finite_psnr(seen, x) if damaged else None,
        "psnr": _finite_psnr(reconstruction, x),
        "ms": elapsed,
    }


@functools.lru_cache(maxsize=MODELS_KEPT)
def _score_histogram(name: str) -> dict[str, list]:
    """The test images' anomaly scores in 40 bins, up to the score that one in a thousand exceeds."""
    scores = _calibration(name)["scores"].numpy()
    counts, edges = np.histogram(scores, bins=40, range=(0, float(np.quantile(scores, 0.999))))
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def _finite_psnr(x: Tensor, y: Tensor) -> float:
    return min(99.0, psnr(float(mean_squared_error(x, y).mean())))


@computing
def between(name: str, pad_a: Pad, pad_b: Pad, t: float) -> dict[str, Image.Image]:
    """Decoded at (1 - t) z_a + t z_b ("latent"), and the cross-fade of the pixels ("pixels")."""
    model = _model(name, Encodes, Decodes)
    t = real("The position", t, 0, 1)
    a, b = _from_pad(name, pad_a)[0], _from_pad(name, pad_b)[0]
    latent = operations.interpolate(model, a[0], b[0], torch.tensor([t]))[0]
    return {
        "latent": _single(latent, name, picture="through the latent space", t=t),
        "pixels": _single(torch.lerp(a, b, t)[0], name, picture="cross-fade of pixels", t=t),
    }


# -- sampling ---------------------------------------------------------------------------------------------------------


@computing
def sample(
    name: str, n: int = 16, seed: int = 0, label: int | str | None = None, temperature: float = 1.0
) -> Image.Image:
    """n new pictures as one sheet; picture i has seed + i. label None = every class in turn."""
    model = _model(name, Samples)
    n, seed = whole("The number of images", n, 1, MAX_IMAGES), whole("The seed", seed, 0, MAX_SEED)
    temperature = real("The temperature", temperature, 0, 2)
    index = _class_index(name, label)
    x = operations.sample(model, n, seed, "balanced" if index is None else index, temperature=temperature)
    return _sheet(x, name, n=n, seed=seed, **_class_text(name, index), temperature=temperature)


def _class_text(name: str, index: int | None) -> dict[str, str]:
    """The class as PNG text."""
    if index is not None:
        return {"class": describe(name)["classes"][index]}
    return {"class": "every class in turn" if describe(name)["conditional"] else "none"}


# -- the two-dimensional latent map -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def latent_map(name: str) -> dict[str, Any]:
    """Codes and classes of 2,000 test images for a model with two latents, and how far the map reaches: +-extent, which leaves 3 % out."""
    info = describe(name)
    if info["latent_dim"] != 2:
        raise ValueError(f"The model {name!r} has {info['latent_dim']} latents; a map needs exactly 2.")
    calibration = _calibration(name)
    codes = calibration["codes"]
    points = [
        [round(x, 3), round(y, 3), c] for (x, y), c in zip(codes.tolist(), calibration["labels"].tolist(), strict=True)
    ]
    extent = math.ceil(10 * float(codes.abs().max(1).values.quantile(0.97))) / 10
    return {"points": points, "classes": info["classes"], "extent": extent, "shape": info["shape"]}


def decode_point(name: str, x: float, y: float) -> str:
    """The picture at a point of the map, base64 of uint8 H*W*C. Off the map means at its edge."""
    _check_name(name)
    extent = latent_map(name)["extent"]
    point = [max(-extent, min(extent, real("The position", v, -1e6, 1e6))) for v in (x, y)]
    return to_pad(_decode_codes(name, [point])[0])["pixels"]


@computing
def _decode_codes(name: str, codes: Sequence[Sequence[float]]) -> Tensor:
    model = _model(name, Decodes)
    return to_uint8(model.decode(torch.tensor(codes)))


@computing
def locate(name: str, pad: Pad) -> dict[str, Any]:
    """Where a picture lands on the map, and what is decoded there."""
    model = _model(name, Encodes, Decodes)
    extent = latent_map(name)["extent"]
    z = model.encode(_from_pad(name, pad)[0]).clamp(-extent, extent)
    x, y = z[0].tolist()
    return {"x": x, "y": y, "picture": to_pad(to_uint8(model.decode(z))[0])}


@computing
def variations(
    name: str, pad: Pad, label: int | str | None = None, n: int = 8, seed: int = 0, temperature: float = 1.0
) -> Image.Image:
    """Decodes of codes drawn from q(z|x): what the model takes for the same picture."""
    model = _model(name, Encodes, Decodes)
    if not hasattr(model, "posterior"):
        raise ValueError(f"The model {name!r} has no posterior q(z|x) to draw variations from.")
    n, seed = whole("The number of images", n, 1, MAX_IMAGES), whole("The seed", seed, 0, MAX_SEED)
    temperature = real("The spread", temperature, 0, 8)
    index = _class_index(name, label)
    x = _from_pad(name, pad)[0]
    labels = operations.as_labels(model, n, index)
    mean, log_std = model.posterior(x, labels[:1])
    noise = draw_normal(mean.shape[1:], seeded(range(seed, seed + n)), mean.device)
    images = model.decode(mean + temperature * log_std.exp() * noise, labels)
    return _sheet(
        images, name, n, n=n, seed=seed, **_class_text(name, index), temperature=temperature, what="variations"
    )


# -- single latents ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
@computing
def latents(name: str, k: int = 8) -> list[dict[str, float]]:
    """The k latents that change the picture most when they move from -2 to 2, averaged over a few other codes."""
    model = _model(name, Samples, Decodes)
    k = whole("The number of latents", k, 1, describe(name)["latent_dim"])
    labels = operations.as_labels(model, PROBES, "balanced")
    codes = model.sample_codes(labels, generators=seeded(range(PROBES)))
    d = codes.shape[1]
    moved = codes.repeat(2 * d, 1).view(2, d, PROBES, d)
    for end, value in enumerate((-2.0, 2.0)):
        moved[end, range(d), :, range(d)] = value
    low, high = model.decode(moved.flatten(0, 2), labels.repeat(2 * d)).chunk(2)
    effect = mean_squared_error(low, high).view(d, PROBES).mean(1)
    strongest = effect.argsort(descending=True)[:k].tolist()
    return [{"index": i, "low": -3.0, "high": 3.0, "value": 0.0} for i in strongest]


def _edited_code(name: str, values: Any, seed: Any, index: int | None) -> Tensor:
    """A code `(1, D)` drawn from the prior with `seed`, its strongest latents set to `values`."""
    model = _model(name, Samples, Decodes)
    if (
        not isinstance(values, Sequence)
        or isinstance(values, str)
        or not 1 <= len(values) <= describe(name)["latent_dim"]
    ):
        raise ValueError(f"values must be a list of 1 to {describe(name)['latent_dim']} numbers.")
    values = [real(f"Latent {i + 1}", v, -5, 5) for i, v in enumerate(values)]
    label = operations.as_labels(model, 1, index)
    z = model.sample_codes(label, generators=seeded([whole("The seed", seed, 0, MAX_SEED)]))
    z[0, [latent["index"] for latent in latents(name, len(values))]] = torch.tensor(values)
    return z


@computing
def traverse(name: str, values: Sequence[float], seed: int = 0, label: int | str | None = None) -> Image.Image:
    """The picture whose strongest latents have these values; the other latents come from the seed."""
    index = _class_index(name, label)
    z = _edited_code(name, values, seed, index)
    model = _model(name)
    image = model.decode(z, operations.as_labels(model, 1, index))[0]
    return _single(image, name, seed=seed, latents=list(values), **_class_text(name, index))


@computing
def traversal_strip(
    name: str, which: int, values: Sequence[float], seed: int = 0, label: int | str | None = None, n: int = 9
) -> Image.Image:
    """One of the strongest latents swept over its range, the others at these values."""
    index = _class_index(name, label)
    z = _edited_code(name, values, seed, index)
    which = whole("which", which, 0, len(values) - 1)
    latent = latents(name, len(values))[which]
    z = z.repeat(whole("The number of images", n, 2, MAX_IMAGES), 1)
    z[:, latent["index"]] = torch.linspace(latent["low"], latent["high"], len(z))
    model = _model(name)
    images = model.decode(z, operations.as_labels(model, len(z), index))
    return _sheet(
        images, name, len(z), seed=seed, latents=list(values), swept=latent["index"], **_class_text(name, index)
    )


# -- walks ------------------------------------------------------------------------------------------------------------


@computing
def _walk_images(model: Model, seeds: list[int], indices: list[int | None], frames: int, temperature: float) -> Tensor:
    """Images on the line between two samples' codes; between two classes the label is blended along."""
    ends = [operations.as_labels(model, 1, index) for index in indices]
    codes = [
        model.sample_codes(label, generators=seeded([seed]), temperature=temperature)
        for label, seed in zip(ends, seeds, strict=True)
    ]
    t = torch.linspace(0, 1, frames).unsqueeze(1)
    one_hot = [torch.nn.functional.one_hot(label % (model.num_classes + 1), model.num_classes + 1) for label in ends]
    return model.decode(torch.lerp(codes[0], codes[1], t), torch.lerp(one_hot[0].float(), one_hot[1].float(), t))


def walk(
    name: str,
    seeds: tuple[int, int],
    labels: tuple[int | str | None, int | str | None] = (None, None),
    frames: int = 24,
    temperature: float = 1.0,
) -> tuple[Image.Image, str]:
    """From one sample to another through the latent space: a film strip, and the path of a GIF that goes there and back."""
    model = _model(name, Samples, Decodes)
    seeds = [whole("The seed", seed, 0, MAX_SEED) for seed in seeds]
    frames = whole("The number of frames", frames, 2, MAX_FRAMES)
    temperature = real("The temperature", temperature, 0, 2)
    indices = [_class_index(name, label) for label in labels]
    x = _walk_images(model, seeds, indices, frames, temperature)
    classes = [_class_text(name, index)["class"] for index in indices]
    settings = {"seeds": seeds, "classes": classes, "frames": frames, "temperature": temperature}
    shown = x[torch.linspace(0, frames - 1, min(frames, 12)).round().long()]
    return _sheet(shown, name, len(shown), **settings), _gif(x, name, settings)


def _gif(x: Tensor, name: str, settings: dict[str, Any]) -> str:
    """Images as a looping GIF, there and back; older GIFs of this app are removed."""
    folder = Path(tempfile.gettempdir(), "genmodels-walks")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.gif"):
        if time.time() - old.stat().st_mtime > 3600:
            old.unlink(missing_ok=True)
    scale = math.ceil(256 / x.shape[-1])
    pictures = [to_picture(image, scale) for image in to_uint8(torch.cat([x, x[1:-1].flip(0)]))]
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}-", suffix=".gif", delete=False) as file:
        pictures[0].save(
            file, "gif", save_all=True, append_images=pictures[1:], duration=60, loop=0,
            comment=json.dumps({"Software": f"genmodels {genmodels.__version__}", "model": name} | settings).encode(),
        )  # fmt: skip
    return file.name
