"""Where computation happens: the one place that decides the device, the number of threads and the precision."""

import atexit
import contextlib
import copy
import os
import platform
import time
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

    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available())
    if state.num_processes > 1:
        atexit.unregister(_leave_the_others)
        atexit.register(_leave_the_others)
    return state


def _leave_the_others() -> None:
    """End the threads that talk to the other processes: one that still runs when Python exits would abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def device() -> torch.device:
    """The device that accelerate picks for this process (GPU if there is one, else CPU)."""
    return process_state().device


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
def threads(count: int) -> Iterator[None]:
    """So many threads at most, for what gains nothing by more: those would only wait, and take the cores from others."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    """Cores for this job: what the user or the host says, else those that the process may run on."""
    for variable in ("OMP_NUM_THREADS", "CPU_CORES"):  # the latter is set on Hugging Face Spaces
        if os.environ.get(variable, "").isdigit():
            return max(1, int(os.environ[variable]))
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
