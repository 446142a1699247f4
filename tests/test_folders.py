"""Folders of pictures as people have them: which pictures are found, in which classes and splits, what is left out."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import picture, tiny_images
from PIL import Image, features

from genmodels.data import Images, load_dataset
from genmodels.folders import LeftOut, summary


def colour(kind: str) -> tuple[int, int, int]:
    """The colour of a class: from its name, so that labels can be checked against the pixels."""
    value = sum(ord(sign) * 31**i for i, sign in enumerate(kind))
    return 40 + value % 200, 40 + value // 7 % 200, 40 + value // 49 % 200


def put(file: Path, kind: str = "", **how: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour(kind)).save(file, **how)


def classes(folder: Path, *kinds: str, n: int = 4, ending: str = "png") -> None:
    """n pictures of each class, in a folder of its own."""
    for kind in kinds:
        for i in range(n):
            put(folder / kind / f"{i}.{ending}", kind)


def both(folder: Path | str, **how: object) -> tuple[Images, Images]:
    train, test = (load_dataset(str(folder), split, (3, 8, 8), **how) for split in ("train", "test"))
    assert train.classes == test.classes
    return train, test


def counts(*parts: Images) -> dict[str, int]:
    """How many pictures each class has; they must have its colour, within what JPEG and AVIF lose."""
    for images in parts:
        for pixels, label in zip(images.pixels, images.labels, strict=True):
            assert np.abs(pixels[:, 4, 4].int().numpy() - colour(images.classes[label])).max() < 12
    return dict(Counter(images.classes[label] for images in parts for label in images.labels))


def left_out(images: Images) -> list[str]:
    return [entry.path for entry in images.left_out]


# -- classes -----------------------------------------------------------------------------------------------------------


def a_run(folder: Path) -> None:
    put(folder / "checkpoint/samples.png")
    put(folder / "samples.png")
    for name in ("config.json", "training.json"):
        (folder / "checkpoint" / name).write_text("{}")


def a_new_run(folder: Path) -> None:
    """Before its first checkpoint."""
    put(folder / "samples.png")
    (folder / "metrics.jsonl").write_text("")


def a_checkpoint(folder: Path) -> None:
    put(folder / "samples.png")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")


TWO = {"cat": 4, "dog": 4}
#: What a folder with the classes of the second column holds besides -> what is found in it, what is left out
CASES: dict[str, tuple[tuple[str, ...], Callable[[Path], object], dict[str, int], list[str]]] = {
    "nothing else": (("cat", "dog"), lambda f: None, TWO, []),
    "a class train": (("bus", "car", "train"), lambda f: None, {"bus": 4, "car": 4, "train": 4}, []),
    "a class test": (("cat", "dog", "test"), lambda f: None, {"cat": 4, "dog": 4, "test": 4}, []),
    "train and test beside a class": (
        ("bus", "test", "train"), lambda f: None, {"bus": 4, "test": 4, "train": 4}, [],
    ),
    "a file my test": (("cat", "dog"), lambda f: put(f / "cat/my test.png", "cat"), {"cat": 5, "dog": 4}, []),
    "a file train-3": (("cat", "dog"), lambda f: put(f / "cat/train-3.png", "cat"), {"cat": 5, "dog": 4}, []),
    "side files": (
        ("cat", "dog"), lambda f: [(f / name).write_text("x") for name in ("train.txt", "cat/test.json", "h.h5")], TWO, [],
    ),
    "a stray picture": (("cat", "dog"), lambda f: put(f / "cover.png"), TWO, ["cover.png"]),
    "folders in classes": (
        ("cat", "dog"),
        lambda f: [put(f / kind / "2021/test/a/0.png", kind) for kind in ("cat", "dog")],
        {"cat": 5, "dog": 5}, [],
    ),
    "an empty class": (("cat", "dog"), lambda f: (f / "emu").mkdir(), TWO, ["emu/"]),
    "a broken picture": (("cat", "dog"), lambda f: (f / "cat/a.png").write_bytes(b"\x89PNG\r\n"), TWO, ["cat/a.png"]),
    "a picture of telephones": (("cat", "dog"), lambda f: (f / "cat/a.HEIC").write_bytes(b"ftyp"), TWO, ["cat/a.HEIC"]),
    "a link to nowhere": (("cat", "dog"), lambda f: (f / "cat/a.png").symlink_to(f / "none"), TWO, ["cat/a.png"]),
    "a link to itself": (("cat", "dog"), lambda f: (f / "cat/a.png").symlink_to(f / "cat/a.png"), TWO, ["cat/a.png"]),
    "a pipe": (("cat", "dog"), lambda f: os.mkfifo(f / "cat/a.png"), TWO, ["cat/a.png"]),
    "a run": (("cat", "dog"), lambda f: a_run(f / "run"), TWO, ["run/"]),
    "a run in a class": (("cat", "dog"), lambda f: a_run(f / "cat/run"), TWO, ["cat/run/"]),
    "a run that began": (("cat", "dog"), lambda f: a_new_run(f / "run"), TWO, ["run/"]),
    "a checkpoint": (("cat", "dog"), lambda f: a_checkpoint(f / "mine"), TWO, ["mine/"]),
    "a hidden folder": (("cat", "dog"), lambda f: put(f / ".thumbnails/0.png"), TWO, [".thumbnails/"]),
    "a Mac's side files": (
        ("cat", "dog"), lambda f: [put(f / "__MACOSX/cat/0.png"), (f / "cat/._0.png").write_bytes(b"Mac")], TWO, ["__MACOSX/"],
    ),
    "a config of the user's": (("cat", "dog"), lambda f: (f / "cat/config.json").write_text("{}"), TWO, []),
    "a circle of links": (
        ("cat", "dog"), lambda f: (f / "cat/again").symlink_to(f), TWO, ["cat/again/"],
    ),
    "a name that is no text": (
        ("cat", "dog"), lambda f: put(f / os.fsdecode(b"cat/\xe9t\xe9.png")), TWO, [os.fsdecode(b"cat/\xe9t\xe9.png")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_found(case, tmp_path):
    kinds, add, expected, out = CASES[case]
    classes(tmp_path, *kinds)
    add(tmp_path)
    train, test = both(tmp_path)
    assert train.classes == tuple(expected)
    assert counts(train, test) == expected
    assert sorted({*left_out(train), *left_out(test)}) == out


def test_links_to_folders_are_followed(tmp_path):
    classes(tmp_path / "pictures", "cow", "dog")
    classes(tmp_path / "elsewhere", "cat")
    (tmp_path / "pictures/cat").symlink_to(tmp_path / "elsewhere/cat")
    assert counts(*both(tmp_path / "pictures")) == {"cat": 4, "cow": 4, "dog": 4}


@pytest.mark.parametrize(
    "name",
    [
        "pics [2023]",
        "a*b?",
        "zip::x",
        "my pictures ",
        "cafe\u0301",
        "100%25",
        "~",
        "train",
    ],
)
def test_every_spelling_of_a_folder(name, tmp_path, monkeypatch):
    """Names that are patterns elsewhere; relative, absolute, with a slash at the end: the same folder."""
    classes(tmp_path / "in" / name, "cat", "dog [1]")
    (tmp_path / "in" / name / "dog [1]/!::.png").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    first = load_dataset(str(tmp_path / "in" / name))
    for spelling in (f"{tmp_path}/in/{name}/", f"in/{name}", f"./in/{name}/", f"in/../in//{name}"):
        images = load_dataset(spelling)
        assert images.name == spelling
        assert torch.equal(images.pixels, first.pixels)
        assert images.classes == ("cat", "dog [1]")
        assert left_out(images) == ["dog [1]/!::.png"]


@pytest.mark.parametrize(
    "ending", ["png", "PNG", "jpg", "jpeg", "JPE", "jfif", "webp", "gif", "bmp", "tif", "tga", "avif"]
)
def test_every_format(ending, tmp_path):
    if ending == "avif" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    how = {"format": "JPEG"} if ending in ("jfif", "JPE") else {}
    for kind in ("cat", "dog"):
        for i in range(3):
            put(tmp_path / kind / f"{i}.{ending}", kind, **how)
    assert counts(*both(tmp_path)) == {"cat": 3, "dog": 3}


def test_the_ending_need_not_fit(tmp_path):
    """What a file holds decides, not its name."""
    classes(tmp_path, "cat", "dog")
    put(tmp_path / "cat/webp.jpg", "cat", format="WEBP")
    assert counts(*both(tmp_path)) == {"cat": 5, "dog": 4}


def test_no_program_is_run(tmp_path):
    """A PostScript file would be given to Ghostscript, whatever its ending says."""
    classes(tmp_path, "cat", "dog")
    put(tmp_path / "cat/a.eps", "cat")
    (tmp_path / "cat/a.eps").rename(tmp_path / "cat/a.png")
    assert load_dataset(str(tmp_path)).left_out == (LeftOut("cat/a.png", "no picture in a format that is known here"),)


# -- splits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val"), ("train", "validation"), ("Train", "Valid")])
def test_splits(names, tmp_path):
    classes(tmp_path / names[0], "cat", "dog")
    classes(tmp_path / names[1], "cat", "dog", n=2)
    a_run(tmp_path / "run")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/cat.xml").write_text("<cat/>")
    train, test = both(tmp_path)
    assert train.classes == ("cat", "dog")
    assert counts(train) == TWO
    assert counts(test) == {"cat": 2, "dog": 2}
    assert sorted(left_out(train)) == sorted(left_out(test)) == ["annotations/", "run/"]


def test_the_test_split_comes_before_validation(tmp_path):
    classes(tmp_path / "train", "cat", "dog")
    classes(tmp_path / "test", "cat", "dog", n=2)
    classes(tmp_path / "val", "cat", "dog", n=3)
    put(tmp_path / "cover.png")
    train, test = both(tmp_path)
    assert (len(train), len(test)) == (8, 4)
    assert left_out(train) == ["val/", "cover.png"]


def test_training_says_which_classes_there_are(tmp_path):
    """A class that only the test split has is left out; the numbers are those of training, whatever is missing."""
    classes(tmp_path / "train", "ant", "cat", "dog")
    classes(tmp_path / "test", "bee", "dog", n=2)
    put(tmp_path / "test/loose.png")
    train, test = both(tmp_path)
    assert train.classes == ("ant", "cat", "dog")
    assert counts(test) == {"dog": 2}
    assert test.left_out == (
        LeftOut("test/bee/", "there is no such class to train on"), LeftOut("test/loose.png", "in no class's folder"),
    )  # fmt: skip


@pytest.mark.parametrize("unlabelled", [True, False])
def test_a_test_split_of_no_use(tmp_path, unlabelled):
    """Without pictures, or without classes where training has some: a tenth of the training pictures serves."""
    classes(tmp_path / "train", "cat", "dog")
    (tmp_path / "test").mkdir()
    if unlabelled:
        put(tmp_path / "test/1.png")
    train, test = both(tmp_path)
    assert counts(train, test) == TWO
    assert left_out(train) == ["test/1.png" if unlabelled else "test/"]


def test_splits_without_classes(tmp_path):
    for split, n in (("train", 3), ("test", 2)):
        for i in range(n):
            put(tmp_path / split / f"{i}.png")
    train, test = both(tmp_path)
    assert (len(train), len(test)) == (3, 2)
    assert train.labels.tolist() == [-1] * 3


def test_nothing_to_train_on(tmp_path):
    put(tmp_path / "test/0.png")
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match=r"holds no images to train on; it leaves out train/ \(no pictures in it\)"):
        load_dataset(str(tmp_path))


def test_a_tenth_is_held_out(image_folder):
    train, test = (load_dataset(str(image_folder), split, (1, 8, 8)) for split in ("train", "test"))
    assert train.classes == test.classes == ("down", "up")
    assert train.name == str(image_folder)
    assert set(train.labels.tolist()) == set(test.labels.tolist()) == {0, 1}
    everything = tiny_images(20, classes=2).pixels
    seen = [{bytes(image.numpy()) for image in part.pixels} for part in (train, test)]
    assert len(seen[1]) == 2, "a tenth is held out"
    assert not seen[0] & seen[1], "what is tested on was trained on"
    assert seen[0] | seen[1] == {bytes(image.numpy()) for image in everything}
    for image, label in zip(train.pixels, train.labels, strict=True):
        assert (image[0, 0].float().mean() > 100) == (train.classes[label] == "up")


def test_a_damaged_picture_moves_no_other_to_another_split(image_folder):
    """Otherwise a run that goes on would train on what it is tested on."""
    before = [{bytes(image.numpy()) for image in part.pixels} for part in both(image_folder)]
    (image_folder / "down/03.png").write_bytes(b"damaged")
    after = [{bytes(image.numpy()) for image in part.pixels} for part in both(image_folder)]
    assert after[0] < before[0]
    assert after[1] == before[1]


def test_few_pictures_are_enough(tmp_path):
    """Even a folder of three has something to test on; one alone is trained and tested on."""
    for i in range(3):
        picture(i).save(tmp_path / f"{i}.png")
    assert [len(part) for part in both(tmp_path)] == [2, 1]
    (tmp_path / "2.png").write_bytes(b"damaged")
    train, test = both(tmp_path)
    assert [len(train), len(test)] == [2, 2], "without a sound picture to test on, there are those to train on"
    assert left_out(test) == ["2.png"]
    for i in range(2):
        (tmp_path / f"{i}.png").unlink()
    picture(0).save(tmp_path / "2.png")
    assert [len(part) for part in both(tmp_path)] == [1, 1]


def test_a_folder_of_mixed_pictures(tmp_path):
    """Any size, mode, file format and spelling of it; no sub-folders, so no classes."""
    picture(0, (8, 8), "L").save(tmp_path / "a.png")
    picture(1, (50, 30), "RGBA").save(tmp_path / "b.webp")
    picture(2, (30, 50), "CMYK").save(tmp_path / "c.JPG", "jpeg")
    picture(3, (10, 10), "L").convert("P").save(tmp_path / "d.gif")
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(tmp_path / "e.tiff")
    picture(5, (64, 64), "1").save(tmp_path / "f.bmp")
    (tmp_path / "notes.txt").write_text("not a picture")
    for split, n in (("train", 5), ("test", 1)):
        data = load_dataset(str(tmp_path), split)
        assert data.pixels.shape == (n, 3, 32, 32)
        assert data.classes == ()
        assert data.labels.tolist() == [-1] * n


# -- what is left out --------------------------------------------------------------------------------------------------


def test_strict(tmp_path):
    """It refuses what would be left out of pictures; folders that hold none of the data's are no matter."""
    classes(tmp_path, "cat", "dog")
    a_run(tmp_path / "run")
    assert len(load_dataset(str(tmp_path), strict=True)) == 7
    (tmp_path / "cat/bad.png").write_bytes(b"broken")
    put(tmp_path / "cover.png")
    with pytest.raises(
        ValueError, match=r"2 of the pictures of .* would be left out: cover\.png \(in .*cat/bad\.png \("
    ):
        load_dataset(str(tmp_path), strict=True)


def test_no_sound_picture(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "0.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"No picture of .* can be read: cat/0\.png \(.*dog/0\.png \(") as caught:
        load_dataset(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_an_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(ValueError, match=r"holds no images to train on\.$"):
        load_dataset(str(tmp_path))


def test_a_long_list_is_told_in_short():
    entries = [LeftOut(f"{i}.png", "broken") for i in range(7)]
    assert summary(entries[:2]) == "0.png (broken), 1.png (broken)"
    assert summary([LeftOut("a\nb\udce9.png", "broken")]) == "a?b?.png (broken)"
    assert summary(entries, 2) == "0.png (broken), 1.png (broken) and 5 more"
