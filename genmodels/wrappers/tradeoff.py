"""The trade-off as a plot: how good the pictures are against how long they take, and how varied they are."""

from dataclasses import dataclass

from genmodels.evaluation.keys import KEYS, RANKED_BY
from genmodels.evaluation.report import shown
from genmodels.protocols import Samples
from genmodels.wrappers import comparison, on_record
from genmodels.wrappers.core import describe
from genmodels.wrappers.plots import axis
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import DataState, choice

TIME = "sampling_ms_16_cpu"
VARIED = [(KEYS[key].title, key) for key in ("recall", "coverage")]
LINES = ("train", "blur_0.5px")


@dataclass(frozen=True)
class TradeoffState(DataState):
    diversity: str = choice("Size shows", "recall", VARIED)


def tradeoff(state: TradeoffState) -> Answer:
    """plot: a point a model, lines for real images; words: what it shows; missing: which models are not in it, and why."""
    reports = on_record.able(state.data, Samples)
    known = {name: r for name, r in reports.items() if r and {RANKED_BY, TIME} <= set(r["metrics"])}
    points = []
    for name, report in known.items():
        figures = report["metrics"]
        said = [f"{KEYS[key].title}: {shown(figures, key)}" for key in (RANKED_BY, TIME, "recall", "coverage")]
        size = figures[state.diversity]["value"] if state.diversity in figures else None
        place = {"x": figures[TIME]["value"], "y": figures[RANKED_BY]["value"], "size": size}
        points.append(place | {"label": name, "lines": said, "model": name, "family": describe(name)["family"]})
    real = comparison.real_images(known)
    lines = [
        {"y": real[kind][RANKED_BY]["value"], "title": comparison.real_title(kind)} for kind in LINES if kind in real
    ]
    series = [{"name": p["family"], "family": p["family"], "points": [p]} for p in points]
    plot = {
        "title": "Quality against time",
        "kind": "points",
        "x": axis("16 pictures on the CPU, ms", log=True),
        "y": axis(f"{KEYS[RANKED_BY].title}, less is better", log=True),
        "panels": [{"title": "", "series": series, "lines": lines}],
        "size": f"The larger a point, the more {KEYS[state.diversity].title}.",
    }
    return {"plot": plot, "words": _words(points), "missing": _missing(reports, known)}


def _words(points: list[Answer]) -> str:
    """The models that no other one beats in both."""
    if not points:
        return comparison.NOTHING
    front = [p for p in points if not any(q["x"] <= p["x"] and q["y"] <= p["y"] and q is not p for q in points)]
    *most, last = [f"**{p['label']}**" for p in sorted(front, key=lambda p: p["x"])]
    names = f"{', '.join(most)} or {last}" if most else last
    return f"No other model is both faster and nearer to real images than {names}."


def _missing(reports: on_record.Records, known: on_record.Records) -> str:
    absent = {name: report for name, report in reports.items() if name not in known}
    return " ".join(f"{name}: {on_record.why_missing(name, RANKED_BY, r)}" for name, r in absent.items())
