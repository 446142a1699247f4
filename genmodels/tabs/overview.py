"""The front door: what the families are, how they relate, and what each makes of one drawing."""

from genmodels.tabs.base import Tab
from genmodels.wrappers import overview
from genmodels.wrappers.section import Answer, Section, View
from genmodels.wrappers.state import FreeState


def families(state: FreeState) -> Answer:
    """families: what each is, as its card says it, by name. (The page knows all of it without asking.)"""
    from genmodels.tabs import page  # which reads this tab

    return {"families": page.families()}


TAB = Tab(
    key="overview",
    title="Overview",
    heading="Six ways to teach a computer to draw",
    objective="Each learns from the same pictures, and each in its own way. See what they are good at, then draw something "
    "yourself and watch what all of them make of it.",
    sections=[
        Section(
            "overview.families", "The families",
            "Point at a picture to see it move: all of them are made by the models that run here.",
            tuple, FreeState, families, element="gm-cards",
        ),
        Section(
            "overview.map", "How they relate",
            "What a family can do follows from what it learns. No family has it all.",
            tuple, FreeState, overview.relations, (View("relations", "relations"),),
        ),
        Section(
            "overview.see", "Draw once, see what each makes of it",
            "One drawing, all families at once. The line under each answer says where your picture stands among real test "
            "images.",
            overview.models, overview.SeeState, overview.see, element="gm-see",
            task="Draw a digit, then cross it out: who minds, and who doesn’t?",
        ),
        Section(
            "overview.fill", "What takes many steps", "The rest of what the families make of a picture.",
            overview.models, overview.SeeState, overview.fill, work=True, hidden=True,
        ),
    ],
    panel=False,
    start="see",
)  # fmt: skip
