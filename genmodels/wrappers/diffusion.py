"""What a diffusion model allows: watch it denoise, noise a picture and go back, fill in, compare words and solvers."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models.base import draw_normal, seeded
from genmodels.protocols import AnyModel, Denoises
from genmodels.wrappers.core import (
    MAX_SEED,
    NOT_NAMED,
    check_float,
    check_int,
    class_index,
    class_text,
    describe,
    get_model,
    locked_steps,
    new_run,
)
from genmodels.wrappers.denoisers import Solver, checked_solver, model_config, timed
from genmodels.wrappers.pictures import columns_for, from_pad, signature, to_pad
from genmodels.wrappers.prompts import MAX_PROMPTS, prompt_tokens
from genmodels.wrappers.types import Denoising, DenoisingFrame, Labelled, Pad

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step

MAX_DENOISED = 16
KEPT_FRAMES = 40  # of a run, for the scrubber: more would be megabytes, and nobody sees them one by one


# -- from noise to pictures -------------------------------------------------------------------------------------------


def sample_steps(
    name: str,
    n: int = MAX_DENOISED,
    seed: int = 0,
    label: int | str | None = None,
    prompt: str | None = None,
    **settings: Any,
) -> Iterator[Denoising]:
    """n new pictures, step by step; picture i has seed + i. label None = every class in turn.

    prompt: what to draw, for a model of captions, which has no classes. settings: num_inference_steps, guidance_scale,
    scheduler. Bad values are refused at once, not at the first step. A step is computed when it is asked for: who
    stops asking, stops the work.
    """
    model = get_model(name, Denoises)
    n, seed = check_int("The number of images", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    if model_config(name).vocabulary:
        labels = prompt_tokens(name, [prompt]).expand(n, -1)
        told: dict[str, Any] = {"prompt": prompt}
    elif prompt is not None:
        raise ValueError(f"The model {name!r} knows classes and no words.")
    else:
        index = class_index(name, label)
        labels, told = operations.as_labels(model, n, "balanced" if index is None else index), class_text(name, index)
    info = signature(name, n=n, seed=seed, **told, **solver)
    moments = model.trajectory(labels, generators=seeded(range(seed, seed + n)), **solver)
    return _run(name, moments, solver, info, _steps(solver), _noise(model, n, seed))


def img2img(
    name: str, pad: Pad, strength: float, n: int = 4, seed: int = 0, label: int | str | None = None, **settings: Any
) -> Iterator[Denoising]:
    """A picture drowned in noise, `strength` of the way to pure noise, and denoised again, n times with noise of its own.

    strength: from 0.02 to 1, where nothing is left of the picture. label: a class, "balanced" for every class in turn, or
    None: then the model isn't told one. See `sample_steps`.
    """
    model, x = get_model(name, Denoises), from_pad(name, pad)[0]
    n, seed = check_int("The number of images", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    strength, solver = check_float("The noise t", strength, 0.02, 1), checked_solver(name, **settings)
    labels, told = _told(model, name, n, label)
    info = signature(name, n=n, seed=seed, **told, **solver, strength=strength)
    start = x.expand(n, -1, -1, -1)
    moments = model.trajectory(
        labels, generators=seeded(range(seed, seed + n)), start=start, strength=strength, **solver
    )
    return _run(name, moments, solver, info, _steps(solver, strength))


def add_noise(name: str, pad: Pad, strength: float, *args: Any, **kwargs: Any) -> Denoising:
    """The first step of `img2img` alone: the picture with the noise, and what the network sees in it at one look."""
    return {**next(img2img(name, pad, strength, *args, **kwargs)), "state": "preview"}


def inpaint(
    name: str, pad: Pad, n: int = 8, seed: int = 0, label: int | str | None = None, **settings: Any
) -> Iterator[Denoising]:
    """The hidden pixels of a picture, filled in n times, step by step; the others stay as they are. label: as in `img2img`.

    The model adds noise again and removes it, a few rounds: in how many steps, is known at the end (total 0 until then).
    """
    model = get_model(name, Denoises)
    x, hidden = from_pad(name, pad)
    n, seed = check_int("The number of fillings", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    labels, told = _told(model, name, n, label)
    info = signature(name, n=n, seed=seed, **told, **solver, given_pixels=int((~hidden).sum()))
    x, given = x.expand(n, -1, -1, -1), (~hidden).expand(n, -1, -1, -1)
    moments = model.complete_steps(x, given, labels, generators=seeded(range(seed, seed + n)), **solver)
    return _run(name, moments, solver, info, 0, _noise(model, n, seed))


def _told(model: AnyModel, name: str, n: int, label: int | str | None) -> tuple[Tensor, dict[str, str]]:
    """The labels of n pictures and what the PNG says of them; label: a class, "balanced", or None = not told."""
    everyone = isinstance(label, str) and label == "balanced"
    index = None if everyone else class_index(name, label)
    labels = operations.as_labels(model, n, "balanced" if everyone else index)
    return labels, class_text(name, index) if everyone or index is not None else {"class": NOT_NAMED}


def _steps(solver: Solver, strength: float = 1.0) -> int:
    """How many steps a run will take."""
    from genmodels.models import pipeline

    _, steps = pipeline.begin(pipeline.make_scheduler(solver["scheduler"]), solver["num_inference_steps"], strength)
    return math.ceil(len(steps) / _order(solver))


def _order(solver: Solver) -> int:
    """Calls of the network per step."""
    from genmodels.models import pipeline

    return pipeline.make_scheduler(solver["scheduler"]).order


def _noise(model: AnyModel, n: int, seed: int) -> Tensor:
    """What a run of n pictures begins with where it begins with noise alone."""
    return draw_normal(model.image_shape, seeded(range(seed, seed + n)), "cpu")


class Facts(TypedDict):
    """What all states of a run have in common."""

    run: int
    info: dict[str, str]
    total: int


def _run(
    name: str,
    moments: Iterator["Step"],
    solver: Solver,
    info: dict[str, str],
    total: int,
    noise: Tensor | None = None,
) -> Iterator[Denoising]:
    """The states of a run, one per moment and one to say that it is done; between two of them others take turns.

    noise: is shown at once, in a state of its own, because the first step takes a while.
    """
    facts: Facts = {"run": new_run(), "info": info, "total": total}
    calls = _order(solver) * (total or 3 * solver["num_inference_steps"])
    return locked_steps(_states(name, moments, _order(solver), math.ceil(calls / KEPT_FRAMES), facts, noise))


def _states(
    name: str, moments: Iterator["Step"], order: int, every: int, facts: Facts, noise: Tensor | None
) -> Iterator[Denoising]:
    """Each state holds all frames so far, so that none is needed but the last seen; of a long run every k-th is kept.

    order: calls of the network per step. ms: time spent on the network up to a frame, without waiting for others.
    """
    paper = describe(name)["background"]
    kept: list[DenoisingFrame] = []
    frames: list[DenoisingFrame] = []
    if noise is not None:  # the frame of the first step then takes the place of this one
        bare: DenoisingFrame = {"step": 1, "sigma": 1.0, "ms": 0.0, "noisy": _sheet(noise, paper), "clean": None}
        yield {**facts, "state": "running", "frames": [bare]}
    step = before = call = 0  # the number of the step, and of those before the last result; calls since that
    for i, (moment, ms) in enumerate(timed(moments)):
        if moment.sigma > 0:
            step, call = before + call // order + 1, call + 1
        else:
            before, call = step, 0
        frame: DenoisingFrame = {
            "step": step, "sigma": round(moment.sigma, 4), "ms": round(ms, 1),
            "noisy": _sheet(moment.noisy, paper), "clean": _sheet(moment.clean, paper),
        }  # fmt: skip
        frames = [*kept, frame]
        if i % every == 0:
            kept = frames
        yield {**facts, "state": "running", "frames": frames}
    yield {**facts, "state": "done", "total": step, "frames": frames}


def _sheet(x: Tensor, paper: int) -> Pad:
    """Images `(N, C, H, W)`, clipped to [-1, 1], as one picture at their own small size."""
    return to_pad(tile_pixels(to_uint8(x), columns_for(len(x)), paper=paper))


# -- the same noise ---------------------------------------------------------------------------------------------------


class SameNoise(TypedDict):
    """The noise, the pictures of it with their prompts or classes, and the time on the network."""

    noise: Pad
    pictures: list[Labelled]
    ms: float


def same_noise(name: str, seed: int = 0, prompts: Sequence[str] | None = None, **settings: Any) -> SameNoise:
    """Pictures of the same noise: one per prompt (of a model of captions) or of every class. settings: as in `sample_steps`."""
    model, seed = get_model(name, Denoises), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    if prompts is None:
        titles = describe(name)["classes"] if describe(name)["conditional"] else []
        if not titles:
            raise ValueError(f"The model {name!r} knows no classes.")
        labels = torch.arange(len(titles))
    else:
        if not 1 <= len(prompts) <= MAX_PROMPTS:
            raise ValueError(f"There must be 1 to {MAX_PROMPTS} sentences, one per line, not {len(prompts)}.")
        titles, labels = list(prompts), prompt_tokens(name, prompts)
    moments = model.trajectory(labels, generators=seeded([seed] * len(titles)), **solver)
    first, *_, (last, ms) = locked_steps(timed(moments))
    pictures = [(title, to_pad(image)) for title, image in zip(titles, to_uint8(last.clean), strict=True)]
    return {"noise": to_pad(to_uint8(first[0].noisy[0])), "pictures": pictures, "ms": ms}
