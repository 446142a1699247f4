"""Does generated data help a classifier that has few real pictures?

It has k real pictures of each class, and in half of each batch pictures that a generator has drawn: a bundled one, which
has seen the whole training split and so knows more than the k pictures say, or one that was trained on these alone.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import DATASETS, Images
from genmodels.evaluation import shards
from genmodels.evaluation.student import AS_THEY_ARE, STUDENT_BATCH, drawn_batch, share_right, student_config, trained
from genmodels.experiments import Column, Experiment, Lab, Plot, Report, Row, Settings, Unit
from genmodels.experiments.common import (
    between,
    drawn,
    part,
    rounded,
    samplers,
    shuffled,
    split,
    trained_for,
    untrained,
)
from genmodels.models.base import Model, TrainingDiverged
from genmodels.registry import get_family

NOTHING, CLASSIC = "nothing", "shift, turn, zoom"
BUNDLED, OWN = "bundled generator", "own generator"
#: Bundled models by their family, and the families that learn something within a minute.
BUNDLED_FAMILIES, OWN_FAMILIES = ("vae", "gan", "diffusion"), ("vae", "gan")


@dataclass(frozen=True)
class AugmentationSettings(Settings):
    k: tuple[int, ...] = (5, 20, 100)  # real pictures per class
    generated: int = 1000
    minutes: float = 1.0  # of CPU time, for a generator of one's own
    steps: int = 500  # of training a classifier
    seeds: tuple[int, ...] = (0, 1)


def units(s: AugmentationSettings) -> Iterator[Unit]:
    for data in filter(samplers, DATASETS):
        for seed in s.seeds:
            for k in s.k:
                yield from of_pictures(s, data, k, seed)


def of_pictures(s: AugmentationSettings, data: str, k: int, seed: int) -> Iterator[Unit]:
    """What is done with the same k pictures per class."""
    about = {"data": data, "k": k, "seed": seed}

    def unit(
        added: str, family: str, generate: Callable[[Images, Lab], Images] | None, uses: tuple[str, ...], cost: float
    ) -> Unit:
        row = {**about, "added": added, "family": family}
        changes = {} if added == CLASSIC else AS_THEY_ARE

        def compute(lab: Lab) -> list[Row]:
            real, done = few(split(data, "train"), k, seed), 1 - 0.3 / cost  # a classifier's share of the unit
            try:
                extra = generate(real, replace(lab, report=between(lab.report, 0.0, done))) if generate else None
            except TrainingDiverged as error:
                return [row | {"accuracy": None, "accuracy_why": str(error)}]
            accuracy = 100 * accuracy_with(
                real, extra, split(data, "test"), s.steps, seed, changes, between(lab.report, done, 1.0)
            )
            return rounded([row | {"accuracy": accuracy}])

        slug = {NOTHING: "none", CLASSIC: "classic", BUNDLED: f"bundled-{family}", OWN: f"own-{family}"}[added]
        return Unit(f"{data}-{k}-{slug}-seed{seed}", family, data, compute, uses, cost, trains=added == OWN)

    yield unit(NOTHING, "none", None, (), 0.3)
    yield unit(CLASSIC, "none", None, (), 0.3)
    for family in BUNDLED_FAMILIES:
        if (name := f"{get_family(family).short_name or family}-{data}") in samplers(data):
            yield unit(BUNDLED, family, partial(of_bundled, s, name, seed), (name,), 0.5)
    for family in OWN_FAMILIES:
        yield unit(OWN, family, partial(of_own, s, family, seed), (), s.minutes + 0.5)


def few(images: Images, k: int, seed: int) -> Images:
    """k pictures of each class. ValueError if there are fewer."""
    order = shuffled(len(images), seed)
    of_class = [order[images.labels[order] == label][:k] for label in range(len(images.classes))]
    if any(len(some) < k for some in of_class):
        raise ValueError(f"There are fewer than {k} pictures of a class of {images.name}.")
    return part(images, torch.cat(of_class))


def of_bundled(s: AugmentationSettings, name: str, seed: int, real: Images, lab: Lab) -> Images:
    """Drawn once, and kept for every k."""
    kept = f"{name}-{checkpoint.weights_hash(name)}-seed{seed}"
    return generated(checkpoint.load(name, device="cpu"), s, seed, real, lab.shared, kept, lab.report)


def of_own(s: AugmentationSettings, family: str, seed: int, real: Images, lab: Lab) -> Images:
    """Of a generator that has seen the same pictures and no others."""
    report = between(lab.report, 0.0, 0.9)
    model = trained_for(lambda: untrained(family, real, seed), real, lab.folder, s.minutes, seed, report)
    return generated(model, s, seed, real, lab.folder, "samples", between(lab.report, 0.9, 1.0))


def generated(
    model: Model, s: AugmentationSettings, seed: int, real: Images, folder: Path, kept: str, report: Report
) -> Images:
    """Pictures of every class in turn, other ones for every seed; they are kept in a folder under a name."""
    labels = torch.arange(s.generated) % len(real.classes)

    def rows(i: range) -> shards.Rows:
        so_far = between(report, i.start / len(labels), i.stop / len(labels))
        some = labels[i.start : i.stop].tolist()
        return {"pixels": drawn(model, len(i), seed * s.generated + i.start, so_far, label=some)}

    shards.compute(folder, kept, s.generated, rows)
    return Images(real.name, shards.gather(folder, kept, s.generated)["pixels"], labels, real.classes)


def accuracy_with(
    real: Images, extra: Images | None, test: Images, steps: int, seed: int, changes: dict[str, float], report: Report
) -> float:
    """Share of the test pictures that a classifier gets right; half of each of its batches is of `extra`, if there is any."""

    def batch() -> tuple[Tensor, Tensor]:
        kinds = [real] if extra is None else [real, extra]
        parts = [drawn_batch(kind.pixels, kind.labels, STUDENT_BATCH // len(kinds)) for kind in kinds]
        return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])

    config = student_config(real.shape, len(real.classes), **changes)
    return share_right(trained(config, batch, steps, seed, report), test)


def protocol(s: AugmentationSettings) -> str:
    return (
        f"A classifier (the referee's architecture, narrower, {s.steps} steps of {STUDENT_BATCH}) learns from k real training "
        f"pictures of each class and, in half of each batch, from {s.generated} generated ones, every class in turn; its "
        "accuracy is that on the whole real test split, the mean over "
        f"{len(s.seeds)} seeds (which choose the pictures, too) with the least and the largest. Bundled generators have seen the "
        "whole training split, k pictures or not, and so hand on what they learnt there; an own generator was trained on the "
        f"same k pictures alone, for {s.minutes:g} min of CPU time. Classic augmentation shifts, turns and resizes at random, all others none."
    )


def reading(rows: list[Row]) -> str:
    k = min(row["k"] for row in rows)
    accuracies = {
        added: [
            row["accuracy"] for row in rows if (row["k"], row["added"]) == (k, added) and row["accuracy"] is not None
        ]
        for added in (NOTHING, CLASSIC, BUNDLED, OWN)
    }
    means = {added: f"{statistics.fmean(some):.0f} %" for added, some in accuracies.items() if some}
    if len(means) < 4:
        return "Not enough has been measured yet to say what generated pictures are good for."
    return (
        f"With {k} real pictures a class, a classifier is right in {means[NOTHING]}, averaged over all data sets here; with pictures of a "
        f"bundled generator, which knows the whole training split, in {means[BUNDLED]}, with those of a generator that "
        f"knows no more than the classifier in {means[OWN]}, with classic augmentation in {means[CLASSIC]}."
    )


EXPERIMENT = Experiment(
    name="augmentation",
    title="Does generated data help?",
    settings=AugmentationSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("k", "Real pictures a class"),
        Column("added", "Added"),
        Column("family", "Family"),
        Column("accuracy", "Accuracy", "%", 1),
        Column("seeds", "Seeds"),
    ),
    plots=(Plot("Accuracy by real pictures a class", "k", "accuracy", ("added", "family"), "data", log_x=True),),
    spread=("accuracy",),
)
