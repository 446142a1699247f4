"""What a diffusion model allows: watch it denoise, noise a picture and go back, fill in, compare words and solvers."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from genmodels import operations
from genmodels.captions import PARTS, compose
from genmodels.device import here
from genmodels.metrics import mean_squared_error
from genmodels.models.base import draw_normal, seeded
from genmodels.protocols import Denoises
from genmodels.wrappers.core import (
    MAX_SEED,
    MODELS_KEPT,
    check_float,
    check_int,
    class_index,
    describe,
    get_model,
    locked_steps,
    timed,
)
from genmodels.wrappers.denoisers import (
    Solver,
    checked_solver,
    guidance_field,
    model_config,
    solver_field,
    solver_of,
    steps_field,
)
from genmodels.wrappers.examples import known_images
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.prompts import (
    MAX_PROMPTS,
    part,
    prompt_tokens,
    sentence_field,
    sentences_field,
    unknown_text,
)
from genmodels.wrappers.sampling import A_FEW
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import EACH, NOT_TOLD, State, class_label, class_of, drawing, hidden, real, told_class
from genmodels.wrappers.state import seed as seed_field
from genmodels.wrappers.state import whole as whole_field
from genmodels.wrappers.types import Pad

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step

MAX_DENOISED = 16
MEASURED = 100  # test images: a second of computing, once
KEPT_FRAMES = 40  # of a run, for the scrubber: more would be megabytes, and nobody sees them one by one


class Run(NamedTuple):
    """What is about to be computed: the moments of a trajectory, its solver, how many steps (0: not yet known), and the noise
    that is shown at once, because the first step takes a while."""

    moments: Iterator["Step"]
    solver: Solver
    total: int
    noise: Tensor | None = None


# -- from noise to pictures -------------------------------------------------------------------------------------------


def _sampling(
    name: str, n: int, seed: int, label: int | str | None = None, prompt: str | None = None, **settings: Any
) -> Run:
    model = get_model(name, Denoises)
    n, seed = check_int("The number of images", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    if model_config(name).vocabulary:
        labels = prompt_tokens(name, [prompt]).expand(n, -1)
    elif prompt is not None:
        raise ValueError(f"The model {name!r} knows classes and no words.")
    else:
        index = class_index(name, label)
        labels = operations.as_labels(model, n, "balanced" if index is None else index)
    moments = model.trajectory(labels, generators=seeded(range(seed, seed + n)), **solver)
    return Run(moments, solver, _steps(solver), _noise(model, n, seed))


def _redrawing(
    name: str, pad: Pad, strength: float, n: int = 4, seed: int = 0, label: int | str | None = None, **settings: Any
) -> Run:
    model, x = get_model(name, Denoises), from_pad(name, pad)[0]
    n, seed = check_int("The number of images", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    strength, solver = check_float("The noise t", strength, 0.02, 1), checked_solver(name, **settings)
    labels = _told(model, name, n, label)
    start, generators = x.expand(n, -1, -1, -1), seeded(range(seed, seed + n))
    moments = model.trajectory(labels, generators=generators, start=start, strength=strength, **solver)
    return Run(moments, solver, _steps(solver, strength))


def _filling(name: str, pad: Pad, n: int, seed: int, label: int | str | None = None, **settings: Any) -> Run:
    model = get_model(name, Denoises)
    x, hidden = from_pad(name, pad)
    n, seed = check_int("The number of fillings", n, 1, MAX_DENOISED), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    labels = _told(model, name, n, label)
    x, given = x.expand(n, -1, -1, -1), (~hidden).expand(n, -1, -1, -1)
    moments = model.complete_steps(x, given, labels, generators=seeded(range(seed, seed + n)), **solver)
    return Run(moments, solver, 0, _noise(model, n, seed))


def _told(model: Denoises, name: str, n: int, label: int | str | None) -> Tensor:
    """The labels of n pictures; label: a class, "balanced", or None = not told."""
    everyone = isinstance(label, str) and label == "balanced"
    index = None if everyone else class_index(name, label)
    return operations.as_labels(model, n, "balanced" if everyone else index)


def _steps(solver: Solver, strength: float = 1.0) -> int:
    """How many steps a run will take."""
    from genmodels.models import pipeline

    _, steps = pipeline.begin(pipeline.make_scheduler(solver["scheduler"]), solver["num_inference_steps"], strength)
    return math.ceil(len(steps) / _order(solver))


def _order(solver: Solver) -> int:
    """Calls of the network per step."""
    from genmodels.models import pipeline

    return pipeline.make_scheduler(solver["scheduler"]).order


def _noise(model: Denoises, n: int, seed: int) -> Tensor:
    """What a run of n pictures begins with where it begins with noise alone."""
    return draw_normal(model.image_shape, seeded(range(seed, seed + n)), here())


def _frames(run: Run) -> Iterator[tuple[int, dict[str, Any]]]:
    """(its place among the frames, a frame {step, sigma, ms, noisy, clean}), one per moment; of a long run every k-th keeps
    its place, others give it to the next one.

    noisy, clean: images `(N, C, H, W)`. ms: time spent on the network up to a frame, without waiting for others.
    """
    order = _order(run.solver)  # calls of the network per step
    every = math.ceil(order * (run.total or 3 * run.solver["num_inference_steps"]) / KEPT_FRAMES)
    if run.noise is not None:  # the frame of the first step then takes the place of this one
        yield 0, {"step": 1, "sigma": 1.0, "ms": 0.0, "noisy": run.noise, "clean": None}
    step = before = call = 0  # the number of the step, and of those before the last result; calls since that
    for i, (moment, ms) in enumerate(timed(run.moments)):
        if moment.sigma > 0:
            step, call = before + call // order + 1, call + 1
        else:
            before, call = step, 0
        frame = {"step": step, "sigma": round(moment.sigma, 4), "ms": round(ms, 1)}
        yield math.ceil(i / every), frame | {"noisy": moment.noisy, "clean": moment.clean}


# -- the same noise ---------------------------------------------------------------------------------------------------


def _same(name: str, seed: int, prompts: Sequence[str] | None, **settings: Any) -> tuple[list[str], Iterator["Step"]]:
    """What the pictures are told, and the moments of their trajectory."""
    model, seed = get_model(name, Denoises), check_int("The seed", seed, 0, MAX_SEED)
    solver = checked_solver(name, **settings)
    if prompts is None:
        titles = describe(name)["classes"] if describe(name)["conditional"] else []
        if not titles:
            raise ValueError(f"The model {name!r} knows no classes.")
        labels = torch.arange(len(titles), device=here())
    else:
        if not 1 <= len(prompts) <= MAX_PROMPTS:
            raise ValueError(f"There must be 1 to {MAX_PROMPTS} sentences, one per line, not {len(prompts)}.")
        titles, labels = list(prompts), prompt_tokens(name, prompts)
    return titles, model.trajectory(labels, generators=seeded([seed] * len(titles)), **solver)


# -- as sections ------------------------------------------------------------------------------------------------------


def answers(run: Run, first: Answer | None = None) -> Iterator[Answer]:
    """film: {frame, at (its place), total}, step by step, and in the end {frames, total} with all that were kept; to those
    who have them that is {total, done}.

    first: what the first answer and the last one say besides.
    """
    return locked_steps(_answers(run, first or {}))


def _answers(run: Run, first: Answer) -> Iterator[Answer]:
    frames: list[dict[str, Any]] = []
    for at, frame in _frames(run):
        clean = None if frame["clean"] is None else pictures(frame["clean"])
        frame = frame | {"noisy": pictures(frame["noisy"]), "clean": clean}
        more = {} if frames else first
        frames[at:] = [frame]
        of = f" of {run.total}" if run.total else ""
        yield {"film": {"frame": frame, "at": at, "total": run.total}, "progress": f"Step {frame['step']}{of}"} | more
    total, ms = frames[-1]["step"], frames[-1]["ms"]
    words = f"Done: {total} {'step' if total == 1 else 'steps'}, {ms:.0f} ms of computing"
    new = {"film": {"total": total, "done": True}, "progress": words, "ms": ms, "done": True}
    yield Whole(new, film={"frames": frames, "total": total}, **first)


def how_many(default: int) -> Any:
    return whole_field("How many", default, 1, MAX_DENOISED, advanced=True)


@dataclass(frozen=True)
class DenoiseState(State):
    picture: str = drawing()
    t: float = real("Noise t", 0.6, 0.02, 1, step=0.02, info="0 is the picture itself, 1 nothing but noise.")
    label: str = class_label(NOT_TOLD, EACH, label="As")
    seed: int = seed_field()
    n: int = how_many(4)
    num_inference_steps: int = steps_field(advanced=True)
    scheduler: str = solver_field()
    guidance_scale: float = guidance_field()


def _from_here(state: DenoiseState) -> Run:
    pad = state.pad_of("picture")
    return _redrawing(
        state.model, pad, state.t, state.n, state.seed, told_class(state.label), **solver_of(state)
    )  # fmt: skip


def noise(state: DenoiseState) -> Answer:
    """film: the picture with noise, n times, and what the network sees in it at one look: the first frame of `denoise`."""
    return {"film": next(answers(_from_here(state)))["film"] | {"preview": True}}


class FirstLook(NamedTuple):
    """A picture with noise, and the clean one that the network sees in it: images `(n, C, H, W)`."""

    noisy: Tensor
    clean: Tensor


def first_look(state: DenoiseState) -> FirstLook:
    """The first step of `denoise`."""
    _, frame = next(locked_steps(_frames(_from_here(state))))
    return FirstLook(frame["noisy"], frame["clean"])


def harder_than(state: DenoiseState) -> tuple[float, int] | None:
    """How well the network sees the picture through the noise of first_look, by the share in percent of known test images
    that it sees better, and their number; None if we have none of them."""
    if known_images(state.model) is None:
        return None
    x, look = from_pad(state.model, state.pad_of("picture"))[0], first_look(state)
    error = float(mean_squared_error(look.clean, x.expand_as(look.clean)).mean())
    errors = test_errors(state.model, state.t)
    return float((errors < error).float().mean() * 100), len(errors)


@functools.lru_cache(maxsize=MODELS_KEPT)
def test_errors(name: str, t: float) -> Tensor:
    """Mean squared errors `(N,)` of what the network sees in MEASURED known test images, each with a noise of its own."""
    images = known_images(name)
    assert images is not None
    errors = []
    for i in range(0, min(MEASURED, len(images)), MAX_DENOISED):
        x = images[i : min(i + MAX_DENOISED, MEASURED)][0].to(here())
        moments = get_model(name, Denoises).trajectory(
            operations.as_labels(get_model(name, Denoises), len(x), None),
            generators=seeded(range(i, i + len(x))), start=x, strength=t, **checked_solver(name),
        )  # fmt: skip
        errors.append(mean_squared_error(next(locked_steps(moments)).clean, x))
    return torch.cat(errors).cpu()


def denoise(state: DenoiseState) -> Iterator[Answer]:
    """film: the same noisy pictures, denoised step by step."""
    yield from answers(_from_here(state))


@dataclass(frozen=True)
class GenerateState(State):
    label: str = class_label(EACH)
    seed: int = seed_field()
    num_inference_steps: int = steps_field()
    n: int = how_many(A_FEW)
    scheduler: str = solver_field()
    guidance_scale: float = guidance_field()


def generate(state: GenerateState) -> Iterator[Answer]:
    """film: n new pictures, step by step; picture i has seed + i."""
    yield from answers(_sampling(state.model, state.n, state.seed, class_of(state.label), **solver_of(state)))


@dataclass(frozen=True)
class FillState(State):
    picture: str = drawing(tools=("pen", "erase", "hide"))
    hidden: str = hidden("lower half")
    label: str = class_label(NOT_TOLD, EACH, label="As")
    seed: int = seed_field()
    n: int = how_many(6)
    num_inference_steps: int = steps_field(advanced=True)
    scheduler: str = solver_field()
    guidance_scale: float = guidance_field()


def fill(state: FillState) -> Iterator[Answer]:
    """given: the picture, grey where it is hidden; film: n fillings, step by step, the given pixels unchanged."""
    run = _filling(state.model, state.pad, state.n, state.seed, told_class(state.label), **solver_of(state))
    x, gone = from_pad(state.model, state.pad)
    yield from answers(run, {"given": pictures(torch.where(gone, 0.0, x))})


WORD_GUIDANCE = "1 is as learnt; more follows the words more closely, at twice the time."


@dataclass(frozen=True)
class WordsState(State):
    prompt: str = sentence_field()
    species: str = part("species", "Who")
    body: str = part("body", "Dressed in")
    cloak: str = part("cloak", "Cloak")
    head: str = part("head", "On the head")
    weapon: str = part("weapon", "Weapon")
    shield: str = part("shield", "Shield")
    seed: int = seed_field()
    n: int = how_many(6)
    num_inference_steps: int = steps_field(advanced=True)
    guidance_scale: float = guidance_field(WORD_GUIDANCE)


def words(state: WordsState) -> Iterator[Answer]:
    """prompt: the sentence that is drawn; words: what of it the model does not know; film: n pictures, step by step."""
    prompt = state.prompt or compose(**state.picked(*PARTS))
    run = _sampling(state.model, state.n, state.seed, prompt=prompt, **solver_of(state))
    yield from answers(run, {"prompt": prompt, "words": unknown_text(state.model, [prompt])})


@dataclass(frozen=True)
class SameState(State):
    sentences: str = sentences_field()
    seed: int = seed_field()
    guidance_scale: float = guidance_field(advanced=False)
    num_inference_steps: int = steps_field(advanced=True)
    scheduler: str = solver_field()


def same(state: SameState) -> Iterator[Answer]:
    """gallery: the noise, and what the network sees in it after each step, told every class or every sentence."""
    prompts = state.sentences.splitlines() if model_config(state.model).vocabulary else None
    titles, moments = _same(state.model, state.seed, prompts, **solver_of(state))
    begin = _noise(get_model(state.model, Denoises), 1, state.seed)
    told = unknown_text(state.model, prompts) if prompts else ""
    yield {"gallery": _gallery(begin, None, titles), "progress": "The noise is the same for all."}
    gallery, ms = {}, 0.0
    for moment, ms in locked_steps(timed(moments)):
        gallery = {"gallery": _gallery(begin, moment.clean, titles)}
        yield gallery | {"progress": f"xₜ = {_level(moment.sigma)}", "ms": ms}
    text = f"{len(titles)} pictures of one noise, in **{ms:.0f} ms** of computing. {told}".strip()
    yield gallery | {"words": text, "progress": "Done", "ms": ms, "done": True}


def _gallery(noise: Tensor, clean: Tensor | None, titles: Sequence[str]) -> Answer:
    """The noise first, marked; until the network has answered the others are noise, too."""
    shown = noise.expand(len(titles), -1, -1, -1) if clean is None else clean
    marked = [True, *(False for _ in titles)]
    return {
        "pictures": pictures(torch.cat([noise, shown])),
        "titles": [["the noise"], *([t] for t in titles)],
        "marked": marked,
    }


def _level(sigma: float) -> str:
    return f"{math.sqrt(1 - sigma**2):.2f} · picture + {sigma:.2f} · noise"
