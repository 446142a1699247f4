"""What a tab is: one line about an idea, and sections; a family's tab has a diagram, a colour and a summary besides."""

from dataclasses import asdict, dataclass, field
from typing import Any

from genmodels.wrappers.section import Section


@dataclass(frozen=True)
class Accent:
    """A family's colour, wherever it stands for the family: readable as text on the page's paper of either theme."""

    light: str
    dark: str


@dataclass(frozen=True)
class Glance:
    """A family in a few words, for cards and tables. idea: two sentences. verb: what it does to a picture. training, sampling:
    how it does that. strengths, limits: a few words each. picture: what its pictures in web/pictures show, if there are any.
    """

    idea: str
    verb: str
    architecture: str
    training: str
    sampling: str
    strengths: tuple[str, ...]
    limits: tuple[str, ...]
    picture: str = ""


@dataclass(frozen=True)
class Kin:
    """A family in another one's tab."""

    name: str
    glance: Glance
    accent: Accent


@dataclass(frozen=True)
class Tab:
    """key: the family, if it is a family's, and the prefix of its sections. diagram: {boxes, arrows, alt, lights}, see
    web/elements/diagram.js; lights: for a section's own name the boxes that light up when it runs, all of them if unnamed.
    glance: only of families. panel: whether data switch, pad and seed stand beside the sections; else a section places them.
    start: the own name of the section to which a button in the head leads. name: the family's
    alone, where the title is that of its kin, too. kin: by their keys, the families that it is about besides.
    """

    key: str
    title: str
    heading: str
    objective: str
    diagram: dict[str, Any] | None = None
    sections: list[Section] = field(default_factory=list)
    glance: Glance | None = None
    accent: Accent | None = None
    panel: bool = True
    start: str = ""
    name: str = ""
    kin: dict[str, Kin] = field(default_factory=dict)

    @property
    def is_family(self) -> bool:
        return self.glance is not None

    def spec(self) -> dict[str, Any]:
        """What the browser lays the tab out from: JSON."""
        told = {key: getattr(self, key) for key in ("key", "title", "heading", "objective", "panel", "start")}
        sections = [section.spec() for section in self.sections if not section.hidden and section.is_ready]
        return told | {"is_family": self.is_family, "sections": sections}

    def cards(self) -> dict[str, dict[str, Any]]:
        """What every tab may say of its families, by key: JSON. of: the tab's key, for all but the one whose key that is."""
        told = {key: getattr(self, key) for key in ("title", "heading", "objective", "diagram")}
        own = {"name": self.name or self.title, "accent": self.accent and asdict(self.accent), "of": ""}
        cards = {self.key: told | (asdict(self.glance) if self.glance else {}) | own}
        for key, one in self.kin.items():
            said = {"title": self.title, "objective": self.objective, "name": one.name, "of": self.key}
            cards[key] = said | asdict(one.glance) | {"accent": asdict(one.accent)}
        return cards
