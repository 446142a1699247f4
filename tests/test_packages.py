"""The wheels, as someone gets them who has no checkout: built, installed, and used from elsewhere."""

import base64
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from gradio_client import Client
from helpers import ROOT, environment, free_port, wait_until_served

from genmodels import checkpoint

pytestmark = pytest.mark.slow
LIMIT = 100 * 2**20  # of a file on PyPI


def pip(*arguments: object, cwd: Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, env=environment(PYTHONPATH=None), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of the package -> wheel, built by the README's command."""
    folder = tmp_path_factory.mktemp("dist")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ".", "./checkpoints", "./checkpoints/diffusion", cwd=ROOT)
    return {file.name.partition("-")[0]: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with nothing but the wheels, and what they require from this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    Path(paths["purelib"], "requirements.pth").write_text(sysconfig.get_path("purelib"))
    pip("--python", Path(paths["scripts"], "python"), "install", "--no-deps", *wheels.values(), cwd=folder)
    return Path(paths["scripts"])


def tracked(folder: str) -> set[str]:
    """The files of a folder that are in version control, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())


def test_a_wheel_has_all_files_and_is_small_enough(wheels):
    assert wheels.keys() == {"genmodels", "genmodels_checkpoints", "genmodels_checkpoints_diffusion"}
    contents = {
        name: {file for file in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in file}
        for name, wheel in wheels.items()
    }
    assert contents["genmodels"] == {file for file in tracked("genmodels") if (ROOT / file).is_file()}
    models = {file for file in tracked("checkpoints") if file.count("/") > 1 and not file.endswith("/pyproject.toml")}
    diffusion = {file for file in models if file.startswith("checkpoints/diffusion-")}
    assert contents["genmodels_checkpoints"] == {f"genmodels_{file}" for file in models - diffusion}
    assert contents["genmodels_checkpoints_diffusion"] == {f"genmodels_{file}" for file in diffusion}
    sizes = {name: wheel.stat().st_size for name, wheel in wheels.items()}
    assert max(sizes.values()) < LIMIT, sizes


def test_the_commands(installed, tmp_path):
    """`genmodels` knows the models of the other wheels, in any folder."""
    result = subprocess.run(
        [installed / "genmodels", "list"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=None),
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(checkpoint.bundled())
    usage = subprocess.run([installed / "genmodels"], cwd=tmp_path, capture_output=True, text=True)
    assert usage.stderr.startswith("usage: genmodels [-h]")


def test_the_app(installed, tmp_path):
    """`genmodels app` serves the pages, their scripts and the models from the installed packages alone."""
    port = free_port()
    command = [installed / "genmodels", "app", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "log"
    with open(log, "w") as output:
        app = subprocess.Popen(command, cwd=tmp_path, env=environment(PYTHONPATH=None), stdout=output, stderr=output)
    try:
        wait_until_served(f"http://127.0.0.1:{port}", app)
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        samples = client.predict(n=4, api_name="/vae_generate")["samples"]
    finally:
        app.terminate()
        app.wait(20)
    levels = base64.b64decode(samples["pixels"])
    assert samples["shape"] == [4, 1, 28, 28]
    assert len(levels) == 4 * 28 * 28
    assert max(levels) - min(levels) > 200, "digits, not grey noise"
    assert "Traceback" not in log.read_text()
