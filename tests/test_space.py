"""This repository as a Space of the Hugging Face Hub: what is uploaded, what its machines install, and that it starts there."""

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers import ROOT, environment, free_port, online, python, wait_until_served

from genmodels import checkpoint
from genmodels.publish import FREE_SPACES, SPACE, space_files, space_requirements

REQUIREMENTS = (ROOT / "requirements.txt").read_text()
MODEL = "vae2d-mnist"


def tracked() -> set[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


# -- what is uploaded --------------------------------------------------------------------------------------------------


def test_a_space_is_what_it_runs_and_nothing_else():
    """The tracked files of these folders; no data, runs, tests or caches that may lie beside them."""
    expected = {name for name in tracked() if name.split("/")[0] in (*SPACE, "requirements.txt")}
    assert space_files().keys() == expected
    assert {"README.md", "app.py", "genmodels/app.py", f"checkpoints/{MODEL}/model.safetensors"} <= expected


def test_a_package_is_no_space(tmp_path):
    with pytest.raises(ValueError, match="A Space is made of a checkout of genmodels"):
        space_files(tmp_path)


def test_requirements_follow_the_platforms_rules():
    """It installs Gradio, its own library and the Hub's by itself; ZeroGPU has no newer torch than 2.11."""
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in REQUIREMENTS.splitlines()[1:]]
    for zero_gpu, torch in ((False, "torch>=2.8,<3"), (True, "torch>=2.8,<2.12")):
        lines = space_requirements(REQUIREMENTS, zero_gpu=zero_gpu).splitlines()[1:]
        kept = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]
        assert kept == [name for name in names if name not in ("gradio", "huggingface_hub")]
        assert torch in lines


# -- to a Hub ----------------------------------------------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """What of the Hub an upload needs, and what it was told. A free account gets Gradio Spaces on ZeroGPU alone."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Visit(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.say(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            if asked["hardware" if "hardware" in asked else "sdk"] == "gradio":
                return self.say(402, {"error": "Gradio Spaces need a PRO account."})
            self.server.made.append(asked)
            return self.say(200, {"url": f"{self.server.address}/spaces/tester/{asked['name']}"})
        if self.path.startswith("/api/spaces/tester/new/preupload/"):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for name in names]
            return self.say(200, {"files": modes})
        if self.path.startswith("/api/spaces/tester/new/commit/"):
            for entry in map(json.loads, body.decode().splitlines()):
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = b64decode(entry["value"]["content"])
            commit = f"{self.server.address}/spaces/tester/new/commit/{'0' * 40}"
            return self.say(200, {"success": True, "commitOid": "0" * 40, "commitUrl": commit})
        return self.say(200, {})  # what else it asks: whether a card is valid, say

    def say(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a single model, which also holds what is nobody's business."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        wanted = not name.startswith("checkpoints/") or name.count("/") == 1 or name.startswith(f"checkpoints/{MODEL}/")
        if wanted and name.split("/")[0] in (*SPACE, "requirements.txt"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "runs").mkdir()
    for secret in ("runs/notes.txt", ".env"):
        (folder / secret).write_text("mine")
    return folder


def push(hub: Hub, checkout: Path, home: Path, *more: str) -> subprocess.CompletedProcess:
    """The command, run in a checkout by somebody who is logged in."""
    env = online(hub.address, home) | {"HF_TOKEN": "hf_of_tester", "PYTHONPATH": str(checkout)}
    return python("-m", "genmodels", "push-space", "tester/new", *more, cwd=checkout, **env)


def test_a_free_account_is_told_what_it_can_have(hub, checkout, tmp_path):
    refused = push(hub, checkout, tmp_path)
    assert refused.returncode == 2, refused.stdout
    assert refused.stdout == f"{FREE_SPACES}\n"
    said = refused.stderr.splitlines()[-1]
    assert said.startswith("genmodels: The Space 'tester/new' could not be pushed: ")
    assert said.endswith(FREE_SPACES)
    assert hub.made == []


def test_what_is_pushed_starts(hub, checkout, tmp_path, start):
    """On ZeroGPU's account; from the files that the Hub got, the app serves the page."""
    done = push(hub, checkout, tmp_path, "--zero-gpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/spaces/tester/new\n"
    (made,) = hub.made
    assert (made["type"], made["sdk"], made["hardware"]) == ("space", "gradio", "zero-a10g")
    assert hub.files.keys() == space_files(checkout).keys()
    assert not {name for name in hub.files if name.startswith(("runs", "."))}
    for name, content in hub.files.items():
        (tmp_path / "space" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "space" / name).write_bytes(content)
    port = free_port()
    env = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "SPACE_ID": "tester/new"}
    process = start("app.py", cwd=tmp_path / "space", PYTHONPATH=None, **env)
    wait_until_served(f"http://127.0.0.1:{port}", process)
    spec = httpx.get(f"http://127.0.0.1:{port}/config").json()["components"][0]["props"]["props"]["spec"]
    assert list(spec["facts"]) == [MODEL]


def test_a_page_without_a_server_is_a_static_space(hub, checkout, tmp_path):
    """All of its folder but hidden files; another folder is refused."""
    folder = tmp_path / "site"
    for name in ("index.html", "site.json.gz", "local/worker.js", ".git/config", ".nojekyll"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    hub.made.clear()
    hub.files.clear()
    done = push(hub, checkout, tmp_path, "--static", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/spaces/tester/new\n"
    assert (hub.made[0]["type"], hub.made[0]["sdk"]) == ("space", "static")
    assert sorted(hub.files) == ["index.html", "local/worker.js", "site.json.gz"]
    refused = push(hub, checkout, tmp_path, "--static", str(tmp_path))
    assert refused.returncode == 2
    assert "holds no page without a server: make one with python -m genmodels export-site." in refused.stderr


# -- what is installed -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The resolver as a command; the test is skipped where no registry is in reach."""
    if importlib.util.find_spec("uv") or shutil.which("uv"):
        return [shutil.which("uv") or sys.executable, *([] if shutil.which("uv") else ["-m", "uv"])]
    folder = tmp_path_factory.mktemp("uv")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--target",
        str(folder),
        "uv",
    ]
    with contextlib.suppress(subprocess.TimeoutExpired):
        if subprocess.run(command, capture_output=True, timeout=120).returncode == 0:
            return [str(folder / "bin" / "uv")]
    pytest.skip("no registry of packages is in reach")


#: What the builder of Gradio Spaces adds to the requirements.
BUILDER = ("gradio[oauth,mcp]=={}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
EVERY_TORCH = [f"2.{minor}" for minor in range(8, 14)]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12"])
@pytest.mark.parametrize("torch", EVERY_TORCH)
def test_requirements_resolve(version, torch, uv, tmp_path):
    """As they stand, for a computer of one's own, and with what a Space's builder adds."""
    pinned = re.search(r'^sdk_version: "(.+)"$', (ROOT / "README.md").read_text(), re.MULTILINE)[1]
    space = space_requirements(REQUIREMENTS, zero_gpu=torch in EVERY_TORCH[:4]) + "\n".join(BUILDER).format(pinned)
    for name, text in (
        ("local", REQUIREMENTS),
        ("space", space),
        ("as it stands", REQUIREMENTS + "\n".join(BUILDER).format(pinned)),
    ):
        file = tmp_path / f"{name}.in"
        file.write_text(f"{text}\ntorch=={torch}.*\n")
        command = [*uv, "pip", "compile", "-q", "--python-version", version, "--python-platform", "linux", str(file)]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment(PYTHONPATH=None))
        assert found.returncode == 0, f"{name}: {found.stderr}"
        assert f"\ntorch=={torch}." in found.stdout


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def test_the_dockerfile_names_what_there_is():
    """And runs what the README says; Docker itself is not asked."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [
        name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1] if not name.startswith("--")
    ]
    assert {"app.py", "genmodels", "checkpoints"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert any(line.startswith("ARG TORCH=cpu") for line in lines)
    assert json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD ")) == [
        "python",
        "app.py",
    ]
    assert MODEL in checkpoint.bundled()
