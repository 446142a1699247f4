"""Many visitors at once: start the app, send visitors to it, and see whether it stays quick, polite and small.

    PYTHONPATH=. python scripts/load_app.py                               # 20 visitors for 5 minutes
    PYTHONPATH=. python scripts/load_app.py --visitors 8 --minutes 0.3    # a first impression

A quarter of the visitors drag a slider or a point, ten moves a second, by direct calls of which one is in flight at a time, as
the page makes them. The others go through the sections of one tab after the other: they choose a model and a seed, change the
value of one control now and then, wait for the last answer, look at it for two to eight seconds, and leave one work in twenty
in the middle. Nobody asks the Hub. In the end all hang up at once.

Prints a Markdown table, and ends with 1 if a figure misses what is promised. Light work is all that comes step by step but
what the app itself calls heavy, as it takes seconds even alone (the race, the grid of solvers, measuring this host, a data set,
the search for a picture in a GAN, diffusion in 20 steps and more).
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from serving import Served, component, cpu_seconds, memory, running_app

MOVE, ON_ONE = 0.1, 10.0  # seconds between two moves, and on one section
LOOKS = (2.0, 8.0)  # seconds at an answer
LEAVES, CHANGES = 0.05, 0.5  # of all work; of all answers, those to a value that is changed
KEPT = 4.0  # seconds for which a visitor keeps a connection that is not used: the server does so for 5
MEMORY_EVERY = 3.0  # seconds between looks at memory
REST, IDLE = 10.0, 2.0  # seconds after all have left, and in which is measured what still runs then
HEAVY = "heavy"
FAILURES = (OSError, http.client.HTTPException, ValueError)  # of a request
LIGHT_P95, DIRECT_P95, GROWTH = 1.5, 0.2, 5.0  # seconds, seconds, percent: what is promised
MODULES = ("page.js", "tab.js", "section.js", "page.css")

Spec = dict[str, Any]


@dataclass
class Seen:
    """What all visitors saw: seconds until the first and until the last answer by kind of work, and what went wrong."""

    first: dict[str, list[float]] = field(default_factory=lambda: {"direct": [], "light": [], "heavy": []})
    last: dict[str, list[float]] = field(default_factory=lambda: {"direct": [], "light": [], "heavy": []})
    slowest: dict[str, float] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    left: int = 0
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, kind: str, section: str, first: float, last: float) -> None:
        with self.one_at_a_time:
            self.first[kind].append(first)
            self.last[kind].append(last)
            self.slowest[section] = max(last, self.slowest.get(section, 0.0))

    def refused(self, section: str, said: str) -> None:
        with self.one_at_a_time:
            (self.busy if "busy" in said else self.errors)[f"{section}: {said}"] += 1

    def has_left(self) -> None:
        with self.one_at_a_time:
            self.left += 1


class Left(Exception):
    """All visitors leave, this one in the middle of what it does."""


class Visitor:
    """One browser: a connection of its own, and a token of its visit. Python's own client, as it takes a third of httpx's time: what
    visitors take of the two cores, the app hasn't."""

    def __init__(self, served: Served, page: dict[str, Any], seen: Seen, number: int) -> None:
        self.dice = random.Random(number)
        self.http = http.client.HTTPConnection(urllib.parse.urlsplit(served.address).netloc, timeout=120)
        self.used = 0.0  # when the connection was used last
        self.component, self.spec, self.seen = page["id"], page["props"]["props"]["spec"], seen
        self.visit = f"visitor{number}"
        self.leaves = threading.Event()

    def walk(self) -> None:
        """From tab to tab, through all sections of each, until it leaves."""
        while True:
            tab = self.dice.choice(self.spec["tabs"])
            self.open(tab)
            for section in tab["sections"]:
                for _ in range(1 + (self.dice.random() < CHANGES)):
                    self.use(section)
                    self.wait(self.dice.uniform(*LOOKS))

    def drag(self) -> None:
        """A section after the other whose values can be dragged, ten moves a second, until it leaves."""
        movable = [section for tab in self.spec["tabs"] for section in tab["sections"] if _movable(section)]
        while True:
            section = self.dice.choice(movable)
            state, end = self.state(section), time.monotonic() + ON_ONE
            while (start := time.monotonic()) < end:
                model = state.get("model", "")
                state |= {key: self.value(section, model, key) for key in _movable(section)}
                self.ask(section["key"], state)
                self.wait(max(0.0, start + MOVE - time.monotonic()))

    def wait(self, seconds: float) -> None:
        if self.leaves.wait(seconds):
            raise Left

    def stay(self) -> None:
        """Raises Left if all leave: what was under way ended because of that."""
        if self.leaves.is_set():
            raise Left

    def leave(self) -> None:
        """From another thread: whatever is under way ends at once."""
        self.leaves.set()
        if connected := self.http.sock:
            with contextlib.suppress(OSError):  # it was closed meanwhile
                connected.shutdown(socket.SHUT_RDWR)

    def open(self, tab: Spec) -> None:
        """The document and what a browser without a cache fetches first."""
        document = self.request("GET", f"/?tab={tab['key']}")
        document.read()
        if document.status != 200:
            self.seen.refused("page", str(document.status))
        model = next((s["models"][0] for s in tab["sections"] if s["models"]), None)
        if model and tab["is_family"]:
            self.ask("page.examples", {"model": model})

    def use(self, section: Spec) -> None:
        state = self.state(section)
        if not section["work"]:
            self.ask(section["key"], state)
        elif section["lane"] in ("cpu", HEAVY):
            self.follow(section, state)

    # -- what it asks for ----------------------------------------------------------------------------------------------

    def state(self, section: Spec) -> dict[str, Any]:
        """One of the section's models, another seed, and now and then another value of a control."""
        state: dict[str, Any] = {}
        model = self.dice.choice(section["models"]) if section["models"] else ""
        if section["subject"]:
            state[section["subject"]] = model if section["subject"] == "model" else self.spec["facts"][model]["data"]
        fields = section["fields"]
        shown = [key for key, told in fields.items() if told["shown"] and not told["advanced"]]
        changed = self.dice.choice(shown) if shown and self.dice.random() < CHANGES else None
        for key in fields:
            if key == changed or fields[key]["kind"] == "seed":
                value = self.value(section, model, key)
                state |= {} if value is None else {key: value}
        return state

    def value(self, section: Spec, model: str, key: str) -> Any:
        """What a visitor may choose there; None: it stays as it is."""
        fit = section["fits"]["*"] | section["fits"].get(model, {})
        bounds, told = fit[key], section["fields"][key]
        kind = told["kind"]
        if kind in ("seed", "whole"):
            return self.dice.randint(bounds["low"], bounds["high"])
        if kind == "real":
            step = told["step"] if told["shown"] else 0.01  # a slider stops at its steps, a map nowhere
            stops = int((bounds["high"] - bounds["low"]) / step + 1e-6)
            return round(bounds["low"] + step * self.dice.randint(0, stops), 4)
        if kind in ("label", "choice"):
            choice = self.dice.choice(bounds["choices"] or [None])
            return choice[1] if isinstance(choice, list) else choice
        return f"#{self.dice.randrange(8)}" if kind == "drawing" else None

    # -- how it asks ---------------------------------------------------------------------------------------------------

    def ask(self, section: str, state: dict[str, Any]) -> None:
        body = {"session_hash": self.visit, "component_id": self.component, "fn_name": "ask"}
        start = time.monotonic()
        try:
            answer = _unread(
                self.request(
                    "POST", "/gradio_api/component_server", body | {"data": {"section": section, "state": state}}
                )
            )
        except FAILURES as error:
            answer = {"error": repr(error)}
        if not isinstance(answer, dict) or "error" in answer:
            return self.refused(section, answer)
        seconds = time.monotonic() - start
        self.seen.answered("direct", section, seconds, seconds)

    def follow(self, section: Spec, state: dict[str, Any]) -> None:
        """The answers of work until the last one, or until the visitor has seen enough."""
        lane, key = lane_of(section, state), section["key"]
        kind = "heavy" if lane == HEAVY else "light"
        leaves = self.dice.random() < LEAVES
        start, first = time.monotonic(), None
        try:
            for answer in self.answers(lane, key, state):
                if "error" in answer:
                    return self.refused(key, answer)
                first = first or time.monotonic() - start
                if leaves:
                    self.http.close()
                    return self.seen.has_left()
        except FAILURES as error:
            return self.refused(key, {"error": repr(error)})
        if first is None:
            return self.refused(key, {"error": "no answer"})
        self.stay()
        self.seen.answered(kind, key, first, time.monotonic() - start)

    def answers(self, lane: str, section: str, state: dict[str, Any]) -> Iterator[dict[str, Any]]:
        call = f"/gradio_api/call/work_{lane}"
        sent = self.request("POST", call, {"data": [section, state]})
        told = sent.read()
        if sent.status != 200:
            yield {"error": "busy" if sent.status == 503 else f"status {sent.status}"}
            return
        event = ""
        for line in self.request("GET", f"{call}/{json.loads(told)['event_id']}"):
            if line.startswith(b"event: "):
                event = line.removeprefix(b"event: ").decode().strip()
            elif line.startswith(b"data: ") and event == "error":
                yield {"error": line.decode()}
            elif line.startswith(b"data: ") and event in ("generating", "complete"):
                yield json.loads(line.removeprefix(b"data: "))[0]

    def request(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        """The head of an answer; gzipped where a browser without TLS may have it so."""
        self.stay()
        if time.monotonic() - self.used > KEPT:
            self.http.close()
        headers = {"Accept-Encoding": "gzip"} | ({"Content-Type": "application/json"} if body else {})
        self.http.request(method, path, json.dumps(body) if body else None, headers)
        self.used = time.monotonic()
        return self.http.getresponse()

    def refused(self, section: str, answer: Any) -> None:
        self.stay()
        self.http.close()  # there may be more to read
        self.seen.refused(section, str(answer.get("error") if isinstance(answer, dict) else answer))


def _unread(sent: http.client.HTTPResponse) -> Any:
    """An answer, read only where it can be a refusal, which is too short to be compressed: visitors unpack on machines of their own."""
    body = sent.read()
    if sent.status != 200:
        return {"error": f"status {sent.status}"}
    return {} if sent.headers["Content-Encoding"] else json.loads(body)


def _movable(section: Spec) -> list[str]:
    """The values of a section that answer at once while they are dragged."""
    return [] if section["work"] else [key for key, told in section["fields"].items() if told["kind"] == "real"]


def lane_of(section: Spec, state: dict[str, Any]) -> str:
    """Where the page has a state computed; see `laneOf` in section.js."""
    key, value = section["heavyFrom"] or ("", 0)
    return HEAVY if key in state and state[key] >= value else section["lane"]


# -- the measurement ---------------------------------------------------------------------------------------------------


class Visits(NamedTuple):
    """What all saw; megabytes in the second and in the last minute (or fifths of a shorter visit), means of looks, as what is
    computed in one moment takes up to 300; cores that the app kept busy, and does still once all have left; how much waits then."""

    seen: Seen
    megabytes: list[float]
    cores: float
    after: float
    waiting: int


def visit(served: Served, count: int, seconds: float) -> Visits:
    page, seen = component(served.address), Seen()
    visitors = [Visitor(served, page, seen, number) for number in range(count)]
    dragging = max(1, count // 4)
    warm = min(60.0, seconds / 5)
    pid = served.process.pid
    compared = (warm, seconds - warm)  # where the minutes begin whose memory is compared
    before, begun, looks = cpu_seconds(pid), time.monotonic(), list[tuple[float, float]]()
    with ThreadPoolExecutor(count) as pool:
        tasks = [pool.submit(_until_left, v, v.drag if i < dragging else v.walk) for i, v in enumerate(visitors)]
        while (now := time.monotonic() - begun) < seconds and not any(task.done() for task in tasks):
            if any(low <= now <= low + warm for low in compared):
                looks.append((now, memory(pid)))
            wait_for(tasks, min(MEMORY_EVERY, seconds - now), FIRST_EXCEPTION)
        busy = cpu_seconds(pid) - before
        for visitor in visitors:
            visitor.leave()
    for task in tasks:
        task.result()
    megabytes = [statistics.fmean(used for at, used in looks if low <= at <= low + warm) for low in compared]
    time.sleep(REST)
    before = cpu_seconds(pid)
    time.sleep(IDLE)
    idle = cpu_seconds(pid) - before
    waiting = httpx.get(f"{served.address}/gradio_api/queue/status").json()["queue_size"]
    return Visits(seen, megabytes, busy / seconds, idle / IDLE, waiting)


def _until_left(visitor: Visitor, stay: Callable[[], None]) -> None:
    with contextlib.suppress(Left):
        try:
            stay()
        except FAILURES:
            visitor.stay()
            raise


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--visitors", type=int, default=20)
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--slowest", type=int, default=0, metavar="N", help="list the N slowest sections, too")
    asked = options.parse_args()
    with running_app() as served:
        time.sleep(20)  # it prepares itself
        before = cpu_seconds(served.process.pid)
        time.sleep(IDLE)
        idle = (cpu_seconds(served.process.pid) - before) / IDLE
        seen, megabytes, cores, after, waiting = visit(served, asked.visitors, 60 * asked.minutes)
    growth = 100 * (megabytes[1] / megabytes[0] - 1)
    print(f"| {asked.visitors} visitors, {asked.minutes:g} minutes, {os.cpu_count()} cores | value |\n| --- | ---: |")
    for kind, title in (("direct", "direct calls"), ("light", "light work"), ("heavy", "heavy work")):
        print(f"| {title}: answers | {len(seen.last[kind])} |")
        if seen.last[kind]:
            unit, scale = ("ms", 1000) if kind == "direct" else ("s", 1)
            if kind != "direct":
                print(f"| {title}: to the first answer, median / p95 | {_both(seen.first[kind], scale)} {unit} |")
            print(
                f"| {title}: {'to the last, ' * (kind != 'direct')}median / p95 | {_both(seen.last[kind], scale)} {unit} |"
            )
    print(f"| left in the middle | {seen.left} |")
    print(f"| told that the app is busy | {seen.busy.total()} |")
    print(f"| errors | {seen.errors.total()} |")
    print(
        f"| memory in the second minute → in the last | {megabytes[0]:.0f} → {megabytes[1]:.0f} MB ({growth:+.1f} %) |"
    )
    print(f"| cores that it kept busy | {cores:.2f} |")
    print(
        f"| {REST:.0f} s after all left: waiting; cores busy (before they came) | {waiting}; {after:.2f} ({idle:.2f}) |"
    )
    for section, seconds in sorted(seen.slowest.items(), key=lambda item: -item[1])[: asked.slowest]:
        print(f"| slowest `{section}` | {seconds:.2f} s |")
    for error, times in seen.errors.most_common():
        print(f"{times} times {error[:200]}", file=sys.stderr)
    kept = [
        not seen.errors,
        _p95(seen.last["light"]) <= LIGHT_P95,
        _p95(seen.last["direct"]) <= DIRECT_P95,
        growth <= GROWTH,
        waiting == 0 and after <= idle + 0.05,
    ]
    return 0 if all(kept) else 1


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else max(times, default=0.0)


def _both(times: Sequence[float], scale: int) -> str:
    digits = 0 if scale > 1 else 2
    return f"{scale * statistics.median(times):.{digits}f} / {scale * _p95(times):.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
