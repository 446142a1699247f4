"""What all tabs share: the page they are built on, pictures, the drawing pad."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency

from genmodels import web
from genmodels.tabs import fields
from genmodels.tabs.errors import user_errors
from genmodels.wrappers import core, examples, metrics_table, pictures
from genmodels.wrappers.types import Labelled, Pad

SEED_LIMIT = 2**31 - 1
figures = functools.cache(metrics_table.figures)  # it reads all weights, and each tab is laid out twice
#: A Markdown table that may be wider than the page, which the arrow keys can scroll.
SCROLLED = '<div class="gm-scroll" role="region" title="Measured figures" tabindex="0">\n\n{}\n\n</div>'
EACH = "Each class in turn"
NOT_TOLD = "Not told"
#: How many events run at once: those that compute, those that ask the Hub, and those that keep a large network busy for
#: minutes, for which the others must not wait.
LANES = {"cpu": 2, "network": 4, "large": 1}


class Page(NamedTuple):
    """Where a tab is built: on the home page, whose events are the public API, or alone on its own route."""

    key: str
    home: bool = True

    def on(
        self,
        triggers: Callable[..., Dependency] | Sequence[Callable[..., Dependency]],
        function: Callable[..., Any],
        inputs: Any = None,
        outputs: Any = None,
        *,
        name: str,
        live: bool = False,
        lane: str = "cpu",
    ) -> Dependency:
        """Wire an event; `live` is for sliders and strokes: no spinner, and of many values the last one wins.

        A generator function fills its outputs again and again; the event returned can be cancelled.
        lane: the queue to wait in, one of LANES.
        """
        options: dict[str, Any] = {
            "fn": user_errors(function),
            "inputs": inputs,
            "outputs": outputs,
            "api_name": f"{self.key}_{name}" if self.home else f"{self.key}_page_{name}",
            "api_visibility": "public" if self.home else "private",
            "concurrency_id": lane,
            "concurrency_limit": LANES[lane],
            "show_progress": "hidden" if live else "minimal",
            "trigger_mode": "always_last" if live else "once",
        }
        return triggers(**options) if callable(triggers) else gr.on(triggers, **options)

    def first(
        self, shown: gr.HTML, function: Callable[..., Any], inputs: Any = None, outputs: Any = None
    ) -> Dependency:
        """Fill `outputs` when `shown` (a pad or a `beacon`) first appears, so that a tab nobody opens costs nothing."""
        return shown.mounted(
            user_errors(function),
            inputs,
            outputs,
            api_name=f"{self.key}_{'' if self.home else 'page_'}first_{function.__name__}",
            api_visibility="private",
            concurrency_id="cpu",
            concurrency_limit=2,
            show_progress="hidden",
        )


def beacon() -> gr.HTML:
    """An empty component that fires `mounted` when the tab it is in first appears."""
    return gr.HTML("", js_on_load="setTimeout(() => trigger('mounted'), 0);", elem_classes="gm-beacon")


def choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """(title, name) pairs for a radio of models, e.g. ("Digits", "vae-mnist"); of two of the same data, the special one
    with what makes it so: ("Digits (fast)", "diffusion-mnist-fast")."""
    titles = [core.describe(name)["title"] for name in names]
    special = [_special(name) if titles.count(title) > 1 else "" for title, name in zip(titles, names, strict=True)]
    return [(f"{t} ({s})" if s else t, name) for t, s, name in zip(titles, special, names, strict=True)]


def _special(name: str) -> str:
    """What a model's name says beside its family and its data."""
    facts = core.describe(name)
    return name.removeprefix(facts["family"]).replace(facts["data"], "").strip("-")


def nothing_installed() -> None:
    """What a tab shows when its family has no checkpoint."""
    gr.Markdown("`checkpoints/` holds no trained model of this family: make one with `python -m genmodels train`.")


def known_pictures(name: str) -> list[Labelled]:
    """Labelled pictures of the model's kind; an empty one if there is nothing to draw them with."""
    return examples.of_kind(name) or [("nothing", pictures.blank(name))]


def heading(title: str, text: str, *, first: bool = False) -> None:
    """The head of a section: its title and the one or two sentences that say what to try."""
    gr.Markdown(f"## {title}\n{text}", elem_classes=["gm-heading", "gm-first"] if first else "gm-heading")


def how_it_works(key: str) -> None:
    """The opening text of the family's model file, word for word, and what was measured of its models."""
    with gr.Accordion("How it works", open=False, elem_classes="gm-about"):
        gr.Markdown(core.about(key))
        table, _, meanings = figures(key).partition("\n\n")
        gr.Markdown(f"### Measured\n{SCROLLED.format(table)}\n\n{meanings}", elem_classes="gm-figures")


def classes(name: str) -> list[str]:
    return core.describe(name)["classes"]


def share(percent: float) -> str:
    """A percentage that says 0 % and 100 % only where that is exactly so."""
    if 0 < percent < 1:
        return "less than 1 %"
    return "more than 99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def data_radio(names: Sequence[str]) -> gr.Radio:
    """Which data set's model is shown; hidden where there is no choice."""
    return fields.Radio(
        choices(names), value=names[0], label="Pictures", elem_classes="gm-data", visible=len(names) > 1
    )


def all_classes(name: str) -> gr.Dropdown:
    """An update of a class dropdown for other data: every class in turn, or one of these."""
    return fields.Dropdown(choices=[EACH, *classes(name)], value=EACH)


def class_of(label: str | None) -> str | None:
    """What a class dropdown means to the wrappers: a class, or None for each in turn."""
    return None if label == EACH else label


def told(name: str) -> list[str]:
    """What a model may be told of the class of a picture that is there already."""
    return [NOT_TOLD, EACH, *(classes(name) if core.describe(name)["conditional"] else [])]


def class_choice(name: str) -> gr.Dropdown:
    """What the model is told. Other values pass, because the choices change with the data: the wrappers check them."""
    return fields.Dropdown(told(name), value=NOT_TOLD, label="As", allow_custom_value=True, min_width=120)


def told_class(label: str | None) -> str | None:
    """What such a dropdown means to the wrappers: a class, "balanced" for each in turn, or None."""
    known: dict[str | None, str | None] = {NOT_TOLD: None, EACH: "balanced"}
    return known.get(label, label)


def class_dropdown(title: str, name: str, *, each: bool = False, value: int = 0) -> gr.Dropdown:
    """A class by its name. Other values pass, because the choices change with the data: the wrappers check them."""
    offered = classes(name)
    start = EACH if each else offered[value % len(offered)]
    return fields.Dropdown(
        [EACH, *offered] if each else offered, value=start, label=title, allow_custom_value=True, min_width=120
    )


def seed_field(title: str, value: int = 0) -> gr.Number:
    return fields.Number(value, label=title, minimum=0, maximum=SEED_LIMIT, min_width=120)


def picture(label: str, alt: str, *, kind: str = "", **options: Any) -> gr.Image:
    """A picture that keeps its pixels crisp, its place on the page, and its text metadata when downloaded."""
    return gr.Image(
        label=label,
        alt_text=alt,
        format="png",
        type="pil",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes=["gm-picture", *kind.split()],
        **options,
    )


def text(label: str, kind: str = "gm-card", value: str | None = None, **properties: Any) -> gr.HTML:
    """A place for a chart or a line of HTML; the label names it for programs only."""
    return gr.HTML(value, label=label, elem_classes=kind, apply_default_css=False, **properties)


def animation(label: str, alt: str, format: str) -> gr.Image:
    """A film from a file, "gif" or "webp"."""
    return gr.Image(
        label=label,
        alt_text=alt,
        type="filepath",
        format=format,
        interactive=False,
        buttons=["fullscreen"],
        elem_classes=["gm-picture", "gm-film"],
    )


def led_by(*first: Any, states: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    """The states with `first` before the first of them; the outputs concerned are left alone afterwards."""
    for state in states:
        yield *first, state
        first = tuple(gr.skip() for _ in first)


def upload_button() -> gr.UploadButton:
    return gr.UploadButton("Upload a picture", file_types=["image"], size="sm", elem_classes="gm-upload")


def component(name: str, label: str, value: Any = None, *, kind: type[gr.HTML] = gr.HTML, **properties: Any) -> gr.HTML:
    """A hand-written component: `web/<name>.html` and `.js` (see `web.script`), with its own properties.

    kind: says of what form its value is, where programs give it one.
    """
    return kind(
        value=value,
        label=label,
        html_template=web.asset(f"{name}.html"),
        js_on_load=web.script(name),
        apply_default_css=False,
        **properties,
    )


def pad(label: str, tools: Sequence[str] = ("pen", "erase"), *, compact: bool = False) -> gr.HTML:
    """The drawing pad (`web/pad.js`). Without tools it only shows a picture and strips of examples to choose from.

    tools: "pen", "erase", "hide" (patches from the model) and "keep" (a slider that hides all rows from some row on).
    """
    settings: dict[str, Any] = {"compact": "true" if compact else "false", "tools": list(tools)}
    return component("pad", label, kind=fields.Drawing, **settings, background=0, centre=False, strips=[])


def fill_pad(
    name: str, value: Pad, strips: Sequence[tuple[str, Sequence[Labelled]]] = (), *, centre: bool = True
) -> gr.HTML:
    """An update of a pad: the picture to show, the model it is for, and its strips as (title, labelled pictures).

    centre: whether a drawing is brought to the middle, where the digits that the model knows are.
    """
    facts = core.describe(name)
    shown = [(title, [{"label": label, **picture} for label, picture in rows]) for title, rows in strips]
    return gr.HTML(
        value=value,
        background=facts["background"],
        centre=centre and facts["data"] == "mnist",
        strips=[{"label": title, "pictures": pictures} for title, pictures in shown],
    )
