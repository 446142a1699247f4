"""What a model that writes pixel by pixel allows: watch it write, let it finish a picture, ask what it expects next."""

import base64
import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.device import here
from genmodels.evaluation.report import shown
from genmodels.models.base import seeded
from genmodels.protocols import WritesRows, abilities_of
from genmodels.registry import FAMILIES, get_family, title
from genmodels.wrappers import on_record
from genmodels.wrappers.core import (
    available,
    check_int,
    class_index,
    describe,
    get_model,
    locked,
    locked_steps,
    timed,
)
from genmodels.wrappers.latents import PictureState
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.sampling import A_FEW, guidance_field, temperature_field
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import (
    EACH,
    NOT_TOLD,
    DataState,
    State,
    class_label,
    class_of,
    drawing,
    hidden,
    told_class,
)
from genmodels.wrappers.state import seed as state_seed
from genmodels.wrappers.state import whole as state_whole
from genmodels.wrappers.types import Pad, PixelDistribution

MAX_WRITTEN = 16
TENTHS, UNKNOWN = 10, 255  # bits travel as bytes: so many to the bit, and one that stands for "none"
KEPT_EXPECTATIONS = 8  # up to 3 MB each
FIELD_RANGE = 4  # powers of ten, from the strongest influence on a pixel down
QUICK = 0.03  # seconds: rows that come faster travel together


# -- writing ----------------------------------------------------------------------------------------------------------


def _unsure(entropies: Tensor, given: Tensor) -> str:
    """How unsure the model was of each pixel, in tenths of a bit as base64 of bytes; UNKNOWN where it was `given`."""
    return _text(torch.where(given, UNKNOWN, (entropies * TENTHS).round().clamp(0, UNKNOWN - 1)).cpu().numpy())


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode()


# -- what it expects --------------------------------------------------------------------------------------------------


@locked
def surprise_map(name: str, pad: Pad) -> str:
    """How much each pixel of a picture surprises the model, given those before it, without naming the class.

    -log2 of the probability that a pixel had, its colours added up, in tenths of a bit as base64 of bytes (25.4 bits and more
    are the same).
    """
    levels, log_p = _expectations(name, pad)
    bits = -log_p.gather(-1, levels.unsqueeze(-1)).squeeze(-1).sum(0) / math.log(2)
    return _text((bits * TENTHS).round().clamp(0, UNKNOWN - 1).numpy())


@locked
def pixel_distribution(name: str, pad: Pad, x: int, y: int) -> list[PixelDistribution]:
    """What the model expects of the pixel in column x and row y, knowing those before it: one per channel, of which each
    also knows the channels before it."""
    height, width = describe(name)["shape"][1:]
    x, y = check_int("The column", x, 0, width - 1), check_int("The row", y, 0, height - 1)
    levels, log_p = _expectations(name, pad)
    found: list[PixelDistribution] = []
    for level, log in zip(levels[:, y, x].tolist(), log_p[:, y, x].double(), strict=True):
        p = log.exp()
        entropy = -(p * log).sum().item() / math.log(2)
        rounded = [round(value, 6) for value in p.tolist()]
        bits = -log[level].item() / math.log(2)
        found.append({"probabilities": rounded, "level": level, "bits": bits, "entropy": entropy})
    return found


def _expectations(name: str, pad: Pad) -> tuple[Tensor, Tensor]:
    """The levels of a picture `(C, H, W)`, and the log-probabilities of all levels of its pixels `(C, H, W, levels)`."""
    get_model(name, WritesRows)
    from_pad(name, pad)  # refuses what is no picture
    return _kept_expectations(name, pad["pixels"])


@functools.lru_cache(maxsize=KEPT_EXPECTATIONS)
def _kept_expectations(name: str, pixels: str) -> tuple[Tensor, Tensor]:
    """A pointer asks for one pixel after the other of the same picture: the network looks at it once."""
    x, _ = from_pad(name, {"pixels": pixels, "mask": ""})
    log_p = get_model(name, WritesRows).log_probabilities(x)[0]
    levels = (to_uint8(x)[0].double() * (log_p.shape[-1] - 1) / 255).round().long()
    return levels.cpu(), log_p.cpu()


# -- as sections -------------------------------------------------------------------------------------------------------

COST = "50 %"  # by so much guidance makes writing longer
HOT = "Below 1 it prefers what is likely, and at 0 it always takes the likeliest level."
TOOLS = ("pen", "erase", "hide", "keep")


def _side(which: int) -> tuple[Any, Any, Any]:
    """Default, low and high of a pixel's column (which = 2) or row (1): the middle, and the picture's ends."""
    return lambda name: describe(name)["shape"][which] // 2, 0, lambda name: describe(name)["shape"][which] - 1


@dataclass(frozen=True)
class WriteState(State):
    label: str = class_label(EACH)
    temperature: float = temperature_field(info=HOT)
    guidance_scale: float = guidance_field(COST)
    n: int = state_whole("How many", A_FEW, 1, MAX_WRITTEN)
    seed: int = state_seed()


@dataclass(frozen=True)
class FinishState(State):
    picture: str = drawing(tools=TOOLS)
    hidden: str = hidden("lower half")
    label: str = class_label(NOT_TOLD, EACH)
    n: int = state_whole("How many", 8, 1, MAX_WRITTEN)
    temperature: float = temperature_field(info=HOT, advanced=True)
    guidance_scale: float = guidance_field(COST, advanced=True)
    seed: int = state_seed()


@dataclass(frozen=True)
class ExpectState(State):
    picture: str = drawing()
    x: int = state_whole("Column", *_side(2), shown=False)
    y: int = state_whole("Row", *_side(1), shown=False)


@dataclass(frozen=True)
class ThreeState(DataState):
    label: str = class_label(NOT_TOLD, default="4")
    seed: int = state_seed()


@dataclass(frozen=True)
class FieldState(ExpectState):
    label: str = class_label(NOT_TOLD)


def write(state: WriteState) -> Iterator[Answer]:
    """n new pictures, row by row; picture i has seed + i. See `_answers`."""
    model, index = get_model(state.model, WritesRows), class_index(state.model, class_of(state.label))
    x = torch.zeros(state.n, *model.image_shape, device=here())
    labels = operations.as_labels(model, state.n, "balanced" if index is None else index)
    return _answers(model, x, torch.zeros_like(x[:, :1], dtype=torch.bool), labels, state)


def finish(state: FinishState) -> Iterator[Answer]:
    """The hidden pixels of a picture, written n times, row by row; the others stay as they are. See `_answers`."""
    model, told = get_model(state.model, WritesRows), told_class(state.label)
    image, covered = from_pad(state.model, state.pad)
    labels = operations.as_labels(model, state.n, told if told == "balanced" else class_index(state.model, told))
    start = {"start": pictures(image), "hidden": _text(covered.cpu().numpy())}
    x, given = image.expand(state.n, -1, -1, -1), (~covered).expand(state.n, -1, -1, -1)
    return _answers(model, x, given, labels, state, start)


def _answers(
    model: WritesRows,
    x: Tensor,
    given: Tensor,
    labels: Tensor,
    state: WriteState | FinishState,
    start: Answer | None = None,
) -> Iterator[Answer]:
    """Each with the rows that are new: row (the first of them), samples (so many rows of n pictures), bits (see `_unsure`:
    `(n, rows, W)`). The first one also says what was given; the last one has it all, and words, bits_per_pixel and ms."""
    begun = sent_at = time.perf_counter()
    generators = seeded(range(state.seed, state.seed + state.n))
    knobs = state.picked("temperature", "guidance_scale")
    steps = model.write(x, given, labels, generators=generators, **knobs)
    height, sent, new = x.shape[2], 0, start or {}
    for row, (images, entropies) in enumerate(locked_steps(steps), 1):
        now = time.perf_counter()
        if row < height and (sent == 0 or now - sent_at >= QUICK):
            yield {**new, **_rows(images, entropies, given, sent, row), "progress": f"Row {row} of {height}"}
            sent, sent_at, new = row, now, {}
    unsure = entropies[~given[:, 0]] / model.image_shape[0]
    mean, each = float(unsure.mean()) if len(unsure) else 0.0, " and colour" if model.image_shape[0] > 1 else ""
    words = f"On average it was unsure by **{mean:.2f} bits** per pixel{each}."
    yield {
        **(start or {}),
        **_rows(images, entropies, given, 0, height),
        "words": words if len(unsure) else "Nothing was hidden, so nothing was written.",
        "bits_per_pixel": mean,
        "ms": 1000 * (time.perf_counter() - begun),
        "done": True,
    }


def _rows(images: Tensor, entropies: Tensor, given: Tensor, first: int, end: int) -> Answer:
    rows = slice(first, end)
    bits = _unsure(entropies[:, rows], given[:, 0, rows])
    return {"row": first, "samples": pictures(images[:, :, rows]), "bits": bits}


def field(state: FieldState) -> Answer:
    """field: how much each pixel of a picture bore on what was expected of one, `(H, W)` as base64 of bytes: 0 not at all, then
    from 1 to 255 by powers of ten, over FIELD_RANGE of them; words; reach: how many pixels; nine_tenths: how few make up most."""
    strengths = _influence(state).flatten()
    order = strengths.sort(descending=True).values
    reach = int((strengths > 0).sum())
    share = order.cumsum(0) / order.sum().clamp_min(torch.finfo(order.dtype).tiny)
    few = min(reach, int((share < 0.9).sum()) + 1)
    decades = (strengths / order[0].clamp_min(torch.finfo(order.dtype).tiny)).log10() / FIELD_RANGE + 1
    bytes_ = torch.where(strengths > 0, (1 + 254 * decades).round().clamp(1, 255), 0)
    before = state.y * describe(state.model)["shape"][2] + state.x
    return {
        "field": _text(bytes_.numpy()),
        "reach": reach,
        "nine_tenths": few,
        "words": f"**{reach} of {before}** pixels before it reach it; **{few}** of them make up nine tenths of the influence."
        if before
        else "The first pixel: nothing stands before it.",
    }


@locked
def _influence(state: FieldState) -> Tensor:
    model = get_model(state.model, WritesRows)
    labels = operations.as_labels(model, 1, class_index(state.model, class_of(state.label)))
    return model.influence(from_pad(state.model, state.pad_of("picture"))[0], state.y, state.x, labels)[0]


def three(state: ThreeState) -> Iterator[Answer]:
    """ways: for each family that writes rows {family, model, bits (per dim of test images), bits_text}, or its title and why it can't; then, as
    it writes, {way: its number, row, ms, picture: so far}. In the end all pictures and ms in ways."""
    ways = [_way(family, state.data) for family in FAMILIES if WritesRows in abilities_of(get_family(family))]
    yield {"ways": [dict(way) for way in ways], "progress": "Begins …"}
    for i, way in enumerate(ways):
        for told in _written(way["model"], state) if way["model"] else ():
            way |= told
            yield {"way": i, **told, "progress": f"{way['model']} writes row {told['row']}"}
    yield Whole({"done": True}, ways=ways)


def _way(family: str, data: str) -> Answer:
    """The general model of a family for a data set, and what its test images cost."""
    names = on_record.of_data(data, available(family))
    if not names:
        why = on_record.no_model(family, data)
        return {"family": family, "title": title(family), "model": "", "why": why}
    figures = on_record.records()[names[0]].get("metrics", {})
    if "bits_per_dim" not in figures:
        return {"family": family, "model": names[0], "bits": None, "bits_text": "bits/dim not measured"}
    return {
        "family": family,
        "model": names[0],
        "bits": figures["bits_per_dim"]["value"],
        "bits_text": f"{shown(figures, 'bits_per_dim')} bits/dim",
    }


def _written(name: str, state: ThreeState) -> Iterator[Answer]:
    """One picture, now and then while it is written; ms: of computing alone."""
    model = get_model(name, WritesRows)
    label = class_index(name, class_of(state.label)) if describe(name)["conditional"] else None
    labels, generators = operations.as_labels(model, 1, label), seeded([state.seed])
    sent_at = time.perf_counter()
    steps = locked_steps(timed(model.sample_steps(labels, generators=generators)))
    for row, (images, ms) in enumerate(steps, 1):
        if row == model.image_shape[1] or time.perf_counter() - sent_at >= QUICK:
            sent_at = time.perf_counter()
            yield {"row": row, "ms": ms, "picture": pictures(images)}


def surprise(state: PictureState) -> Answer:
    """picture, and bits: how much each of its pixels surprises the model; see `surprise_map`."""
    return {
        "picture": {"pixels": state.picture, "shape": [1, *describe(state.model)["shape"]]},
        "bits": surprise_map(state.model, state.pad_of("picture")),
    }


def expect(state: ExpectState) -> Answer:
    """channels: see `pixel_distribution`; words."""
    channels = pixel_distribution(state.model, state.pad_of("picture"), state.x, state.y)
    bits, entropy = (sum(channel[key] for channel in channels) for key in ("bits", "entropy"))
    return {
        "channels": channels,
        "words": f"Column {state.x + 1}, row {state.y + 1}: it was surprised by **{bits:.1f} bits**; "
        f"{entropy:.1f} were to be expected.",
    }
