"""Tiny models, synthetic pictures and data sets, and other processes, for the tests."""

import base64
import contextlib
import dataclasses
import functools
import gc
import http.server
import importlib.util
import io
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import checkpoint, wrappers
from genmodels.data import Images
from genmodels.models.base import Model
from genmodels.registry import FAMILIES, INSTRUMENTS, get_family

ROOT = Path(__file__).parent.parent


# -- models ------------------------------------------------------------------------------------------------------------


def build(family: str, seed: int = 0, **changes: object) -> Model:
    """A tiny model of a family (or instrument) in evaluation mode, none of its parameters at the initial (often zero) value."""
    cls = get_family(family)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = cls(dataclasses.replace(cls.Config.tiny(), **changes))
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


def having(*abilities: type) -> pytest.MarkDecorator:
    """Run a test for every family or instrument whose models have all these abilities, whatever there is."""
    found = [name for name in FAMILIES | INSTRUMENTS if all(isinstance(build(name), ability) for ability in abilities)]
    return pytest.mark.parametrize("family", found)


def one_of_a_kind(names: Iterable[str], kind: Callable[[str], object]) -> list[str]:
    """The first name of each kind."""
    return list({kind(name): name for name in reversed(list(names))}.values())


def others_slow(names: Iterable[str], kind: Callable[[str], object]) -> list:
    """All names for `parametrize`, of which those that are not the first of their kind are `slow`."""
    firsts = one_of_a_kind(names, kind)
    return [name if name in firsts else pytest.param(name, marks=pytest.mark.slow) for name in names]


def first_of(name: str, *values: object) -> Any:
    """Parametrizes by a name: the first value every time, the others in slow tests."""
    return pytest.mark.parametrize(
        name, [values[0], *(pytest.param(one, marks=pytest.mark.slow) for one in values[1:])]
    )


def one_of_each_pair(*named: tuple[str, Iterable[str]]) -> Any:
    """Parametrizes by two names and their values: every value of the first comes with one of the second, in turn, and with the
    others in slow tests."""
    (first, ones), (second, others) = named
    others = list(others)
    pairs = [
        pytest.param(one, other, marks=() if i % len(others) == j else pytest.mark.slow)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
    ]
    return pytest.mark.parametrize((first, second), pairs)


def family_named(name: str) -> str:
    """The family of a bundled model."""
    return checkpoint.read_config(name)["family"]


def batch(model: Model, n: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """n random images of 256 grey levels in [-1, 1], and labels in turn, the last of which is -1 ("no class")."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n, *model.image_shape), generator=generator) / 127.5 - 1
    labels = torch.arange(n) % model.num_classes
    labels[-1] = -1
    return x, labels


def forget() -> None:
    """All that the wrappers keep: models, and what came of them."""
    for module in pkgutil.iter_modules(wrappers.__path__, f"{wrappers.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()
    gc.collect()


# -- pictures and data -------------------------------------------------------------------------------------------------


def tiny_images(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 3) -> Images:
    """A data set in memory: a bright bar on noise, whose place is the class."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 60, (n, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.arange(n) % classes
    for i, label in enumerate(labels):
        pixels[i, :, 2 * int(label) : 2 * int(label) + 2] += 180
    return Images("bars", pixels, labels, ("up", "down", "middle")[:classes])


def picture(index: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> Image.Image:
    """A picture of noise, of `size` (width, height), another one for every index."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(index).integers(0, 256, (size[1], size[0] * channels), dtype=np.uint8)
    return Image.frombytes(mode, size, values.tobytes())


def encoded(image: Image.Image, format: str = "png", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def write_parquet(
    file: Path, rows: list[tuple[bytes, int]], names: list[str] | None = None, column: str = "image"
) -> Path:
    """(bytes of a picture, label) rows as a parquet file in the Hub's schema."""
    import datasets

    label = datasets.ClassLabel(names=names) if names else datasets.Value("int64")
    features = datasets.Features({column: datasets.Image(), "label": label})
    images = [{"bytes": data, "path": f"{i}.png"} for i, (data, _) in enumerate(rows)]
    file.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict({column: images, "label": [label for _, label in rows]}, features=features)
    table.to_parquet(str(file))
    return file


# -- other processes ---------------------------------------------------------------------------------------------------


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes (None removes), for a process that imports this checkout."""
    values = os.environ | {"PYTHONPATH": str(ROOT)} | changes
    return {key: value for key, value in values.items() if value is not None}


def python(*arguments: str | Path, cwd: Path = ROOT, **env: str | None) -> subprocess.CompletedProcess:
    """This interpreter, run to its end."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@contextlib.contextmanager
def in_background() -> Iterator[Callable[..., subprocess.Popen]]:
    """begin(*arguments, **env): this interpreter in the background; what still runs in the end is killed."""
    running: list[subprocess.Popen] = []

    def begin(*arguments: str | Path, cwd: Path = ROOT, **env: str | None) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=cwd, env=environment(**env), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        running.append(process)
        return process

    try:
        yield begin
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def script(name: str) -> ModuleType:
    """One of the scripts, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def serving(folder: Path, **headers: str) -> Iterator[str]:
    """The address at which a folder's files are served, with these headers besides (`_` for `-`)."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_served(address: str, process: subprocess.Popen | None = None, seconds: float = 120) -> None:
    """Returns when the address answers. TimeoutError if it does not in time, or if the process that should has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Nothing answers at {address}.")


# -- the Hub -----------------------------------------------------------------------------------------------------------


APP = """# app.py without what it computes before anybody asks for it
import runpy
from genmodels.tabs import page
page.compute_first = lambda work: iter(())
runpy.run_path("app.py", run_name="__main__")
"""


@contextlib.contextmanager
def serve_app(folder: Path, **env: str) -> Iterator[str]:
    """The address of an app in a process of its own with such an environment. It writes a log into the folder, and no traceback."""
    port = free_port()
    env |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", APP], cwd=ROOT, env=environment(**env), stdout=log, stderr=log
        )
    try:
        wait_until_served(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in Path(folder, "log").read_text()


def git_repo(folder: Path) -> None:
    """Commit all that lies in a folder."""
    git = ["git", "-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], cwd=folder, check=True, env=environment(GIT_CONFIG_GLOBAL="/dev/null"))


@contextlib.contextmanager
def serve_hub(mirror: Path, home: Path, repo: str) -> Iterator[str]:
    """The address of olah, which speaks the Hub's protocol, serving the git repositories under `mirror`; repo: one of them.

    It needs an environment of its own (its requirements differ from ours): GENMODELS_OLAH_PYTHON is its interpreter.
    """
    interpreter = os.environ.get("GENMODELS_OLAH_PYTHON")
    if not interpreter:
        pytest.skip("GENMODELS_OLAH_PYTHON is not set: it is to be a Python in whose environment olah is installed")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (home / "olah.toml").write_text(
        f'[basic]\nhost = "127.0.0.1"\nport = {port}\nrepos-path = "{home}/repos"\nmirrors-path = ["{mirror}"]\n'
        "[accessibility]\noffline = true\n"
    )
    with open(home / "output", "w") as output:
        command = [interpreter, "-m", "olah.server", "--config", "olah.toml", "--log-path", "logs"]
        server = subprocess.Popen(command, cwd=home, stdout=output, stderr=output, env=environment(PYTHONPATH=None))
    try:
        wait_until_served(f"{address}/api/models/{repo}/revision/main", server)
        yield address
    except TimeoutError:
        pytest.fail(f"olah did not start: {(home / 'output').read_text()[-2000:]}")
    finally:
        server.terminate()
        server.wait(30)


def online(endpoint: str, home: Path) -> dict[str, str | None]:
    """The environment of a process that finds the Hub at `endpoint`, with its cache in `home`."""
    return {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": None, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def unpacked(pictures: dict[str, Any]) -> np.ndarray:
    """The pictures of a section's answer, uint8 `(N, H, W, C)`."""
    n, channels, height, width = pictures["shape"]
    return np.frombuffer(base64.b64decode(pictures["pixels"]), np.uint8).reshape(n, height, width, channels)
