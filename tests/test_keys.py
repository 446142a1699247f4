"""What figures are called: slugs in files, titles for people, and files that older versions wrote."""

import json
import re
from pathlib import Path

import pytest
from helpers import build, family_named, one_of_a_kind

from genmodels import checkpoint, files
from genmodels.__main__ import main
from genmodels.evaluation.keys import KEYS, PART_TITLES, REAL_SETS, Key
from genmodels.evaluation.parts import INCEPTION, PARTS
from genmodels.evaluation.report import METRICS_FORMAT, config_hash, measured, read_report
from genmodels.wrappers import metrics_table

# -- one place ---------------------------------------------------------------------------------------------------------


def test_a_slug_can_stand_anywhere():
    """On a command line without quotes, in a file's name, in YAML."""
    slugs = [*KEYS, *REAL_SETS, *PART_TITLES]
    assert [slug for slug in slugs if not re.fullmatch(r"[a-z0-9_.]+", slug)] == []


def test_each_part_has_a_title():
    assert [part.slug for part in [*PARTS, INCEPTION]] == list(PART_TITLES)


@pytest.mark.parametrize("name", one_of_a_kind(checkpoint.bundled(), family_named))
def test_bundled_figures_are_known(name):
    report = read_report(name)
    groups = [report["metrics"], *report["references"].values(), *report["attributes"].values()]
    assert {key: figure["unit"] for figures in groups for key, figure in figures.items()} == {
        key: KEYS[key].unit for figures in groups for key in figures
    }
    assert report["references"].keys() <= REAL_SETS.keys()
    assert report["failed"].keys() <= PART_TITLES.keys()


def test_a_new_metric_has_a_column_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    monkeypatch.setitem(KEYS, "energy", Key("energy", "how low it lies.", "{value:.1f} J", "J", for_visitors=True))
    figure = {"value": 2.25, "unit": "J", "n": 1, "seed": 0, "protocol": ""}
    write(saved(tmp_path / "vae-a"), metrics={"energy": figure}, references={}, attributes={})
    lines = metrics_table.figures("vae").splitlines()
    assert lines[0] == "| model | energy |"
    assert lines[2] == "| vae-a | 2.2 J |"
    assert lines[-1] == "*energy*: how low it lies."


# -- what older versions wrote -----------------------------------------------------------------------------------------


def saved(folder: Path, family: str = "vae") -> Path:
    data = {"name": "mnist", "shape": [1, 8, 8], "classes": ["a", "b", "c"]}
    return checkpoint.save(build(family), folder, data=data)


def write(folder: Path, **more: object) -> None:
    """A metrics.json of today's format, of that model as it is."""
    hashes = {"weights": checkpoint.weights_hash(folder), "config": config_hash(folder)}
    about = {"format": METRICS_FORMAT, "data": {"name": "mnist", "split": "test"}, "n": 24, "seed": 0}
    made = {"hardware": "1 thread", "date": "2026-01-02", "version": "0.1.0", "referee": None}
    files.write_json(folder, "metrics.json", about | made | hashes | {"failed": {}} | more)


def figure(value: float, unit: str = "", **more: object) -> dict:
    return {"value": value, "unit": unit, "n": 24, "seed": 0, "protocol": f"gave {value}", **more}


CRITIC = figure(12.5, "%") | {"protocol": "share of samples that the critic of gan-mnist (0123abcd) finds more real"}
OLD_METRICS = {
    "parameters": figure(12345),
    "sampling_ms_16_cpu": figure(4.5, "ms"),
    "sampling_ms_16_cuda": figure(1.5, "ms"),
    "frechet_distance": figure(3.14159),
    "kernel_distance": figure(-0.25, spread=0.125),
    "class_accuracy": figure(97.5, "%"),
    "trained_on_samples_accuracy": figure(98.25, "%"),
    "critic_share": CRITIC,
}
OLD_REFERENCES = {
    "frechet_distance of training images": figure(0.5),
    "frechet_distance of blurred by 0.5 px": figure(0.75),
    "frechet_distance of blurred by 1 px": figure(1.5),
    "frechet_distance of without the first class": figure(2.5),
    "kernel_distance of training images": figure(0.001, spread=0.5),
    "trained_on_real_accuracy": figure(99.5, "%"),
}
OLD_FAILURES = {"bits/dim": "no luck", "precision and coverage": "too few", "copies": "no data"}


def write_format_2(folder: Path, **more: object) -> None:
    write(folder, **{"metrics": OLD_METRICS, "references": OLD_REFERENCES, "failed": OLD_FAILURES} | more)
    values = json.loads((folder / "metrics.json").read_text())
    del values["config"]
    files.write_json(folder, "metrics.json", values | {"format": 2})


@pytest.fixture
def vae(tmp_path) -> Path:
    return saved(tmp_path / "vae-mine")


def test_format_2_becomes_format_3(vae, capsys):
    """The same values under today's names, with the hashes that figures are compared by, and a card that shows them."""
    write_format_2(vae)
    assert measured(vae) == {}
    assert main(["convert", str(vae)]) == 0
    assert capsys.readouterr().out == f"{vae}: converted from format 2, 14 figures\n"
    report = read_report(vae)
    assert (report["format"], report["config"]) == (3, config_hash(vae))
    assert report["metrics"] == {
        "parameters": figure(12345),
        "sampling_ms_16_cpu": figure(4.5, "ms"),
        "sampling_ms_16_gpu": figure(1.5, "ms"),
        "frechet_distance": figure(3.14159),
        "kernel_distance": figure(-0.25, spread=0.125),
        "class_accuracy": figure(97.5, "%"),
        "student_accuracy": figure(98.25, "%"),
        "critic_share": CRITIC | {"critic": {"name": "gan-mnist", "hash": "0123abcd"}},
    }
    assert report["references"] == {
        "train": {
            "frechet_distance": figure(0.5),
            "kernel_distance": figure(0.001, spread=0.5),
            "student_accuracy": figure(99.5, "%"),
        },
        "blur_0.5px": {"frechet_distance": figure(0.75)},
        "blur_1px": {"frechet_distance": figure(1.5)},
        "without_first_class": {"frechet_distance": figure(2.5)},
    }
    assert report["attributes"] == {}
    assert report["failed"] == {"likelihood": "no luck", "coverage": "too few", "copies": "no data"}
    assert measured(vae)
    card = (vae / "README.md").read_text()
    assert "| frechet_distance of training images | 0.5 | 24 | gave 0.5 |" in card
    assert "- bits/dim could not be measured: no luck" in card


def test_a_referees_attributes_are_told_apart_from_the_classes_of_samples(tmp_path):
    folder = saved(tmp_path / "referee", "referee")
    old = {"parameters": figure(5), "class_accuracy": figure(99.5, "%"), "body_accuracy": figure(98.5, "%")}
    write_format_2(folder, metrics=old, references={}, failed={})
    assert main(["convert", str(folder)]) == 0
    report = read_report(folder)
    assert report["metrics"] == {"parameters": figure(5)}
    assert report["attributes"] == {"class": {"accuracy": figure(99.5, "%")}, "body": {"accuracy": figure(98.5, "%")}}


def test_what_is_of_todays_form_stays_as_it_is(vae, capsys):
    """To the byte, and its card, which may be its owner's, too."""
    write_format_2(vae)
    assert main(["convert", str(vae)]) == 0
    (vae / "README.md").write_text("My own words.\n")
    before = (vae / "metrics.json").read_bytes()
    capsys.readouterr()
    assert main(["convert", str(vae)]) == 0
    assert capsys.readouterr().out == f"{vae}: is of today's form\n"
    assert (vae / "metrics.json").read_bytes() == before
    assert (vae / "README.md").read_text() == "My own words.\n"


def not_measured(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def format_1(folder: Path) -> None:
    files.write_json(folder, "metrics.json", read_report(folder) | {"format": 1})


def other_weights(folder: Path) -> None:
    checkpoint.save(build("vae", seed=1), folder)


def unknown_metric(folder: Path) -> None:
    write_format_2(folder, metrics={"beauty": figure(1)})


def unknown_reference(folder: Path) -> None:
    write_format_2(folder, references={"frechet_distance of paintings": figure(1)})


def nameless_critic(folder: Path) -> None:
    write_format_2(folder, metrics={"critic_share": figure(1, "%")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (not_measured, "other has not been measured: it has no metrics.json"),
        (format_1, "has format 1; format 2 can be converted to 3: measure it again"),
        (other_weights, "is of other weights than it has now: measure it again"),
        (unknown_metric, "a figure that no version wrote: 'beauty'"),
        (unknown_reference, "a figure that no version wrote: 'frechet_distance of paintings'"),
        (nameless_critic, "names no critic where it says what one said"),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_is_written(change, message, tmp_path, vae, capsys):
    other = saved(tmp_path / "other")
    write_format_2(vae)
    write_format_2(other)
    change(other)
    before = (vae / "metrics.json").read_bytes()
    assert main(["convert", str(vae), str(other)]) == 2
    assert message in capsys.readouterr().err
    assert (vae / "metrics.json").read_bytes() == before
