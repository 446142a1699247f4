"""What a critic (the discriminator of a GAN) allows: its score of any picture."""

import functools
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d

from genmodels import operations
from genmodels.data import to_float, to_uint8
from genmodels.protocols import Judges, Samples
from genmodels.wrappers.core import MODELS_KEPT, calibration, get_model, locked
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, share
from genmodels.wrappers.state import State, drawing
from genmodels.wrappers.types import Pad, ScoreHistograms

OWN = 200  # a second's work at most, once


class Judgement(TypedDict):
    """A score, the shares in percent of test images and of generated pictures below it, and the histograms of both."""

    score: float
    above_test: float
    above_samples: float
    histogram: ScoreHistograms


@locked
def judge(name: str, pad: Pad) -> Judgement:
    """How real the critic finds a picture."""
    model = get_model(name, Judges)
    score = float(model.realism(from_pad(name, pad)[0]))
    test, samples = known_scores(name)
    return {
        "score": score,
        "above_test": float((test < score).mean() * 100),
        "above_samples": float((samples < score).mean() * 100),
        "histogram": histograms(name),
    }


def known_scores(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The critic's scores of the test images and of samples, both sorted."""
    tensors = calibration(name)
    if "realism_test" not in tensors:
        raise ValueError(f"The model {name!r} keeps no scores of its critic.")
    return tensors["realism_test"].numpy(), tensors["realism_samples"].numpy()


@functools.lru_cache(maxsize=MODELS_KEPT)
def histograms(name: str) -> ScoreHistograms:
    """Shares of test images and of samples in 40 bins, over the range that one in two hundred leaves on each side."""
    both = known_scores(name)
    low, high = np.quantile(np.concatenate(both), [0.005, 0.995])
    counts = [np.histogram(scores, bins=40, range=(low, high)) for scores in both]
    test, samples = ((found / len(s)).tolist() for (found, _), s in zip(counts, both, strict=True))
    return {"test": test, "samples": samples, "edges": counts[0][1].tolist()}


@functools.lru_cache(maxsize=MODELS_KEPT)
def threshold(name: str) -> float:
    """The score below which the critic's best guess is "generated": there it is right most often, if half are."""
    test, samples = known_scores(name)
    candidates = np.concatenate([test, samples])
    right = 1 - np.searchsorted(test, candidates) / len(test) + np.searchsorted(samples, candidates) / len(samples)
    return float(candidates[right.argmax()])


@locked
def nearest_own(name: str, pad: Pad, count: int = 4) -> Tensor:
    """Of OWN pictures that the generator makes, the ones closest to a picture, pixel by pixel at half its size."""
    pictures, small = own(name)
    x = avg_pool2d(from_pad(name, pad)[0], 2).cpu()
    return pictures[(small - x).square().mean((1, 2, 3)).argsort()[:count]]


@functools.lru_cache(maxsize=MODELS_KEPT)
@locked
def own(name: str) -> tuple[Tensor, Tensor]:
    """OWN pictures of every class in turn, in 256 levels as they are shown, and the same at half their size."""
    x = to_float(to_uint8(operations.sample(get_model(name, Samples), OWN).cpu()))
    return x, avg_pool2d(x, 2)


# -- as a section ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CriticState(State):
    picture: str = drawing()


def look(state: CriticState) -> Answer:
    """realism: the critic's score of a picture among those of real test images and of generated pictures, as a histogram;
    words: and in words; score, above_test, above_samples: see `judge`."""
    seen = judge(state.model, state.pad_of("picture"))
    marks = seen["histogram"]
    words = (
        f"More real to the critic than **{share(seen['above_test'])}** of real test images "
        f"and **{share(seen['above_samples'])}** of this GAN's pictures."
    )
    ends = {"left": "looks generated", "right": "looks real"}
    histogram = {"above": marks["test"], "below": marks["samples"], "edges": marks["edges"], "mark": seen["score"]}
    figures = {key: seen[key] for key in ("score", "above_test", "above_samples")}
    return {"realism": histogram | ends, "words": words} | figures
