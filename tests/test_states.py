"""A run that was stopped in any way goes on as if nothing had happened, from a whole state, or says why it can't."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import python, tiny_images
from test_train import fresh, losses, recipe, run, states, until

from genmodels import checkpoint
from genmodels.data import Images
from genmodels.training.loop import train
from genmodels.training.record import read_rows


def test_stopped_and_resumed(tmp_path):
    """`stop` in the middle of a window: the rows from the next whole window on are those of an uninterrupted run."""
    whole = run(tmp_path / "whole")
    steps = iter(range(100))
    first = run(tmp_path / "parts", stop=lambda: next(steps) >= 17)
    assert first[-1]["step"] == 17
    assert states(tmp_path / "parts") == ["state-00000017"]
    second = run(tmp_path / "parts", resume=True)
    assert [row["step"] for row in second] == [20, 25, 30, 35, 40]
    assert losses(second)[1:] == losses(whole)[6:]
    assert read_rows(tmp_path / "parts") == first + second
    models = [checkpoint.load(tmp_path / part / "checkpoint").state_dict() for part in ("whole", "parts")]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


def test_a_consumer_that_leaves(tmp_path):
    """Breaking out of the loop over the rows saves what was done."""
    until(10, train(fresh(), tiny_images(10), recipe(), folder=tmp_path, precision="no", log_every=5))
    assert states(tmp_path) == ["state-00000010"]
    assert run(tmp_path, resume=True)[0]["step"] == 15


def test_resuming_what_is_finished(tmp_path):
    whole = run(tmp_path)
    model = fresh()
    assert run(tmp_path, model, resume=True) == []
    assert read_rows(tmp_path) == whole
    saved = checkpoint.load(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(saved[key], value) for key, value in model.state_dict().items())


def test_resuming_what_was_never_begun(tmp_path):
    assert run(tmp_path, resume=True)[-1]["step"] == 40


def test_no_run_is_overwritten_or_mixed(tmp_path):
    run(tmp_path)
    before = read_rows(tmp_path)
    with pytest.raises(ValueError, match="holds a run at step 40: go on with --resume"):
        run(tmp_path)
    with pytest.raises(ValueError, match=r"has latent_dim 4, not 6; resume it with the same\.$"):
        run(tmp_path, fresh(latent_dim=6), resume=True)
    with pytest.raises(ValueError, match="has family 'vae', not 'autoencoder'"):
        run(tmp_path, fresh("autoencoder"), recipe=recipe("autoencoder"), resume=True)
    assert read_rows(tmp_path) == before


# -- the same run or another -------------------------------------------------------------------------------------------


def other_classes(*names: str, spots: int = 3) -> Images:
    images = tiny_images(10, classes=spots)
    return Images(images.name, images.pixels, images.labels, names)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("above", "down", "middle"), "above, down, middle"),
        (("up", "down", "middle", "left"), "up, down, middle, left"),
    ],
    ids=["renamed", "added"],
)
def test_other_classes_are_another_run(tmp_path, names, told):
    """Also where the model and the pictures are the same: what it calls by the old names would be called by the new."""
    run(tmp_path, recipe=recipe(steps=10))
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = rf"has learnt the classes up, down, middle; the data set 'bars' has {told}\.$"
    with pytest.raises(ValueError, match=said):
        train(fresh(num_classes=len(names)), other_classes(*names), recipe(), folder=tmp_path, resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


def placed(folder: Path | str, count: int = 10) -> Images:
    images = tiny_images(count)
    return Images(str(folder), images.pixels, images.labels, images.classes)


def test_a_folder_by_any_spelling_is_the_same(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    options = {"folder": tmp_path / "run", "precision": "no", "resume": True}
    for i, name in enumerate(
        [folder, "pictures", "pictures/", "./pictures", "../" + tmp_path.name + "/pictures", "link"]
    ):
        rows = list(train(fresh(), placed(name, 10 + i), recipe(steps=i + 1), **options))
        assert [row["step"] for row in rows] == [i + 1], "pictures that came to a folder don't make it another"


def test_a_folder_that_moved_is_known_by_its_pictures(tmp_path):
    options = {"folder": tmp_path / "run", "precision": "no", "resume": True}
    list(train(fresh(), placed("/old/place"), recipe(steps=1), **options))
    with pytest.raises(
        ValueError, match="has data '/old/place', and '/new/place' holds other pictures; resume it with"
    ):
        train(fresh(), placed("/new/place", 11), recipe(steps=2), **options)
    assert list(train(fresh(), placed("/new/place"), recipe(steps=2), **options))[-1]["step"] == 2
    assert json.loads((tmp_path / "run/data.json").read_text()) == {"place": "/new/place"}


def test_a_state_of_an_older_version_goes_on(tmp_path):
    """It tells neither classes nor digests, nor settings that there are since; what it doesn't tell was as it is by default."""
    run(tmp_path, recipe=recipe(steps=10))
    file = tmp_path / "state-00000010/run.json"
    values = json.loads(file.read_text())
    del values["config"]["temperature"]
    file.write_text(
        json.dumps({key: values[key] for key in ("step", "seconds", "precision", "family", "config", "data")})
    )
    other = Images("others", *(getattr(tiny_images(10), key) for key in ("pixels", "labels", "classes")))
    with pytest.raises(ValueError, match="has data 'bars', and 'others' holds other pictures"):
        train(fresh(), other, recipe(), folder=tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"has temperature 1.0, not 0.5; resume it with the same\.$"):
        run(tmp_path, fresh(temperature=0.5), resume=True)
    assert run(tmp_path, resume=True)[-1]["step"] == 40


# -- damaged states ----------------------------------------------------------------------------------------------------

STATE_FILES = ("model.safetensors", "optimizer.bin", "custom_checkpoint_0.pkl", "random_states_0.pkl", "run.json")


def damage(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    else:
        whole = file.read_bytes()
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "zeros": bytes(len(whole))}[how])


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "cut") for name in STATE_FILES), *(("run.json", how) for how in ("empty", "zeros", "missing"))],
)
def test_a_damaged_state_is_named(tmp_path, name, how):
    """What a full disk, a power cut or a copy that broke off leaves: one sentence, and nothing is changed."""
    run(tmp_path, recipe=recipe(steps=10))
    damage(tmp_path / "state-00000010" / name, how)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = rf"state-00000010/{name} is .*, and no older state of the run is whole: train in another folder, "
    with pytest.raises(ValueError, match=said + rf"with --start {tmp_path}/checkpoint to keep what was learnt\.$"):
        run(tmp_path, resume=True)
    with pytest.raises(ValueError, match="holds a run at step 10"):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize("name", ["model.safetensors", "run.json"])
def test_an_older_whole_state_is_used(tmp_path, caplog, name):
    """Killed before the former state was removed, the newer one damaged since: the run is that of an uninterrupted one."""
    whole = run(tmp_path / "whole")
    folder = tmp_path / "parts"
    options = {"folder": folder, "precision": "no", "log_every": 5}
    until(10, train(fresh(), tiny_images(10), recipe(), **options))
    shutil.copytree(folder / "state-00000010", tmp_path / "older")
    until(20, train(fresh(), tiny_images(10), recipe(), resume=True, **options))
    shutil.move(tmp_path / "older", folder / "state-00000010")
    damage(folder / "state-00000020" / name, "cut")
    run(folder, resume=True)
    assert f"state-00000020/{name} is" in caplog.text
    assert f"going on from the older state {folder}/state-00000010" in caplog.text
    assert losses(read_rows(folder)) == losses(whole)
    models = [checkpoint.load(part / "checkpoint").state_dict() for part in (tmp_path / "whole", folder)]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


def test_a_state_is_on_the_disk_before_the_former_one_goes(tmp_path, monkeypatch):
    """A power cut may come at any moment; what the operating system only holds in memory would be gone."""
    safe: set[str] = set()
    fsync, rmtree = os.fsync, shutil.rmtree

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        safe.add(os.readlink(f"/proc/self/fd/{descriptor}"))

    def checking(path: Path, **options: object) -> None:
        if Path(path).name == "state-00000010":
            written = {str(tmp_path / ".state-00000020" / name) for name in os.listdir(tmp_path / "state-00000020")}
            weights = [name for name in safe if name.endswith("model.safetensors") and ".saving-" in name]
            assert safe >= written | {str(tmp_path / ".state-00000020"), str(tmp_path)}
            assert len(weights) == 2, "so are those of both checkpoints"
            safe.add("the former one went")
        rmtree(path, **options)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(shutil, "rmtree", checking)
    run(tmp_path, recipe=recipe(steps=20))
    assert "the former one went" in safe


# -- killed and interrupted --------------------------------------------------------------------------------------------

KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
import test_train
from genmodels.training.loop import train
options = dict(recipe=test_train.recipe(), folder={folder!r}, precision="no", log_every=5, save_steps=10, resume=True)
for row in train(test_train.fresh(), test_train.tiny_images(10), **options):
    print(row["step"], flush=True)
    time.sleep(0.3)
"""


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)


def test_killed_at_any_moment_and_resumed(tmp_path, start):
    """kill -9 between two saves, then in the middle of a save: the loss rows are those of an uninterrupted run."""
    whole = run(tmp_path / "whole")
    folder = tmp_path / "killed"
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))

    process = start("-c", script)
    wait_for(lambda: len(read_rows(folder)) >= 5, process)  # 15 steps, of which 10 are saved
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert states(folder) == ["state-00000010"]

    process = start("-c", script)
    wait_for(lambda: [*folder.glob(".state-*")], process)  # it is saving, now
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert states(folder)[0] == "state-00000010"

    assert run(folder, resume=True)[-1]["step"] == 40
    assert losses(read_rows(folder)) == losses(whole)
    models = [checkpoint.load(part / "checkpoint").state_dict() for part in (tmp_path / "whole", folder)]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])
    assert not [*folder.glob(".s*")], "half-written states are cleared away"


def test_ctrl_c_saves_and_resume_goes_on(tmp_path, image_folder, start):
    """The command line: Ctrl-C ends it with code 130 and a state; --resume goes on to the end and completes the model."""
    out = tmp_path / "run"
    settings = ("latent_dim=4", "widths=[4,8]", "batch_size=4", "warmup=0.1")
    command = ("-m", "genmodels", "train", "autoencoder", "--data", image_folder, "--shape", "1,8,8", "--out", out)
    process = start(*command, "--precision", "no", "--set", "steps=100000", *settings)
    wait_for(lambda: len(read_rows(out)) >= 2, process)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 130, output
    assert "Stopped; go on with: python -m genmodels train autoencoder" in output
    assert "Traceback" not in output
    (state,) = states(out)
    step = int(state.removeprefix("state-"))
    rows = read_rows(out)
    assert rows[-1]["step"] == step

    result = python(*command, "--resume", "--set", f"steps={step + 100}", *settings)
    assert result.returncode == 0, result.stderr
    assert read_rows(out)[: len(rows)] == rows
    assert read_rows(out)[-1]["step"] == step + 100
    files = {"config.json", "model.safetensors", "calibration.safetensors", "training.json", "README.md", "samples.png"}
    assert set(os.listdir(out / "checkpoint")) == files
    assert checkpoint.read_config(out / "checkpoint")["data"]["classes"] == ["down", "up"]
