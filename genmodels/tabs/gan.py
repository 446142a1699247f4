"""The GAN tab: generate, walk in a loop, mix styles, spot the fake, ask the critic, and see training go well and ill."""

import random
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from genmodels import web
from genmodels.tabs import common, fields, generate
from genmodels.wrappers import core, discriminator, examples, pictures, spot_the_fake, style_mixing, training_films
from genmodels.wrappers.types import Marks, Pad, Round

FAMILY = "gan"
GENERATE = (
    "The generator turns random numbers into a picture in a single pass. The seed picks the numbers: the same seed "
    "gives the same picture."
)
TRUNCATION = generate.Knob(
    "truncation_psi", "Truncation ψ", "How far from the mean of the class: low is typical, high is varied.",
    highest=1.5, value=0.8,
)  # fmt: skip
WALK = (
    "A walk through the pictures of several seeds and back to the first. Every frame on the way is a picture of its "
    "own, not a cross-fade."
)
SPACES = [("z (slerp)", "z"), ("w (linear)", "w")]
MIX = (
    "The generator works from coarse to fine, and a style tells each layer what to draw. Here the first layers take the "
    "style of the picture on the left, the others that of the picture on top."
)
GAME = (
    "Look closely and click, then compare yourself with the critic, which has learned nothing but to tell what is "
    "generated from what is real."
)
QUESTIONS = {
    1: "Which of these eight were <b>generated</b>? The others are real test images.",
    2: "There are no real pictures of this model's kind here, so both pictures of a pair are generated: which one came "
    "with <b>ψ = 0.5</b>, as a more typical picture of its class?",
}
TRUTHS = {1: {True: "generated", False: "real"}, 2: {True: "ψ = 0.5", False: "ψ = 1"}}
CRITIC = (
    "The critic gives every picture a score, high for what it takes for real. Draw, pick or upload one and see where it "
    "stands among real test images and among the GAN's own pictures."
)
FILM = (
    "The same 64 random points, from the first step to the last. Beside it the finished model trains on without the "
    "rules that keep the game stable: soon all points give the same picture."
)
RUNS = {
    "healthy": "Trained as it should be",
    "collapsed": "Spoilt: no gradient penalties, steps too large",
}


def build(page: common.Page) -> None:
    """Lay out the tab and wire its events, section by section."""
    names = core.available(FAMILY)
    if not names:
        common.nothing_installed()
        return
    shown = common.beacon()
    generate.build(page, shown, names, GENERATE, TRUNCATION)
    build_walk(page, shown, names)
    build_mix(page, shown, names)
    build_game(page, shown, names)
    build_critic(page, names)
    if filmed := [name for name in names if training_films.films(name)]:
        build_film(page, shown, filmed)
    common.how_it_works(FAMILY)


def psi_slider(value: float) -> gr.Slider:
    return fields.Slider(0, TRUNCATION.highest, value, step=0.05, label=TRUNCATION.label)


# ---- walk --------------------------------------------------------------------------------------------------------


def build_walk(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Walk in a loop", WALK)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            space = fields.Radio(SPACES, value="z", label="Straight on in", elem_classes="gm-data")
            with gr.Row(elem_classes="gm-seed"):
                seed = common.seed_field("First seed", 1)
                dice = gr.Button("New seeds", elem_classes="gm-dice")
            with gr.Accordion("More", open=False):
                stops = fields.Slider(2, 8, 4, step=1, label="Seeds on the way")
                frames = fields.Slider(8, 96, 48, step=1, label="Frames")
                psi = psi_slider(0.8)
            button = gr.Button("Walk", variant="primary")
        with gr.Column(elem_classes="gm-main"):
            film = common.animation("The walk", "Animation of the walk", "webp")
            strip = common.picture("The seeds on the way", "The pictures that the walk passes", kind="gm-stops")
            save = gr.DownloadButton("Download the walk (WebP)", size="sm", elem_classes="gm-take")
    settings, outputs = [stops, space, frames, psi], [strip, film, save]
    page.first(shown, walk, [data, label, seed, *settings], outputs)
    page.on([button.click, space.input], walk, [data, label, seed, *settings], outputs, name="walk")
    page.on(dice.click, walk_elsewhere, [data, label, *settings], [seed, *outputs], name="walk_dice")
    page.on(data.input, open_walk, [data, seed, *settings], [label, *outputs], name="walk_open")


def walk(
    name: str, label: str | None, seed: int, stops: int, space: str, frames: int, truncation_psi: float
) -> tuple[Any, ...]:
    """The pictures that the walk passes, and the walk as animated WebP."""
    strip, film = style_mixing.latent_loop(name, seed, stops, common.class_of(label), space, frames, truncation_psi)
    return strip, film, film


def walk_elsewhere(name: str, label: str | None, *settings: Any) -> tuple[Any, ...]:
    """A walk from a new random seed, which comes back first."""
    seed = random.randrange(1_000_000)
    return seed, *walk(name, label, seed, *settings)


def open_walk(name: str, seed: int, *settings: Any) -> tuple[Any, ...]:
    """A walk on other data, through every class in turn."""
    return common.all_classes(name), *walk(name, common.EACH, seed, *settings)


# ---- style mixing ------------------------------------------------------------------------------------------------


def build_mix(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Mix styles", MIX)
    layers = style_mixing.style_layers(names[0])
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            label = common.class_dropdown("Class", names[0], each=True)
            info = f"0: all from the top, {layers}: all from the left."
            crossover = fields.Slider(0, layers, 2, step=1, label="Layers that follow the left picture", info=info)
            with gr.Row(elem_classes="gm-pair"):
                rows, columns = common.seed_field("Seed, left", 0), common.seed_field("Seed, top", 100)
            psi = psi_slider(0.8)
            dice = gr.Button("New pictures", elem_classes="gm-dice")
        with gr.Column(elem_classes="gm-main"):
            grid = common.picture("Mixed styles", "Each cell mixes its row's and its column's picture", kind="gm-table")
    inputs = [data, label, crossover, rows, columns, psi]
    page.first(shown, mix, inputs, grid)
    triggers = [label.input, crossover.input, psi.input, rows.submit, rows.blur, columns.submit, columns.blur]
    page.on(triggers, mix, inputs, grid, name="mix", live=True)
    page.on(dice.click, mix_others, [data, label, crossover, psi], [rows, columns, grid], name="mix_dice")
    page.on(data.input, open_mix, [data, crossover, rows, columns, psi], [label, grid], name="mix_open")


def mix(name: str, label: str | None, crossover: int, row_seed: int, column_seed: int, truncation_psi: float) -> Any:
    """The table of mixtures: rows give the coarse styles, columns the fine ones."""
    return style_mixing.style_grid(
        name, row_seed, column_seed, crossover, label=common.class_of(label), truncation_psi=truncation_psi
    )


def mix_others(name: str, label: str | None, crossover: int, truncation_psi: float) -> tuple[Any, ...]:
    """Mixtures of new random seeds, which come back first."""
    rows, columns = random.randrange(1_000_000), random.randrange(1_000_000)
    return rows, columns, mix(name, label, crossover, rows, columns, truncation_psi)


def open_mix(name: str, crossover: int, row_seed: int, column_seed: int, truncation_psi: float) -> tuple[Any, ...]:
    """Mixtures on other data, every class in turn."""
    return common.all_classes(name), mix(name, common.EACH, crossover, row_seed, column_seed, truncation_psi)


# ---- spot the fake -----------------------------------------------------------------------------------------------


def build_game(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Spot the fake", GAME)
    with gr.Row(elem_classes=["gm-split", "gm-game"]):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            question = common.text("Question", "gm-question")
            with gr.Row(elem_classes="gm-seed"):
                show = gr.Button("Reveal", variant="primary")
                again = gr.Button("New round")
            result = common.text("Result", "gm-result")
        with gr.Column(elem_classes="gm-main"):
            board = common.component("board", "Pictures to pick", [], kind=fields.Picks, round={})
    dealt, score = gr.State(None), gr.State(None)
    outputs = [board, question, result, dealt]
    page.first(shown, deal, [data, score], outputs)
    page.on([again.click, data.input], deal, [data, score], outputs, name="deal")
    page.on(show.click, reveal, [board, dealt, score], [board, result, dealt, score], name="reveal")


def deal(name: str, score: dict[str, int] | None) -> tuple[Any, ...]:
    """A new round: pictures and question for the browser; what is true stays here until the visitor has picked."""
    dealt = spot_the_fake.deal(name, random.randrange(core.MAX_SEED))
    shown = {"pictures": dealt["pictures"], "group": dealt["group"], "answers": None}
    return gr.HTML(value=[], round=shown), QUESTIONS[dealt["group"]], standing(None, score), dealt


def reveal(picks: list[int], dealt: Round | None, score: dict[str, int] | None) -> tuple[Any, ...]:
    """The truth beside the visitor's and the critic's picks, and the score of this visit."""
    if not dealt:
        raise ValueError("This round is over, or none has begun: take a new round.")
    marks = spot_the_fake.marks(dealt, picks)
    answers = [
        {"sought": sought, "truth": TRUTHS[dealt["group"]][sought], "visitor": mine == sought, "critic": its == sought}
        for sought, mine, its in zip(dealt["sought"], marks["picked"], dealt["critic"], strict=True)
    ]
    former = score or {"visitor": 0, "critic": 0, "of": 0}
    score = {
        "visitor": former["visitor"] + marks["visitor"],
        "critic": former["critic"] + marks["critic"],
        "of": former["of"] + marks["of"],
    }
    shown = {"pictures": dealt["pictures"], "group": dealt["group"], "answers": answers}
    return gr.HTML(value=picks, round=shown), standing(marks, score), None, score


def standing(marks: Marks | None, score: dict[str, int] | None) -> str:
    """The result of a round, if there is one, and of the visit."""
    lines = []
    if marks:
        lines.append(
            f"This round: you <b>{marks['visitor']} of {marks['of']}</b>, the critic <b>{marks['critic']}</b>."
        )
    if score and (not marks or score["of"] > marks["of"]):
        lines.append(
            f"This visit: you <b>{score['visitor']} of {score['of']}</b>, the critic <b>{score['critic']}</b>."
        )
    return f'<p class="gm-score">{"<br>".join(lines)}</p>'


# ---- the critic --------------------------------------------------------------------------------------------------


def build_critic(page: common.Page, names: list[str]) -> None:
    common.heading("The critic looks", CRITIC)
    with gr.Row(elem_classes="gm-split"):
        with gr.Column(elem_classes="gm-side"):
            data = common.data_radio(names)
            pad = common.pad("Draw here, or pick a picture")
            upload = common.upload_button()
        with gr.Column(elem_classes="gm-main"):
            verdict = common.text("Score")
    page.first(pad, open_critic, data, [pad, verdict])
    page.on(data.input, open_critic, data, [pad, verdict], name="critic_open")
    page.on(pad.input, judge, [data, pad], verdict, name="judge", live=True)
    page.on(upload.upload, judge_file, [data, upload], [pad, verdict], name="critic_upload")


def judge(name: str, picture: Pad) -> str:
    """The critic's score of a picture, among those of real test images and of generated pictures."""
    seen = discriminator.judge(name, picture)
    marks = seen["histogram"]
    chart = web.two_histograms(
        ("real test images", marks["test"]),
        ("pictures of this GAN", marks["samples"]),
        marks["edges"],
        seen["score"],
        ("looks generated", "looks real"),
    )
    words = (
        f"More real to the critic than <b>{common.share(seen['above_test'])}</b> of real test images "
        f"and <b>{common.share(seen['above_samples'])}</b> of this GAN's pictures."
    )
    return f'{chart}<p class="gm-verdict">{words}</p>'


def open_critic(name: str) -> tuple[Any, ...]:
    """Other data: the first of this GAN's own pictures on the pad."""
    own = examples.own_pictures(name)
    strips = [
        ("By this GAN", own),
        ("Real test images", examples.real_pictures(name)),
        ("Of another kind", examples.outliers(name)),
    ]
    return common.fill_pad(name, own[0][1], [strip for strip in strips if strip[1]]), judge(name, own[0][1])


def judge_file(name: str, path: str) -> tuple[Any, ...]:
    """An uploaded picture on the pad, and what the critic says of it."""
    picture = pictures.read_upload(path, name)
    return picture, judge(name, picture)


# ---- training film -----------------------------------------------------------------------------------------------


def build_film(page: common.Page, shown: gr.HTML, names: list[str]) -> None:
    common.heading("Training, filmed", FILM)
    data = common.data_radio(names)
    screen = common.component("film", "Step of the training", [])
    page.first(shown, films, data, screen)
    page.on(data.input, films, data, screen, name="film")


def films(name: str) -> list[dict[str, Any]]:
    """The films of a model's training: a sheet of frames as a file, and for each frame its step and classes covered."""
    found = training_films.films(name)
    return [{**film, "title": RUNS[film["run"]], "sheet": FileData(path=film["sheet"]).model_dump()} for film in found]
