"""Where computation happens: the one place that decides the device, the number of threads and the precision."""

import atexit
import contextlib
import copy
import functools
import heapq
import itertools
import os
import platform
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from genmodels.models.base import Model

if TYPE_CHECKING:
    from accelerate import PartialState

M = TypeVar("M", bound=nn.Module)


def process_state() -> "PartialState":
    """accelerate's account of this process: its device, and its place among those that were started together.

    Nothing else asks accelerate first, because its first answer is kept: where there are only CPUs, accelerate joins the
    processes of `torchrun` if it is told so, and else takes each for alone.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    kind, index = _wanted()
    if index is not None:
        torch.accelerator.set_device_index(index)  # which "cuda" alone means then
    # torch.accelerator asks the driver; torch.cuda.is_available() says yes on ZeroGPU, where a GPU comes only when asked for
    no_gpu = kind == "cpu" or not torch.accelerator.is_available()
    state = PartialState(cpu=no_gpu or parse_flag_from_env("ACCELERATE_USE_CPU"))
    if state.num_processes > 1:
        atexit.unregister(_leave_the_others)
        atexit.register(_leave_the_others)
    return state


def _leave_the_others() -> None:
    """End the threads that talk to the other processes: one that still runs when Python exits would abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def device() -> torch.device:
    """The device of this process: the one of GENMODELS_DEVICE, else what accelerate picks (GPU if there is one, else CPU).

    Raises ValueError if there is none such.
    """
    return process_state().device


#: What GENMODELS_DEVICE may say, and what it means if it is not set.
SETTING, AUTO = "GENMODELS_DEVICE", "auto"


def _wanted() -> tuple[str, int | None]:
    """The type of device that GENMODELS_DEVICE names, and its number if it says one; ValueError if that isn't here."""
    setting = os.environ.get(SETTING, "").strip().lower() or AUTO
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    found, count = (there.type, torch.accelerator.device_count()) if there else ("cpu", 1)
    if setting == AUTO:
        return found, None
    if not (match := re.fullmatch(r"(cpu|mps|cuda)(?:(?<=cuda):(\d{1,3}))?", setting)):
        raise ValueError(f"{SETTING} must be auto, cpu, cuda, cuda:0 (or another number) or mps, not {setting[:40]!r}.")
    kind, index = match[1], int(match[2]) if match[2] else None
    if kind not in ("cpu", found) or (index or 0) >= count:
        has = f"{count} of the type {found}" if there else "no GPU"
        raise ValueError(f"{SETTING} is {setting!r}, but torch finds {has} here.")
    return kind, index


def on_zero_gpu() -> bool:
    """Whether this is a Space whose GPU comes for the seconds of one call, into a process of its own."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


# -- what the app computes on ------------------------------------------------------------------------------------------


@functools.cache
def devices() -> tuple[torch.device, ...]:
    """Where the app's own models compute: all GPUs, the one that GENMODELS_DEVICE names, or the CPU.

    On ZeroGPU the CPU: they answer there before a GPU has come.
    """
    kind, index = ("cpu", None) if on_zero_gpu() else _wanted()
    if kind == "cpu":
        return (torch.device("cpu"),)
    if device().type == "cuda" and index is None and process_state().num_processes == 1:
        return tuple(torch.device("cuda", i) for i in range(torch.accelerator.device_count()))
    return (device(),)


#: Seconds of computing after which work is long; those by which first steps, and what answers at once, go ahead; how long long work gives way
#: before a step: so many times as long as its last one took, and no longer than PATIENCE.
LONG, AHEAD, GIVES_WAY, PATIENCE = 2.0, 1.0, 30.0, 3.0


class Work:
    """What is computed for one visitor: all of it on one device, so many seconds until now, and whether it has ended. On the CPU they
    are its own seconds: on a machine that others slow down, what is short stays so.

    ahead: seconds by which it goes before others; long: that it takes seconds, as is known before.
    """

    def __init__(self, where: torch.device, ahead: float = 0.0, long: bool = False) -> None:
        self.device, self.ended = where, False
        self.begun, self.seconds, self.step = time.monotonic() - ahead, 0.0, 0.0
        self._is_long = long

    @property
    def is_long(self) -> bool:
        return self._is_long or self.seconds > LONG

    def due(self) -> float:
        """When its next step is due: the earliest goes first."""
        if self.is_long:
            return time.monotonic() + min(PATIENCE, GIVES_WAY * self.step)
        return self.begun if self.seconds else self.begun - AHEAD


class _Held(threading.local):
    """The work that a thread prepares, whether it has its turn, and whether it takes no other thread's help, see `one_thread`."""

    work: Work | None = None
    computes = False
    alone = False


_held, _users = _Held(), Counter[torch.device]()
#: Reentrant: the garbage collector may close a `lent` that was left open in the very thread that is choosing.
_choosing = threading.RLock()


def here() -> torch.device:
    """Where this thread computes, or would begin to."""
    return _held.work.device if _held.work else devices()[0]


@contextlib.contextmanager
def lent(ahead: float = 0.0, long: bool = False) -> Iterator[Work]:
    """Work of several turns on the least busy device; within it the same work. ahead, long: see `Work`."""
    if _held.work:
        yield _held.work
        return
    with _choosing:
        work = Work(min(devices(), key=_users.__getitem__), ahead, long)
        _users[work.device] += 1
    try:
        yield work
    finally:
        work.ended = True
        with _choosing:
            _users[work.device] -= 1


@contextlib.contextmanager
def at(work: Work) -> Iterator[None]:
    """What this thread prepares meanwhile is part of this work."""
    before, _held.work = _held.work, work
    try:
        yield
    finally:
        _held.work = before


@contextlib.contextmanager
def turn(work: Work) -> Iterator[None]:
    """A share of the work's device for this thread alone. Within a turn nothing changes.

    On a GPU one computation at a time, in one stream; on the CPU one on each core (or as many as `take_turns` says), with as many
    threads as OMP_NUM_THREADS says, by itself one. (On two cores a second one makes 16 heroes by diffusion in 0.5 instead of 0.8 s for
    a visitor who is alone, by PixelCNN in 2.0 instead of 0.9 s; and of twenty visitors' light work 5 % take 2.1 instead of 1.6 s.)
    """
    if _held.computes:
        yield
        return
    turns = _turns_on(work.device)
    turns.wait(work)
    clock = time.thread_time if work.device.type == "cpu" else time.perf_counter
    start = clock()
    try:
        with at(work):
            _held.computes = True
            if work.device.type == "cpu":
                torch.set_num_threads(_threads_a_turn())  # of this thread, which another may have had before
            yield
    finally:
        _held.computes = False
        work.step = clock() - start
        work.seconds += work.step
        turns.pass_on(work)


class _Turns:
    """Who computes next: the work whose next step is due first.

    That is who came first, so that it is done first, but for first steps, which are soon seen, and what answers at once: these go
    AHEAD. Long work gives way before each of its steps, and goes on all the same; nor does it run beside work that is
    not long, which would be slower for it. Between two of its steps work is nowhere in the line: for GRACE, while its step is
    sent, none that is due later takes its place.
    """

    GRACE = 0.1  # seconds

    def __init__(self, count: int) -> None:
        self.free, self.waiting = count, list[tuple[float, int]]()
        self.running = list[Work]()
        self.last, self.since = Work(torch.device("cpu")), 0.0
        self.last.ended = True
        self.changed, self.numbers = threading.Condition(), itertools.count()

    def wait(self, work: Work) -> None:
        with self.changed:
            mine = work.due(), next(self.numbers)
            heapq.heappush(self.waiting, mine)
            while (pause := self._pause(mine, work)) is None or pause > 0:
                self.changed.wait(pause)
            heapq.heappop(self.waiting)
            self.running.append(work)
            self.free -= 1
            if self.free and self.waiting:
                self.changed.notify_all()

    def _pause(self, mine: tuple[float, int], work: Work) -> float | None:
        """Seconds until it is one's turn; None: somebody else's comes before."""
        if not self.free or self.waiting[0] is not mine:
            return None
        if work.is_long and not all(other.is_long for other in self.running):
            return mine[0] - time.monotonic()
        if self.last.ended or self.last is work or self.last.due() > mine[0]:
            return 0.0
        return min(mine[0], self.since + self.GRACE) - time.monotonic()

    def pass_on(self, work: Work) -> None:
        with self.changed:
            self.running.remove(work)
            self.last, self.since = work, time.monotonic()
            self.free += 1
            self.changed.notify_all()


_turns = dict[torch.device, _Turns]()


def _turns_on(where: torch.device) -> _Turns:
    with _choosing:
        if where not in _turns:
            _turns[where] = _Turns(max(1, own_cores() // _threads_a_turn()) if where.type == "cpu" else 1)
        return _turns[where]


def take_turns(count: int) -> None:
    """From now on let this process compute so much at once on the CPU, whatever the number of cores."""
    with _choosing:
        _turns[torch.device("cpu")] = _Turns(count)


def _threads_a_turn() -> int:
    if _held.alone:
        return 1
    return int(os.environ["OMP_NUM_THREADS"]) if os.environ.get("OMP_NUM_THREADS", "").isdigit() else 1


def free_memory(where: torch.device) -> int:
    """Bytes that a model may still take on a device: accelerate's account, and no more than a container may use."""
    from accelerate.utils import get_max_memory

    free = get_max_memory()
    if where.type != "cpu":
        return free.get(where.index or 0, free["cpu"])
    limit, statistics = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.stat"))
    if limit.is_file() and statistics.is_file() and limit.read_text().strip().isdigit():
        used = dict(line.split() for line in statistics.read_text().splitlines())  # without what is only cached
        return min(free["cpu"], int(limit.read_text()) - int(used["anon"]))
    return free["cpu"]


def set_threads() -> int:
    """Divide this machine's cores among its processes, and say how many threads this one gets.

    Two processes with as many threads as there are cores each would slow each other down many times over.
    """
    threads = max(1, _cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    torch.set_num_threads(threads)
    return threads


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """What this thread computes on the CPU within it takes no other thread's help."""
    threads, alone = torch.get_num_threads(), _held.alone
    torch.set_num_threads(1)
    _held.alone = True
    try:
        yield
    finally:
        _held.alone = alone
        torch.set_num_threads(threads)


def _cores() -> int:
    """Cores for this job: what the user or the host says, else those that the process may run on."""
    for variable in ("OMP_NUM_THREADS", "CPU_CORES"):  # the latter is set on Hugging Face Spaces
        if os.environ.get(variable, "").isdigit():
            return max(1, int(os.environ[variable]))
    return own_cores()


def own_cores() -> int:
    """Cores that the process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fastest_precision(model: Model, x: torch.Tensor, labels: torch.Tensor) -> str:
    """ "bf16" if a training step of this model is at least a tenth faster under bfloat16 autocast here, else "no".

    Timed, never assumed: on hardware without bfloat16 units it can be 100 times slower.
    """
    trial = copy.deepcopy(model).train().requires_grad_(True).to(x.device)  # a loaded model is frozen
    to_fast_layout(trial)
    seconds = {enabled: _seconds_per_step(trial, x, labels, bf16=enabled) for enabled in (False, True)}
    return "bf16" if seconds[True] < 0.9 * seconds[False] else "no"


def to_fast_layout(model: nn.Module) -> None:
    """channels_last for models that convolve: the layout of fast convolutions, on CPUs and tensor cores."""
    if any(isinstance(module, nn.Conv2d) for module in model.modules()):
        channels_last(model)


def channels_last(module: M) -> M:
    """The same module, the channels of each place side by side in its kernels' memory."""
    to: Callable[..., M] = module.to  # which has this keyword, though its types don't say so
    return to(memory_format=torch.channels_last)


def _seconds_per_step(model: Model, x: torch.Tensor, labels: torch.Tensor, *, bf16: bool) -> float:
    """The faster of two training steps (each player's turn included), after one to warm up."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for player in model.players():
            with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
                loss = model(x, labels, player=player)["loss"]
            loss.backward()
        float(loss.detach())  # waits for an asynchronous device
        times.append(time.perf_counter() - start)
        if times[0] > 10:  # hopelessly slow: no need to measure it precisely
            return times[0]
    return min(times[1:])


def hardware(device: torch.device) -> str:
    """What the computation ran on, e.g. "2 threads of AMD EPYC" or "NVIDIA H200"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    count = torch.get_num_threads()
    return f"{count} thread{'s' * (count > 1)} of {_cpu_name()}"


def _cpu_name() -> str:
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
