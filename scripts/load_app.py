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
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from serving import Served, component, cpu_seconds, memory, running_app

MOVE, ON_ONE = 0.1, 10.0  # seconds between two moves, and on one section
LOOKS = (2.0, 8.0)  # seconds at an answer
LEAVES, CHANGES = 0.05, 0.5  # of all work; of all answers, those to a value that is changed
MEMORY_EVERY = 3.0  # seconds between looks at memory
REST, IDLE = 10.0, 2.0  # seconds after all have left, and in which is measured what still runs then
HEAVY = "heavy"
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

    def answered(self, kind: str, section: str, first: float, last: float) -> None:
        self.first[kind].append(first)
        self.last[kind].append(last)
        self.slowest[section] = max(last, self.slowest.get(section, 0.0))


class Visitor:
    """One browser: connections of its own, and a token of its visit."""

    def __init__(self, served: Served, page: dict[str, Any], seen: Seen, number: int) -> None:
        self.dice = random.Random(number)
        # a connection is given up before the server does so, after 5 seconds: a browser would ask once more on another one
        self.http = httpx.AsyncClient(
            base_url=served.address, timeout=120, limits=httpx.Limits(keepalive_expiry=4.0),
            headers={"Accept-Encoding": "gzip"},  # as a browser asks a server without TLS
        )  # fmt: skip
        self.component, self.spec, self.seen = page["id"], page["props"]["props"]["spec"], seen
        self.visit = f"visitor{number}"

    async def walk(self) -> None:
        """From tab to tab, through all sections of each, until it is cancelled."""
        while True:
            tab = self.dice.choice(self.spec["tabs"])
            await self.open(tab)
            for section in tab["sections"]:
                for _ in range(1 + (self.dice.random() < CHANGES)):
                    await self.use(section)
                    await asyncio.sleep(self.dice.uniform(*LOOKS))

    async def drag(self) -> None:
        """A section after the other whose values can be dragged, ten moves a second, until it is cancelled."""
        movable = [section for tab in self.spec["tabs"] for section in tab["sections"] if _movable(section)]
        while True:
            section = self.dice.choice(movable)
            state, end = self.state(section), time.monotonic() + ON_ONE
            while (start := time.monotonic()) < end:
                model = state.get("model", "")
                state |= {key: self.value(section, model, key) for key in _movable(section)}
                await self.ask(section["key"], state)
                await asyncio.sleep(max(0.0, start + MOVE - time.monotonic()))

    async def open(self, tab: Spec) -> None:
        """The document and what a browser without a cache fetches first."""
        document = await self.http.get("/", params={"tab": tab["key"]})
        if document.status_code != 200:
            self.seen.errors[f"page: {document.status_code}"] += 1
        model = next((s["models"][0] for s in tab["sections"] if s["models"]), None)
        if model and tab["is_family"]:
            await self.ask("page.examples", {"model": model})

    async def use(self, section: Spec) -> None:
        state = self.state(section)
        if not section["work"]:
            await self.ask(section["key"], state)
        elif section["lane"] in ("cpu", HEAVY):
            await self.follow(section, state)

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

    async def ask(self, section: str, state: dict[str, Any]) -> None:
        body = {"session_hash": self.visit, "component_id": self.component, "fn_name": "ask"}
        start = time.monotonic()
        try:
            post = self.http.stream(
                "POST", "/gradio_api/component_server", json=body | {"data": {"section": section, "state": state}}
            )
            async with post as sent:
                answer = await _unread(sent)
        except (httpx.HTTPError, ValueError) as error:
            answer = {"error": repr(error)}
        if not isinstance(answer, dict) or "error" in answer:
            return self.refused(section, answer)
        seconds = time.monotonic() - start
        self.seen.answered("direct", section, seconds, seconds)

    async def follow(self, section: Spec, state: dict[str, Any]) -> None:
        """The answers of work until the last one, or until the visitor has seen enough."""
        lane, key = lane_of(section, state), section["key"]
        kind = "heavy" if lane == HEAVY else "light"
        leaves = self.dice.random() < LEAVES
        start, first = time.monotonic(), None
        try:
            async for answer in self.answers(lane, key, state):
                if "error" in answer:
                    return self.refused(key, answer)
                first = first or time.monotonic() - start
                if leaves:
                    self.seen.left += 1
                    return
        except (httpx.HTTPError, ValueError) as error:
            return self.refused(key, {"error": repr(error)})
        if first is None:
            return self.refused(key, {"error": "no answer"})
        self.seen.answered(kind, key, first, time.monotonic() - start)

    async def answers(self, lane: str, section: str, state: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        call = f"/gradio_api/call/work_{lane}"
        sent = await self.http.post(call, json={"data": [section, state]})
        if sent.status_code == 503:
            yield {"error": "busy"}
            return
        if sent.status_code != 200:
            yield {"error": f"status {sent.status_code}"}
            return
        async with self.http.stream("GET", f"{call}/{sent.json()['event_id']}") as stream:
            event = ""
            async for line in stream.aiter_lines():
                event = line.removeprefix("event: ") if line.startswith("event: ") else event
                if line.startswith("data: ") and event == "error":
                    yield {"error": line}
                elif line.startswith("data: ") and event in ("generating", "complete"):
                    yield json.loads(line.removeprefix("data: "))[0]

    def refused(self, section: str, answer: Any) -> None:
        said = str(answer.get("error") if isinstance(answer, dict) else answer)
        (self.seen.busy if "busy" in said else self.seen.errors)[f"{section}: {said}"] += 1


async def _unread(sent: httpx.Response) -> Any:
    """An answer, read only where it can be a refusal, which is too short to be compressed: visitors unpack on machines of their own."""
    body = b"".join([part async for part in sent.aiter_raw()])
    if sent.status_code != 200:
        return {"error": f"status {sent.status_code}"}
    return {} if "content-encoding" in sent.headers else json.loads(body)


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


async def visit(served: Served, count: int, seconds: float) -> Visits:
    page, seen = component(served.address), Seen()
    visitors = [Visitor(served, page, seen, number) for number in range(count)]
    dragging = max(1, count // 4)
    tasks = [asyncio.create_task(v.drag() if i < dragging else v.walk()) for i, v in enumerate(visitors)]
    warm = min(60.0, seconds / 5)
    pid = served.process.pid
    before, begun, looks = cpu_seconds(pid), time.monotonic(), list[tuple[float, float]]()
    while (now := time.monotonic() - begun) < seconds and not any(task.done() for task in tasks):
        looks.append((now, await asyncio.to_thread(memory, pid)))
        await asyncio.wait(tasks, timeout=min(MEMORY_EVERY, seconds - now), return_when=asyncio.FIRST_EXCEPTION)
    busy = cpu_seconds(pid) - before
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for visitor in visitors:
        await visitor.http.aclose()
    if failures := [end for end in ended if not isinstance(end, asyncio.CancelledError)]:
        raise RuntimeError("a visitor failed") from next(f for f in failures if isinstance(f, BaseException))
    megabytes = [
        statistics.fmean(used for at, used in looks if low <= at <= low + warm) for low in (warm, seconds - warm)
    ]
    await asyncio.sleep(REST)
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE)
    idle = cpu_seconds(pid) - before
    waiting = httpx.get(f"{served.address}/gradio_api/queue/status").json()["queue_size"]
    return Visits(seen, megabytes, busy / seconds, idle / IDLE, waiting)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--visitors", type=int, default=20)
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--slowest", type=int, default=0, metavar="N", help="list the N slowest sections, too")
    asked = options.parse_args()
    with running_app() as served:
        time.sleep(10)  # it prepares itself
        before = cpu_seconds(served.process.pid)
        time.sleep(IDLE)
        idle = (cpu_seconds(served.process.pid) - before) / IDLE
        seen, megabytes, cores, after, waiting = asyncio.run(visit(served, asked.visitors, 60 * asked.minutes))
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
