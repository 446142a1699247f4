"""The same noise denoised by several solvers in several numbers of steps, side by side."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from genmodels import operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import Denoises
from genmodels.wrappers.core import MAX_SEED, check_int, class_index, describe, get_model, locked_steps
from genmodels.wrappers.denoisers import SOLVERS, Solver, checked_solver, guidance_field, timed
from genmodels.wrappers.pictures import thumbnail, to_pad
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import EACH, Choices, Refused, State, class_label, class_of, field
from genmodels.wrappers.state import seed as seed_field
from genmodels.wrappers.types import SolverCell

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step

GRID_PICTURES, GRID_SOLVERS, GRID_STEPS = 4, 5, (1, 2, 4, 8, 16, 32, 50)
GRID_CALLS = 400  # of the network, for one comparison
#: Row, column, moment, ms, calls so far.
Call = tuple[int, int, "Step", float, int]


def compare_solvers(
    name: str,
    schedulers: Sequence[str],
    steps: Sequence[int],
    seed: int = 0,
    label: int | str | None = None,
    guidance_scale: float | None = None,
) -> Iterator[dict[str, Any]]:
    """The same noise denoised by every solver in every number of steps, one state per call of the network.

    A state: steps, solvers (their titles), cells (solver by steps: None or {picture: data URL of four pictures, ms, calls:
    of the network}), finished (how many cells). label None = every class in turn.
    """
    chosen = _distinct("solvers", schedulers, GRID_SOLVERS, list(SOLVERS))
    columns = sorted(_distinct("numbers of steps", steps, len(GRID_STEPS), GRID_STEPS))
    cells = _cells(name, chosen, columns, seed, label, guidance_scale)
    facts = {"steps": columns, "solvers": [SOLVERS[solver] for solver in chosen]}
    return locked_steps(_tables(cells, facts, describe(name)["background"]))


def _cells(
    name: str,
    chosen: Sequence[str],
    columns: Sequence[int],
    seed: int,
    label: int | str | None,
    guidance_scale: float | None,
) -> Iterator[Call]:
    """One `Call` per call of the network and one per finished cell, whose sigma is 0.

    All values are checked, and calls counted, before the first.
    """
    model, seed = get_model(name, Denoises), check_int("The seed", seed, 0, MAX_SEED)
    index = class_index(name, label)
    labels = operations.as_labels(model, GRID_PICTURES, "balanced" if index is None else index)
    calls = sum(steps * (2 if solver == "heun" else 1) for solver in chosen for steps in columns)
    if calls > GRID_CALLS:
        message = f"That would be {calls} calls of the network; at most {GRID_CALLS} are allowed: choose less."
        raise Refused(message, "steps")
    jobs = [
        (i, k, checked_solver(name, num_inference_steps=count, scheduler=solver, guidance_scale=guidance_scale))
        for k, count in enumerate(columns)
        for i, solver in enumerate(chosen)
    ]
    return _computed(model, labels, seed, jobs)


def _computed(model: Denoises, labels: Tensor, seed: int, jobs: list[tuple[int, int, Solver]]) -> Iterator[Call]:
    for row, column, solver in jobs:
        moments = model.trajectory(labels, generators=seeded(range(seed, seed + len(labels))), **solver)
        for call, (moment, ms) in enumerate(timed(moments)):
            yield row, column, moment, ms, call


def _distinct(what: str, values: Any, most: int, allowed: Sequence[Any]) -> list[Any]:
    """The values, each once; ValueError if there are none, too many, or others than those that are allowed."""
    values = list(dict.fromkeys(values)) if isinstance(values, (list, tuple)) and not _unhashable(values) else []
    if not 1 <= len(values) <= most or any(isinstance(v, bool) or v not in allowed for v in values):
        raise ValueError(f"Choose 1 to {most} {what}, of {', '.join(map(str, allowed))}.")
    return values


def _unhashable(values: Sequence[Any]) -> bool:
    return any(isinstance(value, (list, dict)) for value in values)


def _tables(computed: Iterator[Call], facts: dict[str, Any], paper: int) -> Iterator[dict[str, Any]]:
    cells: list[list[SolverCell | None]] = [[None] * len(facts["steps"]) for _ in facts["solvers"]]
    finished = 0
    for row, column, moment, ms, call in computed:
        if moment.sigma == 0:
            picture = thumbnail(to_pad(tile_pixels(to_uint8(moment.clean), 2, gap=1, paper=paper)))
            cells, finished = [list(line) for line in cells], finished + 1
            cells[row][column] = {"picture": picture, "ms": ms, "calls": call}
        yield facts | {"cells": cells, "finished": finished}


# -- as a section ------------------------------------------------------------------------------------------------------

START_STEPS, START_SOLVERS = [1, 2, 4, 8, 16], ["unipc", "dpm++2m", "ddim", "ddpm"]
#: Seconds between two answers that say no more than how far it is. Somebody who has left is noticed at an answer.
PULSE = 0.15


@dataclass(frozen=True)
class SolversState(State):
    label: str = class_label(EACH)
    schedulers: list[str] = field(
        Choices(label="Solvers", default=START_SOLVERS, most=len(SOLVERS), choices=[(t, k) for k, t in SOLVERS.items()])
    )
    steps: list[int] = field(
        Choices(label="Steps", default=START_STEPS, most=len(GRID_STEPS), choices=[(str(n), n) for n in GRID_STEPS])
    )
    seed: int = seed_field()
    guidance_scale: float = guidance_field()


def solvers(state: SolversState) -> Iterator[Answer]:
    """grid: {steps, solvers} first, then {row, column, cell: {picture (four of them), ms, calls}} as each is finished, in the
    end {steps, solvers, cells}; the cells of few steps come first."""
    columns = sorted(state.steps)
    facts = {"steps": columns, "solvers": [SOLVERS[key] for key in state.schedulers]}
    told = class_of(state.label)
    computed = locked_steps(_cells(state.model, state.schedulers, columns, state.seed, told, state.guidance_scale))
    yield {"grid": facts, "progress": "Starting …"}
    cells: list[list[Answer | None]] = [[None] * len(columns) for _ in state.schedulers]
    count, finished, said = len(columns) * len(state.schedulers), 0, 0.0
    for row, column, moment, ms, call in computed:
        if moment.sigma == 0:
            finished += 1
            cell = cells[row][column] = {"picture": pictures(moment.clean), "ms": ms, "calls": call}
            yield {"grid": {"row": row, "column": column, "cell": cell}, "progress": f"{finished} of {count}"}
        elif time.monotonic() > said + PULSE:
            said = time.monotonic()
            yield {"progress": f"{finished} of {count}"}
    yield Whole({"progress": f"Done: {count} of {count}", "done": True}, grid=facts | {"cells": cells})
