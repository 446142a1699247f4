"""What a critic allows: its score of any picture, and the game of telling generated pictures from real ones."""

import functools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import Images, to_float, to_uint8
from genmodels.protocols import Judges, Samples
from genmodels.wrappers.core import MAX_SEED, MODELS_KEPT, calibration, computing, get_model, whole
from genmodels.wrappers.pictures import Pad, from_pad, to_pad
from genmodels.wrappers.starters import known_images

CARDS, PAIRS, PAIR_PSI = 8, 4, 0.5
FEWEST_FAKES, MOST_FAKES = 2, 6


# -- the critic's score -----------------------------------------------------------------------------------------------


@computing
def judge(name: str, pad: Pad) -> dict[str, Any]:
    """How real the critic finds a picture: score, the share in percent of test images ("above_test") and of generated
    pictures ("above_samples") that it finds less real, and the histograms of both."""
    model = get_model(name, Judges)
    score = float(model.realism(from_pad(name, pad)[0]))
    test, samples = _known_scores(name)
    return {
        "score": score,
        "above_test": float((test < score).mean() * 100),
        "above_samples": float((samples < score).mean() * 100),
        "histogram": _histograms(name),
    }


def _known_scores(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The critic's scores of the test images and of samples, both sorted."""
    tensors = calibration(name)
    if "realism_test" not in tensors:
        raise ValueError(f"The model {name!r} keeps no scores of its critic.")
    return tensors["realism_test"].numpy(), tensors["realism_samples"].numpy()


@functools.lru_cache(maxsize=MODELS_KEPT)
def _histograms(name: str) -> dict[str, list[float]]:
    """Shares of test images and of samples in 40 bins, over the range that one in two hundred leaves on each side."""
    both = _known_scores(name)
    low, high = np.quantile(np.concatenate(both), [0.005, 0.995])
    counts = [np.histogram(scores, bins=40, range=(low, high)) for scores in both]
    test, samples = ((found / len(s)).tolist() for (found, _), s in zip(counts, both, strict=True))
    return {"test": test, "samples": samples, "edges": counts[0][1].tolist()}


@functools.lru_cache(maxsize=MODELS_KEPT)
def threshold(name: str) -> float:
    """The score below which the critic's best guess is "generated": there it is right most often, if half are."""
    test, samples = _known_scores(name)
    candidates = np.concatenate([test, samples])
    right = 1 - np.searchsorted(test, candidates) / len(test) + np.searchsorted(samples, candidates) / len(samples)
    return float(candidates[right.argmax()])


# -- the game ---------------------------------------------------------------------------------------------------------


def deal(name: str, seed: int) -> dict[str, Any]:
    """A round of "spot the fake": eight pictures, of which two to six are generated and the others real test images.

    pictures: pads. sought: for each, whether it is to be picked. critic: whether the critic picks it. group: among how
    many neighbours one is to be picked, or 1 if each picture counts for itself. A model of data of which we have no test
    images gets four pairs of one class each instead, where the picture drawn with psi = 0.5 is to be picked.
    """
    seed = whole("The seed", seed, 0, MAX_SEED)
    get_model(name, Samples, Judges)
    dice, real = random.Random(seed), known_images(name)
    return _deal_pairs(name, dice) if real is None else _deal_mixed(name, dice, real)


@computing
def _deal_mixed(name: str, dice: random.Random, real: Images) -> dict[str, Any]:
    model = get_model(name, Samples, Judges)
    fakes = dice.sample(range(CARDS), dice.randint(FEWEST_FAKES, MOST_FAKES))
    chosen = dice.sample(range(len(real)), CARDS)
    pixels = real.pixels[chosen].clone()
    labels = real.labels[chosen] if model.num_classes else torch.full((CARDS,), -1)
    for i in fakes:  # of the class of the picture whose place it takes, so that classes give nothing away
        pixels[i] = to_uint8(operations.sample(model, 1, dice.randrange(MAX_SEED), int(labels[i])))[0]
    picks = (model.realism(to_float(pixels)) < threshold(name)).tolist()
    return {"pictures": _pads(pixels), "sought": [i in fakes for i in range(CARDS)], "critic": picks, "group": 1}


@computing
def _deal_pairs(name: str, dice: random.Random) -> dict[str, Any]:
    """The critic picks the picture of a pair to which it gives the higher score: truncation leads to typical pictures."""
    model = get_model(name, Samples, Judges)
    pixels, sought = [], []
    for _ in range(PAIRS):
        label = dice.randrange(model.num_classes) if model.num_classes else None
        for psi in dice.sample([PAIR_PSI, 1.0], 2):
            x = operations.sample(model, 1, dice.randrange(MAX_SEED), label, truncation_psi=psi)
            pixels.append(to_uint8(x)[0])
            sought.append(psi == PAIR_PSI)
    scores = model.realism(to_float(torch.stack(pixels))).view(PAIRS, 2)
    picks = (scores == scores.max(1, keepdim=True).values).flatten().tolist()
    return {"pictures": _pads(torch.stack(pixels)), "sought": sought, "critic": picks, "group": 2}


def _pads(pixels: Tensor) -> list[Pad]:
    return [to_pad(image) for image in pixels]


def marks(dealt: dict[str, Any], picks: Any) -> dict[str, Any]:
    """A visitor's picks (positions, from 0) in a round: as a list of bool, and how many groups visitor and critic have
    right, "of" how many. ValueError if they are no such positions."""
    count, group = len(dealt["pictures"]), dealt["group"]
    if not isinstance(picks, Sequence) or isinstance(picks, str) or len(picks) > count:
        raise ValueError(f"The picks must be a list of at most {count} positions.")
    positions = {whole("A pick", pick, 0, count - 1) for pick in picks}
    picked = [i in positions for i in range(count)]
    starts = range(0, count, group)
    if group > 1 and any(sum(picked[i : i + group]) != 1 for i in starts):
        raise ValueError("Pick one picture of each pair first.")

    def right(answers: list[bool]) -> int:
        return sum(answers[i : i + group] == dealt["sought"][i : i + group] for i in starts)

    return {"picked": picked, "visitor": right(picked), "critic": right(dealt["critic"]), "of": len(starts)}
