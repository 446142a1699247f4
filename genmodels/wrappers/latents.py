"""Pictures into codes and back, for every model that encodes and decodes: clean, compare, blend, explore, walk."""

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from PIL import Image
from torch import Tensor

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.metrics import mean_squared_error
from genmodels.models.base import draw_normal, seeded
from genmodels.protocols import BlendsClasses, Decodes, HasPosterior, Reconstructs, SamplesCodes
from genmodels.wrappers.bottleneck import finite_psnr, score_histogram
from genmodels.wrappers.core import (  # fmt: skip
    MAX_FRAMES,
    MAX_IMAGES,
    MAX_SEED,
    calibrated,
    calibration,
    check_float,
    check_int,
    check_name,
    class_index,
    class_text,
    describe,
    get_model,
    locked,
)
from genmodels.wrappers.pictures import from_pad, gif, sheet, single, to_pad
from genmodels.wrappers.section import Answer, packed, pictures
from genmodels.wrappers.state import EACH, State, class_label, class_of, drawing, numbers, real, seed, whole
from genmodels.wrappers.types import Histogram, LatentMap, Pad, Place

PROBES = 8  # codes around which the effect of a latent is measured


# -- there and back -----------------------------------------------------------------------------------------------------


class Autoencoded(TypedDict):
    """What a model makes of a picture. score: root mean squared error in grey levels of the undamaged picture's
    reconstruction. percentile: of the score among test images. histogram: the test scores. psnr_seen (None if nothing was
    damaged) and psnr: in dB against the picture as given. ms: time of the network."""

    seen: Image.Image
    reconstruction: Image.Image
    difference: Image.Image
    code: list[float]
    score: float
    percentile: float
    histogram: Histogram
    psnr_seen: float | None
    psnr: float
    ms: float


@locked
def autoencode(name: str, pad: Pad, sigma: float = 0.0, seed: int = 0) -> Autoencoded:
    """A picture through the code and back, with noise of standard deviation sigma added and the hidden pixels erased."""
    model = get_model(name, Reconstructs)
    scores = calibrated(name, "scores", "anomaly scores").numpy()
    sigma, seed = check_float("The noise", sigma, 0, 1), check_int("The seed", seed, 0, MAX_SEED)
    x, hidden = from_pad(name, pad)
    seen = operations.corrupt(x, sigma, [seed], hidden).clamp(-1, 1)
    start = time.perf_counter()
    code = model.encode(seen)
    reconstruction = model.decode(code).clamp(-1, 1)
    elapsed = 1000 * (time.perf_counter() - start)
    damaged = sigma > 0 or bool(hidden.any())
    undamaged = operations.reconstruct(model, x) if damaged else reconstruction
    score = float(operations.root_mean_squared_error(undamaged, x))
    made = {"sigma": sigma, "seed": seed}
    return {
        "seen": single(seen[0], name, picture="what the network sees", **made),
        "reconstruction": single(reconstruction[0], name, picture="reconstruction", **made),
        "difference": single((reconstruction - x).abs()[0] - 1, name, picture="difference", **made),
        "code": code[0].flatten().tolist(),
        "score": score,
        "percentile": float((scores < score).mean() * 100),
        "histogram": score_histogram(name),
        "psnr_seen": finite_psnr(seen, x) if damaged else None,
        "psnr": finite_psnr(reconstruction, x),
        "ms": elapsed,
    }


@locked
def mix_codes(name: str, pad_a: Pad, pad_b: Pad, t: float) -> dict[str, Image.Image]:
    """Decoded at (1 - t) z_a + t z_b ("latent"), and the cross-fade of the pixels ("pixels")."""
    model = get_model(name, Reconstructs)
    t = check_float("The position", t, 0, 1)
    a, b = from_pad(name, pad_a)[0], from_pad(name, pad_b)[0]
    latent = operations.interpolate(model, a[0], b[0], torch.tensor([t]))[0]
    return {
        "latent": single(latent, name, picture="through the latent space", t=t),
        "pixels": single(torch.lerp(a, b, t)[0], name, picture="cross-fade of pixels", t=t),
    }


# -- the two-dimensional latent map -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def latent_map(name: str) -> LatentMap:
    """Codes and classes of 2,000 test images for a model with two latents, and how far the map reaches: +-extent, which leaves 3 % out."""
    info = describe(name)
    if info["latent_dim"] != 2:
        raise ValueError(f"The model {name!r} has {info['latent_dim']} latents; a map needs exactly 2.")
    tested = calibration(name)
    codes = tested["codes"]
    points = [
        [round(x, 3), round(y, 3), c] for (x, y), c in zip(codes.tolist(), tested["labels"].tolist(), strict=True)
    ]
    extent = math.ceil(10 * float(codes.abs().max(1).values.quantile(0.97))) / 10
    return {"points": points, "classes": info["classes"], "extent": extent, "shape": info["shape"]}


def decode_point(name: str, x: float, y: float) -> str:
    """The picture at a point of the map, base64 of uint8 H*W*C. Off the map means at its edge."""
    check_name(name)
    extent = latent_map(name)["extent"]
    point = [max(-extent, min(extent, check_float("The position", v, -1e6, 1e6))) for v in (x, y)]
    return to_pad(_decode_codes(name, [point])[0])["pixels"]


@locked
def _decode_codes(name: str, codes: Sequence[Sequence[float]]) -> Tensor:
    model = get_model(name, Decodes)
    return to_uint8(model.decode(torch.tensor(codes)))


@locked
def encode_point(name: str, pad: Pad) -> Place:
    """Where a picture lands on the map, and what is decoded there."""
    model = get_model(name, Reconstructs)
    extent = latent_map(name)["extent"]
    z = model.encode(from_pad(name, pad)[0]).clamp(-extent, extent)
    x, y = z[0].tolist()
    return {"x": x, "y": y, "picture": to_pad(to_uint8(model.decode(z))[0])}


@locked
def posterior_samples(
    name: str, pad: Pad, label: int | str | None = None, n: int = 8, seed: int = 0, temperature: float = 1.0
) -> Image.Image:
    """Decodes of codes drawn from q(z|x): what the model takes for the same picture."""
    model = get_model(name, HasPosterior)
    n, seed = check_int("The number of images", n, 1, MAX_IMAGES), check_int("The seed", seed, 0, MAX_SEED)
    temperature = check_float("The spread", temperature, 0, 8)
    index = class_index(name, label)
    x = from_pad(name, pad)[0]
    labels = operations.as_labels(model, n, index)
    mean, log_std = model.posterior(x, labels[:1])
    noise = draw_normal(mean.shape[1:], seeded(range(seed, seed + n)), mean.device)
    images = model.decode(mean + temperature * log_std.exp() * noise, labels)
    return sheet(images, name, n, n=n, seed=seed, **class_text(name, index), temperature=temperature, what="variations")


# -- single latents ---------------------------------------------------------------------------------------------------


class Latent(TypedDict):
    """Its place in the code, and a knob's range and start."""

    index: int
    low: float
    high: float
    value: float


@functools.lru_cache(maxsize=8)
@locked
def strongest_latents(name: str, k: int = 8) -> list[Latent]:
    """The k latents that change the picture most when they move from -2 to 2, averaged over a few other codes."""
    model = get_model(name, SamplesCodes)
    k = check_int("The number of latents", k, 1, describe(name)["latent_dim"])
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
    model = get_model(name, SamplesCodes)
    if (
        not isinstance(values, Sequence)
        or isinstance(values, str)
        or not 1 <= len(values) <= describe(name)["latent_dim"]
    ):
        raise ValueError(f"The knobs must be a list of 1 to {describe(name)['latent_dim']} numbers.")
    values = [check_float(f"Knob {i + 1}", v, -5, 5) for i, v in enumerate(values)]
    label = operations.as_labels(model, 1, index)
    z = model.sample_codes(label, generators=seeded([check_int("The seed", seed, 0, MAX_SEED)]))
    z[0, [latent["index"] for latent in strongest_latents(name, len(values))]] = torch.tensor(values)
    return z


@locked
def traverse(name: str, values: Sequence[float], seed: int = 0, label: int | str | None = None) -> Image.Image:
    """The picture whose strongest latents have these values; the other latents come from the seed."""
    index = class_index(name, label)
    z = _edited_code(name, values, seed, index)
    model = get_model(name, Decodes)
    image = model.decode(z, operations.as_labels(model, 1, index))[0]
    return single(image, name, seed=seed, latents=list(values), **class_text(name, index))


@locked
def traversal_strip(
    name: str, which: int, values: Sequence[float], seed: int = 0, label: int | str | None = None, n: int = 9
) -> Image.Image:
    """One of the strongest latents swept over its range, the others at these values."""
    index = class_index(name, label)
    z = _edited_code(name, values, seed, index)
    which = check_int("The knob to sweep", which, 0, len(values) - 1)
    latent = strongest_latents(name, len(values))[which]
    z = z.repeat(check_int("The number of images", n, 2, MAX_IMAGES), 1)
    z[:, latent["index"]] = torch.linspace(latent["low"], latent["high"], len(z))
    model = get_model(name, Decodes)
    images = model.decode(z, operations.as_labels(model, len(z), index))
    return sheet(
        images, name, len(z), seed=seed, latents=list(values), swept=latent["index"], **class_text(name, index)
    )


# -- walks ------------------------------------------------------------------------------------------------------------


@locked
def _walk_images(
    model: BlendsClasses, seeds: list[int], indices: list[int | None], frames: int, temperature: float
) -> Tensor:
    """Images on the line between two samples' codes; between two classes the label is blended along."""
    ends = [operations.as_labels(model, 1, index) for index in indices]
    codes = [
        model.sample_codes(label, generators=seeded([seed]), temperature=temperature)
        for label, seed in zip(ends, seeds, strict=True)
    ]
    t = torch.linspace(0, 1, frames).unsqueeze(1)
    one_hot = [torch.nn.functional.one_hot(label % (model.num_classes + 1), model.num_classes + 1) for label in ends]
    return model.decode_blend(torch.lerp(codes[0], codes[1], t), torch.lerp(one_hot[0].float(), one_hot[1].float(), t))


def latent_walk(
    name: str,
    seeds: tuple[int, int],
    labels: tuple[int | str | None, int | str | None] = (None, None),
    frames: int = 24,
    temperature: float = 1.0,
) -> tuple[Image.Image, str]:
    """From one sample to another through the latent space: a film strip, and the path of a GIF that goes there and back."""
    model = get_model(name, BlendsClasses)
    ends = [check_int("The seed", seed, 0, MAX_SEED) for seed in seeds]
    frames = check_int("The number of frames", frames, 2, MAX_FRAMES)
    temperature = check_float("The temperature", temperature, 0, 2)
    indices = [class_index(name, label) for label in labels]
    x = _walk_images(model, ends, indices, frames, temperature)
    classes = [class_text(name, index)["class"] for index in indices]
    settings = {"seeds": ends, "classes": classes, "frames": frames, "temperature": temperature}
    shown = x[torch.linspace(0, frames - 1, min(frames, 12)).round().long()]
    return sheet(shown, name, len(shown), **settings), gif(x, name, settings)


# -- as sections -------------------------------------------------------------------------------------------------------

MAP_REACH = 8.0  # beyond any map
KNOBS = 6


def points(name: str) -> Answer:
    """What the map of a model is drawn from; see `latent_map`."""
    return dict(latent_map(name))


@dataclass(frozen=True)
class MapState(State):
    x: float = real("z₁", 0.0, -MAP_REACH, MAP_REACH, shown=False)
    y: float = real("z₂", 0.0, -MAP_REACH, MAP_REACH, shown=False)


def map_point(state: MapState) -> Answer:
    """picture: what is decoded at a point; off the map means at its edge."""
    extent = latent_map(state.model)["extent"]
    point = [max(-extent, min(extent, v)) for v in (state.x, state.y)]
    return {"picture": packed(_decode_codes(state.model, [point]))}


@dataclass(frozen=True)
class PictureState(State):
    picture: str = drawing()


@locked
def where(state: PictureState) -> Answer:
    """Where a picture lies on the map: mean and std of q(z|x), two numbers each."""
    model = get_model(state.model, HasPosterior)
    mean, log_std = model.posterior(from_pad(state.model, state.pad_of("picture"))[0])
    return {"mean": mean[0].tolist(), "std": log_std[0].exp().tolist()}


@dataclass(frozen=True)
class VariationsState(State):
    picture: str = drawing()
    spread: float = real(
        "Spread", 3.0, 0, 4, step=0.1, info="1 is how unsure the VAE is of the picture's code: hardly at all."
    )
    seed: int = seed()


@locked
def variations(state: VariationsState) -> Answer:
    """samples: decodes of eight codes drawn from q(z|x), the spread times as far from its mean."""
    model = get_model(state.model, HasPosterior)
    x, labels = from_pad(state.model, state.pad_of("picture"))[0], operations.as_labels(model, 8, None)
    mean, log_std = model.posterior(x, labels[:1])
    noise = draw_normal(mean.shape[1:], seeded(range(state.seed, state.seed + 8)), mean.device)
    return {"samples": pictures(model.decode(mean + state.spread * log_std.exp() * noise, labels))}


@dataclass(frozen=True)
class KnobsState(State):
    values: list[float] = numbers("Its strongest numbers", (0.0,) * KNOBS, -3.0, 3.0, step=0.1)
    label: str = class_label(EACH, label="Class")
    seed: int = seed()
    swept: int = whole("Sweep number", 1, 1, KNOBS, info="This one goes through its whole range below.")


@locked
def knobs(state: KnobsState) -> Answer:
    """picture: that of a code with these values in its strongest latents; strip: one of them swept over its range."""
    index = class_index(state.model, class_of(state.label))
    z = _edited_code(state.model, state.values, state.seed, index)
    model, which = get_model(state.model, SamplesCodes), min(state.swept, len(state.values)) - 1
    latent = strongest_latents(state.model, len(state.values))[which]
    swept = z.repeat(9, 1)
    swept[:, latent["index"]] = torch.linspace(latent["low"], latent["high"], 9)
    images = model.decode(torch.cat([z, swept]), operations.as_labels(model, 10, index))
    return {"picture": pictures(images[:1]), "strip": pictures(images[1:])}


@dataclass(frozen=True)
class WalkState(State):
    first: int = seed("First seed", 1)
    last: int = seed("Last seed", 2)
    first_label: str = class_label(label="From class", default=None)
    last_label: str = class_label(label="To class", default=None)
    frames: int = whole("Frames", 24, 2, MAX_FRAMES, advanced=True)
    temperature: float = real("Temperature", 1.0, 0, 2, advanced=True)


@locked
def walk_film(state: WalkState) -> Answer:
    """film: every picture on the straight line between two codes, there; strip: twelve of them."""
    model = get_model(state.model, BlendsClasses)
    indices = [class_index(state.model, label) for label in (state.first_label, state.last_label)]
    x = _walk_images(model, [state.first, state.last], indices, state.frames, state.temperature)
    few = torch.linspace(0, state.frames - 1, min(state.frames, 12)).round().long()
    captions = [f"picture {i + 1} of {len(x)}" for i in range(len(x))]
    return {"film": {"frames": pictures(x), "captions": captions}, "strip": pictures(x[few])}
