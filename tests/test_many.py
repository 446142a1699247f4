"""Many visitors and hostile ones, by the scripts that measure them. They start the app themselves."""

import re

import pytest
from helpers import python

pytestmark = pytest.mark.slow


def test_visitors_are_answered_and_leave_nothing_behind() -> None:
    """How quickly depends on the machine: see the script's own end."""
    said = python("scripts/load_app.py", "--visitors", "8", "--minutes", "0.3")
    assert "| errors | 0 |" in said.stdout, said.stderr
    assert int(re.search(r"direct calls: answers \| (\d+)", said.stdout)[1]) > 20
    assert re.search(r"after all left: waiting; cores busy .*\| 0; ", said.stdout)


def test_hostile_requests_get_nothing() -> None:
    said = python("scripts/hostile.py")
    assert said.returncode == 0, said.stdout + said.stderr
    kinds = re.findall(r"^\| [a-z ]+ \| (\d+) \|", said.stdout, re.MULTILINE)
    assert len(kinds) > 20
    assert sum(map(int, kinds[:-1])) >= 200
