"""Work of many steps in a process of its own, so that it doesn't slow down what answers at once.

One process of Python makes little more of two cores than of one, as one thread computes in Python at a time: 400 direct calls
took 5.4 s one after the other and 4.2 s in two threads, eight pictures by PixelCNN 3.7 s and 4.2 s. So the app forks before it
serves. What is forked computes the work of LANES; where nothing was forked (a GPU, a single core, an app that another server
mounts, other systems than Linux), or if it has died, work is computed in the app's own process.
"""

import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from genmodels import checkpoint, device
from genmodels.memory import give_back
from genmodels.wrappers.state import Refused

LANES = ("cpu", "heavy")
FAILED = "The work failed; the log says why."
log = logging.getLogger(__name__)

#: Steps of an answer to a state.
Answers = Callable[[Any], Iterator[Any]]
#: The free connections to the other process, each for one work at a time.
_free: "queue.SimpleQueue[Connection] | None" = None


def begin(
    find: Callable[[str], Answers], at_once: int, shared: Callable[[], None], prepare: Callable[[], None]
) -> None:
    """Fork, before there are other threads. find: what answers, by a section's key; at_once: how much work is let in;
    shared: what takes memory that both may read, done before; prepare: what the other process does first."""
    global _free
    if sys.platform != "linux" or device.own_cores() < 2 or any(where.type != "cpu" for where in device.devices()):
        return
    with device.one_thread():  # a pool of OpenMP's would not survive the fork
        shared()
    gc.collect()
    gc.freeze()  # collecting writes into what is collected, and a page that is written to is shared no longer
    pipes = [Pipe() for _ in range(at_once)]
    if os.fork():
        _free = queue.SimpleQueue()
        for ours, theirs in pipes:
            theirs.close()
            _free.put(ours)
        return
    for ours, _ in pipes:
        ours.close()  # so that the end of the app is seen
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for _, theirs in pipes:
        threading.Thread(target=_serve, args=(theirs, find), daemon=True).start()
    prepare()
    threading.Event().wait()  # until _serve sees the end


def steps(key: str, state: Any, answer: Answers) -> Iterator[Any]:
    """The answers of a section, computed there if there is another process; closing them ends the work within a step."""
    global _free
    if (free := _free) is None:
        yield from answer(state)
        return
    end = free.get()
    try:
        yield from _asked(end, (key, state, dict(checkpoint.JOINED)))
        free.put(end)
    except (EOFError, ConnectionError):
        log.error("The process of long work has ended; from now on the app computes it itself.")
        _free = None
        raise
    except BaseException:
        free.put(end)
        raise


def _asked(end: Connection, question: Any) -> Iterator[Any]:
    end.send(question)
    while True:
        kind, value = end.recv()
        if kind == "refused":
            raise Refused(*value)
        if kind == "failed":
            raise RuntimeError(FAILED)
        if kind == "done":
            return
        try:
            yield value
        except GeneratorExit:
            end.send(False)
            raise
        end.send(True)


def _serve(end: Connection, find: Callable[[str], Answers]) -> None:
    """One work after the other, each step when it is asked for, until the app has ended."""
    try:
        while True:
            key, state, joined = end.recv()
            checkpoint.JOINED.update(joined)
            for name in checkpoint.JOINED.keys() - joined.keys():
                checkpoint.JOINED.pop(name, None)
            end_of = _step_by_step(end, find(key)(state))
            if end_of:
                end.send(end_of)
            give_back()
    except (EOFError, ConnectionError):
        os._exit(0)


def _step_by_step(end: Connection, answers: Iterator[Any]) -> tuple[str, Any] | None:
    """How it ended; None if nobody wants more. While an answer travels, the next one is computed."""
    sent = False
    while True:
        ended: tuple[str, Any] | None = None
        try:
            answer = next(answers, None)
        except ValueError as error:
            ended = "refused", (str(error), getattr(error, "field", ""))
        except Exception:
            log.exception("A section failed")
            ended = "failed", None
        if sent and not end.recv():
            answers.close()  # type: ignore[attr-defined]
            return None
        if ended or answer is None:
            return ended or ("done", None)
        end.send(("answer", answer))
        sent = True
