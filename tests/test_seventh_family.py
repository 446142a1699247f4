"""A family is a model file, a tab file, two lines and a checkpoint: here a seventh one, and all that follows by itself."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import test_contract
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers import ROOT, free_port, tiny_images, wait_until_served
from mixture import Mixture
from PIL import Image

from genmodels import bench, card, checkpoint
from genmodels.__main__ import main
from genmodels.evaluation import shards, student
from genmodels.publish import to_upload
from genmodels.registry import FAMILIES
from genmodels.wrappers import core, sampling

FAMILY, NAME = "mixture", "mixture-pictures"
CLASSES = ("up", "down", "middle")


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The line in the registry; that of the tab is in the process which serves the app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, FAMILY, "mixture:Mixture")
        yield


@pytest.fixture(scope="module", autouse=True)
def bundle(registered: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of bundled models with just the new one and its referee, both trained and measured by command."""
    root = tmp_path_factory.mktemp("seventh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setattr(checkpoint, "BUNDLED", [root / "bundled"])
        patch.setattr(student, "STUDENT_STEPS", 4)
        patch.setattr(shards, "CHUNK", 20)
        patch.setattr(bench, "REPEATS", 1)
        data = write_pictures(root / "pictures")
        train(
            root,
            data,
            "referee",
            "referee-pictures",
            "widths=[8,8]",
            "blocks=1",
            "feature_dim=8",
            "steps=60",
            "ema_decay=0.5",
            "max_shift=0",
        )
        train(root, data, FAMILY, NAME)
        run("evaluate", NAME, "--data", data, "--n", 30)
        yield root / "bundled"
    for cached in (core._on, core._description):
        cached.cache_clear()


def run(*arguments: object) -> None:
    assert main([str(one) for one in arguments]) == 0


def write_pictures(root: Path) -> Path:
    images = tiny_images(90)
    for i, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        folder = root / ("train" if i < 60 else "test") / CLASSES[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0].numpy()).save(folder / f"{i:02d}.png")
    return root


def train(root: Path, data: Path, family: str, name: str, *settings: str) -> None:
    out = root / "runs" / name
    more = ("--set", *settings) if settings else ()
    run("train", family, "--data", data, "--out", out, "--shape", "1,8,8", "--precision", "no", *more)
    shutil.copytree(out / "checkpoint", root / "bundled" / name)


@pytest.mark.parametrize(
    "check",
    [
        test
        for name, test in vars(test_contract).items()
        if name.startswith("test_") and "half" not in str(test.pytestmark)
    ],
)
def test_it_keeps_the_contract(check):
    check(FAMILY)


def test_it_has_learnt(bundle):
    """The means of its components are the bars of their class, brighter than what is around them."""
    model = checkpoint.load(NAME)
    assert isinstance(model, Mixture)
    for label, row in enumerate(checkpoint.read_config(NAME)["data"]["classes"]):
        bar = 2 * CLASSES.index(row)
        mean = (model.logits[label].softmax(0)[:, None] * model.means[label]).sum(0).view(8, 8)
        assert mean[bar : bar + 2].mean() > mean.mean() + 0.5


def test_it_is_measured(bundle):
    values = checkpoint.read_json(NAME, "metrics.json")
    assert values["failed"] == {}
    assert values["referee"]["name"] == "referee-pictures"
    assert {"frechet_distance", "class_accuracy", "bits_per_dim", "sampling_ms_16_cpu"} <= set(values["metrics"])
    assert values["metrics"]["class_accuracy"]["value"] > 60, "one in three is chance"
    assert NAME in card.models_tables()


def test_it_is_described(bundle):
    text = (bundle / NAME / "README.md").read_text()
    assert "Pearson 1894" in text
    assert "bits_per_dim" in text
    assert sorted(to_upload(NAME, "user/mixture")) == sorted(file.name for file in (bundle / NAME).iterdir())


def test_it_is_sampled(tmp_path, capsys):
    run("sample", NAME, "--n", 6, "--set", "noise=0.5", "--out", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.text["noise"] == "0.5"
    with pytest.raises(ValueError, match=r"The noise must be a number from 0 to 3, not 4\."):
        sampling.sample(NAME, noise=4)
    capsys.readouterr()
    run("bench", NAME)
    assert f"| {NAME} | sample |" in capsys.readouterr().out
    run("list")
    assert NAME in capsys.readouterr().out


SERVE = """
from pathlib import Path
from genmodels import app, checkpoint
from genmodels.registry import FAMILIES
from genmodels.tabs import TABS
FAMILIES["mixture"] = "mixture:Mixture"
TABS.append("mixture_tab")
checkpoint.BUNDLED = [Path({bundle!r})]
app.main({port})
"""


def test_it_is_shown(bundle, start):
    """Its tab is the only one of a family, for no other has a model here; its endpoints answer, and keep to its knob's range."""
    port = free_port()
    code, path = SERVE.format(bundle=str(bundle), port=port), f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    process = start("-c", code, PYTHONPATH=path, GRADIO_SERVER_NAME="127.0.0.1")
    address = f"http://127.0.0.1:{port}"
    wait_until_served(address, process)
    components = httpx.get(f"{address}/config").json()["components"]
    spec = next(c["props"]["props"]["spec"] for c in components if "spec" in c["props"].get("props", {}))
    assert [tab["title"] for tab in spec["tabs"] if tab["is_family"]] == ["Mixture"]
    assert spec["tabs"][-1]["sections"][0]["fields"]["noise"]["label"] == "Noise"
    assert spec["families"][FAMILY]["strengths"] == ["simple"]
    client = Client(address, verbose=False)
    try:
        named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
        assert {name for name in named if name.startswith("/mixture")} == {"/mixture_generate"}
        answer = client.predict(NAME, "down", 7, 4, 0.5, api_name="/mixture_generate")
        assert answer["samples"]["shape"][0] == 4
        with pytest.raises(AppError, match="The noise must be a number from 0 to 3, not 4"):
            client.predict(NAME, "down", 7, 4, 4, api_name="/mixture_generate")
    finally:
        client.close()
