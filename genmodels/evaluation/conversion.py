"""A metrics.json that an older version wrote, in today's form: the same figures, under today's names.

It knows format 2, and a format 3 that was never published, which names things like format 2 does but has its hashes.
"""

import re
from typing import Any, cast

from genmodels import checkpoint
from genmodels.evaluation.keys import KEYS
from genmodels.evaluation.measurement import Source
from genmodels.evaluation.report import METRICS_FORMAT, Figures, Judge, Report, config_hash, read_report
from genmodels.protocols import Classifies, abilities_of
from genmodels.registry import get_family

#: What was called otherwise.
METRICS = {"trained_on_samples_accuracy": "student_accuracy"}
METRICS |= {f"sampling_ms_{n}_{kind}": f"sampling_ms_{n}_gpu" for n in (1, 16) for kind in ("cuda", "mps", "xpu")}
REAL_STUDENT = {"trained_on_real_accuracy": "student_accuracy of training images"}
REFERENCES = {
    "training images": "train",
    "blurred by 0.5 px": "blur_0.5px",
    "blurred by 1 px": "blur_1px",
    "without the first class": "without_first_class",
}
PARTS = {
    "sampling time": "speed",
    "bits/dim": "likelihood",
    "reference Fréchet distance": "reference_frechet",
    "reference kernel distance": "reference_kernel",
    "reference student": "reference_student",
    "Fréchet distance": "frechet",
    "kernel distance": "kernel",
    "precision and coverage": "coverage",
    "class accuracy": "class_accuracy",
    "caption accuracy": "caption_accuracy",
    "new combinations": "novel_captions",
    "Inception FID": "inception",
}
UNKNOWN = "metrics.json has a figure that no version wrote: {!r}."


def converted(source: Source) -> Report:
    """A checkpoint's metrics.json in today's form; as it is if it has that already.

    Format 2 has no hash of the settings: those in config.json now are taken to be those that were measured. Raises
    ValueError if there is no such file, if its weights are others now, or if it is of a format that can't be converted.
    """
    report, name = read_report(source), checkpoint.find(source).name
    if not report:
        raise ValueError(f"{name} has not been measured: it has no metrics.json.")
    if report.get("format") not in (2, METRICS_FORMAT):
        raise ValueError(
            f"The metrics.json of {name} has format {report.get('format')!r}; format 2 can be converted to "
            f"{METRICS_FORMAT}: measure it again."
        )
    if report["weights"] != checkpoint.weights_hash(source):
        raise ValueError(f"The metrics.json of {name} is of other weights than it has now: measure it again.")
    return report if "attributes" in report else _renamed(report, source)


def _renamed(old: Report, source: Source) -> Report:
    names_attributes = Classifies in abilities_of(get_family(checkpoint.read_config(source)["family"]))
    new: dict[str, Any] = {}
    for key, value in old.items():  # in the same order
        new[key] = value
        if key == "weights":
            new["config"] = old.get("config", config_hash(source))
        if key == "references":
            new["attributes"] = _attributes(old["metrics"]) if names_attributes else {}
    return cast(
        Report,
        new
        | {
            "format": METRICS_FORMAT,
            "metrics": _metrics(old["metrics"], names_attributes),
            "references": _references(cast(Figures, old["references"])),
            "failed": {PARTS.get(part, part): reason for part, reason in old["failed"].items()},
        },
    )


def _metrics(old: Figures, names_attributes: bool) -> Figures:
    """What is measured of the model as a whole."""
    figures = {METRICS.get(key, key): m for key, m in old.items() if not (names_attributes and _attribute(key))}
    if unknown := figures.keys() - KEYS.keys():
        raise ValueError(UNKNOWN.format(min(unknown)))
    if share := figures.get("critic_share"):
        figures["critic_share"] = {**share, "critic": share.get("critic") or _critic(share["protocol"])}
    return figures


def _attributes(old: Figures) -> dict[str, Figures]:
    """`species_accuracy` of a model that names attributes -> the `accuracy` of `species`."""
    return {attribute: {"accuracy": m} for key, m in old.items() if (attribute := _attribute(key))}


def _attribute(key: str) -> str:
    return key.removesuffix("_accuracy") if key.endswith("_accuracy") else ""


def _references(old: Figures) -> dict[str, Figures]:
    """`frechet_distance of training images` -> the `frechet_distance` of `train`."""
    new: dict[str, Figures] = {}
    for name, metric in old.items():
        key, _, kind = REAL_STUDENT.get(name, name).partition(" of ")
        if key not in KEYS or kind not in REFERENCES:
            raise ValueError(UNKNOWN.format(name))
        new.setdefault(REFERENCES[kind], {})[key] = metric
    return new


def _critic(protocol: str) -> Judge:
    """Format 2 names the critic in the protocol alone."""
    found = re.search(r"the critic of (\S+) \((\w+)\)", protocol)
    if found is None:
        raise ValueError(f"metrics.json names no critic where it says what one said ({protocol}).")
    return {"name": found[1], "hash": found[2]}
