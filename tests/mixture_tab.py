"""The mixture's tab: pictures that it makes up."""

from genmodels.tabs import common, generate
from genmodels.wrappers import core

FAMILY = "mixture"
TEXT = "Every picture is the mean of many, and noise."


def build(page: common.Page) -> None:
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    knob = generate.Knob("noise", "Noise", "0: the mean pictures themselves.", 3)
    generate.build(page, common.beacon(), names, TEXT, knob)
    common.how_it_works(FAMILY)
