"""Which of these doesn't belong? Pictures ranked by every score that the models of a data set have for strangeness.

What it stands for: faults found among thousands of sound parts, see `genmodels/anomaly.py`; how well each score does, `experiments/anomaly.py`
measures.
"""

import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmodels import anomaly
from genmodels.data import to_uint8
from genmodels.experiments.anomaly import CONSTANT, INVERTED, NOISE, can_tell
from genmodels.protocols import AnyModel
from genmodels.real_images import kept, real_images
from genmodels.wrappers import examples, on_record
from genmodels.wrappers.core import describe, get_model, locked_steps
from genmodels.wrappers.pictures import from_pad, to_pad
from genmodels.wrappers.section import Answer, Whole, packed
from genmodels.wrappers.state import DataState, Drawings, choice, field, seed
from genmodels.wrappers.types import Pad

PICTURES, STRANGERS, SHOWN = 16, 2, 8
TITLES = {anomaly.ERROR: "Hard to rebuild", anomaly.CRITIC: "Unreal to the critic", anomaly.BITS: "Unlikely", anomaly.BITS_LESS_PNG: "Unlikely for so simple a picture"}  # fmt: skip
UNITS = {anomaly.ERROR: "grey levels", anomaly.CRITIC: "", anomaly.BITS: "bits/dim", anomaly.BITS_LESS_PNG: "bits/dim"}


def tellers() -> list[str]:
    """The models that have a score for strangeness, the usual one of each family for each data set."""
    names = [name for name in on_record.everyone() if can_tell(describe(name)["family"])]
    return on_record.first_of_each(name for name in names if examples.known_images(name) is not None)


def strange_kinds(model: str) -> list[tuple[str, str]]:
    others = [data for data in kept() if data != describe(model)["data"]]
    return [
        *((on_record.title(data), data) for data in others),
        *((kind, kind) for kind in (NOISE, CONSTANT, INVERTED)),
    ]


@dataclass(frozen=True)
class OutsidersState(DataState):
    strangers: str = choice("Two strangers", lambda model: strange_kinds(model)[0][1], strange_kinds)
    seed: int = seed()
    pictures: list[str] = field(Drawings(label="Your pictures"))


def rank(state: OutsidersState) -> Iterator[Answer]:
    """All pictures, then rankings, one by each score as it is there: {title, model, note, gallery}, the strangest first.

    Of ready-made sets the strangers are marked. In the end words, and all rankings.
    """
    pads, known = given(state)
    x = torch.cat([from_pad(state.model, pad)[0] for pad in pads])
    titles = [[str(i + 1)] for i in range(len(pads))]
    gallery = {"pictures": packed(to_uint8(x)), "titles": titles, "marked": [False] * len(pads)}
    yield {"all": gallery, "progress": "Looking …"}
    rankings: list[Answer] = []
    places: list[list[int]] = []
    models = on_record.of_data(state.data, tellers())
    for name, scores in locked_steps(_scored(models, x)):
        for score, values in scores.items():
            order = values.argsort(descending=True).tolist()
            places.append(order)
            rankings.append(_ranking(name, score, x, values, order, known))
            yield {"rankings": rankings[-1:], "progress": f"{name}: {score}"}
    yield Whole({"words": _verdict(rankings, places, known), "progress": f"{len(pads)} pictures, {len(rankings)} scores", "done": True},
                all=gallery, rankings=rankings)  # fmt: skip


def _scored(models: list[str], x: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The scores of each model; what it can rebuild, it is asked for that alone."""
    for name in models:
        found = anomaly.scores(get_model(name, AnyModel), x)
        yield name, {anomaly.ERROR: found[anomaly.ERROR]} if anomaly.ERROR in found else found


def given(state: OutsidersState) -> tuple[list[Pad], list[bool]]:
    """The visitor's pictures; if there are none, real test images and two strangers among them, by the seed; and which are strangers."""
    shape = describe(state.model)["shape"]
    if state.pictures:
        return [{"pixels": one, "mask": "", "shape": shape} for one in state.pictures], [False] * len(state.pictures)
    images = examples.known_images(state.model)
    assert images is not None  # tellers names no others
    chance = random.Random(state.seed)
    ours = [images.pixels[i] for i in chance.sample(range(len(images)), PICTURES - STRANGERS)]
    found = [*((to_pad(one), False) for one in ours), *((to_pad(one), True) for one in strangers(state, chance))]
    chance.shuffle(found)
    return [pad for pad, _ in found], [strange for _, strange in found]


def strangers(state: OutsidersState, chance: random.Random) -> list[np.ndarray]:
    """Two pictures of the kind that is chosen, uint8 `(C, H, W)`."""
    channels, height, width = shape = tuple(describe(state.model)["shape"])
    rng = np.random.default_rng(chance.randrange(2**31))
    if state.strangers == NOISE:
        return list(rng.integers(0, 256, (STRANGERS, *shape), dtype=np.uint8))
    if state.strangers == CONSTANT:
        return [np.full(shape, level, np.uint8) for level in rng.integers(0, 256, STRANGERS)]
    if state.strangers == INVERTED:
        own = examples.known_images(state.model)
        assert own is not None
        return [255 - own.pixels[i].numpy() for i in chance.sample(range(len(own)), STRANGERS)]
    others = real_images(state.strangers, (channels, height, width))
    assert others is not None
    return [
        examples.on_background(state.model, state.strangers, i) for i in chance.sample(range(len(others)), STRANGERS)
    ]


def _ranking(model: str, score: str, x: Tensor, values: Tensor, order: list[int], known: list[bool]) -> Answer:
    first = order[:SHOWN]
    unit = f" {UNITS[score]}" if UNITS[score] else ""
    gallery = {
        "pictures": packed(to_uint8(x[first])),
        "titles": [[f"{float(values[i]):.{0 if score == anomaly.ERROR else 2}f}"] for i in first],
        "marked": [known[i] for i in first],
    }
    places = [order.index(i) + 1 for i, strange in enumerate(known) if strange]
    at = " and ".join(map(str, sorted(places)))
    note = f"Strangers at places {at} of {len(order)}." if places else ""
    return {
        "title": TITLES[score],
        "model": model,
        "score": score,
        "unit": unit.strip(),
        "note": note,
        "places": sorted(places),
        "gallery": gallery,
    }


def _verdict(rankings: list[Answer], orders: list[list[int]], known: list[bool]) -> str:
    """Which scores found the strangers and which were fooled; of a visitor's pictures the one that most find strange."""
    if not any(known):
        mean = [statistics.fmean(order.index(i) for order in orders) for i in range(len(known))]
        least = min(range(len(known)), key=mean.__getitem__)
        agree = sum(order[0] == least for order in orders)
        return f"The strangest by all scores together: **number {least + 1}**, first by {agree} of {len(orders)}."

    def named(rows: list[Answer]) -> str:
        return ", ".join(f"{row['model']} ({row['score']})" for row in rows)

    right = [row for row in rankings if row["places"] == list(range(1, sum(known) + 1))]
    fooled = [row for row in rankings if max(row["places"]) > len(known) / 2]
    if len(right) == len(rankings):
        return "Every score has both **at the top**."
    said = f"Both are at the top by **{named(right)}**." if right else "No score has both at the top."
    if fooled:
        said += f" One of them is more usual than most to **{named(fooled)}**"
        simple = any(row["score"] == anomaly.BITS for row in fooled)
        said += ": a simple picture costs few bits, whatever it shows." if simple else "."
    return said
