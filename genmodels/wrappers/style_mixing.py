"""What a generator with a style per layer allows: closed walks, and pictures with the styles of two others."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genmodels import checkpoint, operations
from genmodels.data import tile, to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import HasStyles
from genmodels.wrappers.core import (
    MAX_FRAMES,
    MAX_SEED,
    MODELS_KEPT,
    check_int,
    class_index,
    class_text,
    describe,
    get_model,
    locked,
)
from genmodels.wrappers.pictures import loop_webp, sheet, signed
from genmodels.wrappers.sampling import GenerateState, knob
from genmodels.wrappers.section import Answer, packed, pictures
from genmodels.wrappers.state import EACH, State, choice, class_label, class_of, real, seed, whole

MAX_STOPS, MAX_SOURCES = 8, 10
SPACES = ("z", "w")


def style_layers(name: str) -> int:
    """How many layers of the generator have a style of their own."""
    return get_model(name, HasStyles).num_layers


def _labels(model: HasStyles, first: int, n: int, index: int | None) -> Tensor:
    """One class n times, or every class in turn from the `first`."""
    if index is not None or not model.num_classes:
        return operations.as_labels(model, n, index)
    return (first + torch.arange(n)) % model.num_classes


# -- closed walks -----------------------------------------------------------------------------------------------------


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation of vectors `(B, D)` at t `(B, 1)` (Shoemake 1985); their lengths are interpolated too."""
    lengths = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    a, b = a / lengths[0], b / lengths[1]
    angle = (a * b).sum(1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()
    direction = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return direction * torch.lerp(*lengths, t)


@locked
def _loop_images(model: HasStyles, z: Tensor, labels: Tensor, frames: int, space: str, psi: float) -> Tensor:
    """Images on the closed path through the stops z `(K, D)`: slerp in z, or straight lines in w.

    Where the class changes on the way, the styles of both classes are blended.
    """
    position = torch.arange(frames) * len(z) / frames
    here = position.long()
    there, t = (here + 1) % len(z), (position - here).unsqueeze(1)
    if space == "z":
        way = slerp(z[here], z[there], t)
        ends = model.styles(way, labels[here], psi), model.styles(way, labels[there], psi)
    else:
        ends = model.styles(z[here], labels[here], psi), model.styles(z[there], labels[there], psi)
    return model.synthesize(torch.lerp(*ends, t.unsqueeze(2))).clamp(-1, 1)


def latent_loop(
    name: str,
    seed: int = 0,
    stops: int = 4,
    label: int | str | None = None,
    space: str = "z",
    frames: int = 48,
    truncation_psi: float = 1.0,
) -> tuple[Image.Image, str]:
    """A walk through the samples of seeds seed, seed + 1, … and back to the first: the stops as a strip, and the path
    of an animated WebP.

    label None: stop i shows class (seed + i) modulo the number of classes. space: "z" or "w", see `_loop_images`.
    """
    model = get_model(name, HasStyles)
    seed, stops = check_int("The seed", seed, 0, MAX_SEED), check_int("The number of stops", stops, 2, MAX_STOPS)
    frames = check_int("The number of frames", frames, 8, MAX_FRAMES)
    psi = knob(model, "truncation_psi", truncation_psi)
    if space not in SPACES:
        raise ValueError("The walk must go through z or w.")
    index = class_index(name, label)
    labels = _labels(model, seed, stops, index)
    z = model.sample_codes(labels, generators=seeded(range(seed, seed + stops)))
    x = _loop_images(model, z, labels, frames, space, psi)
    settings: dict[str, Any] = {"seed": seed, "stops": stops, **class_text(name, index), "space": space}
    settings |= {"frames": frames, "truncation_psi": psi}
    ends = x[torch.arange(stops) * frames // stops]
    return sheet(ends, name, stops, **settings), loop_webp(x, name, settings)


# -- style mixing -----------------------------------------------------------------------------------------------------


@locked
def style_grid(
    name: str,
    row_seed: int = 0,
    column_seed: int = 100,
    crossover: int = 2,
    label: int | str | None = None,
    rows: int = 4,
    columns: int = 6,
    truncation_psi: float = 1.0,
) -> Image.Image:
    """Each row's picture (left) gives the styles of the layers before `crossover`, each column's (top) the others.

    So crossover 0 repeats the top, and crossover `style_layers(name)` repeats the left. label None: every class in turn.
    """
    model = get_model(name, HasStyles)
    seeds = (
        check_int("The seed of the rows", row_seed, 0, MAX_SEED),
        check_int("The seed of the columns", column_seed, 0, MAX_SEED),
    )
    counts = (
        check_int("The number of rows", rows, 1, MAX_SOURCES),
        check_int("The number of columns", columns, 1, MAX_SOURCES),
    )
    crossover = check_int("The crossover layer", crossover, 0, model.num_layers)
    psi = knob(model, "truncation_psi", truncation_psi)
    index = class_index(name, label)
    left, top = (_styles(model, seed, n, index, psi) for seed, n in zip(seeds, counts, strict=True))
    rows, columns = counts
    x = to_uint8(model.synthesize(torch.cat([left, top, _mixed(left, top, crossover)])))
    settings = {"row_seed": seeds[0], "column_seed": seeds[1], "crossover": crossover, **class_text(name, index)}
    return signed(_framed(x, rows, columns), name, **settings, truncation_psi=psi)


def _styles(model: HasStyles, seed: int, n: int, index: int | None, psi: float) -> Tensor:
    labels = _labels(model, 0, n, index)
    return model.styles(model.sample_codes(labels, generators=seeded(range(seed, seed + n))), labels, psi)


def _mixed(left: Tensor, top: Tensor, crossover: int) -> Tensor:
    """Styles `(R * C, num_layers, D)`, row by row: those of `left` `(R, …)` before the crossover, of `top` `(C, …)` after."""
    mixed = top.repeat(len(left), 1, 1)
    mixed[:, :crossover] = left.repeat_interleave(len(top), 0)[:, :crossover]
    return mixed


def _framed(x: Tensor, rows: int, columns: int) -> Image.Image:
    """Row sources, column sources and their mixtures as one table, the sources set apart on transparent ground."""
    scale = max(2, min(6, 1000 // (columns * (x.shape[-1] + 2))))
    left, top, middle = (
        tile(part, n, scale=scale)
        for part, n in zip(x.split([rows, columns, rows * columns]), (1, columns, columns), strict=True)
    )
    gap = 6 * scale
    table = Image.new("RGBA", (left.width + gap + middle.width, top.height + gap + middle.height))
    for part, x0, y0 in ((left, 0, top.height + gap), (top, left.width + gap, 0)):
        table.paste(part, (x0, y0))
    table.paste(middle, (left.width + gap, top.height + gap))
    return table


# -- as sections -------------------------------------------------------------------------------------------------------

ROWS, COLUMNS = 4, 6


def truncation() -> Any:
    """The field of ψ."""
    info = "How far from the mean of the class: low is typical, high is varied."
    return real("Truncation ψ", 0.8, 0, 1.5, info=info)


@functools.lru_cache(maxsize=MODELS_KEPT)
def layer_count(name: str) -> int:
    """How many layers of the generator have a style of their own, without loading its weights."""
    return checkpoint.outline(name).num_layers  # type: ignore[return-value]


@dataclass(frozen=True)
class TruncatedState(GenerateState):
    truncation_psi: float = truncation()


@dataclass(frozen=True)
class LoopState(State):
    label: str = class_label(EACH)
    space: str = choice("Straight on in", "z", [["z, on the sphere", "z"], ["w, on a line", "w"]])
    truncation_psi: float = truncation()
    seed: int = seed()
    stops: int = whole("Seeds on the way", 4, 2, MAX_STOPS, advanced=True)
    frames: int = whole("Frames", 48, 8, MAX_FRAMES, advanced=True)


@locked
def loop(state: LoopState) -> Answer:
    """film: a walk through the pictures of `seed`, `seed` + 1, … and back to the first; strip: the pictures it passes."""
    model, index = get_model(state.model, HasStyles), class_index(state.model, class_of(state.label))
    labels = _labels(model, state.seed, state.stops, index)
    z = model.sample_codes(labels, generators=seeded(range(state.seed, state.seed + state.stops)))
    x = to_uint8(_loop_images(model, z, labels, state.frames, state.space, state.truncation_psi))
    ends = torch.arange(state.stops) * state.frames // state.stops
    film = {"frames": packed(x), "captions": [_place(state, labels, i) for i in range(state.frames)]}
    return {"film": film, "strip": packed(x[ends])}


def _place(state: LoopState, labels: Tensor, frame: int) -> str:
    """Between which stops a frame lies, in words."""
    here, rest = divmod(frame * state.stops, state.frames)
    there = (here + 1) % state.stops
    ends = [f"seed {state.seed + i}{_class_words(state.model, int(labels[i]))}" for i in (here, there)]
    return f"{ends[0]} → {ends[1]}, {100 * rest / state.frames:.0f} %" if rest else ends[0]


def _class_words(name: str, label: int) -> str:
    return f" ({describe(name)['classes'][label]})" if label >= 0 else ""


@dataclass(frozen=True)
class MixState(State):
    crossover: int = whole(
        "Layers that follow the left picture", 2, 0, layer_count, info="None: all follow the top. All: only the left."
    )
    label: str = class_label(EACH)
    truncation_psi: float = truncation()
    row_seed: int = seed("Seed, left")
    column_seed: int = seed("Seed, top", 100)


@locked
def mix(state: MixState) -> Answer:
    """table: pictures on the left (`row_seed` on) and on top (`column_seed` on), and cells, row by row: each has the styles
    of its row's picture in the layers before `crossover`, and those of its column's picture in the others."""
    model, index = get_model(state.model, HasStyles), class_index(state.model, class_of(state.label))
    seeds, psi = ((state.row_seed, ROWS), (state.column_seed, COLUMNS)), state.truncation_psi
    left, top = (_styles(model, first, n, index, psi) for first, n in seeds)
    x = model.synthesize(torch.cat([left, top, _mixed(left, top, state.crossover)])).clamp(-1, 1)
    parts = x.split([ROWS, COLUMNS, ROWS * COLUMNS])
    return {"table": {key: pictures(part) for key, part in zip(("left", "top", "cells"), parts, strict=True)}}
