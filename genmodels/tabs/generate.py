"""The section "Generate", the same for every family that samples: data, class, seed and one knob, and a grid of pictures."""

import inspect
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from genmodels.tabs import common, fields
from genmodels.wrappers import sampling


class Knob(NamedTuple):
    """The one setting that a family's own `sample` has: its key there and in the API, and the slider for it."""

    key: str
    label: str
    info: str
    highest: float
    value: float = 1.0


def build(page: common.Page, shown: gr.HTML, names: list[str], text: str, knob: Knob) -> None:
    """Lay out the section for models `names`; it is filled when `shown` appears."""
    common.heading("Generate", text, first=True)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("New seed", elem_classes="gm-dice")
            turned = fields.Slider(0, knob.highest, knob.value, step=0.05, label=knob.label, info=knob.info)
            n = fields.Slider(1, 64, 16, step=1, label="How many")
            button = gr.Button("Generate", variant="primary")
        with gr.Column(elem_classes="gm-main"):
            grid = common.picture("Samples", "Pictures that the model made up", kind="gm-grid")
            note = common.text("Settings", "gm-quality")

    def generate(name: str, label: str | None, n: int, seed: int, knob_value: float) -> tuple[Any, str]:
        """A grid of `n` samples of one class, or of each class in turn, and what made them."""
        label = common.class_of(label)
        grid = sampling.sample(name, n=n, seed=seed, label=label, **{knob.key: knob_value})
        kind = "each class in turn" if label is None else f"class {label}"
        return grid, f"{name} · seed {seed:.0f} · {kind} · {knob.label.lower()} {knob_value:g}"

    def roll(name: str, label: str, n: int, knob_value: float) -> tuple[Any, ...]:
        """Samples of a new random seed, which comes back first."""
        seed = random.randrange(1_000_000)
        return seed, *generate(name, label, n, seed, knob_value)

    def open_data(name: str, n: int, seed: int, knob_value: float) -> tuple[Any, ...]:
        """Change the data: the classes to choose from, and samples of each in turn."""
        return common.all_classes(name), *generate(name, common.EACH, n, seed, knob_value)

    for function in (generate, roll, open_data):
        name_parameter(function, "knob_value", knob.key)
    inputs, outputs = [data, label, n, seed, turned], [grid, note]
    page.first(shown, generate, inputs, outputs)
    triggers = [button.click, label.input, n.input, turned.input, seed.submit, seed.blur]
    page.on(triggers, generate, inputs, outputs, name="generate", live=True)
    page.on(dice.click, roll, [data, label, n, turned], [seed, *outputs], name="dice")
    page.on(data.input, open_data, [data, n, seed, turned], [label, *outputs], name="open")


def name_parameter(function: Callable[..., Any], old: str, new: str) -> None:
    """Let the API, which takes its names from the signature, call a parameter by another name."""
    signature = inspect.signature(function)
    parameters = [p.replace(name=new) if p.name == old else p for p in signature.parameters.values()]
    vars(function)["__signature__"] = signature.replace(parameters=parameters)
