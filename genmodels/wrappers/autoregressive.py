"""What a model that writes pixel by pixel allows: watch it write, let it finish a picture, ask what it expects next."""

import base64
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.models.base import Model, seeded
from genmodels.protocols import Completes, HasLikelihood
from genmodels.wrappers.core import (
    MAX_SEED,
    NOT_NAMED,
    check_int,
    check_name,
    class_index,
    class_text,
    describe,
    get_model,
    locked,
    locked_steps,
    new_run,
)
from genmodels.wrappers.pictures import Pad, columns_for, from_pad, signature
from genmodels.wrappers.sampling import knob

MAX_WRITTEN = 16
TENTHS, UNKNOWN = 10, 255  # bits travel as bytes: so many to the bit, and one that stands for "none"
KEPT_EXPECTATIONS = 8  # up to 3 MB each

#: Pictures as far as they are written, for the browser:
#: run (see `new_run`), shape, count and columns (of pictures), rows (see `_row`), info (the settings),
#: start and mask (what was given, as a pad's pixels and mask) or None.
Writing = dict[str, Any]


def _get_writer(name: str) -> Model:
    """A model that writes one pixel after the other, and can say what it expects of each."""
    check_name(name)
    model = get_model(name)
    if not hasattr(model, "write"):
        raise ValueError(f"The model {name!r} does not write pixel by pixel.")
    operations.require(model, Completes, HasLikelihood)
    return model


# -- writing ----------------------------------------------------------------------------------------------------------


def sample_rows(
    name: str, n: int = MAX_WRITTEN, seed: int = 0, label: int | str | None = None, temperature: float = 1.0
) -> Iterator[Writing]:
    """n new pictures, row by row; picture i has seed + i. label None = every class in turn.

    Bad values are refused at once, not at the first row. A row is computed when it is asked for: who stops asking, stops
    the work.
    """
    model = _get_writer(name)
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
    model = _get_writer(name)
    image, hidden = from_pad(name, pad)
    n, seed = check_int("The number of completions", n, 1, MAX_WRITTEN), check_int("The seed", seed, 0, MAX_SEED)
    temperature = knob(model, "temperature", temperature)
    everyone = isinstance(label, str) and label == "balanced"
    index = None if everyone else class_index(name, label)
    labels = operations.as_labels(model, n, "balanced" if everyone else index)
    kind = class_text(name, index) if everyone or index is not None else {"class": NOT_NAMED}
    info = signature(name, n=n, seed=seed, **kind, temperature=temperature, given_pixels=int((~hidden).sum()))
    start = {"start": pad["pixels"], "mask": _text(hidden[0, 0].numpy())}
    x, given = image.expand(n, -1, -1, -1), (~hidden).expand(n, -1, -1, -1)
    return _written(model, x, given, labels, seed, temperature, info, start)


def _written(
    model: Model,
    x: Tensor,
    given: Tensor,
    labels: Tensor,
    seed: int,
    temperature: float,
    info: dict[str, str],
    start: dict[str, str | None] | None = None,
) -> Iterator[Writing]:
    """The states of the writing, one per row. Each holds all rows so far, so that none is needed but the last seen."""
    writing = {
        "run": new_run(), "shape": list(model.image_shape), "count": len(x), "columns": columns_for(len(x)),
        "start": None, "mask": None, **(start or {}), "info": info,
    }  # fmt: skip
    generators = seeded(range(seed, seed + len(x)))
    rows: list[dict[str, str]] = []
    steps = locked_steps(model.write(x, given, labels, generators=generators, temperature=temperature))
    for row, (images, entropies) in enumerate(steps):
        rows.append(_row(images[:, :, row], entropies[:, row], given[:, 0, row]))
        yield {**writing, "rows": list(rows)}


def _row(pixels: Tensor, entropies: Tensor, given: Tensor) -> dict[str, str]:
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
def surprise_map(name: str, pad: Pad) -> dict[str, Any]:
    """How much each pixel of a picture surprises the model, given those before it, without naming the class.

    Returns name, shape and pixels of the picture, and bits: the surprise of each pixel, -log2 of the probability that it
    had, its colours added up, in tenths of a bit as base64 of bytes (25.4 and more are the same).
    """
    levels, log_p = _expectations(name, pad)
    bits = -log_p.gather(-1, levels.unsqueeze(-1)).squeeze(-1).sum(0) / math.log(2)
    surprise = (bits * TENTHS).round().clamp(0, UNKNOWN - 1)
    facts = {"name": name, "shape": describe(name)["shape"], "pixels": pad["pixels"]}
    return facts | {"bits": _text(surprise.numpy())}


@locked
def pixel_distribution(name: str, pad: Pad, x: int, y: int) -> list[dict[str, Any]]:
    """What the model expects of the pixel in column x and row y, knowing those before it; one dict per channel, of which
    each also knows the channels before it.

    probabilities (of every level, from dark to bright), level (what the pixel is), bits (its surprise), entropy (the
    surprise that was to be expected, in bits).
    """
    height, width = describe(name)["shape"][1:]
    x, y = check_int("The column", x, 0, width - 1), check_int("The row", y, 0, height - 1)
    levels, log_p = _expectations(name, pad)
    found = []
    for level, log in zip(levels[:, y, x].tolist(), log_p[:, y, x].double(), strict=True):
        p = log.exp()
        entropy = -(p * log).sum().item() / math.log(2)
        rounded = [round(value, 6) for value in p.tolist()]
        bits = -log[level].item() / math.log(2)
        found.append({"probabilities": rounded, "level": level, "bits": bits, "entropy": entropy})
    return found


def _expectations(name: str, pad: Pad) -> tuple[Tensor, Tensor]:
    """The levels of a picture `(C, H, W)`, and the log-probabilities of all levels of its pixels `(C, H, W, levels)`."""
    _get_writer(name)
    from_pad(name, pad)  # refuses what is no picture
    return _kept_expectations(name, pad["pixels"])


@functools.lru_cache(maxsize=KEPT_EXPECTATIONS)
def _kept_expectations(name: str, pixels: str) -> tuple[Tensor, Tensor]:
    """A pointer asks for one pixel after the other of the same picture: the network looks at it once."""
    x, _ = from_pad(name, {"pixels": pixels, "mask": ""})
    log_p = get_model(name).log_probabilities(x)[0]
    levels = (to_uint8(x)[0].double() * (log_p.shape[-1] - 1) / 255).round().long()
    return levels, log_p
