"""The same noise denoised by several solvers in several numbers of steps, side by side."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from genmodels import operations
from genmodels.models.base import seeded
from genmodels.protocols import Denoises
from genmodels.wrappers.core import MAX_SEED, check_int, class_index, get_model, locked_steps, timed
from genmodels.wrappers.denoisers import SOLVERS, Solver, checked_solver, guidance_field
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import EACH, Choices, Refused, State, class_label, class_of, field
from genmodels.wrappers.state import seed as seed_field

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step

GRID_PICTURES, GRID_SOLVERS, GRID_STEPS = 4, 5, (1, 2, 4, 8, 16, 32, 50)
GRID_CALLS = 400  # of the network, for one comparison
#: Row, column, moment, ms, calls so far.
Call = tuple[int, int, "Step", float, int]


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
