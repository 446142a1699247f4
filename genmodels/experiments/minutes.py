"""What a minute of training is worth: each family after runs that were planned for 1, 3, 6 and 15 minutes of CPU time."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from genmodels.data import DATASETS
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import (
    FIGURE_COLUMNS,
    FIGURES,
    can_sample,
    cannot_sample,
    measured_along,
    of_test_split,
    rounded,
    split,
    unmeasured,
    untrained,
)
from genmodels.registry import FAMILIES, title


@dataclass(frozen=True)
class MinutesSettings(Settings):
    minutes: tuple[float, ...] = (1.0, 3.0, 6.0, 15.0)
    data: str = "mnist"
    samples: int = 2000
    seed: int = 0


def units(s: MinutesSettings) -> Iterator[Unit]:
    if s.data not in DATASETS:
        raise ValueError(f"There is no data set {s.data!r}; the data sets are {', '.join(DATASETS)}.")
    for minutes in s.minutes:
        for family in FAMILIES:
            cost = minutes + 1 if can_sample(family) else 0.01
            compute = partial(planned, s, family, minutes)
            key, uses = f"{family}-{minutes:g}", (f"referee-{s.data}",)
            yield Unit(key, family, s.data, compute, uses, cost, trains=can_sample(family))


def planned(s: MinutesSettings, family: str, minutes: float, lab: Lab) -> list[Row]:
    row = {"data": s.data, "family": family, "minutes": minutes}
    if not can_sample(family):
        return [row | unmeasured(FIGURES, cannot_sample(family))]
    data = split(s.data, "train")
    (figures,) = measured_along(
        lambda: untrained(family, data, s.seed), data, lab, [minutes], s.seed, of_test_split(s.data), s.samples
    )
    return rounded([row | figures])


def protocol(s: MinutesSettings) -> str:
    return (
        "Each point is a run of its own, in the family's own settings, planned for that CPU time of one thread (float32): its "
        "learning rate has come down when the time is up. "
        f"{s.samples} samples of the averaged weights, with the classes of test pictures and the model's own sampler settings, are compared with the "
        f"whole test split of {s.data} in the features of its referee; seed {s.seed}. With so few samples the distance is larger "
        "than that of the 10,000 in the tables of models: compare within this table."
    )


def reading(rows: list[Row]) -> str:
    known = [row for row in rows if row["frechet"] is not None]
    best = [
        min((row for row in known if row["minutes"] == minutes), key=lambda row: row["frechet"])
        for minutes in sorted({row["minutes"] for row in known})
    ]
    if not best:
        return "No family has been measured yet."
    each = []
    for family, nearest in itertools.groupby(best, key=lambda row: row["family"]):
        said = [f"{row['minutes']:g} min ({row['frechet']:.1f})" for row in nearest]
        each.append(f"{title(family)} after {', '.join(said)}")
    return f"Nearest to real pictures, by Fréchet distance: {'; '.join(each)}."


EXPERIMENT = Experiment(
    name="minutes",
    title="Minutes to quality",
    settings=MinutesSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("family", "Family"),
        Column("minutes", "Planned CPU time", "min", 1),
        *FIGURE_COLUMNS,
    ),
    plots=(Plot("Fréchet distance by minutes of training", "minutes", "frechet", ("family",), log_x=True, log_y=True),),
)
