"""From a sketch: pictures that follow an outline, with a class or words as hints.

Image translation, as designers use it: a drawn line becomes a shaded product or a coloured figure (pix2pix, Isola et al.
2017, arXiv 1611.07004; ControlNet, Zhang et al. 2023, arXiv 2302.05543). A sheet is grey, uint8 `(1, H, W)`: dark lines
on light paper, whatever the colours of the pictures.
"""

import base64
import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_float
from genmodels.device import here
from genmodels.models.base import seeded
from genmodels.models.sketch import is_drawing, sketch_of
from genmodels.protocols import Denoises
from genmodels.wrappers.core import class_index, describe, get_model, locked_steps, timed
from genmodels.wrappers.denoisers import (
    MOST_GUIDANCE,
    checked_solver,
    guidance_field,
    model_config,
    solver_of,
    steps_field,
)
from genmodels.wrappers.examples import known_images, real_pictures
from genmodels.wrappers.pictures import from_pad, read_upload, to_pad
from genmodels.wrappers.prompts import Sentence, prompt_tokens, unknown_text
from genmodels.wrappers.section import Answer, pictures
from genmodels.wrappers.state import (
    NOT_TOLD,
    Drawing,
    Label,
    State,
    base64_of,
    field,
    real,
    told_class,
)
from genmodels.wrappers.state import seed as seed_field
from genmodels.wrappers.state import whole as whole_field
from genmodels.wrappers.types import Labelled, Pad

PREVIEW_STEPS = 2  # while the pen moves: the third adds little
KEPT_PREVIEWS = 16
MOST = 9
COLOURS = 0.15  # the share of a picture that is coloured, from which on it is no drawing
EMPTY = "The sheet has no lines: {what} alone decides."
EDGES = "This is no drawing of thin lines: its edges are followed."


# -- sheets ------------------------------------------------------------------------------------------------------------


def examples(name: str, n: int = 10) -> list[Labelled]:
    """Labelled sheets with sketches of test pictures, of up to n classes; one empty sheet where we have none."""
    if known_images(name) is None:
        return [("an empty sheet", to_pad(np.full((1, *describe(name)["shape"][1:]), 255, np.uint8)))]
    return [(label, _sheet(sketch_of(from_pad(name, pad)[0])[0])) for label, pad in real_pictures(name, n)]


def read_sketch(file: str | BinaryIO, name: str) -> Pad:
    """An uploaded file as a sheet: a drawing as it is, dark on light or light on dark; of any other picture its edges.

    ValueError if it is no picture or too large.
    """
    x = to_float(torch.from_numpy(read_upload(file, name)))
    light = (x.mean(0, keepdim=True) + 1) / 2
    colourful = bool((x.amax(0) - x.amin(0) > 0.4).float().mean() > COLOURS)
    for ink in () if colourful else (1 - light, light):
        strongest = ink.amax()
        if strongest > 0.2 and is_drawing(ink / strongest):  # thin lines fade where a large picture is made small
            return _sheet(ink / strongest)
    return _sheet(sketch_of(x[None])[0])


def _sheet(ink: Tensor) -> Pad:
    """Ink `(1, H, W)`, 0 = none, 1 = full, as a sheet."""
    return to_pad((255 * (1 - ink)).round().to(torch.uint8))


def ink_of(name: str, sheet: str) -> tuple[Tensor, str]:
    """What is followed of a sheet (base64 of H*W bytes): ink `(1, 1, H, W)`, and what is to be said of it, if anything."""
    _, height, width = describe(name)["shape"]
    levels = np.frombuffer(base64.b64decode(sheet), np.uint8).reshape(1, height, width)
    light = torch.from_numpy(levels.astype(np.float32) / 255)
    if (light > 0.98).all():
        return torch.zeros(1, 1, height, width), EMPTY
    if is_drawing(1 - light):
        return 1 - light[None], ""
    ink = sketch_of(2 * light[None] - 1)
    return ink, EDGES if ink.any() else EMPTY


@dataclass(frozen=True, kw_only=True)
class Sheet(Drawing):
    """A drawing, grey whatever the model's colours: base64 of its bytes (uint8, H*W), or "#3" for the fourth example."""

    def allowed(self, models: Any) -> str:
        return 'Base64 of its bytes (uint8, H*W, dark lines on white), or the sketch of a test picture: "#0", "#1", ….'

    def check(self, value: Any, model: str) -> str:
        _, height, width = describe(model)["shape"]
        if isinstance(value, str) and value.startswith("#"):
            offered = [pad["pixels"] for _, pad in _examples(model)]
            if value[1:].isdecimal() and int(value[1:]) < len(offered):
                return offered[int(value[1:])]
            raise ValueError(f"There is no example {value[:40]!r}: they go from #0 to #{len(offered) - 1}.")
        return base64_of(value, (1, height, width), "sketch", f"The sketch must have {height}x{width} bytes")


_examples = functools.lru_cache(maxsize=16)(examples)


@dataclass(frozen=True, kw_only=True)
class Hint(Label):
    """A class, for models that know classes."""

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"kind": "label"}

    def fit(self, model: str) -> dict[str, Any]:
        return super().fit(model) | {"unused": not describe(model)["conditional"]}


@dataclass(frozen=True, kw_only=True)
class Words(Sentence):
    """Words, for models that read them; "" = none."""

    def fit(self, model: str) -> dict[str, Any]:
        return super().fit(model) | {"unused": not model_config(model).vocabulary}


# -- the section -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SketchState(State):
    sketch: str = field(Sheet(label="Sketch", default="#0"))
    label: str = field(Hint(label="As", extra=(NOT_TOLD,), default=NOT_TOLD))
    prompt: str = field(Words(label="In words", default="", info="As you like, such as “an elf in a green robe”."))
    seed: int = seed_field()
    sketch_scale: float = real(
        "Strength of the sketch", lambda name: model_config(name).sketch_scale, 0, MOST_GUIDANCE, step=0.25, advanced=True,
        info="0 doesn't heed it, 1 is as learnt; more follows it more closely, at twice the time.",
    )  # fmt: skip
    guidance_scale: float = guidance_field("Strength of the class or the words: 0 ignores them, 1 is as learnt.")
    num_inference_steps: int = steps_field(advanced=True)
    n: int = whole_field("How many", 4, 1, MOST, advanced=True)


def _moments(state: SketchState, ink: Tensor, **settings: Any) -> Iterator[Any]:
    """The moments of a run that follows the ink; settings: of the solver, and sketch_scale."""
    model, n = get_model(state.model, Denoises), state.n
    scale = settings.pop("sketch_scale")
    if model_config(state.model).vocabulary:
        labels = prompt_tokens(state.model, [state.prompt]) if state.prompt else operations.as_labels(model, 1, None)
        labels = labels.expand(n, *labels.shape[1:])
    else:
        told = told_class(state.label)
        labels = operations.as_labels(model, n, class_index(state.model, told))
    followed: Any = {"sketch": ink.to(here()), "sketch_scale": scale} if ink.any() else {}
    solver = checked_solver(state.model, **settings)
    return model.trajectory(labels, generators=seeded(range(state.seed, state.seed + n)), **solver, **followed)


def preview(state: SketchState) -> Answer:
    """pictures: n pictures that follow the sketch, in a few steps without guidance: for while it is drawn."""
    steps, heeded = min(PREVIEW_STEPS, state.num_inference_steps), min(1.0, state.sketch_scale)
    fewer = dataclasses.replace(state, num_inference_steps=steps, sketch_scale=heeded, guidance_scale=1.0)
    seen, said = _kept_preview(fewer)
    return {"pictures": seen, "words": _said(state, said)}


@functools.lru_cache(maxsize=KEPT_PREVIEWS)
def _kept_preview(state: SketchState) -> tuple[dict[str, Any], str]:
    """The pictures, and what is to be said of the sheet. Most of what can be dragged changes nothing here: guidance, and a
    strength above 1."""
    ink, said = ink_of(state.model, state.sketch)
    settings = state.picked("num_inference_steps", "guidance_scale", "sketch_scale")
    *_, last = locked_steps(_moments(state, ink, **settings))
    return pictures(last.clean), said


def draw(state: SketchState) -> Iterator[Answer]:
    """pictures: n pictures that follow the sketch, step by step."""
    ink, said = ink_of(state.model, state.sketch)
    moments = _moments(state, ink, **solver_of(state), sketch_scale=state.sketch_scale)
    for i, (moment, ms) in enumerate(locked_steps(timed(moments))):
        answer = {"pictures": pictures(moment.clean), "progress": f"Step {i + 1} of {state.num_inference_steps}"}
        if moment.sigma:
            yield answer
            continue
        words = " ".join(filter(None, [_said(state, said), f"Drawn in **{ms:.0f} ms** of computing."]))
        yield answer | {"words": words, "progress": "Done", "ms": ms, "done": True}


def _said(state: SketchState, text: str) -> str:
    """What is to be said of the sheet and the words."""
    knows_words = bool(model_config(state.model).vocabulary)
    told = text.format(what="what the words say" if knows_words else "the class")
    return f"{told} {unknown_text(state.model, [state.prompt]) if state.prompt else ''}".strip()
