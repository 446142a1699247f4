"""What several experiments do: draw pictures as files would hold them, train by CPU time, measure with a referee."""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import DATASETS, Images, load_dataset, to_float, to_uint8
from genmodels.device import to_fast_layout
from genmodels.evaluation.measurement import BATCH, bundled_referee
from genmodels.experiments import Column, Lab, Report, Row
from genmodels.files import write_json
from genmodels.models.base import Model, TrainingDiverged
from genmodels.operations import require, sample
from genmodels.protocols import AnyModel, Classifies, Denoises, Samples, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.training import train
from genmodels.training.states import newest_whole

FIGURES = ("frechet", "class_accuracy")  # of a yardstick
FIGURE_COLUMNS = (Column("frechet", "Fréchet distance", "", 2), Column("class_accuracy", "Class accuracy", "%", 1))
DRAWN_AT_ONCE = 32  # more would leave the cache of a CPU: a quarter slower for models that denoise
LOG_EVERY = 5  # steps: how finely a run is stopped at a mark


def samplers(data: str) -> list[str]:
    """The bundled generative models of a data set that can draw new pictures."""
    return [name for name in generators(data) if can_sample(checkpoint.read_config(name)["family"])]


def generators(data: str) -> list[str]:
    """The bundled models of a data set, without instruments such as the referee, those that are to be given a sketch, and
    those of one's own."""
    configs = {name: checkpoint.read_config(folder) for name, folder in checkpoint.packaged().items()}
    makers = {name: c for name, c in configs.items() if c["family"] in FAMILIES and not c["config"].get("sketch")}
    return [name for name, c in makers.items() if c["data"]["name"] == data]


def able_models(able: Callable[[str], bool]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Of every data set that has bundled models of families that are able: its name, and theirs with their families."""
    for data in DATASETS:
        named = [(name, checkpoint.read_config(name)["family"]) for name in generators(data)]
        if found := [(name, family) for name, family in named if able(family)]:
            yield data, found


def can_sample(family: str) -> bool:
    return Samples in abilities_of(get_family(family))


def cannot_sample(family: str) -> str:
    """Why a family is not in a table of those that draw, in one sentence."""
    return f"The family {family} has nothing to draw new pictures from: it lacks the ability {Samples.__name__}."


def part(images: Images, indices: Tensor) -> Images:
    """Some of the images, as a data set of their own."""
    captions = tuple(images.captions[i] for i in indices.tolist()) if images.captions else ()
    return Images(images.name, images.pixels[indices], images.labels[indices], images.classes, captions=captions)


def shuffled(size: int, seed: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))


def drawn(model: AnyModel, n: int, seed: int, report: Report, **told: Any) -> Tensor:
    """n samples as a file would hold them, uint8 `(n, C, H, W)`; told: a label each, or captions, and knobs of `sample`.

    TrainingDiverged if they are not numbers.
    """
    parts = []
    for start in range(0, n, DRAWN_AT_ONCE):
        report(start / n)
        stop = min(start + DRAWN_AT_ONCE, n)
        each = {key: value[start:stop] if isinstance(value, list | tuple) else value for key, value in told.items()}
        parts.append(sample(model, stop - start, seed + start, batch_size=DRAWN_AT_ONCE, **each))
    x = torch.cat(parts)
    if not x.isfinite().all():
        raise TrainingDiverged("The samples are not finite.")
    return to_uint8(x)


def between(report: Report, low: float, high: float, first: float = 0.0, last: float = 1.0) -> Report:
    """Where to report a share from `first` to `last`, of which `report` hears as `low` to `high`."""
    return lambda share: report(low + (high - low) * (share - first) / (last - first))


# -- training by CPU time ------------------------------------------------------------------------------------------------


def untrained(family: str, data: Images, seed: int, config: Mapping[str, Any] | None = None) -> Model:
    """A model with the initial weights of a seed; config: as in a checkpoint's, by default the family's own for the data."""
    cls = get_family(family)
    torch.manual_seed(seed)
    values = config or {"image_shape": list(data.shape), "num_classes": len(data.classes)}
    return cls(cls.Config.from_json(cls.Config.inherited(values)))


def train_for(
    make: Callable[[], Model],
    data: Images,
    folder: Path,
    marks: Sequence[float],
    seed: int,
    measure: Callable[[Model, Report], Row],
    report: Report,
) -> Iterator[Row]:
    """One run of marks[-1] minutes of CPU time, in float32, with what `measure` says of its averaged weights at each mark.

    Measuring counts for nothing. What was measured is kept in `folder` beside the run's state: killed, it goes on.
    make: the model with its weights before the first step.
    """
    begin = 0.0
    for mark in marks:
        file, end = folder / f"mark-{mark:g}.json", mark / marks[-1]
        trained = begin + 0.8 * (end - begin)
        if not file.is_file():
            model = make()
            _train_to(mark, model, data, folder, marks[-1], seed, between(report, begin, trained, begin, end))
            write_json(folder, file.name, measure(model, between(report, trained, end)))
        yield json.loads(file.read_text(encoding="utf-8"))
        begin = end


def trained_for(
    make: Callable[[], Model], data: Images, folder: Path, minutes: float, seed: int, report: Report
) -> Model:
    """The model after so many minutes of CPU time."""
    for _ in train_for(make, data, folder, [minutes], seed, lambda model, report: {}, report):
        pass
    return checkpoint.load(folder / "checkpoint", device="cpu")


def _train_to(mark: float, model: Model, data: Images, folder: Path, minutes: float, seed: int, report: Report) -> None:
    former = newest_whole(folder)
    reached = former is not None and former.run["cpu_seconds"] >= 60 * mark
    recipe = dataclasses.replace(model.recipe, seed=seed)
    rows = train(
        model, data, recipe, folder=folder, cpu_minutes=minutes, resume=True, precision="no", log_every=LOG_EVERY,
        stop=lambda: reached,
    )  # fmt: skip
    try:
        for row in rows:
            report(row["progress"])
            reached = row["progress"] * minutes >= mark
    except TrainingDiverged as error:
        raise TrainingDiverged("The training diverged: its loss or its weights were no longer finite.") from error


# -- measuring -----------------------------------------------------------------------------------------------------------


class Yardstick:
    """Real pictures of a data set as its referee sees them, to compare samples with."""

    def __init__(self, data: str, real: Images) -> None:
        referee = checkpoint.load(bundled_referee(data), device="cpu")
        to_fast_layout(referee)
        self.referee = require(referee, Classifies)
        self.labels = real.labels
        self.features = self.of(real.pixels)

    def figures(self, model: AnyModel, n: int, seed: int, report: Report, **knobs: Any) -> Row:
        """{"frechet", "class_accuracy"} of n samples, told the classes of the real pictures in turn; report: how far drawing is."""
        labels = self.labels[torch.arange(n) % len(self.labels)]
        features = self.of(drawn(model, n, seed, report, label=labels.tolist(), **knobs))
        seen = self.referee.classify(features)
        accuracy = metrics.accuracies(seen[:1], labels.unsqueeze(1))[0]
        return {"frechet": metrics.frechet_distance(self.features, features), "class_accuracy": 100 * accuracy}

    @torch.no_grad()
    def of(self, pixels: Tensor) -> Tensor:
        """Features `(N, D)` of pictures, uint8."""
        return torch.cat([self.referee.features(to_float(some)) for some in pixels.split(BATCH)])


def measured_along(
    make: Callable[[], Model],
    data: Images,
    lab: Lab,
    marks: Sequence[float],
    seed: int,
    yardstick: Yardstick,
    n: int,
    few_steps: int | None = None,
) -> list[Row]:
    """The figures of n samples at each mark of one run; where the training diverged, none and why.

    few_steps: what a model that denoises takes to a picture then, by default its own number.
    """

    def measure(model: Model, report: Report) -> Row:
        sampler = require(model, Samples)
        knobs = {"num_inference_steps": few_steps} if few_steps and isinstance(model, Denoises) else {}
        return yardstick.figures(sampler, n, seed, report, **knobs)

    rows: list[Row] = []
    try:
        for row in train_for(make, data, lab.folder, marks, seed, measure, lab.report):
            rows.append(row)
    except TrainingDiverged as error:
        rows += [unmeasured(FIGURES, str(error))] * (len(marks) - len(rows))
    return rows


def share(key: str, count: int, n: int) -> Row:
    """How many of n, in %, with Wilson's 95 % interval."""
    low, high = metrics.wilson_interval(count, n)
    return {key: 100 * count / n, f"{key}_low": 100 * low, f"{key}_high": 100 * high}


def unmeasured(keys: Iterable[str], why: str) -> Row:
    """No figures, and the reason for each."""
    keys = list(keys)
    return dict.fromkeys(keys) | {f"{key}_why": why for key in keys}


@functools.lru_cache(maxsize=2)
def of_test_split(data: str) -> Yardstick:
    return Yardstick(data, split(data, "test"))


@functools.lru_cache(maxsize=4)
def split(data: str, name: str, captions: bool = False) -> Images:
    return load_dataset(data, name, captions=captions)


def rounded(rows: list[Row]) -> list[Row]:
    """Figures kept to six digits, as metrics.json does."""
    return [{key: float(f"{v:.6g}") if isinstance(v, float) else v for key, v in row.items()} for row in rows]
