"""The figures in a checkpoint's metrics.json: what the file is made of, whether they still hold, how they are shown."""

import hashlib
import json
import os
from typing import TypedDict, cast

from typing_extensions import NotRequired  # in typing since Python 3.11

from genmodels import checkpoint
from genmodels.evaluation.keys import KEYS, REAL_SETS
from genmodels.protocols import Judges, abilities_of
from genmodels.registry import get_family

METRICS_FORMAT = 3


class Judge(TypedDict):
    """A model that judged another one: by its name, and the hash of its weights."""

    name: str
    hash: str


class Metric(TypedDict):
    """A figure, and how it came to be: of n images, the first one with this seed."""

    value: float
    unit: str
    n: int
    seed: int
    protocol: str
    spread: NotRequired[float]  # of a mean over random subsets
    critic: NotRequired[Judge]  # where one was asked


Figures = dict[str, Metric]  # by the slugs of keys.KEYS


class Split(TypedDict):
    name: str
    split: str


class Report(TypedDict, total=False):
    """metrics.json. {} stands for "not measured"; any other has all of these."""

    format: int
    data: Split
    n: int
    seed: int
    hardware: str
    date: str
    version: str
    weights: str  # hashes of what the figures belong to
    config: str
    referee: Judge | None
    metrics: Figures
    references: dict[str, Figures]  # by the slugs of keys.REAL_SETS
    attributes: dict[str, Figures]  # of a model that names them, by what the data set calls them
    failed: dict[str, str]  # slug of a part -> why in one sentence


def measured(source: str | os.PathLike[str]) -> Report:
    """A checkpoint's metrics.json; {} ("not measured") if there is none, or if its figures don't compare with today's.

    They don't if the file's format is older, if they are those of other weights or settings, or if another referee
    measured them than the one that is bundled for the data. What another critic said than today's is left out.
    """
    values = read_report(source)
    if values.get("format") != METRICS_FORMAT or values.get("weights") != checkpoint.weights_hash(source):
        return {}
    if values.get("config") != config_hash(source):
        return {}
    referee = values.get("referee")
    name = f"referee-{values['data']['name']}"
    if referee and name in checkpoint.bundled() and referee["hash"] != checkpoint.weights_hash(name):
        return {}
    if (share := values["metrics"].get("critic_share")) and share["critic"] != _critic_today(source):
        del values["metrics"]["critic_share"]
    return values


def read_report(source: str | os.PathLike[str]) -> Report:
    """A checkpoint's metrics.json as it is, whatever its format; {} if there is none."""
    return cast(Report, checkpoint.read_json(source, "metrics.json"))


def shown(figures: Figures, key: str, missing: str = "–") -> str:
    """A figure as tables show it."""
    return KEYS[key].form.format_map(figures[key]) if key in figures else missing


SPEED = "median time of sample() for {count} image{s} on {machine}"  # the protocol of a sampling time


def timed_on(metric: Metric) -> str:
    """The machine that a sampling time is of, which its protocol ends with."""
    return metric["protocol"].partition(" on ")[2]


def of_model(report: Report) -> Figures:
    """All figures of a model, those of an attribute under a name that says so."""
    return report["metrics"] | _flat(report["attributes"])


def of_real_images(report: Report) -> Figures:
    """All figures of real images, under names that say of which."""
    return _flat({REAL_SETS[name].title: figures for name, figures in report["references"].items()})


def _flat(groups: dict[str, Figures]) -> Figures:
    return {f"{key} of {name}": metric for name, figures in groups.items() for key, metric in figures.items()}


def config_hash(source: str | os.PathLike[str]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the settings in config.json: they change what a model does, too."""
    config = checkpoint.read_config(source)
    text = json.dumps([config["family"], config["config"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _critic_today(source: str | os.PathLike[str]) -> Judge | None:
    """The critic that would judge a model's samples now."""
    config = checkpoint.read_config(source)
    names = critics(config["data"]["name"], config["config"]["image_shape"])
    return named(names[0]) if names else None


def named(source: str | os.PathLike[str]) -> Judge:
    """How a metrics.json names the model that judged."""
    folder = checkpoint.find(source)
    return {"name": folder.name, "hash": checkpoint.weights_hash(folder)}


def critics(data: str, shape: tuple[int, int, int]) -> list[str]:
    """The bundled models that can judge pictures of a data set, of that shape (C, H, W)."""
    return [
        name
        for name, config in checkpoint.configs().items()
        if config["data"]["name"] == data
        and tuple(config["config"]["image_shape"]) == tuple(shape)
        and Judges in abilities_of(get_family(config["family"]))
    ]
