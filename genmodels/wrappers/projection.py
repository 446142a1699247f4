"""A visitor's picture in a generator with styles: found by descent (genmodels/projection.py), then mixed, walked, truncated."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import operations
from genmodels.device import here
from genmodels.models.base import seeded
from genmodels.projection import STEPS, Projection, project
from genmodels.protocols import HasStyles
from genmodels.wrappers.bottleneck import finite_psnr
from genmodels.wrappers.core import class_index, get_model, locked, locked_steps, timed
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import NOT_TOLD, State, choice, class_label, class_of, drawing, real, seed, whole
from genmodels.wrappers.style_mixing import layer_count, mixed
from genmodels.wrappers.types import Pad

SPACES = [["one per layer, w+", "w+"], ["one for all layers, w", "w"]]
PULSE = 0.1  # seconds between two pictures on the way
TYPICAL = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
COLUMNS, FRAMES = 6, 33
KEPT = 256  # styles, a few kilobytes each

Key = tuple[Any, ...]
_kept: OrderedDict[Key, list[Tensor]] = OrderedDict()
_keeping = threading.Lock()


def sought(
    name: str, pad: Pad, space: str, index: int | None, seed: int, steps: int
) -> Iterator[tuple[Projection, float]]:
    """Where the descent is, now and then, with the milliseconds of computing so far; the first one is the closest of those
    drawn, the last one the result, and there are no others where they are known already."""
    key = (name, pad["pixels"], space, index, seed, steps)
    with _keeping:
        known = _kept.get(key, [])
    for step, styles in zip((0, steps), known, strict=False):
        yield Projection(step, styles.to(here()), _drawn(name, styles)), 0.0
    if known:
        return
    x, sent, ends = from_pad(name, pad)[0], 0.0, []
    descent = project(get_model(name, HasStyles), x, index, each_layer=space == "w+", seed=seed, steps=steps)
    for now, ms in locked_steps(timed(descent)):
        if now.step in (0, steps):
            ends.append(now.styles.cpu())
        elif time.perf_counter() - sent < PULSE:
            continue
        sent = time.perf_counter()
        yield now, ms
    with _keeping:
        _kept[key] = ends
        while len(_kept) > KEPT:
            _kept.popitem(last=False)


@locked
def _drawn(name: str, styles: Tensor) -> Tensor:
    return get_model(name, HasStyles).synthesize(styles.to(here())).clamp(-1, 1)


@locked
def _truncated(name: str, found: Tensor, drawn: Tensor, index: int | None, psi: float) -> Tensor:
    """Styles `(B, …)` moved towards the mean of a class, where none is named that of the class that was `drawn` to begin with."""
    model = get_model(name, HasStyles)
    n = model.num_classes if index is None else 0
    labels = operations.as_labels(model, n or 1, "balanced" if n else index)
    means = model.styles(model.sample_codes(labels, generators=seeded([0] * len(labels))), labels, 0.0)
    nearest = torch.cdist(drawn[:, 0], means[:, 0]).argmin(1)
    return torch.lerp(means[nearest], found, psi)


# -- as sections -------------------------------------------------------------------------------------------------------


def space_field() -> Any:
    info = "One for all gives what the generator might draw; one per layer comes closer to what it never draws."
    return choice("Styles", "w+", SPACES, info=info)


@dataclass(frozen=True)
class ProjectState(State):
    picture: str = drawing()
    space: str = space_field()
    label: str = class_label(NOT_TOLD, label="Begin with")
    seed: int = seed()
    steps: int = whole("Steps", STEPS, 20, 600, step=20, advanced=True)


def bring_in(state: ProjectState) -> Iterator[Answer]:
    """gallery: the picture as given, the closest of those drawn, and where the descent from there is, titled with their PSNR.
    In the end typical: the last moved towards the mean (`TYPICAL`: 0 the mean, 1 as found); psnr in dB; ms of computing."""
    index, pad = class_index(state.model, class_of(state.label)), state.pad_of("picture")
    x = from_pad(state.model, pad)[0]
    seen, drawn = [x], list[Tensor]()
    for now, ms in sought(state.model, pad, state.space, index, state.seed, state.steps):
        images = now.images.clamp(-1, 1)
        seen[1 + (len(seen) > 1) :] = [images]
        drawn = drawn or [now.styles]
        told = f"{now.step} of {state.steps} steps, {ms:.0f} ms of computing"
        yield {"gallery": _gallery(seen), "progress": told}
    along = torch.cat([_truncated(state.model, now.styles, drawn[0], index, psi) for psi in TYPICAL])
    last = {"typical": pictures(_drawn(state.model, along)), "psnr": finite_psnr(images, x), "ms": ms}
    yield Whole(last | {"progress": f"Done: {told if ms else 'known already'}", "done": True}, gallery=_gallery(seen))


def _gallery(seen: list[Tensor]) -> Answer:
    dB = [finite_psnr(x, seen[0]) for x in seen[1:]]
    titles = [["Yours", "\u00a0"]]
    titles += [[name, f"PSNR {value:.1f} dB"] for name, value in zip(("Closest drawn", "Found"), dB, strict=False)]
    return {"pictures": pictures(torch.cat(seen)), "titles": titles}


@dataclass(frozen=True)
class RestyleState(State):
    picture: str = drawing()
    other: str = drawing("The other picture", "#3")
    crossover: int = whole(
        "Layers that follow the left picture", 3, 0, layer_count, info="None: all follow the top. All: only the left."
    )
    truncation_psi: float = real("Truncation ψ", 1.0, 0, 1.5, info="0 is the mean of its class, 1 as found.")
    space: str = space_field()
    seed: int = seed()


def restyle(state: RestyleState) -> Iterator[Answer]:
    """other: that picture as given. table: yours and the other picture on the left, both and four generated ones (`seed` on) on top; cells, row by row: the
    coarse styles of the left, the fine ones of the top. film: straight through w from yours to the other, then to the first
    generated one."""
    drawn, found = list[Tensor](), list[Tensor]()
    for key, title in (("picture", "your picture"), ("other", "the other")):
        for now, _ in sought(state.model, state.pad_of(key), state.space, None, state.seed, STEPS):
            if not now.step:
                drawn.append(now.styles)
            if now.step < STEPS:
                yield {"progress": f"Finding {title}: step {now.step} of {STEPS}"}
        found.append(now.styles)
    other = {"other": pictures(from_pad(state.model, state.pad_of("other"))[0])}
    yield {**_restyled(state, torch.cat(found), torch.cat(drawn)), **other, "progress": "Done", "done": True}


@locked
def _restyled(state: RestyleState, found: Tensor, drawn: Tensor) -> Answer:
    model = get_model(state.model, HasStyles)
    n = COLUMNS - len(found)
    labels = operations.as_labels(model, n, "balanced")
    codes = model.sample_codes(labels, generators=seeded(range(state.seed, state.seed + n)))
    left = _truncated(state.model, found, drawn, None, state.truncation_psi)
    top = torch.cat([left, model.styles(codes, labels, min(1.0, state.truncation_psi))])
    parts = {"left": left, "top": top, "cells": mixed(left, top, state.crossover)}
    images = model.synthesize(torch.cat([*parts.values(), _walk(top[:3])])).clamp(-1, 1)
    *table, way = images.split([*map(len, parts.values()), FRAMES])
    captions = [_place(i) for i in range(FRAMES)]
    return {
        "table": {key: pictures(x) for key, x in zip(parts, table, strict=True)},
        "film": {"frames": pictures(way), "captions": captions},
    }


STOPS = ("yours", "the other", "a generated one")


def _walk(stops: Tensor) -> Tensor:
    """FRAMES styles on straight lines from stop to stop."""
    position = torch.linspace(0, len(stops) - 1, FRAMES, device=stops.device)
    start = position.long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[start], stops[start + 1], (position - start)[:, None, None])


def _place(frame: int) -> str:
    legs = len(STOPS) - 1
    leg, rest = divmod(frame * legs, FRAMES - 1)
    return f"{STOPS[leg]} → {STOPS[leg + 1]}, {100 * rest / (FRAMES - 1):.0f} %" if rest else STOPS[leg]
