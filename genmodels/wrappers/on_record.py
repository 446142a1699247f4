"""Which models there are, and what was measured of them: read from JSON files, no model is loaded."""

import contextlib
import functools
import hashlib
import logging
import os
from collections.abc import Iterable

from genmodels import checkpoint
from genmodels.data import DATASETS
from genmodels.evaluation.keys import PART_TITLES, RANKED_BY
from genmodels.evaluation.report import Report, measured, read_report, shown
from genmodels.files import Stamp, stamp
from genmodels.places import without_paths
from genmodels.protocols import AnyModel, Samples, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.wrappers.core import available, describe

Records = dict[str, Report]
WEIGHTS_DIGITS = 6
FAILED = "It failed; the server's log says why."

# -- which models ------------------------------------------------------------------------------------------------------


def everyone() -> list[str]:
    """The models of all families, family by family."""
    return [name for family in FAMILIES for name in available(family)]


@functools.lru_cache(maxsize=64)
def reads_captions(name: str) -> bool:
    """Whether a model is told captions, and not classes."""
    return bool(checkpoint.read_config(name)["config"].get("vocabulary"))


def samplers() -> list[str]:
    """Those that draw new pictures."""
    return [name for name in everyone() if can(name, Samples)]


def of_data(data: str, names: Iterable[str] | None = None) -> list[str]:
    return [name for name in (everyone() if names is None else names) if describe(name)["data"] == data]


def first_of_each(names: Iterable[str]) -> list[str]:
    """The first model of each family for each data set."""
    first: dict[tuple[str, str], str] = {}
    for name in names:
        info = describe(name)
        first.setdefault((info["family"], info["data"]), name)
    return list(first.values())


def can(name: str, ability: type) -> bool:
    return ability is AnyModel or ability in abilities_of(get_family(describe(name)["family"]))


def title(data: str) -> str:
    """What people call a data set."""
    return DATASETS[data].title if data in DATASETS else data


# -- which weights they have -------------------------------------------------------------------------------------------


def weights(subject: str) -> str:
    """The first digits of the hash of a model's weights, or of those of all models of a data set but the Hub's."""
    if subject in checkpoint.bundled():
        return checkpoint.weights_hash(subject)[:WEIGHTS_DIGITS]
    told = sorted(f"{name} {weights(name)}" for name in of_data(subject) if "/" not in name)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:WEIGHTS_DIGITS]


def other_weights(said: object) -> str:
    """What is to be told of a link's "vae-mnist@1a2b3c" or "mnist@1a2b3c" whose hash isn't that of the weights here; else ""."""
    subject, at, told = said.partition("@") if isinstance(said, str) else ("", "", "")
    if not at or said in checkpoint.bundled() or weights(subject).startswith(told[:WEIGHTS_DIGITS]):
        return ""
    which = f"of {subject}" if subject in checkpoint.bundled() else f"for {title(subject).lower()}"
    made, here = told[:WEIGHTS_DIGITS], weights(subject)
    return f"This was made with other weights {which} ({made}); what you see comes from those here ({here})."


# -- what was measured of them -----------------------------------------------------------------------------------------


def records() -> Records:
    """What was measured of every model, {} where that doesn't hold any more; read again once a file has changed."""
    return _records(_stamp())


def _stamp() -> tuple[tuple[str, Stamp], ...]:
    """What tells whether a file of any model has changed, of a referee's too."""
    found = []
    for root in checkpoint.bundled().values():
        for place, folders, names in os.walk(root):
            folders[:] = [folder for folder in folders if not folder.startswith(".")]  # what is being written
            for file in (os.path.join(place, name) for name in names):
                with contextlib.suppress(OSError):  # it has gone since
                    found.append((file, stamp(file)))
    return tuple(found)


@functools.lru_cache(maxsize=2)
def _records(files: tuple[tuple[str, Stamp], ...]) -> Records:
    return {name: _record(name) for name in everyone()}


def _record(name: str) -> Report:
    try:
        return measured(name)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # no JSON, or not what it should say: see `why_unmeasured`
        return {}


def able(data: str, ability: type) -> Records:
    """What is on record of the data set's models with an ability."""
    known = records()
    return {name: known[name] for name in of_data(data) if can(name, ability)}


# -- why not ----------------------------------------------------------------------------------------------------------


def why_unmeasured(name: str) -> str:
    """Why nothing that was measured of a model counts, and the command that measures it."""
    try:
        reason = "its figures are of another format, weights, settings or referee" if read_report(name) else ""
    except ValueError as error:
        reason = sentence(error).rstrip(".")
    return f"Not measured{f' ({reason})' if reason else ''}: `python -m genmodels evaluate {name}` does it."


def why_missing(name: str, slug: str, report: Report) -> str:
    """Why a model with this report has no figure of this slug."""
    if slug == RANKED_BY and not can(name, Samples):
        return "It draws no pictures of its own."
    if not report:
        return why_unmeasured(name)
    if slug == "class_accuracy" and not describe(name)["conditional"]:
        told = f"captions, {shown(report['metrics'], 'caption_accuracy')} as they say"
        return f"It is told {told if 'caption_accuracy' in report['metrics'] else 'no class'}."
    if report["failed"]:
        return " ".join(f"{PART_TITLES[part]} could not be measured: {why}" for part, why in report["failed"].items())
    return f"Not in its metrics.json: `python -m genmodels evaluate {name}` measures it."


def sentence(error: object) -> str:
    """What went wrong, for visitors: without the paths of this computer."""
    return f"{without_paths(str(error)).rstrip('.')}."


def why_failed(log: logging.Logger, who: str, error: Exception) -> str:
    """Why something has no answer, for visitors: what a refusal says; all else is hidden behind a sentence, and logged."""
    if isinstance(error, ValueError):
        return sentence(error)
    log.error("%s failed", who, exc_info=error)
    return FAILED


def no_model(family: str, data: str) -> str:
    """Why a family has no model here, and the command that makes one."""
    broken = " ".join(f"{name} can't be read: {sentence(why)}" for name, why in checkpoint.unreadable().items())
    made = f"`python -m genmodels train {family} --data {data}` trains one."
    return f"No model of it for {title(data).lower()} is here: {made} {broken}".strip()
