"""What experiments have found: every file in checkpoints/experiments as a table with its plots, whatever it is about.

A file describes itself: {format, experiment, title, reading, protocol, command, version, hardware, complete, weights (checkpoint ->
hash), columns, rows, plots}. What shows it knows no experiment and no family by name.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from genmodels.experiments import results
from genmodels.experiments.results import files as files
from genmodels.wrappers import on_record, plots
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import FreeState
from genmodels.wrappers.tables import Column, Row, table


@dataclass(frozen=True)
class ResultsState(FreeState):
    """Nothing is asked."""


def told(name: str, key: str) -> str:
    """What a file says of itself under a key; "" if it can't be read."""
    try:
        return str(results.read(name).get(key, ""))
    except ValueError:
        return ""


#: Pixels on a desk and on a phone.
Room = tuple[int, int]


def rooms(name: str) -> tuple[Room, Room, Room]:
    """About how much what is read from an experiment, its plots and its table take, to be kept for them: as much as where there are no
    results, if there are none."""
    answer = _show(name, ResultsState())
    return (
        _room_of_words(answer["words"]),
        _room_of_plots(answer["plots"]),
        _room_of_table(len(answer["table"]["rows"])),
    )


def _room_of_words(words: str) -> Room:
    return 23 * -(-len(words) // 150), 23 * -(-len(words) // 46)


def _room_of_plots(drawn: list[dict[str, Any]]) -> Room:
    """Three panels stand side by side on a desk; names along an axis are slanted; the key breaks its lines."""
    desk = phone = 16 * (len(drawn) - 1)
    for plot in drawn:
        count, names = len(plot["panels"]), plot["x"]["names"]
        one = 260 + (round(4.4 * max(map(len, names))) if names else 0)
        named = [[series["name"] for series in panel["series"]] for panel in plot["panels"]]
        every = dict.fromkeys(key for keys in named for key in keys)
        rows = -(-count // 3)
        desk += 28 + rows * one + 16 * (rows - 1)
        phone += 28 + count * one + 16 * (count - 1)
        if count > 1 and not names and len(every) == sum(map(len, named)):  # each panel has its own key
            desk += rows * max(_room_of_key(keys, 350) for keys in named)
            phone += sum(_room_of_key(keys, 320) for keys in named)
        elif len(every) > 1:
            desk, phone = desk + _room_of_key(every, 1100), phone + _room_of_key(every, 320)
    return desk, phone


def _room_of_key(names: Iterable[str], width: int) -> int:
    """Pixels of height: names of about 6.5 pixels a letter, each with a mark, in lines of this width."""
    return 8 + 24 * math.ceil(sum(43 + 6.5 * len(name) for name in names) / width)


def _room_of_table(rows: int) -> Room:
    """A long one shows some of its rows, and is scrolled."""
    return (min(775, 106 + 40 * rows), min(990, 240 + 45 * rows)) if rows else (32, 50)


def show(name: str) -> Callable[[ResultsState], Answer]:
    return functools.partial(_show, name)


def _show(name: str, state: ResultsState) -> Answer:
    """words: what the rows show; plots of them; table: the rows, none where there are no results that count, with the
    command that makes them."""
    command = results.command(name)
    try:
        values = results.holding(name)
        columns, rows = _columns(values), _rows(values, command)
        drawn = [plots.of_rows(values["columns"], rows, wanted) for wanted in values.get("plots") or []]
        answer = table(columns, rows, str(values.get("reading") or ""), protocol=_protocol(values))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, ValueError) else f"The file lacks what it should say ({error})."
        missing = f"{on_record.sentence(why)} `{command}` measures it."
        return {"words": "Not measured.", "plots": [], "table": table([], [], "Not measured.", missing=missing)}
    if not values.get("complete", True):
        answer["missing"] = f"Not complete yet: `{values.get('command') or command}` goes on with it."
        answer["reading"] = f"Not complete yet, so far: {answer['reading']}"
    return {"words": answer["reading"], "plots": drawn, "table": answer}


def _columns(values: dict[str, Any]) -> list[Column]:
    return [
        Column(c["key"], c["title"], c.get("unit") or "", c.get("digits"), c.get("protocol") or "")
        for c in values["columns"]
    ]


def _rows(values: dict[str, Any], command: str) -> list[Row]:
    """The rows; a cell that is empty without a reason gets one."""
    why = f"Not measured yet: `{command}` does it."
    keys = [column["key"] for column in values["columns"]]
    rows = [dict(row) for row in values["rows"]]
    return [row | {f"{key}_why": row.get(f"{key}_why") or why for key in keys if row.get(key) is None} for row in rows]


def _protocol(values: dict[str, Any]) -> str:
    parts = [values.get("protocol"), values.get("hardware") and f"Measured on {values['hardware']}.", values.get("command") and f"`{values['command']}`"]  # fmt: skip
    return " ".join(str(part) for part in parts if part)
