"""Pictures into codes and back, for every model that encodes and decodes: clean, compare, blend, explore, walk."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.device import here
from genmodels.metrics import mean_squared_error
from genmodels.models.base import draw_normal, seeded
from genmodels.protocols import BlendsClasses, Decodes, HasPosterior, SamplesCodes
from genmodels.wrappers.core import (  # fmt: skip
    MAX_FRAMES,
    MAX_SEED,
    calibration,
    check_float,
    check_int,
    class_index,
    describe,
    get_model,
    locked,
)
from genmodels.wrappers.examples import known_images
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.sampling import temperature_field
from genmodels.wrappers.section import Answer, packed, pictures
from genmodels.wrappers.state import EACH, State, class_label, class_of, drawing, numbers, real, seed, whole
from genmodels.wrappers.types import LatentMap, Pad

NEAREST = 25  # test images that a code is compared with
PROBES = 8  # codes around which the effect of a latent is measured


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


@locked
def _decode_codes(name: str, codes: Sequence[Sequence[float]]) -> Tensor:
    model = get_model(name, Decodes)
    return to_uint8(model.decode(torch.tensor(codes, device=here())))


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
        moved[end].diagonal(dim1=0, dim2=2).fill_(value)
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
    for latent, value in zip(strongest_latents(name, len(values)), values, strict=True):
        z[0, latent["index"]] = value
    return z


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
    t = torch.linspace(0, 1, frames, device=here()).unsqueeze(1)
    one_hot = [torch.nn.functional.one_hot(label % (model.num_classes + 1), model.num_classes + 1) for label in ends]
    return model.decode_blend(torch.lerp(codes[0], codes[1], t), torch.lerp(one_hot[0].float(), one_hot[1].float(), t))


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
    picture: str = drawing()  # whose place is shown on the map, see `where`


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


class Neighbours(TypedDict):
    """Of a code among those of test images. label: the class that most of its `of` nearest have, `count` of them. farther:
    than that share in percent of them it lies from the middle. among: how many there are."""

    label: str
    count: int
    of: int
    farther: float
    among: int


@locked
def neighbours(name: str, pad: Pad) -> Neighbours | None:
    """Among which test images a picture lies, by the mean of q(z|x); None if there are none to compare it with."""
    model, tested = get_model(name, HasPosterior), test_codes(name)
    if tested is None:
        return None
    codes, labels = tested
    z = model.posterior(from_pad(name, pad)[0])[0].cpu()
    nearest = labels[(codes - z).square().sum(1).argsort()[:NEAREST]]
    label = int(nearest.mode().values)
    return {
        "label": describe(name)["classes"][label],
        "count": int((nearest == label).sum()),
        "of": len(nearest),
        "farther": float((codes.norm(dim=1) < z.norm()).float().mean() * 100),
        "among": len(codes),
    }


@functools.lru_cache(maxsize=8)
@locked
def test_codes(name: str) -> tuple[Tensor, Tensor] | None:
    """Codes `(N, D)` and classes of test images, encoded as a visitor's picture is: without naming the class. What the
    checkpoint keeps was, unless its model knows classes; then they are those of the pictures that we have."""
    if not describe(name)["conditional"]:
        tested = calibration(name)
        return tested["codes"].float(), tested["labels"]
    images = known_images(name)
    if images is None:
        return None
    x, labels = images[:]
    return get_model(name, HasPosterior).posterior(x.to(here()))[0].cpu(), labels


@dataclass(frozen=True)
class VariationsState(State):
    picture: str = drawing()
    spread: float = real(
        "Spread", 3.0, 0, 4, step=0.1, info="1 is how unsure the VAE is of the picture's code: hardly at all."
    )
    seed: int = seed()


def variations(state: VariationsState) -> Answer:
    """samples: decodes of eight codes drawn from q(z|x), the spread times as far from its mean."""
    return {"samples": pictures(varied(state, 8))}


@locked
def varied(state: VariationsState, n: int) -> Tensor:
    """n of them."""
    model = get_model(state.model, HasPosterior)
    x, labels = from_pad(state.model, state.pad_of("picture"))[0], operations.as_labels(model, n, None)
    mean, log_std = model.posterior(x, labels[:1])
    noise = draw_normal(mean.shape[1:], seeded(range(state.seed, state.seed + n)), mean.device)
    return model.decode(mean + state.spread * log_std.exp() * noise, labels)


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
    temperature: float = temperature_field(2, advanced=True)


@locked
def walk_film(state: WalkState) -> Answer:
    """film: every picture on the straight line between two codes, there; strip: twelve of them."""
    model = get_model(state.model, BlendsClasses)
    indices = [class_index(state.model, label) for label in (state.first_label, state.last_label)]
    x = _walk_images(model, [state.first, state.last], indices, state.frames, state.temperature).cpu()
    few = torch.linspace(0, state.frames - 1, min(state.frames, 12)).round().long()
    captions = [f"picture {i + 1} of {len(x)}" for i in range(len(x))]
    return {"film": {"frames": pictures(x), "captions": captions}, "strip": pictures(x[few])}
