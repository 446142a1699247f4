"""The training loop: what it promises about schedules, about being stopped in any way, and about several processes."""

import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import python, tiny_images

from genmodels import checkpoint
from genmodels.data import Images
from genmodels.models.base import Model, TrainConfig, TrainingDiverged
from genmodels.registry import get_family
from genmodels.training.loop import train
from genmodels.training.optimization import learning_rate
from genmodels.training.record import read_rows, row_is_due

FAMILY = "vae"  # of those there are, the one whose objective draws the most random numbers
TIMING = ("seconds", "images_per_s")


def fresh(family: str = FAMILY, **config: object):
    """A tiny model with its own initial weights, the same every time."""
    cls = get_family(family)
    torch.manual_seed(0)
    return cls(dataclasses.replace(cls.Config.tiny(), **config))


def recipe(family: str = FAMILY, **changes: object) -> TrainConfig:
    return dataclasses.replace(get_family(family).recipe, **({"steps": 40, "batch_size": 4} | changes))


def losses(rows: list[dict]) -> list[dict]:
    """The rows without what the clock says."""
    return [{key: value for key, value in row.items() if key not in TIMING} for row in rows]


def run(folder: Path, model=None, **options: object) -> list[dict]:
    options = {"recipe": recipe(), "precision": "no", "log_every": 5, "save_steps": 10} | options
    return list(train(model or fresh(), tiny_images(10), folder=folder, **options))


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("state-*"))


# -- the schedule ------------------------------------------------------------------------------------------------------


def test_learning_rate_rises_and_falls():
    config = TrainConfig(learning_rate=1.0, final_learning_rate=0.1, warmup=0.2)
    rates = [learning_rate(config, i / 1000) for i in range(1001)]
    assert 0 < rates[0] < 0.01
    assert rates[100] == pytest.approx(0.5)
    assert max(rates) == rates[200] == pytest.approx(1.0)
    assert rates[600] == pytest.approx(0.55), "half way down the cosine"
    assert rates[1000] == pytest.approx(0.1)
    assert all(a < b for a, b in itertools.pairwise(rates[:201]))
    assert all(a > b for a, b in itertools.pairwise(rates[200:]))
    assert learning_rate(dataclasses.replace(config, warmup=0.0), 0.0) == 1.0


def test_rows_tell_the_run(tmp_path):
    rows = run(tmp_path)
    steps = [1, 2, *range(5, 41, 5)]
    assert [row["step"] for row in rows] == steps
    assert [row["progress"] for row in rows] == [step / 40 for step in steps]
    assert rows[-1]["epoch"] == 16.0
    expected = [learning_rate(recipe(), (step - 1) / 40) for step in steps]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected)
    assert read_rows(tmp_path) == rows
    assert {"state-00000040", "checkpoint", "metrics.jsonl", "samples.png"} == set(os.listdir(tmp_path))
    training = json.loads((tmp_path / "checkpoint/training.json").read_text())
    assert training["steps"] == 40
    assert training["final"]["loss"] == rows[-1]["loss"]
    assert training["recipe"]["learning_rate"] == recipe().learning_rate


def test_the_first_rows_come_soon_and_tell_the_same(tmp_path):
    """A row is the mean over the steps since the row before, whichever these are."""
    each = run(tmp_path / "each", log_every=1, recipe=recipe(steps=120), save_steps=None)
    rows = run(tmp_path / "few", log_every=50, recipe=recipe(steps=120), save_steps=None)
    assert [row["step"] for row in rows] == [1, 2, 5, 10, 20, 50, 100, 120]
    for before, row in zip([0, *(row["step"] for row in rows)], rows, strict=False):
        mean = sum(one["loss"] for one in each[before : row["step"]]) / (row["step"] - before)
        assert row["loss"] == pytest.approx(mean, rel=1e-6)
    assert [step for step in range(1, 1001) if row_is_due(step, 300)] == [1, 2, 5, 10, 20, 50, 100, 200, 300, 600, 900]


def test_a_run_can_be_saved_at_its_first_rows(tmp_path):
    """What a slow machine has done is not lost before the first usual row."""
    rows = train(fresh(), tiny_images(10), recipe(), folder=tmp_path, precision="no", save_minutes=0.0)
    assert [next(rows)["step"] for _ in range(4)] == [1, 2, 5, 10]
    assert states(tmp_path) == ["state-00000010"]


def until(step: int, rows: Iterator[dict]) -> None:
    """Leave a run after the row of this step."""
    for row in rows:
        if row["step"] == step:
            break
    rows.close()


def test_the_model_is_the_checkpoint(tmp_path):
    """After training the caller's model holds the averaged weights, those that are saved."""
    model = fresh()
    run(tmp_path, model)
    saved = checkpoint.load(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(saved[key], value) for key, value in model.state_dict().items())
    assert not model.training


def test_the_same_run_twice(tmp_path):
    """Whatever random numbers were drawn before it, by whom."""
    for name in "ab":
        model = fresh()
        torch.manual_seed(ord(name))
        run(tmp_path / name, model)
    assert losses(read_rows(tmp_path / "a")) == losses(read_rows(tmp_path / "b"))
    other = losses(run(tmp_path / "c", recipe=recipe(seed=1)))
    assert other != losses(read_rows(tmp_path / "a"))


def test_a_time_budget_ends_the_run(tmp_path):
    rows = run(tmp_path, recipe=recipe(steps=10**9, final_learning_rate=1e-5), minutes=0.02, save_steps=None)
    assert rows[-1]["progress"] == 1.0
    assert rows[-1]["seconds"] >= 1.2
    assert rows[-1]["step"] < 10**6
    assert rows[-1]["learning_rate"] < recipe().learning_rate, "the schedule fits the budget"
    assert checkpoint.load(tmp_path / "checkpoint")


def test_a_budget_of_cpu_time_is_that_of_steps(tmp_path):
    """What the caller does between two rows takes nothing from it, and a resumed run goes on counting."""
    options = {"recipe": recipe(steps=10**9), "cpu_minutes": 0.02, "precision": "no", "folder": tmp_path}
    stopped = list(train(fresh(), tiny_images(10), stop=lambda: True, **options))
    assert stopped == [], "asked before the first step"
    rows = train(fresh(), tiny_images(10), **options)
    for row in rows:
        busy_until = time.process_time() + 0.1
        while time.process_time() < busy_until:
            pass
        if row["progress"] > 0.3:
            rows.close()  # as a stop or a kill does; between two rows the state is saved
    before = json.loads(next(tmp_path.glob("state-*/run.json")).read_text())
    assert 0.3 <= before["cpu_seconds"] / 1.2 < 1
    assert before["cpu_seconds"] < before["seconds"] - 0.3
    *_, last = train(fresh(), tiny_images(10), resume=True, **options)
    assert last["progress"] == 1.0
    training = json.loads((tmp_path / "checkpoint/training.json").read_text())
    assert training["cpu_minutes"] == 0.02
    assert 1.2 <= training["cpu_seconds"] < 1.7
    assert last["step"] > before["step"]


def test_two_budgets_are_one_too_many(tmp_path):
    with pytest.raises(ValueError, match="not both"):
        run(tmp_path / "run", minutes=1, cpu_minutes=1)
    assert not (tmp_path / "run").exists()


def test_a_loaded_model_trains_on(tmp_path):
    """A loaded model's weights are frozen; training frees them, also where it first times the precision."""
    model = checkpoint.load(checkpoint.save(fresh(), tmp_path / "model"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = run(tmp_path / "run", model, precision="auto", recipe=recipe(steps=5))
    assert rows[-1]["step"] == 5
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_batch_larger_than_the_data(tmp_path):
    rows = run(tmp_path, recipe=recipe(steps=5, batch_size=999))
    assert rows[-1]["step"] == 5
    assert rows[-1]["epoch"] == 5.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiny_images(4, (3, 8, 8)), "images of shape .*1, 8, 8.*has .*3, 8, 8"),
        (Images("many", tiny_images().pixels, torch.arange(8), ()), "label 7, the model only 3 classes"),
        (Images("none", tiny_images().pixels[:0], torch.arange(0), ()), "'none' is empty"),
    ],
)
def test_data_that_do_not_fit(data, message):
    with pytest.raises(ValueError, match=message):
        train(fresh(), data, recipe(), precision="no")


def test_attributes_that_do_not_fit():
    """Only a referee learns attributes, and only those that it has heads for."""
    bars = tiny_images(8)
    data = Images("bars", bars.pixels, bars.labels.unsqueeze(1), bars.classes, {"class": ("up", "down", "middle")})
    with pytest.raises(ValueError, match="A vae learns from classes; the data set 'bars' was loaded with attributes"):
        train(fresh(), data, recipe())
    with pytest.raises(ValueError, match=r"attributes of \(5, 3\) values apart, the data set has {'class': 3}"):
        train(fresh("referee", attributes=(5, 3)), data, recipe())
    assert list(train(fresh("referee"), data, recipe(steps=1), precision="no"))


def test_two_precisions_in_one_process():
    """A notebook trains one model after another."""
    for precision in ("no", "bf16", "no"):
        rows = list(train(fresh(), tiny_images(4), recipe(steps=1), precision=precision))
        assert math.isfinite(rows[-1]["loss"])


# -- things that go wrong ----------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    run(tmp_path, recipe=recipe(steps=10))
    good = checkpoint.load(tmp_path / "checkpoint").state_dict()
    wild = recipe(learning_rate=1e30, final_learning_rate=1e30, warmup=0.0, max_grad_norm=0.0)
    with pytest.raises(TrainingDiverged, match=r"not finite at step \d+; the last good state is .*state-00000010"):
        run(tmp_path, recipe=wild, resume=True)
    assert states(tmp_path) == ["state-00000010"]
    kept = checkpoint.load(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(kept[key], value) for key, value in good.items())
    assert run(tmp_path, resume=True)[-1]["step"] == 40, "with a sane rate it goes on"


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """The loss of the step that ruins the weights is still finite; a save right after it must not replace the good one."""
    run(tmp_path, recipe=recipe(steps=10))
    wild = recipe(learning_rate=1e60, final_learning_rate=1e60, warmup=0.0, max_grad_norm=0.0)
    with pytest.raises(TrainingDiverged, match=r"weights are not finite at step 11; the last good .*state-00000010"):
        run(tmp_path, recipe=wild, resume=True, log_every=1, save_steps=1)
    weights = checkpoint.load(tmp_path / "checkpoint").state_dict()
    assert all(value.isfinite().all() for value in weights.values())
    assert run(tmp_path, resume=True)[-1]["step"] == 40


def test_a_layer_that_is_not_invertible_any_more_stops_the_run(tmp_path):
    """A flow refuses by itself, before the loss is known: the last good state is kept as after any divergence."""
    run(tmp_path, fresh("flow"), recipe=recipe("flow", steps=10))
    good = checkpoint.load(tmp_path / "checkpoint").state_dict()
    wild = recipe("flow", learning_rate=1e30, final_learning_rate=1e30, warmup=0.0)
    said = r"The Jacobian of the layer \w+ is not finite at step \d+; the last good state is .*state-00000010\.$"
    with pytest.raises(TrainingDiverged, match=said):
        run(tmp_path, fresh("flow"), recipe=wild, resume=True)
    assert states(tmp_path) == ["state-00000010"]
    kept = checkpoint.load(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(kept[key], value) for key, value in good.items())


FULL = """
import sys, resource
sys.path.insert(0, {tests!r})
import test_train
from genmodels.training.loop import train
options = dict(recipe=test_train.recipe(), folder={folder!r}, precision="no", log_every=5, save_steps=10, resume=True)
rows = train(test_train.fresh(), test_train.tiny_images(10), **options)
next(rows)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))  # libraries write files of their own when they are imported
try:
    list(rows)
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("room", [1000, 30_000], ids=lambda room: f"{room} bytes left")
def test_a_full_disk_keeps_the_last_good_state(tmp_path, room):
    run(tmp_path, recipe=recipe(steps=10))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    script = FULL.format(tests=str(Path(__file__).parent), folder=str(tmp_path), room=room)
    result = python("-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("refused: "), result.stdout
    assert result.stdout.count("\n") == 1
    assert "Saving to" in result.stdout
    assert "The last good state is kept." in result.stdout
    assert states(tmp_path) == ["state-00000010"]
    assert not [*tmp_path.glob(".s*")], "what was half written is gone"
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    rows = tmp_path / "metrics.jsonl"
    assert now.pop(rows).startswith(before.pop(rows))
    assert now == before
    assert run(tmp_path, resume=True)[-1]["step"] == 40


# -- several processes -------------------------------------------------------------------------------------------------

TOGETHER = """
import json, os, sys
sys.path.insert(0, {tests!r})
import torch, test_train
options = dict(recipe=test_train.recipe("autoencoder", steps=10), precision={precision!r}, resume=True)
model = test_train.fresh("autoencoder", max_noise=0.0, erase=0.0)
rows = test_train.run(test_train.Path({folder!r}), model, **options)
rank = os.environ["RANK"]
torch.save(dict(weights=model.state_dict(), rows=rows), {folder!r} + "/rank-" + rank)
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.parametrize(
    ("precision", "begun", "env"),
    [
        pytest.param("no", 0, {}, marks=pytest.mark.slow),
        ("bf16", 0, {"ACCELERATE_USE_CPU": "false"}),
        pytest.param("no", 5, {"ACCELERATE_MIXED_PRECISION": "bf16"}, marks=pytest.mark.slow),
        ("auto", 5, {"ACCELERATE_USE_CPU": "true"}),
    ],
    ids=str,
)
def test_two_processes_are_one(tmp_path, precision, begun, env):
    """Each with half of every batch: equal weights on both, the losses of one process with the whole batch.

    Whether the precision is timed or told, whether the run is new or goes on (from what one process began), and whatever
    the environment says.
    """

    def model() -> Model:
        return fresh("autoencoder", max_noise=0.0, erase=0.0)

    options = {"recipe": recipe("autoencoder", steps=10), "precision": "bf16" if precision == "bf16" else "no"}
    alone = run(tmp_path / "alone", whole := model(), **options)
    folder = tmp_path / "together"
    if begun:
        until(begun, train(model(), tiny_images(10), folder=folder, log_every=5, **options))
    values = {"tests": str(Path(__file__).parent), "folder": str(folder), "precision": precision}
    (tmp_path / "script.py").write_text(TOGETHER.format(**values))
    result = python(*TORCHRUN, tmp_path / "script.py", **{"ACCELERATE_USE_CPU": None} | env)
    assert result.returncode == 0, result.stderr[-3000:]
    ranks = [torch.load(folder / f"rank-{rank}") for rank in (0, 1)]
    near = {"atol": 1e-4} if options["precision"] == "no" else {"atol": 1e-2, "rtol": 1e-2}
    for key, value in ranks[0]["weights"].items():
        assert torch.equal(value, ranks[1]["weights"][key]), key
        assert torch.allclose(value, whole.state_dict()[key], **near), key
    expected = {row["step"]: row["loss"] for row in alone}
    assert ranks[0]["rows"][-1]["step"] == 10
    for first, second in zip(*(rank["rows"] for rank in ranks), strict=True):
        assert first["step"] > begun
        assert first["loss"] == second["loss"]
        assert first["loss"] == pytest.approx(expected[first["step"]], rel=0.05 if precision == "bf16" else 1e-5)
    training = json.loads((folder / "checkpoint/training.json").read_text())
    assert training["processes"] == 2
    assert training["precision"] == options["precision"]
    assert len(read_rows(folder)) == len({row["step"] for row in read_rows(folder)}), "one of them writes"


def test_the_command_in_two_processes(tmp_path, image_folder):
    """`torchrun -m genmodels train`: one run and one model, of which one process speaks; then the same with --resume."""
    out = tmp_path / "run"
    command = ("-m", "genmodels", "train", "autoencoder", "--data", image_folder, "--shape", "1,8,8", "--out", out)
    settings = ("latent_dim=4", "widths=[4,8]", "batch_size=4")
    for steps, more in ((2, ()), (4, ("--resume",))):
        launch = (*TORCHRUN, *command, "--precision", "no", *more, "--set", f"steps={steps}", *settings)
        result = python(*launch, ACCELERATE_USE_CPU=None)
        assert result.returncode == 0, result.stderr[-3000:]
        assert result.stdout.count("The model is in") == 1
        assert result.stderr.count(f"step {steps} loss") <= 2, "one bar, drawn again when it is closed"
        training = checkpoint.read_json(out / "checkpoint", "training.json")
        assert (training["processes"], training["steps"]) == (2, steps)
