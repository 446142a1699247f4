"""What a tab is: a family's diagram and sentence, and its sections."""

from dataclasses import dataclass, field
from typing import Any

from genmodels.wrappers.section import Section


@dataclass(frozen=True)
class Tab:
    """key: the family, and the prefix of its sections. diagram: {boxes, arrows, alt, lights}, see
    web/elements/diagram.js; lights: for a section's own name the boxes that light up when it runs, all of them if unnamed."""

    key: str
    title: str
    heading: str
    objective: str
    diagram: dict[str, Any]
    sections: list[Section] = field(default_factory=list)

    def spec(self) -> dict[str, Any]:
        """What the browser lays the tab out from: JSON."""
        return {
            "key": self.key,
            "title": self.title,
            "heading": self.heading,
            "objective": self.objective,
            "diagram": self.diagram,
            "sections": [section.spec() for section in self.sections if not section.hidden],
        }
