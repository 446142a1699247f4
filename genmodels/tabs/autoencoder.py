"""The autoencoder tab: draw, pick or upload a picture and watch it pass through the narrow code."""

from typing import Any

import gradio as gr

from genmodels import web
from genmodels.tabs import common, fields
from genmodels.wrappers import core, examples, latents, pictures
from genmodels.wrappers.types import Pad

FAMILY = "autoencoder"
BOTTLENECK = (
    "The network must push a picture through a few numbers and rebuild it from them. It learns what its training "
    "pictures have in common: what it cannot rebuild, it has never seen."
)
BETWEEN = (
    "Mixing two pictures pixel by pixel gives a double exposure. Mixing their codes and decoding the mixture gives "
    "pictures that turn one into the other."
)


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events."""
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    common.heading("Through the bottleneck", BOTTLENECK, first=True)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture", ("pen", "erase", "hide"))
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes="gm-pipeline"):
                seen = common.picture("What it sees", "The picture as the network sees it")
                code = common.text("Code")
                rebuilt = common.picture("Reconstruction", "The picture rebuilt from the code")
                difference = common.picture("Difference", "Where the reconstruction differs from the picture")
            quality = common.text("Quality", "gm-quality")
            info = "Add noise, or cover a patch with the Hide brush: it was trained to put whole, clean pictures back."
            sigma = fields.Slider(0, 1, 0, step=0.05, label="Noise σ", info=info)
            score = common.text("Score")
    results = [seen, code, rebuilt, difference, quality, score]

    common.heading("Between two pictures", BETWEEN)
    with gr.Row(elem_classes="gm-between"):
        with gr.Column(min_width=150):
            a = common.pad("Picture A", (), compact=True)
            take = gr.Button("Use the picture drawn above", size="sm", elem_classes="gm-take")
        mixed = common.picture("Codes mixed", "The picture decoded from the mixture of both codes")
        faded = common.picture("Pixels mixed", "The plain cross-fade of both pictures")
        with gr.Column(min_width=150):
            b = common.pad("Picture B", (), compact=True)
    t = fields.Slider(0, 1, 0.5, step=0.02, label="From A to B", elem_classes="gm-between-slider")
    common.how_it_works(FAMILY)

    page.first(pad, open_model, [data, sigma, t], [pad, a, b, *results, mixed, faded])
    page.on(data.input, open_model, [data, sigma, t], [pad, a, b, *results, mixed, faded], name="open")
    page.on([pad.input, sigma.input], see, [data, pad, sigma], results, name="see", live=True)
    page.on(upload.upload, open_file, [data, upload, sigma], [pad, *results], name="upload")
    page.on([a.input, b.input, t.input], between, [data, a, b, t], [mixed, faded], name="between", live=True)
    page.on(take.click, use_drawing, [data, pad, b, t], [a, mixed, faded], name="between_drawing")


def see(name: str, picture: Pad, sigma: float) -> tuple[Any, ...]:
    """What the autoencoder sees, its code, the reconstruction, the difference, how good and how unusual it is."""
    seen = latents.autoencode(name, picture, sigma=sigma)
    marks = seen["histogram"]
    chart = web.histogram(marks["counts"], marks["edges"], seen["score"], "easy to rebuild", "hard to rebuild")
    words = f'<p class="gm-verdict">{verdict(seen["percentile"])}</p>'
    code = web.code_bars(seen["code"])
    return seen["seen"], code, seen["reconstruction"], seen["difference"], quality(seen), chart + words


def verdict(percentile: float) -> str:
    """The anomaly score in one sentence."""
    if percentile >= 99.95:
        return "More unusual than <b>every</b> test image: the network has never seen anything like it."
    ending = ": probably not the kind of picture it was trained on." if percentile > 99 else "."
    return f"More unusual than <b>{percentile:.{1 if percentile > 99 else 0}f} %</b> of test images{ending}"


def quality(seen: latents.Autoencoded) -> str:
    """How close the reconstruction comes, and how close the noisy picture was."""
    damaged = f", what it saw <b>{seen['psnr_seen']:.1f} dB</b>" if seen["psnr_seen"] is not None else ""
    return (
        f"PSNR against the picture as given: reconstruction <b>{seen['psnr']:.1f} dB</b>{damaged} · {seen['ms']:.0f} ms"
    )


def between(name: str, a: Pad, b: Pad, t: float) -> tuple[Any, Any]:
    """The decoded mixture of two codes, and the mixture of the pixels, at `t` of the way from A to B."""
    both = latents.mix_codes(name, a, b, t)
    return both["latent"], both["pixels"]


def open_model(name: str, sigma: float, t: float) -> tuple[Any, ...]:
    """Show the first example of another model everywhere: pads, pipeline and interpolation."""
    known, strange = common.known_pictures(name), examples.outliers(name)
    first, last = known[0][1], known[min(3, len(known) - 1)][1]
    strips = [("Pictures of the kind it knows", known), ("Something it has never seen", strange)]
    pad = common.fill_pad(name, first, strips)
    a = common.fill_pad(name, first, [("Choose A", known)])
    b = common.fill_pad(name, last, [("Choose B", known)])
    return pad, a, b, *see(name, first, sigma), *between(name, first, last, t)


def open_file(name: str, path: str, sigma: float) -> tuple[Any, ...]:
    """Show an uploaded picture on the pad and pass it through the network."""
    picture = pictures.read_upload(path, name)
    return picture, *see(name, picture, sigma)


def use_drawing(name: str, drawing: Pad, b: Pad, t: float) -> tuple[Any, ...]:
    """Take the drawing as picture A."""
    return drawing, *between(name, drawing, b, t)
