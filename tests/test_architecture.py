"""The rules of the house: who may import whom, what a light import costs, what the package is made of."""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT, python, script

import genmodels
from genmodels import checkpoint
from genmodels.registry import FAMILIES, get_family

PACKAGE = ROOT / "genmodels"
APP, START = PACKAGE / "app.py", PACKAGE / "start.py"
SITE = PACKAGE / "export_site.py"  # the same page, without a server
HEAVY = (
    "accelerate",
    "datasets",
    "diffusers",
    "gradio",
    "pandas",
    "pyarrow",
    "torchmetrics",
    "torchvision",
    "transformers",
)
#: What a module is called when it is imported -> what it is called when it is installed.
INSTALLED_AS = {"PIL": "pillow", "markdown_it": "markdown-it-py"}


def imports(file: Path) -> set[str]:
    """Every module that a file imports, at its top or inside its functions, relative imports spelled out."""
    package = ["genmodels", *file.relative_to(PACKAGE).parts[:-1]] if PACKAGE in file.parents else []
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
                if node.level
                else node.module
            )
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (PACKAGE / folder).rglob("*.py"))


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("file", files("models"), ids=relative)
def test_models_know_nothing_of_apps_and_pictures(file):
    assert not top(imports(file)) & {"gradio", "PIL"}
    inside = {name for name in imports(file) if name.startswith("genmodels.")}
    assert all(name.startswith("genmodels.models") for name in inside), "arrows point to the models, not away from them"


@pytest.mark.parametrize("file", files("tabs"), ids=relative)
def test_tabs_only_lay_out(file):
    assert not top(imports(file)) & {"torch", "numpy"}
    reached = {name.split(".")[1] for name in imports(file) if name.startswith("genmodels.")}
    assert reached <= {"tabs", "version", "wrappers"}


def test_gradio_is_for_the_app_and_its_tabs():
    users = {file for file in files(".") if "gradio" in top(imports(file))}
    assert APP in users
    assert users <= {APP, START, *files("tabs")}


def test_tabs_are_for_the_app_and_the_page_without_a_server():
    users = {file for file in files(".") if any(name.startswith("genmodels.tabs") for name in imports(file))}
    assert {APP, START, SITE} <= users
    assert users <= {APP, START, SITE, *files("tabs")}


def test_the_app_is_above_all_but_the_command_line():
    everything = [ROOT / "app.py", *files(".")]
    assert [file for file in everything if "genmodels.app" in imports(file)] == [START]
    users = {relative(file) for file in everything if "genmodels.start" in imports(file)}
    assert users == {"app.py", "genmodels/__main__.py", "genmodels/app.py"}


def test_an_app_needs_no_inner_parts():
    reached = {name.split(".")[1] for file in (APP, START) for name in imports(file) if name.startswith("genmodels.")}
    assert reached <= {"app", "start", "tabs", "version", "wrappers"}


def test_import_is_light():
    code = f"import genmodels, json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    result = python("-c", code)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_says_what_people_use_it_for(family):
    """And who says so."""
    told = sys.modules[get_family(family).__module__].__doc__
    assert re.search(r"In the real world: .*?\([^()]* 20\d\d,\s.*?\)", told, re.DOTALL)


def test_every_public_name_exists():
    assert sorted(genmodels.__all__) == sorted(set(genmodels.__all__))
    for name in genmodels.__all__:
        assert getattr(genmodels, name) is not None
        assert name.startswith("__") or name.isupper() or getattr(genmodels, name).__doc__, f"{name} says nothing"
    assert re.fullmatch(r"\d+\.\d+\.\d+", genmodels.__version__)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_family_is_one_file_and_one_tab(family):
    module, _, name = FAMILIES[family].partition(":")
    assert module == f"genmodels.models.{family}"
    assert name.isidentifier()
    assert (PACKAGE / "tabs" / f"{get_family(family).represented_by or family}.py").is_file()


BUILD = """
import json, warnings
from genmodels import app
warnings.simplefilter("error")
demo = app.build_app()
print(json.dumps([block.api_name for block in demo.fns.values() if block.api_visibility == "public"]))
"""


def test_the_app_is_built_without_a_warning():
    """Gradio only warns about arguments that it no longer takes: here that is an error."""
    result = python("-c", BUILD)
    assert result.returncode == 0, result.stderr
    named = json.loads(result.stdout)
    assert named
    assert len(named) == len(set(named))
    assert all(isinstance(name, str) and not re.search(r"lambda|_\d+$", name) for name in named), (
        "each endpoint has a name"
    )


# -- what is installed -------------------------------------------------------------------------------------------------


def requirements(file: str) -> dict[str, str]:
    """Name -> version specifier of a requirements file."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    split = [
        re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", line).groups() for line in lines if line and not line.startswith("-")
    ]
    return {re.sub(r"[-_.]+", "-", name).lower(): specifier for name, specifier in split}


def test_what_is_imported_is_required():
    """requirements.txt names what app and library import, and nothing else."""
    third_party = top(set().union(*(imports(file) for file in files("."))))
    third_party -= {
        *sys.stdlib_module_names,
        "genmodels",
        "tensorboard",
        "spaces",
        "constriction",
        "onnx",
        "onnxruntime",
    }  # only if asked for; only on a ZeroGPU Space; the extras "compress" and "export"
    needed = {INSTALLED_AS.get(name, name).replace("_", "-") for name in third_party}
    assert needed == set(requirements("requirements.txt"))


def test_every_requirement_is_pinned_within_its_range():
    from packaging.specifiers import SpecifierSet

    pinned = requirements("constraints.txt")
    for name, allowed in (requirements("requirements.txt") | requirements("requirements-test.txt")).items():
        assert pinned[name].removeprefix("==") in SpecifierSet(allowed), name


def test_the_package_requires_what_the_app_does():
    """pyproject.toml and the requirements files say the same; only the app and the tests need more than the library."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    app, test = ((ROOT / file).read_text().splitlines() for file in ("requirements.txt", "requirements-test.txt"))
    needed = [*project["dependencies"], *extras["app"]]
    needed.remove("genmodels-checkpoints==0.1.*")  # lies in a checkout
    assert sorted(needed) == sorted(line for line in app if line[0].isalpha())
    assert sorted(extras["test"]) == sorted(line for line in test if line[0].isalpha())


# -- files -------------------------------------------------------------------------------------------------------------


def test_nothing_bundled_can_hold_code():
    """No pickle under any name: every file in checkpoints is text, a picture or safetensors, or the library's pipeline."""
    for file in (path for path in (ROOT / "checkpoints").glob("*/**/*") if path.is_file()):
        if file.name == "pipeline.py":
            assert file.read_bytes() == (PACKAGE / "models/pipeline.py").read_bytes(), file
            continue
        start = file.read_bytes()[:4]
        assert file.suffix in (".json", ".md", ".png", ".safetensors", ".toml", ".webp"), file
        assert not zipfile.is_zipfile(file), file
        assert not (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"), file


def test_a_script_rewrites_the_copies_of_the_pipeline(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "with/pipeline.py").write_text("# as it was")
    script("copy_pipeline").main()
    assert (tmp_path / "with/pipeline.py").read_bytes() == (PACKAGE / "models/pipeline.py").read_bytes()
    assert [file.name for file in (tmp_path / "without").iterdir()] == ["config.json"]
    assert capsys.readouterr().out == f"{tmp_path}/with/pipeline.py\n"
