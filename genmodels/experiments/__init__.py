"""Experiments compare trainings, where metrics.json measures one checkpoint.

An experiment is a module with an `EXPERIMENT`: what it is called, its settings, and one function that yields its units. A
unit is the least that is kept: a function that computes rows of the table. `run` does those that are not there yet, on
one thread of the CPU, and writes the table after each, so that a run that was killed goes on and repeats no finished unit.
Time is the CPU time of that thread: what else the machine does takes no part.
"""

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import os
import shutil
import statistics
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from genmodels import checkpoint
from genmodels.device import hardware, set_threads
from genmodels.experiments.results import FORMAT, RESULTS, command, trained_otherwise, usual_settings
from genmodels.files import write_json
from genmodels.models.base import checked
from genmodels.version import __version__

#: Modules of this package, in the order in which they are worth running.
NAMES = (
    "attribution",
    "augmentation",
    "transfer",
    "minutes",
    "sketch",
    "anomaly",
    "few-labels",
    "compress",
    "projection",
    "repair",
    "words",
)

Row = dict[str, Any]
Report = Callable[[float], None]  # share of a unit that is done


@dataclass(frozen=True)
class Settings:
    """Base of what an experiment may be told: JSON values, checked on the way in. Other than the usual ones give other figures."""

    @classmethod
    def of(cls, changes: Mapping[str, Any]) -> "Settings":
        """The usual settings with these changes. ValueError that names the one that doesn't exist, or its range."""
        hints = typing.get_type_hints(cls)
        if unknown := changes.keys() - hints.keys():
            raise ValueError(f"There is no setting {min(unknown)!r}; this experiment has {', '.join(hints)}.")
        values = {key: checked(key, value, hints[key]) for key, value in changes.items()}
        settings = cls(**values)
        for key, value in dataclasses.asdict(settings).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if key not in ("seed", "seeds") and any(
                isinstance(number, int | float) and number <= 0 for number in numbers
            ):
                raise ValueError(f"The setting {key!r} must be above 0, not {value!r}.")
            if not numbers:
                raise ValueError(f"The setting {key!r} must not be empty.")
        return settings


@dataclass(frozen=True)
class Lab:
    """Where a unit computes. folder: its own, removed when it is done. shared: kept for other units with the same settings."""

    folder: Path
    shared: Path
    report: Report


@dataclass(frozen=True)
class Unit:
    """What is computed at once and kept.

    uses: the bundled models that its rows depend on; cost: roughly its CPU minutes; trains: whether it trains its family.
    """

    key: str
    family: str
    data: str
    compute: Callable[[Lab], list[Row]]
    uses: tuple[str, ...] = ()
    cost: float = 1.0
    trains: bool = False


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    unit: str = ""
    digits: int | None = None  # after the point; None: a word, or a whole number


@dataclass(frozen=True)
class Plot:
    """A curve for every value of the columns `series`, in a picture of its own for every value of `facet`."""

    title: str
    x: str
    y: str
    series: tuple[str, ...]
    facet: str | None = None
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Experiment:
    """reading: one sentence made from the rows. spread: the figures that are averaged over the column "seed"."""

    name: str
    title: str
    settings: type[Settings]
    units: Callable[[Any], Iterable[Unit]]
    protocol: Callable[[Any], str]
    reading: Callable[[list[Row]], str]
    columns: tuple[Column, ...]
    plots: tuple[Plot, ...] = ()
    spread: tuple[str, ...] = ()


def get_experiment(name: str) -> Experiment:
    """ValueError that lists the experiments if there is none of that name.

    >>> get_experiment("minutes").title
    'Minutes to quality'
    """
    if name not in NAMES:
        raise ValueError(f"There is no experiment {name!r}; the experiments are {', '.join(NAMES)}.")
    return import_module(f"genmodels.experiments.{name.replace('-', '_')}").EXPERIMENT


def run(
    name: str,
    *,
    families: Sequence[str] = (),
    only: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Callable[[str, float, float], None] = lambda unit, share, whole: None,
) -> dict[str, Any]:
    """Do what of an experiment is not done yet, and return its table: what `checkpoints/experiments/<name>.json` holds.

    families, only (data sets): which units to work on; by default all. changes: settings other than the usual ones.
    out: where finished units are kept, by default `runs/experiments/<name>`; the table is written there after each of
    them and, if the settings are the usual ones, to `checkpoints/experiments`, where only a complete one replaces a
    complete one. `progress` is told the unit at hand, the share of it that is done, and that of the whole.
    Raises ValueError for a name, family, data set or setting that isn't there.
    """
    experiment = get_experiment(name)
    settings = experiment.settings.of(changes or {})
    folder = Path(out) if out is not None else Path("runs", "experiments", name)
    _on_one_core()
    units = list(experiment.units(settings))
    asked = _chosen(name, units, families, only)
    store = _Store(experiment, settings, folder)
    missing = [unit for unit in asked if store.kept(unit) is None]
    total, done = sum(unit.cost for unit in missing), 0.0
    result = _written(experiment, settings, units, store)
    for unit in missing:

        def report(share: float, unit: Unit = unit, done: float = done) -> None:
            progress(unit.key, share, (done + share * unit.cost) / total)

        report(0.0)
        store.compute(unit, report)
        result = _written(experiment, settings, units, store)
        report(1.0)
        done += unit.cost
    return result


def _on_one_core() -> None:
    """Whatever computes in this process from now on does so on one thread of the CPU."""
    os.environ |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    set_threads()


def _chosen(name: str, units: Sequence[Unit], families: Sequence[str], only: Sequence[str]) -> list[Unit]:
    for what, asked, known in (
        ("family", families, dict.fromkeys(unit.family for unit in units)),
        ("data set", only, dict.fromkeys(unit.data for unit in units)),
    ):
        if unknown := [value for value in asked if value not in known]:
            raise ValueError(f"The experiment {name} has no {what} {unknown[0]!r}, but {', '.join(known)}.")
    return [u for u in units if (not families or u.family in families) and (not only or u.data in only)]


class _Store:
    """The finished units of an experiment: `<key>.json` in its folder, valid for these settings, weights, recipes and version."""

    def __init__(self, experiment: Experiment, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.weights_hash = functools.cache(
            checkpoint.weights_hash
        )  # asked for each unit, whenever the table is written
        self.identity = {
            "experiment": experiment.name,
            "settings": json.loads(json.dumps(dataclasses.asdict(settings))),
            "version": __version__,
        }

    def kept(self, unit: Unit) -> dict[str, Any] | None:
        """What `compute` wrote; None if there is nothing, or if it was made of something else."""
        file = self.folder / f"{unit.key}.json"
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return values if _as_now(values.get("of", {}), self._of(unit)) else None

    def compute(self, unit: Unit, report: Report) -> None:
        of = self._of(unit)
        work = self.folder / f"work-{unit.key}-{_digest(of)}"  # a half done training of other settings is no beginning
        rows = unit.compute(Lab(work, self.folder / f"shared-{_digest(self.identity)}", report))
        write_json(self.folder, f"{unit.key}.json", {"of": of, "hardware": hardware(torch.device("cpu")), "rows": rows})
        shutil.rmtree(work, ignore_errors=True)

    def _of(self, unit: Unit) -> dict[str, Any]:
        return self.identity | {
            "unit": unit.key,
            "weights": {name: self.weights_hash(name) for name in unit.uses},
            "training": {unit.family: usual_settings(unit.family)} if unit.trains else {},
        }


def _as_now(told: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a unit was made of what it would be made of now; of its training, settings that came later aren't told."""
    training, trained = told.get("training", {}), now["training"]
    if {**told, "training": trained} != now or training.keys() != trained.keys():
        return False
    return not trained_otherwise(training)


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _written(experiment: Experiment, settings: Settings, units: Sequence[Unit], store: _Store) -> dict[str, Any]:
    """The table of all units that are done, written to its places."""
    kept = [values for unit in units if (values := store.kept(unit)) is not None]
    rows = over_seeds([row for values in kept for row in values["rows"]], experiment.spread)
    result = {
        "format": FORMAT,
        "experiment": experiment.name,
        "title": experiment.title,
        "reading": experiment.reading(rows) if rows else "Nothing has been measured yet.",
        "protocol": experiment.protocol(settings),
        "command": command(experiment.name),
        "version": __version__,
        "hardware": "; ".join(dict.fromkeys(values["hardware"] for values in kept)),
        "date": datetime.date.today().isoformat(),
        "complete": len(kept) == len(units),
        "settings": store.identity["settings"],
        "weights": {name: hash for values in kept for name, hash in sorted(values["of"]["weights"].items())},
        "training": {family: told for values in kept for family, told in values["of"].get("training", {}).items()},
        "columns": [dataclasses.asdict(column) for column in experiment.columns],
        "rows": rows,
        "plots": [dataclasses.asdict(plot) | {"series": list(plot.series)} for plot in experiment.plots],
    }
    name = f"{experiment.name}.json"
    write_json(store.folder, name, result)
    if settings == experiment.settings() and checkpoint.BUNDLED:
        place = checkpoint.BUNDLED[0] / RESULTS
        if result["complete"] or not _is_complete(place / name):
            write_json(place, name, result)
    return result


def _is_complete(file: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads(file.read_text(encoding="utf-8"))["complete"])
    return False


def over_seeds(rows: Iterable[Row], figures: Sequence[str]) -> list[Row]:
    """Rows that differ by their "seed" and by these figures alone as one row: the means, beside them the least and the largest.

    >>> over_seeds([{"k": 5, "seed": 0, "x": 1.0}, {"k": 5, "seed": 1, "x": 2.0}], ["x"])
    [{'k': 5, 'x': 1.5, 'x_low': 1.0, 'x_high': 2.0, 'seeds': 2}]
    """
    if not figures:
        return list(rows)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        about = {key: value for key, value in row.items() if key != "seed" and not key.startswith(tuple(figures))}
        groups.setdefault(json.dumps(about), []).append(row)
    return [json.loads(about) | _averaged(group, figures) for about, group in groups.items()]


def _averaged(group: Sequence[Row], figures: Sequence[str]) -> Row:
    made: Row = {}
    for key in figures:
        if reasons := [row[f"{key}_why"] for row in group if row.get(key) is None and f"{key}_why" in row]:
            made |= {key: None, f"{key}_why": reasons[0]}
            continue
        values = [row[key] for row in group if row.get(key) is not None]
        if values:
            made[key] = statistics.fmean(values)
        if len(values) > 1:
            made |= {f"{key}_low": min(values), f"{key}_high": max(values)}
    return made | {"seeds": len(group)}
