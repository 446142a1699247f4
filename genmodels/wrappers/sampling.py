"""New pictures from every model that samples."""

from typing import Any

from PIL import Image

from genmodels import operations
from genmodels.protocols import Samples
from genmodels.wrappers.core import (
    MAX_IMAGES,
    MAX_SEED,
    check_float,
    check_int,
    class_index,
    class_text,
    get_model,
    locked,
    shown,
)
from genmodels.wrappers.pictures import sheet

MAX_STEPS = 200  # that a visitor may ask for; the model itself takes more
#: What a visitor may set of a family's own `sample`: how to call it, and its range, or None for what the model checks.
KNOBS: dict[str, tuple[str, float | None, float | None]] = {
    "temperature": ("The temperature", 0, 2),
    "truncation_psi": ("The truncation ψ", 0, 1.5),
    "num_inference_steps": ("The number of steps", 1, MAX_STEPS),
    "guidance_scale": ("The guidance scale", 0, 20),
    "eta": ("η", 0, 1),
    "scheduler": ("The scheduler", None, None),
    "prompt": ("The prompt", None, None),
}


def knob(key: str, value: Any) -> Any:
    """The value of a knob as the model takes it (a float, an int or a text), or ValueError with its range."""
    what, low, high = KNOBS[key]
    if low is None or high is None:
        if not isinstance(value, str):
            raise ValueError(f"{what} must be text, not {shown(value)}.")
        return value
    if key == "num_inference_steps":
        return check_int(what, value, int(low), int(high))
    return check_float(what, value, low, high)


@locked
def sample(name: str, n: int = 16, seed: int = 0, label: int | str | None = None, **knobs: Any) -> Image.Image:
    """n new pictures as one sheet; picture i has seed + i. label None = every class in turn. knobs: see KNOBS."""
    model = get_model(name, Samples)
    n, seed = check_int("The number of images", n, 1, MAX_IMAGES), check_int("The seed", seed, 0, MAX_SEED)
    knobs = {key: knob(key, value) for key, value in knobs.items()}
    index = class_index(name, label)
    x = operations.sample(model, n, seed, "balanced" if index is None else index, **knobs)
    return sheet(x, name, n=n, seed=seed, **class_text(name, index), **knobs)
