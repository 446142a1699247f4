"""The figures in a checkpoint's metrics.json, and whether they still hold."""

import hashlib
import json
import os
from typing import Any

from genmodels import checkpoint
from genmodels.registry import get_family

METRICS_FORMAT = 3


def measured(source: str | os.PathLike) -> dict[str, Any]:
    """A checkpoint's metrics.json; {} ("not measured") if there is none, or if its figures don't compare with today's.

    They don't if the file's format is older, if they are those of other weights or settings, or if another referee
    measured them than the one that is bundled for the data. What another critic said than today's is left out.
    """
    values = checkpoint.read_json(source, "metrics.json")
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


def config_hash(source: str | os.PathLike) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the settings in config.json: they change what a model does, too."""
    config = checkpoint.read_config(source)
    text = json.dumps([config["family"], config["config"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _critic_today(source: str | os.PathLike) -> dict[str, str] | None:
    """The critic that would judge a model's samples now."""
    config = checkpoint.read_config(source)
    names = critics(config["data"]["name"], config["config"]["image_shape"])
    return named(names[0]) if names else None


def named(source: str | os.PathLike) -> dict[str, str]:
    """How a metrics.json names the model that judged: {"name", "hash"}."""
    folder = checkpoint.find(source)
    return {"name": folder.name, "hash": checkpoint.weights_hash(folder)}


def critics(data: str, shape: tuple[int, int, int]) -> list[str]:
    """The bundled models that can judge pictures of a data set, of that shape (C, H, W)."""
    configs = {name: checkpoint.read_config(folder) for name, folder in checkpoint.bundled().items()}
    return [
        name
        for name, config in configs.items()
        if config["data"]["name"] == data
        and tuple(config["config"]["image_shape"]) == tuple(shape)
        and hasattr(get_family(config["family"]), "realism")
    ]
