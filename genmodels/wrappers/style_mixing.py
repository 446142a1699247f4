"""What a generator with a style per layer allows: closed walks, and pictures with the styles of two others."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import checkpoint, operations
from genmodels.data import to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import HasStyles
from genmodels.wrappers.core import (
    MAX_FRAMES,
    MODELS_KEPT,
    class_index,
    describe,
    get_model,
    locked,
)
from genmodels.wrappers.sampling import GenerateState
from genmodels.wrappers.section import Answer, packed, pictures
from genmodels.wrappers.state import EACH, State, choice, class_label, class_of, real, seed, whole

MAX_STOPS = 8


def _labels(model: HasStyles, first: int, n: int, index: int | None) -> Tensor:
    """One class n times, or every class in turn from the `first`."""
    if index is not None or not model.num_classes:
        return operations.as_labels(model, n, index)
    return (first + torch.arange(n, device=operations.device_of(model))) % model.num_classes


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
    position = torch.arange(frames, device=z.device) * len(z) / frames
    here = position.long()
    there, t = (here + 1) % len(z), (position - here).unsqueeze(1)
    if space == "z":
        way = slerp(z[here], z[there], t)
        ends = model.styles(way, labels[here], psi), model.styles(way, labels[there], psi)
    else:
        ends = model.styles(z[here], labels[here], psi), model.styles(z[there], labels[there], psi)
    return model.synthesize(torch.lerp(*ends, t.unsqueeze(2))).clamp(-1, 1)


# -- style mixing -----------------------------------------------------------------------------------------------------


def _styles(model: HasStyles, seed: int, n: int, index: int | None, psi: float) -> Tensor:
    labels = _labels(model, 0, n, index)
    return model.styles(model.sample_codes(labels, generators=seeded(range(seed, seed + n))), labels, psi)


def mixed(left: Tensor, top: Tensor, crossover: int) -> Tensor:
    """Styles `(R * C, num_layers, D)`, row by row: those of `left` `(R, …)` before the crossover, of `top` `(C, …)` after."""
    styles = top.repeat(len(left), 1, 1)
    styles[:, :crossover] = left.repeat_interleave(len(top), 0)[:, :crossover]
    return styles


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
    x = to_uint8(_loop_images(model, z, labels, state.frames, state.space, state.truncation_psi)).cpu()
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
    x = model.synthesize(torch.cat([left, top, mixed(left, top, state.crossover)])).clamp(-1, 1)
    parts = x.split([ROWS, COLUMNS, ROWS * COLUMNS])
    return {"table": {key: pictures(part) for key, part in zip(("left", "top", "cells"), parts, strict=True)}}
