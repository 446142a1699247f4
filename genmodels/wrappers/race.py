"""The race: one model of every family that samples draws the same class from the same seed, side by side.

They share the cores, so the machine is lent to one of them at a time, for one step: always to the one that has computed
least so far. The clock of each runs only while it computes. So they arrive in the order in which they would, each alone.
"""

import functools
import heapq
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from genmodels import operations
from genmodels.models.base import seeded
from genmodels.protocols import Samples, SamplesStepwise, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.wrappers import on_record
from genmodels.wrappers.core import available, class_index, describe, get_model, locked, locked_steps, own
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import EACH, Choices, DataState, class_label, class_of, field
from genmodels.wrappers.state import seed as seed_field

PICTURES = 16
PULSE = 0.1  # seconds of a racer's own time between two pictures of it on the way
log = logging.getLogger(__name__)


def entrants() -> list[str]:
    """All models that can race: those that sample and are told a class or nothing."""
    return [name for name in on_record.samplers() if not on_record.reads_captions(name)]


def usual(model: str) -> list[str]:
    """Who races unless somebody else is chosen: the first model of each family for this model's data, and one's own."""
    names = _of_the_same(model)
    racing = {*on_record.first_of_each(names), *own()}
    return [name for name in names if name in racing]


def _of_the_same(model: str) -> list[str]:
    return on_record.of_data(describe(model)["data"], entrants())


@dataclass(frozen=True)
class RaceState(DataState):
    label: str = class_label(EACH)
    racers: list[str] = field(
        Choices(
            label="Who races", default=usual, most=24, advanced=True,
            choices=lambda model: [(name, name) for name in _of_the_same(model)],
        )
    )  # fmt: skip
    seed: int = seed_field()


class Racer:
    """A model on its way. Nothing is loaded before its first turn."""

    def __init__(self, name: str, place: int, label: str, seed: int) -> None:
        self.name, self.place, self.label, self.seed = name, place, label, seed
        self.seconds = 0.0  # that it has computed so far
        self.steps = 0
        self.shown, self.finished = -PULSE, False

    def __lt__(self, other: "Racer") -> bool:
        """Whose turn comes first."""
        return (self.seconds, self.place) < (other.seconds, other.place)

    @functools.cached_property
    def frames(self) -> Iterator[Tensor]:
        index = class_index(self.name, class_of(self.label)) if describe(self.name)["conditional"] else None
        return _frames(self.name, PICTURES, "balanced" if index is None else index, self.seed)

    def turn(self) -> Answer:
        """One step, by its own clock: {share, ms, pictures now and then}; one more when all are done, which says "arrived":
        it comes when nobody else has computed less."""
        if self.finished:
            return {"arrived": True, "share": 1.0, "ms": 1000 * self.seconds}
        steps = _steps(self.name)
        start = time.perf_counter()
        frame = next(self.frames).cpu()  # waits for a device that works by itself
        self.seconds += time.perf_counter() - start
        self.steps += 1
        self.finished = self.steps == steps
        told: Answer = {"ms": 1000 * self.seconds, "share": self.steps / steps}
        if self.finished or self.seconds >= self.shown + PULSE:
            self.shown = self.seconds
            told["pictures"] = pictures(frame)
        return told


def _frames(name: str, n: int, label: str | int, seed: int) -> Iterator[Tensor]:
    """The pictures on the way, the finished ones last."""
    model = get_model(name, Samples)
    labels, generators = operations.as_labels(model, n, label), seeded(range(seed, seed + n))
    if isinstance(model, SamplesStepwise):
        yield from model.sample_steps(labels, generators=generators)
    else:
        yield model.sample(labels, generators=generators)


@functools.lru_cache(maxsize=64)
def _steps(name: str) -> int:
    """How many steps a model takes. It loads and warms up for it, which no clock sees: its first picture takes longer."""
    return sum(1 for _ in _frames(name, 1, "balanced", 0))


def warm_up() -> None:
    """Loads the models with which the page's race begins, so that the first visitor doesn't wait for them."""
    found = entrants()
    for name in RaceState.parse({}, found).racers if found else []:
        try:
            locked(_steps)(name)
        except Exception as error:  # the race says so of it
            on_record.why_failed(log, name, error)


# -- as a section ------------------------------------------------------------------------------------------------------


def race(state: RaceState) -> Iterator[Answer]:
    """racers first: [{family, model, why}], a `why` for those who can't start; then, as it happens, {racer: its number,
    share, ms, pictures}, with its `place` on arrival, or its `why` if it fails. In the end racers again, each with place,
    ms and pictures."""
    table = _starters(state)
    yield {"racers": [dict(row) for row in table], "progress": "On your marks …"}
    starting = [i for i, row in enumerate(table) if "why" not in row]
    there = arrived = 0
    for i, told in locked_steps(_turns([Racer(table[i]["model"], i, state.label, state.seed) for i in starting])):
        if told.pop("arrived", False):
            arrived += 1
            told["place"] = arrived
        elif told.get("share") == 1:
            there += 1
        table[i] |= {key: value for key, value in told.items() if key != "share"}
        yield {"racer": i, "progress": f"{there} of {len(starting)} arrived"} | told
    yield Whole({"progress": f"Done: {arrived} of {len(starting)} arrived", "done": True}, racers=table)


def _starters(state: RaceState) -> list[Answer]:
    """Who is on the start line, family by family; of every family that isn't, why."""
    rows: list[Answer] = []
    for family in FAMILIES:
        names = [name for name in state.racers if describe(name)["family"] == family]
        rows += [{"family": family, "model": name} for name in names]
        if not names and (available(family) or not get_family(family).represented_by):
            rows.append({"family": family, "model": "", "why": _why_absent(family, state.data)})
    return rows


def _why_absent(family: str, data: str) -> str:
    if Samples not in abilities_of(get_family(family)):
        return "It stands by: it draws no pictures of its own."
    return "Not chosen." if on_record.of_data(data, available(family)) else on_record.no_model(family, data)


def _turns(racers: list[Racer]) -> Iterator[tuple[int, Answer]]:
    """One turn after the other; who fails is out, and the others go on."""
    while racers:
        racer = heapq.heappop(racers)
        try:
            told = racer.turn()
        except Exception as error:
            told = {"why": on_record.why_failed(log, racer.name, error)}
        if not {"arrived", "why"} & set(told):
            heapq.heappush(racers, racer)
        yield racer.place, told
