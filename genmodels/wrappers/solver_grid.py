"""The same noise denoised by several solvers in several numbers of steps, side by side."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from torch import Tensor

from genmodels import operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import Denoises
from genmodels.wrappers.core import MAX_SEED, check_int, class_index, describe, get_model, locked_steps
from genmodels.wrappers.denoisers import SOLVERS, Solver, checked_solver, timed
from genmodels.wrappers.pictures import thumbnail, to_pad
from genmodels.wrappers.types import SolverCell, SolverGrid

GRID_PICTURES, GRID_SOLVERS, GRID_STEPS = 4, 5, (1, 2, 4, 8, 16, 32, 50)
GRID_CALLS = 400  # of the network, for one comparison


def compare_solvers(
    name: str,
    schedulers: Sequence[str],
    steps: Sequence[int],
    seed: int = 0,
    label: int | str | None = None,
    guidance_scale: float | None = None,
) -> Iterator[SolverGrid]:
    """The same noise denoised by every solver in every number of steps, one state per call of the network.

    label None = every class in turn.
    """
    model, seed = get_model(name, Denoises), check_int("The seed", seed, 0, MAX_SEED)
    index = class_index(name, label)
    labels = operations.as_labels(model, GRID_PICTURES, "balanced" if index is None else index)
    chosen = _distinct("solvers", schedulers, GRID_SOLVERS, list(SOLVERS))
    columns = sorted(_distinct("numbers of steps", steps, len(GRID_STEPS), GRID_STEPS))
    calls = sum(steps * (2 if solver == "heun" else 1) for solver in chosen for steps in columns)
    if calls > GRID_CALLS:
        raise ValueError(f"That would be {calls} calls of the network; at most {GRID_CALLS} are allowed: choose less.")
    jobs = [
        (i, k, checked_solver(name, num_inference_steps=count, scheduler=solver, guidance_scale=guidance_scale))
        for k, count in enumerate(columns)
        for i, solver in enumerate(chosen)
    ]
    facts: Facts = {"steps": columns, "solvers": [SOLVERS[solver] for solver in chosen]}
    return locked_steps(_cells(model, labels, seed, jobs, facts, describe(name)["background"]))


def _distinct(what: str, values: Any, most: int, allowed: Sequence[Any]) -> list[Any]:
    """The values, each once; ValueError if there are none, too many, or others than those that are allowed."""
    values = list(dict.fromkeys(values)) if isinstance(values, (list, tuple)) and not _unhashable(values) else []
    if not 1 <= len(values) <= most or any(isinstance(v, bool) or v not in allowed for v in values):
        raise ValueError(f"Choose 1 to {most} {what}, of {', '.join(map(str, allowed))}.")
    return values


def _unhashable(values: Sequence[Any]) -> bool:
    return any(isinstance(value, (list, dict)) for value in values)


class Facts(TypedDict):
    """What all states of a comparison have in common."""

    steps: list[int]
    solvers: list[str]


def _cells(
    model: Denoises, labels: Tensor, seed: int, jobs: list[tuple[int, int, Solver]], facts: Facts, paper: int
) -> Iterator[SolverGrid]:
    cells: list[list[SolverCell | None]] = [[None] * len(facts["steps"]) for _ in facts["solvers"]]
    for finished, (row, column, solver) in enumerate(jobs, 1):
        moments = model.trajectory(labels, generators=seeded(range(seed, seed + len(labels))), **solver)
        for call, (moment, ms) in enumerate(timed(moments)):
            if moment.sigma > 0:
                yield {**facts, "cells": cells, "finished": finished - 1}
                continue
            picture = thumbnail(to_pad(tile_pixels(to_uint8(moment.clean), 2, gap=1, paper=paper)))
            cells = [list(line) for line in cells]
            cells[row][column] = {"picture": picture, "ms": ms, "calls": call}
            yield {**facts, "cells": cells, "finished": finished}
