"""The page: what the browser lays it out from, and the two ways by which it asks."""

import base64
import binascii
import contextlib
import functools
import importlib
import inspect
import io
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anyio
from markdown_it import MarkdownIt

from genmodels.tabs import TABS
from genmodels.tabs.base import Tab
from genmodels.version import __version__
from genmodels.wrappers import (
    apart,
    core,
    examples,
    hub_checkpoints,
    latents,
    metrics_table,
    on_record,
    pictures,
    sketches,
)
from genmodels.wrappers.section import Answer, Section, Whole
from genmodels.wrappers.state import Refused

PURPOSE = "Try the families of generative image models with your own hands: small networks, live on this computer."
BROKEN = "Something went wrong on the server; its log says what."
#: How many events of a queue run at once: those that compute for a second or so, those that compute for many, those that ask
#: the Hub, and those that keep a large network busy for minutes. None waits for another lane; see also device.turn.
LANES = {"cpu": 6, "heavy": 2, "network": 4, "large": 1}
AT_ONCE = 2  # direct calls that compute at the same time; more wait, by the order in which they came
HUB_MODEL = "page.hub_model"
MAX_UPLOAD = 14_000_000  # characters of base64: 10 MB
log = logging.getLogger(__name__)


@functools.cache
def tabs() -> dict[str, Tab]:
    """The tabs by key."""
    found = [importlib.import_module(module).TAB for module in TABS]
    return {tab.key: tab for tab in found}


@functools.cache
def sections() -> dict[str, Section]:
    """All sections by key."""
    return {section.key: section for tab in tabs().values() for section in tab.sections}


def shown_tabs() -> list[Tab]:
    """All but those of families that have no trained model here; if there is none at all, they are shown and say so."""
    found = [tab for tab in tabs().values() if not tab.is_family or core.available_of_kin(tab.key)]
    return found if any(tab.is_family for tab in found) else list(tabs().values())


def spec() -> dict[str, Any]:
    """What the browser lays the page out from: JSON."""
    shown = [tab.spec() for tab in shown_tabs()]
    names = dict.fromkeys(name for tab in shown for section in tab["sections"] for name in section["models"])
    told = {name: facts(name) for name in names}
    return {
        "version": __version__,
        "purpose": PURPOSE,
        "tabs": shown,
        "families": families(),
        "hub": hub_checkpoints.offered(),
        "facts": told,
        "weights": {data: on_record.weights(data) for data in dict.fromkeys(fact["data"] for fact in told.values())},
    }


def families() -> dict[str, Any]:
    """What every tab may say of the families, by name: see `Tab.cards`."""
    cards = {name: card for tab in shown_tabs() if tab.is_family for name, card in tab.cards().items()}
    return {name: card for name, card in cards.items() if not card["of"] or core.available(name)}


def facts(name: str) -> dict[str, Any]:
    """What the page knows of a model."""
    info = core.describe(name)
    told = {key: info[key] for key in ("family", "kind", "data", "title", "shape", "background")}
    told["weights"] = on_record.weights(name)
    return told | {"variant": name.removeprefix(info["family"]).replace(info["data"], "").strip("-")}


# -- touch: direct calls ----------------------------------------------------------------------------------------------


@functools.cache
def _turns() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(AT_ONCE)


@functools.cache
def _downloads() -> anyio.CapacityLimiter:
    """Of what may take minutes, and of which one is had at a time anyway: it keeps no turn from what answers at once."""
    return anyio.CapacityLimiter(1)


async def ask(question: Any) -> Answer:
    """For the page's scripts: {"section", "state"} → the answer, or {"error": one sentence, "field": the state's key}."""
    downloads = isinstance(question, Mapping) and question.get("section") == HUB_MODEL
    return await anyio.to_thread.run_sync(answer, question, limiter=_downloads() if downloads else _turns())


def answer(question: Any) -> Answer:
    """The same, at once."""
    try:
        if not isinstance(question, Mapping) or not isinstance(question.get("section"), str):
            raise ValueError("A question is {section, state}.")
        key, state = question["section"], question.get("state") or {}
        if key in COMPUTED:
            return apart.at_once(key, state, COMPUTED[key])
        if key in HELPERS:
            return HELPERS[key](state)
        section = sections().get(key)
        if section is None or section.work:
            raise ValueError(f"There is no section {key[:40]!r} that answers at once.")
        return section.at_once(section.parse(state))
    except ValueError as error:
        return refusal(error)
    except Exception:
        log.exception("A section failed")
        return {"error": BROKEN}


def refusal(error: ValueError) -> Answer:
    return {"error": core.without_paths(str(error)), "field": error.field if isinstance(error, Refused) else ""}


def polite(function: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint whose refusals are one sentence, behind the argument's name, and whose failures are hidden behind one."""
    import gradio as gr

    def said(error: Exception) -> gr.Error:
        if not isinstance(error, ValueError):
            log.exception("%s failed", function.__name__)
            return gr.Error(BROKEN, print_exception=False)
        told = refusal(error)
        return gr.Error(": ".join(filter(None, [told["field"], told["error"]])), print_exception=False)

    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise said(error) from None

    def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from function(*args, **kwargs)
        except Exception as error:
            raise said(error) from None

    guarded: Any = steps if inspect.isgeneratorfunction(function) else once
    guarded.__name__, guarded.__doc__ = function.__name__, function.__doc__
    guarded.__signature__, guarded.__annotations__ = inspect.signature(function), function.__annotations__
    return guarded


# -- work: Gradio's queue ---------------------------------------------------------------------------------------------


def follow(section: str, state: dict[str, Any]) -> Iterator[Answer]:
    """The answers of a work section, one by one; a refusal is an answer too. It ends when the visitor stops listening."""
    try:
        found = _work_section(section)
        for answer in found.steps(found.parse(state)):
            yield answer.new if isinstance(answer, Whole) else answer
    except ValueError as error:
        yield refusal(error)
    except Exception:
        log.exception("A section failed")
        yield {"error": BROKEN}
    finally:
        core.give_back()


def _work_section(key: Any) -> Section:
    found = sections().get(key) if isinstance(key, str) else None
    if found is None or not found.work:
        raise ValueError(f"There is no section {str(key)[:40]!r} that works step by step.")
    return found


# -- what the page itself asks ----------------------------------------------------------------------------------------


def _model(state: Any) -> str:
    name: Any = state.get("model") if isinstance(state, Mapping) else None
    core.check_name(name)
    return name


def _hub_model(state: Any) -> Answer:
    """A checkpoint of the Hub joins; what the page is laid out from with it."""
    hub_checkpoints.join(state.get("repo") if isinstance(state, Mapping) else None)
    return {"spec": spec()}


def _examples(state: Any) -> Answer:
    """Strips of pictures to start from: of the model's kind, and of others."""
    return {
        "strips": [
            {"label": title, "pictures": [{"label": text, **pad} for text, pad in rows]}
            for title, rows in examples.strips(_model(state))
        ]
    }


def _upload(state: Any) -> Answer:
    """An uploaded file as the model sees pictures."""
    return {**pictures.read_picture(_file(state), _model(state))}


def _sketch(state: Any) -> Answer:
    """An uploaded drawing, or the edges of another picture, as a sheet."""
    return {**sketches.read_sketch(_file(state), _model(state))}


def _sketches(state: Any) -> Answer:
    """A strip of sketches to start from."""
    return {"pictures": [{"label": label, **pad} for label, pad in sketches.examples(_model(state))]}


def _file(state: Any) -> io.BytesIO:
    text = state.get("file") if isinstance(state, Mapping) else None
    if not isinstance(text, str):
        raise ValueError(pictures.NO_PICTURE)
    if not text:
        raise ValueError("The file is empty.")
    if len(text) > MAX_UPLOAD:
        raise ValueError("The file is too large; at most 10 MB are allowed.")
    try:
        return io.BytesIO(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("The file must come as base64.") from error


@functools.cache
def _about_text(key: str) -> str:
    shown = [family for family in core.kin(key) if family == key or core.available(family)]
    text = "\n\n".join(f"{core.about(family)}\n\n### Measured\n\n{metrics_table.figures(family)}" for family in shown)
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    table = '<div class="gm-scroll" tabindex="0" role="region" aria-label="Measured figures"><table>'
    return html.replace("<table>", table).replace("</table>", "</table></div>")


def _about(state: Any) -> Answer:
    key = state.get("tab") if isinstance(state, Mapping) else None
    if not isinstance(key, str) or key not in tabs() or not tabs()[key].is_family:
        raise ValueError(f"There is no family {str(key)[:40]!r}.")
    return {"html": _about_text(key)}


def _checked(question: Any) -> Answer:
    """What a link says of a section: the same values once they are checked, drawings as their bytes; note: that the weights
    here are others than the link's."""
    key: Any = question.get("section") if isinstance(question, Mapping) else None
    section = sections().get(key) if isinstance(key, str) else None
    if section is None:
        raise ValueError(f"There is no section {str(key)[:40]!r}.")
    values = question.get("state")
    state = section.parse(values)
    note = on_record.other_weights(values.get(state.subject))
    return {"state": {key: getattr(state, key) for key in values}} | ({"note": note} if note else {})


HELPERS: dict[str, Callable[[Any], Answer]] = {
    HUB_MODEL: _hub_model,
    "page.upload": _upload,
    "page.sketch": _sketch,
    "page.about": _about,
    "page.state": _checked,
}
#: Those that ask models: answered where the models are.
COMPUTED: dict[str, Callable[[Any], Answer]] = {
    "page.examples": _examples,
    "page.sketches": _sketches,
    "page.points": lambda state: latents.points(_model(state)),
}


def answers(key: str) -> apart.Answers:
    """What answers a section, or the page itself, step by step: for the processes that compute."""
    if key in COMPUTED:
        return apart.one_step(COMPUTED[key])
    section = sections()[key]
    return section.answer if section.work else apart.one_step(section.answer)


def compute_first(work: bool) -> Iterator[None]:
    """Computes what short sections begin with, about each of their models, a step for each: the first time takes up to a second
    longer, and leaves memory. Of work its first two answers, as the first often needs no network."""
    for section in sections().values():
        if section.lane != "cpu" or section.work != work:
            continue
        for state in section.beginnings():
            try:
                with contextlib.closing(answers(section.key)(state)) as first:  # type: ignore[type-var]
                    list(itertools.islice(first, 2))
            except Exception:  # who asks is told
                log.debug("%s has no answer to %s", section.key, state, exc_info=True)
            yield
