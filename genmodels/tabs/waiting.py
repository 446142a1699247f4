"""Gradio's queue with bounds: of what one visit has under way, of what nobody reads, and of what is kept of work that has ended.

A visit is the session that its work names up to a dot: `7f3a…` of `7f3a….2`, so that each work has a stream of its own. It is
made up by the page, and an honest visitor's bound: visitors of one class share an address. Those who lie meet MOST.
"""

import asyncio
import os
from typing import Any

# before gradio is imported: it would count all events by function, as a table of pandas that is made anew after each
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))

import gradio as gr
from gradio import queueing

MOST, OF_A_VISIT = 64, 6  # that wait; that wait or are under way
UNREAD = 256  # answers of one work
KEPT = 30.0  # seconds after its end in which an answer may still be fetched
LOOKS = 0.005  # seconds between two looks at who waits
FULL = "The server is busy; try again in a moment."
FILES = "There are no files here: a picture is base64 of its bytes."
ENOUGH = f"You have {OF_A_VISIT} answers under way already; wait for one of them, or stop it."


class Queue(queueing.Queue):
    """See the module. `push`, `send_message` and `process_events` are Gradio's; its version is pinned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ended: dict[str, asyncio.TimerHandle] = {}  # by session: when its last answer has been kept long enough

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        if _holds_files(body.data):
            return False, FILES, "error"
        if len(self) >= MOST:
            return False, FULL, "queue_full"
        if body.session_hash and self.under_way(body.session_hash) >= OF_A_VISIT:
            return False, ENOUGH, "queue_full"
        return await super().push(body, request, username)

    def under_way(self, session: str) -> int:
        """How much work of a session's visit waits or is computed."""
        visit = _visit(session)
        events = self.event_ids_to_events.values()
        return sum(event.alive and _visit(event.session_hash) == visit for event in events)

    def send_message(self, event: Any, event_message: Any) -> None:
        unread = self.pending_messages_per_session.get(event.session_hash)
        if unread is None or unread.qsize() >= UNREAD:
            event.alive = False  # nobody reads: it ends within a step
            return
        super().send_message(event, event_message)

    async def process_events(self, events: Any, *rest: Any, **more: Any) -> None:
        try:
            await super().process_events(events, *rest, **more)
        finally:
            for session in {event.session_hash for event in events}:
                if former := self._ended.get(session):
                    former.cancel()  # what ended just now is to be fetched yet
                self._ended[session] = asyncio.get_running_loop().call_later(KEPT, self.forget, session)

    def forget(self, session: str) -> None:
        """All of a session of which nothing waits and nothing is computed."""
        self._ended.pop(session, None)
        if all(event.session_hash != session for event in self.event_ids_to_events.values()):
            self.pending_messages_per_session.pop(session, None)
            self.pending_event_ids_session.pop(session, None)


def _holds_files(data: Any) -> bool:
    """Whether something in it stands for a file of the host, which Gradio would look up."""
    if isinstance(data, dict):
        return ("path" in data and "meta" in data) or any(map(_holds_files, data.values()))
    return isinstance(data, list) and any(map(_holds_files, data))


def _visit(session: str) -> str:
    return session.partition(".")[0]


def bounded(demo: gr.Blocks) -> None:
    """Gives a page this queue instead of Gradio's own."""
    demo.queue(max_size=MOST, default_concurrency_limit=2, api_open=False)  # nobody passes by it
    usual = demo._queue
    demo._queue = Queue(
        live_updates=usual.live_updates,
        concurrency_count=usual.max_thread_count,
        update_intervals=usual.update_intervals,
        max_size=usual.max_size,
        blocks=demo,
        default_concurrency_limit=2,
    )
    demo._queue.sleep_when_free = LOOKS
