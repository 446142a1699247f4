"""Processes of their own for what is computed, so that the one that serves stays free, and works don't slow down answers at once.

One process of Python makes little more of two cores than of one, as one thread computes in Python at a time: 400 direct calls
took 5.4 s one after the other and 4.2 s in two threads, eight pictures by PixelCNN 3.7 s and 4.2 s. So the app forks before it
imports what it serves with. What is forked loads the models, and forks again, so that all share them: one for what answers at once,
one for WORK; each computes a turn after the other. Others are there for a single work: for MORE of it, where there is work
under way already, and for LONG work, which gets what time the others leave. For each of the two kinds a process waits that does nothing but fork;
what it forked ends with the work, so that no memory stays with it.
Where nothing was forked (a GPU, a single core, an app that another server mounts, other systems than Linux), or if a process has died, all
or its part is computed in the app's own process.
"""

import contextlib
import gc
import itertools
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from genmodels import checkpoint, device
from genmodels.memory import give_back
from genmodels.wrappers.state import Refused

LANES = ("cpu", "heavy", "network")
REST = 1.0  # seconds without a question that is answered at once, after which memory goes back
TIDY = 10.0  # seconds after which it does so where there is always another one
#: Seconds for which the app starts and is opened first; without a question, after which nobody seems to ask.
SETTLED, LEISURE = 5.0, 0.5
UNDER_WAY = 3  # answers that were sent and not yet taken: the app has others to serve, and work need not wait for it
STEP_ASIDE = 5  # by how many levels direct calls stand back: beside five who drag two works took 2.2 s, and take 1.8
FAILED = "The work failed; the log says why."
log = logging.getLogger(__name__)

#: Steps of an answer to a state.
Answers = Callable[[Any], Iterator[Any]]
TOUCH, WORK, MORE, LONG = "touch", "work", "more", "long"
#: Those that are there for one work.
PASSING = (MORE, LONG)
#: The free connections to each of the other processes, each for one answer at a time.
_free: "dict[str, queue.SimpleQueue[Connection]]" = {}
#: Those of whom somebody left in the middle.
_left: "set[Connection]" = set()
#: When this process was asked last, or is taken to have been.
_asked = 0.0
#: How many works of each process are under way; in such a process, of its own.
_under_way, _counting = Counter[str](), threading.Lock()


def begin(
    find: Callable[[str], Answers],
    many: Mapping[str, int],
    load: Callable[[], None],
    prepare: Callable[[], None],
    warm_up: Callable[[str], Iterator[None]],
) -> None:
    """Fork, before there are other threads. find: what answers, by a section's key; many: how much each process lets in at once;
    load: what all of them share; prepare: what is done besides for LONG, in one thread, before it is asked; warm_up: what takes
    longer the first time, for TOUCH and WORK, step by step while nobody asks."""
    if sys.platform != "linux" or device.own_cores() < 2 or any(where.type != "cpu" for where in device.devices()):
        return
    pipes = {kind: [Pipe() for _ in range(count)] for kind, count in many.items()}
    _keep_shared()
    if os.fork():
        for kind, ends in pipes.items():
            _free[kind] = queue.SimpleQueue()
            for ours, theirs in ends:
                theirs.close()
                _free[kind].put(ours)
        return
    for ours, _ in itertools.chain(*pipes.values()):
        ours.close()  # so that the end of the app is seen
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with device.one_thread():  # a pool of OpenMP's would not survive the next fork
        load()
        _keep_shared()
        kind = _divided()
        if kind == LONG:
            prepare()
            _keep_shared()
    device.take_turns(1)  # two would wait for each other at Python's lock, and keep a core from the other processes
    for other in pipes.keys() - {kind}:
        for _, theirs in pipes[other]:
            theirs.close()
    mine = [theirs for _, theirs in pipes[kind]]
    if kind in PASSING:
        mine = [_fork_when_asked(mine)]
    if kind == LONG:
        # more than a smaller share: whatever else wakes up takes this core at once, and leaves to others the one where they compute
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if kind == TOUCH:
        os.nice(STEP_ASIDE)  # of all its threads, as it has no other yet
    for end in mine:
        threading.Thread(target=_serve, args=(end, find, kind), daemon=True).start()
    if kind not in PASSING:
        _at_leisure(warm_up(kind))
    threading.Event().wait()  # until _serve sees the end


def _divided() -> str:
    """Fork for each kind but one: which of them this process is."""
    for kind in (TOUCH, *PASSING):
        if not os.fork():
            return kind
    return WORK


def _at_leisure(steps: Iterator[None]) -> None:
    """Takes the steps while nobody asks, and not while the app starts."""
    global _asked
    _asked = time.monotonic() + SETTLED
    while _under_way.total() or time.monotonic() < _asked + LEISURE or next(steps, steps) is None:
        time.sleep(LEISURE / 10)


def _fork_when_asked(ends: list[Connection]) -> Connection:
    """Returns in a process that is forked for whoever asks: at which end. Ends with the app, or when such a process failed."""
    serving: dict[int, Connection] = {}  # by the descriptor of its process
    while True:
        ready, *_ = wait([*serving, *(end for end in ends if end not in serving.values())])
        if isinstance(ready, Connection):
            if not (process := os.fork()):
                for other in ends:
                    if other is not ready:
                        other.close()  # so that whoever waits there is told once its process has died
                return ready
            serving[os.pidfd_open(process)] = ready
        elif isinstance(ready, int):
            ended = os.waitid(os.P_PIDFD, ready, os.WEXITED)
            if ended and ended.si_status:
                os._exit(0)  # and with it the connections' last holder, so that whoever waits at them is told
            os.close(ready)
            del serving[ready]


def _keep_shared() -> None:
    """Before a fork: collecting writes into what is looked at, and a page that is written to is shared no longer."""
    gc.collect()
    gc.freeze()


def begun() -> bool:
    """Whether there are other processes."""
    return bool(_free)


def at_once(key: str, state: Any, answer: Callable[[Any], Any]) -> Any:
    """The answer of a section that takes one step, computed there if there is another process."""
    if (free := _free.get(TOUCH)) is None:
        return answer(state)
    with _connected(TOUCH, free) as end:
        end.send(_question(key, state))
        return _told(end)


def one_step(answer: Callable[[Any], Any]) -> Answers:
    """An answer that takes one step, as steps."""

    def answers(state: Any) -> Iterator[Any]:
        yield answer(state)

    return answers


def steps(key: str, state: Any, answer: Answers, kinds: Sequence[str] = (WORK,)) -> Iterator[Any]:
    """The answers of a section, computed there if there are other processes, by the first of these kinds that has nothing to do;
    closing them ends the work within a step."""
    with _taken(kinds) as kind:
        yield from _steps_of(kind, key, state, answer)


@contextlib.contextmanager
def _taken(kinds: Sequence[str]) -> Iterator[str]:
    """The first of these kinds of processes that has nothing to do, or else the first; it has more to do within."""
    with _counting:
        kind = next((kind for kind in kinds if not _under_way[kind]), kinds[0])
        _under_way[kind] += 1
    try:
        yield kind
    finally:
        with _counting:
            _under_way[kind] -= 1


def _steps_of(kind: str, key: str, state: Any, answer: Answers) -> Iterator[Any]:
    if (free := _free.get(kind)) is None:
        yield from answer(state)
        return
    with _connected(kind, free) as end:
        end.send(_question(key, state))
        while (value := _told(end)) is not None:
            try:
                yield value
            except GeneratorExit:
                _left.add(end)
                end.send(False)
                raise
            end.send(True)


def _question(key: str, state: Any) -> Any:
    return key, state, dict(checkpoint.JOINED)


@contextlib.contextmanager
def _connected(kind: str, free: "queue.SimpleQueue[Connection]") -> Iterator[Connection]:
    """A connection of one's own to a process. If that has died, it is asked no more."""
    end = free.get()
    try:
        if end in _left:  # what was under way to who left
            while end.recv()[0] != "left":
                pass
            _left.discard(end)
        yield end
    except (EOFError, ConnectionError):
        log.error("The process for %s has ended; from now on the app computes it itself.", kind)
        _free.pop(kind, None)
        raise
    finally:
        free.put(end)  # also one that is broken: who waits for it is told


def _told(end: Connection) -> Any:
    """The next answer; None: there are no more. Raises what it says if there is none."""
    kind, value = end.recv()
    if kind == "refused":
        raise Refused(*value)
    if kind == "failed":
        raise RuntimeError(FAILED)
    return value


def _serve(end: Connection, find: Callable[[str], Answers], kind: str) -> None:
    """One answer after the other, each step when it is asked for, until the app has ended, or a passing one's work."""
    tidied = time.monotonic()
    try:
        while True:
            key, state, joined = end.recv()
            checkpoint.JOINED.update(joined)
            for name in checkpoint.JOINED.keys() - joined.keys():
                checkpoint.JOINED.pop(name, None)
            answers = _found(find, key, state)
            with _asked_for(kind):
                if kind == TOUCH:
                    end.send(_next(answers))
                else:
                    _step_by_step(end, _tidied(answers) if kind == LONG else answers)
            if kind in PASSING:
                os._exit(0)
            if kind != TOUCH or not end.poll(REST) or time.monotonic() - tidied > TIDY:
                give_back()
                tidied = time.monotonic()
    except (EOFError, ConnectionError):
        os._exit(kind in PASSING)  # so that no other one is forked


@contextlib.contextmanager
def _asked_for(kind: str) -> Iterator[None]:
    """Within, there is something to compute here."""
    global _asked
    with _counting:
        _under_way[kind] += 1
    try:
        yield
    finally:
        with _counting:
            _under_way[kind] -= 1
            _asked = max(_asked, time.monotonic())


def _step_by_step(end: Connection, answers: Iterator[Any]) -> None:
    """While answers travel, so many as UNDER_WAY at most, the next one is computed; until they end, or nobody wants more."""
    under_way, told = 0, _next(answers)
    while True:
        while under_way and (under_way == UNDER_WAY or told[0] != "answer" or end.poll()):
            if not end.recv():
                answers.close()  # type: ignore[attr-defined]
                return end.send(("left", None))
            under_way -= 1
        end.send(told)
        if told[0] != "answer":
            return None
        under_way, told = under_way + 1, _next(answers)


def _tidied(answers: Iterator[Any]) -> Iterator[Any]:
    """The same answers, and what a step has freed goes back to the machine at once: long work has time for that."""
    with contextlib.closing(answers):  # type: ignore[type-var]
        for answer in answers:
            give_back()
            yield answer


def _next(answers: Iterator[Any]) -> tuple[str, Any]:
    try:
        answer = next(answers, None)
    except ValueError as error:
        return "refused", (str(error), getattr(error, "field", ""))
    except Exception:
        log.exception("A section failed")
        return "failed", None
    return ("done", None) if answer is None else ("answer", answer)


def _found(find: Callable[[str], Answers], key: str, state: Any) -> Iterator[Any]:
    yield from find(key)(state)
