"""Where there is a GPU: the same pictures as on the CPU, training, measuring, and what the app runs there.

`python -m pytest -m gpu` runs these; from all other tests the GPU is hidden (conftest.py).
"""

import copy
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import diffusers
import pytest
import tiny_pipelines
import torch
from helpers import batch, build, forget, having, tiny_images
from huggingface_hub import constants
from test_evaluate import BARS, saved, write_bars
from test_second_device import SECTIONS, answered, same
from torch import Tensor

from genmodels import bench, checkpoint, evaluate, operations
from genmodels.data import DATASETS, Images, to_uint8
from genmodels.device import devices, hardware
from genmodels.evaluation import student
from genmodels.models.base import Model, seeded
from genmodels.protocols import Classifies, Completes, Decodes, Encodes, HasLikelihood, Judges, Samples
from genmodels.registry import FAMILIES, INSTRUMENTS, get_family
from genmodels.training import finish, train
from genmodels.wrappers import hub_pipelines

GPU = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is in sight: `-m gpu` shows those there are"),
]
every_model = pytest.mark.parametrize("family", FAMILIES | INSTRUMENTS)


@pytest.fixture(autouse=True)
def as_precise_as_the_cpu() -> Iterator[None]:
    """Convolutions in float32 throughout: by default a GPU rounds their factors to ten bits (TF32)."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def both(family: str) -> tuple[Model, Model]:
    """The same model twice: on the CPU and on the GPU."""
    model = build(family).requires_grad_(False)
    return model, copy.deepcopy(model).to(GPU)


def assert_same(found: Tensor, expected: Tensor) -> None:
    """Computed on the GPU, and up to rounding what the CPU computed."""
    assert found.device.type == GPU
    torch.testing.assert_close(found.cpu(), expected, atol=1e-3, rtol=1e-3)


def assert_same_pictures(found: Tensor, expected: Tensor) -> None:
    """Computed on the GPU, and the CPU's to one grey level."""
    assert found.device.type == GPU
    assert (to_uint8(found.cpu()).int() - to_uint8(expected).int()).abs().max() <= 1


def untrained(family: str) -> Model:
    torch.manual_seed(0)
    return get_family(family)(get_family(family).Config.tiny())


# -- every family ------------------------------------------------------------------------------------------------------


@having(Samples)
def test_a_seed_is_the_same_picture(family):
    """Noise is drawn on the CPU, whatever computes."""
    here, there = both(family)
    assert_same_pictures(operations.sample(there, 4, seed=3), operations.sample(here, 4, seed=3))


@having(Encodes, Decodes)
def test_codes_and_what_is_made_of_them(family):
    here, there = both(family)
    x, labels = batch(here)
    assert_same(there.encode(x.to(GPU), labels.to(GPU)).float(), here.encode(x, labels).float())
    assert_same_pictures(operations.reconstruct(there, x.to(GPU)), operations.reconstruct(here, x))


@having(HasLikelihood)
def test_likelihoods(family):
    """Those that are exact are the same; of a bound each device draws its own estimate."""
    here, there = both(family)
    x, labels = batch(here)
    found = operations.bits_per_dim(there, x.to(GPU), labels.to(GPU))
    assert found.isfinite().all()
    if not here.likelihood_is_bound:
        assert_same(found, operations.bits_per_dim(here, x, labels))


@having(Completes)
def test_the_same_completions(family):
    here, there = both(family)
    x, labels = batch(here)
    mask = torch.arange(here.image_shape[1]).view(1, 1, -1, 1).expand(len(x), 1, *here.image_shape[1:]) < 4
    expected = here.complete(x, mask, labels, generators=seeded(range(len(x))))
    found = there.complete(x.to(GPU), mask.to(GPU), labels.to(GPU), generators=seeded(range(len(x))))
    assert_same_pictures(found, expected)


@having(Judges)
def test_the_same_judgements(family):
    here, there = both(family)
    x, labels = batch(here)
    assert_same(there.realism(x.to(GPU), labels.to(GPU)), here.realism(x, labels))


@having(Classifies)
def test_the_same_classes(family):
    here, there = both(family)
    x, _ = batch(here)
    features = here.features(x)
    assert_same(there.features(x.to(GPU)), features)
    for found, expected in zip(there.classify(features.to(GPU)), here.classify(features), strict=True):
        assert_same(found, expected)


# -- training ----------------------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_three_steps(family, precision):
    """No figure and no weight is NaN or infinite."""
    model = untrained(family)
    recipe = dataclasses.replace(model.recipe, steps=3, batch_size=4)
    rows = list(train(model, tiny_images(8), recipe, precision=precision, log_every=1))
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert all(parameter.device.type == GPU and parameter.isfinite().all() for parameter in model.parameters())


def test_a_run_is_resumed_and_finished(tmp_path):
    """The precision is timed; the finished checkpoint goes back to the GPU."""
    model, images = untrained("vae"), tiny_images(8)
    options = {"folder": tmp_path, "log_every": 1, "save_steps": 1, "resume": True}
    for steps in (2, 4):
        recipe = dataclasses.replace(model.recipe, steps=steps, batch_size=4)
        rows = list(train(model, images, recipe, **options))
    assert [row["step"] for row in rows] == [3, 4]
    finish(model, tmp_path, images)
    again = checkpoint.load(tmp_path / "checkpoint")
    assert next(again.parameters()).device.type == GPU
    assert checkpoint.read_json(tmp_path / "checkpoint", "training.json")["hardware"] == hardware(torch.device(GPU))


# -- measuring ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bars(tmp_path, monkeypatch) -> Images:
    """The data set "bars" with a referee, and nothing else that is bundled."""
    monkeypatch.setitem(DATASETS, "bars", BARS)
    monkeypatch.setattr(student, "STUDENT_STEPS", 4)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path / "bundled"])
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bars(tmp_path / "data")
    saved(tmp_path / "bundled" / "referee-bars", "referee")
    return tiny_images()


@pytest.mark.parametrize("family", FAMILIES)
def test_all_is_measured_and_speed_on_both_devices(family, bars, tmp_path):
    result = evaluate(saved(tmp_path / "model", family), 24)
    assert result["failed"] == {}
    assert result["hardware"] == hardware(torch.device(GPU))
    timed = {key.rpartition("_")[2] for key in result["metrics"] if key.startswith("sampling_ms")}
    assert timed == ({"cpu", GPU} if isinstance(build(family), Samples) else set())


def test_bench(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "BATCHES", (16,))
    first, *_, last = bench.bench_table([str(checkpoint.save(build("vae"), tmp_path))])
    assert hardware(torch.device(GPU)) in first
    assert all(float(cell) > 0 for cell in last.split("|")[3:6])


# -- the app -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")
@pytest.mark.parametrize("key", SECTIONS)
def test_a_section_answers_what_it_answers_on_the_cpu(key, monkeypatch):
    """Its model and all that it computes are on the GPU; up to rounding it is the same."""
    monkeypatch.setenv("GENMODELS_DEVICE", "cpu")
    devices.cache_clear()
    forget()
    expected = answered(key)
    monkeypatch.delenv("GENMODELS_DEVICE")
    devices.cache_clear()
    forget()
    found = answered(key)
    assert {where.type for where in devices()} == {GPU}
    same(found, expected)


@pytest.mark.parametrize("precision", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_stock_diffusers_draws_the_same_pictures(precision, tmp_path):
    folder = checkpoint.save(build("diffusion"), tmp_path)
    drawn = []
    for place, dtype in (("cpu", torch.float32), (GPU, precision)):
        pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True, dtype=dtype).to(place)
        pipe.set_progress_bar_config(disable=True)
        drawn.append(pipe([0, 2], generator=seeded([0, 1]), output_type="pt").images.cpu())
    assert (drawn[1] - drawn[0]).abs().max() < (0.01 if precision == torch.float32 else 0.15)


def in_the_hubs_cache(kind: str) -> str:
    """A tiny pipeline of random weights where a download leaves it; the id of its repo."""
    folder, commit = Path(constants.HF_HUB_CACHE, f"models--tester--{kind}"), "0" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(commit)
    tiny_pipelines.save(getattr(tiny_pipelines, kind)(), folder / "snapshots" / commit, half=kind == "stable_diffusion")
    return f"tester/{kind}"


@pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say of each other's versions
@pytest.mark.parametrize(("kind", "precision"), [("stable_diffusion", torch.float16), ("flux", torch.bfloat16)])
def test_a_pipeline_of_the_hub(kind, precision, monkeypatch):
    """On the GPU, in the precision that its network is made for, with previews on the way."""
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "*")
    repo = in_the_hubs_cache(kind)
    told = list(hub_pipelines.generate(repo, "a red bar", num_inference_steps=3, width=64, height=64))
    assert told[-1].done
    assert told[-1].image.size == (64, 64)
    assert {progress.step for progress in told if progress.image} == {1, 2, 3}
    pipeline = hub_pipelines._holder.pipeline
    assert (pipeline.device.type, pipeline.dtype) == (GPU, precision)
    hub_pipelines._holder.clear()
