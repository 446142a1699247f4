"""The measuring of speed, by a clock that the measured function itself moves on."""

import re
import time
from collections.abc import Callable
from types import SimpleNamespace

import psutil
import pytest
import torch
from helpers import build

from genmodels import bench, checkpoint, timing


class Clock:
    """Seconds that pass only while something runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0

    def running(self, *durations: float) -> Callable[[], None]:
        """A function whose i-th call takes durations[i] seconds, later ones as long as the last."""

        def run() -> None:
            self.now += durations[min(self.calls, len(durations) - 1)]
            self.calls += 1

        return run


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def test_the_median_leaves_the_warm_up_out(clock):
    assert timing.median_seconds(clock.running(0.9, 0.1, 0.5, 0.2), repeats=3) == pytest.approx(0.2)
    assert clock.calls == 4


def test_a_slow_run_is_cut_off(clock):
    """After PATIENCE no further repeat is begun; one after the warm-up there is always."""
    assert timing.median_seconds(clock.running(10.0)) == pytest.approx(10.0)
    assert clock.calls == 2
    clock.calls = 0
    timing.median_seconds(clock.running(1.0))
    assert clock.calls == 3
    clock.calls = 0
    timing.median_seconds(clock.running(0.001))
    assert clock.calls == timing.REPEATS + 1


def test_the_best_batch_is_the_fastest_per_image(clock):
    seconds = {32: 1.0, 64: 1.0, 128: 2.5, 256: 9.0}

    def run(n: int) -> None:
        clock.now += seconds[n]

    assert bench.best_batch(run, 0.001) == (64, pytest.approx(64))
    assert bench.best_batch(run, timing.PATIENCE / 50) == (32, pytest.approx(32)), "64 would take too long"


def test_a_very_slow_model_has_a_small_batch(clock):
    def run(n: int) -> None:
        clock.now += n

    assert bench.best_batch(run, 1.0) == (16, pytest.approx(1.0))


def test_the_table(tmp_path, monkeypatch):
    """A row for each thing that each model can do, and none for what makes no pictures."""
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "BATCHES", (16, 32))
    names = [str(checkpoint.save(build(family), tmp_path / family)) for family in ("vae", "autoencoder", "referee")]
    lines = list(bench.bench_table(names))
    head, rule, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert "thread" in lines[0], "how many threads is stated"
    assert head[:3] == ["model", "what", "first picture, ms"]
    assert len(rule) == len(head) == 7
    assert [row[:2] for row in rows] == [
        [names[0], "sample"], [names[0], "encode and decode"], [names[1], "encode and decode"],
    ]  # fmt: skip
    for row in rows:
        assert all(float(cell) > 0 for cell in row[2:6])
        assert row[6].split()[1] in ("(16)", "(32)")


def test_what_the_cache_saves(tmp_path, monkeypatch):
    """A model with a naive sampler has a row for it: the time of one pass for every level of a picture, and the ratio."""
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "BATCHES", (16,))
    name = str(checkpoint.save(build("pixelcnn"), tmp_path / "pixelcnn"))
    cached, naive, guided = list(bench.bench_table([name]))[-3:]
    assert guided.startswith(f"| {name} | sample with guidance |")
    assert naive.startswith(f"| {name} | sample without the cache | |")
    for fast, slow in zip(cached.split("|")[4:6], naive.split("|")[4:6], strict=True):
        assert float(fast) > 0
        assert re.fullmatch(r" \d+ \(\d+x\) ", slow)


@pytest.mark.parametrize(("own", "other"), [(1.0, "with"), (2.0, "without")])
def test_guidance_has_a_row_of_its_own(tmp_path, monkeypatch, own, other):
    """What the model does by itself, and the other way: a network's pass more per step takes its time."""
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "BATCHES", (16,))
    model, passes = build("diffusion", guidance_scale=own, num_inference_steps=1), []
    model.unet.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    monkeypatch.setattr(checkpoint, "load", lambda _: model)
    rows = list(bench.bench_table(["model"]))[-2:]
    assert [row.split("|")[2].strip() for row in rows] == ["sample", f"sample {other} guidance"]
    assert set(passes) >= {16, 32}
    assert passes[-1] == (32 if other == "with" else 16)


def test_naive_sampling_is_timed_by_its_first_passes(clock):
    class Naive(torch.nn.Linear):
        image_shape, num_classes = (1, 4, 5), 2

        def sample_naively(self, labels, *, generators):
            assert labels.tolist() == [0, 1, 0]
            while True:
                clock.now += 0.5 * len(generators)
                yield None

    assert bench.naive_seconds(Naive(1, 1), 3) == pytest.approx(20 * 1.5)


def test_neighbours_are_busy_and_leave():
    """Two processes that keep computing while the block runs, and none after it."""
    with timing.busy_neighbours():
        first = [child.cpu_times().user for child in _children()]
        time.sleep(0.5)
        later = [child.cpu_times().user for child in _children()]
    assert len(first) == 2
    assert all(b > a for a, b in zip(first, later, strict=True))
    assert not _children()


def _children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "numpy.ones" in " ".join(p.cmdline())]
