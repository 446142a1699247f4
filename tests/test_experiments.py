"""Experiments: tiny ones for real, stopped in every way, and what their tables promise to those who show them."""

import dataclasses
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from helpers import ROOT, encoded, family_named, tiny_images, write_parquet

from genmodels import checkpoint, experiments, metrics
from genmodels.__main__ import main
from genmodels.captions import PARTS
from genmodels.data import SPECIES, Images, to_picture
from genmodels.experiments import anomaly, attribution, augmentation, common, compress, few_labels, transfer, words
from genmodels.experiments.results import holding, usual_settings
from genmodels.models.base import TrainingDiverged
from genmodels.operations import sample
from genmodels.real_images import kept, real_images
from genmodels.registry import FAMILIES, get_family

TINY = {
    "attribution": {"train": 20, "validation": 10, "test": 10, "steps": 3},
    "augmentation": {"k": [2], "generated": 20, "minutes": 0.002, "steps": 3},
    "transfer": {"marks": [0.002, 0.004], "samples": 150, "sampling_steps": 1},
    "minutes": {"minutes": [0.002], "samples": 150},
    "anomaly": {"usual": 12, "strange": 6},
    "few-labels": {"k": [1, 2], "many": 60, "test": 20, "seeds": [0, 1]},
    "compress": {"pictures": 4, "coded": 1, "known": 10, "bits": [4, 8]},
    "projection": {"n": 3, "timed": 1, "steps": [2, 12]},
    "repair": {"n": 2},
    "words": {"n": 6, "strengths": [1.0], "steps": 2, "timed": 1},
}


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real test images that the package holds, as both splits of their data sets."""
    root = tmp_path_factory.mktemp("data")
    for name, split in itertools.product(kept(), ("train", "test")):
        images = real_images(name)
        rows = [(encoded(to_picture(x)), int(y)) for x, y in zip(images.pixels, images.labels, strict=True)]
        write_parquet(root / name / f"{split}-0.parquet", rows)
    return root


@pytest.fixture
def data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    caches = (
        common.split, common.of_test_split, transfer.unseen, anomaly.own, anomaly.strangers, few_labels.pictures, compress.some,
        words.asked, words.mean_pictures,
    )  # fmt: skip
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setenv("GENMODELS_DATA", str(data_folder))
    yield data_folder
    for cache in caches:
        cache.cache_clear()


def check_format(result: dict) -> None:
    """What those who show a table rely on, without knowing which it is."""
    assert {"format", "experiment", "title", "reading", "protocol", "command", "version", "hardware", "complete"} < set(
        result
    )
    assert result["format"] == 1
    assert result["command"] == f"python -m genmodels experiment {result['experiment']}"
    assert "\n" not in result["reading"]
    columns = {column["key"]: column for column in result["columns"]}
    assert all(set(column) == {"key", "title", "unit", "digits"} for column in columns.values())
    for row in result["rows"]:
        figures = {key.removesuffix("_low").removesuffix("_high").removesuffix("_why") for key in row}
        assert figures <= set(columns)
        for key in columns:
            assert row.get(key) is not None or row[f"{key}_why"].endswith("."), (key, row)
            if f"{key}_low" in row:
                assert row[f"{key}_low"] <= row[key] <= row[f"{key}_high"]
    for plot in result["plots"]:
        assert {plot["x"], plot["y"], *plot["series"]} <= set(columns)
        assert plot["facet"] is None or plot["facet"] in columns
    assert all(len(value) == 16 for value in result["weights"].values())


# -- each of them, tiny ------------------------------------------------------------------------------------------------


def test_attribution(data, tmp_path):
    asked = {"families": ["gan", "vae", "autoencoder", attribution.REAL], "only": ["mnist"]}
    result = experiments.run("attribution", **asked, changes=TINY["attribution"], out=tmp_path)
    check_format(result)
    assert json.loads((tmp_path / "attribution.json").read_text()) == result
    assert result["complete"] is False, "other families are still to be judged"
    rows = {(row["model"], row["judge"]): row for row in result["rows"]}
    models = ["gan-mnist", "vae-mnist", "vae2d-mnist", "training pictures"]
    assert set(rows) == {
        ("ae-mnist", "classifier"),
        *itertools.product(models, [*attribution.VIEWS, "critic of gan-mnist"]),
    }
    assert rows["ae-mnist", "classifier"]["accuracy"] is None
    assert "Samples" in rows["ae-mnist", "classifier"]["accuracy_why"]
    assert {row["n"] for row in rows.values()} == {None, 20}
    assert result["weights"] == {name: checkpoint.weights_hash(name) for name in ("ae-mnist", *models[:3])}


def test_augmentation(data, tmp_path):
    asked = {"families": ["none", "vae", "gan"], "only": ["fashion-mnist"]}
    result = experiments.run("augmentation", **asked, changes=TINY["augmentation"], out=tmp_path)
    check_format(result)
    kinds = {(row["added"], row["family"]) for row in result["rows"]}
    assert len(kinds) == len(result["rows"]) == 6
    assert {row["seeds"] for row in result["rows"]} == {2}
    assert set(result["training"]) == {"vae", "gan"}


def test_projection(data, tmp_path):
    result = experiments.run("projection", only=["mnist"], changes=TINY["projection"], out=tmp_path)
    check_format(result)
    rows = {(row["model"], row["way"], row["steps"]): row for row in result["rows"]}
    searched = {(way, steps) for model, way, steps in rows if model == "gan-mnist"}
    assert searched == set(itertools.product(["w", "w+"], [2, 12]))
    assert rows["gan-mnist", "w+", 12]["psnr"] > rows["gan-mnist", "w+", 2]["psnr"]
    assert rows["ae-mnist", "encoder", 0]["psnr"] > 20
    assert "Digits: " in result["reading"]


def test_repair(data, tmp_path):
    result = experiments.run(
        "repair", families=["filter", "autoencoder"], only=["mnist"], changes=TINY["repair"], out=tmp_path
    )
    check_format(result)
    rows = {(row["damage"], row["way"]): row for row in result["rows"]}
    assert {way for _, way in rows} == {"nothing", "filter", "autoencoder"}
    assert rows["half", "filter"]["model"] == "bicubic enlargement"
    assert rows["half", "filter"]["psnr"] > rows["half", "nothing"]["psnr"]
    assert {row["n"] for row in result["rows"]} == {2}


def test_words(data, tmp_path):
    result = experiments.run("words", changes=TINY["words"], out=tmp_path)
    check_format(result)
    whole = {row["way"]: row for row in result["rows"] if row["asked"] == words.ANY}
    assert set(whole) == {words.REWORDED, words.PLAIN, words.NEW, words.SAME, words.SAME_PLAIN}
    assert whole[words.SAME]["error"] == 0
    assert whole[words.SAME]["outside"] == whole[words.SAME]["all_kept"] == 100
    assert whole[words.SAME]["changed"] is None
    assert whole[words.SAME_PLAIN]["error"] > 1
    assert whole[words.REWORDED]["outside"] > whole[words.NEW]["outside"]
    parts = [row for row in result["rows"] if row["way"] == words.REWORDED and row["asked"] != words.ANY]
    assert [(row["asked"], row["n"]) for row in parts] == [(part, 1) for part in PARTS]
    task = words.asked("heroes", 6, 0)
    assert ((task.before != task.after).sum(1) == 1).all(), "one part of each"
    assert 0.3 < float(task.outside.float().mean()) < 1
    assert "give the picture back with an error of 0 levels" in result["reading"]


def test_transfer(data, tmp_path):
    result = experiments.run("transfer", families=["vae"], only=["mnist"], changes=TINY["transfer"], out=tmp_path)
    check_format(result)
    assert [(row["start"], row["begins_with"], row["minutes"], row["seeds"]) for row in result["rows"]] == [
        ("scratch", "from scratch", 0.002, 2),
        ("scratch", "from scratch", 0.004, 2),
        ("trained", "vae-fashion-mnist", 0.002, 2),
        ("trained", "vae-fashion-mnist", 0.004, 2),
    ]
    assert set(result["weights"]) == {"vae-fashion-mnist", "referee-mnist"}
    assert set(result["training"]) == {"vae"}
    assert not list(tmp_path.glob("work-*")), "what was needed for a unit is gone with it"
    assert "the trained beginning is then nearer in" in result["reading"]


def test_minutes(data, tmp_path):
    result = experiments.run("minutes", families=["autoencoder", "gan"], changes=TINY["minutes"], out=tmp_path)
    check_format(result)
    ae, gan = result["rows"]
    assert ae["frechet"] is None
    assert gan["frechet"] > 0
    assert result["reading"].endswith(f"GAN after 0.002 min ({gan['frechet']:.1f}).")


def test_anomaly(data, tmp_path):
    result = experiments.run(
        "anomaly", families=["autoencoder", "flow", "gan"], only=["mnist"], changes=TINY["anomaly"], out=tmp_path
    )
    check_format(result)
    rows = {(row["family"], row["score"], row["against"]): row for row in result["rows"]}
    kinds = {against for _, _, against in rows}
    assert kinds == {"fashion", "heroes", "letters", *anomaly.MADE}
    assert {(family, score) for family, score, _ in rows} == {
        ("autoencoder", "reconstruction error"), ("flow", "bits/dim"), ("flow", "bits/dim less PNG's"), ("gan", "critic"),
    }  # fmt: skip
    assert rows["autoencoder", "reconstruction error", "noise"]["auc"] == rows["flow", "bits/dim", "noise"]["auc"] == 1
    assert result["reading"].startswith("The likelihood of flow-mnist is fooled most")


def test_anomaly_without_a_data_set(data, tmp_path, monkeypatch):
    """A data set that isn't there has rows that say so."""
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "part"))
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "mnist").symlink_to(data / "mnist")
    for cache in (anomaly.own, anomaly.strangers):
        cache.cache_clear()
    result = experiments.run("anomaly", families=["gan"], only=["mnist"], changes=TINY["anomaly"], out=tmp_path)
    check_format(result)
    missing = {row["against"]: row["auc_why"] for row in result["rows"] if row["auc"] is None}
    assert set(missing) == {"fashion", "heroes", "letters"}
    assert "but there is no fashion-mnist/test-*.parquet in it" in missing["fashion"]


def test_few_labels(data, tmp_path):
    result = experiments.run(
        "few-labels",
        families=["pixels", "gan", "autoencoder"],
        only=["mnist"],
        changes=TINY["few-labels"],
        out=tmp_path,
    )
    check_format(result)
    rows = {(row["features"], row["learnt"], row["k"]): row for row in result["rows"]}
    learners = {(features, learnt) for features, learnt, _ in rows}
    assert learners == {
        ("pixels", "nothing"),
        ("ae: code", "without classes"),
        ("ae: code", "untrained"),
        ("gan: critic's features", "with classes"),
        ("gan: critic's features", "untrained"),
    }
    assert {(row["k"], row["labels"], row["seeds"]) for row in rows.values()} == {(1, 10, 2), (2, 20, 2), (6, 60, 1)}
    assert rows["gan: critic's features", "with classes", 2]["accuracy"] > 40, "guessing is right in 10 %"


def test_a_linear_classifier_finds_what_is_linear():
    rng = torch.Generator().manual_seed(0)
    x, w = torch.randn(300, 5, generator=rng), torch.randn(5, 3, generator=rng)
    labels = (x @ w).argmax(1)
    assert few_labels.share_right(x[:200], labels[:200], x[200:], labels[200:], 3) > 0.9


def test_compress(data, tmp_path):
    asked = {"families": ["formats", "autoencoder", "pixelcnn"], "only": ["mnist"]}
    result = experiments.run("compress", **asked, changes=TINY["compress"], out=tmp_path)
    check_format(result)
    rows = {(row["coder"], row["setting"]): row for row in result["rows"]}
    four, eight = (rows["code of ae", f"{bits} bits a number"] for bits in (4, 8))
    assert (four["bytes"], eight["bytes"]) == (16, 32)
    assert four["psnr"] < eight["psnr"]
    coded, ideal = (rows["likelihood of pixelcnn", of] for of in ("range coder", "ideal, of the same pictures"))
    assert ideal["bytes"] <= coded["bytes"] <= ideal["bytes"] + 8
    assert rows["PNG, a file each", "lossless"]["psnr"] is None
    jpeg = [rows["JPEG, one file of all", f"quality {q}"] for q in compress.QUALITIES]
    assert [row["psnr"] for row in jpeg] == sorted(row["psnr"] for row in jpeg)
    assert [row["bytes"] for row in jpeg] == sorted(row["bytes"] for row in jpeg)
    assert "without loss pixelcnn" in result["reading"]


@pytest.mark.parametrize("name", experiments.NAMES)
def test_units_have_files_of_their_own(data, name):
    experiment = experiments.get_experiment(name)
    units = list(experiment.units(experiment.settings()))
    assert len({unit.key for unit in units}) == len(units)
    assert all(unit.cost > 0 for unit in units)
    assert experiment.protocol(experiment.settings()).endswith(".")


@pytest.mark.parametrize(
    "file", sorted((ROOT / "checkpoints" / experiments.RESULTS).glob("*.json")), ids=lambda f: f.stem
)
def test_a_committed_table(file):
    result = json.loads(file.read_text(encoding="utf-8"))
    check_format(result)
    experiment = experiments.get_experiment(file.stem)
    assert result["settings"] == json.loads(json.dumps(dataclasses.asdict(experiment.settings())))
    assert result["reading"] == experiment.reading(result["rows"])
    assert result["rows"]


# -- no picture on both sides ------------------------------------------------------------------------------------------


def as_set(images: Images) -> set[bytes]:
    return {x.numpy().tobytes() for x in images.pixels}


def test_a_threshold_is_tried_on_other_pictures(data):
    settings = attribution.AttributionSettings(train=40, validation=20, test=30)
    real = attribution.real_parts("mnist", settings)
    shown = [real.train, real.validation, real.control]  # all of the training split
    assert [len(images) for images in shown] == [40, 20, 90]
    assert len(set().union(*map(as_set, shown))) == 150
    assert [len(real.unseen), len(real.test)] == [20, 30]
    assert not as_set(real.unseen) & as_set(real.test)
    with pytest.raises(ValueError, match="too many"):
        attribution.real_parts("mnist", attribution.AttributionSettings(train=200))


def test_a_verdict_by_hand():
    """Chosen on the first pair: 1.5 is the best threshold, 2.5 the median of the real ones; tried on the second."""
    first = torch.tensor([2.0, 2.5, 4.0]), torch.tensor([0.0, 1.0])
    second = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, 1.0, 2.0, 9.0])
    row = attribution.verdict(*first, *second)
    assert (row["accuracy"], row["taken_for_real"], row["n"]) == (100 * 5 / 8, 25, 8)


def test_a_coarse_view_hides_what_no_eye_sees():
    view = attribution.VIEWS[attribution.COARSE]
    levels = torch.tensor([0, 15, 16, 127, 239, 240, 255], dtype=torch.uint8)
    assert view(levels).tolist() == [0, 0, 17, 119, 238, 255, 255]


def test_nobody_has_seen_the_unseen_species(data):
    shown, yardstick = transfer.unseen(5)
    species = SPECIES.index(transfer.UNSEEN)
    assert len(shown) == 5
    assert set(shown.labels.tolist()) == set(yardstick.labels.tolist()) == {species}
    assert len(yardstick.labels) == 15 + 20, "the rest of both splits"
    assert species not in transfer.seen_species().labels
    assert len(transfer.seen_species()) == 340


def test_few_pictures_of_each_class():
    images = tiny_images(30)
    some = augmentation.few(images, 4, seed=1)
    assert torch.bincount(some.labels).tolist() == [4, 4, 4]
    assert as_set(some) < as_set(images)
    with pytest.raises(ValueError, match="fewer than 11"):
        augmentation.few(images, 11, seed=1)


def test_samples_are_as_files_hold_them():
    """8 bits, image i by seed + i whatever the batch, told what they show."""
    model = checkpoint.load("gan-mnist", device="cpu")
    labels = [3, 1] * 60
    pixels = common.drawn(model, 120, 7, lambda share: None, label=labels)
    assert pixels.dtype == torch.uint8
    (alone,) = (sample(model, 1, 7 + 110, label=labels[110]) + 1) * 127.5
    assert (alone.round().clamp(0, 255) - pixels[110]).abs().max() <= 1


# -- stopped, and gone on with -----------------------------------------------------------------------------------------


@pytest.fixture
def counting(monkeypatch, tmp_path) -> Iterator[list[str]]:
    """An experiment `counting` of three units, as a module; the list tells which have been computed, "stop" stops there."""
    computed: list[str] = []

    @dataclasses.dataclass(frozen=True)
    class CountingSettings(experiments.Settings):
        n: int = 1
        stop: str = ""

    def units(settings):
        for key in "abc":

            def compute(lab, key=key):
                if key == settings.stop:
                    raise KeyboardInterrupt
                computed.append(key)
                return [{"family": key, "x": settings.n}]

            yield experiments.Unit(key, key, "bars", compute)

    module = ModuleType("genmodels.experiments.counting")
    module.EXPERIMENT = experiments.Experiment(
        "counting", "Counting", CountingSettings, units, lambda settings: "Counted.",
        lambda rows: f"{len(rows)} rows.", (experiments.Column("family", "Family"), experiments.Column("x", "X")),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(experiments, "NAMES", ("counting",))
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path / "bundled"])
    monkeypatch.chdir(tmp_path)
    return computed


def test_what_is_done_is_not_done_again(counting, tmp_path):
    told: list[tuple] = []
    first = experiments.run("counting", families=["b"], progress=lambda *what: told.append(what))
    assert (counting, first["complete"], first["reading"]) == (["b"], False, "1 rows.")
    assert told == [("b", 0.0, 0.0), ("b", 1.0, 1.0)]
    again = experiments.run("counting")
    assert (counting, again["complete"]) == (["b", "a", "c"], True)
    assert [row["family"] for row in again["rows"]] == ["a", "b", "c"], "in the order of the units, not of the work"
    check_format(again)
    assert experiments.run("counting") == again
    assert len(counting) == 3
    (tmp_path / "runs/experiments/counting/b.json").write_text("{half written")
    assert experiments.run("counting") == again
    assert counting[3:] == ["b"]


def test_ctrl_c_keeps_what_is_done(counting, tmp_path, capsys):
    command = ["experiment", "counting", "--out", str(tmp_path / "mine"), "--set"]
    assert main([*command, "stop=b"]) == 130
    assert capsys.readouterr().err.endswith("Stopped; what is finished is kept, and the same command goes on.\n")
    assert counting == ["a"]
    assert json.loads((tmp_path / "mine/counting.json").read_text())["rows"] == [{"family": "a", "x": 1}]


def test_only_the_usual_settings_make_the_table(counting, tmp_path):
    """And an incomplete one never takes the place of a complete one."""
    place = tmp_path / "bundled/experiments/counting.json"
    experiments.run("counting", changes={"n": 2}, out="other")
    assert not place.exists()
    experiments.run("counting", families=["a"], out="one")
    assert json.loads(place.read_text())["complete"] is False
    whole = experiments.run("counting", out="one")
    assert json.loads(place.read_text()) == whole
    experiments.run("counting", families=["a"], out="two")
    assert json.loads(place.read_text()) == whole
    assert counting == [*"abc", *"a", *"bc", *"a"]


def test_other_settings_are_another_experiment(counting):
    experiments.run("counting", out="mine")
    result = experiments.run("counting", changes={"n": 5}, out="mine")
    assert counting == [*"abcabc"]
    assert {row["x"] for row in result["rows"]} == {5}


def test_what_would_be_trained_otherwise_is_done_again(counting, tmp_path, monkeypatch):
    """And its table doesn't hold until then. A setting that came later is no reason, nor one of what isn't trained."""

    def units(settings):
        for unit in usual.units(settings):
            yield dataclasses.replace(unit, family="vae", trains=unit.key == "c")

    usual = experiments.get_experiment("counting")
    module = sys.modules["genmodels.experiments.counting"]
    monkeypatch.setattr(module, "EXPERIMENT", dataclasses.replace(usual, units=units))
    family = get_family("vae")
    assert experiments.run("counting")["training"] == {"vae": usual_settings("vae")}
    assert (usual_settings("vae")["batch_size"], usual_settings("vae")["noise_std"]) == (32, 0)
    assert holding("counting")["complete"]

    monkeypatch.setattr(family, "recipe", dataclasses.replace(family.recipe, steps=7, seed=7))  # it has its own
    assert experiments.run("counting")["complete"]
    assert counting == [*"abc"]

    monkeypatch.setattr(family, "recipe", dataclasses.replace(family.recipe, batch_size=7))
    with pytest.raises(ValueError, match=r"^Measured with other settings of VAE than are usual now\.$"):
        holding("counting")
    assert experiments.run("counting")["training"]["vae"]["batch_size"] == 7
    assert counting == [*"abc", "c"]
    assert holding("counting")["complete"]

    kept = tmp_path / "runs/experiments/counting/c.json"
    values = json.loads(kept.read_text())
    del values["of"]["training"]["vae"]["noise_std"]
    kept.write_text(json.dumps(values))
    assert experiments.run("counting")["complete"]
    assert counting == [*"abc", "c"]


def test_a_table_is_no_model(counting, tmp_path):
    experiments.run("counting")
    assert (tmp_path / "bundled/experiments/counting.json").is_file()
    assert checkpoint.bundled() == {}
    with pytest.raises(ValueError, match="no model 'experiments'"):
        checkpoint.find("experiments")


def test_killed_in_the_middle(data, tmp_path, start):
    """SIGKILL during the second unit: the first stays as it is, the second one's training goes on."""
    settings = ["--set", "minutes=[0.005,30]", "samples=150"]
    process = start("-m", "genmodels", "experiment", "minutes", "--families", "gan", "--out", tmp_path, *settings)
    first = tmp_path / "gan-0.005.json"
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("work-gan-30-*/metrics.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    written = first.stat().st_mtime_ns
    (folder,) = tmp_path.glob("work-gan-30-*")
    process = start("-m", "genmodels", "experiment", "minutes", "--families", "gan", "--out", tmp_path, *settings)
    rows = (folder / "metrics.jsonl").stat().st_mtime_ns
    while (folder / "metrics.jsonl").stat().st_mtime_ns == rows:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert first.stat().st_mtime_ns == written


def tiny_vae():
    family = get_family("vae")
    torch.manual_seed(0)
    return family(family.Config.tiny())


def test_a_run_is_measured_once_at_each_mark(tmp_path):
    """Also if it was killed while it was measured: then it goes on with the very weights of the mark."""
    images, marks, seen = tiny_images(40), [0.005, 0.01, 0.02], []

    def steps() -> int:
        return json.loads((tmp_path / "checkpoint/training.json").read_text())["steps"]

    def measure(model, report):
        seen.append(float(sum(p.detach().double().sum() for p in model.parameters())))
        assert not model.training
        if len(seen) == 2:
            raise KeyboardInterrupt
        return {"steps": steps(), "sum": seen[-1]}

    def rows():
        return list(common.train_for(tiny_vae, images, tmp_path, marks, 0, measure, lambda share: None))

    with pytest.raises(KeyboardInterrupt):
        rows()
    stopped_at = steps()
    found = rows()
    assert len(seen) == 4, "once at each mark, and once more where it was killed"
    assert seen[1] == seen[2]
    assert [row["sum"] for row in found] == [seen[0], *seen[2:]]
    assert found[1]["steps"] == stopped_at
    assert found[0]["steps"] < found[1]["steps"] < found[2]["steps"]
    assert rows() == found
    assert len(seen) == 4
    spent = json.loads((tmp_path / "checkpoint/training.json").read_text())["cpu_seconds"]
    assert 1.2 <= spent < 2, "of the run alone, in seconds"


def test_a_run_that_diverges_says_so(data, tmp_path, monkeypatch):
    def diverge(self, x, labels=None, *, player="model"):
        raise TrainingDiverged("The loss is infinite.")

    monkeypatch.setattr(get_family("gan"), "forward", diverge)
    result = experiments.run("minutes", families=["gan"], changes=TINY["minutes"], out=tmp_path)
    check_format(result)
    assert "diverged" in result["rows"][0]["frechet_why"]


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["fame"],
            f"There is no experiment 'fame'; the experiments are {', '.join(experiments.NAMES)}.",
        ),
        (["transfer", "--families", "vae", "pixelcnn"], "has no family 'pixelcnn', but vae, gan, flow, diffusion."),
        (["transfer", "--only", "omniglot"], "has no data set 'omniglot', but mnist, fashion-mnist, heroes."),
        (["transfer", "--set", "hours=1"], "There is no setting 'hours'; this experiment has marks,"),
        (["transfer", "--set", "marks=[2,1]"], "'marks' must be minutes in order"),
        (["minutes", "--set", "samples=many"], "key 'samples' must be int, not 'many'"),
        (["minutes", "--set", "samples=0"], "'samples' must be above 0, not 0."),
        (["minutes", "--set", "minutes=[]"], "'minutes' must not be empty."),
        (["minutes", "--set", "minutes=[1,-1]"], "'minutes' must be above 0"),
        (["minutes", "--set", "data=fame"], "There is no data set 'fame'"),
    ],
)
def test_refusals(arguments, why, capsys, tmp_path):
    assert main(["experiment", *arguments, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err.rpartition("\r")[2]
    assert message.count("\n") == 1
    assert why in message
    assert not (tmp_path / "out").exists()


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_as_published(successes, n, low, high):
    """Newcombe 1998 (Statistics in Medicine 17), table I, method 3; and mirrored."""
    assert metrics.wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)
    assert metrics.wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_no_interval(successes, n):
    with pytest.raises(ValueError, match="An interval needs"):
        metrics.wilson_interval(successes, n)


def test_thresholds_by_hand():
    def threshold(real: list[float], fake: list[float]) -> float:
        return metrics.best_threshold(torch.tensor(real), torch.tensor(fake))

    assert threshold([3, 5], [1, 2]) == 2.5
    assert threshold([1, 2], [3, 5]) < 1, "taking all for real is no worse than guessing"
    assert threshold([0, 2, 4], [1]) == 1.5, "as many rights as a fake counts for"
    assert threshold([1, 1], [1, 1]) in (0, 2)
    with pytest.raises(ValueError, match="NaN"):
        threshold([float("nan")], [1])
    with pytest.raises(ValueError, match="needs scores"):
        threshold([], [1])


def test_a_reason_stands_for_a_missing_mean():
    rows = [{"k": 1, "seed": 0, "x": 1.0}, {"k": 1, "seed": 1, "x": None, "x_why": "It diverged."}]
    assert experiments.over_seeds(rows, ["x"]) == [{"k": 1, "x": None, "x_why": "It diverged.", "seeds": 2}]


@pytest.mark.parametrize("name", ["attribution", "minutes"])
def test_all_families_are_in(data, name):
    """What draws nothing says why."""
    families = {"attribution": set(map(family_named, checkpoint.packaged())) - {"referee"}, "minutes": set(FAMILIES)}
    experiment = experiments.get_experiment(name)
    found = {unit.family for unit in experiment.units(experiment.settings())}
    assert found - {attribution.REAL} == families[name]


def test_models_of_ones_own_are_no_part_of_a_table(tmp_path, monkeypatch):
    """So that every computer makes the same one."""
    usual = list(attribution.units(attribution.AttributionSettings()))
    data = checkpoint.read_config("gan-mnist")["data"]
    checkpoint.save(checkpoint.load("gan-mnist", device="cpu"), tmp_path / "mine", data=data)
    monkeypatch.setenv(checkpoint.OWN, str(tmp_path / "mine"))
    assert "mine" in checkpoint.bundled()
    units = list(attribution.units(attribution.AttributionSettings()))
    assert [(u.key, u.uses) for u in units] == [(u.key, u.uses) for u in usual]
