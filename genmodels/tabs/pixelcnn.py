"""The PixelCNN tab: watch it write, let it finish a drawing, see what it expects of each pixel and what surprises it."""

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from genmodels.tabs import common, fields, likelihood
from genmodels.wrappers import autoregressive, core, pictures
from genmodels.wrappers.types import Pad, SurpriseMap, Writing

FAMILY = "pixelcnn"
WRITE = (
    "A PixelCNN writes a picture like a text: pixel by pixel, row by row, each drawn from what the network expects after "
    "all that stands there already. The second picture shows how unsure it was before each draw: most where a stroke can "
    "go either way."
)
FINISH = (
    "Draw the beginning of something, or hide the end of a picture, and the model writes the rest, every time another "
    "one. A pixel is only informed by what comes before it, the rows above and its own row to the left: what you leave "
    "standing further down stays, but tells it nothing."
)
EXPECT = (
    "Before each pixel the model says how likely every level is: point at one to see, with all greyed out that it has not "
    "seen yet. How much the real level surprises it, in bits, is what that pixel costs."
)
LIKELY = (
    "All these surprises together, per pixel and colour, are the bits/dim of the picture: exactly, not as a bound. Try "
    "pictures of other kinds: more likely does not mean more like a real one."
)
TEMPERATURE = "Below 1 it prefers what is likely, and at 0 it always takes the likeliest level."
TOOLS = ("pen", "erase", "hide", "keep")
Written = Iterator[Writing]


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events, section by section."""
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    shown = common.beacon()
    build_write(page, shown, names)
    build_finish(page, names)
    build_expect(page, shown, names)
    common.how_it_works(FAMILY)


def temperature_slider() -> gr.Slider:
    return fields.Slider(0, 1.5, 1, step=0.05, label="Temperature", info=TEMPERATURE)


# ---- watch it write ----------------------------------------------------------------------------------------------


def build_write(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Watch it write", WRITE, first=True)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("New seed", elem_classes="gm-dice")
            temperature = temperature_slider()
            n = fields.Slider(1, autoregressive.MAX_WRITTEN, autoregressive.MAX_WRITTEN, step=1, label="How many")
            button = gr.Button("Write", variant="primary")
        with gr.Column(elem_classes="gm-main"):
            film = common.component("writer", "What it has written")
    inputs = [data, label, n, seed, temperature]
    triggers = [button.click, label.input, n.input, temperature.input, seed.submit, seed.blur]
    writing: list[dict[str, Any]] = [
        page.first(shown, write, inputs, film),
        page.on(triggers, write, inputs, film, name="write", live=True),
        page.on(dice.click, write_another, [data, label, n, temperature], [seed, film], name="dice", live=True),
        page.on(data.input, open_write, [data, n, seed, temperature], [label, film], name="open", live=True),
    ]
    film.stop(None, cancels=writing)


def write(name: str, label: str | None, n: int, seed: int, temperature: float) -> Written:
    """`n` pictures of one class, or of each in turn, row by row."""
    yield from autoregressive.sample_rows(name, n, seed, common.class_of(label), temperature)


def write_another(name: str, label: str | None, n: int, temperature: float) -> Iterator[tuple[Any, ...]]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    yield from common.led_by(seed, states=write(name, label, n, seed, temperature))


def open_write(name: str, n: int, seed: int, temperature: float) -> Iterator[tuple[Any, ...]]:
    """The same for other data, each class in turn."""
    yield from common.led_by(common.all_classes(name), states=write(name, common.EACH, n, seed, temperature))


# ---- finish my drawing -------------------------------------------------------------------------------------------


def build_finish(page: common.Page, names: list[str]) -> None:
    common.heading("Finish my drawing", FINISH)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture", TOOLS)
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes="gm-endings"):
                n = fields.Slider(1, autoregressive.MAX_WRITTEN, 8, step=1, label="How many", min_width=160)
                label = common.class_choice(names[0])
                dice = gr.Button("Other endings", elem_classes="gm-dice", min_width=140)
            film = common.component("writer", "How it goes on")
            with gr.Accordion("More", open=False):
                seed = common.seed_field("Seed")
                temperature = temperature_slider()
    settings = [label, n, seed, temperature]
    triggers = [pad.input, label.input, n.input, temperature.input, seed.submit, seed.blur]
    writing: list[dict[str, Any]] = [
        page.first(pad, open_finish, [data, n, seed, temperature], [pad, label, film]),
        page.on(triggers, finish, [data, pad, *settings], film, name="finish", live=True),
        page.on(dice.click, finish_otherwise, [data, pad, label, n, temperature], [seed, film], name="finish_dice", live=True),
        page.on(data.input, open_finish, [data, n, seed, temperature], [pad, label, film], name="finish_open", live=True),
        page.on(upload.upload, finish_file, [data, upload, *settings], [pad, film], name="finish_upload"),
    ]  # fmt: skip
    film.stop(None, cancels=writing)


def finish(name: str, picture: Pad, label: str | None, n: int, seed: int, temperature: float) -> Written:
    """`n` endings of a picture whose hidden pixels the model writes, row by row."""
    yield from autoregressive.complete_rows(name, picture, n, seed, common.told_class(label), temperature)


def finish_otherwise(
    name: str, picture: Pad, label: str | None, n: int, temperature: float
) -> Iterator[tuple[Any, ...]]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    yield from common.led_by(seed, states=finish(name, picture, label, n, seed, temperature))


def open_finish(name: str, n: int, seed: int, temperature: float) -> Iterator[tuple[Any, ...]]:
    """Other data: an example with its lower half hidden."""
    known = common.known_pictures(name)
    start = pictures.top_half(known[min(3, len(known) - 1)][1])
    pad = common.fill_pad(name, start, [("Or pick one", known)], centre=False)
    offered = fields.Dropdown(choices=common.told(name), value=common.NOT_TOLD)
    yield from common.led_by(pad, offered, states=finish(name, start, common.NOT_TOLD, n, seed, temperature))


def finish_file(
    name: str, path: str, label: str | None, n: int, seed: int, temperature: float
) -> Iterator[tuple[Any, ...]]:
    """An uploaded picture on the pad, its lower half hidden, and endings of it."""
    picture = pictures.top_half(pictures.read_upload(path, name))
    yield from common.led_by(picture, states=finish(name, picture, label, n, seed, temperature))


# ---- what it expects next ----------------------------------------------------------------------------------------


def build_expect(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("What it expects next", EXPECT)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            plane = common.component("expected", "Point at a pixel", server_functions=[expected])
    common.heading("How likely is it?", LIKELY)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            verdict = common.text("Likelihood")
        with gr.Column(elem_classes="gm-main"):
            others = common.text("Other kinds of pictures")
    page.first(pad, open_expect, data, [pad, plane])
    page.first(pad, open_verdict, data, verdict)
    page.first(shown, compare, data, others)
    page.on(data.input, open_expect, data, [pad, plane], name="expect_open")
    page.on(data.input, open_verdict, data, verdict, name="likelihood_open", live=True)
    page.on(data.input, compare, data, others, name="compare", live=True)
    page.on(pad.input, expect, [data, pad], plane, name="expect", live=True)
    page.on(pad.input, likelihood.verdict, [data, pad], verdict, name="likelihood", live=True)
    page.on(upload.upload, expect_file, [data, upload], [pad, plane, verdict], name="expect_upload")


def expect(name: str, picture: Pad) -> SurpriseMap:
    """How much each pixel of a picture surprises the model."""
    return autoregressive.surprise_map(name, picture)


def expected(question: dict[str, Any]) -> dict[str, Any]:
    """For the script: what the model expects at {name, pixels, x, y}, or an error in one sentence."""
    try:
        picture: Pad = {"pixels": question["pixels"], "mask": "", "shape": []}
        return {"channels": autoregressive.pixel_distribution(question["name"], picture, question["x"], question["y"])}
    except (KeyError, TypeError):
        return {"error": "A question is {name, pixels, x, y}."}
    except ValueError as error:
        return {"error": str(error)}


def open_expect(name: str) -> tuple[Any, ...]:
    """Other data: its first example on the pad."""
    known = common.known_pictures(name)
    return common.fill_pad(name, known[0][1], likelihood.strips(name, known)), autoregressive.surprise_map(
        name, known[0][1]
    )


def open_verdict(name: str) -> str:
    """The bits/dim of the first example of other data."""
    return likelihood.verdict(name, common.known_pictures(name)[0][1])


def compare(name: str) -> str:
    """Pictures of other kinds and one of its own, the most likely first."""
    return likelihood.compare(name, common.known_pictures(name)[3:4])


def expect_file(name: str, path: str) -> tuple[Any, ...]:
    """An uploaded picture on the pad, how much its pixels surprise the model, and its bits/dim."""
    picture = pictures.read_upload(path, name)
    return picture, autoregressive.surprise_map(name, picture), likelihood.verdict(name, picture)
