"""What a likelihood allows: bits/dim of a picture, its place among test images, and other kinds of pictures beside it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch

from genmodels import operations
from genmodels.protocols import HasLikelihood
from genmodels.wrappers.core import MODELS_KEPT, calibrated, get_model, locked
from genmodels.wrappers.examples import of_kind, outliers, plain_pictures
from genmodels.wrappers.latents import PictureState
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, from_pads, share
from genmodels.wrappers.state import State
from genmodels.wrappers.types import Histogram, Labelled, Pad


class Likelihood(TypedDict):
    """bits/dim of a picture, whether they are a bound, the share in percent of test images that cost more, and the histogram
    of these."""

    bits: float
    is_bound: bool
    likelier_than: float
    histogram: Histogram


class Compared(TypedDict):
    """A picture beside others. known: whether it is of the model's kind."""

    label: str
    pad: Pad
    known: bool
    bits: float
    likelier_than: float


WHY = "Why? A likelihood adds up how well each pixel can be told from the others, and in a simple picture every pixel can."
MIDDLE = 50  # percent: where the median test image lies


@locked
def likelihood(name: str, pad: Pad) -> Likelihood:
    """What a picture costs without naming its class."""
    bits = _bits(name, [pad])[0]
    return {
        "bits": bits,
        "is_bound": get_model(name, HasLikelihood).likelihood_is_bound,
        "likelier_than": _likelier_than(name, bits),
        "histogram": _bits_histogram(name),
    }


def _bits(name: str, pads: Sequence[Pad]) -> list[float]:
    model = get_model(name, HasLikelihood)
    x = torch.cat([from_pad(name, pad)[0] for pad in pads])
    return operations.bits_per_dim(model, x).tolist()


def _test_bits(name: str) -> np.ndarray:
    return calibrated(name, "bits_per_dim_test", "likelihoods").numpy()


def _likelier_than(name: str, bits: float) -> float:
    return float((_test_bits(name) > bits).mean() * 100)


@functools.lru_cache(maxsize=MODELS_KEPT)
def _bits_histogram(name: str) -> Histogram:
    """The test images' bits/dim in 40 bins from 0 up to what one in a thousand exceeds."""
    counts, edges = np.histogram(_test_bits(name), bins=40, range=(0, float(np.quantile(_test_bits(name), 0.999))))
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def compared(name: str, known: Sequence[Labelled]) -> list[Compared]:
    """The `known` pictures of the model's kind and those of others, the likeliest first."""
    pads = [*known, *plain_pictures(name), *outliers(name)]
    rows: list[Compared] = [
        {"label": label, "pad": pad, "known": i < len(known), "bits": bits, "likelier_than": _likelier_than(name, bits)}
        for i, ((label, pad), bits) in enumerate(zip(pads, _all_bits(name, [pad for _, pad in pads]), strict=True))
    ]
    return sorted(rows, key=lambda row: row["bits"])


@locked
def _all_bits(name: str, pads: Sequence[Pad]) -> list[float]:
    return _bits(name, pads)


# -- as sections -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KindsState(State):
    """Nothing but the model: the pictures are ours."""


def verdict(state: PictureState) -> Answer:
    """histogram: the test images' bits/dim with the picture's marked; words; bits, is_bound and likelier_than (percent)."""
    seen = likelihood(state.model, state.pad_of("picture"))
    cost = f"{'≤ ' if seen['is_bound'] else ''}{seen['bits']:.2f}"
    marks = {"mark": seen["bits"], "left": "more likely", "middle": "bits/dim", "right": "less likely"}
    note = get_model(state.model, HasLikelihood).likelihood_note
    words = f"**{cost} bits/dim**: more likely than **{share(seen['likelier_than'])}** of test images."
    return seen | {
        "histogram": seen["histogram"] | marks,
        "words": f"{words} This is the likelihood {note}." if note else words,
    }


@functools.lru_cache(maxsize=MODELS_KEPT)
def kinds(state: KindsState) -> Answer:
    """gallery: pictures of other kinds and one of the model's own (marked), the most likely first; words: which of them the
    model prefers to real test images, and why. Measured once per model."""
    rows = compared(state.model, of_kind(state.model)[3:4])
    fooled = [row["label"] for row in rows if row["likelier_than"] > MIDDLE and not row["known"]]
    words = "None of these is more likely than the median test image."
    if fooled:
        words = f"More likely than the median test image, though of another kind: **{', '.join(fooled)}**. {WHY}"
    return {
        "gallery": {
            "pictures": from_pads([row["pad"] for row in rows]),
            "titles": [[row["label"], f"{row['bits']:.2f}"] for row in rows],
            "marked": [row["known"] for row in rows],
        },
        "words": words,
    }
