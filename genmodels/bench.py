"""Speed of the models on this machine: medians over repeats, one model at a time."""

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from genmodels import checkpoint
from genmodels.device import hardware, set_threads
from genmodels.models.base import Model, seeded
from genmodels.operations import as_labels, device_of, reconstruct, sample
from genmodels.protocols import Reconstructs, Samples, SamplesStepwise, WritesRows
from genmodels.timing import PATIENCE, REPEATS, busy_neighbours, median_seconds

BATCHES = (32, 64, 128, 256)
NAIVE_PASSES = 5
BESIDE = 5  # repeats beside busy neighbours


def bench_table(names: list[str]) -> Iterator[str]:
    """Lines of a Markdown table, model by model: milliseconds until the first image or partial image can be shown, for 1
    and for 16 images, for 16 beside busy neighbours, and images/s at the best batch size."""
    set_threads()
    models = [(name, checkpoint.load(name)) for name in names]
    where = hardware(device_of(models[0][1])) if models else "nothing"
    yield f"Medians of up to {REPEATS} repeats on {where}; the neighbours are two processes of two threads each."
    yield ""
    yield "| model | what | first picture, ms | 1 image, ms | 16 images, ms | 16 beside busy neighbours, ms | images/s (best batch) |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for name, model in models:
        for what, first, run in _jobs(model):
            one, sixteen = (1000 * median_seconds(functools.partial(run, n)) for n in (1, 16))
            shown = 1000 * median_seconds(first) if first else one
            with busy_neighbours():
                beside = 1000 * median_seconds(functools.partial(run, 16), BESIDE)
            batch, speed = best_batch(run, sixteen / 16000)
            times = f"{shown:.1f} | {one:.1f} | {sixteen:.1f} | {beside:.1f}"
            yield f"| {name} | {what} | {times} | {speed:.0f} ({batch}) |"
            if what == "sample" and isinstance(model, WritesRows):
                naive = [1000 * naive_seconds(model, n) for n in (1, 16)]
                slower = [f"{ms:.0f} ({ms / fast:.0f}x)" for ms, fast in zip(naive, (one, sixteen), strict=True)]
                yield f"| {name} | sample without the cache | | {slower[0]} | {slower[1]} | | |"


def _jobs(model: Model) -> Iterator[tuple[str, Callable[[], object] | None, Callable[[int], object]]]:
    """What the model's abilities allow to be timed: its name, how the first picture comes if not as a whole, n images."""
    if isinstance(model, Samples):
        yield "sample", _first_frame(model) if isinstance(model, SamplesStepwise) else None, lambda n: _draw(model, n)
        if "guidance_scale" in inspect.signature(model.sample).parameters:  # guidance asks the network twice per step
            scale, other = (2.0, "with") if model.config.to_json()["guidance_scale"] in (0, 1) else (1.0, "without")
            yield f"sample {other} guidance", None, lambda n: _draw(model, n, guidance_scale=scale)
    if isinstance(model, Reconstructs):
        x = torch.zeros(max(BATCHES), *model.image_shape, device=device_of(model))
        yield "encode and decode", None, lambda n: reconstruct(model, x[:n])


def _draw(model: Samples, n: int, **knobs: Any) -> torch.Tensor:
    return sample(model, n, batch_size=n, **knobs)


def _first_frame(model: SamplesStepwise) -> Callable[[], object]:
    """The first partial image on the way to one sample."""
    labels = torch.zeros(1, dtype=torch.long, device=device_of(model))

    @torch.no_grad()
    def run() -> torch.Tensor:
        return next(iter(model.sample_steps(labels, generators=seeded([0]))))

    return run


@torch.no_grad()
def naive_seconds(model: WritesRows, n: int) -> float:
    """Seconds that `sample_naively` takes for n images with the seeds and labels of `sample`.

    It passes through the same network for every level of an image, minutes in all; so the first passes are timed, and
    their median is multiplied.
    """
    labels = as_labels(model, n, "balanced").to(device_of(model))
    frames = iter(model.sample_naively(labels, generators=seeded(range(n))))
    return math.prod(model.image_shape) * median_seconds(lambda: next(frames), NAIVE_PASSES)


def best_batch(run: Callable[[int], object], seconds_per_image: float) -> tuple[int, float]:
    """(batch size, images/s) of the fastest of BATCHES; sizes that would take longer than PATIENCE are left out."""
    sizes = [n for n in BATCHES if n * seconds_per_image < PATIENCE] or [16]
    speeds = {n: n / median_seconds(functools.partial(run, n), 3) for n in sizes}
    best = max(speeds, key=speeds.__getitem__)
    return best, speeds[best]
