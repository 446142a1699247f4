"""Which diffusion models there are, and the settings of their solvers."""

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from genmodels.models.diffusion import DiffusionConfig
from genmodels.protocols import Denoises
from genmodels.wrappers.core import available, config_of, get_model, shown
from genmodels.wrappers.sampling import knob
from genmodels.wrappers.state import State, choice, real, whole

FAMILY = "diffusion"
MOST_STEPS, FEW_STEPS, MOST_GUIDANCE = 100, 8, 8.0  # in a section
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


class Solver(TypedDict):
    """How a run goes from noise to a picture."""

    num_inference_steps: int
    guidance_scale: float
    scheduler: str


def class_models() -> list[str]:
    """The bundled diffusion models of classes, or of nothing."""
    return [name for name in _unsketched() if not model_config(name).vocabulary]


def text_models() -> list[str]:
    """The bundled diffusion models of captions."""
    return [name for name in _unsketched() if model_config(name).vocabulary]


def sketch_models() -> list[str]:
    """The bundled diffusion models that follow sketches; the others are for what needs none."""
    return [name for name in available(FAMILY) if model_config(name).sketch]


def _unsketched() -> list[str]:
    return [name for name in available(FAMILY) if not model_config(name).sketch]


def takes_few_steps(name: str) -> bool:
    """Whether a model was tuned for a few steps of its own: other steps and solvers, or a start in the middle, are not for it."""
    return model_config(name).objective != "velocity"


def model_config(name: str) -> DiffusionConfig:
    """What `core.config_of` says of a diffusion model."""
    config = config_of(name)
    if not isinstance(config, DiffusionConfig):
        raise ValueError(f"The model {name!r} is no diffusion model.")
    return config


def solver_settings(name: str) -> Solver:
    """How a model samples where it isn't told otherwise."""
    config = model_config(name)
    return {
        "num_inference_steps": config.num_inference_steps,
        "guidance_scale": config.guidance_scale,
        "scheduler": config.scheduler,
    }


def checked_solver(
    name: str,
    *,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
) -> Solver:
    """The settings of a run, the model's own where they are None; ValueError with the range."""
    own, model = solver_settings(name), get_model(name, Denoises)
    steps = own["num_inference_steps"] if num_inference_steps is None else num_inference_steps
    scale = own["guidance_scale"] if guidance_scale is None else guidance_scale
    return {
        "num_inference_steps": knob(model, "num_inference_steps", steps),
        "guidance_scale": knob(model, "guidance_scale", scale),
        "scheduler": _scheduler(own["scheduler"] if scheduler is None else scheduler),
    }


def _scheduler(name: Any) -> str:
    if not isinstance(name, str) or name not in SOLVERS:
        raise ValueError(f"There is no solver {shown(name)}; the solvers are {', '.join(SOLVERS)}.")
    return name


# -- fields of states that fit the model ------------------------------------------------------------------------------


def own(key: Literal["num_inference_steps", "guidance_scale", "scheduler"]) -> Callable[[str], Any]:
    """A model's own setting, as a field's default."""
    return lambda name: solver_settings(name)[key]


def steps_field(**more: Any) -> Any:
    return whole(
        "Steps", own("num_inference_steps"), 1, lambda name: FEW_STEPS if takes_few_steps(name) else MOST_STEPS, **more
    )


def solver_field() -> Any:
    """Any of the solvers; of a model that was tuned for a few steps of its own, the one that takes them."""
    return choice("Solver", own("scheduler"), _solvers, info="How the steps are taken.", advanced=True)


def _solvers(name: str) -> list[tuple[str, str]]:
    mine = solver_settings(name)["scheduler"] if takes_few_steps(name) else None
    return [(title, key) for key, title in SOLVERS.items() if mine in (None, key)]


def guidance_field(
    info: str = "0 ignores the class, 1 is as learnt; more makes it clearer and less varied, at up to twice the time.",
    **more: Any,
) -> Any:
    return real(
        "Guidance", own("guidance_scale"), 0, MOST_GUIDANCE, step=0.01, info=info, **({"advanced": True} | more)
    )


def solver_of(state: State) -> dict[str, Any]:
    """What a state says of the solver, as the arguments of `checked_solver`."""
    return state.picked(
        *(key for key in ("num_inference_steps", "scheduler", "guidance_scale") if key in state.kinds())
    )
