"""The front door: what the families are."""

from dataclasses import dataclass

from genmodels.tabs.base import Tab
from genmodels.wrappers.section import Answer, Section
from genmodels.wrappers.state import FreeState


@dataclass(frozen=True)
class FamiliesState(FreeState):
    """Nothing is asked."""


def families(state: FamiliesState) -> Answer:
    """families: what each is, as its card says it, by name. (The page knows all of it without asking.)"""
    from genmodels.tabs import page  # which reads this tab

    return {"families": page.families()}


TAB = Tab(
    key="overview",
    title="Overview",
    heading="Six ways to teach a computer to draw",
    objective="The same pictures, six kinds of network: look at what each is good at, then draw something and see what all make of it.",
    sections=[
        Section("overview.families", "The families", "", tuple, FamiliesState, families, element="gm-cards"),
    ],
    panel=False,
)  # fmt: skip
