"""What metadata.csv and metadata.jsonl say of a folder's pictures: captions, and classes where no folders do."""

import json
from pathlib import Path

import pytest
import torch
from helpers import build
from test_folders import TWO, both, classes, counts, left_out, put

from genmodels.data import load_dataset
from genmodels.folders import LeftOut


def say(file: Path, **columns: list) -> None:
    """A metadata file: what it says in every column, the paths first."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if file.suffix == ".jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    else:
        lines = [",".join(columns), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


every_kind = pytest.mark.parametrize("ending", ["csv", "jsonl"])


@every_kind
def test_metadata_keep_the_folders_classes(ending, tmp_path):
    """Whatever they say, for some pictures or all."""
    classes(tmp_path, "cat", "dog")
    files = [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(3)]
    say(tmp_path / f"metadata.{ending}", file_name=files, author=["me"] * 6, label=[1, 1, 1, 0, 0, 0])
    train, test = both(tmp_path, strict=True)
    assert counts(train, test) == TWO
    say(tmp_path / f"metadata.{ending}", file_name=files, label=["a", "b"] * 3)
    train = load_dataset(str(tmp_path))
    assert train.classes == ("cat", "dog")
    assert train.left_out == (
        LeftOut(f"metadata.{ending}", "its labels differ from the folders, which are the classes"),
    )


@pytest.mark.parametrize(("ending", "folder"), [("csv", ""), ("jsonl", "images/")], ids=str)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b", None], ("a", "b")),
        ([10, 2, 10, None], ("2", "10")),
        ([0, 1, 0, 1], ("0", "1")),
        ([1.0, 0.0, 1.0, None], ("0", "1")),
    ],
    ids=str,
)
def test_metadata_name_classes(ending, labels, names, folder, tmp_path):
    """As text or numbers, these in their order; a missing one is no class. One folder of pictures is no class of its own."""
    if ending == "csv":
        labels = [label if label is None else f"{label:g}" if isinstance(label, float) else label for label in labels]
    for i in range(5):
        put(tmp_path / f"{folder}{i}.png")
    say(tmp_path / f"metadata.{ending}", file_name=[f"{folder}{i}.png" for i in range(4)], label=labels)
    train = load_dataset(str(tmp_path), shape=(3, 8, 8))
    assert train.classes == names
    expected = [-1 if label is None else names.index(str(label).removesuffix(".0")) for label in labels]
    assert train.labels.tolist() == expected


@every_kind
def test_metadata_say_captions(ending, tmp_path):
    """Of pictures in the folder of the file and below it; without one, or with a null, nothing is said."""
    classes(tmp_path, "cat", "dog", n=3)
    say(tmp_path / f"metadata.{ending}", file_name=["cat/0.png", "cat\\1.png"], text=["a red square", None])
    say(tmp_path / f"dog/metadata.{ending}", file_name=["0.png", "./1.png"], text=["a blue one", "None"])
    captions = load_dataset(str(tmp_path), captions=True).captions
    assert captions == ("a red square", "", "", "a blue one", "")
    assert load_dataset(str(tmp_path), "test", captions=True).captions == ("",)
    assert load_dataset(str(tmp_path)).classes == ("cat", "dog")


def test_no_caption_is_no_condition():
    """A model that reads captions is told by "" what it is told when there is none."""
    model = build("diffusion", vocabulary=("a", "red", "square"))
    told, none = (model.condition(labels, 2, torch.device("cpu")) for labels in (model.tokenize(["", ""]), None))
    assert all(torch.equal(told[key], none[key]) for key in none)


def test_one_of_several_captions(tmp_path):
    for i in range(2):
        put(tmp_path / f"{i}.png")
    several = [f"caption {i}" for i in range(9)]
    say(tmp_path / "metadata.jsonl", file_name=["0.png", "1.png"], caption=[several, [None, "only one"]])
    drawn = {load_dataset(str(tmp_path), captions=True, seed=seed).captions[0] for seed in range(9)}
    assert drawn <= set(several)
    assert len(drawn) > 2
    assert load_dataset(str(tmp_path), "test", captions=True).captions == ("only one",)


def test_metadata_in_splits(tmp_path):
    """Of the class names, those of training count."""
    for split, labels in (("train", ["b", "a", "c"]), ("test", ["c", "d"])):
        for i in range(len(labels)):
            put(tmp_path / split / f"{i}.png")
        say(tmp_path / split / "metadata.csv", file_name=[f"{i}.png" for i in range(len(labels))], label=labels)
    train, test = both(tmp_path)
    assert train.classes == ("a", "b", "c")
    assert train.labels.tolist() == [1, 0, 2]
    assert test.labels.tolist() == [2]
    assert test.left_out == (LeftOut("test/1.png", "there is no class 'd' to train on"),)


def test_metadata_of_pictures_that_are_not_there(tmp_path):
    """The others are loaded; nothing outside the folder is."""
    put(tmp_path / "outside.png")
    for name in ("0.png", "cafe\u0301.png"):
        put(tmp_path / "in" / name)
    names = ["gone.png", "../outside.png", "caf\u00e9.png"]  # the accent in another spelling than the file's name
    say(tmp_path / "in/metadata.csv", file_name=names, text=["gone", "outside", "here"])
    train, test = both(tmp_path / "in", captions=False)
    assert len(train) + len(test) == 2
    assert left_out(train) == ["gone.png", "../outside.png"]
    assert load_dataset(str(tmp_path / "in"), "test", captions=True).captions == ("here",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metadata.csv", b"name,label\n0.png,a\n", r"metadata\.csv has a row without the column 'file_name'"),
        ("metadata.csv", b"file_name,text\n0.png,caf\xe9\n", r"metadata\.csv can't be read: 'utf-8'"),
        ("metadata.jsonl", b'{"file_name": "0.png"}\n{"file', r"metadata\.jsonl can't be read: line 2 is no JSON\."),
        ("metadata.jsonl", b'["0.png"]', r"metadata\.jsonl can't be read: line 1 is no JSON object"),
        ("metadata.jsonl", b'{"file_name": "0.png", "label": [1]}', r"the label \[1\] is neither a text nor a number"),
    ],
    ids=str,
)
def test_metadata_that_make_no_sense(name, content, message, tmp_path):
    put(tmp_path / "0.png")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_metadata_of_another_kind(tmp_path):
    classes(tmp_path, "cat", "dog")
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    (entry,) = load_dataset(str(tmp_path)).left_out
    assert entry == LeftOut("metadata.parquet", "only metadata.csv and metadata.jsonl are read")


def test_no_captions(tmp_path):
    for i in range(2):
        put(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="no column 'caption' or 'text', but image"):
        load_dataset(str(tmp_path), captions=True)
    say(tmp_path / "metadata.csv", file_name=["0.png", "1.png"], text=[None, None])
    with pytest.raises(ValueError, match="has no captions: its column 'caption' is empty"):
        load_dataset(str(tmp_path), captions=True)
