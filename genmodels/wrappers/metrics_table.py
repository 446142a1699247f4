"""What is on record of the bundled models: the figures that a visitor understands, as a table."""

from genmodels.evaluation.keys import KEYS, RANKED_BY, REAL_SETS, REAL_SETS_MEANING
from genmodels.evaluation.report import Report, shown
from genmodels.wrappers import on_record
from genmodels.wrappers.core import available


def figures(family: str) -> str:
    """A Markdown table of a family's models with those figures that a visitor understands, and what they mean."""
    known = {name: _cells(on_record.records()[name]) for name in available(family)}
    columns = [title for title in _titles() if any(title in cells for cells in known.values())]
    if not columns:
        return "Not measured: `python -m genmodels evaluate` does it."
    lines = [f"| model | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, cells in known.items():
        row = [cells.get(title, "–") for title in columns] if cells else ["not measured", *[""] * (len(columns) - 1)]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join([*lines, "", *_meanings(columns)])


def _titles() -> list[str]:
    """All columns that there may be, in order."""
    titles: list[str] = []
    for slug, key in KEYS.items():
        titles += [key.title] if key.for_visitors else []
        titles += [real.column for real in REAL_SETS.values()] if slug == RANKED_BY else []
    return list(dict.fromkeys(titles))


def _cells(report: Report) -> dict[str, str]:
    """The title of a column -> what stands there of one model; {} if it was not measured."""
    metrics, references = report.get("metrics", {}), report.get("references", {})
    cells = {key.title: shown(metrics, slug) for slug, key in KEYS.items() if key.for_visitors and slug in metrics}
    return cells | {REAL_SETS[kind].column: shown(f, RANKED_BY) for kind, f in references.items() if RANKED_BY in f}


def _meanings(columns: list[str]) -> list[str]:
    """What the columns mean, a sentence for each."""
    meanings = {key.title: key.meaning for key in KEYS.values() if key.for_visitors}
    if any(real.column in columns for real in REAL_SETS.values()):
        meanings[KEYS[RANKED_BY].title] += f" {REAL_SETS_MEANING}"
    return [f"*{title}*: {meaning}" for title, meaning in meanings.items() if title in columns]
