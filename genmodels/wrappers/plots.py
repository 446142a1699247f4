"""Plots as plain values: {title, x, y, kind, panels: [{title, series, lines}]}, each axis {title, log, names}.

A series is {name, family, points: [{x, y, low, high, size, label, lines, model, family}]}: `low` and `high` are the interval of y, `label` and
`lines` what is said of a point. kind: "points" or "curves". names: of an axis of words, where x counts them. A series whose
`family` is one of the families has that family's colour, with all its points.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodels.registry import FAMILIES, title
from genmodels.wrappers import on_record
from genmodels.wrappers.tables import number

Plot = dict[str, Any]
NOBODY = "none"  # said of a family where no model has a part


def axis(title: str, log: bool = False, names: Sequence[str] = ()) -> dict[str, Any]:
    return {"title": title, "log": log, "names": list(names)}


def of_rows(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Plot:
    """What a plot of an experiment's file says: {title, x, y, series: [keys], facet, log_x, log_y} of its rows.

    Rows without a figure are left out. Values of x that are no numbers become names along the axis. Raises ValueError for
    a key that is no column's.
    """
    titles = {column["key"]: _title(column) for column in columns}
    given = wanted.get("series") or []
    keys, facet = ([given] if isinstance(given, str) else list(given)), wanted.get("facet")
    for key in (wanted.get("x"), wanted.get("y"), *keys, *([facet] if facet else [])):
        if key not in titles:
            raise ValueError(f"There is no column {key!r} to plot; the columns are {', '.join(titles)}.")
    x, y = wanted["x"], wanted["y"]
    shown = [row for row in rows if number(row.get(y)) is not None and row.get(x) is not None]
    counted = all(number(row[x]) is not None for row in shown)
    names = [] if counted else list(dict.fromkeys(_said(x, row[x]) for row in shown))
    panels = []
    for panel in dict.fromkeys(row.get(facet) if facet else "" for row in shown):
        inside = [row for row in shown if not facet or row.get(facet) == panel]
        panels.append(
            {"title": _said(facet, panel) if panel else "", "lines": [], "series": _series(inside, x, y, keys, names)}
        )
    return {
        "title": wanted.get("title", ""),
        "kind": "points" if names else "curves",
        "x": axis(titles[x], bool(wanted.get("log_x")), names),
        "y": axis(titles[y], bool(wanted.get("log_y"))),
        "panels": panels,
    }


def _title(column: Mapping[str, Any]) -> str:
    title, unit = str(column["title"]), str(column.get("unit") or "")
    return f"{title}, {unit}" if unit and unit not in title.lower() else title


def _said(key: str | None, value: Any) -> str:
    """A value as readers know it: families and data sets by name, all others as they are."""
    if key == "family":
        return title(str(value))
    return on_record.title(value) if key == "data" else str(value)


def _series(
    rows: Sequence[Mapping[str, Any]], x: str, y: str, keys: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        said = [_said(key, row[key]) for key in keys if row.get(key) is not None]
        name = " · ".join([word for word in said if word != NOBODY] or said)
        series = found.setdefault(name, {"name": name, "points": []})
        place = names.index(_said(x, row[x])) if names else float(row[x])
        interval = {end: number(row.get(f"{y}_{end}")) for end in ("low", "high")}
        told = name if "model" in keys else " · ".join(filter(None, [name, row.get("model")]))
        family = row.get("family") or next((row[key] for key in keys if row.get(key) in FAMILIES), None)
        series["points"].append({"x": place, "y": float(row[y]), "label": told, "family": family} | interval)
    for series in found.values():
        series["points"].sort(key=lambda point: point["x"])
        families = {point["family"] for point in series["points"]}
        series["family"] = families.pop() if len(families) == 1 else None
    return list(found.values())
