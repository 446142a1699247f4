"""The tables that experiments have left beside the bundled models: where they are, and whether they still hold."""

import json
from pathlib import Path
from typing import Any

from genmodels import checkpoint

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
    """The same, if its checkpoints have the weights that were measured; those that aren't here are taken at their word.

    Raises ValueError that names those that have others.
    """
    values = read(name)
    here, used = checkpoint.bundled(), values.get("weights") or {}
    changed = [one for one, known in used.items() if one in here and checkpoint.weights_hash(one) != known]
    if changed:
        raise ValueError(f"Measured with other weights of {', '.join(changed)} than are here now.")
    return values
