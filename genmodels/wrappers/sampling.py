"""New pictures from every model that samples."""

import time
from dataclasses import dataclass
from typing import Any

from PIL import Image

from genmodels import operations
from genmodels.models.base import GuidanceConfig, TemperatureConfig
from genmodels.protocols import AnyModel, Samples
from genmodels.wrappers.core import (
    MAX_IMAGES,
    MAX_SEED,
    check_float,
    check_int,
    class_index,
    class_text,
    config_of,
    get_model,
    locked,
    shown,
)
from genmodels.wrappers.pictures import sheet
from genmodels.wrappers.section import Answer, pictures
from genmodels.wrappers.state import EACH, State, class_label, class_of, real
from genmodels.wrappers.state import seed as state_seed
from genmodels.wrappers.state import whole as state_whole

MOST_GUIDANCE = 3
A_FEW = 10  # pictures at first where each takes long: one of each of ten classes


def knob(model: AnyModel, key: str, value: Any) -> Any:
    """The value of one of the family's knobs as the model takes it, or ValueError with its range, or with the knobs that
    there are."""
    if key not in model.knobs:
        raise operations.no_knob(key, model.knobs)
    what, low, high, kind = model.knobs[key]
    if kind is not str:
        return check_int(what, value, int(low), int(high)) if kind is int else check_float(what, value, low, high)
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text, not {shown(value)}.")
    return value


@locked
def sample(name: str, n: int = 16, seed: int = 0, label: int | str | None = None, **knobs: Any) -> Image.Image:
    """n new pictures as one sheet; picture i has seed + i. label None = every class in turn. knobs: the family's own."""
    model = get_model(name, Samples)
    n, seed = check_int("The number of images", n, 1, MAX_IMAGES), check_int("The seed", seed, 0, MAX_SEED)
    knobs = {key: knob(model, key, value) for key, value in knobs.items()}
    index = class_index(name, label)
    x = operations.sample(model, n, seed, "balanced" if index is None else index, **knobs)
    return sheet(x, name, n=n, seed=seed, **class_text(name, index), **knobs)


def own_temperature(name: str) -> float:
    """At what temperature a model samples where it isn't told."""
    config = config_of(name)
    return config.temperature if isinstance(config, TemperatureConfig) else 1.0


def own_guidance(name: str) -> float:
    """How much more than was learnt a model heeds the class where it isn't told."""
    config = config_of(name)
    return config.guidance_scale if isinstance(config, GuidanceConfig) else 1.0


def guidance_field(cost: str, **more: Any) -> Any:
    """How much of the class is heeded, and what that costs: by default as the model's figures were measured."""
    info = f"0 ignores the class, 1 is as learnt; more makes it clearer and less varied, and takes {cost} longer."
    return real("Guidance", own_guidance, 0, MOST_GUIDANCE, step=0.01, info=info, **more)


def temperature_field(high: float = 1.5, **more: Any) -> Any:
    """How strong the noise is that samples are made of: by default as the model's figures were measured."""
    return real("Temperature", own_temperature, 0, high, step=0.01, **more)


# -- as a section ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerateState(State):
    """New pictures of a class, or of each in turn. A family's own state adds its knob, called as its `sample` calls it."""

    label: str = class_label(EACH)
    seed: int = state_seed()
    n: int = state_whole("How many", 16, 1, 64, advanced=True)


@locked
def generate(state: GenerateState) -> Answer:
    """samples: n new pictures, of which picture i has seed + i; words: what made them; ms: the network's time."""
    model = get_model(state.model, Samples)
    knobs = state.picked(*(key for key in state.kinds() if key in model.knobs))
    index = class_index(state.model, class_of(state.label))
    start = time.perf_counter()
    x = operations.sample(model, state.n, state.seed, "balanced" if index is None else index, **knobs)
    ms = 1000 * (time.perf_counter() - start)
    return {"samples": pictures(x), "words": f"{state.n} pictures in **{ms:.0f} ms**", "ms": ms}
