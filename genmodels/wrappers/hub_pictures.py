"""Pictures by a pipeline of the Hub, as sections: what one costs here, and the picture step by step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from genmodels.wrappers import hub_pipelines, hub_repos
from genmodels.wrappers.section import Answer, packed
from genmodels.wrappers.state import Kind, Real, State, Text, Whole, field
from genmodels.wrappers.state import seed as seed_field

PROMPT = "a lighthouse on a cliff at sunset, oil painting"
LONG = 60  # seconds from which on minutes are told


@dataclass(frozen=True, kw_only=True)
class Repo(Kind):
    """A diffusers repo of the Hub that may be used here."""

    shown: bool = False

    def check(self, value: Any, model: str) -> str:
        return hub_repos.check_id(value)

    def fit(self, model: str) -> dict[str, Any]:
        """choices: [title, repo, the settings that suit it]; free: whether any other may be named, too, with `others`."""
        offered = [[title, repo, suited(repo)] for title, repo in hub_repos.offered()]
        free = hub_repos.allowed_ids() is None
        return {"default": offered[0][1], "choices": offered, "free": free, "others": suited("")}

    def allowed(self, models: Sequence[str]) -> str:
        return "A diffusers repo of the Hub, user/name."


@dataclass(frozen=True, kw_only=True)
class Suited(Whole):
    """A whole number, or None: what suits the repo."""

    def check(self, value: Any, model: str) -> Any:
        return None if value is None else super().check(value, model)

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"kind": "whole"}


@dataclass(frozen=True, kw_only=True)
class SuitedReal(Real):
    def check(self, value: Any, model: str) -> Any:
        return None if value is None else super().check(value, model)

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"kind": "real"}


def suited(repo: str) -> dict[str, float]:
    """The settings to begin with."""
    known = hub_repos.suggestion(repo)
    steps, guidance, side = known.num_inference_steps, known.guidance_scale, known.side
    return {"num_inference_steps": steps, "guidance_scale": guidance, "width": side, "height": side}


def _side(label: str) -> Any:
    low, high, step = hub_pipelines.MIN_SIDE, hub_pipelines.MAX_SIDE, hub_pipelines.SIDE_STEP
    return field(Suited(label=label, low=low, high=high, step=step, advanced=True))


@dataclass(frozen=True)
class HubState(State):
    """`model` says nothing here, `repo` does; a setting that is None is what suits the repo."""

    repo: str = field(Repo(label="Model"))
    prompt: str = field(Text(label="Prompt", default=PROMPT, longest=hub_pipelines.MAX_PROMPT))
    negative_prompt: str = field(
        Text(label="Negative prompt", default="", longest=hub_pipelines.MAX_PROMPT, info="What to keep out.")
    )
    num_inference_steps: int | None = field(Suited(label="Steps", low=1, high=hub_pipelines.MAX_STEPS, advanced=True))
    guidance_scale: float | None = field(
        SuitedReal(
            label="Guidance", low=0, high=hub_pipelines.MAX_GUIDANCE, step=0.1, advanced=True,
            info="How closely to follow the prompt; 0 or 1 is off, which fast models need.",
        )
    )  # fmt: skip
    width: int | None = _side("Width")
    height: int | None = _side("Height")
    seed: int = seed_field()

    def settings(self, *keys: str) -> dict[str, Any]:
        """What the pipeline is told, with what suits the repo where nothing else was said."""
        fitting = suited(self.repo)
        return {key: fitting.get(key) if (value := getattr(self, key)) is None else value for key in keys}


SETTINGS = ("guidance_scale", "num_inference_steps", "width", "height")


# -- what it costs ----------------------------------------------------------------------------------------------------


def cost(state: HubState) -> Iterator[Answer]:
    """words: what one picture costs on this computer, before anything is downloaded."""
    found = hub_pipelines.estimate(state.repo, **state.settings(*SETTINGS))
    told = {"download": found.download, "seconds": found.seconds}
    yield {"words": price(found), **told, "done": True}


def price(found: hub_pipelines.Estimate) -> str:
    """What is to be downloaded and to be waited for, as a sentence."""
    download = f"To download first: **{size(found.download)}**. " if found.download else ""
    if found.seconds is None:
        return f"{download}How long a picture takes is known after the first one."
    return f"{download}A picture takes **{duration(found.seconds)}** here, {found.how}."


def size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(0.1, count / 1e6):.1f} MB"


def duration(seconds: float) -> str:
    """A time as roughly as it is known."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < LONG:
        return f"about {seconds:.0f} s" if seconds < 10 else f"about {5 * math.ceil(seconds / 5)} s"
    minutes = math.ceil(seconds / 60)
    return f"about {minutes} min" if minutes < 100 else f"about {math.ceil(minutes / 60)} h"


# -- the picture ------------------------------------------------------------------------------------------------------


def picture(state: HubState) -> Iterator[Answer]:
    """picture: previews as they become clear, in the end the picture itself; progress: what happens now, in words."""
    keys = ("repo", "prompt", "negative_prompt", *SETTINGS, "seed")
    for progress in hub_pipelines.generate(**state.settings(*keys)):
        answer: Answer = {"progress": _text(progress, state), "step": progress.step, "total": progress.total}
        if progress.image is not None:
            answer["picture"] = _pixels(progress.image)
        yield answer | ({"done": True} if progress.done else {})


def _text(progress: hub_pipelines.Progress, state: HubState) -> str:
    parts = [progress.text]
    if progress.step:
        parts.append(f"step {progress.step} of {progress.total}")
    if progress.done:
        parts.append(f"{state.repo} · seed {state.seed}")
    elif progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return " · ".join(parts)


def _pixels(image: Image.Image) -> Answer:
    array = np.array(image.convert("RGB"), dtype=np.uint8)
    return packed(torch.from_numpy(array).movedim(-1, 0).unsqueeze(0))
