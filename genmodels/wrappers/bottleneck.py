"""Pictures pushed through a few numbers and rebuilt: what is lost, how unusual they are, and mixtures of two codes."""

import functools
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.metrics import mean_squared_error, psnr
from genmodels.protocols import Reconstructs
from genmodels.wrappers.core import MODELS_KEPT, calibrated, get_model, locked
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, pictures
from genmodels.wrappers.state import State, drawing, hidden, real, seed
from genmodels.wrappers.types import Histogram

# -- through the bottleneck --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ThroughState(State):
    picture: str = drawing(tools=("pen", "erase", "hide"))
    hidden: str = hidden()
    sigma: float = real("Noise σ", 0.0, 0, 1, info="It was trained to put whole, clean pictures back.")
    seed: int = seed()


@locked
def through(state: ThroughState) -> Answer:
    """A picture with its hidden pixels erased and noise added, its code, and what is rebuilt from that, in one pass.

    seen, reconstruction, difference: pictures. code: numbers. quality: how close the reconstruction comes, in words.
    unusual: the anomaly score of the picture as given among those of the test images, as a histogram; words: and in words.
    score: root mean squared error in grey levels; percentile: the share of test images that have a lower one.
    """
    model = get_model(state.model, Reconstructs)
    scores = calibrated(state.model, "scores", "anomaly scores").numpy()
    x, mask = from_pad(state.model, state.pad)
    damaged = state.sigma > 0 or bool(mask.any())
    seen = operations.corrupt(x, state.sigma, [state.seed], mask).clamp(-1, 1)
    start = time.perf_counter()
    code = model.encode(torch.cat([seen, x]) if damaged else x)
    rebuilt = model.decode(code).clamp(-1, 1)
    ms = 1000 * (time.perf_counter() - start)
    score = float(mean_squared_error(rebuilt[-1:], x).sqrt() * 127.5)
    percentile = float((scores < score).mean() * 100)
    return {
        "seen": pictures(seen),
        "code": code[0].flatten().tolist(),
        "reconstruction": pictures(rebuilt[:1]),
        "difference": pictures((rebuilt[:1] - x).abs() - 1),
        "quality": quality(finite_psnr(rebuilt[:1], x), finite_psnr(seen, x) if damaged else None, ms),
        "unusual": score_histogram(state.model)
        | {"mark": score, "left": "easy to rebuild", "middle": "test images", "right": "hard to rebuild"},
        "words": how_unusual(percentile),
        "score": score,
        "percentile": percentile,
        "ms": ms,
    }


def quality(reconstructed: float, seen: float | None, ms: float) -> str:
    """How close the reconstruction comes, and how close the damaged picture was, in dB against the picture as given."""
    damaged = "" if seen is None else f", of what it saw **{seen:.1f} dB**"
    return f"PSNR of the reconstruction against the picture as given **{reconstructed:.1f} dB**{damaged} · {ms:.0f} ms"


def how_unusual(percentile: float) -> str:
    """The anomaly score in one sentence."""
    if percentile >= 99.95:
        return "More unusual than **every** test image: the network has never seen anything like it."
    ending = ": probably not the kind of picture it was trained on." if percentile > 99 else "."
    return f"More unusual than **{percentile:.{1 if percentile > 99 else 0}f} %** of test images{ending}"


@functools.lru_cache(maxsize=MODELS_KEPT)
def score_histogram(name: str) -> Histogram:
    """The test images' anomaly scores in 40 bins, up to the score that one in a thousand exceeds."""
    scores = calibrated(name, "scores", "anomaly scores").numpy()
    counts, edges = np.histogram(scores, bins=40, range=(0, float(np.quantile(scores, 0.999))))
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def finite_psnr(x: Tensor, y: Tensor) -> float:
    """PSNR in dB of images `(1, C, H, W)`, at most 99."""
    return min(99.0, psnr(float(mean_squared_error(x, y).mean())))


# -- between two pictures ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BlendState(State):
    picture: str = drawing()
    other: str = drawing("The other picture", "#3")
    t: float = real("From your picture to the other", 0.5, 0, 1, step=0.02)


@locked
def blend(state: BlendState) -> Answer:
    """At t of the way from one picture to another: codes, decoded from the mixture of both codes, and pixels, the plain
    cross-fade."""
    model = get_model(state.model, Reconstructs)
    a, b = (from_pad(state.model, state.pad_of(key))[0] for key in ("picture", "other"))
    return {
        "picture": pictures(a),
        "codes": pictures(operations.interpolate(model, a[0], b[0], torch.tensor([state.t]))),
        "pixels": pictures(torch.lerp(a, b, state.t)),
        "other": pictures(b),
    }
