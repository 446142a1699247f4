"""Gradio's queue with our bounds, asked as the page asks: what one visit may have under way, what nobody reads, who waits."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from helpers import free_port, wait_until_served

from genmodels.tabs import waiting

STEPS = 5


@pytest.fixture(scope="module")
def served() -> Iterator[SimpleNamespace]:
    """A queue of one lane, whose work goes on when it is let go."""
    go, steps = threading.Event(), []

    def work(name: str) -> Iterator[str]:
        for i in range(STEPS):
            assert go.wait(60)
            steps.append(name)
            yield f"{name} {i}"

    port, found = free_port(), SimpleNamespace(go=go, steps=steps)

    async def serve() -> None:
        """All of it in one loop, as Gradio opens others that it doesn't close."""
        with gr.Blocks(analytics_enabled=False) as demo:
            gr.api(work, api_name="work", concurrency_limit=1)
        waiting.bounded(demo)
        app = gr.mount_gradio_app(FastAPI(), demo, path="/")
        found.queue, found.server = demo._queue, uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        await found.server.serve()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    wait_until_served(f"http://127.0.0.1:{port}")
    found.address = f"http://127.0.0.1:{port}/gradio_api"
    yield found
    go.set()
    found.queue.close()
    found.server.should_exit = True
    thread.join(20)


@pytest.fixture
def ended(served: SimpleNamespace) -> Iterator[None]:
    """All that a test left under way ends after it."""
    served.go.clear()
    yield
    served.go.set()
    deadline = time.monotonic() + 30
    while served.queue.event_ids_to_events and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not served.queue.event_ids_to_events


def join(served: SimpleNamespace, session: str) -> httpx.Response:
    return httpx.post(f"{served.address}/call/work", json={"data": [session], "session_hash": session})


def told(served: SimpleNamespace, session: str) -> Iterator[dict[str, Any]]:
    with httpx.stream("GET", f"{served.address}/queue/data", params={"session_hash": session}, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_a_visit_has_so_much_under_way_and_no_more(served: SimpleNamespace, ended: None) -> None:
    """Told in one sentence; another visit of the same address is let in."""
    asked = [join(served, f"class.{i}") for i in range(waiting.OF_A_VISIT + 1)]
    assert [answer.status_code for answer in asked] == [200] * waiting.OF_A_VISIT + [503]
    assert asked[-1].json()["detail"] == waiting.ENOUGH
    assert join(served, "neighbour.1").status_code == 200


def test_who_waits_is_told_the_place(served: SimpleNamespace, ended: None) -> None:
    for visit in ("first.1", "second.1", "third.1"):
        assert join(served, visit).status_code == 200
    messages = told(served, "third.1")
    assert next(message for message in messages if message["msg"] == "estimation")["rank"] <= 2
    served.go.set()
    rest = list(messages)
    assert [m["output"]["data"] for m in rest if m["msg"] == "process_generating"] == [
        [f"third.1 {i}"] for i in range(STEPS)
    ]


def test_a_full_queue_is_polite(served: SimpleNamespace, ended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    assert [join(served, f"{i}.1").status_code for i in range(3)] == [200] * 3  # one of them is no longer waiting
    refused = join(served, "late.1")
    assert refused.status_code == 503
    assert refused.json()["detail"] == waiting.FULL


def test_who_hangs_up_while_waiting_no_longer_counts(served: SimpleNamespace, ended: None) -> None:
    for i in range(waiting.OF_A_VISIT):
        join(served, f"gone.{i}")
    stream = told(served, "gone.5")
    next(stream)
    stream.close()
    deadline = time.monotonic() + 20
    while served.queue.under_way("gone.x") == waiting.OF_A_VISIT and time.monotonic() < deadline:
        time.sleep(0.05)
    assert join(served, "gone.6").status_code == 200


def test_what_nobody_reads_ends_and_is_forgotten(
    served: SimpleNamespace, ended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNREAD", 3)
    monkeypatch.setattr(waiting, "KEPT", 0.2)
    served.steps.clear()
    served.go.set()
    join(served, "nobody.1")
    deadline = time.monotonic() + 20
    while "nobody.1" in served.queue.pending_messages_per_session and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "nobody.1" not in served.queue.pending_messages_per_session
    assert "nobody.1" not in served.queue.pending_event_ids_session
    assert 1 <= len(served.steps) < STEPS


def test_what_ended_just_now_is_kept_though_something_ended_before(served: SimpleNamespace, ended: None) -> None:
    """Of one session: else who asks again after a while finds a queue that has just been forgotten."""
    served.go.set()
    ends = []
    for _ in range(2):
        join(served, "twice.1")
        list(told(served, "twice.1"))
        deadline = time.monotonic() + 20
        while "twice.1" not in served.queue._ended or served.queue._ended["twice.1"] in ends:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ends.append(served.queue._ended["twice.1"])
    assert [end.cancelled() for end in ends] == [True, False]
    assert ends[1].when() > ends[0].when()


def test_no_file_of_the_host_is_looked_up(served: SimpleNamespace, ended: None) -> None:
    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    answer = httpx.post(f"{served.address}/call/work", json={"data": [{"picture": [file]}]})
    assert (answer.status_code, answer.json()["detail"]) == (400, waiting.FILES)


def test_no_statistics_are_kept(served: SimpleNamespace) -> None:
    assert len(served.queue.event_analytics) <= 1
    assert served.queue.compute_analytics_summary([{}]) == {"functions": {}}
