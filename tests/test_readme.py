"""The README says what is so."""

import re

from helpers import ROOT, python

from genmodels import checkpoint
from genmodels.data import DATASETS

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


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
