"""The diffusion tab: generate, draw from words, noise a picture and go back, fill in, same noise, solvers compared."""

import random
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr

from genmodels import web
from genmodels.tabs import common, fields, hub
from genmodels.wrappers import denoisers, diffusion, examples, pictures, prompts, solver_grid
from genmodels.wrappers.types import Denoising, Pad, SolverGrid

FAMILY = "diffusion"
GENERATE = (
    "It starts with pure noise. At every step the network says which clean picture it sees in it, and a part of the noise "
    "gives way to that: first the shape is settled, then the details. Afterwards, go back through the steps."
)
FAST = " The fast models have learnt from the others to do it in a few steps."
WORDS = (
    "The same, told in a sentence: every part of the picture looks at the words while the noise is removed. Compose one, "
    "or write your own with the words that it has learnt."
)
NOISE = (
    "Training only ever adds noise to a picture, from none at t = 0 to nothing else at t = 1, and asks the network what "
    "was there. Choose t, see the answer at one look, and let it denoise from there: with little noise it restores, with "
    "much it invents."
)
FILL = (
    "Hide a part, and the model fills it in, every time differently: at each step the given pixels are put back. Then "
    "noise is added again and removed, a few rounds, so that the rest comes to fit. Unlike a PixelCNN, it sees all sides."
)
SAME = (
    "All of these start with the same noise, and only what the network is told differs. What the noise had settled, such "
    "as the slant or the pose, mostly stays alike."
)
SOLVERS = (
    "The network only tells the direction; a solver takes the steps. Some make more of few steps than others. The time "
    "below each picture is the network's: it grows with the steps, and Heun asks twice per step."
)
SOLVER = "How the steps are taken."
GUIDANCE = "0 ignores the class, 1 is as learnt; more makes it clearer and less varied, at twice the time."
WORD_GUIDANCE = "1 is as learnt; more follows the words more closely, at twice the time."
TOOLS = ("pen", "erase", "hide")
MOST_STEPS, START_T, FIRST_SENTENCE = 100, 0.6, 2
START_STEPS, START_SOLVERS = [1, 2, 4, 8, 16], ["unipc", "dpm++2m", "ddim", "ddpm"]
PARTS = {
    "species": "Who", "body": "Dressed in", "cloak": "Cloak", "head": "On the head", "weapon": "Weapon", "shield": "Shield",
}  # fmt: skip
Denoised = Iterator[Denoising]


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events, section by section."""
    names, texts = denoisers.class_models(), denoisers.text_models()
    if names + texts:
        build_sections(page, names, texts)
    else:
        common.nothing_installed()
    hub.build(page)
    common.how_it_works(FAMILY)


def build_sections(page: common.Page, names: list[str], texts: list[str]) -> None:
    """What needs a bundled model: of classes (`names`) or of captions (`texts`)."""
    shown = common.beacon()
    patient = [name for name in names if not denoisers.takes_few_steps(name)]
    if names:
        build_generate(page, shown, names)
    if texts:
        build_words(page, shown, texts)
    if patient:
        build_noise(page, patient)
        build_fill(page, patient)
    if told := [name for name in names if common.classes(name)] + texts:
        build_same(page, shown, told)
    if patient:
        build_solvers(page, patient)


# ---- controls that several sections have ---------------------------------------------------------------------------


def film_of(label: str = "What the network sees in it") -> gr.HTML:
    return common.component("denoiser", label)


def steps_slider(name: str) -> gr.Slider:
    start = denoisers.solver_settings(name)["num_inference_steps"]
    return fields.Slider(1, MOST_STEPS, start, step=1, label="Steps")


def solver_dropdown(name: str) -> gr.Dropdown:
    offered = [(title, key) for key, title in denoisers.SOLVERS.items()]
    return fields.Dropdown(offered, value=denoisers.solver_settings(name)["scheduler"], label="Solver", info=SOLVER)


def guidance_slider(name: str, info: str = GUIDANCE) -> gr.Slider:
    start = denoisers.solver_settings(name)["guidance_scale"]
    return fields.Slider(0, 8, start, step=0.25, label="Guidance", info=info)


def own_settings(name: str) -> tuple[int, str, float]:
    """Steps, solver and guidance of a model, where nothing else is chosen."""
    settings = denoisers.solver_settings(name)
    return settings["num_inference_steps"], settings["scheduler"], settings["guidance_scale"]


# ---- generate ------------------------------------------------------------------------------------------------------


def build_generate(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Generate", GENERATE + FAST * any(map(denoisers.takes_few_steps, names)), first=True)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("New seed", elem_classes="gm-dice")
            steps = steps_slider(names[0])
            button = gr.Button("Generate", variant="primary")
            with gr.Accordion("More", open=False):
                n = fields.Slider(1, diffusion.MAX_DENOISED, diffusion.MAX_DENOISED, step=1, label="How many")
                solver, guidance = solver_dropdown(names[0]), guidance_slider(names[0])
        with gr.Column(elem_classes="gm-main"):
            film = film_of()
    settings = [steps, solver, guidance]
    inputs = [data, label, n, seed, *settings]
    triggers = [button.click, label.input, n.input, steps.input, solver.input, guidance.input, seed.submit, seed.blur]
    running: list[dict[str, Any]] = [
        page.first(shown, generate, inputs, film),
        page.on(triggers, generate, inputs, film, name="generate", live=True),
        page.on(dice.click, generate_another, [data, label, n, *settings], [seed, film], name="dice", live=True),
        page.on(data.input, open_generate, [data, n, seed], [label, *settings, film], name="open", live=True),
    ]
    film.stop(None, cancels=running)


def generate(
    name: str, label: str | None, n: int, seed: int, num_inference_steps: int, scheduler: str, guidance_scale: float
) -> Denoised:
    """`n` pictures of one class, or of each in turn, step by step."""
    yield from diffusion.sample_steps(
        name, n, seed, common.class_of(label), num_inference_steps=num_inference_steps, scheduler=scheduler,
        guidance_scale=guidance_scale,
    )  # fmt: skip


def generate_another(
    name: str, label: str | None, n: int, num_inference_steps: int, scheduler: str, guidance_scale: float
) -> Iterator[tuple[Any, ...]]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    states = generate(name, label, n, seed, num_inference_steps, scheduler, guidance_scale)
    yield from common.led_by(seed, states=states)


def open_generate(name: str, n: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """The same for other data, each class in turn, with the settings of that model."""
    settings = own_settings(name)
    states = generate(name, common.EACH, n, seed, *settings)
    yield from common.led_by(common.all_classes(name), *settings, states=states)


# ---- words ---------------------------------------------------------------------------------------------------------


def build_words(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Pictures from words", WORDS)
    parts = prompts.phrases(names[0])
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            prompt = gr.Textbox(sentence(names[0]), label="Sentence", lines=2, max_lines=4)
            note = common.text("Words", "gm-quality")
            with gr.Row(elem_classes="gm-parts"):
                chosen = part_dropdowns(names[0])
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("Another one", elem_classes="gm-dice", visible=bool(parts))
            button = gr.Button("Draw", variant="primary")
            with gr.Accordion("More", open=False):
                n = fields.Slider(1, diffusion.MAX_DENOISED, 8, step=1, label="How many")
                steps, guidance = steps_slider(names[0]), guidance_slider(names[0], WORD_GUIDANCE)
        with gr.Column(elem_classes="gm-main"):
            film = film_of()
    settings, results = [n, seed, steps, guidance], [note, film]
    inputs = [data, prompt, *settings]
    triggers = [button.click, prompt.submit, n.input, steps.input, guidance.input, seed.submit, seed.blur]
    composing = [part.input for part in chosen]
    running: list[dict[str, Any]] = [
        page.first(shown, draw, inputs, results),
        page.on(triggers, draw, inputs, results, name="words", live=True),
        page.on(composing, compose, [data, *settings, *chosen], [prompt, *results], name="compose", live=True),
        page.on(dice.click, surprise, [data, *settings], [*chosen, prompt, *results], name="surprise", live=True),
        page.on(data.input, open_words, [data, n, seed], [*chosen, prompt, steps, guidance, *results], name="words_open", live=True),
    ]  # fmt: skip
    film.stop(None, cancels=running)


def part_dropdowns(name: str) -> list[gr.Dropdown]:
    """One per part of the sentence to begin with; hidden for a model that has none."""
    parts = prompts.phrases(name)
    start = first_parts(name)
    return [part_dropdown(title, parts.get(part, []), start.get(part)) for part, title in PARTS.items()]


def part_dropdown(title: str, offered: Sequence[str], value: str | None) -> gr.Dropdown:
    """A part of the sentence; "" = without, if that may be."""
    options = [(phrase or "–", phrase) for phrase in offered]
    return fields.Dropdown(options, value=value, label=title, min_width=120, visible=bool(offered))


def first_parts(name: str) -> dict[str, str]:
    return pick(prompts.phrases(name), random.Random(FIRST_SENTENCE))


def sentence(name: str) -> str:
    """A sentence to begin with, if there are parts of any."""
    parts = first_parts(name)
    return prompts.compose(**parts) if parts else ""


def pick(parts: dict[str, list[str]], chance: random.Random) -> dict[str, str]:
    return {part: chance.choice(offered) for part, offered in parts.items()}


def draw(
    name: str, prompt: str, n: int, seed: int, num_inference_steps: int, guidance_scale: float
) -> Iterator[tuple[Any, ...]]:
    """`n` pictures of a sentence, step by step, led by what of it the model does not know."""
    states = diffusion.sample_steps(
        name, n, seed, prompt=prompt, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale
    )
    unknown = [f"“{escape(word)}”" for word in prompts.unknown_words(name, prompt)]
    note = (
        f"It has never read <b>{', '.join(unknown)}</b>, and draws the rest."
        if unknown
        else "It knows all these words."
    )
    yield from common.led_by(note, states=states)


def compose(
    name: str, n: int, seed: int, num_inference_steps: int, guidance_scale: float,
    species: str, body: str, cloak: str, head: str, weapon: str, shield: str,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    """The sentence of these parts, and pictures of it."""
    prompt = prompts.compose(species, body, cloak, head, weapon, shield)
    yield from led(draw(name, prompt, n, seed, num_inference_steps, guidance_scale), prompt)


def surprise(
    name: str, n: int, seed: int, num_inference_steps: int, guidance_scale: float
) -> Iterator[tuple[Any, ...]]:
    """A sentence of parts chosen at random, its parts, and pictures of it."""
    parts = prompts.phrases(name)
    if not parts:
        raise gr.Error(f"There are no parts of sentences for {name}: write a sentence.", print_exception=False)
    chosen = pick(parts, random.Random())
    prompt = prompts.compose(**chosen)
    yield from led(draw(name, prompt, n, seed, num_inference_steps, guidance_scale), *chosen.values(), prompt)


def led(rows: Iterator[tuple[Any, ...]], *first: Any) -> Iterator[tuple[Any, ...]]:
    """`common.led_by` for states that are several outputs themselves."""
    for row in rows:
        yield *first, *row
        first = tuple(gr.skip() for _ in first)


def open_words(name: str, n: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """Another model of captions, with its own settings and a sentence of its own."""
    steps, _, guidance = own_settings(name)
    prompt = sentence(name)
    yield from led(draw(name, prompt, n, seed, steps, guidance), *part_dropdowns(name), prompt, steps, guidance)


# ---- noise it yourself ---------------------------------------------------------------------------------------------


def build_noise(page: common.Page, names: list[str]) -> None:
    common.heading("Noise it yourself", NOISE)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes=["gm-endings", "gm-from-here"]):
                t = fields.Slider(0.02, 1, START_T, step=0.02, label="Noise t", min_width=160)
                label = common.class_choice(names[0])
                button = gr.Button("Denoise from here", variant="primary", min_width=140)
            film = film_of()
            with gr.Accordion("More", open=False):
                with gr.Row(elem_classes="gm-seed"):
                    seed = common.seed_field("Seed")
                    dice = gr.Button("Other noise", elem_classes="gm-dice")
                solver = solver_dropdown(names[0])
    inputs = [data, pad, t, label, seed, solver]
    changes = [pad.input, t.input, label.input, seed.submit, seed.blur]
    running = page.on([button.click, solver.input], denoise, inputs, film, name="denoise", live=True)
    page.first(pad, open_noise, [data, t, seed], [pad, label, solver, film])
    page.on(changes, noise, inputs, film, name="noise", live=True)
    page.on(dice.click, noise_otherwise, [data, pad, t, label, solver], [seed, film], name="noise_dice", live=True)
    page.on(data.input, open_noise, [data, t, seed], [pad, label, solver, film], name="noise_open", live=True)
    page.on(upload.upload, noise_file, [data, upload, t, label, seed, solver], [pad, film], name="noise_upload")
    for trigger in (film.stop, *changes, dice.click, data.input, upload.upload):
        trigger(None, cancels=running)  # after a change, what it works on is no longer on show


def noise(name: str, picture: Pad, t: float, label: str | None, seed: int, scheduler: str) -> Denoising:
    """A picture with noise, four times, and what the network sees in it at one look."""
    return diffusion.add_noise(name, picture, t, seed=seed, label=common.told_class(label), scheduler=scheduler)


def denoise(name: str, picture: Pad, t: float, label: str | None, seed: int, scheduler: str) -> Denoised:
    """The same noisy pictures, denoised step by step."""
    yield from diffusion.img2img(name, picture, t, seed=seed, label=common.told_class(label), scheduler=scheduler)


def noise_otherwise(name: str, picture: Pad, t: float, label: str | None, scheduler: str) -> tuple[Any, ...]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    return seed, noise(name, picture, t, label, seed, scheduler)


def open_noise(name: str, t: float, seed: int) -> tuple[Any, ...]:
    """Other data: one of its examples with noise."""
    known = common.known_pictures(name)
    start, (_, solver, _) = known[min(3, len(known) - 1)][1], own_settings(name)
    offered = fields.Dropdown(choices=common.told(name), value=common.NOT_TOLD)
    pad = common.fill_pad(
        name, start, [("Or pick one", known), ("Something it has never seen", examples.outliers(name))]
    )
    return pad, offered, solver, noise(name, start, t, common.NOT_TOLD, seed, solver)


def noise_file(name: str, path: str, t: float, label: str | None, seed: int, scheduler: str) -> tuple[Any, ...]:
    """An uploaded picture on the pad, with noise."""
    picture = pictures.read_upload(path, name)
    return picture, noise(name, picture, t, label, seed, scheduler)


# ---- fill in -------------------------------------------------------------------------------------------------------


def build_fill(page: common.Page, names: list[str]) -> None:
    common.heading("Fill in", FILL)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, and hide a part", TOOLS)
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            with gr.Row(elem_classes="gm-endings"):
                n = fields.Slider(1, diffusion.MAX_DENOISED, 8, step=1, label="How many", min_width=160)
                label = common.class_choice(names[0])
                dice = gr.Button("Other fillings", elem_classes="gm-dice", min_width=140)
            film = film_of()
            with gr.Accordion("More", open=False):
                seed = common.seed_field("Seed")
                steps, solver, guidance = (f(names[0]) for f in (steps_slider, solver_dropdown, guidance_slider))
    settings = [steps, solver, guidance]
    triggers = [pad.input, label.input, n.input, *(s.input for s in settings), seed.submit, seed.blur]
    opened = [pad, label, *settings, film]
    running: list[dict[str, Any]] = [
        page.first(pad, open_fill, [data, n, seed], opened),
        page.on(triggers, fill, [data, pad, label, n, seed, *settings], film, name="fill", live=True),
        page.on(
            dice.click, fill_otherwise, [data, pad, label, n, *settings], [seed, film], name="fill_dice", live=True
        ),
        page.on(data.input, open_fill, [data, n, seed], opened, name="fill_open", live=True),
        page.on(upload.upload, fill_file, [data, upload, label, n, seed, *settings], [pad, film], name="fill_upload"),
    ]
    film.stop(None, cancels=running)


def fill(
    name: str, picture: Pad, label: str | None, n: int, seed: int, num_inference_steps: int, scheduler: str,
    guidance_scale: float,
) -> Denoised:  # fmt: skip
    """`n` fillings of the hidden part of a picture, step by step."""
    yield from diffusion.inpaint(
        name, picture, n, seed, common.told_class(label), num_inference_steps=num_inference_steps, scheduler=scheduler,
        guidance_scale=guidance_scale,
    )  # fmt: skip


def fill_otherwise(
    name: str, picture: Pad, label: str | None, n: int, num_inference_steps: int, scheduler: str, guidance_scale: float
) -> Iterator[tuple[Any, ...]]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    states = fill(name, picture, label, n, seed, num_inference_steps, scheduler, guidance_scale)
    yield from common.led_by(seed, states=states)


def open_fill(name: str, n: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """Other data: an example with its lower half hidden, and the settings of that model."""
    known, settings = common.known_pictures(name), own_settings(name)
    start = pictures.top_half(known[min(3, len(known) - 1)][1])
    pad = common.fill_pad(name, start, [("Or pick one", known)], centre=False)
    offered = fields.Dropdown(choices=common.told(name), value=common.NOT_TOLD)
    states = fill(name, start, common.NOT_TOLD, n, seed, *settings)
    yield from common.led_by(pad, offered, *settings, states=states)


def fill_file(
    name: str, path: str, label: str | None, n: int, seed: int, num_inference_steps: int, scheduler: str,
    guidance_scale: float,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    """An uploaded picture on the pad, its lower half hidden, and fillings of it."""
    picture = pictures.top_half(pictures.read_upload(path, name))
    states = fill(name, picture, label, n, seed, num_inference_steps, scheduler, guidance_scale)
    yield from common.led_by(picture, states=states)


# ---- the same noise ------------------------------------------------------------------------------------------------


def build_same(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Same noise, told otherwise", SAME)
    reads = names[0] in denoisers.text_models()
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            lines = gr.Textbox(
                sentences(names[0]), label="Sentences, one per line", lines=5, max_lines=8, visible=reads
            )
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("Seed")
                dice = gr.Button("Other noise", elem_classes="gm-dice")
            guidance = guidance_slider(names[0])
            button = gr.Button("Draw them", visible=reads)
        with gr.Column(elem_classes="gm-main"):
            pictures = common.text("Of the same noise")
    inputs = [data, lines, seed, guidance]
    page.first(shown, same, inputs, pictures)
    triggers = [button.click, seed.submit, seed.blur, guidance.input]
    page.on(triggers, same, inputs, pictures, name="same", live=True)
    page.on(dice.click, same_otherwise, [data, lines, guidance], [seed, pictures], name="same_dice", live=True)
    opened = [lines, guidance, button, pictures]
    page.on(data.input, open_same, [data, seed], opened, name="same_open", live=True)


def sentences(name: str) -> str:
    """A sentence that grows by a part with every line, for a model of captions."""
    parts = prompts.phrases(name) if name in denoisers.text_models() else {}
    if not parts:
        return ""
    chance = random.Random(4)
    chosen = {part: chance.choice([p for p in offered if p]) for part, offered in parts.items()}
    grown = [dict(list(chosen.items())[:k]) for k in range(1, len(chosen) + 1)]
    return "\n".join(prompts.compose(**some) for some in grown)


def same(name: str, lines: str, seed: int, guidance_scale: float) -> str:
    """Pictures of the same noise: of every class, or of every line for a model of captions."""
    reads = name in denoisers.text_models()
    prompts = [line for line in (lines or "").splitlines() if line.strip()] if reads else None
    made = diffusion.same_noise(name, seed, prompts, guidance_scale=guidance_scale)
    tiles = [(pictures.thumbnail(pad), (title,), False) for title, pad in made["pictures"]]
    noise = (pictures.thumbnail(made["noise"]), ("the noise",), True)
    words = f"{len(tiles)} pictures of one noise, in {made['ms']:.0f} ms of computing."
    return f'{web.gallery([noise, *tiles], 4 if reads else 6)}<p class="gm-verdict">{words}</p>'


def same_otherwise(name: str, lines: str, guidance_scale: float) -> tuple[Any, ...]:
    """The same with a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    return seed, same(name, lines, seed, guidance_scale)


def open_same(name: str, seed: int) -> tuple[Any, ...]:
    """Another model: its classes, or sentences for it."""
    reads, lines, guidance = name in denoisers.text_models(), sentences(name), own_settings(name)[2]
    return gr.Textbox(value=lines, visible=reads), guidance, gr.Button(visible=reads), same(name, lines, seed, guidance)


# ---- solvers compared ----------------------------------------------------------------------------------------------


def build_solvers(page: common.Page, names: list[str]) -> None:
    common.heading("How many steps, and whose?", SOLVERS)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            offered = [(title, key) for key, title in denoisers.SOLVERS.items()]
            solvers = fields.CheckboxGroup(
                offered, value=START_SOLVERS, label="Solvers, at most five", elem_classes="gm-many"
            )
            steps = fields.CheckboxGroup(
                list(solver_grid.GRID_STEPS), value=START_STEPS, label="Steps", elem_classes="gm-many"
            )
            with gr.Row(elem_classes="gm-seed"):
                button = gr.Button("Compare", variant="primary")
                stop = gr.Button("Stop")
            with gr.Accordion("More", open=False):
                seed, guidance = common.seed_field("Seed"), guidance_slider(names[0])
        with gr.Column(elem_classes="gm-main"):
            waiting = [(denoisers.SOLVERS[key], [None] * len(START_STEPS)) for key in START_SOLVERS]
            cells = common.text("Solvers by steps", value=web.solvers(START_STEPS, waiting))
    inputs = [data, label, solvers, steps, seed, guidance]
    running = page.on([button.click, seed.submit], compare, inputs, cells, name="compare")
    page.on(data.input, common.all_classes, data, label, name="compare_open", live=True)
    stop.click(None, cancels=running)


def compare(
    name: str, label: str | None, schedulers: list[str], steps: list[int], seed: int, guidance_scale: float
) -> Iterator[Any]:
    """The same noise by every solver in every number of steps, cell by cell, with the time of each."""
    finished = -1
    for state in solver_grid.compare_solvers(name, schedulers, steps, seed, common.class_of(label), guidance_scale):
        yield table(state) if state["finished"] > finished else gr.skip()
        finished = state["finished"]


def table(state: SolverGrid) -> str:
    rows = [
        (title, [cell and (cell["picture"], f"{cell['ms']:.0f} ms") for cell in cells])
        for title, cells in zip(state["solvers"], state["cells"], strict=True)
    ]
    return web.solvers(state["steps"], rows)
