"""The commands that a checkpoint was trained with, from what it keeps of itself.

They say what differs from today's recipe and config of the family, so that a newer default doesn't change what they train.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.data import DATASETS
from genmodels.models.base import TrainConfig
from genmodels.registry import get_family

#: Of a config what follows from the pictures.
FOUND = ("image_shape", "num_classes", "vocabulary", "attributes")


def stages(training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trainings that some weights went through, the first one first; [] if none is known."""
    return [*stages(training.get("before", {})), dict(training)] if "steps" in training else []


def computing(training: Mapping[str, Any]) -> float:
    """Seconds that a training took, without those in which other work had its core, where that was counted.

    >>> computing({"seconds": 90.0, "cpu_seconds": 60.0})
    60.0
    """
    return min(training["seconds"], training.get("cpu_seconds") or training["seconds"])


def commands(folder: Path) -> list[str]:
    """Those that train the model in this folder anew, each going on from the one before; [] if its pictures, or what it began with, are
    none that everybody has.

    What another bundled model had gone through before is told on that one's card.
    """
    saved, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    name, known = folder.name, stages(training)
    others = [i for i, stage in enumerate(known) if stage.get("start", name) != name]
    known = known[others[-1] if others else 0 :]
    begun = known[0].get("start") if known else None
    if saved["data"]["name"] not in DATASETS or (begun and begun not in checkpoint.packaged()):
        return []
    found = []
    former = checkpoint.read_config(begun)["config"] if begun else None
    for i, (stage, config) in enumerate(zip(known, configs(known, saved["config"]), strict=True)):
        start = f"runs/{name}-{i}/checkpoint" if i else stage.get("start")
        settings = _config(saved["family"], config, former) | _recipe(saved["family"], stage)
        out = f"runs/{name}-{i + 1}" if len(known) > 1 else f"runs/{name}"
        found.append(_command(saved, stage, start, settings, out))
        former = config
    return found


def configs(known: Sequence[Mapping[str, Any]], last: dict[str, Any]) -> list[dict[str, Any]]:
    """The model's config after each of its trainings; of one that keeps none, that of the next."""
    found = [last] if known else []
    for stage in reversed(known[:-1]):
        found.insert(0, stage.get("config", found[0]))
    return found


def _command(
    saved: dict[str, Any], stage: dict[str, Any], start: str | None, settings: dict[str, Any], out: str
) -> str:
    words = ["python", "-m", "genmodels", "train", saved["family"], "--data", saved["data"]["name"], "--out", out]
    words += ["--captions"] if saved["config"].get("vocabulary") else []
    words += ["--start", start] if start else []
    for option, key in (("--minutes", "minutes"), ("--cpu-minutes", "cpu_minutes")):
        words += [option, f"{stage[key]:g}"] if stage.get(key) else []
    values = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()]
    return shlex.join([*words, *(["--set", *values] if values else [])])


def _config(family: str, config: dict[str, Any], former: dict[str, Any] | None) -> dict[str, Any]:
    """What a config has that the family's own, or that of the model it began with, hasn't."""
    made = get_family(family).Config
    given = made.inherited(former) if former else {key: config[key] for key in FOUND if key in config}
    usual, own = made.from_json(given).to_json(), made.from_json(config).to_json()
    return {key: value for key, value in own.items() if key not in FOUND and value != usual[key]}


def _recipe(family: str, stage: dict[str, Any]) -> dict[str, Any]:
    """What its recipe has that today's hasn't; of what it doesn't name, as that came later, what was done then."""
    used, usual = (dataclasses.asdict(recipe) for recipe in (TrainConfig(**stage["recipe"]), get_family(family).recipe))
    fitted = {"steps"} if stage.get("minutes") or stage.get("cpu_minutes") else set()  # to the time
    return {key: value for key, value in used.items() if key not in fitted and value != usual[key]}
