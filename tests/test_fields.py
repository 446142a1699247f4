"""The fields of the page: what they refuse, and that gradio's own stay as they are."""

import math

import gradio as gr
import pytest
from helpers import ROOT

from genmodels.tabs import fields

NUMBERS = [(gr.Number, fields.Number), (gr.Slider, fields.Slider)]


@pytest.mark.parametrize(("plain", "checked"), NUMBERS)
def test_gradios_own_fields_stay_as_they_are(plain, checked):
    """Another app in this process keeps them; ours refuse what theirs let pass."""
    assert math.isnan(plain(minimum=0, maximum=1).preprocess(math.nan))
    with pytest.raises(gr.Error, match="“Seed” must be a number from 0 to 1, not nan"):
        checked(label="Seed", minimum=0, maximum=1).preprocess(math.nan)


@pytest.mark.parametrize("name", ["Number", "Slider", "Radio", "Dropdown", "CheckboxGroup", "Drawing", "Picks"])
def test_a_field_looks_like_the_one_that_it_extends(name):
    field = getattr(fields, name)
    plain = field.__base__()
    assert field().get_block_name() == plain.get_block_name()
    assert field().get_config()["name"] == plain.get_config()["name"]


def test_the_tabs_check_every_field():
    plain = [f"gr.{name}(" for name in ("Number", "Slider", "Radio", "Dropdown", "CheckboxGroup")]
    tabs = ROOT / "genmodels" / "tabs"
    found = [file.name for file in tabs.glob("*.py") if any(call in file.read_text("utf-8") for call in plain)]
    assert found == []
    assert list(tabs.glob("*.pyi")) == [], "gradio writes stubs of components that extend its own"
