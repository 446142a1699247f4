"""Samples as a data set: what others read back, what a kill leaves, what is refused."""

import base64
import io
import itertools
import json
import zipfile
from pathlib import Path

import datasets
import pytest
import torch
from helpers import build

from genmodels import checkpoint, image_folder, operations
from genmodels.__main__ import main
from genmodels.data import load_dataset, read_pixels, to_uint8
from genmodels.image_folder import Collection, Order
from genmodels.tabs import page
from genmodels.wrappers import data_sets

NAMES = ["up", "down", "a/b: c"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The folder of a small saved VAE with three classes, the last of which no system takes as a folder's name."""
    data = {"name": "bars", "shape": [1, 8, 8], "classes": NAMES}
    return str(checkpoint.save(build("vae"), tmp_path / "model", data=data))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def collection(model: str, n: int = 40, **order: object) -> Collection:
    return Collection(Order(model, n, **order), checkpoint.load(model, device="cpu"))


def test_others_read_it_back(model, tmp_path, capsys):
    out = tmp_path / "made"
    assert main(["sample", model, "--n", "40", "--seed", "3", "--out", f"{out}/"]) == 0
    expected = to_uint8(operations.sample(checkpoint.load(model), 40, seed=3))
    for i in (0, 31, 32, 39):
        file = out / ("up", "down", "a_b_ c")[i % 3] / f"{i:05d}.png"
        assert torch.equal(torch.from_numpy(read_pixels(file, (1, 8, 8))), expected[i])
    train, test = (load_dataset(str(out), split, (1, 8, 8)) for split in ("train", "test"))
    assert len(train) + len(test) == 40
    assert sorted(train.classes) == ["a_b_ c", "down", "up"]
    assert not train.left_out
    table = datasets.load_dataset("imagefolder", data_dir=str(out), split="train")
    assert {row["label"] for row in table.select_columns("label")} == set(NAMES)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["weights"] == checkpoint.weights_hash(model)
    assert manifest["command"].endswith("--n 40 --seed 3 --out FOLDER")
    assert str(tmp_path) not in json.dumps(manifest | {"command": ""}), "but in the command no path of this computer"


@pytest.mark.parametrize("options", [["--labels", "none"], ["--label", "1"]])
def test_without_classes_or_of_one(model, tmp_path, options):
    out = tmp_path / "made"
    assert main(["sample", model, "--n", "20", *options, "--out", str(out)]) == 0
    made = load_dataset(str(out), shape=(1, 8, 8))
    assert made.classes == (() if "none" in options else ("down",))
    assert len(made) == 18


def test_stopped_it_goes_on(model, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "made"
    image_folder.write(collection(model), whole)

    def stop(done: int) -> None:
        if done:
            (tmp_path / ".made.unfinished" / "up" / "00036.part").write_bytes(b"half a picture")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image_folder.write(collection(model), out, stop)
    assert not out.exists()
    drawn, draw = [], Collection.draw
    monkeypatch.setattr(Collection, "draw", lambda self, i: drawn.extend(i) or draw(self, i))
    image_folder.write(collection(model), out)
    assert drawn == list(range(32, 40)), "what is there isn't drawn again"
    assert contents(out) == contents(whole)
    assert not list(tmp_path.glob(".made*"))


def test_refusals(model, tmp_path):
    out = tmp_path / "made"
    with pytest.raises(ValueError, match="1 to 100000 pictures, not 0"):
        Order(model, 0)
    with pytest.raises(ValueError, match="no class 3; the classes are 0 to 2"):
        collection(model, label=3)
    out.write_text("a file")
    with pytest.raises(ValueError, match="is there already, and no folder"):
        image_folder.write(collection(model), out)
    out.unlink()
    out.mkdir()
    (out / "mine.png").write_bytes(b"")
    with pytest.raises(ValueError, match="is not empty"):
        image_folder.write(collection(model), out)
    (out / "mine.png").unlink()
    with pytest.raises(KeyboardInterrupt):
        image_folder.write(collection(model), out, lambda done: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(ValueError, match="unfinished data set of other settings"):
        image_folder.write(collection(model, seed=1), out)


# -- with the bundled models -------------------------------------------------------------------------------------------

needs_models = pytest.mark.skipif("gan-heroes" not in checkpoint.bundled(), reason="no bundled models")


@needs_models
@pytest.mark.parametrize("name", ["gan-heroes", "diffusion-heroes-text"])
def test_heroes_have_captions(name, tmp_path):
    """Told to the model or read from the picture: they name the class, and a model of captions can be trained on them."""
    assert main(
        ["sample", name, "--n", "4", "--seed", "1", "--set", "truncation_psi=0.7", "--out", str(tmp_path / "a")]
    ) == (0 if name == "gan-heroes" else 2)
    assert main(["sample", name, "--n", "4", "--seed", "1", "--out", str(tmp_path / "b")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "b" / "metadata.jsonl").read_text().splitlines()]
    assert all(f" {row['label']}" in row["text"] for row in rows)
    assert len({row["text"] for row in rows}) == 4
    made = load_dataset(str(tmp_path / "b"), captions=True)
    assert set(made.captions) <= {row["text"] for row in rows}


@needs_models
def test_as_a_section():
    section = page.sections()["compare.dataset"]
    answers = list(section.answer(section.parse({"model": "gan-heroes", "n": 33, "seed": 5, "label": "elf"})))
    drawn = [int(answer["progress"].removesuffix(" of 33 drawn")) for answer in answers[:-1]]
    assert drawn[0] == data_sets.FEW, "soon something is there, however slow the model is"
    assert all(a < b <= a + image_folder.BATCH for a, b in itertools.pairwise(drawn))
    assert drawn[-1] == 33
    last = answers[-1]
    assert last["done"]
    assert last["pictures"]["shape"] == [data_sets.PREVIEW, 3, 32, 32]
    assert "It helps where" in last["words"]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(last["file"]["bytes"]))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        rows = [json.loads(line) for line in archive.read("metadata.jsonl").decode().splitlines()]
        manifest = json.loads(archive.read("manifest.json"))
        first = torch.from_numpy(read_pixels(io.BytesIO(archive.read("elf/00000.png")), (3, 32, 32)))
    assert names[-2:] == ["metadata.jsonl", "manifest.json"]
    assert [row["file_name"] for row in rows] == names[:-2]
    assert (manifest["label"], manifest["seed"]) == (6, 5)
    model = checkpoint.load("gan-heroes", device="cpu")
    assert torch.equal(first, to_uint8(operations.sample(model, 1, seed=5, label=6))[0])


@pytest.mark.parametrize(("family", "steps"), [("pixelcnn", 8), ("vae", 1)])
def test_between_the_steps_of_a_picture_others_have_their_turns(tmp_path, family: str, steps: int):
    """Row by row, of one that writes so; and the pictures are those of one go."""
    folder = checkpoint.save(
        build(family), tmp_path / "model", data={"name": "bars", "shape": [1, 8, 8], "classes": NAMES}
    )
    filled = collection(str(folder), n=4)
    *before, (done, pixels) = data_sets._filled(image_folder.Zip(filled), 4)
    assert before == [(0, None)] * steps
    assert done == 4
    assert torch.equal(pixels, filled.draw(range(4)))
    assert torch.equal(pixels, to_uint8(operations.sample(filled.model, 4)))


@needs_models
def test_who_leaves_is_noticed_at_the_next_step():
    """And not when a whole batch is drawn: there is an answer after each row of a PixelCNN."""
    section = page.sections()["compare.dataset"]
    answers = section.answer(section.parse({"model": "pixelcnn-mnist", "n": 4}))
    assert [next(answers)["progress"] for _ in range(28)] == ["0 of 4 drawn"] * 28
    assert next(answers)["progress"] == "4 of 4 drawn"
    answers.close()


@needs_models
def test_more_than_a_zip_holds_is_refused():
    with pytest.raises(ValueError, match="must be a whole number from 1 to 500, not 501"):
        page.sections()["compare.dataset"].parse({"n": 501})
