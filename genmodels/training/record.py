"""What a run writes down: rows of metrics, when one is due, versions."""

import json
import os
import platform
from pathlib import Path

from genmodels.version import __version__

Row = dict[str, float]


def row_is_due(step: int, log_every: int) -> bool:
    """Whether a row ends with this step: the same steps whether or not the run was stopped before."""
    return step % log_every == 0 or (step < log_every and str(step).rstrip("0") in ("1", "2", "5"))


def read_rows(folder: str | os.PathLike[str] | None) -> list[Row]:
    """The rows in a run's metrics.jsonl; a half-written last line (power cut) is left out."""
    file = Path(folder, "metrics.jsonl") if folder else None
    if file is None or not file.is_file():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"genmodels": __version__, "python": platform.python_version()} | {
        package: version(package) for package in ("torch", "accelerate", "safetensors")
    }
