"""Which diffusion models there are, and the settings of their solvers."""

import functools
import time
from collections.abc import Iterator
from typing import Any

from genmodels import checkpoint, operations
from genmodels.models.base import Model, ModelConfig
from genmodels.protocols import Completes, Samples
from genmodels.registry import get_family
from genmodels.wrappers.core import available, check_name, get_model, shown
from genmodels.wrappers.sampling import knob

FAMILY = "diffusion"
#: The solvers by their names in `models.pipeline.SCHEDULERS`, as visitors read them. Here, because that file imports
#: diffusers, which takes seconds.
SOLVERS = {
    "dpm++2m": "DPM-Solver++ (2M)",
    "dpm++3m": "DPM-Solver++ (3M)",
    "unipc": "UniPC",
    "deis": "DEIS",
    "ipndm": "iPNDM",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "ddpm": "DDPM",
}


def class_models() -> list[str]:
    """The bundled diffusion models of classes, or of nothing."""
    return [name for name in available(FAMILY) if not model_config(name).vocabulary]


def text_models() -> list[str]:
    """The bundled diffusion models of captions."""
    return [name for name in available(FAMILY) if model_config(name).vocabulary]


def takes_few_steps(name: str) -> bool:
    """Whether a model was tuned for a few steps of its own: other steps and solvers, or a start in the middle, are not for it."""
    return model_config(name).objective != "velocity"


@functools.lru_cache(maxsize=64)
def model_config(name: str) -> ModelConfig:
    """Read, and not asked of the model: laying out the app needs it, and must not take as long as loading models."""
    check_name(name)
    return get_family(FAMILY).Config.from_json(checkpoint.read_config(name)["config"])


def solver_settings(name: str) -> dict[str, Any]:
    """How a model samples where it isn't told otherwise: num_inference_steps, guidance_scale and scheduler."""
    return {key: getattr(model_config(name), key) for key in ("num_inference_steps", "guidance_scale", "scheduler")}


def get_denoiser(name: str) -> Model:
    """A model that starts with noise and shows every step on the way to a picture."""
    check_name(name)
    model = get_model(name)
    if not hasattr(model, "trajectory"):
        raise ValueError(f"The model {name!r} does not remove noise step by step.")
    operations.require(model, Samples, Completes)
    return model


def checked_solver(
    model: Model,
    *,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """The settings of a run, those of the model's config where they are None; ValueError with the range."""
    config = model.config
    steps = config.num_inference_steps if num_inference_steps is None else num_inference_steps
    scale = config.guidance_scale if guidance_scale is None else guidance_scale
    return {
        "num_inference_steps": knob(model, "num_inference_steps", steps),
        "guidance_scale": knob(model, "guidance_scale", scale),
        "scheduler": _scheduler(config.scheduler if scheduler is None else scheduler),
    }


def _scheduler(name: Any) -> str:
    if not isinstance(name, str) or name not in SOLVERS:
        raise ValueError(f"There is no solver {shown(name)}; the solvers are {', '.join(SOLVERS)}.")
    return name


def timed(moments: Iterator) -> Iterator[tuple[Any, float]]:
    """Each moment with the milliseconds that all up to it took, without the time in which others had their turns."""
    ms, start = 0.0, time.perf_counter()
    for moment in moments:
        ms += 1000 * (time.perf_counter() - start)
        yield moment, ms
        start = time.perf_counter()
