"""What all tests share: a quiet, offline, reproducible process, and fixtures."""

import atexit
import os
import shutil
import tempfile

# The libraries concerned read these at import, so they stand before everything else.
_HOME = tempfile.mkdtemp(prefix="genmodels-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "XDG_CACHE_HOME": f"{_HOME}/cache",
    "HF_HOME": f"{_HOME}/huggingface",
    "HF_HUB_OFFLINE": "1",  # the Hub tests start processes of their own, with a real server's address
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_TEMP_DIR": f"{_HOME}/gradio",
}
for _variable in ("HF_ENDPOINT", "HF_TOKEN"):
    os.environ.pop(_variable, None)

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers import ROOT, environment, free_port, in_background, tiny_images, wait_until_served
from PIL import Image

torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """All tests compute on the CPU, alike on every machine, but for those that `-m gpu` asks for."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before anything has asked torch for a GPU


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """20 pictures of 8x8 in two sub-folders, `down` (a bar at the bottom) and `up`."""
    folder = tmp_path / "pictures"
    images = tiny_images(20, classes=2)
    for i, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        file = folder / ("up", "down")[label] / f"{i:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0].numpy()).save(file)
    return folder


@pytest.fixture
def data_root() -> Path:
    """The folder with the real data sets; tests that need it are skipped where there is none."""
    root = os.environ.get("GENMODELS_DATA")
    if not root:
        pytest.skip("GENMODELS_DATA is not set")
    return Path(root)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """start(*arguments, **env): this interpreter in the background; what still runs after the test is killed."""
    with in_background() as begin:
        yield begin


@pytest.fixture(scope="session")
def app_address() -> Iterator[str]:
    """The app, started once as a user starts it; at the end its log must hold no error but refusals of bad input."""
    log = Path(_HOME, "app.log")
    port = free_port()
    env = environment(GRADIO_SERVER_PORT=str(port), GRADIO_SERVER_NAME="127.0.0.1", PYTHONUNBUFFERED="1")
    with open(log, "w") as file:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_served(address, process)
    except TimeoutError:
        process.kill()
        pytest.fail(f"the app did not start: {log.read_text()}")
    yield address
    process.terminate()
    process.wait(20)
    text = log.read_text()  # gradio logs its own refusals (a model that is not in the list) with a traceback
    assert text.count("Traceback") == text.count("\ngradio.exceptions.Error:"), text
