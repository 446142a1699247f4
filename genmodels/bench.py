"""Speed of the models on this machine: medians over repeats, one model at a time."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

from genmodels import checkpoint
from genmodels.device import hardware, set_threads
from genmodels.models.base import Model
from genmodels.operations import device_of, reconstruct, sample
from genmodels.protocols import Decodes, Encodes, Samples

REPEATS, BATCHES = 15, (32, 64, 128, 256)


def bench_table(names: list[str]) -> Iterator[str]:
    """Lines of a Markdown table, model by model: milliseconds for 1 and 16 images, images/s at the best batch size."""
    set_threads()
    models = [(name, checkpoint.load(name)) for name in names]
    where = hardware(device_of(models[0][1])) if models else "nothing"
    yield f"Medians of {REPEATS} repeats on {where}."
    yield ""
    yield "| model | what | 1 image, ms | 16 images, ms | images/s (best batch) |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for name, model in models:
        for what, run in _jobs(model):
            one, sixteen = (1000 * median_seconds(lambda n=n, run=run: run(n)) for n in (1, 16))
            speeds = {batch: batch / median_seconds(lambda n=batch, run=run: run(n), 3) for batch in BATCHES}
            best = max(speeds, key=speeds.__getitem__)
            yield f"| {name} | {what} | {one:.1f} | {sixteen:.1f} | {speeds[best]:.0f} ({best}) |"


def _jobs(model: Model) -> Iterator[tuple[str, Callable[[int], object]]]:
    """What the model's abilities allow to be timed."""
    if isinstance(model, Samples):
        yield "sample", lambda n: sample(model, n, batch_size=n)
    if isinstance(model, Encodes) and isinstance(model, Decodes):
        x = torch.zeros(max(BATCHES), *model.image_shape, device=device_of(model))
        yield "encode and decode", lambda n: reconstruct(model, x[:n])


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of `run()`, after one call to warm up, with the device's queue drained."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
