"""How close a GAN comes to a real picture by searching for its styles, beside the models that have an encoder."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import DATASETS, Images
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import between, generators, part, rounded, shuffled, split
from genmodels.operations import reconstruct, require
from genmodels.projection import CANDIDATES, project
from genmodels.protocols import AnyModel, Encodes, HasStyles, ShowsLayers, abilities_of
from genmodels.registry import get_family

SPACES = {"w": False, "w+": True}
ENCODER = "encoder"
T = TypeVar("T")
AT_ONCE = 10  # pictures that are sought together, each by itself: the same result for a third of the time


@dataclass(frozen=True)
class ProjectionSettings(Settings):
    n: int = 100  # test pictures of each data set
    steps: tuple[int, ...] = (75, 150, 300)  # of the descent, each a run of its own: its steps grow small at its end
    timed: int = 3  # pictures, each alone
    seed: int = 0


def units(s: ProjectionSettings) -> Iterator[Unit]:
    for data in DATASETS:
        for name in generators(data):
            family = checkpoint.read_config(name)["family"]
            can = abilities_of(get_family(family))
            if HasStyles in can:
                for space in SPACES:
                    for steps in s.steps:
                        compute = partial(sought, s, data, name, family, space, steps)
                        yield Unit(
                            f"{name}-{space.replace('+', 'plus')}-{steps}", family, data, compute, (name,), steps
                        )
            elif Encodes in can and ShowsLayers not in can:  # those that put everything back have nothing to show here
                yield Unit(name, family, data, partial(encoded, s, data, name, family), (name,), 1)


def pictures(s: ProjectionSettings, data: str) -> Images:
    """Of the test split, which no model has seen."""
    images = split(data, "test")
    if s.n > len(images):
        raise ValueError(f"There are {len(images)} test pictures of {data}: n can't be {s.n}.")
    return part(images, shuffled(len(images), s.seed)[: s.n])


def sought(s: ProjectionSettings, data: str, name: str, family: str, space: str, steps: int, lab: Lab) -> list[Row]:
    model = require(checkpoint.load(name, device="cpu"), HasStyles)
    x, _ = pictures(s, data)[:]
    found(model, x[:1], s, space, 1)  # what happens at the first call alone
    alone = min(s.timed, len(x))
    seconds = [cpu_seconds(partial(found, model, one, s, space, steps))[0] for one in x[:alone].split(1)]
    report = between(lab.report, 0.3, 1.0)
    errors = []
    for i, some in enumerate(x.split(AT_ONCE)):
        report(i * AT_ONCE / len(x))
        errors.append(metrics.mean_squared_error(found(model, some, s, space, steps), some))
    row = {"data": data, "model": name, "family": family, "way": space, "steps": steps}
    return rounded([row | {"seconds": statistics.median(seconds)} | quality(torch.cat(errors))])


def found(model: HasStyles, x: Tensor, s: ProjectionSettings, space: str, steps: int) -> Tensor:
    *_, last = project(model, x, each_layer=SPACES[space], seed=s.seed, steps=steps)
    return last.images.clamp(-1, 1)


def encoded(s: ProjectionSettings, data: str, name: str, family: str, lab: Lab) -> list[Row]:
    """The reference: a pass through the encoder, where it has a distribution of codes its mean, and back."""
    model: AnyModel = checkpoint.load(name, device="cpu")
    x, _ = pictures(s, data)[:]
    reconstruct(model, x[:1])
    seconds = [cpu_seconds(partial(reconstruct, model, one))[0] for one in x[: s.timed].split(1)]
    row = {"data": data, "model": name, "family": family, "way": ENCODER, "steps": 0}
    errors = metrics.mean_squared_error(reconstruct(model, x), x)
    return rounded([row | {"seconds": statistics.median(seconds)} | quality(errors)])


def cpu_seconds(run: Callable[[], T]) -> tuple[float, T]:
    """And what was computed in them."""
    start = time.process_time()
    made = run()
    return time.process_time() - start, made


def quality(errors: Tensor) -> Row:
    """PSNR in dB from the mean of squared errors `(N,)`, and of the image that is worse than nine of ten."""
    return {
        "psnr": metrics.psnr(float(errors.double().mean())),
        "worst": metrics.psnr(float(errors.double().quantile(0.9))),
        "n": len(errors),
    }


def protocol(s: ProjectionSettings) -> str:
    return (
        f"{s.n} test pictures of each data set, told no class. The best of {CANDIDATES} drawn styles is improved by Adam through the "
        "generator, for the squared error of pixels: one style for all layers (w), or one per layer (w+). The models with an "
        "encoder pass the picture through it and back, without noise. PSNR in dB from the mean squared error over all pictures, "
        "and that of the picture which is worse than nine of ten. Seconds are CPU time of one thread for one picture, the median of "
        f"{s.timed}; each number of steps is a run of its own, whose rate has come down at its end."
    )


def reading(rows: list[Row]) -> str:
    searched = [row for row in rows if row["way"] in SPACES]
    if not searched:
        return "No picture has been sought yet."
    most = max(row["steps"] for row in searched)
    each = []
    for data in dict.fromkeys(row["data"] for row in searched):
        of = {row["way"]: row for row in searched if (row["data"], row["steps"]) == (data, most)}
        others = [row for row in rows if row["data"] == data and row["way"] == ENCODER]
        best = max(others, key=lambda row: row["psnr"], default=None)
        dB = " and ".join(f"{row['psnr']:.1f} dB in {way}" for way, row in of.items())
        beside = f" ({best['model']}, which has an encoder: {best['psnr']:.1f})" if best else ""
        if dB:
            each.append(f"{DATASETS[data].title}: {dB}{beside}")
    return f"How close the generators come to test pictures with {most} steps. {'; '.join(each)}."


EXPERIMENT = Experiment(
    name="projection",
    title="The way back into a GAN",
    settings=ProjectionSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("model", "Model"),
        Column("family", "Family"),
        Column("way", "Way back"),
        Column("steps", "Steps"),
        Column("seconds", "CPU time", "s", 3),
        Column("psnr", "PSNR", "dB", 1),
        Column("worst", "Worst tenth", "dB", 1),
        Column("n", "Pictures tried"),
    ),
    plots=(Plot("PSNR by CPU time of one picture", "seconds", "psnr", ("model", "way"), "data", log_x=True),),
)
