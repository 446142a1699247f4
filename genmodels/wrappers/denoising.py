"""What a diffusion model allows: watch it denoise, noise a picture and go back, fill in, compare words and solvers."""

import functools
import math
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from genmodels import checkpoint, operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models.base import Model, ModelConfig, draw_normal, seeded
from genmodels.protocols import Completes, Samples
from genmodels.registry import get_family
from genmodels.wrappers.core import (
    MAX_SEED,
    NOT_NAMED,
    available,
    check_name,
    class_index,
    class_text,
    describe,
    get_model,
    in_turns,
    new_run,
    real,
    shown,
    whole,
)
from genmodels.wrappers.pictures import Pad, columns_for, from_pad, signature, thumbnail, to_pad
from genmodels.wrappers.sampling import knob

FAMILY = "diffusion"
MAX_DENOISED = 16
KEPT_FRAMES = 40  # of a run, for the scrubber: more would be megabytes, and nobody sees them one by one
MAX_CHARACTERS, MAX_PROMPTS = 400, 8
PARTS = ("species", "body", "cloak", "head", "weapon", "shield")  # of a sentence about a hero
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
GRID_PICTURES, GRID_SOLVERS, GRID_STEPS = 4, 5, (1, 2, 4, 8, 16, 32, 50)
GRID_CALLS = 400  # of the network, for one comparison

#: Pictures on their way from noise, for the browser: run (see `new_run`), state ("running", "done" or
#: "preview"), total (steps, 0 = not yet known), frames ({step, sigma, ms, noisy, clean}: two sheets as pads, clean None
#: until the network has answered for the first time), info (the settings).
Denoising = dict[str, Any]


# -- which models -----------------------------------------------------------------------------------------------------


def class_models() -> list[str]:
    """The bundled diffusion models of classes, or of nothing."""
    return [name for name in available(FAMILY) if not _config(name).vocabulary]


def text_models() -> list[str]:
    """The bundled diffusion models of captions."""
    return [name for name in available(FAMILY) if _config(name).vocabulary]


def takes_few_steps(name: str) -> bool:
    """Whether a model was tuned for a few steps of its own: other steps and solvers, or a start in the middle, are not for it."""
    return _config(name).objective != "velocity"


@functools.lru_cache(maxsize=64)
def _config(name: str) -> ModelConfig:
    """Read, and not asked of the model: laying out the app needs it, and must not take as long as loading models."""
    check_name(name)
    return get_family(FAMILY).Config.from_json(checkpoint.read_config(name)["config"])


def solver_settings(name: str) -> dict[str, Any]:
    """How a model samples where it isn't told otherwise: num_inference_steps, guidance_scale and scheduler."""
    return {key: getattr(_config(name), key) for key in ("num_inference_steps", "guidance_scale", "scheduler")}


def _get_denoiser(name: str) -> Model:
    """A model that starts with noise and shows every step on the way to a picture."""
    check_name(name)
    model = get_model(name)
    if not hasattr(model, "trajectory"):
        raise ValueError(f"The model {name!r} does not remove noise step by step.")
    operations.require(model, Samples, Completes)
    return model


def _solver(
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
        "num_inference_steps": knob("num_inference_steps", steps),
        "guidance_scale": knob("guidance_scale", scale),
        "scheduler": _scheduler(config.scheduler if scheduler is None else scheduler),
    }


def _scheduler(name: Any) -> str:
    if not isinstance(name, str) or name not in SOLVERS:
        raise ValueError(f"There is no solver {shown(name)}; the solvers are {', '.join(SOLVERS)}.")
    return name


# -- from noise to pictures -------------------------------------------------------------------------------------------


def diffuse(
    name: str,
    n: int = MAX_DENOISED,
    seed: int = 0,
    label: int | str | None = None,
    prompt: str | None = None,
    **solver: Any,
) -> Iterator[Denoising]:
    """n new pictures, step by step; picture i has seed + i. label None = every class in turn.

    prompt: what to draw, for a model of captions, which has no classes. solver: num_inference_steps, guidance_scale,
    scheduler. Bad values are refused at once, not at the first step. A step is computed when it is asked for: who
    stops asking, stops the work.
    """
    model = _get_denoiser(name)
    n, seed = whole("The number of images", n, 1, MAX_DENOISED), whole("The seed", seed, 0, MAX_SEED)
    solver = _solver(model, **solver)
    if _config(name).vocabulary:
        labels, told = _tokens(name, [prompt]).expand(n, -1), {"prompt": prompt}
    elif prompt is not None:
        raise ValueError(f"The model {name!r} knows classes and no words.")
    else:
        index = class_index(name, label)
        labels, told = operations.as_labels(model, n, "balanced" if index is None else index), class_text(name, index)
    info = signature(name, n=n, seed=seed, **told, **solver)
    moments = model.trajectory(labels, generators=seeded(range(seed, seed + n)), **solver)
    return _run(name, moments, solver, info, _steps(solver), _noise(model, n, seed))


def redraw(
    name: str, pad: Pad, strength: float, n: int = 4, seed: int = 0, label: int | str | None = None, **solver: Any
) -> Iterator[Denoising]:
    """A picture drowned in noise, `strength` of the way to pure noise, and denoised again, n times with noise of its own.

    strength: from 0.02 to 1, where nothing is left of the picture. label: a class, "balanced" for every class in turn, or
    None: then the model isn't told one. See `diffuse`.
    """
    model, x = _get_denoiser(name), from_pad(name, pad)[0]
    n, seed = whole("The number of images", n, 1, MAX_DENOISED), whole("The seed", seed, 0, MAX_SEED)
    strength, solver = real("The noise t", strength, 0.02, 1), _solver(model, **solver)
    labels, told = _told(model, name, n, label)
    info = signature(name, n=n, seed=seed, **told, **solver, strength=strength)
    begin = {"start": x.expand(n, -1, -1, -1), "strength": strength}
    moments = model.trajectory(labels, generators=seeded(range(seed, seed + n)), **begin, **solver)
    return _run(name, moments, solver, info, _steps(solver, strength))


def noised(name: str, pad: Pad, strength: float, *args: Any, **kwargs: Any) -> Denoising:
    """The first step of `redraw` alone: the picture with the noise, and what the network sees in it at one look."""
    return next(redraw(name, pad, strength, *args, **kwargs)) | {"state": "preview"}


def fill(
    name: str, pad: Pad, n: int = 8, seed: int = 0, label: int | str | None = None, **solver: Any
) -> Iterator[Denoising]:
    """The hidden pixels of a picture, filled in n times, step by step; the others stay as they are. label: as in `redraw`.

    The model adds noise again and removes it, a few rounds: in how many steps, is known at the end (total 0 until then).
    """
    model = _get_denoiser(name)
    x, hidden = from_pad(name, pad)
    n, seed = whole("The number of fillings", n, 1, MAX_DENOISED), whole("The seed", seed, 0, MAX_SEED)
    solver = _solver(model, **solver)
    labels, told = _told(model, name, n, label)
    info = signature(name, n=n, seed=seed, **told, **solver, given_pixels=int((~hidden).sum()))
    x, given = x.expand(n, -1, -1, -1), (~hidden).expand(n, -1, -1, -1)
    moments = model.complete_steps(x, given, labels, generators=seeded(range(seed, seed + n)), **solver)
    return _run(name, moments, solver, info, 0, _noise(model, n, seed))


def _told(model: Model, name: str, n: int, label: int | str | None) -> tuple[Tensor, dict[str, str]]:
    """The labels of n pictures and what the PNG says of them; label: a class, "balanced", or None = not told."""
    everyone = isinstance(label, str) and label == "balanced"
    index = None if everyone else class_index(name, label)
    labels = operations.as_labels(model, n, "balanced" if everyone else index)
    return labels, class_text(name, index) if everyone or index is not None else {"class": NOT_NAMED}


def _steps(solver: dict[str, Any], strength: float = 1.0) -> int:
    """How many steps a run will take."""
    from genmodels.models import pipeline

    _, steps = pipeline.begin(pipeline.make_scheduler(solver["scheduler"]), solver["num_inference_steps"], strength)
    return math.ceil(len(steps) / _order(solver))


def _order(solver: dict[str, Any]) -> int:
    """Calls of the network per step."""
    from genmodels.models import pipeline

    return pipeline.make_scheduler(solver["scheduler"]).order


def _noise(model: Model, n: int, seed: int) -> Tensor:
    """What a run of n pictures begins with where it begins with noise alone."""
    return draw_normal(model.image_shape, seeded(range(seed, seed + n)), "cpu")


def _run(
    name: str,
    moments: Iterator,
    solver: dict[str, Any],
    info: dict[str, str],
    total: int,
    noise: Tensor | None = None,
) -> Iterator[Denoising]:
    """The states of a run, one per moment and one to say that it is done; between two of them others take turns.

    noise: is shown at once, in a state of its own, because the first step takes a while.
    """
    facts = {"run": new_run(), "info": info, "total": total}
    calls = _order(solver) * (total or 3 * solver["num_inference_steps"])
    return in_turns(_states(name, moments, _order(solver), math.ceil(calls / KEPT_FRAMES), facts, noise))


def _states(
    name: str, moments: Iterator, order: int, every: int, facts: dict[str, Any], noise: Tensor | None
) -> Iterator[Denoising]:
    """Each state holds all frames so far, so that none is needed but the last seen; of a long run every k-th is kept.

    order: calls of the network per step. ms: time spent on the network up to a frame, without waiting for others.
    """
    paper, kept, frames = describe(name)["background"], [], []
    if noise is not None:  # the frame of the first step then takes the place of this one
        bare = {"step": 1, "sigma": 1.0, "ms": 0.0, "noisy": _sheet(noise, paper), "clean": None}
        yield {**facts, "state": "running", "frames": [bare]}
    step = before = call = 0  # the number of the step, and of those before the last result; calls since that
    for i, (moment, ms) in enumerate(_timed(moments)):
        if moment.sigma > 0:
            step, call = before + call // order + 1, call + 1
        else:
            before, call = step, 0
        frame = {"step": step, "sigma": round(moment.sigma, 4), "ms": round(ms, 1)}
        frames = [*kept, frame | {"noisy": _sheet(moment.noisy, paper), "clean": _sheet(moment.clean, paper)}]
        if i % every == 0:
            kept = frames
        yield {**facts, "state": "running", "frames": frames}
    yield {**facts, "state": "done", "total": step, "frames": frames}


def _sheet(x: Tensor, paper: int) -> Pad:
    """Images `(N, C, H, W)`, clipped to [-1, 1], as one picture at their own small size."""
    return to_pad(tile_pixels(to_uint8(x), columns_for(len(x)), paper=paper))


# -- words ------------------------------------------------------------------------------------------------------------


def check_prompt(name: str, prompt: Any) -> str:
    """The prompt, or ValueError that says what is wrong with it: empty, too long, or of unknown words only."""
    _get_denoiser(name)
    if not _config(name).vocabulary:
        raise ValueError(f"The model {name!r} knows classes and no words.")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("The sentence is empty: say what to draw.")
    if len(prompt) > MAX_CHARACTERS:
        raise ValueError(f"The sentence has {len(prompt)} characters; at most {MAX_CHARACTERS} are allowed.")
    count, limit = len(re.findall(r"\w+|[^\w\s]+", prompt)), _config(name).text_length - 1
    if count > limit:
        raise ValueError(f"The sentence has {count} words and signs; at most {limit} are allowed.")
    if set(_words(prompt)) <= set(_get_denoiser(name).unknown_words(prompt)):
        raise ValueError(f"The model knows none of these words; it knows, for example: {', '.join(_telling(name))}.")
    return prompt


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _telling(name: str, n: int = 12) -> list[str]:
    """Some of the longer words that a model knows, from all over its vocabulary."""
    words = [word for word in _config(name).vocabulary if len(word) > 3]
    return words[:: max(1, len(words) // n)][:n]


def _tokens(name: str, prompts: Sequence[Any]) -> Tensor:
    return _get_denoiser(name).tokenize([check_prompt(name, prompt) for prompt in prompts])


def unknown_words(name: str, prompt: str) -> list[str]:
    """The words of a prompt that the model has never seen in a caption, each once."""
    return _get_denoiser(name).unknown_words(check_prompt(name, prompt))


@functools.lru_cache(maxsize=16)
def phrases(name: str) -> dict[str, list[str]]:
    """Parts of a sentence, in the words of the model's captions: species, body, cloak, head, weapon, shield -> phrases.

    They are what the referee of the same data tells apart, as far as the model knows the words. "" = without. {} where
    there is no such referee, or where it tells other things apart.
    """
    known, referee = set(_config(name).vocabulary), f"referee-{describe(name)['data']}"
    if not known or referee not in checkpoint.bundled():
        return {}
    parts = checkpoint.read_config(referee)["data"].get("attributes", {})
    if tuple(parts) != PARTS:
        return {}
    return {part: [phrase for phrase in parts[part] if known.issuperset(_words(phrase))] for part in PARTS}


def compose(
    species: str | None,
    body: str | None = None,
    cloak: str | None = None,
    head: str | None = None,
    weapon: str | None = None,
    shield: str | None = None,
) -> str:
    """A sentence like those of the training set from its parts, "" or None = without. ValueError without a species.

    >>> compose("elf", "a blue robe", "a red cloak", weapon="a trident")
    'an elf in a blue robe with a red cloak, holding a trident'
    """
    if not species:
        raise ValueError("Say who it is: a sentence needs a species.")
    article = "an" if species[0] in "aeiou" else "a"
    on_head = "wearing" if (head or "").startswith(("a ", "an ")) else "with"  # "horns" are not worn
    worn = (
        (f" in {body}" if body else "") + (f" with {cloak}" if cloak else "") + (f", {on_head} {head}" if head else "")
    )
    held = " and ".join(filter(None, (weapon, shield)))
    return f"{article} {species}{worn}" + (f", holding {held}" if held else "")


# -- the same noise ---------------------------------------------------------------------------------------------------


def alike(name: str, seed: int = 0, prompts: Sequence[str] | None = None, **solver: Any) -> dict[str, Any]:
    """Pictures of the same noise: one per prompt (of a model of captions) or of every class.

    Returns noise (a pad), pictures as (prompt or class, pad), ms (time on the network). solver: as in `diffuse`.
    """
    model, seed = _get_denoiser(name), whole("The seed", seed, 0, MAX_SEED)
    solver = _solver(model, **solver)
    if prompts is None:
        titles = describe(name)["classes"] if describe(name)["conditional"] else []
        if not titles:
            raise ValueError(f"The model {name!r} knows no classes.")
        labels = torch.arange(len(titles))
    else:
        if not 1 <= len(prompts) <= MAX_PROMPTS:
            raise ValueError(f"There must be 1 to {MAX_PROMPTS} sentences, one per line, not {len(prompts)}.")
        titles, labels = list(prompts), _tokens(name, prompts)
    moments = model.trajectory(labels, generators=seeded([seed] * len(titles)), **solver)
    first, *_, (last, ms) = in_turns(_timed(moments))
    pictures = [(title, to_pad(image)) for title, image in zip(titles, to_uint8(last.clean), strict=True)]
    return {"noise": to_pad(to_uint8(first[0].noisy[0])), "pictures": pictures, "ms": ms}


def _timed(moments: Iterator) -> Iterator[tuple[Any, float]]:
    """Each moment with the milliseconds that all up to it took, without the time in which others had their turns."""
    ms, start = 0.0, time.perf_counter()
    for moment in moments:
        ms += 1000 * (time.perf_counter() - start)
        yield moment, ms
        start = time.perf_counter()


# -- solvers compared -------------------------------------------------------------------------------------------------


def compare_solvers(
    name: str,
    schedulers: Sequence[str],
    steps: Sequence[int],
    seed: int = 0,
    label: int | str | None = None,
    guidance_scale: float | None = None,
) -> Iterator[dict[str, Any]]:
    """The same noise denoised by every solver in every number of steps, one state per call of the network.

    A state: steps, solvers (their titles), cells (solver by steps: None or {picture: data URL of four pictures, ms, calls:
    of the network}), finished (how many cells). label None = every class in turn.
    """
    model, seed = _get_denoiser(name), whole("The seed", seed, 0, MAX_SEED)
    index = class_index(name, label)
    labels = operations.as_labels(model, GRID_PICTURES, "balanced" if index is None else index)
    chosen = _distinct("solvers", schedulers, GRID_SOLVERS, list(SOLVERS))
    columns = sorted(_distinct("numbers of steps", steps, len(GRID_STEPS), GRID_STEPS))
    calls = sum(steps * (2 if solver == "heun" else 1) for solver in chosen for steps in columns)
    if calls > GRID_CALLS:
        raise ValueError(f"That would be {calls} calls of the network; at most {GRID_CALLS} are allowed: choose less.")
    jobs = [
        (i, k, _solver(model, num_inference_steps=count, scheduler=solver, guidance_scale=guidance_scale))
        for k, count in enumerate(columns)
        for i, solver in enumerate(chosen)
    ]
    facts = {"steps": columns, "solvers": [SOLVERS[solver] for solver in chosen]}
    return in_turns(_cells(model, labels, seed, jobs, facts, describe(name)["background"]))


def _distinct(what: str, values: Any, most: int, allowed: Sequence[Any]) -> list[Any]:
    """The values, each once; ValueError if there are none, too many, or others than those that are allowed."""
    values = list(dict.fromkeys(values)) if isinstance(values, (list, tuple)) and not _unhashable(values) else []
    if not 1 <= len(values) <= most or any(isinstance(v, bool) or v not in allowed for v in values):
        raise ValueError(f"Choose 1 to {most} {what}, of {', '.join(map(str, allowed))}.")
    return values


def _unhashable(values: Sequence[Any]) -> bool:
    return any(isinstance(value, (list, dict)) for value in values)


def _cells(
    model: Model, labels: Tensor, seed: int, jobs: list[tuple[int, int, dict]], facts: dict[str, Any], paper: int
) -> Iterator[dict[str, Any]]:
    cells: list[list[dict | None]] = [[None] * len(facts["steps"]) for _ in facts["solvers"]]
    for finished, (row, column, solver) in enumerate(jobs, 1):
        moments = model.trajectory(labels, generators=seeded(range(seed, seed + len(labels))), **solver)
        for call, (moment, ms) in enumerate(_timed(moments)):
            if moment.sigma > 0:
                yield facts | {"cells": cells, "finished": finished - 1}
                continue
            picture = thumbnail(to_pad(tile_pixels(to_uint8(moment.clean), 2, gap=1, paper=paper)))
            cells = [list(line) for line in cells]
            cells[row][column] = {"picture": picture, "ms": ms, "calls": call}
            yield facts | {"cells": cells, "finished": finished}
