"""The tables that experiments have left beside the bundled models: where they are, and whether they still hold."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.registry import FAMILIES, get_family, title

FORMAT = 1
#: Beside the bundled models; it has no config.json, so it is none of them.
RESULTS = "experiments"


def command(name: str) -> str:
    return f"python -m genmodels experiment {name}"


def files() -> dict[str, Path]:
    """The experiments that there are results of: name -> file. What `run` writes comes first."""
    found: dict[str, Path] = {}
    for root in checkpoint.BUNDLED:
        for file in sorted((root / RESULTS).glob("*.json")):
            found.setdefault(file.stem, file)
    return found


def read(name: str) -> dict[str, Any]:
    """A table of today's format. Raises ValueError that says what is wrong with it."""
    file = files().get(name)
    if file is None:
        raise ValueError("No results are here.")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file.name} can't be read as JSON: {error}.") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"{file.name} is of another format than {FORMAT}.")
    return values


def holding(name: str) -> dict[str, Any]:
    """The same, if its checkpoints have the weights that were measured, and what was trained for it would be trained so today.

    Checkpoints and families that aren't here are taken at their word. Raises ValueError that names those that differ.
    """
    values = read(name)
    here, used = checkpoint.bundled(), values.get("weights") or {}
    changed = [one for one, known in used.items() if one in here and checkpoint.weights_hash(one) != known]
    if changed:
        raise ValueError(f"Measured with other weights of {', '.join(changed)} than are here now.")
    if retrained := trained_otherwise(values.get("training") or {}):
        raise ValueError(f"Measured with other settings of {', '.join(map(title, retrained))} than are usual now.")
    return values


def usual_settings(family: str) -> dict[str, Any]:
    """What a new model of a family is made of and trained with unless told otherwise, as JSON: of its config and its recipe.

    Not what experiments set themselves: the seed, and the length of a training.

    >>> from genmodels.experiments.results import usual_settings
    >>> usual_settings("gan")["batch_size"]
    32
    """
    cls = get_family(family)
    made = {field.name: field.default for field in dataclasses.fields(cls.Config)}
    settings = {name: value for name, value in made.items() if value is not dataclasses.MISSING}
    settings |= {name: value for name, value in dataclasses.asdict(cls.recipe).items() if name not in ("seed", "steps")}
    return json.loads(json.dumps(settings))


def trained_otherwise(training: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The families of which a setting that is told here has another usual value today.

    One that came later isn't told, for by its usual value it changes nothing.
    """
    now = {family: usual_settings(family) for family in training if family in FAMILIES}
    return [family for family in now if any(now[family].get(k, v) != v for k, v in training[family].items())]
