"""The flow tab: generate, watch the layers, go to noise and back, ask how likely a picture is, blend, swap the class."""

import random
from typing import Any

import gradio as gr

from genmodels import web
from genmodels.tabs import common, fields, generate, likelihood
from genmodels.wrappers import core, examples, flows, pictures
from genmodels.wrappers.types import Film, Pad

FAMILY = "flow"
GENERATE = (
    "A flow is a chain of layers, each of which can be undone: run backwards, it turns noise into a picture. The seed "
    "picks the noise: the same seed gives the same picture."
)
TEMPERATURE = generate.Knob(
    "temperature", "Temperature", "How strong the noise is: low is typical, high is varied.", highest=1.5, value=0.8
)
LAYERS = (
    "A coarse picture comes first, and then finer and finer pixels between what is there. What is still noise is shown "
    "as noise."
)
BACK = (
    "Every picture has exactly one code z, as large as itself, and the code gives exactly that picture back. To the "
    "flow, a picture of its kind is nothing but noise: z spreads like the bell curve."
)
LIKELY = (
    "The flow knows what every picture costs to write down, in bits per pixel and colour: the fewer, the more likely it "
    "is. Try pictures of other kinds: more likely does not mean more like a real one."
)
BETWEEN = (
    "Halfway between two codes lies the code of another picture, for every code is one. Mixing the pixels themselves "
    "gives a double exposure."
)
SWAP = (
    "A flow that is told the class leaves it out of z, and keeps there how it looks. So the same z, decoded as "
    "another class, is another thing in the same style."
)
LIKELIEST = "The most likely one"


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events, section by section."""
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    shown = common.beacon()
    generate.build(page, shown, names, GENERATE, TEMPERATURE)
    build_layers(page, shown, names)
    build_back(page, names)
    build_likely(page, shown, names)
    build_between(page, names)
    build_swap(page, names)
    common.how_it_works(FAMILY)


# ---- layer by layer ----------------------------------------------------------------------------------------------


def build_layers(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("From noise to pictures", LAYERS)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("New noise", elem_classes="gm-dice")
        with gr.Column(elem_classes="gm-main"):
            film = common.component("steps", "Samples, layer by layer")
    page.first(shown, watch, [data, label, seed], film)
    page.on([label.input, seed.submit, seed.blur], watch, [data, label, seed], film, name="layers", live=True)
    page.on(dice.click, watch_others, [data, label], [seed, film], name="layers_dice")
    page.on(data.input, open_layers, [data, seed], [label, film], name="layers_open")


def watch(name: str, label: str | None, seed: int) -> Film:
    """Eight samples on their way from noise to pictures, one frame per layer undone."""
    return flows.sample_layers(name, seed, common.class_of(label), temperature=TEMPERATURE.value)


def watch_others(name: str, label: str | None) -> tuple[Any, ...]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    return seed, watch(name, label, seed)


def open_layers(name: str, seed: int) -> tuple[Any, ...]:
    """The same for other data, each class in turn."""
    return common.all_classes(name), watch(name, common.EACH, seed)


# ---- there and back ----------------------------------------------------------------------------------------------


def build_back(page: common.Page, names: list[str]) -> None:
    common.heading("There and back", BACK)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes=["gm-pipeline", "gm-there-and-back"]):
                code = common.picture("Its code z", "The code as a picture: noise as large as the picture")
                decoded = common.picture("Decoded again", "The picture that the code decodes to")
                chart = common.text("Numbers of z")
            quality = common.text("Difference", "gm-quality")
            film = common.component("steps", "Through the layers, there and back")
    results = [code, decoded, chart, quality, film]
    page.first(pad, open_back, data, [pad, *results])
    page.on(data.input, open_back, data, [pad, *results], name="back_open")
    page.on(pad.input, there_and_back, [data, pad], results, name="there_and_back", live=True)
    page.on(upload.upload, back_file, [data, upload], [pad, *results], name="back_upload")


def there_and_back(name: str, picture: Pad) -> tuple[Any, ...]:
    """The code of a picture, what it decodes to, the code's numbers as a histogram, the difference, and the layers."""
    made = flows.round_trip(name, picture)
    marks = made["histogram"]
    note = f"mean {made['mean']:.2f}, standard deviation {made['std']:.2f}; the line is N(0,\u00a01)"
    chart = web.noise_histogram(marks["density"], marks["normal"], marks["edges"], "Numbers of z", note)
    levels = "grey level" if made["difference"] == 1 else "grey levels"
    quality = (
        f"Largest difference of any pixel: <b>{made['difference']}</b> of 256 {levels} · "
        f"there {made['ms_there']:.0f} ms, back {made['ms_back']:.0f} ms"
    )
    return made["code"], made["decoded"], chart, quality, made["film"]


def open_back(name: str) -> tuple[Any, ...]:
    """Other data: its first example on the pad."""
    pad, picture = known_and_strange(name)
    return pad, *there_and_back(name, picture)


def known_and_strange(name: str) -> tuple[gr.HTML, Pad]:
    """A pad with the first example on it and strips of pictures of the model's kind and of others; that example."""
    known = common.known_pictures(name)
    strips = [("Pictures of the kind it knows", known), ("Something it has never seen", examples.outliers(name))]
    return common.fill_pad(name, known[0][1], strips), known[0][1]


def back_file(name: str, path: str) -> tuple[Any, ...]:
    """An uploaded picture on the pad, there and back."""
    picture = pictures.read_upload(path, name)
    return picture, *there_and_back(name, picture)


# ---- how likely --------------------------------------------------------------------------------------------------


def build_likely(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("How likely is it?", LIKELY)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            verdict = common.text("Likelihood")
            others = common.text("Other kinds of pictures")
    page.first(pad, open_likely, data, [pad, verdict])
    page.first(shown, compare, data, others)
    page.on(data.input, open_likely, data, [pad, verdict], name="likely_open")
    page.on(data.input, compare, data, others, name="compare", live=True)
    page.on(pad.input, likelihood.verdict, [data, pad], verdict, name="likelihood", live=True)
    page.on(upload.upload, likely_file, [data, upload], [pad, verdict], name="likely_upload")


def compare(name: str) -> str:
    """Pictures of other kinds and an example, the most likely first."""
    return likelihood.compare(name, common.known_pictures(name)[3:4])


def open_likely(name: str) -> tuple[Any, ...]:
    """Other data: its first example on the pad."""
    known = common.known_pictures(name)
    return common.fill_pad(name, known[0][1], likelihood.strips(name, known)), likelihood.verdict(name, known[0][1])


def likely_file(name: str, path: str) -> tuple[Any, ...]:
    """An uploaded picture on the pad, and how likely it is."""
    picture = pictures.read_upload(path, name)
    return picture, likelihood.verdict(name, picture)


# ---- between two pictures ----------------------------------------------------------------------------------------


def build_between(page: common.Page, names: list[str]) -> None:
    common.heading("Between two pictures", BETWEEN)
    data = common.data_radio(names)
    with gr.Row(elem_classes="gm-fades"):
        with gr.Column(min_width=150):
            a = common.pad("Picture A", compact=True)
        with gr.Column(min_width=150):
            b = common.pad("Picture B", compact=True)
        with gr.Column(min_width=150, elem_classes="gm-main"):
            mixed = common.picture("Codes mixed", "From A to B through the codes", kind="gm-steps-picture")
            faded = common.picture("Pixels mixed", "The plain cross-fade from A to B", kind="gm-steps-picture")
    page.first(b, open_between, data, [a, b, mixed, faded])
    page.on(data.input, open_between, data, [a, b, mixed, faded], name="between_open")
    page.on([a.input, b.input], between, [data, a, b], [mixed, faded], name="between", live=True)


def between(name: str, a: Pad, b: Pad) -> tuple[Any, Any]:
    """From A to B in nine steps, through the codes and through the pixels."""
    both = flows.interpolate(name, a, b)
    return both["latent"], both["pixels"]


def open_between(name: str) -> tuple[Any, ...]:
    """Two examples of other data."""
    known = common.known_pictures(name)
    ends = [known[min(i, len(known) - 1)][1] for i in (3, 8)]
    pads = [common.fill_pad(name, end, [(f"Choose {x}", known)]) for end, x in zip(ends, "AB", strict=True)]
    return *pads, *between(name, *ends)


# ---- class swap --------------------------------------------------------------------------------------------------


def build_swap(page: common.Page, names: list[str]) -> None:
    common.heading("Swap the class", SWAP)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            label = fields.Dropdown(
                [LIKELIEST, *common.classes(names[0])], value=LIKELIEST, label="Encode it as", allow_custom_value=True
            )
        with gr.Column(elem_classes="gm-main"):
            swapped = common.text("As every class")
    page.first(pad, open_swap, data, [pad, label, swapped])
    page.on(data.input, open_swap, data, [pad, label, swapped], name="swap_open")
    page.on([pad.input, label.input], swap, [data, pad, label], swapped, name="swap", live=True)


def swap(name: str, picture: Pad, label: str | None) -> str:
    """The picture's code, decoded as each class."""
    made = flows.swap_class(name, picture, None if label == LIKELIEST else label)
    tiles = [(pictures.thumbnail(pad), (title,), title == made["class"]) for title, pad in made["pictures"]]
    found = " (under which it is the most likely)" if label == LIKELIEST else ""
    words = f"Encoded as <b>{made['class']}</b>{found}, decoded as every class."
    return f'{web.gallery(tiles, 5)}<p class="gm-verdict">{words}</p>'


def open_swap(name: str) -> tuple[Any, ...]:
    """Other data: an example on the pad, its class left to the flow."""
    known = common.known_pictures(name)
    start = known[min(3, len(known) - 1)][1]
    offered = fields.Dropdown(choices=[LIKELIEST, *common.classes(name)], value=LIKELIEST)
    return common.fill_pad(name, start, [("Or pick one", known)]), offered, swap(name, start, LIKELIEST)
