"""The README says what is so."""

import ast
import dataclasses
import filecmp
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import huggingface_hub
import pytest
from helpers import ROOT, environment, python

from genmodels import checkpoint
from genmodels.__main__ import _parser
from genmodels.data import DATASETS
from genmodels.models.base import TrainConfig
from genmodels.registry import get_family

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def typed_lines() -> list[str]:
    """What the blocks tell to type, a command on several lines as one."""
    return [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]


def test_the_table_of_models_is_up_to_date() -> None:
    result = python("scripts/update_readme.py", "--check")
    assert result.returncode == 0, "run python scripts/update_readme.py"


def test_every_model_it_names_is_bundled() -> None:
    named = set(re.findall(rf"`([a-z0-9-]+-(?:{'|'.join(DATASETS)})(?:-[a-z]+)?)`", TEXT)) - set(DATASETS)
    assert named == set(checkpoint.bundled())


def test_the_files_it_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


# -- what it tells to type ---------------------------------------------------------------------------------------------


def test_the_library_snippet_works_as_printed(tmp_path, monkeypatch):
    """From anywhere; what the comments say comes out."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (names["x"].shape, names["z"].shape) == ((16, 1, 28, 28), (16, 32))
    (said,) = re.findall(r"genmodels\.abilities\(model\) +# (\[.+\])", code)
    assert names["genmodels"].abilities(names["model"]) == ast.literal_eval(said)


def commands() -> list[str]:
    """What follows `python -m genmodels` or `genmodels`, in the blocks and in the text, each once."""
    inline = re.findall(r"`(python -m genmodels [^`…]+)`", TEXT)
    typed = [shlex.split(line, comments=True) for line in [*typed_lines(), *inline]]
    found = (words[words.index("genmodels") + 1 :] for words in typed if "genmodels" in words)
    return list(dict.fromkeys(shlex.join(arguments) for arguments in found))


@pytest.mark.parametrize("command", commands())
def test_every_command_can_be_typed(command):
    """The command line takes its arguments; a training's settings are those of the family or of the recipe."""
    options = _parser().parse_args(shlex.split(command))
    if command.startswith("train "):
        known = dataclasses.fields(get_family(options.family).Config), dataclasses.fields(TrainConfig)
        settings = {setting.partition("=")[0] for setting in options.set}
        assert settings <= {field.name for fields in known for field in fields}


def test_ci_runs_the_tests_as_it_says():
    """And CONTRIBUTING.md says the same."""
    (line,) = (line for line in typed_lines() if "pytest" in line)
    ci, contributing = ((ROOT / file).read_text(encoding="utf-8") for file in (".ci/run", "CONTRIBUTING.md"))
    install, test = line.split(" && ")
    assert install in ci
    assert install in contributing
    assert ci.endswith(f"\n{test}\n")
    assert re.search(rf"^{test} +# what CI runs", contributing, re.MULTILINE)


def test_files_that_are_run_exist():
    """Those that a command names first or after `-r` and `-c`."""
    run = {file for line in typed_lines() for file in re.findall(r"(?:python|-r|-c) ([\w./-]+\.(?:py|txt))", line)}
    assert {"app.py", "requirements.txt", "scripts/update_readme.py"} <= run
    assert [file for file in run if not (ROOT / file).is_file()] == []


def test_ci_can_be_run():
    assert os.access(ROOT / ".ci/run", os.X_OK)


# -- on the Hub --------------------------------------------------------------------------------------------------------

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
ATTRIBUTES = "docs/hub.gitattributes"


def test_the_front_matter_makes_a_space():
    """As the Hub reads it, within its limits, and with the versions that the tests ran with."""
    space = huggingface_hub.SpaceCard.load(ROOT / "README.md").data
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert (space.sdk, space.sdk_version, space.app_file) == ("gradio", pinned, "app.py")
    assert space.python_version in ("3.10", "3.12"), "what both CPU and ZeroGPU hardware have"
    assert space.license == "mit"
    assert len(space.short_description) <= 60
    assert {space.colorFrom, space.colorTo} <= set(COLOURS)
    assert all(isinstance(tag, str) for tag in space.tags)


def git(folder: Path, *arguments: str | Path, **env: str) -> str:
    command = ["git", "-c", "user.name=tester", "-c", "user.email=tester@example.org", *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, env=environment(GIT_CONFIG_GLOBAL="/dev/null", **env)
    ).stdout  # fmt: skip


def tracked(folder: Path) -> list[str]:
    return git(folder, "ls-files", "-z").strip("\0").split("\0")


def test_every_binary_file_would_be_in_lfs_and_no_other():
    files = tracked(ROOT)
    answers = git(ROOT, "-c", f"core.attributesFile={ROOT / ATTRIBUTES}", "check-attr", "-z", "filter", "--", *files)
    in_lfs = {name for name, value in re.findall(r"([^\0]+)\0filter\0([^\0]+)\0", answers) if value == "lfs"}
    assert in_lfs == {name for name in files if (ROOT / name).is_file() and b"\0" in (ROOT / name).read_bytes()}


def test_a_clone_needs_no_lfs():
    assert "filter" not in git(ROOT, "check-attr", "filter", "--", "docs/vae.png").replace(": filter: unspecified", "")


#: What the Hub does at a push: no file of any commit may be binary.
HOOK = """#!/bin/sh
while read old new name; do
    git rev-list --objects "$new" | cut -d" " -f1 | while read object; do
        [ "$(git cat-file -t $object)" = blob ] || continue
        [ "$(git cat-file blob $object | tr -d '\\000' | wc -c)" = "$(git cat-file -s $object)" ] || { echo "binary: $object"; exit 1; }
    done || exit 1
done
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_a_plain_push_works_as_it_says(tmp_path):
    """The README's commands, to a repository that takes no binary file outside of LFS."""
    hub, clone, space = tmp_path / "hub.git", tmp_path / "clone", tmp_path / "space"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", hub)
    (hub / "hooks" / "pre-receive").write_text(HOOK)
    (hub / "hooks" / "pre-receive").chmod(0o755)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{ROOT}", clone)
    shutil.copy(ROOT / ATTRIBUTES, clone / ATTRIBUTES)
    (commands,) = (block for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) if "git push" in block)
    commands = commands.replace("https://huggingface.co/spaces/USER/genmodels", f"file://{hub}")
    identity = {f"GIT_{who}_{what}": "tester" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = environment(HOME=str(tmp_path), **identity)
    with pytest.raises(subprocess.CalledProcessError):
        git(clone, "push", f"file://{hub}", "HEAD:main")
    subprocess.run(["sh", "-e", "-c", commands], cwd=clone, check=True, capture_output=True, env=env)
    subprocess.run(["git", "clone", "-q", f"file://{hub}", space], check=True, env=env)
    assert subprocess.run(["git", "status", "--short"], cwd=space, capture_output=True, env=env).stdout == b""
    same, differing, missing = filecmp.cmpfiles(clone, space, tracked(clone), shallow=False)
    assert (differing, missing) == ([], [])
    assert len(same) > 200
