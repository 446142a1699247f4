"""The game of telling generated pictures from real ones, against the GAN's own discriminator."""

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import Images, to_float, to_uint8
from genmodels.device import here
from genmodels.protocols import Judges, Samples
from genmodels.wrappers.core import MAX_SEED, check_int, get_model, locked
from genmodels.wrappers.discriminator import threshold
from genmodels.wrappers.examples import known_images
from genmodels.wrappers.pictures import to_pad
from genmodels.wrappers.section import Answer, from_pads
from genmodels.wrappers.state import Kind, Refused, State, field, seed
from genmodels.wrappers.types import Marks, Pad, Round

CARDS, PAIRS, PAIR_PSI = 8, 4, 0.5
FEWEST_FAKES, MOST_FAKES = 2, 6


def deal(name: str, seed: int) -> Round:
    """A round of "spot the fake": eight pictures, of which two to six are generated and the others real test images.

    A model of data of which we have no test
    images gets four pairs of one class each instead, where the picture drawn with psi = 0.5 is to be picked.
    """
    seed = check_int("The seed", seed, 0, MAX_SEED)
    get_model(name, Samples)
    get_model(name, Judges)
    dice, real = random.Random(seed), known_images(name)
    return _deal_pairs(name, dice) if real is None else _deal_mixed(name, dice, real)


@locked
def _deal_mixed(name: str, dice: random.Random, real: Images) -> Round:
    model = get_model(name, Judges)
    fakes = dice.sample(range(CARDS), dice.randint(FEWEST_FAKES, MOST_FAKES))
    chosen = dice.sample(range(len(real)), CARDS)
    pixels = real.pixels[chosen].clone()
    labels = real.labels[chosen] if model.num_classes else torch.full((CARDS,), -1)
    for i in fakes:  # of the class of the picture whose place it takes, so that classes give nothing away
        pixels[i] = to_uint8(operations.sample(model, 1, dice.randrange(MAX_SEED), int(labels[i])))[0]
    picks = (model.realism(to_float(pixels).to(here())) < threshold(name)).tolist()
    return {"pictures": _pads(pixels), "sought": [i in fakes for i in range(CARDS)], "critic": picks, "group": 1}


@locked
def _deal_pairs(name: str, dice: random.Random) -> Round:
    """The critic picks the picture of a pair to which it gives the higher score: truncation leads to typical pictures."""
    model = get_model(name, Judges)
    pixels: list[Tensor] = []
    sought: list[bool] = []
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


def marks(dealt: Round, picks: Any) -> Marks:
    """How right a visitor's picks (positions, from 0) are. ValueError if they are no such positions."""
    count, group = len(dealt["pictures"]), dealt["group"]
    if not isinstance(picks, Sequence) or isinstance(picks, str) or len(picks) > count:
        raise ValueError(f"The picks must be a list of at most {count} positions.")
    positions = {check_int("A pick", pick, 0, count - 1) for pick in picks}
    picked = [i in positions for i in range(count)]
    starts = range(0, count, group)
    if group > 1 and any(sum(picked[i : i + group]) != 1 for i in starts):
        raise ValueError("Pick one picture of each pair first.")

    def right(answers: list[bool]) -> int:
        return sum(answers[i : i + group] == dealt["sought"][i : i + group] for i in starts)

    return {"picked": picked, "visitor": right(picked), "critic": right(dealt["critic"]), "of": len(starts)}


# -- as a section ------------------------------------------------------------------------------------------------------

QUESTIONS = {
    1: "Which of these eight were **generated**? The others are real test images.",
    2: "There are no real pictures of this model's kind here, so both pictures of a pair are generated: which one came "
    "with **ψ = 0.5**, as a more typical picture of its class?",
}
TRUTHS = {1: {True: "generated", False: "real"}, 2: {True: "ψ = 0.5", False: "ψ = 1"}}


@dataclass(frozen=True, kw_only=True)
class Picks(Kind):
    """Positions of pictures, from 0, as a list or as text ("0,3"); None: the visitor hasn't decided yet."""

    shown: bool = False

    def check(self, value: Any, model: str) -> list[int] | None:
        if isinstance(value, str):
            value = [int(part) if part.isdecimal() else part for part in value.split(",") if part]
        if value is None or (isinstance(value, (list, tuple)) and len(value) <= CARDS):
            return None if value is None else sorted({check_int("A pick", pick, 0, CARDS - 1) for pick in value})
        raise ValueError(f"The picks must be a list of at most {CARDS} positions.")


@dataclass(frozen=True)
class SpotState(State):
    round: int = seed("Round", shown=False)
    picks: list[int] | None = field(Picks(label="Picks", info="Positions of the picked pictures, from 0."))


def spot(state: SpotState) -> Answer:
    """pictures, group and question of a round. What is true comes only with the visitor's picks: answers, one for each
    picture {sought, truth, visitor, critic} (in a word, and who was right), visitor, critic, of, and words."""
    dealt = _round(state.model, state.round)
    told = {"pictures": from_pads(dealt["pictures"]), "group": dealt["group"], "question": QUESTIONS[dealt["group"]]}
    if state.picks is None:
        return told
    try:
        found = marks(dealt, state.picks)
    except ValueError as error:
        raise Refused(str(error), "picks") from error
    answers = [
        {"sought": sought, "truth": TRUTHS[dealt["group"]][sought], "visitor": mine == sought, "critic": its == sought}
        for sought, mine, its in zip(dealt["sought"], found["picked"], dealt["critic"], strict=True)
    ]
    words = f"This round: you **{found['visitor']} of {found['of']}**, the critic **{found['critic']}**."
    told |= {"picks": state.picks, "answers": answers, "words": words}
    return told | {key: found[key] for key in ("visitor", "critic", "of")}


@functools.lru_cache(maxsize=32)
def _round(name: str, seed: int) -> Round:
    """`deal`, kept for the second question."""
    return deal(name, seed)
