"""How long pictures take on the computer that serves the app: measured at a press, model by model."""

import functools
import logging
from collections.abc import Iterator

import torch

from genmodels import operations
from genmodels.device import hardware, here
from genmodels.protocols import Samples
from genmodels.timing import timings
from genmodels.wrappers import comparison, on_record
from genmodels.wrappers.core import describe, get_model, locked_steps
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import DataState
from genmodels.wrappers.tables import Row

REPEATS, SECONDS = 9, 1.5  # of each of both sizes; seconds after which no further repeat is begun
log = logging.getLogger(__name__)


def measure(state: DataState) -> Iterator[Answer]:
    """row: how long 1 and 16 pictures of a model take here, one after the other; in the end the table of
    speeds with all of them."""
    names = on_record.of_data(state.data, on_record.samplers())
    rows: list[Row] = []
    for i, name in enumerate(names):
        progress = f"{i + 1} of {len(names)}: {name}"
        yield {"progress": progress}
        for row in locked_steps(_measured(name)):
            if row:
                rows.append(row)
                yield {"row": row, "progress": progress}
            else:
                yield {"progress": progress}  # somebody who has left is noticed at an answer
    yield {"progress": f"Done: {len(rows)} models", "table": comparison.speed_table(state.data, rows), "done": True}


def _measured(name: str) -> Iterator[Row]:
    """{} after every call, the row in the end. What can't be loaded, or fails, has none, and says why."""
    found: dict[int, float] = {}
    try:
        model = get_model(name, Samples)
        for n in (1, 16):
            for seconds in timings(functools.partial(_draw, model, n), REPEATS, SECONDS):
                found[n] = 1000 * seconds
                yield {}
        yield comparison.speed_row(name, f"this host: {hardware(here())}", found[1], found[16])
    except Exception as error:
        why = on_record.why_failed(log, name, error)
        row: Row = {"family": describe(name)["family"], "model": name, "machine": "this host"}
        for key in ("one", "sixteen", "rate"):
            row |= comparison.missing(key, why)
        yield row


def _draw(model: Samples, n: int) -> torch.Tensor:
    return operations.sample(model, n, batch_size=n).cpu()  # waits for a device that works by itself
