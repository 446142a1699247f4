"""The mixture's tab: pictures that it makes up."""

from dataclasses import dataclass

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import core, sampling
from genmodels.wrappers.section import Section, View
from genmodels.wrappers.state import real

FAMILY = "mixture"


@dataclass(frozen=True)
class Generate(sampling.GenerateState):
    noise: float = real("Noise", 1.0, 0, 3, info="0: the mean pictures themselves.")


TAB = Tab(
    key=FAMILY,
    title="Mixture",
    heading="Mixture of Gaussians",
    objective="Every picture is the mean of many, and noise.",
    diagram={
        "alt": "A class gives a mean picture, to which noise is added.",
        "boxes": [{"id": "mean", "text": "mean", "x": 0, "y": 0}, {"id": "y", "text": "picture", "x": 1, "y": 0}],
        "arrows": [["mean", "y", "noise"]],
    },
    accent=Accent("#334155", "#cbd5e1"),
    glance=Glance("Many means, and noise.", "adds noise", "Means", "By their likelihood", "One draw", ("simple",), ("coarse",)),
    sections=[
        Section(
            "mixture.generate", "Generate", "A mean picture of the class, and noise.",
            lambda: core.available(FAMILY), Generate, sampling.generate, (View("grid", "samples", "Samples"),),
        )
    ],
)  # fmt: skip
