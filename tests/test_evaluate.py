"""Measuring checkpoints, with tiny models and data: what is measured, what is said instead, and that no run is lost."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers import build, encoded, having, python, script, tiny_images, write_parquet
from PIL import Image

from genmodels import card, checkpoint, data, evaluate, metrics, operations
from genmodels.__main__ import main
from genmodels.data import DATASETS, DatasetInfo, load_dataset
from genmodels.evaluation import measurement, parts, samples, shards, student
from genmodels.evaluation.measurement import Evaluation
from genmodels.evaluation.report import METRICS_FORMAT, config_hash, measured, of_model, of_real_images
from genmodels.files import write_json
from genmodels.models.base import Model
from genmodels.models.flow import Flow
from genmodels.protocols import Decodes, Encodes, HasLikelihood, Judges, Samples
from genmodels.registry import FAMILIES

BARS = DatasetInfo("Bars", (1, 8, 8), ("up", "down", "middle"), 0)
N = 24
WITHOUT_DATA = {"parameters", "file_size", "sampling_ms_1_cpu", "sampling_ms_16_cpu"}
DISTANCES = {"frechet_distance", "kernel_distance"}
SEEN = {"precision", "recall", "density", "coverage", "class_entropy", "rarest_class", "commonest_class"}
SEEN |= {"feature_spread", "class_accuracy"} | DISTANCES
SAMPLES = {"copies", "exact_copies", "nearest_training_ratio", "student_accuracy"}
RECONSTRUCTION = {"reconstruction_psnr", "reconstruction_ssim", "denoising_psnr", "noisy_psnr"}
BOUND = {"elbo_bits_per_dim", "bits_per_dim_bound"}


def know_bars(root: Path) -> None:
    """Make the data set "bars" known, with chunks and a student small enough for tests; also in other processes."""
    DATASETS["bars"] = BARS
    shards.CHUNK = 10
    student.STUDENT_STEPS = 4
    write_bars(root)


def write_bars(root: Path, train: int = 60, test: int = 30) -> None:
    images = tiny_images(train + test)
    rows = [
        (encoded(Image.fromarray(pixels[0].numpy())), int(label))
        for pixels, label in zip(images.pixels, images.labels, strict=True)
    ]
    if not (root / "bars").is_dir():
        write_parquet(root / "bars/train-0.parquet", rows[:train])
        write_parquet(root / "bars/test-0.parquet", rows[train:])


@pytest.fixture(autouse=True)
def bars(tmp_path, monkeypatch) -> Path:
    """The data set "bars", an empty cache, and nothing bundled but what a test puts into the folder `bundled`."""
    monkeypatch.setitem(DATASETS, "bars", BARS)
    monkeypatch.setattr(shards, "CHUNK", 10)
    monkeypatch.setattr(student, "STUDENT_STEPS", 4)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path / "bundled"])
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bars(tmp_path / "data")
    return tmp_path


def saved(folder: Path, model: str | Model = "vae", name: str = "bars") -> Path:
    """A tiny checkpoint, by itself or of a family, that says it was trained on a data set of that name."""
    model = build(model) if isinstance(model, str) else model
    described = {"name": name, "shape": list(model.image_shape), "classes": list(BARS.classes)}
    return checkpoint.save(model, folder, data=described, training=None)


@pytest.fixture
def referee(tmp_path) -> Path:
    return saved(tmp_path / "bundled" / "referee-bars", "referee")


@pytest.fixture
def vae(tmp_path) -> Path:
    return saved(tmp_path / "vae-bars")


def untimed(result: dict) -> dict:
    """Without what the clock says."""
    figures = {key: value for key, value in result["metrics"].items() if not key.startswith("sampling_ms")}
    return result | {"metrics": figures}


def work_folders(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "cache/genmodels/evaluate").glob("model-*")]


# -- what is measured --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_abilities_decide_what_is_measured(family, tmp_path, referee):
    folder = saved(tmp_path / "model", family)
    model = checkpoint.load(folder)
    expected = {"parameters", "file_size"}
    if isinstance(model, Encodes) and isinstance(model, Decodes):
        expected |= RECONSTRUCTION if operations.compresses(model) else {"largest_error"}
    if isinstance(model, HasLikelihood):
        expected |= BOUND if model.likelihood_is_bound else {"bits_per_dim"}
    if isinstance(model, Samples):
        expected |= WITHOUT_DATA | SEEN | SAMPLES
    result = evaluate(folder, N)
    assert result["failed"] == {}
    assert set(result["metrics"]) == expected
    assert bool(result["references"]) == isinstance(model, Samples)


def test_a_model_without_classes(tmp_path, referee):
    folder = saved(tmp_path / "model", build("vae", num_classes=0))
    result = evaluate(folder, N)
    assert result["failed"] == {}
    missing = {"class_accuracy", "student_accuracy"}
    assert set(result["metrics"]) == (RECONSTRUCTION | BOUND | WITHOUT_DATA | SEEN | SAMPLES) - missing
    assert "student_accuracy" in result["references"]["train"], "it is about the data, whatever the model"


def test_every_figure_tells_how_it_came_to_be(tmp_path, vae, referee):
    result = evaluate(vae, N, seed=3)
    assert result == json.loads((vae / "metrics.json").read_text())
    assert result["format"] == METRICS_FORMAT
    assert result["data"] == {"name": "bars", "split": "test"}
    assert (result["n"], result["seed"]) == (N, 3)
    assert result["weights"] == checkpoint.weights_hash(vae)
    assert result["config"] == config_hash(vae)
    assert result["referee"] == {"name": "referee-bars", "hash": checkpoint.weights_hash(referee)}
    assert {"hardware", "date", "version"} <= result.keys()
    for figure in [*of_model(result).values(), *of_real_images(result).values()]:
        assert isinstance(figure["value"], int | float)
        assert isinstance(figure["unit"], str)
        assert figure["protocol"]
        assert 1 <= figure["n"] <= N
        assert figure["seed"] == 3
    assert not work_folders(tmp_path), "what was kept for an interruption is cleared away"


def test_every_part_tells_its_progress(tmp_path, referee, monkeypatch):
    """From nothing to all, and so often that the time left can be told: after every batch, also within a chunk."""
    for module in (measurement, parts, samples, student):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(shards, "CHUNK", 1000)
    told: dict[str, list[float]] = {}
    wholes = []

    def note(part: str, share: float, whole: float) -> None:
        told.setdefault(part, []).append(share)
        wholes.append(whole)

    evaluate(saved(tmp_path / "model", "flow"), N, progress=note)
    assert wholes == sorted(wholes)
    assert (wholes[0], wholes[-1]) == (0, pytest.approx(1))
    for part, shares in told.items():
        assert shares == sorted(shares), part
        assert (shares[0], shares[-1]) == (0, 1), part
    for part, batches in {"likelihood": 2, "frechet": N / 2, "student": 4}.items():
        assert len(set(told[part])) > batches, part


def test_real_images_are_measured_beside_samples(vae, referee):
    """Training images come nearest to test images; the worse they are spoilt, the farther they are."""
    references = evaluate(vae, 30)["references"]
    sets = ["train", "blur_0.5px", "blur_1px", "without_first_class"]
    assert list(references) == sets
    assert all(figures.keys() >= DISTANCES for figures in references.values())
    assert references["train"].keys() - DISTANCES == {"student_accuracy"}
    floor, blurred, more, missing = (references[kind]["frechet_distance"]["value"] for kind in sets)
    assert floor < blurred < more
    assert floor < missing


def test_the_measured_distance_is_that_of_samples_and_test_images(vae, referee):
    """Computed once more by hand: image i has seed `seed + i` and the label of test image i."""
    from genmodels.operations import sample

    result = evaluate(vae, N, seed=5)
    test = load_dataset("bars", "test")
    judge = checkpoint.load(referee)
    made = data.to_float(data.to_uint8(sample(checkpoint.load(vae), N, 5, test.labels[:N].tolist())))
    real, fake = judge.features(test[:][0]), judge.features(made)
    assert result["metrics"]["frechet_distance"]["value"] == pytest.approx(
        metrics.frechet_distance(real, fake), rel=1e-4
    )
    right = (judge.classify(fake)[0].argmax(1) == test.labels[:N]).float().mean()
    assert result["metrics"]["class_accuracy"]["value"] == pytest.approx(100 * float(right), abs=1e-3)


def test_a_referees_own_accuracy(tmp_path, monkeypatch):
    """Of more attributes than there are digits, so that none is taken for another."""
    columns = tuple(f"a{i}" for i in range(12))
    monkeypatch.setitem(DATASETS, "bars", dataclasses.replace(BARS, attributes=columns))
    add_columns(tmp_path / "data/bars", {name: lambda i, j=j: str((i + j) % 2) for j, name in enumerate(columns)})
    model = build("referee", attributes=(2,) * 12)
    result = evaluate(saved(tmp_path / "model", model), N)
    truth = load_dataset("bars", "test", attributes=True)
    x, labels = truth[:N]
    expected = metrics.accuracies(model.classify(model.features(x)), labels)
    assert result["failed"] == {}
    found = [result["attributes"][name]["accuracy"]["value"] for name in columns]
    assert found == pytest.approx([100 * share for share in expected], abs=1e-3)


def add_columns(folder: Path, columns: dict) -> None:
    """Text columns for the parquet files of a data set; each value is a function of the row's number."""
    import datasets

    for file in folder.glob("*.parquet"):
        table = datasets.load_dataset("parquet", data_files=str(file), split="train")
        for name, value in columns.items():
            table = table.add_column(name, [value(i) for i in range(len(table))])
        table.to_parquet(str(file))


def test_a_planted_copy_is_found(vae, referee, monkeypatch):
    """Three samples are training images: so many more than honest ones."""
    honest = evaluate(vae, 30)["metrics"]
    draw = Evaluation.draw

    def cheating(self, indices, labels):
        pixels = draw(self, indices, labels)
        for i in range(3):
            if i in indices:
                pixels[indices.index(i)] = self.train.pixels[i]
        return pixels

    monkeypatch.setattr(Evaluation, "draw", cheating)
    copied = evaluate(vae, 30)["metrics"]
    assert copied["copies"]["value"] == pytest.approx(honest["copies"]["value"] + 100 * 3 / 30, abs=0.01)


@having(Judges)
def test_a_critic_judges_samples(family, tmp_path, vae, referee):
    bundle = tmp_path / "bundled"
    saved(bundle / "a-critic", build(family, image_shape=(1, 12, 12)))
    saved(bundle / "b-critic", family, name="mnist")
    assert "critic_share" not in evaluate(vae, N)["metrics"], "neither is a critic of such pictures"
    critic = saved(bundle / "c-critic", family)
    figure = evaluate(vae, N)["metrics"]["critic_share"]
    assert 0 <= figure["value"] <= 100
    assert f"c-critic ({checkpoint.weights_hash(critic)})" in figure["protocol"]
    assert figure["critic"] == {"name": "c-critic", "hash": checkpoint.weights_hash(critic)}


@having(Judges)
def test_a_new_critic_sees_the_first_samples_and_no_others_are_drawn(family, tmp_path, vae, referee, monkeypatch):
    monkeypatch.setattr(samples, "FIRST", 20)
    saved(tmp_path / "bundled/critic", family)
    whole = evaluate(vae, N)["metrics"]
    drawn, draw = [], Evaluation.draw_as_told
    monkeypatch.setattr(Evaluation, "draw_as_told", lambda self, i: drawn.extend(i) or draw(self, i))
    again = evaluate(vae, N, only=["critic", "copies"])["metrics"]
    assert drawn == list(range(20))
    for key in ("critic_share", "copies"):
        assert again[key] == whole[key]
        assert again[key]["n"] == 20


@having(Judges)
@pytest.mark.parametrize("change", ["other weights", "another name", "none"])
def test_what_another_critic_said_is_not_shown(family, change, tmp_path, vae, referee):
    """Of a critic that was trained further, or replaced, or taken away; all other figures still hold."""
    critic = saved(tmp_path / "bundled/critic", family)
    result = evaluate(vae, N)
    assert measured(vae) == result
    if change == "other weights":
        saved(critic, build(family, seed=1))
    elif change == "another name":
        saved(tmp_path / "bundled/a-critic", build(family, seed=1))
    else:
        shutil.rmtree(critic)
    kept = {key: value for key, value in result["metrics"].items() if key != "critic_share"}
    assert measured(vae) == result | {"metrics": kept}
    assert "critic_share" not in card.model_card(vae)
    if change != "none":
        again = evaluate(vae, N, only=["critic"])
        assert again["metrics"]["critic_share"]["critic"] != result["metrics"]["critic_share"]["critic"]
        assert measured(vae) == again


# -- interrupted, repeated, shared -------------------------------------------------------------------------------------


def test_what_was_made_with_other_settings_is_made_again(tmp_path, vae, referee, monkeypatch):
    """Interrupted, then told another temperature: no sample of the former one counts."""
    draw = Evaluation.draw_as_told

    def interrupted(self, indices):
        if 10 in indices:
            raise KeyboardInterrupt
        return draw(self, indices)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluation, "draw_as_told", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate(vae, N)
    values = json.loads((vae / "config.json").read_text())
    values["config"]["temperature"] = 0.3
    (vae / "config.json").write_text(json.dumps(values))
    found = evaluate(vae, N)
    shutil.rmtree(tmp_path / "cache")
    assert untimed(evaluate(vae, N)) == untimed(found)


def test_an_interrupted_run_goes_on(tmp_path, vae, referee, monkeypatch):
    """Ctrl-C in the middle of the samples: what was done is not done again, and the result is the same."""
    computed: list[tuple[str, int]] = []
    stop_at: list[tuple[str, int]] = [("samples", 10)]
    compute = shards.compute

    def recording(folder, name, n, rows, progress):
        def recorded(chunk):
            if (name, chunk.start) in stop_at:
                raise KeyboardInterrupt
            computed.append((name, chunk.start))
            return rows(chunk)

        compute(folder, name, n, recorded, progress)

    monkeypatch.setattr(shards, "compute", recording)
    with pytest.raises(KeyboardInterrupt):
        evaluate(vae, N)
    assert not (vae / "metrics.json").exists()
    (work,) = work_folders(tmp_path)
    time = json.loads((work / "speed-seed0.json").read_text())["sampling_ms_16_cpu"]
    stop_at.clear()
    first = computed.copy()
    resumed = evaluate(vae, N)
    assert ("samples", 0) in first
    assert sorted(computed) == sorted(set(computed)), "a chunk was computed twice"
    assert resumed["metrics"]["sampling_ms_16_cpu"] == time

    everything = set(computed)
    computed.clear()
    shutil.rmtree(tmp_path / "cache")
    assert untimed(evaluate(vae, N)) == untimed(resumed)
    assert set(computed) == everything


def test_real_images_are_looked_at_once_for_all_models(tmp_path, vae, referee, monkeypatch):
    evaluate(vae, N)
    computed: list[str] = []
    compute = shards.compute

    def recording(folder, name, n, rows, progress):
        compute(folder, name, n, lambda chunk: computed.append(name) or rows(chunk), progress)

    monkeypatch.setattr(shards, "compute", recording)
    evaluate(saved(tmp_path / "other", build("vae", seed=1)), N)
    assert set(computed) == {"reconstruction", "likelihood", "samples", "unlabelled", "seen samples", "seen unlabelled"}


TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
LAUNCHED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_evaluate
from genmodels import checkpoint
from genmodels.__main__ import main
test_evaluate.know_bars(Path({data!r}))
checkpoint.BUNDLED = [Path({bundled!r})]
sys.exit(main(["evaluate", {folder!r}, "--n", "24"]))
"""


def test_two_processes_are_one(tmp_path, vae, referee):
    """The command under `torchrun`: each process takes some of the chunks; one of them writes."""
    alone = evaluate(vae, N)
    shutil.rmtree(tmp_path / "cache")
    (vae / "metrics.json").unlink()
    folders = {"data": tmp_path / "data", "bundled": tmp_path / "bundled", "folder": vae}
    script = LAUNCHED.format(tests=str(Path(__file__).parent), **{key: str(path) for key, path in folders.items()})
    (tmp_path / "script.py").write_text(script)
    result = python(*TOGETHER, tmp_path / "script.py")
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("frechet_distance of training images") == 1, "one of them speaks"
    together = json.loads((vae / "metrics.json").read_text())
    assert untimed(together) == untimed(alone)
    assert "| frechet_distance |" in (vae / "README.md").read_text()


def test_other_data_under_the_same_name_are_other_data(tmp_path, vae, referee):
    before = evaluate(vae, N)["references"]
    shutil.rmtree(tmp_path / "data/bars")
    write_bars(tmp_path / "data", train=40, test=50)
    after = evaluate(vae, N)["references"]
    assert after.keys() == before.keys()
    assert after["train"]["frechet_distance"] != before["train"]["frechet_distance"]


def test_references_of_another_seed_are_their_own(vae, referee):
    for seed in (0, 1):
        result = evaluate(vae, N, seed=seed)
        assert {figure["seed"] for figure in of_real_images(result).values()} == {seed}


# -- chunks on disk ----------------------------------------------------------------------------------------------------


def squares(chunk: range) -> shards.Rows:
    return {"squares": torch.tensor(chunk).square()}


def test_chunks_come_back_in_order(tmp_path):
    shards.compute(tmp_path / "work", "numbers", 25, squares)
    assert torch.equal(shards.gather(tmp_path / "work", "numbers", 25)["squares"], torch.arange(25).square())
    assert len([*(tmp_path / "work").iterdir()]) == 3


@pytest.mark.parametrize("damage", [b"", b"nonsense", None], ids=["empty", "nonsense", "half"])
def test_a_broken_chunk_is_computed_again(tmp_path, damage):
    shards.compute(tmp_path, "numbers", 25, squares)
    file = tmp_path / "numbers-000010-000020.safetensors"
    file.write_bytes(file.read_bytes()[:-40] if damage is None else damage)
    asked = []
    shards.compute(tmp_path, "numbers", 25, lambda chunk: asked.append(chunk) or squares(chunk))
    assert asked == [range(10, 20)]
    assert torch.equal(shards.gather(tmp_path, "numbers", 25)["squares"], torch.arange(25).square())


def test_what_failed_is_tried_again(tmp_path):
    def failing(chunk: range) -> shards.Rows:
        if 10 in chunk or 20 in chunk:
            raise ValueError(f"chunk {chunk.start} is bad")
        return squares(chunk)

    with pytest.raises(ValueError, match="chunk 10 is bad"):
        shards.compute(tmp_path, "numbers", 25, failing)
    asked = []
    shards.compute(tmp_path, "numbers", 25, lambda chunk: asked.append(chunk.start) or squares(chunk))
    assert asked == [10, 20]


FAILING = """
from pathlib import Path
from genmodels.evaluation import shards
from genmodels.device import process_state
shards.CHUNK = 10
state = process_state()
def rows(chunk):
    if chunk.start in (20, 50):  # one for each of the two processes
        raise ValueError(f"chunk {{chunk.start}} is bad")
    return {{}}
try:
    shards.compute(Path({folder!r}), "numbers", 80, rows)
except ValueError as error:
    Path({folder!r}, f"rank-{{state.process_index}}").write_text(str(error))
"""


def test_all_processes_fail_with_the_first_failure(tmp_path):
    (tmp_path / "script.py").write_text(FAILING.format(folder=str(tmp_path)))
    result = python(*TOGETHER, tmp_path / "script.py")
    assert result.returncode == 0, result.stderr[-3000:]
    assert [(tmp_path / f"rank-{rank}").read_text() for rank in (0, 1)] == ["chunk 20 is bad"] * 2


# -- what can't be measured is said ------------------------------------------------------------------------------------


def test_samples_that_are_not_numbers(tmp_path, referee):
    model = build("vae")
    with torch.no_grad():
        model.decoder.head.weight.fill_(float("nan"))
    result = evaluate(saved(tmp_path / "model", model), N)
    assert set(result["metrics"]) == WITHOUT_DATA
    assert result["references"]["train"].keys() >= DISTANCES
    not_numbers = "The samples are not finite: image 0 is the first with NaN or infinity."
    for part in ("frechet", "kernel", "coverage", "variety", "copies", "student"):
        assert result["failed"][part] == not_numbers
    for part in ("reconstruction", "likelihood"):
        assert result["failed"][part].startswith("The result is nan, not a finite number")


@pytest.mark.parametrize("lossy", [False, True])
def test_what_should_lose_nothing_is_held_to_it(tmp_path, lossy, monkeypatch):
    """A flow gives every picture back; one that is rounded on its way is caught."""
    if lossy:
        encode = Flow.encode
        monkeypatch.setattr(Flow, "encode", lambda self, *args, **options: encode(self, *args, **options).round())
    largest = evaluate(saved(tmp_path / "model", "flow"), N)["metrics"]["largest_error"]["value"]
    assert largest > 10 if lossy else largest == 0


@pytest.mark.parametrize("n", [1, 8])
def test_too_few_images_for_a_metric(vae, referee, n):
    """The referee's features have 8 dimensions: 9 images make a covariance of full rank."""
    result = evaluate(vae, n)
    said = f"A covariance of full rank in 8 dimensions needs at least 9 fake images, not {n}."
    assert result["failed"]["frechet"] == result["failed"]["reference_frechet"] == said
    measured = RECONSTRUCTION | BOUND | WITHOUT_DATA | SAMPLES | {"class_accuracy"}
    assert measured <= result["metrics"].keys()
    if n == 8:
        assert result["failed"].keys() == {"frechet", "reference_frechet"}
        assert set(result["metrics"]) == measured | SEEN - {"frechet_distance"}


def test_data_without_a_referee(vae):
    result = evaluate(vae, N)
    assert result["referee"] is None
    assert set(result["metrics"]) == RECONSTRUCTION | BOUND | WITHOUT_DATA | SAMPLES
    assert {kind: set(figures) for kind, figures in result["references"].items()} == {"train": {"student_accuracy"}}
    for part in ("frechet", "variety", "class_accuracy", "reference_kernel"):
        assert "no referee for the data set 'bars': train one with" in result["failed"][part]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: build("referee", image_shape=(1, 12, 12)),
            r"sees images of shape (1, 12, 12), the model makes (1, 8, 8)",
        ),
        (lambda: build("autoencoder"), "is no referee: it can't classify"),
    ],
    ids=["another shape", "no classifier"],
)
def test_a_referee_that_does_not_fit(tmp_path, vae, model, message):
    folder = saved(tmp_path / "judge", model())
    result = evaluate(vae, N, referee=folder)
    assert result["referee"]["name"] == "judge"
    assert set(result["metrics"]) == RECONSTRUCTION | BOUND | WITHOUT_DATA | SAMPLES
    assert message in result["failed"]["frechet"]


def test_data_that_cannot_be_reached_and_then_can(tmp_path, vae, referee, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "nowhere"))
    result = evaluate(vae, N)
    assert set(result["metrics"]) == WITHOUT_DATA
    needless = {
        "size",
        "speed",
        "critic",
        "accuracy",
        "novel_captions",
    }  # what a VAE, or a data set like this, lacks
    assert result["failed"].keys() == {part.slug for part in parts.PARTS} - needless
    assert all("-*.parquet in it" in reason for reason in result["failed"].values())
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    assert evaluate(vae, N)["failed"] == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be between 1 and 100000, not 0"),
        ({"n": 100_001}, "n must be between"),
        ({"seed": 2**31}, "seed must be between 0 and"),
        ({"referee": "referee-nonsense"}, "no model 'referee-nonsense'"),
    ],
    ids=str,
)
def test_what_is_refused_at_once(vae, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(vae, **options)
    assert not (vae / "metrics.json").exists()


# -- figures that don't compare ----------------------------------------------------------------------------------------


@pytest.fixture
def bundled_vae(tmp_path, referee) -> Path:
    """A bundled model that was measured by a referee that is bundled too."""
    folder = saved(tmp_path / "bundled" / "vae-bars")
    assert main(["evaluate", "vae-bars", "--n", str(N)]) == 0
    return folder


def test_the_command_refreshes_the_card(bundled_vae, capsys):
    result = json.loads((bundled_vae / "metrics.json").read_text())
    assert measured("vae-bars") == result
    text = (bundled_vae / "README.md").read_text()
    assert f"referee referee-bars ({result['referee']['hash']})" in text
    assert all(f"| {name} |" in text for name in [*of_model(result), *of_real_images(result)])
    assert "Not measured" not in text
    table = card.models_tables()
    assert f"| [`vae-bars`](checkpoints/vae-bars) | {result['metrics']['frechet_distance']['value']:.2f} |" in table
    assert "| *bars: blurred by 1 px* |" in table
    shutil.rmtree(bundled_vae / "metrics.json", ignore_errors=True)
    assert main(["evaluate", "vae-bars", "--n", "8"]) == 0
    text = (bundled_vae / "README.md").read_text()
    assert "- Fréchet distance could not be measured: A covariance of full rank in 8 dimensions" in text
    assert "Fréchet distance could not be measured" in capsys.readouterr().out


def none(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def older_format(folder: Path) -> None:
    values = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(values | {"format": METRICS_FORMAT - 1}))


def other_weights(folder: Path) -> None:
    weights = build("vae", seed=1).state_dict()
    safetensors.torch.save_file(weights, folder / "model.safetensors")


def other_referee(folder: Path) -> None:
    saved(folder.parent / "referee-bars", build("referee", seed=1))


def other_settings(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["config"]["beta"] += 1
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize("change", [none, older_format, other_weights, other_settings, other_referee])
def test_figures_that_no_longer_hold_are_not_shown(bundled_vae, change):
    assert measured(bundled_vae)
    change(bundled_vae)
    assert measured(bundled_vae) == {}
    text = card.model_card(bundled_vae)
    assert "Not measured" in text
    assert "frechet_distance" not in text
    table = card.models_tables()
    assert "| [`vae-bars`](checkpoints/vae-bars) | not measured |" in table
    assert "*bars:" not in table, "nor the real images of that measurement"


REAL = checkpoint.bundled()


@pytest.mark.parametrize("name", REAL)
def test_what_is_bundled_is_measured(name, monkeypatch):
    """As its weights, its settings, its referee and its critic are now."""
    monkeypatch.undo()
    assert measured(name) == checkpoint.read_json(name, "metrics.json") != {}


# -- parts measured again ----------------------------------------------------------------------------------------------


def test_a_part_alone_leaves_the_others_as_they_were(tmp_path, vae, referee):
    before = evaluate(vae, N)
    changed = json.loads((vae / "metrics.json").read_text())
    for figure in changed["metrics"].values():
        figure["value"] = -1
    (vae / "metrics.json").write_text(json.dumps(changed))
    after = evaluate(vae, N, only=["variety", "copies"])
    again = {"class_entropy", "rarest_class", "commonest_class", "feature_spread"}
    again |= {"copies", "exact_copies", "nearest_training_ratio"}
    for name, figure in after["metrics"].items():
        assert figure["value"] == (before["metrics"][name]["value"] if name in again else -1), name
    assert {key: value for key, value in after.items() if key != "metrics"} == {
        key: value for key, value in before.items() if key != "metrics"
    }


def test_a_part_alone_needs_the_others(tmp_path, vae, referee):
    with pytest.raises(ValueError, match="measure everything first"):
        evaluate(vae, N, only=["copies"])
    evaluate(vae, N)
    with pytest.raises(ValueError, match="measure everything first"):
        evaluate(vae, N, seed=1, only=["copies"])
    with pytest.raises(ValueError, match="no part 'nonsense'; this model has size, speed"):
        evaluate(vae, N, only=["nonsense"])


# -- a better one takes a bundled one's place ---------------------------------------------------------------------------


def test_a_better_checkpoint_takes_a_bundled_ones_place(tmp_path, referee, capsys, monkeypatch):
    bundle, name = script("bundle"), "diffusion-bars"
    target = saved(tmp_path / "bundled" / name, "diffusion")
    tables = {"words": {name: checkpoint.weights_hash(name)}, "sketch": {"referee-bars": "0"}}
    for experiment, weights in tables.items():
        write_json(target.parent / "experiments", f"{experiment}.json", {"weights": weights})
    monkeypatch.chdir(tmp_path)
    for start, run in ((name, "runs/one"), ("runs/one/checkpoint", "runs/two")):
        command = ["train", "diffusion", "--data", "bars", "--start", start, "--out", run]
        assert main([*command, "--set", "steps=1", "batch_size=4"]) == 0
    better = Path("runs/two/checkpoint")
    drawn = (better / "samples.png").read_bytes()
    assert bundle.main(["settle", str(better), "--set", "guidance_scale=2.25", "scheduler=ddim"]) == 0
    assert json.loads((better / "model_index.json").read_text())["guidance_scale"] == 2.25
    assert checkpoint.load(better).config.scheduler == "ddim"
    assert (better / "samples.png").read_bytes() != drawn
    capsys.readouterr()
    assert bundle.main(["take", str(better), name]) == 2
    assert "isn't measured as it is now" in capsys.readouterr().err
    assert checkpoint.load(name).config.guidance_scale != 2.25, "what isn't measured takes no place"
    report = evaluate(better, N)
    assert bundle.main(["compare", str(better), name]) == 0
    rows = dict(line.rsplit(maxsplit=2)[::2] for line in capsys.readouterr().out.splitlines()[1:])
    assert rows["precision"] == f"{report['metrics']['precision']['value']:.2f}"
    assert bundle.main(["take", str(better), name]) == 0
    assert capsys.readouterr().out == "out of date: python -m genmodels experiment words\n"
    assert measured(name) == report
    assert (target / "samples.png").read_bytes() == (better / "samples.png").read_bytes()
    text = (target / "README.md").read_text(encoding="utf-8")
    assert f"--out runs/{name}-1 --start {name} --set" in text
    assert f"--out runs/{name}-2 --start runs/{name}-1/checkpoint --set" in text
    assert "two" not in (target / "training.json").read_text()


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("vae", "bars", "can't stand for diffusion-bars: its family is vae, not diffusion."),
        ("diffusion", "mnist", "can't stand for diffusion-bars: its data set is mnist, not bars."),
    ],
)
@pytest.mark.parametrize("step", ["compare", "take"])
def test_a_place_is_taken_by_one_of_its_kind(step, family, name, message, tmp_path, capsys):
    target = saved(tmp_path / "bundled" / "diffusion-bars", "diffusion")
    weights = checkpoint.weights_hash(target)
    assert script("bundle").main([step, str(saved(tmp_path / "mine", family, name)), "diffusion-bars"]) == 2
    assert message in capsys.readouterr().err
    assert checkpoint.weights_hash(target) == weights
    assert script("bundle").main([step, str(target), "nonsense"]) == 2
    assert "There is no bundled model 'nonsense'; there are diffusion-bars." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("beta=9", "'beta' is no setting of sampling; those are num_inference_steps, guidance_scale, scheduler, "),
        ("guidance_scale", "--set takes KEY=VALUE, not 'guidance_scale'."),
        ("guidance_scale=-1", "guidance_scale must be"),
        ("widths=[8, 16]", "'widths' is no setting of sampling; those are "),
    ],
)
def test_what_a_checkpoint_cant_be_settled_to(tmp_path, change, message, capsys):
    folder = saved(tmp_path / "mine", "diffusion")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert script("bundle").main(["settle", str(folder), "--set", change]) == 2
    assert message in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
