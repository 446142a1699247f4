"""Tables as plain values: columns, rows, one line that says what they show, and a CSV of the same.

A row is a mapping. Beside the value of a column under its key stand, where there is something to say: `<key>_text` (how it
is shown), `<key>_low` and `<key>_high` (its interval), `<key>_why` (why there is none), `<key>_pictures`. Where a row's
`family` is one of the families, what shows it takes that family's colour. `reference`: True for real images and published
figures, which rows of models stand beside.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import NotRequired, TypedDict

Row = dict[str, Any]
EXTRAS = ("low", "high", "why")  # what a CSV has beside a value, where a row has it


@dataclass(frozen=True)
class Column:
    """title: what heads it. unit: of its values. digits: after the point; None: words, or as they are. protocol: how it was
    measured and what it means, for a tooltip."""

    key: str
    title: str
    unit: str = ""
    digits: int | None = None
    protocol: str = ""


class Table(TypedDict):
    """reading: what the rows show, one line. protocol: of the table as a whole. missing: what isn't there, and the command
    that makes it."""

    columns: list[dict[str, Any]]
    rows: list[Row]
    reading: str
    csv: str
    protocol: NotRequired[str]
    missing: NotRequired[str]


def table(columns: Sequence[Column], rows: Sequence[Row], reading: str, **more: Any) -> Table:
    """A table of these rows. Raises ValueError where a cell is empty and doesn't say why."""
    for row in rows:
        for column in columns:
            if row.get(column.key) is None and not row.get(f"{column.key}_why"):
                raise ValueError(f"The column {column.key!r} is empty in {row}, and no reason is given.")
    told: Table = {
        "columns": [asdict(column) for column in columns],
        "rows": list(rows),
        "reading": reading,
        "csv": csv_of([column.key for column in columns], rows),
    }
    told.update(more)  # type: ignore[typeddict-item]
    return told


def csv_of(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV, RFC 4180: a column per key, and those of EXTRAS that any row has."""
    named = [
        name
        for key in keys
        for name in (key, *(f"{key}_{extra}" for extra in EXTRAS))
        if name == key or any(row.get(name) is not None for row in rows)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, named, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _plain(row.get(name)) for name in named} for row in rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def least(rows: Iterable[Row], key: str) -> Row | None:
    """The row with the least value; None if none has one."""
    return min((row for row in rows if number(row.get(key)) is not None), key=lambda row: row[key], default=None)


def most(rows: Iterable[Row], key: str) -> Row | None:
    return max((row for row in rows if number(row.get(key)) is not None), key=lambda row: row[key], default=None)


def number(value: Any) -> float | None:
    """A finite number; None for all else."""
    return (
        float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        else None
    )
