"""How long something takes."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch

REPEATS = 15
PATIENCE = 3.0  # seconds after which no further repeat of one measurement is begun: a model takes half a minute at most


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of `run()`, after one call to warm up, with the device's queue drained."""
    *_, median = timings(run, repeats)
    return median


def timings(run: Callable[[], object], repeats: int = REPEATS, patience: float = PATIENCE) -> Iterator[float]:
    """As `median_seconds`, call by call: the median so far; none is begun after `patience` seconds."""
    seconds: list[float] = []
    while len(seconds) <= repeats and (len(seconds) < 2 or sum(seconds) < patience):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        yield statistics.median(seconds[1:] or seconds)


_NEIGHBOUR = """
import numpy
a = numpy.ones((700, 700)) / 700
print("ready", flush=True)
while True:
    a = a @ a
"""


@contextlib.contextmanager
def busy_neighbours(count: int = 2) -> Iterator[None]:
    """So many other processes at work with two threads each, as other visitors, a training or a host's other tenants are."""
    command, two = [sys.executable, "-c", _NEIGHBOUR], {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    neighbours = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | two) for _ in range(count)]
    try:
        for neighbour in neighbours:
            if neighbour.stdout is None or not neighbour.stdout.readline():
                raise RuntimeError("The busy neighbours did not start.")
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.communicate()
