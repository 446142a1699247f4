"""What leaves the computer with a checkpoint: which files, in whose name, and no path."""

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import build, family_named, one_of_a_kind

from genmodels import checkpoint, places
from genmodels.__main__ import main
from genmodels.card import write_card
from genmodels.publish import to_upload
from genmodels.registry import FAMILIES
from genmodels.wrappers import core

TINY = ("steps=1", "batch_size=4", "latent_dim=4", "widths=[4,8]")


def run(*arguments: object) -> None:
    assert main([str(a) for a in arguments]) == 0


def train(data: object, out: Path, *more: object) -> Path:
    """The checkpoint of a tiny autoencoder that has learnt from a folder."""
    options = ("--shape", "1,8,8", "--precision", "no", *more)
    run("train", "autoencoder", "--data", data, "--out", out, *options, "--set", *TINY)
    return out / "checkpoint"


def texts(folder: Path) -> dict[str, str]:
    files = [*folder.rglob("*.json"), *folder.rglob("*.md"), *folder.rglob("*.py")]
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in files}


def reconstruction(folder: Path) -> dict:
    """What metrics.json says of it: a figure, or why there is none."""
    values = checkpoint.read_json(folder, "metrics.json")
    return values["metrics"].get("reconstruction_psnr", values["failed"].get("reconstruction"))


# -- a model of one's own pictures -------------------------------------------------------------------------------------


def test_no_text_of_a_checkpoint_has_a_path_in_it(image_folder, tmp_path):
    """Neither that of the pictures, nor that of the checkpoint it went on from, nor in what could not be measured."""
    first = train(image_folder, tmp_path / "first")
    second = train(image_folder, tmp_path / "second", "--start", first)
    third = train(image_folder, tmp_path / "third", "--start", second)
    (image_folder / "up" / "00.png").unlink()
    shutil.move(image_folder, tmp_path / "elsewhere")
    run("evaluate", third, "--n", 8)
    written = texts(third)
    assert {"config.json", "training.json", "metrics.json", "README.md"} <= written.keys()
    assert not [name for name, text in written.items() if str(tmp_path) in text or places.PATH.search(text)]
    assert checkpoint.read_config(third)["data"]["name"] == "pictures"
    account = checkpoint.read_json(third, "training.json")
    assert (account["start"], account["before"]["start"]) == ("second", "first")
    assert "went on from `second`" in written["README.md"]


def test_its_data_are_found_without_naming_them(image_folder, tmp_path, monkeypatch):
    """In any working folder, however they were called in training."""
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(image_folder)
    for i, name in enumerate(["pictures", "./pictures/", image_folder, link]):
        folder = train(name, tmp_path / "runs" / str(i))
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir("/")
            run("evaluate", folder, "--n", 8)
        assert reconstruction(folder)["n"] == 2, name
        assert checkpoint.read_config(folder)["data"]["name"] == ("link" if name == link else "pictures")


def test_another_folder_of_the_same_name_is_not_taken_for_its_data(image_folder, tmp_path, monkeypatch):
    """A checkpoint that comes from elsewhere: its data must be named."""
    folder = tmp_path / "downloads" / "model"
    shutil.copytree(train(image_folder, tmp_path / "run"), folder)
    monkeypatch.chdir(tmp_path)
    run("evaluate", folder, "--n", 8)
    assert reconstruction(folder) == (
        "The pictures that model was trained on (folder 'pictures') are not here: name them with --data (data=…)."
    )
    run("evaluate", folder, "--n", 8, "--data", "pictures")
    assert reconstruction(folder)["n"] == 2


def test_data_that_are_named_in_vain_are_refused_at_once(image_folder, tmp_path, capsys):
    folder = train(image_folder, tmp_path / "run")
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--data", str(tmp_path / "nothing")]) == 2
    assert f"There is no data set '{tmp_path / 'nothing'}'" in capsys.readouterr().err
    assert not (folder / "metrics.json").exists()


def test_a_folder_called_like_a_known_data_set_is_told_apart(image_folder, tmp_path):
    mine = tmp_path / "mnist"
    shutil.move(image_folder, mine)
    folder = train(mine, tmp_path / "run")
    assert checkpoint.read_config(folder)["data"]["name"] == "mnist (folder)"
    card = (folder / "README.md").read_text()
    assert "ylecun/mnist" not in card
    assert "license: mit" not in card
    run("evaluate", folder, "--n", 8)
    assert reconstruction(folder)["n"] == 2


def test_its_owner_chooses_the_licence(image_folder, tmp_path):
    """The card claims none; the line that its owner adds stays when the card is made anew."""
    folder = train(image_folder, tmp_path / "run")
    card = folder / "README.md"
    assert card.read_text().startswith("---\nlibrary_name: genmodels\n")
    assert "Whoever trained it chooses one" in card.read_text()
    chosen = card.read_text().replace("---\n", "---\nlicense: cc-by-4.0\n", 1)
    card.write_text(chosen)
    write_card(folder)
    assert card.read_text() == chosen


def test_all_that_its_owner_says_of_the_licence_stays(image_folder, tmp_path):
    """The Hub asks for a name and a link where the licence is none that it knows; a list of licences is one, too."""
    folder = train(image_folder, tmp_path / "run")
    card = folder / "README.md"
    ours = card.read_text()
    for licence in (
        "license: other  # ours\nlicense_name: house\nlicense_link: LICENSE",
        "license:\n- mit\n- cc0-1.0",
    ):
        chosen = ours.replace("---\n", f"---\n{licence}\n", 1)
        card.write_text(chosen)
        write_card(folder)
        assert card.read_text() == chosen


def test_the_app_calls_it_by_the_folders_name(image_folder, tmp_path, monkeypatch):
    shutil.copytree(train(image_folder, tmp_path / "run"), tmp_path / "models" / "ae-of-mine")
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path / "models"])
    shown = core.describe("ae-of-mine")
    assert (shown["data"], shown["title"]) == ("pictures", "pictures")


@pytest.mark.parametrize("name", one_of_a_kind(checkpoint.bundled(), family_named))
def test_bundled_cards(name):
    """They say what may be done with the pictures, and could be pushed as they are."""
    card = (checkpoint.find(name) / "README.md").read_text(encoding="utf-8")
    draws = checkpoint.read_config(name)["family"] in FAMILIES
    assert ("With the images that it generates you may do what you like." in card) == draws
    pushed = to_upload(name, "tester/new")
    assert "README.md" in pushed
    assert f'genmodels.load("{name}")' not in pushed["README.md"].decode()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mnist", "mnist"), ("user/repo", "user/repo"), ("/home/anna/pictures", "pictures"), ("/data/pictures/", "pictures"),
        ("~/my pictures", "my pictures"), ("C:\\Users\\anna\\pictures", "pictures"),
        ("/data/heroes", "heroes (folder)"), ("heroes (folder)", "heroes (folder)"), ("", ""),
    ],
)  # fmt: skip
def test_what_data_are_called(name, label):
    assert places.data_label(name) == label
    assert places.data_label(label) == label, "a label is its own"


def test_an_older_config_with_a_path_shows_its_name(tmp_path):
    folder = checkpoint.save(build("vae"), tmp_path / "model")
    values = json.loads((folder / "config.json").read_text())
    values["data"]["name"] = "/home/anna/pictures"
    (folder / "config.json").write_text(json.dumps(values))
    assert checkpoint.read_config(folder)["data"]["name"] == "pictures"
    write_card(folder)
    assert "Trained on `pictures`" in (folder / "README.md").read_text()


# -- push --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint with a card, and beside its files some that are nobody's business."""
    data = {"name": "/home/anna/pictures", "shape": [1, 8, 8], "classes": ["/m/01g317", "cat"]}
    folder = checkpoint.save(build("vae"), tmp_path / "checkpoint", data=data, training={"start": "/home/anna/old"})
    write_card(folder)
    (folder / "notes.txt").write_text("/home/anna/secret")
    (folder / "data.json").write_text('{"place": "/home/anna/pictures"}')
    return folder


def test_push_says_what_it_uploads(model, capsys):
    """These files alone, with their sizes; here without a network."""
    assert main(["push", str(model), "tester/new"]) == 2
    out, err = capsys.readouterr()
    sizes = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert sizes.keys() == {"config.json", "model.safetensors", "training.json", "README.md"}
    assert sizes["model.safetensors"] == [f"{(model / 'model.safetensors').stat().st_size / 1e3:,.1f}", "kB"]
    assert "could not be pushed to 'tester/new'" in err


def test_a_pushed_card_names_the_repo(model):
    card = to_upload(model, "tester/new")["README.md"].decode()
    assert "\n# new\n" in card
    assert 'genmodels.load("tester/new")' in card
    assert "# checkpoint" not in card


def test_a_card_that_its_owner_has_rewritten_is_pushed_as_it_is(model):
    """But for the licence: with that line alone it is still ours, and names the repo."""
    ours = (model / "README.md").read_text()
    (model / "README.md").write_text(ours.replace("---\n", "---\nlicense: cc0-1.0\n", 1))
    card = to_upload(model, "tester/new")["README.md"].decode()
    assert card.startswith("---\nlicense: cc0-1.0\n")
    assert 'genmodels.load("tester/new")' in card
    (model / "README.md").write_text(ours + "My own words.\n")
    assert to_upload(model, "tester/new")["README.md"].decode() == ours + "My own words.\n"


@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("README.md", "# Mine\n\nTrained on `/home/anna/pictures`.", "/home/anna/pictures"),
        ("README.md", "# Mine\n\nTrained on C:\\Users\\anna\\pictures.", "C:\\Users\\anna\\pictures."),
        ("metrics.json", '{\n  "failed": {},\n  "x": "file:///tmp/a"}', "file:///tmp/a"),
        ("training.json", '{\n  "start": "user/x",\n  "before": {"start": "C:\\\\runs\\\\a"}\n}', "C:\\\\runs\\\\a"),
    ],
)
def test_push_refuses_a_path(model, capsys, file, text, path):
    """In one sentence with file and line, and before anything is uploaded."""
    (model / file).write_text(text)
    assert main(["push", str(model), "tester/new"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"genmodels: {model / file}, line 3, has a path of this computer in it ({path}): "
        "take it out before it is published.\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "see https://huggingface.co/docs/hub", "bits/dim, 1/2/3 and precision / recall", "the tab `/vae`", "~/pictures", "./a/b",
        "<td>x</td></tr>", "s3://bucket/key", "from tokenizers/models/x", "/?model=a/b", "/compare/?model=x", "/vae?model=a/b/c",
    ],
)  # fmt: skip
def test_what_is_no_path_of_this_computer(model, text):
    (model / "README.md").write_text(text)
    assert to_upload(model, "tester/new")["README.md"] == text.encode()
    assert places.without_paths(text) == text


def test_a_path_is_its_last_part():
    for path in ("/home/anna/x", "(/home/anna/x)", "/home/anna/x?"):
        assert places.without_paths(f"In {path}.") == f"In {path.replace('/home/anna/', '')}."
    assert places.without_paths("C:\\Users\\anna\\x and file:///home/anna/y") == "x and y"


def test_nothing_is_written_by_pushing(model):
    before = {name: (model / name).read_bytes() for name in os.listdir(model)}
    to_upload(model, "tester/new")
    assert {name: (model / name).read_bytes() for name in os.listdir(model)} == before
