"""Checkpoints on disk: what is wrong with one is said by file and key, and saving never harms what was there."""

import dataclasses
import json
import math
import os
import resource
import shutil
import stat
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers import batch, build, family_named, having, others_slow, python

from genmodels import checkpoint, operations
from genmodels.models import pipeline
from genmodels.protocols import Classifies, Decodes, Encodes, HasLikelihood, Judges, Samples
from genmodels.registry import FAMILIES, get_family

MODEL = "vae"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small saved checkpoint."""
    data = {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}
    return checkpoint.save(build(MODEL), tmp_path / "model", data=data, training={"steps": 3})


def edit_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))


def edit_model_config(folder: Path, **changes: object) -> None:
    edit_config(folder, config=json.loads((folder / "config.json").read_text())["config"] | changes)


def edit_tensors(folder: Path, **changes: torch.Tensor | None) -> None:
    file = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(file) | {key.replace("__", "."): value for key, value in changes.items()}
    safetensors.torch.save_file({key: value for key, value in tensors.items() if value is not None}, file)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(source: str | Path, *words: str) -> None:
    """`load` raises ValueError, in one line that has all these words."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        checkpoint.load(source)
    message = str(caught.value)
    assert "\n" not in message.strip()
    for word in words:
        assert word in message, message


# -- finding -----------------------------------------------------------------------------------------------------------


def test_unknown_name_lists_what_exists():
    refused("vae-nonsense", "vae-nonsense", "bundled are", *checkpoint.bundled())


def test_missing_path(tmp_path):
    refused(tmp_path / "nothing", "no checkpoint", str(tmp_path / "nothing"), "config.json", *checkpoint.bundled())
    refused("./nothing", "no checkpoint", "./nothing")
    refused(tmp_path, "no checkpoint", str(tmp_path), "config.json")


def test_a_file_is_not_a_checkpoint(folder):
    refused(folder / "model.safetensors", "no checkpoint", "model.safetensors")


def test_what_is_put_among_the_bundled_models_is_there_at_once(tmp_path, monkeypatch):
    """Whether it was looked for before or not; of two of one name that of the later folder counts."""
    roots = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(checkpoint, "BUNDLED", roots)
    refused("one", "There is no model 'one'", "bundled are none")
    for root in roots:
        folder = checkpoint.save(build(MODEL), root / "one")
        assert checkpoint.find("one") == checkpoint.bundled()["one"] == folder
    checkpoint.save(build(MODEL), tmp_path)
    for name in ("..", ".", "", "../first/one"):
        assert checkpoint.bundled_folder(name) is None


def test_configs_are_read_again_once_they_have_changed(folder, monkeypatch):
    """One that broke is among the unreadable ones, until it is whole again; one that is asked for by itself is a copy."""
    monkeypatch.setattr(checkpoint, "BUNDLED", [folder.parent])
    monkeypatch.setattr(checkpoint, "LOOK", 0)
    values = checkpoint.configs()["model"]
    assert values["data"]["name"] == "bars"
    assert checkpoint.configs()["model"] is values, "not read a second time"
    checkpoint.read_config("model")["data"]["name"] = "scribbled over"
    assert checkpoint.configs()["model"]["data"]["name"] == "bars"
    edit_config(folder, data={"name": "other", "shape": [1, 8, 8], "classes": []})
    assert checkpoint.configs()["model"]["data"]["name"] == "other"
    whole = (folder / "config.json").read_text()
    (folder / "config.json").write_text("{")
    assert checkpoint.configs() == {}
    assert "config.json can't be read as JSON" in checkpoint.unreadable()["model"]
    (folder / "config.json").write_text(whole)
    assert checkpoint.unreadable() == {}
    assert checkpoint.configs()["model"]["data"]["name"] == "other"


def test_configs_are_looked_at_once_in_a_while_but_for_what_came_or_went(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", [folder.parent])
    monkeypatch.setattr(checkpoint, "LOOK", 60)
    assert checkpoint.configs()["model"]["data"]["name"] == "bars"
    looks = []
    monkeypatch.setattr(checkpoint, "_read_configs", lambda: looks.append(1) or {})
    assert list(checkpoint.configs()) == ["model"]
    assert not looks
    shutil.copytree(folder, folder.parent / "another")
    assert not checkpoint.configs()
    assert looks


def test_what_is_found_is_not_sought_elsewhere(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", [folder.parent])
    monkeypatch.setenv(checkpoint.OWN, str(folder.parent / "nowhere"))
    assert checkpoint.bundled_folder("model") == folder
    with pytest.raises(ValueError, match="which holds no checkpoint"):
        checkpoint.bundled_folder("another")


def test_a_checkpoint_is_read_once(folder):
    """And stays what it was: a value."""
    found = checkpoint.Checkpoint(folder)
    before = found.config, found.weights_hash
    edit_config(folder, family="gan")
    (folder / "model.safetensors").write_bytes(b"")
    assert (found.config, found.weights_hash) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.folder = folder.parent


# -- config.json -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", '"vae"', "{}"])
def test_corrupt_config(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, str(folder / "config.json"))


def test_config_that_is_not_text(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe\x00{")
    refused(folder, str(folder / "config.json"))


def test_foreign_config(folder):
    """The config.json of another library."""
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 768}))
    refused(folder, str(folder / "config.json"), "not the config of a genmodels checkpoint", "family")


@pytest.mark.parametrize("version", [2, ...])
def test_wrong_format(folder, version):
    edit_config(folder, format=version)
    refused(folder, str(folder / "config.json"), "format", "reads format 1")


@pytest.mark.parametrize("family", [7, ["vae"]])
def test_wrong_family(folder, family):
    edit_config(folder, family=family)
    refused(folder, str(folder / "config.json"))


def test_unknown_family_lists_the_families(folder):
    edit_config(folder, family="gpt")
    refused(folder, "'gpt'", "autoencoder", "vae")


@pytest.mark.parametrize(("key", "value"), [("config", ...), ("config", "text"), ("data", ...), ("data", [])])
def test_missing_part(folder, key, value):
    edit_config(folder, **{key: value})
    refused(folder, str(folder / "config.json"), f"{key!r}")


def test_unknown_key(folder):
    edit_model_config(folder, hidden_size=768)
    refused(folder, str(folder / "config.json"), "'hidden_size'", "latent_dim")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latent_dim", "8"), ("latent_dim", 8.0), ("latent_dim", True), ("beta", "1"), ("widths", [4]), ("widths", "48"),
        ("widths", [4, "8"]), ("image_shape", [1, 8]),
    ],
)  # fmt: skip
def test_wrong_type(folder, key, value):
    edit_model_config(folder, **{key: value})
    refused(folder, str(folder / "config.json"), f"{key!r}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latent_dim", -1), ("latent_dim", 10**15), ("latent_dim", 10**400), ("image_shape", [1, 9, 9]),
        ("beta", float("nan")), ("beta", float("inf")),
    ],
)  # fmt: skip
def test_impossible_value(folder, key, value):
    edit_model_config(folder, **{key: value})
    refused(folder, str(folder / "config.json"))


def test_config_of_another_size(folder):
    edit_model_config(folder, latent_dim=5)
    refused(folder, str(folder / "model.safetensors"), "key '", "shape")


# -- model.safetensors -------------------------------------------------------------------------------------------------


def test_missing_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, str(folder / "model.safetensors"))


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_truncated_weights(folder, share):
    file = folder / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(folder, str(file), "safetensors")


def test_weights_that_are_a_pickle(folder):
    torch.save({"weight": torch.zeros(1)}, folder / "model.safetensors")
    refused(folder, str(folder / "model.safetensors"), "safetensors")


def test_missing_key(folder):
    edit_tensors(folder, encoder__stem__bias=None)
    refused(folder, str(folder / "model.safetensors"), "'encoder.stem.bias'")


def test_surplus_key(folder):
    edit_tensors(folder, encoder__extra=torch.zeros(1))
    refused(folder, str(folder / "model.safetensors"), "'encoder.extra'")


def test_wrong_shape(folder):
    edit_tensors(folder, encoder__stem__bias=torch.zeros(5))
    refused(folder, str(folder / "model.safetensors"), "'encoder.stem.bias'", "[5]", "[4]")


def test_a_config_of_absurd_size_is_refused_before_it_takes_memory(folder):
    edit_model_config(folder, latent_dim=10**9)
    refused(folder, str(folder / "model.safetensors"), "shape")


def test_a_side_file_that_is_no_json_is_named(folder):
    (folder / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics\.json can't be read as JSON"):
        checkpoint.read_json(folder, "metrics.json")


def test_corrupt_calibration(folder):
    assert checkpoint.load_calibration(folder) == {}
    (folder / "calibration.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"calibration\.safetensors"):
        checkpoint.load_calibration(folder)


# -- saving ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_these_files(folder):
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors", "training.json"]
    values = json.loads((folder / "config.json").read_text())
    assert values["format"] == 1
    assert values["family"] == MODEL
    assert values["data"]["classes"] == ["up", "down", "middle"]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {0o644}, "others may read a checkpoint"


def test_saving_again_replaces_the_model_and_keeps_other_files(folder):
    (folder / "notes.txt").write_text("mine")
    other = build(MODEL, seed=1)
    checkpoint.save(other, folder, training={"steps": 4})
    x, labels = batch(other)
    assert torch.equal(checkpoint.load(folder).encode(x, labels), other.encode(x, labels))
    assert json.loads((folder / "training.json").read_text()) == {"steps": 4}
    assert (folder / "notes.txt").read_text() == "mine"


def test_saving_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"^\[Errno \d+\] Saving to .* failed: .*unchanged\.$"):
        checkpoint.save(build(MODEL), tmp_path / "file" / "model")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_saving_into_a_read_only_folder(folder):
    former = contents(folder)
    folder.chmod(0o555)
    try:
        with pytest.raises(OSError, match=r"Saving to .* failed: .*unchanged\.$"):
            checkpoint.save(build(MODEL, seed=1), folder)
    finally:
        folder.chmod(0o755)
    assert contents(folder) == former


@pytest.mark.parametrize("room", [0, 5000], ids=lambda room: f"{room} bytes left")
def test_a_full_disk_leaves_the_former_checkpoint(folder, room):
    """No file may grow beyond `room` bytes: writing stops in the first, or in the middle of the weights."""
    former = contents(folder)
    model = build(MODEL, seed=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match=r"Saving to .* failed: .*unchanged\.$") as caught:
            checkpoint.save(model, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert contents(folder) == former
    checkpoint.load(folder)


def test_a_really_full_disk(folder, tmp_path):
    """A file system of 64 kB, where the kernel lets us mount one in a namespace of our own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"""
import sys; sys.path[:0] = {[str(Path(__file__).parent)]!r}
from helpers import build
from genmodels import checkpoint
checkpoint.save(build("{MODEL}"), "{disk}/model")
former = {{f.name: f.read_bytes() for f in __import__("pathlib").Path("{disk}/model").iterdir()}}
try:
    checkpoint.save(build("{MODEL}", 1, latent_dim=64), "{disk}/model")
except OSError as error:
    assert former == {{f.name: f.read_bytes() for f in __import__("pathlib").Path("{disk}/model").iterdir()}}
    checkpoint.load("{disk}/model")
    print("refused:", error)
"""
    mount = f"mount -t tmpfs -o size=64k none {disk}"
    probe = python("-c", f"import os; os.execlp('unshare', 'unshare', '-rm', 'sh', '-c', '{mount}')")
    if probe.returncode:
        pytest.skip("this kernel lets nobody mount a file system here")
    (tmp_path / "script.py").write_text(script)
    command = f"{mount} && exec {sys.executable} {tmp_path}/script.py"
    result = python("-c", f"import os; os.execlp('unshare', 'unshare', '-rm', 'sh', '-c', {command!r})")
    assert result.stdout.startswith("refused:"), result.stderr
    assert "the disk is full" in result.stdout
    assert result.stdout.count("\n") == 1


# -- which weights exactly ---------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_weights(folder, tmp_path):
    first = checkpoint.weights_hash(folder)
    assert len(first) == 16
    assert int(first, 16) >= 0
    (folder / "README.md").write_text("other words")
    edit_config(folder, data={"name": "other", "shape": [1, 8, 8], "classes": []})
    assert checkpoint.weights_hash(folder) == first
    assert checkpoint.weights_hash(checkpoint.save(build(MODEL), tmp_path / "again")) == first
    assert checkpoint.weights_hash(checkpoint.save(build(MODEL, seed=1), tmp_path / "other")) != first


def test_weights_are_read_again_only_if_they_have_changed(folder, tmp_path, monkeypatch):
    first, read, seen = checkpoint.weights_hash(folder), Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(path.name) or read(path))
    assert checkpoint.weights_hash(folder) == first
    assert seen == []
    weights = folder / "model.safetensors"
    before = weights.stat()
    other = checkpoint.save(build(MODEL, seed=1), tmp_path / "other") / "model.safetensors"
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert other.stat().st_size == before.st_size
    os.replace(other, weights)  # as old and as large, and others
    assert checkpoint.weights_hash(folder) != first
    assert seen == ["model.safetensors"]


@having(Judges)
def test_a_critics_weights_count_too(family, tmp_path):
    """They lie in a file of their own, and its judgements are figures as well."""
    one, other = (checkpoint.save(build(family, seed), tmp_path / str(seed)) for seed in (0, 1))
    before = checkpoint.weights_hash(one)
    for module in type(checkpoint.load(one)).side_modules:
        (one / f"{module}.safetensors").write_bytes((other / f"{module}.safetensors").read_bytes())
    assert checkpoint.weights_hash(one) != before


# -- what is bundled ---------------------------------------------------------------------------------------------------

BUNDLED = sorted(checkpoint.bundled())


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_files(name):
    folder = checkpoint.bundled()[name]
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    family = get_family(checkpoint.read_config(name)["family"])
    assert set(files) <= set(checkpoint.files_of(family)), "only these files"
    if code := files.pop("pipeline.py", None):
        assert code.read_text() == Path(pipeline.__file__).read_text(), "the only code, and a copy of the library's own"
    assert {"config.json", "training.json", "metrics.json", "README.md"} <= set(files)
    assert set(checkpoint.weight_files(family)) & set(files)
    for file in files.values():
        assert file.stat().st_size < 10e6, f"{file.name}: beyond 10 MB a Hub repo needs large file storage"
    config = checkpoint.read_config(name)
    assert ("samples.png" in files) == (config["family"] in FAMILIES), "an instrument makes no pictures"
    assert config["data"]["shape"] == config["config"]["image_shape"]
    assert checkpoint.read_json(name, "metrics.json")["metrics"]
    training = checkpoint.read_json(name, "training.json")
    assert training["steps"] > 0
    assert training["images_per_s"] > 0
    card = files["README.md"].read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: mit\n")
    assert f"# {name}" in card


@pytest.mark.parametrize("name", others_slow(BUNDLED, family_named))
def test_bundled_models_work(name):
    model = checkpoint.load(name)
    x = torch.zeros(2, *model.image_shape)
    if isinstance(model, Samples):
        images = operations.sample(model, 4, seed=0)
        assert images.isfinite().all()
        assert images.std() > 0.05, "nothing but flat grey"
    if isinstance(model, Classifies):
        answers = model.classify(model.features(x))
        attributes = checkpoint.read_config(name)["data"]["attributes"]
        assert [answer.shape[1] for answer in answers] == [len(values) for values in attributes.values()]
        assert all(answer.isfinite().all() for answer in answers)
    if isinstance(model, Encodes) and isinstance(model, Decodes):
        assert operations.reconstruct(model, x).isfinite().all()
    calibration = checkpoint.load_calibration(name)
    if operations.compresses(model):
        scores = calibration["scores"]
        assert torch.equal(scores, scores.sort().values)
        assert scores.isfinite().all()
        assert calibration["codes"].shape[1] == math.prod(model.encode(x).shape[1:])
        assert len(calibration["codes"]) == len(calibration["labels"])
    elif isinstance(model, HasLikelihood):
        bits = calibration["bits_per_dim_test"]
        assert torch.equal(bits, bits.sort().values)
        assert bits[0] > 0
