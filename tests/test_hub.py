"""Loading from the Hub, against a real server that speaks its protocol: olah, serving git repositories from this disk.

The server needs an environment of its own (its requirements differ from ours): GENMODELS_OLAH_PYTHON is its interpreter.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import batch, build, encoded, git_repo, online, picture, python, serve_hub, write_parquet

from genmodels import checkpoint

FAMILY = "vae"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repositories: good checkpoints, one with code and pickles beside it, one of another library, one of a family that
    we don't know, one damaged; data sets."""
    root = tmp_path_factory.mktemp("mirror")
    data = {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}
    for name in ("good", "laden", "damaged", "newer"):
        checkpoint.save(build(FAMILY), root / "models/tester" / name, data=data, training={"steps": 1})
    newer = root / "models/tester/newer/config.json"
    newer.write_text(newer.read_text().replace(FAMILY, "energy"))
    for family in ("gan", "diffusion"):
        checkpoint.save(build(family), root / "models/tester" / family, data=data)
        shutil.copy(root / "models/tester/good/training.json", root / "models/tester" / family / "notes.json")
    laden = root / "models/tester/laden"
    torch.save({"weight": torch.zeros(1)}, laden / "pytorch_model.bin")
    (laden / "model.pkl").write_bytes(b"\x80\x04.")
    (laden / "modeling.py").write_text("raise SystemExit('code from the Hub was run')")
    weights = root / "models/tester/damaged/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    foreign = root / "models/tester/foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "bert"}))
    empty = root / "models/tester/empty"
    empty.mkdir()
    (empty / "README.md").write_text("# Nothing here")
    split, whole = root / "datasets/tester/split", root / "datasets/tester/whole"
    for file, n in ((split / "train-0.parquet", 6), (split / "test-0.parquet", 4), (whole / "train-0.parquet", 20)):
        write_parquet(file, [(encoded(picture(i)), i % 2) for i in range(n)], ["cat", "dog"])
    for folder in (split, whole):
        (folder / "README.md").write_text("# Noise")
    for folder in (*root.glob("models/tester/*"), *root.glob("datasets/tester/*")):
        git_repo(folder)
    return root


@pytest.fixture(scope="module")
def endpoint(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running server."""
    with serve_hub(mirror, tmp_path_factory.mktemp("olah"), "tester/good") as address:
        yield address


LOAD = """
import json, sys, torch, genmodels
folder, *jobs = sys.argv[1:]
outcomes = {}
for job in jobs:
    try:
        if job == "push":
            genmodels.push(f"{folder}/model", "tester/new")
        elif job == "data":
            genmodels.load_dataset("tester/no-pictures")
        else:
            torch.save(genmodels.load(job).state_dict(), f"{folder}/{job.split('/')[1]}")
        outcomes[job] = "done"
    except ValueError as error:
        outcomes[job] = str(error)
print(json.dumps(outcomes))
"""


class Visit:
    """One process that tried all repositories, and what came of it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder
        checkpoint.save(build(FAMILY, seed=2), folder / "model")
        names = ("good", "laden", "gan", "diffusion", "nothing", "empty", "foreign", "newer", "damaged")
        self.outcomes = self.run(endpoint, *[f"tester/{name}" for name in names], "no such/name!", "push", "data")

    def run(self, endpoint: str, *jobs: str) -> dict[str, str]:
        result = python("-c", LOAD, self.folder, *jobs, **online(endpoint, self.home), HF_TOKEN="hf_of_nobody")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def visit(endpoint: str, mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    return Visit(endpoint, tmp_path_factory.mktemp("visit"))


def test_a_repo_is_a_checkpoint(visit, mirror):
    """Loaded over HTTP and from the disk, the model is the same."""
    assert visit.outcomes["tester/good"] == "done"
    local = checkpoint.load(mirror / "models/tester/good")
    weights = torch.load(visit.folder / "good")
    assert weights.keys() == local.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in local.state_dict().items())
    again = build(FAMILY, seed=1)
    again.load_state_dict(weights)
    x, labels = batch(local)
    assert torch.equal(again.encode(x, labels), local.encode(x, labels))


def test_code_and_pickles_stay_on_the_server(visit):
    assert visit.outcomes["tester/laden"] == "done"
    snapshots = visit.home / "hub/models--tester--laden/snapshots"
    assert {path.name for path in snapshots.glob("*/*")} == {"config.json", "model.safetensors", "training.json"}
    assert len([*visit.home.glob("hub/models--tester--laden/blobs/*")]) == 3


@pytest.mark.parametrize("family", ["gan", "diffusion"])
def test_just_the_files_of_the_family_come(visit, mirror, family):
    """Those that it declares, wherever they lie; code that it declares stays on the server."""
    assert visit.outcomes[f"tester/{family}"] == "done"
    here, there = (
        {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts}
        for folder in (
            next(visit.home.glob(f"hub/models--tester--{family}/snapshots/*")),
            mirror / "models/tester" / family,
        )
    )
    assert here == there - {"notes.json", "pipeline.py"}
    assert "notes.json" in there


def test_of_a_family_that_is_not_known_only_the_config_comes(visit):
    assert [file.name for file in visit.home.glob("hub/models--tester--newer/snapshots/*/*")] == ["config.json"]


def test_a_measurement_of_a_model_of_the_hub_needs_a_folder(endpoint, tmp_path):
    """The cache holds what is on the Hub: figures go into a copy, which is a checkpoint of its own."""
    model = ("-m", "genmodels", "evaluate", "tester/gan", "--n", "4")
    for command in (model, ("-m", "genmodels", "convert", "tester/gan")):
        refused = python(*command, **online(endpoint, tmp_path))
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-1] == (
            "genmodels: The model 'tester/gan' is on the Hub: name a folder for a copy of it, `evaluate … --out` (out=…)."
        )
    assert not (tmp_path / "hub").exists(), "nothing was downloaded"
    for part in ((), ("--only", "size")):
        result = python(*model, "--out", tmp_path / "copy", *part, **online(endpoint, tmp_path))
        assert result.returncode == 0, result.stderr
    files = {file.name for file in (tmp_path / "copy").iterdir()}
    assert files == {"config.json", "model.safetensors", "discriminator.safetensors", "metrics.json", "README.md"}
    kept = {file.name for file in tmp_path.glob("hub/models--tester--gan/snapshots/*/*")}
    assert kept == {"config.json", "model.safetensors", "discriminator.safetensors"}
    other = python(*model[:3], tmp_path / "copy", "--out", checkpoint.save(build("gan", 1), tmp_path / "other"))
    assert other.returncode == 2
    assert "There is another model in" in other.stderr


def test_without_the_server(visit):
    """A repository that was loaded once comes from the cache, another one is refused."""
    outcomes = visit.run("http://127.0.0.1:9", "tester/good", "tester/never", "push")
    assert outcomes["tester/good"] == "done"
    for name, words in (
        ("tester/never", "The model 'tester/never' could not be downloaded from the Hub: "),
        ("push", f"{visit.folder}/model could not be pushed to 'tester/new': "),
    ):
        assert outcomes[name].startswith(words)
        assert "\n" not in outcomes[name]


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        ("tester/nothing", ["'tester/nothing' could not be downloaded from the Hub"]),
        ("tester/empty", ["'tester/empty' is not a genmodels checkpoint", "config.json"]),
        ("tester/foreign", ["config.json", "not the config of a genmodels checkpoint"]),
        ("tester/newer", ["config.json doesn't describe a model: There is no family 'energy'; the families are "]),
        ("tester/damaged", ["model.safetensors", "can't be read as safetensors"]),
        ("no such/name!", ["'no such/name!' could not be downloaded"]),
        ("push", ["could not be pushed to 'tester/new'"]),  # olah is read-only
        ("data", ["'tester/no-pictures' could not be read from the Hub"]),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(visit, repo, words):
    message = visit.outcomes[repo]
    assert "\n" not in message
    for word in words:
        assert word in message


def test_the_command_line(endpoint, tmp_path):
    command = ("-m", "genmodels", "sample", "tester/nothing", "--out", tmp_path / "a.png")
    result = python(*command, **online(endpoint, tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith("genmodels: The model 'tester/nothing' could not be downloaded from the Hub")
    assert result.stderr.count("\n") == 1, result.stderr


DATA = """
import json, genmodels
sizes = {name: [len(genmodels.load_dataset(name, s, (1, 8, 8))) for s in ("train", "test")] for name in ("tester/split", "tester/whole")}
print(json.dumps(sizes | {"classes": genmodels.load_dataset("tester/split").classes}))
"""


def test_data_sets(endpoint, tmp_path):
    """With a test split of their own, and without one (then a tenth is held out)."""
    result = python("-c", DATA, **online(endpoint, tmp_path))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"tester/split": [6, 4], "tester/whole": [18, 2], "classes": ["cat", "dog"]}
