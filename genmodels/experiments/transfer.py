"""Is a trained model a better beginning than none? From one data set to another, against from scratch, along one run."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import torch

from genmodels import checkpoint
from genmodels.data import SPECIES, Images
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import (
    FIGURE_COLUMNS,
    FIGURES,
    Yardstick,
    measured_along,
    of_test_split,
    part,
    rounded,
    shuffled,
    split,
    trained_for,
    untrained,
)
from genmodels.models.base import Model

FAMILIES = ("vae", "gan", "flow", "diffusion")
#: What is learnt -> the data whose bundled models it begins with.
BUNDLED_STARTS = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}
TITLES = {"mnist": "digits", "fashion-mnist": "garments", "heroes": "heroes"}
UNSEEN = "tengu"  # with a beak and feathers, the species least like the others
SCRATCH = "from scratch"


@dataclass(frozen=True)
class TransferSettings(Settings):
    marks: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0)  # minutes of CPU time, the last one that of the whole run
    start_minutes: float = 5.0  # of the model of the seen species
    few: int = 1000  # pictures of the unseen species that are learnt from
    samples: int = 1000
    sampling_steps: int = 6  # of a model that denoises
    seeds: tuple[int, ...] = (0, 1)


def units(s: TransferSettings) -> Iterator[Unit]:
    if list(s.marks) != sorted(set(s.marks)):
        raise ValueError(f"The setting 'marks' must be minutes in order, not {s.marks}.")
    for seed in s.seeds:
        for family in FAMILIES:
            for data, source in BUNDLED_STARTS.items():
                yield from of_data_set(s, family, data, source, seed)
            yield from of_unseen(s, family, seed)


def of_data_set(s: TransferSettings, family: str, data: str, source: str, seed: int) -> Iterator[Unit]:
    start = f"{family}-{source}"

    def compute(lab: Lab, begin: str) -> list[Row]:
        images = split(data, "train")

        def make() -> Model:
            if begin == SCRATCH:  # with the settings of the other one, some of which change how it samples
                return untrained(family, images, seed, checkpoint.read_config(start)["config"])
            return checkpoint.started(start, family, {})

        target = f"{TITLES[source]} → {TITLES[data]}"
        return along(s, family, target, begin, seed, make, images, of_test_split(data), lab)

    for begin, slug in ((SCRATCH, "scratch"), (start, f"from-{source}")):
        key, uses = f"{family}-{data}-{slug}-seed{seed}", (start, f"referee-{data}")
        yield Unit(key, family, data, partial(compute, begin=begin), uses, s.marks[-1] + 1, trains=True)


def of_unseen(s: TransferSettings, family: str, seed: int) -> Iterator[Unit]:
    began = f"{family} of the other species"

    def compute(lab: Lab, begin: str) -> list[Row]:
        shown, yardstick = unseen(s.few)

        def make() -> Model:
            return (
                untrained(family, shown, seed)
                if begin == SCRATCH
                else checkpoint.started(start_of_seen(s, family, lab), family, {})
            )

        target = f"heroes of other species → {UNSEEN}"
        return along(s, family, target, begin, seed, make, shown, yardstick, lab)

    for begin, slug in ((SCRATCH, "scratch"), (began, "from-seen")):
        key, uses = f"{family}-heroes-{slug}-seed{seed}", ("referee-heroes",)
        yield Unit(key, family, "heroes", partial(compute, begin=begin), uses, s.marks[-1] + 1, trains=True)


def along(
    s: TransferSettings, family: str, target: str, begin: str, seed: int,
    make: Callable[[], Model], images: Images, yardstick: Yardstick, lab: Lab,
) -> list[Row]:  # fmt: skip
    """One row for each mark of one run."""
    about = {
        "target": target,
        "family": family,
        "start": "scratch" if begin == SCRATCH else "trained",
        "begins_with": begin,
    }
    measured = measured_along(make, images, lab, s.marks, seed, yardstick, s.samples, s.sampling_steps)
    return rounded([about | {"minutes": mark, "seed": seed} | row for mark, row in zip(s.marks, measured, strict=True)])


def start_of_seen(s: TransferSettings, family: str, lab: Lab) -> str:
    """The checkpoint of a model of all species but one, trained once and kept for all seeds."""
    folder = lab.shared / f"{family}-of-seen-species"
    seen = seen_species()
    trained_for(lambda: untrained(family, seen, 0), seen, folder, s.start_minutes, 0, lambda share: None)
    return str(folder / "checkpoint")


def seen_species() -> Images:
    heroes = split("heroes", "train")
    return part(heroes, (heroes.labels != SPECIES.index(UNSEEN)).nonzero().flatten())


@lru_cache(maxsize=1)
def unseen(few: int) -> tuple[Images, Yardstick]:
    """Pictures of the unseen species to learn from, and all others of it, with those of the test split, to compare with."""
    species = SPECIES.index(UNSEEN)
    train, test = (
        part(images, (images.labels == species).nonzero().flatten())
        for images in (split("heroes", "train"), split("heroes", "test"))
    )
    order = shuffled(len(train), 0)
    rest = part(train, order[few:])
    real = Images("heroes", torch.cat([rest.pixels, test.pixels]), torch.cat([rest.labels, test.labels]), test.classes)
    return part(train, order[:few]), Yardstick("heroes", real)


def protocol(s: TransferSettings) -> str:
    marks = ", ".join(f"{mark:g}" for mark in s.marks)
    return (
        f"One run of {s.marks[-1]:g} min of CPU time (one thread, float32) from each beginning, with the same settings; its averaged weights "
        f"are measured at {marks} min, which is not counted; {len(s.seeds)} seeds, their mean with the least and the largest. "
        f"Fréchet distance in the referee's features of {s.samples} samples, of a diffusion model in {s.sampling_steps} steps; fewer samples than elsewhere, "
        "so compare within this table. Digits and garments begin with the bundled model of the other, trained for the time on "
        "its card; class k of the one goes on from what class k of the other was, for they have nothing to do with each other. "
        f"Heroes begin with a model of the {len(SPECIES) - 1} other species after {s.start_minutes:g} min, which has a class for the {UNSEEN}, but never saw one; "
        f"it learns from {s.few} {UNSEEN} and is compared with all others, of both splits."
    )


def reading(rows: list[Row]) -> str:
    """At the first and at the last mark, how much nearer to real pictures a trained beginning is, by the geometric mean."""
    distances = {
        (row["target"], row["family"], row["minutes"], row["start"]): row["frechet"]
        for row in rows
        if row["frechet"] is not None
    }
    ratios: dict[float, list[float]] = {}
    for (target, family, minutes, start), distance in distances.items():
        other = distances.get((target, family, minutes, "scratch"))
        if start == "trained" and other and distance:
            ratios.setdefault(minutes, []).append(other / distance)
    if not ratios:
        return "No beginning has been compared with another yet."
    means = {minutes: math.exp(sum(map(math.log, some)) / len(some)) for minutes, some in sorted(ratios.items())}
    (early, at_first), *_ = means.items()
    *_, (late, at_last) = means.items()
    better = sum(ratio > 1 for ratio in ratios[late])
    return (
        f"After {early:g} min of CPU time the Fréchet distance from scratch is {at_first:.1f} times that from a trained model "
        f"(geometric mean), after {late:g} min {at_last:.1f} times; the trained beginning is then nearer in {better} of {len(ratios[late])} cases."
    )


EXPERIMENT = Experiment(
    name="transfer",
    title="Transfer",
    settings=TransferSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("target", "From → to"),
        Column("family", "Family"),
        Column("start", "Begins"),
        Column("begins_with", "With"),
        Column("minutes", "CPU time", "min", 1),
        *FIGURE_COLUMNS,
        Column("seeds", "Seeds"),
    ),
    plots=(
        Plot(
            "Fréchet distance along one run",
            "minutes",
            "frechet",
            ("family", "start"),
            "target",
            log_x=True,
            log_y=True,
        ),
    ),
    spread=FIGURES,
)
