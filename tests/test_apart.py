"""Work in a process of its own: its answers, its refusals and failures, who leaves, and what happens when it dies."""

import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from helpers import python

from genmodels.tabs import page
from genmodels.wrappers.apart import LONG, WORK

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it forks on Linux alone")
#: Sections of work, and a visitor of them. A process of its own, because it forks.
PLAYED = """
import logging, os, signal, time
from pathlib import Path
import psutil
from genmodels import checkpoint, device
from genmodels.wrappers import apart
from genmodels.wrappers.state import Refused

device.own_cores = lambda: 2
logging.disable(logging.CRITICAL)
app, steps = os.getpid(), Path(os.environ["STEPS"])

def answer(state):
    for i in range(state):
        with open(steps, "a") as file:
            print(i, file=file)
        yield {"i": i, "pid": os.getpid(), "joined": sorted(checkpoint.JOINED)}
    if state == 2:
        raise Refused("It can't be two.", "n")
    if state == 3:
        raise RuntimeError("a secret")

def asked(n, *kinds):
    return apart.steps("a", n, answer, kinds or (apart.WORK,))

def taken():
    return len(steps.read_text().splitlines())

def once(state):
    if state == "long":
        time.sleep(60)
    if state == "wrong":
        raise Refused("It can't be wrong.", "n")
    return {"state": state, "pid": os.getpid(), "nice": os.getpriority(os.PRIO_PROCESS, 0)}  # of this thread

def wasteful(state):
    # what earlier steps left in memory; then small blocks, 40 MB, free again but for the last one
    before = psutil.Process().memory_info().rss
    while True:
        left = psutil.Process().memory_info().rss - before
        blocks = [bytes(100_000) for _ in range(state)]
        kept = blocks[-1]
        del blocks
        yield left

def told_of_the_end(asking):
    try:
        asking()
    except (EOFError, ConnectionError):
        return True

found = {"a": answer, "b": apart.one_step(once), "c": wasteful}
apart.begin(found.__getitem__, {apart.TOUCH: 1, apart.WORK: 2, apart.MORE: 2, apart.LONG: 2}, lambda: None, lambda: None, lambda kind: iter(()))
assert os.getpid() == app
"""


def play(tmp_path, body: str) -> subprocess.CompletedProcess:
    done = python("-c", PLAYED + textwrap.dedent(body), STEPS=str(tmp_path / "steps"))
    assert done.returncode == 0, done.stderr
    return done


def test_answers_come_from_another_process(tmp_path):
    play(
        tmp_path,
        """
        checkpoint.JOINED["user/mine"] = Path("somewhere")
        first, last = [list(asked(n)) for n in (1, 4)]
        assert [answer["i"] for answer in last] == [0, 1, 2, 3]
        assert {answer["pid"] for answer in first + last} == {first[0]["pid"]} != {app}
        assert first[0]["joined"] == ["user/mine"]
        """,
    )


def test_a_refusal_keeps_its_field_and_a_failure_its_words(tmp_path):
    play(
        tmp_path,
        """
        for n, kind, words in ((2, Refused, "It can't be two."), (3, RuntimeError, apart.FAILED)):
            try:
                list(asked(n))
            except Exception as error:
                assert type(error) is kind and str(error) == words, error
                assert n == 3 or error.field == "n"
            else:
                raise AssertionError(n)
        assert len(list(asked(1))) == 1
        """,
    )


@pytest.mark.parametrize("kind", [WORK, LONG])
def test_who_leaves_ends_the_work_within_a_step(tmp_path, kind):
    """However often: the next one is served."""
    play(
        tmp_path,
        f"""
        for _ in range(5):
            walk = asked(10**6, {kind!r})
            next(walk)
            walk.close()
        assert [answer["i"] for answer in asked(1, {kind!r})] == [0]
        time.sleep(0.5)  # the answers under way, and a step of each closed walk
        after = taken()
        assert after <= 5 * (apart.UNDER_WAY + 1) + 1
        time.sleep(0.3)
        assert taken() == after
        """,
    )


def test_no_more_is_computed_ahead_than_may_be_under_way(tmp_path):
    """Whoever takes the answers, takes them all in order."""
    play(
        tmp_path,
        """
        walk = asked(10**6)
        assert [next(walk)["i"] for _ in range(10)] == list(range(10))
        time.sleep(0.5)
        assert taken() == 9 + apart.UNDER_WAY + 1
        walk.close()
        time.sleep(0.3)
        assert taken() == 9 + apart.UNDER_WAY + 1
        assert [answer["i"] for answer in asked(4)] == [0, 1, 2, 3]
        """,
    )


def test_all_share_what_is_loaded_and_have_all_threads():
    """A pool of threads that was begun before the fork would hang there."""
    done = python(
        "-c",
        """
import os, time, torch
from genmodels import device
from genmodels.wrappers import apart

device.own_cores = lambda: 2
torch.set_num_threads(2)
weights, warmed = [], []

def product():
    assert torch.get_num_threads() == 2
    return (weights[0] @ weights[0]).sum().item()

def share():
    assert torch.get_num_threads() == 1
    weights.append(torch.ones(500, 500))
    weights[0] @ weights[0]

def answer(state):
    torch.set_num_threads(2)  # of this thread
    yield os.getpid(), weights[0].data_ptr(), product(), warmed

def prepare():
    with device.lent() as work, device.turn(work):  # which takes OMP_NUM_THREADS elsewhere
        assert torch.get_num_threads() == 1
        weights[0] @ weights[0]
    warmed.append("prepared")

def warm_up(kind):
    warmed.append(kind)
    yield

apart.SETTLED = 0.1
many = dict.fromkeys((apart.TOUCH, apart.WORK, apart.MORE, apart.LONG), 1)
apart.begin({"a": answer, "b": answer}.__getitem__, many, share, prepare, warm_up)
time.sleep(2)  # nobody asks
[(worker, *told, first)] = apart.steps("a", None, answer)
[(long, *same, besides)] = apart.steps("a", None, answer, [apart.LONG])
other, *again, at_once = apart.at_once("b", None, None)
assert len({os.getpid(), worker, long, other}) == 4 and not weights
assert told == same == again and told[1] == 500**3
assert (first, besides, at_once) == (["work"], ["prepared"], ["touch"])
""",
    )
    assert done.returncode == 0, done.stderr


def test_each_long_work_has_a_process_that_stands_back_and_ends_with_it(tmp_path):
    play(
        tmp_path,
        """
        def ended(pid):
            deadline = time.monotonic() + 10
            while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            return not Path(f"/proc/{pid}").exists()

        policy = os.sched_getscheduler
        worker = next(asked(1))["pid"]
        first, other = asked(10**6, apart.LONG), asked(1, apart.LONG)
        pid, [beside] = next(first)["pid"], [answer["pid"] for answer in other]
        assert len({pid, beside, worker, app}) == 4 and (policy(pid), policy(worker)) == (os.SCHED_IDLE, policy(app))
        assert ended(beside)
        assert next(first)["pid"] == pid, "somebody still wants answers"
        first.close()
        assert ended(pid)
        for n, failure in ((2, Refused), (3, RuntimeError), (1, None)):
            try:
                *_, answer = asked(n, apart.LONG)
            except Exception as error:
                assert failure and type(error) is failure, error
            else:
                assert not failure
        assert answer["pid"] not in (pid, worker, app) and policy(answer["pid"]) == os.SCHED_IDLE
        assert ended(answer["pid"])
        """,
    )


def test_what_a_step_of_long_work_freed_goes_back_before_the_next_one(tmp_path):
    play(
        tmp_path,
        """
        def left_by_two(kind):
            walk = apart.steps("c", 400, wasteful, [kind])
            *_, left = (next(walk) for _ in range(3))
            walk.close()
            return left

        assert left_by_two(apart.WORK) > 20e6, "other work keeps it, to use it again"
        assert left_by_two(apart.LONG) < 10e6
        """,
    )


def test_work_beside_other_work_has_a_process_of_its_own_meanwhile(tmp_path):
    play(
        tmp_path,
        """
        both = apart.WORK, apart.MORE
        alone = {next(asked(1, *both))["pid"] for _ in range(3)}
        first, second, third = (asked(10**6, *both) for _ in range(3))
        one, two, three = (next(walk)["pid"] for walk in (first, second, third))
        assert {one} == alone and two not in (one, app) and three == one
        first.close()
        third.close()
        assert next(asked(1, *both))["pid"] == one, "who left is counted no longer"
        assert next(second)["pid"] == two
        second.close()
        assert next(asked(10**6, *both))["pid"] == one
        fourth, fifth = (asked(10**6, *both) for _ in range(2))
        assert next(fourth)["pid"] == one and next(fifth)["pid"] not in (one, two, app)
        """,
    )


def test_when_a_process_for_long_work_dies_whoever_waits_is_told_and_from_then_on_the_app_computes_itself(tmp_path):
    play(
        tmp_path,
        """
        walk, beside = (asked(10**6, apart.LONG) for _ in range(2))
        pid, other = next(walk)["pid"], next(beside)["pid"]
        os.kill(pid, signal.SIGKILL)
        assert told_of_the_end(lambda: list(walk))
        assert [answer["pid"] for answer in asked(1, apart.LONG)] == [app]
        assert next(beside)["pid"] == other, "what was under way beside it goes on"
        assert next(asked(1))["pid"] not in (app, pid)
        """,
    )


def test_what_answers_at_once_has_a_process_of_its_own(tmp_path):
    play(
        tmp_path,
        """
        walk = asked(10**6)
        worker, answer = next(walk)["pid"], apart.at_once("b", 7, once)
        assert answer["state"] == 7 and len({answer["pid"], worker, app}) == 3
        assert answer["nice"] == min(19, os.getpriority(os.PRIO_PROCESS, worker) + apart.STEP_ASIDE)
        try:
            apart.at_once("b", "wrong", once)
        except Refused as error:
            assert (str(error), error.field) == ("It can't be wrong.", "n")
        else:
            raise AssertionError
        os.kill(answer["pid"], signal.SIGKILL)
        assert told_of_the_end(lambda: apart.at_once("b", 7, once))
        assert apart.at_once("b", 7, once)["pid"] == app
        assert next(walk)["pid"] == worker
        """,
    )


def test_who_waits_for_one_that_dies_is_told(tmp_path):
    play(
        tmp_path,
        """
        from concurrent.futures import ThreadPoolExecutor
        pid = apart.at_once("b", 7, once)["pid"]
        with ThreadPoolExecutor(3) as threads:  # and one connection
            waiting = [threads.submit(apart.at_once, "b", "long", once) for _ in range(3)]
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            assert all(isinstance(one.exception(5), (EOFError, ConnectionError)) for one in waiting)
        """,
    )


def test_when_it_dies_the_app_computes_itself(tmp_path):
    play(
        tmp_path,
        """
        walk = asked(10**6)
        os.kill(next(walk)["pid"], signal.SIGKILL)
        assert told_of_the_end(lambda: list(walk))
        assert [answer["pid"] for answer in asked(1)] == [app]
        """,
    )


@pytest.mark.parametrize("kind", [WORK, LONG])
def test_it_ends_with_the_app(tmp_path, kind):
    """Those that only fork, too: no process is left that was the app's."""
    play(tmp_path, f"next(asked(1, {kind!r}))")
    assert not of_the_app(tmp_path, deadline=time.monotonic() + 10)


def of_the_app(tmp_path, deadline: float) -> list[int]:
    """The processes that know this test's folder, once there are none or the time is up."""
    while True:
        left = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if knows(pid, str(tmp_path))]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def knows(pid: int, folder: str) -> bool:
    """Whether a process was started with this folder in its environment, and has not ended."""
    try:
        return folder.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("work", [False, True])
def test_what_takes_longer_the_first_time_is_computed_of_each_short_section_and_model(monkeypatch, work):
    """Of work two answers; who fails hinders no other."""
    computed = Counter[tuple[str, str]]()

    def answers(key):
        def endless(state):
            while True:
                computed[key, state.model] += 1
                yield {}
                if state.model == failing:
                    raise RuntimeError(key)

        return endless

    short = [s for s in page.sections().values() if s.lane == "cpu" and s.work == work]
    failing = short[0].fitted()[0]
    monkeypatch.setattr(page, "answers", answers)
    steps = sum(1 for _ in page.compute_first(work))
    expected = {(s.key, model): 1 if model == failing else 2 for s in short for model in s.fitted()}
    assert computed == expected
    assert steps == len(expected)
    assert len({key for key, _ in expected}) >= 10
