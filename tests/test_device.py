"""Where the app computes: on what there is, or what GENMODELS_DEVICE names; each request on the least busy one."""

import re
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from helpers import forget

from genmodels import checkpoint, device
from genmodels.wrappers import core


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torch found three GPUs; accelerate would pick the first one."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 3)
    monkeypatch.setattr(device, "device", lambda: torch.device("cuda"))


def chosen(monkeypatch: pytest.MonkeyPatch, setting: str) -> list[str]:
    monkeypatch.setenv(device.SETTING, setting)
    return [str(where) for where in device.devices.__wrapped__()]


def test_all_gpus_serve_unless_one_is_named(gpus, monkeypatch):
    assert chosen(monkeypatch, "") == chosen(monkeypatch, "auto") == chosen(monkeypatch, "cuda")
    assert chosen(monkeypatch, "CUDA") == ["cuda:0", "cuda:1", "cuda:2"]
    assert chosen(monkeypatch, "cpu") == ["cpu"]
    assert device._wanted() == ("cpu", None)
    monkeypatch.setenv(device.SETTING, "cuda:2")
    assert device._wanted() == ("cuda", 2)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("cpu:3", "GENMODELS_DEVICE must be auto, cpu, cuda, cuda:0 (or another number) or mps, not 'cpu:3'."),
        ("gpu", "GENMODELS_DEVICE must be auto, cpu, cuda, cuda:0 (or another number) or mps, not 'gpu'."),
        ("cuda:3", "GENMODELS_DEVICE is 'cuda:3', but torch finds 3 of the type cuda here."),
        ("mps", "GENMODELS_DEVICE is 'mps', but torch finds 3 of the type cuda here."),
    ],
)
def test_a_device_that_is_not_there_is_refused(setting, said, gpus, monkeypatch):
    with pytest.raises(ValueError, match=re.escape(said)):
        chosen(monkeypatch, setting)


def test_without_a_gpu(monkeypatch):
    assert chosen(monkeypatch, "auto") == ["cpu"]
    with pytest.raises(ValueError, match=re.escape("GENMODELS_DEVICE is 'cuda', but torch finds no GPU here.")):
        chosen(monkeypatch, "cuda")


def test_the_app_says_at_once_what_is_wrong(start):
    process = start("app.py", GENMODELS_DEVICE="cuda:7", CUDA_VISIBLE_DEVICES="")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert said.splitlines()[-1] == "GENMODELS_DEVICE is 'cuda:7', but torch finds no GPU here."


@pytest.mark.parametrize("zero_gpu", ["true", None])
def test_small_models_stay_where_they_are_when_spaces_patches_torch(zero_gpu, monkeypatch):
    """It says on ZeroGPU that there is a GPU, where one comes only for the seconds that it is asked for."""
    if zero_gpu:
        monkeypatch.setenv("SPACES_ZERO_GPU", zero_gpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H200 MIG 3g.71gb")
    device.devices.cache_clear()
    forget()
    model = core.load_model(checkpoint.bundled().popitem()[0])
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert [str(where) for where in device.devices()] == ["cpu"]


def test_requests_go_to_the_least_busy_device(monkeypatch):
    """Each to one, and from there to the next; work of many steps keeps its own, and gives it back when nobody listens."""
    three = [torch.device("meta", i) for i in range(3)]
    monkeypatch.setattr(device, "devices", lambda: tuple(three))

    @core.placed_steps
    def walk() -> Iterator[torch.device]:
        yield from core.locked_steps(device.here() for _ in range(3))

    walks = [walk() for _ in three]
    assert [next(steps) for steps in walks] == three
    assert [next(steps) for steps in reversed(walks)] == three[::-1]
    assert core.placed(device.here)() == three[0]
    walks[1].close()
    assert core.locked(device.here)() == three[1]
    assert [list(steps)[-1] for steps in (walks[0], walks[2])] == [three[0], three[2]]
    assert not any(device._users.values())


def test_work_that_was_left_open_ends_where_another_is_choosing(monkeypatch):
    """The garbage collector closes it in whichever thread it happens to run."""
    left = device.lent()
    where = left.__enter__().device
    ended = threading.Event()

    def choose() -> tuple[torch.device, ...]:
        left.__exit__(None, None, None)
        ended.set()
        return (where,)

    def work() -> None:
        with device.lent():
            pass

    monkeypatch.setattr(device, "devices", choose)
    before = device._users[where]
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert ended.is_set(), "it waits for itself"
    assert device._users[where] == before - 1


def test_one_computation_at_a_time_on_a_device():
    """In one stream each; several devices do not wait for each other."""
    first, second_one = (device.Work(torch.device("meta", i)) for i in (5, 6))
    inside, order = threading.Event(), []

    def other() -> None:
        with device.turn(second_one):
            order.append("elsewhere")
        inside.set()
        with device.turn(first):
            order.append("after")

    with device.turn(first):
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
        with device.turn(first):  # within a turn nothing waits
            order.append("before")
    thread.join(10)
    assert order == ["elsewhere", "before", "after"]


def test_first_steps_come_first_and_long_work_comes_last():
    """But not after all that may still come."""
    turns, order, threads = device._Turns(1), [], []

    def work(seconds: float) -> device.Work:
        one = device.Work(torch.device("cpu"))
        one.seconds = one.step = seconds
        return one

    def wait(name: str, seconds: float) -> None:
        mine = work(seconds)
        turns.wait(mine)
        order.append(name)
        turns.pass_on(mine)

    first = work(5)
    turns.wait(first)
    for i, (name, seconds) in enumerate([("long", 900.0), ("a second", 1.0), ("touch", 0.0), ("another touch", 0.0)]):
        threads.append(threading.Thread(target=wait, args=(name, seconds)))
        threads[-1].start()
        while len(turns.waiting) <= i:
            time.sleep(0.001)
    assert max(turns.waiting)[0] < time.monotonic() + device.PATIENCE
    turns.pass_on(first)
    for thread in threads:
        thread.join(10)
    assert order == ["touch", "another touch", "a second", "long"]
    assert turns.free == 1


def test_work_keeps_its_place_from_step_to_step():
    """Who came first is done first, but for first steps, which are soon seen, and what answers at once."""
    where = torch.device("cpu")
    earlier, later, at_once = device.Work(where), device.Work(where), device.Work(where, ahead=device.AHEAD)
    earlier.begun -= 0.5
    earlier.seconds = earlier.step = 1.2
    assert at_once.due() < later.due() < earlier.due()
    later.seconds = later.step = 0.1
    assert earlier.due() < later.due()
    earlier.seconds += 0.1
    assert earlier.due() < later.due()


def test_long_work_gives_way_by_the_length_of_its_steps():
    """So that it goes on beside others; its first step waits for nobody."""
    long = device.Work(torch.device("cpu"), long=True)
    assert long.due() <= time.monotonic()
    long.step = 0.01
    assert 0.05 < long.due() - time.monotonic() <= 0.01 * device.GIVES_WAY
    long.step = 60.0
    assert long.due() - time.monotonic() <= device.PATIENCE


def test_what_takes_long_does_not_run_beside_what_does_not():
    """Until it has been patient; two of a kind share the cores."""
    turns = device._Turns(2)
    light, other, long = (device.Work(torch.device("cpu")) for _ in range(3))
    long.seconds = long.step = 100.0
    turns.wait(light)
    turns.wait(other)
    turns.pass_on(other)
    start = time.monotonic()
    turns.wait(long)
    assert device.PATIENCE * 0.9 < time.monotonic() - start < device.PATIENCE + 2
    assert turns.free == 0


def test_nobody_who_has_computed_more_steps_in_between_two_steps(monkeypatch):
    """Not even one who waits already, for a while; nor for ever, if the other one doesn't come back."""
    monkeypatch.setattr(device._Turns, "GRACE", 0.5)
    turns, order = device._Turns(1), []
    light, heavy = device.Work(torch.device("cpu")), device.Work(torch.device("cpu"))
    heavy.seconds = heavy.step = 100.0

    def wait() -> None:
        turns.wait(heavy)
        order.append("heavy")
        turns.pass_on(heavy)

    turns.wait(light)
    thread = threading.Thread(target=wait)
    thread.start()
    while not turns.waiting:
        time.sleep(0.001)
    for _ in range(3):
        turns.pass_on(light)
        time.sleep(0.01)
        turns.wait(light)
        order.append("light")
    turns.pass_on(light)
    thread.join(10)
    assert order == ["light"] * 3 + ["heavy"]


@pytest.mark.parametrize(("setting", "threads"), [(None, 1), ("2", 2)])
def test_a_computation_takes_one_thread_unless_the_user_says_otherwise(setting, threads, monkeypatch):
    """And as many run at once as there are cores for."""
    monkeypatch.setattr(device, "_turns", {})
    monkeypatch.setattr(device, "own_cores", lambda: 4)
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS")
    if setting:
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
    try:
        assert core.locked(torch.get_num_threads)() == threads
        (turns,) = device._turns.values()
        assert turns.free == 4 // threads
    finally:
        torch.set_num_threads(before)


def test_a_turn_counts_what_the_work_computes():
    """And not what it waits for a core that others have."""

    @core.placed_steps
    def two() -> Iterator[float]:
        def steps() -> Iterator[str]:
            for _ in range(2):
                start = time.thread_time()
                while time.thread_time() < start + 0.02:
                    pass
                time.sleep(0.2)
                yield "step"

        for _ in core.locked_steps(steps()):
            yield device._held.work.seconds

    first, second = two()
    assert 0.02 <= first < second < 0.2
