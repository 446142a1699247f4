"""The VAE tab: generate, explore the latent map, turn the attributes of a hero, walk between two pictures."""

import random
from typing import Any

import gradio as gr

from genmodels import __version__
from genmodels.tabs import common, fields, generate
from genmodels.wrappers import core, latents
from genmodels.wrappers.types import Pad

FAMILY = "vae"
KNOBS = 6
SWEEP = "Sweep one knob through its range"
GENERATE = (
    "A VAE's codes fill a simple cloud without holes, so that any random point of it decodes to a new picture. The "
    "seed picks the point: the same seed gives the same picture."
)
TEMPERATURE = generate.Knob(
    "temperature", "Temperature", "How far from the middle of the cloud: low is typical, high is varied.", highest=1.5
)
MAP = (
    "This VAE has a code of two numbers, so its whole world fits on a map: each dot is a test image. Move the pointer "
    "(or the arrow keys) and watch the picture change; then draw one and see where it lands."
)
KNOBS_TEXT = (
    "A β-VAE pays extra for every number it uses, so each one tends to mean one thing. Nobody told it what a shield "
    "or a cloak is: turn the knobs of its strongest numbers and find out what they mean."
)
WALK = (
    "Because the cloud has no holes, every point on the way between two pictures decodes to a picture too. Choose two "
    "ends and download the walk as a GIF."
)


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events, section by section; a section whose models are missing is left out."""
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    facts = {name: core.describe(name) for name in names}
    maps = [name for name in names if facts[name]["latent_dim"] == 2]
    knobs = [name for name in names if name.startswith("vae-beta")]
    plain = [name for name in names if name not in maps + knobs]
    shown = common.beacon()
    if plain:
        generate.build(page, shown, plain, GENERATE, TEMPERATURE)
    if maps:
        build_map(page, maps)
    if knobs:
        build_knobs(page, shown, knobs[0])
    if plain:
        build_walk(page, shown, plain)
    common.how_it_works(FAMILY)


# ---- latent map --------------------------------------------------------------------------------------------------


def build_map(page: common.Page, names: list[str]) -> None:
    common.heading("The latent map", MAP)
    with gr.Row(elem_classes="gm-mapped"):
        with gr.Column(scale=3, min_width=300):
            data = common.data_radio(names)
            label = "Latent map: move the pointer or use the arrow keys to decode a point"
            plane = common.component("latent_map", label, server_functions=[decode], map={})
        with gr.Column(scale=1, min_width=280, elem_classes="gm-side"):
            pad = common.pad("Draw here: the star shows where it lands")
    title = "Variations of your picture, by the larger VAE: other codes z ~ q(z|x)"
    several = common.picture(title, "Decodes of codes drawn around the picture's own", kind="gm-strip-picture")
    info = "1 is how unsure the VAE is of the picture's code: hardly at all. More spread, more variety."
    spread = fields.Slider(0, 4, 3, step=0.1, label="Spread", info=info, elem_classes="gm-narrow-slider")
    outputs = [plane, pad, several]
    page.first(pad, open_map, [data, spread], outputs)
    page.on(data.input, open_map, [data, spread], outputs, name="open_map")
    page.on([pad.input, spread.input], locate, [data, pad, spread], [plane, several], name="locate", live=True)


def decode(point: dict[str, Any]) -> dict[str, str]:
    """For the map's script: the pixels decoded at {name, x, y}, or an error in one sentence."""
    try:
        return {"pixels": latents.decode_point(point["name"], point["x"], point["y"])}
    except (KeyError, TypeError):
        return {"error": "A point is {name, x, y}."}
    except ValueError as error:
        return {"error": str(error)}


def locate(name: str, picture: Pad, spread: float) -> tuple[Any, Any]:
    """Where a picture lands on the map, and variations of it by the larger VAE of the same data: decodes of z ~ q(z|x)."""
    place = latents.encode_point(name, picture)
    larger = f"{FAMILY}-{core.describe(name)['data']}"
    larger = larger if larger in core.available(FAMILY) else name
    return {"x": place["x"], "y": place["y"]}, latents.posterior_samples(larger, picture, temperature=spread)


def open_map(name: str, spread: float) -> tuple[Any, ...]:
    """Another map, with its first example on the pad."""
    known = common.known_pictures(name)
    place, several = locate(name, known[0][1], spread)
    info = {"Software": f"genmodels {__version__}", "model": name}
    plane = gr.HTML(value=place, map={"name": name, **latents.latent_map(name), "info": info})
    return plane, common.fill_pad(name, known[0][1], [("Or pick one", known)]), several


# ---- knobs -------------------------------------------------------------------------------------------------------


def build_knobs(page: common.Page, shown: gr.HTML, name: str) -> None:
    common.heading("Turn the knobs", KNOBS_TEXT)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            hero = common.picture("Decoded hero", "The hero that the knobs decode to")
            species = common.class_dropdown("Species", name, value=core.describe(name)["classes"].index("human"))
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("Another hero", elem_classes="gm-dice")
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes="gm-knobs"):
                values = [
                    fields.Slider(-3, 3, 0, step=0.05, label=f"Knob {i + 1}", min_width=200) for i in range(KNOBS)
                ]
            which = fields.Radio([(str(i + 1), i) for i in range(KNOBS)], value=0, label=SWEEP, elem_classes="gm-data")
            strip = common.picture(
                "The sweep", "The hero while one knob sweeps through its range", kind="gm-strip-picture"
            )
            reset = gr.Button("Reset the knobs", size="sm", elem_classes="gm-take")
    outputs = [hero, strip]

    def traverse(species: str, which: int, seed: int, *values: float) -> tuple[Any, Any]:
        """The hero at these knob values, and one knob swept through its range."""
        given: dict[str, Any] = {"values": list(values), "seed": seed, "label": species}
        return latents.traverse(name, **given), latents.traversal_strip(name, which, **given)

    def another(species: str, which: int, *values: float) -> tuple[Any, ...]:
        """A hero of a new random seed, which comes back first."""
        seed = random.randrange(1_000_000)
        return seed, *traverse(species, which, seed, *values)

    def open_knobs(species: str, which: int, seed: int) -> tuple[Any, ...]:
        """Every knob at the middle of its range."""
        found = latents.strongest_latents(name, KNOBS)
        sliders = [fields.Slider(minimum=row["low"], maximum=row["high"], value=row["value"]) for row in found]
        return *sliders, *traverse(species, which, seed, *(row["value"] for row in found))

    page.first(shown, open_knobs, [species, which, seed], [*values, *outputs])
    triggers = [*(v.input for v in values), species.input, which.input, seed.submit, seed.blur]
    page.on(triggers, traverse, [species, which, seed, *values], outputs, name="traverse", live=True)
    page.on(dice.click, another, [species, which, *values], [seed, *outputs], name="another_hero")
    page.on(reset.click, open_knobs, [species, which, seed], [*values, *outputs], name="reset_knobs")


# ---- walk --------------------------------------------------------------------------------------------------------


def build_walk(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Walk", WALK)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            with gr.Row(elem_classes="gm-pair"):
                label_a, seed_a = (
                    common.class_dropdown("From class", names[0], value=3),
                    common.seed_field("From seed", 3),
                )
            with gr.Row(elem_classes="gm-pair"):
                label_b, seed_b = common.class_dropdown("To class", names[0], value=8), common.seed_field("To seed", 8)
            with gr.Accordion("More", open=False):
                frames = fields.Slider(6, 48, 24, step=1, label="Frames")
                temperature = fields.Slider(0, 1.5, 0.8, step=0.05, label="Temperature")
            with gr.Row(elem_classes="gm-seed"):
                button = gr.Button("Walk", variant="primary")
                dice = gr.Button("New ends", elem_classes="gm-dice")
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes="gm-walk"):
                film = common.animation("The walk, there and back", "Animation of the walk", "gif")
                strip = common.picture("Frame by frame", "The frames of the walk in order", kind="gm-filmstrip")
            save = gr.DownloadButton("Download the GIF", size="sm", elem_classes="gm-take")
    ends = [label_a, label_b, seed_a, seed_b]
    inputs, outputs = [data, *ends, frames, temperature], [strip, film, save]
    page.first(shown, walk, inputs, outputs)
    page.on(button.click, walk, inputs, outputs, name="walk")
    page.on(dice.click, wander, [data, frames, temperature], [*ends, *outputs], name="walk_dice")
    page.on(data.input, wander, [data, frames, temperature], [*ends, *outputs], name="walk_open")


def walk(
    name: str, label_a: str, label_b: str, seed_a: int, seed_b: int, frames: int, temperature: float
) -> tuple[Any, ...]:
    """The filmstrip and the GIF of a walk between two samples."""
    strip, gif = latents.latent_walk(
        name, (seed_a, seed_b), labels=(label_a, label_b), frames=frames, temperature=temperature
    )
    return strip, gif, gif


def wander(name: str, frames: int, temperature: float) -> tuple[Any, ...]:
    """A walk between two random classes and seeds, which come back first."""
    offered = common.classes(name)
    label_a, label_b = random.choices(offered, k=2)
    seed_a, seed_b = random.randrange(1_000_000), random.randrange(1_000_000)
    shown = [fields.Dropdown(choices=offered, value=label) for label in (label_a, label_b)]
    return *shown, seed_a, seed_b, *walk(name, label_a, label_b, seed_a, seed_b, frames, temperature)
