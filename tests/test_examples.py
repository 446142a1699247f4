"""The examples in docstrings run as they are printed."""

import doctest
import importlib
from collections.abc import Iterator

import pytest
from helpers import ROOT

import genmodels
from genmodels import checkpoint
from genmodels.protocols import ABILITIES

pytestmark = pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")


def examples() -> Iterator[doctest.DocTest]:
    """Of every docstring that has some."""
    for file in sorted((ROOT / "genmodels").rglob("*.py")):
        if ">>> " in file.read_text(encoding="utf-8"):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
            yield from (docstring for docstring in found if docstring.examples)


@pytest.mark.parametrize("example", [*examples()], ids=lambda example: example.name)
def test_an_example(example, tmp_path, monkeypatch):
    """In an empty folder, without any data set at hand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENMODELS_DATA", raising=False)
    said: list[str] = []
    outcome = doctest.DocTestRunner().run(example, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_what_is_public_has_an_example():
    functions = {name: getattr(genmodels, name) for name in genmodels.__all__ if callable(getattr(genmodels, name))}
    assert [name for name, what in (functions | ABILITIES).items() if ">>> " not in (what.__doc__ or "")] == []
