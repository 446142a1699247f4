"""What a model that writes pixel by pixel allows: watch it write, let it finish a picture, ask what it expects next."""

import base64
import functools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import WritesRows
from genmodels.wrappers.core import (
    MAX_SEED,
    NOT_NAMED,
    check_int,
    class_index,
    class_text,
    describe,
    get_model,
    locked,
    locked_steps,
    new_run,
)
from genmodels.wrappers.pictures import columns_for, from_pad, signature
from genmodels.wrappers.sampling import knob
from genmodels.wrappers.types import Pad, PixelDistribution, SurpriseMap, Writing, WrittenRow

MAX_WRITTEN = 16
TENTHS, UNKNOWN = 10, 255  # bits travel as bytes: so many to the bit, and one that stands for "none"
KEPT_EXPECTATIONS = 8  # up to 3 MB each


# -- writing ----------------------------------------------------------------------------------------------------------


def sample_rows(
    name: str, n: int = MAX_WRITTEN, seed: int = 0, label: int | str | None = None, temperature: float = 1.0
) -> Iterator[Writing]:
    """n new pictures, row by row; picture i has seed + i. label None = every class in turn.

    Bad values are refused at once, not at the first row. A row is computed when it is asked for: who stops asking, stops
    the work.
    """
    model = get_model(name, WritesRows)
    n, seed = check_int("The number of images", n, 1, MAX_WRITTEN), check_int("The seed", seed, 0, MAX_SEED)
    index, temperature = class_index(name, label), knob(model, "temperature", temperature)
    labels = operations.as_labels(model, n, "balanced" if index is None else index)
    x = torch.zeros(n, *model.image_shape)
    info = signature(name, n=n, seed=seed, **class_text(name, index), temperature=temperature)
    return _written(model, x, torch.zeros_like(x[:, :1], dtype=torch.bool), labels, seed, temperature, info)


def complete_rows(
    name: str,
    pad: Pad,
    n: int = 8,
    seed: int = 0,
    label: int | str | None = None,
    temperature: float = 1.0,
) -> Iterator[Writing]:
    """The hidden pixels of a picture, written n times, row by row; the others stay as they are.

    label: a class, "balanced" for every class in turn, or None: then the model isn't told one. See `sample_rows`.
    """
    model = get_model(name, WritesRows)
    image, hidden = from_pad(name, pad)
    n, seed = check_int("The number of completions", n, 1, MAX_WRITTEN), check_int("The seed", seed, 0, MAX_SEED)
    temperature = knob(model, "temperature", temperature)
    everyone = isinstance(label, str) and label == "balanced"
    index = None if everyone else class_index(name, label)
    labels = operations.as_labels(model, n, "balanced" if everyone else index)
    kind = class_text(name, index) if everyone or index is not None else {"class": NOT_NAMED}
    info = signature(name, n=n, seed=seed, **kind, temperature=temperature, given_pixels=int((~hidden).sum()))
    start: Pad = {**pad, "mask": _text(hidden[0, 0].numpy())}
    x, given = image.expand(n, -1, -1, -1), (~hidden).expand(n, -1, -1, -1)
    return _written(model, x, given, labels, seed, temperature, info, start)


def _written(
    model: WritesRows,
    x: Tensor,
    given: Tensor,
    labels: Tensor,
    seed: int,
    temperature: float,
    info: dict[str, str],
    start: Pad | None = None,
) -> Iterator[Writing]:
    """The states of the writing, one per row. Each holds all rows so far, so that none is needed but the last seen."""
    writing: Writing = {
        "run": new_run(), "shape": list(model.image_shape), "count": len(x), "columns": columns_for(len(x)),
        "start": start and start["pixels"], "mask": start and start["mask"], "info": info, "rows": [],
    }  # fmt: skip
    generators = seeded(range(seed, seed + len(x)))
    rows: list[WrittenRow] = []
    steps = locked_steps(model.write(x, given, labels, generators=generators, temperature=temperature))
    for row, (images, entropies) in enumerate(steps):
        rows.append(_row(images[:, :, row], entropies[:, row], given[:, 0, row]))
        yield {**writing, "rows": list(rows)}


def _row(pixels: Tensor, entropies: Tensor, given: Tensor) -> WrittenRow:
    """A row `(N, C, W)` of N pictures and its entropies `(N, W)`, as base64 of bytes.

    pixels: in picture, width, channel order. bits: how unsure the model was of each pixel, in tenths of a bit; UNKNOWN
    where the pixel was `given`.
    """
    bits = torch.where(given, UNKNOWN, (entropies * TENTHS).round().clamp(0, UNKNOWN - 1))
    return {"pixels": _text(to_uint8(pixels).movedim(1, 2).numpy()), "bits": _text(bits.numpy())}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode()


# -- what it expects --------------------------------------------------------------------------------------------------


@locked
def surprise_map(name: str, pad: Pad) -> SurpriseMap:
    """How much each pixel of a picture surprises the model, given those before it, without naming the class.

    bits: -log2 of the probability that a pixel had, its colours added up (25.4 and more are the same).
    """
    levels, log_p = _expectations(name, pad)
    bits = -log_p.gather(-1, levels.unsqueeze(-1)).squeeze(-1).sum(0) / math.log(2)
    surprise = (bits * TENTHS).round().clamp(0, UNKNOWN - 1)
    shape = describe(name)["shape"]
    return {"name": name, "shape": shape, "pixels": pad["pixels"], "bits": _text(surprise.numpy())}


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
    return levels, log_p
