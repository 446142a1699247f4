"""How long something takes."""

import statistics
import time
from collections.abc import Callable

import torch

REPEATS = 15
PATIENCE = 3.0  # seconds after which no further repeat of one measurement is begun: a model takes half a minute at most


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of `run()`, after one call to warm up, with the device's queue drained."""
    seconds: list[float] = []
    while len(seconds) <= repeats and (len(seconds) < 2 or sum(seconds) < PATIENCE):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
