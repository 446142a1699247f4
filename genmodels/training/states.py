"""What a run keeps in its folder to go on from: `state-<step>/`, accelerate's files and run.json, which says what they are.

A state counts only if it is whole. run.json holds the digest of every other file, and all of it is on the disk itself
before the state gets its name and the former one is removed: neither a kill nor a power cut leaves a run without one.
"""

import hashlib
import json
import logging
import reprlib
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from genmodels.data import Images
from genmodels.files import sync
from genmodels.models.base import Model
from genmodels.registry import family_of

RUN = "run.json"
log = logging.getLogger(__name__)


class State(NamedTuple):
    """A whole state, and what its run.json says: step, seconds, precision, and what `identity` tells."""

    folder: Path
    run: dict[str, Any]


def states(folder: Path | None) -> list[Path]:
    """The states of a run, whole or not, oldest first."""
    return sorted(folder.glob("state-*")) if folder else []


def seal(state: Path, run: dict[str, Any]) -> None:
    """Complete a state whose other files are written: its run.json, with their digests; all of it safe from a power cut."""
    files = sorted(state.iterdir())
    text = json.dumps(run | {"files": {file.name: _digest(file) for file in files}})
    (state / RUN).write_text(text, encoding="utf-8")
    for path in (*files, state / RUN, state):
        sync(path)


def newest_whole(folder: Path | None) -> State | None:
    """The state to go on from; None if the run has none. A damaged one is passed over, and said to be.

    Raises ValueError that names a damaged file and says what can be done, if no state is whole.
    """
    if folder is None:
        return None
    faults: list[str] = []
    for state in reversed(states(folder)):
        run, fault = _examined(state)
        if not fault:
            for passed_over in faults:
                log.warning("%s: going on from the older state %s.", passed_over, state)
            return State(state, run)
        faults.append(fault)
    if faults:
        rescue = (
            f", with --start {folder}/checkpoint to keep what was learnt" if (folder / "checkpoint").is_dir() else ""
        )
        raise ValueError(f"{faults[0]}, and no older state of the run is whole: train in another folder{rescue}.")
    return None


def _examined(state: Path) -> tuple[dict[str, Any], str]:
    """run.json of a state, and what is wrong with the first file that is damaged ("" if none is)."""
    try:
        run = json.loads((state / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}, f"{state / RUN} is missing or damaged"
    digests = run.get("files") or {file.name: "" for file in state.iterdir()}  # older versions kept no digests
    for name, digest in digests.items():
        file = state / name
        if not file.is_file():
            return run, f"{file} is missing"
        if not file.stat().st_size:
            return run, f"{file} is empty"
        if digest and _digest(file) != digest:
            return run, f"{file} is cut off or damaged"
    return run, ""


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# -- whether it is the same run ----------------------------------------------------------------------------------------


def identity(model: Model, data: Images) -> dict[str, Any]:
    """What run.json keeps of the model and the data, to tell whether it is the same run that goes on."""
    return {
        "family": family_of(model),
        "config": model.config.to_json(),
        "data": data.name,
        "place": _place(data.name),
        "classes": _classes(data),
        "content": data.content_hash(),
    }


def check_same(model: Model, data: Images, state: State) -> None:
    """Raises ValueError that names the difference if a state is of another model, or of other data.

    The data are the same if they have the same classes and lie in the same place, however it is spelled, or elsewhere
    with the same contents.
    """
    folder, run = state.folder.parent, state.run
    if run["family"] != family_of(model):
        raise ValueError(f"The run in {folder} has family {run['family']!r}, not {family_of(model)!r}.")
    if run.get("classes", _classes(data)) != _classes(data):
        was, now = (_listed(classes) for classes in (run["classes"], _classes(data)))
        raise ValueError(f"The run in {folder} has learnt the classes {was}; the data set {data.name!r} has {now}.")
    # what an older version's config doesn't have yet was as it is by default
    if differences := _differences(type(model.config)().to_json() | run["config"], model.config.to_json()):
        raise ValueError(f"The run in {folder} has {differences}; resume it with the same.")
    moved = run.get("place", _place(run["data"])) != _place(data.name)
    if moved and run.get("content") != data.content_hash():
        raise ValueError(
            f"The run in {folder} has data {run['data']!r}, and {data.name!r} holds other pictures; resume it with the same."
        )


def _place(name: str) -> str:
    """Where a data set lies, in one spelling; of one that is no folder, its name."""
    return str(Path(name).resolve()) if name and Path(name).is_dir() else name


def _classes(data: Images) -> dict[str, list[str]]:
    """The names of the classes, or of every attribute's values."""
    return {key: list(names) for key, names in (data.attributes or {"class": data.classes}).items()}


def _listed(classes: dict[str, list[str]]) -> str:
    """All names, cut if they are many."""
    names = ", ".join(name for values in classes.values() for name in values)
    return textwrap.shorten(names, 200, placeholder=" …") or "none"


def _differences(was: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that are not the same: "latent_dim 4, not 6"."""
    keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    return ", ".join(f"{key} {reprlib.repr(was.get(key))}, not {reprlib.repr(now.get(key))}" for key in keys)
