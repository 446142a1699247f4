"""The app in a process of its own, for the scripts that measure it: started as a user would, and asked as its page asks."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)  # None: Playwright's own, if it is there
ROOT = Path(__file__).resolve().parent.parent


class Served(NamedTuple):
    """Where the app is, its process, and the seconds until its first answer."""

    address: str
    process: subprocess.Popen[bytes]
    seconds: float


@contextlib.contextmanager
def running_app(log: Path | None = None, **environment: str) -> Iterator[Served]:
    """The app on a free port of this computer; log: what it says, left out otherwise but for what goes wrong."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    start = time.perf_counter()
    with open(log or os.devnull, "w") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT, env=os.environ | place | environment, stdout=out, stderr=out if log else None,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        yield Served(address, process, seconds_to_answer(address, start))
    finally:
        process.terminate()
        process.wait(20)


def seconds_to_answer(address: str, start: float) -> float:
    """Seconds from `start` until the page is served. Raises TimeoutError after two minutes."""
    while time.perf_counter() - start < 120:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return time.perf_counter() - start
        time.sleep(0.05)
    raise TimeoutError("the app did not answer within two minutes")


def component(address: str) -> dict[str, Any]:
    """The page's one component: {"id", "props": …}."""
    components = httpx.get(f"{address}/config").json()["components"]
    return next(c for c in components if "server_fns" in c["props"])


def spec(address: str) -> dict[str, Any]:
    """What the page lays itself out from."""
    return component(address)["props"]["props"]["spec"]


def processes(pid: int) -> list[psutil.Process]:
    """The app's, and those that it started."""
    app = psutil.Process(pid)
    return [app, *app.children(recursive=True)]


def memory(pid: int) -> float:
    """Megabytes that the app takes, what its processes share counted once."""
    total = 0
    for process in processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # one for long work has just ended
            total += process.memory_full_info().pss
    return total / 1e6


def cpu_seconds(pid: int) -> float:
    """That the app has computed so far, processes that have ended included."""
    total = 0.0
    for process in processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # its own, and those of its ended children
    return total
