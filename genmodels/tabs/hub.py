"""A drawer for any text-to-image pipeline of the Hugging Face Hub: what it costs here, the picture step by step, Stop."""

import math
import random
import time
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from genmodels.tabs import common, errors, fields
from genmodels.wrappers import hub_pipelines, hub_repos

TITLE = "Pictures from words, by a model of the Hub"
TEXT = (
    "The same idea with up to a thousand times as many weights, and with words in place of classes: choose a model{} of the "
    "Hugging Face Hub. Weights come as safetensors only, and no code from the repo runs."
)
PROMPT = "a lighthouse on a cliff at sunset, oil painting"
ASKING = "Asking the Hub what this model costs here …"
LONG = 60  # seconds from which on minutes are told
#: Gradio names the place of a picture that is still to come, but only an image may have such a name.
NAME_EMPTY = """setTimeout(() => {
  const place = element.closest('.gm-main').querySelector('.empty');
  if (place) { place.setAttribute('role', 'img'); place.setAttribute('aria-label', 'No picture yet'); }
}, 0);"""


def build(page: common.Page) -> None:
    """Lay out the drawer and wire its events; the Hub is asked only once it is opened."""
    offered = hub_repos.offered()
    start = hub_repos.suggestion(offered[0][1])
    any_repo = hub_repos.allowed_ids() is None
    with gr.Accordion(TITLE, open=False, elem_classes="gm-about") as drawer:
        gr.Markdown(TEXT.format(", or name any diffusers repo," if any_repo else ""), elem_classes="gm-lead")
        with gr.Row(elem_classes="gm-split"):
            with gr.Column(elem_classes="gm-side"):
                model = fields.Dropdown(
                    offered,
                    value=start.repo,
                    label="Model",
                    info="One of these, or user/name." if any_repo else "One of these.",
                    allow_custom_value=any_repo,
                )
                cost = common.text("Cost", "gm-quality", ASKING)
                again = gr.Button("Ask again", size="sm", elem_classes="gm-take", visible=False)
                prompt = gr.Textbox(PROMPT, label="Prompt", lines=2, max_length=hub_pipelines.MAX_PROMPT)
                negative = gr.Textbox(
                    "", label="Negative prompt", info="What to keep out.", max_length=hub_pipelines.MAX_PROMPT
                )
                settings = build_settings(start)
                with gr.Row(elem_classes="gm-pair"):
                    button = gr.Button("Generate", variant="primary", interactive=False)
                    stop = gr.Button("Stop")
            with gr.Column(elem_classes="gm-main"):
                picture = common.picture("Picture", "The picture that the model made from the prompt", kind="gm-large")
                note = common.text("State", "gm-quality", js_on_load=NAME_EMPTY)
    guidance, steps, width, height, seed, dice = settings
    costs, told = [model, guidance, steps, width, height], [cost, button, again]
    drawer.expand(
        errors.user_errors(tell_cost), costs, told,
        api_visibility="private", concurrency_id="network", concurrency_limit=common.LANES["network"], show_progress="hidden",
    )  # fmt: skip
    page.on(
        model.change,
        choose,
        model,
        [guidance, steps, width, height, *told],
        name="hub_choose",
        live=True,
        lane="network",
    )
    changes = [guidance.release, steps.release, width.release, height.release, again.click]
    page.on(changes, tell_cost, costs, told, name="hub_cost", live=True, lane="network")
    page.on(dice.click, new_seed, None, seed, name="hub_dice")
    inputs = [model, prompt, negative, guidance, steps, width, height, seed]
    making = page.on(
        [button.click, prompt.submit], generate, inputs, [picture, note], name="hub_generate", live=True, lane="large"
    )
    # first the end, then the word for it: together with `cancels` the function would come first
    quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    stop.click(None, cancels=making, **quiet).then(say_stopped, note, note, **quiet)


def build_settings(start: hub_repos.Suggestion) -> tuple[Any, ...]:
    """Guidance, steps, size and seed: what most visitors leave as it is."""
    with gr.Accordion("Settings", open=False):
        guidance = fields.Slider(
            0, hub_pipelines.MAX_GUIDANCE, start.guidance_scale, step=0.1, label="Guidance",
            info="How closely to follow the prompt; 0 or 1 is off, which fast models need.",
        )  # fmt: skip
        steps = fields.Slider(1, hub_pipelines.MAX_STEPS, start.num_inference_steps, step=1, label="Steps")
        sides: dict[str, Any] = {
            "minimum": hub_pipelines.MIN_SIDE,
            "maximum": hub_pipelines.MAX_SIDE,
            "step": hub_pipelines.SIDE_STEP,
        }
        width = fields.Slider(value=start.side, label="Width", **sides)
        height = fields.Slider(value=start.side, label="Height", **sides)
        with gr.Row(elem_classes="gm-seed"):
            seed = common.seed_field("Seed")
            dice = gr.Button("New seed", elem_classes="gm-dice")
    return guidance, steps, width, height, seed, dice


def choose(repo: str) -> tuple[Any, ...]:
    """Another model: the settings that suit it, and what a picture costs with them."""
    found = hub_repos.suggestion(repo)
    settings = found.guidance_scale, found.num_inference_steps, found.side, found.side
    return *settings, *tell_cost(repo, *settings)


def tell_cost(repo: str, guidance: float, steps: int, width: int, height: int) -> tuple[Any, ...]:
    """What one picture costs on this computer, or why there is none, as a sentence; whether to generate or to ask again."""
    try:
        cost = hub_pipelines.estimate(repo, guidance, steps, width, height)
    except ValueError as error:
        return escape(str(error)), gr.Button(interactive=False), gr.Button(visible=True)
    return price(cost), gr.Button(interactive=True), gr.Button(visible=False)


def price(cost: hub_pipelines.Estimate) -> str:
    """What is to be downloaded and to be waited for, as a sentence."""
    download = f"To download first: <b>{size(cost.download)}</b>. " if cost.download else ""
    if cost.seconds is None:
        return f"{download}How long a picture takes is known after the first one."
    return f"{download}A picture takes <b>{duration(cost.seconds)}</b> here, {cost.how}."


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


def new_seed() -> int:
    return random.randrange(1_000_000)


def generate(
    repo: str,
    prompt: str,
    negative_prompt: str,
    guidance: float,
    steps: int,
    width: int,
    height: int,
    seed: int,
) -> Iterator[tuple[Any, str]]:
    """The picture as it becomes clear, and what is done; the last one is the finished picture, or why there is none."""
    try:
        yield from told(
            repo, seed, hub_pipelines.generate(repo, prompt, negative_prompt, guidance, steps, width, height, seed)
        )
    except Exception as error:
        yield gr.skip(), escape(str(error)) if isinstance(error, ValueError) else errors.FAILED
        raise


def told(repo: str, seed: float, states: Iterator[hub_pipelines.Progress]) -> Iterator[tuple[Any, str]]:
    """The previews, and each state of the work in words."""
    for progress in states:
        parts = [progress.text]
        if progress.step:
            parts.append(f"step {progress.step} of {progress.total}")
        if progress.done:
            parts.append(f"{repo} · seed {seed:.0f}")
        elif progress.seconds_left is not None:
            parts.append(f"{duration(progress.seconds_left)} left")
        yield gr.skip() if progress.image is None else progress.image, " · ".join(map(escape, parts))


def say_stopped(note: str | None) -> str:
    """The state as it was, marked as stopped; a finished picture stays finished."""
    time.sleep(hub_pipelines.HEARTBEAT)  # until what was under way has arrived, which would overwrite this
    if not note or note.startswith(("Stopped", "Done")):
        return note or ""
    return "Stopped: " + note.partition(" · about")[0].partition(" · less")[0]
