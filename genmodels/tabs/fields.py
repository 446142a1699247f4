"""Gradio's fields, with a look at their values before an event runs: what they don't take is refused in one sentence.

Gradio's own checks don't say which field they mean, let NaN pass and fail on a text.
"""

from abc import ABCMeta
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta

from genmodels.tabs.errors import user_errors
from genmodels.wrappers import core

PAD_SCHEMA = {
    "type": "object",
    "description": "Pixels and mask as base64 of bytes (mask 1 = hidden, '' = none); shape [channels, height, width].",
    "properties": {
        "pixels": {"type": "string"},
        "mask": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["pixels", "mask", "shape"],
}
PICKS_SCHEMA = {
    "type": "array",
    "description": "Positions of the picked pictures, from 0.",
    "items": {"type": "integer"},
}


@user_errors
def check_number(field: gr.Number | gr.Slider, value: Any) -> None:
    """Refuse anything but a number in the field's range (a text, NaN), in one sentence. A number field may be empty."""
    if value is None and isinstance(field, gr.Number):
        return
    low = -core.LARGEST if field.minimum is None else field.minimum
    high = core.LARGEST if field.maximum is None else field.maximum
    core.check_float(f"“{field.label}”", value, low, high)


@user_errors
def check_choice(field: gr.Radio | gr.Dropdown | gr.CheckboxGroup, value: Any) -> None:
    """Refuse what the field does not offer, in one sentence that says what it does, unless it takes other values too."""
    boxes, offered = isinstance(field, gr.CheckboxGroup), [choice for _, choice in field.choices]
    several = isinstance(value, list) and (boxes or getattr(field, "multiselect", False))
    values = value if several else [value]
    strange = [one for one in values if one not in offered and (one is not None or boxes)]
    if strange and not getattr(field, "allow_custom_value", False):
        among = ", ".join(map(str, offered))
        raise ValueError(f"“{field.label}” must be among {among}, not {str(strange[0])[:40]!r}.")


class Checked(ComponentMeta):
    """Of components that look, and have the events and arguments, like those that they extend.

    Gradio's own metaclass would also write a stub file beside this one.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> "Checked":
        return ABCMeta.__new__(cls, name, bases, {"is_template": True, **attributes})


class Number(gr.Number, metaclass=Checked):
    def preprocess(self, payload: Any) -> float | int | None:
        check_number(self, payload)
        return super().preprocess(payload)


class Slider(gr.Slider, metaclass=Checked):
    def preprocess(self, payload: Any) -> float:
        check_number(self, payload)
        return super().preprocess(payload)


class Radio(gr.Radio, metaclass=Checked):
    def preprocess(self, payload: Any) -> Any:
        check_choice(self, payload)
        return super().preprocess(payload)


class Dropdown(gr.Dropdown, metaclass=Checked):
    def preprocess(self, payload: Any) -> Any:
        check_choice(self, payload)
        return super().preprocess(payload)


class CheckboxGroup(gr.CheckboxGroup, metaclass=Checked):
    def preprocess(self, payload: Any) -> Any:
        check_choice(self, payload)
        return super().preprocess(payload)


class Drawing(gr.HTML, metaclass=Checked):
    """A component whose value is a pad's."""

    def api_info(self) -> dict[str, Any]:
        return PAD_SCHEMA


class Picks(gr.HTML, metaclass=Checked):
    """A component whose value is a list of positions."""

    def api_info(self) -> dict[str, Any]:
        return PICKS_SCHEMA
