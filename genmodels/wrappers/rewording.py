"""A hero told otherwise: read into a caption, inverted, and drawn again under other words (see genmodels/rewording.py).

As image editors change one thing of a photograph by a sentence (Prompt-to-Prompt, Hertz et al. 2022, arXiv 2208.01626).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import captions, checkpoint, operations
from genmodels.captions import PARTS, compose, parts_of
from genmodels.data import to_float, to_uint8
from genmodels.models.base import seeded
from genmodels.protocols import Classifies, Predicts, Samples
from genmodels.rewording import GUIDANCE, STEPS, UNCHANGED, invert, reword
from genmodels.wrappers.core import describe, get_model, locked, locked_steps, timed
from genmodels.wrappers.denoisers import MOST_GUIDANCE, text_models
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.prompts import Part, Sentence, phrases, prompt_tokens, unknown_words
from genmodels.wrappers.section import Answer, Whole, pictures, share
from genmodels.wrappers.state import Refused, State, choice, drawing, field, real, whole
from genmodels.wrappers.state import seed as seed_field

KEEP = "as it is"
PAD, SEED = "pad", "seed"
BEGIN = [["the picture on the pad", PAD], ["a new hero, of the seed", SEED]]
MOST_STEPS = 50
SURE = 0.6  # the probability from which on the referee isn't said to be unsure
HEEDED = "More follows the words more closely, and keeps less."
EMPTY = "The picture is empty: draw a hero, choose one or upload one."


def models() -> list[str]:
    """The models of captions whose pictures a referee can read."""
    names = [name for name in text_models() if phrases(name)]
    return [name for name in names if describe(name)["shape"] == describe(_referee(name))["shape"]]


def _referee(name: str) -> str:
    return f"referee-{describe(name)['data']}"


# -- fields ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Known(Sentence):
    """A sentence of words that the model knows: others would change nothing, and say so nowhere."""

    def check(self, value: Any, model: str) -> str:
        text = super().check(value, model)
        if unknown := unknown_words(model, text) if text else []:
            raise ValueError(
                f"The model has never read {', '.join(f'“{word[:40]}”' for word in unknown[:5])}: choose from the parts below, or write in their words."
            )
        return text


@dataclass(frozen=True, kw_only=True)
class Change(Part):
    """What becomes of a part of the sentence: it stays, or is another one; "" = without."""

    def check(self, value: Any, model: str) -> str:
        return value if value == KEEP else super().check(value, model)

    def fit(self, model: str) -> dict[str, Any]:
        choices = [KEEP, *super().fit(model)["choices"]]
        return {"default": self.default if self.default in choices else KEEP, "choices": choices, "keep": KEEP}


def sentence(label: str, info: str) -> Any:
    return field(Known(label=label, default="", info=info))


def changed(part: str, label: str, default: str = KEEP) -> Any:
    return field(Change(label=label, part=part, default=default))


@dataclass(frozen=True)
class RewordState(State):
    start: str = choice("Begin with", PAD, BEGIN, info="Your own must be a hero, 32 by 32 pixels in colour.")
    picture: str = drawing()
    seed: int = seed_field()
    caption: str = sentence("What it shows", "As the referee reads it: correct it if it is wrong.")
    prompt: str = sentence("Draw it as", "What it shows with the changes below, or your own words.")
    species: str = changed("species", "Who")
    body: str = changed("body", "Dressed in")
    cloak: str = changed("cloak", "Cloak", "a red cloak")
    head: str = changed("head", "On the head")
    weapon: str = changed("weapon", "Weapon")
    shield: str = changed("shield", "Shield")
    strength: float = real("Strength", 1.0, 0.3, 1, info="How far back into noise: with less, less changes.")
    guidance_scale: float = real("Guidance", GUIDANCE, 0, MOST_GUIDANCE, info=HEEDED, advanced=True)
    num_inference_steps: int = whole("Steps there, and back", STEPS, 2, MOST_STEPS, advanced=True)


# -- the section -------------------------------------------------------------------------------------------------------


def change(state: RewordState) -> Iterator[Answer]:
    """caption, prompt: what it shows, and what it is drawn as. gallery: the picture, the noise it is inverted to, what is drawn, and
    where that differs. In the end compared: {before, after}; words; kept: the share of pixels that are as they were, in %."""
    x = _begun(state)
    read = _read(state.model, x)
    told = _told(state, read)
    yield {**told, "gallery": _gallery(x), "progress": "Read"}
    steps, model = state.num_inference_steps, get_model(state.model, Predicts)  # loaded before the clock runs
    for i, ((noise, drawn), ms) in enumerate(locked_steps(timed(_way(model, state, x, told)))):
        gallery = _gallery(x, noise, drawn)
        where = "Into noise" if i < steps else "And back"
        if drawn is None or i < 2 * steps:
            yield {"gallery": gallery, "progress": f"{where}: step {i % steps + 1} of {steps}"}
            continue
        y = to_float(to_uint8(drawn))
        kept = 100 * float(((y - x).abs().amax(1) <= UNCHANGED).float().mean())
        new = {
            "compared": {"before": pictures(x), "after": pictures(y), "titles": [*told.values()]},
            "words": _said(state, told, read, _read(state.model, y), kept),
            "kept": kept, "ms": ms, "progress": f"Done, {ms:.0f} ms of computing", "done": True,
        }  # fmt: skip
        yield Whole(new, **told, gallery=gallery)


def _way(
    model: Predicts, state: RewordState, x: Tensor, told: dict[str, str]
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The noise so far, and once that is all there what is drawn from it, a step further each time; the last is the result."""
    before, after = prompt_tokens(state.model, [*told.values()]).split(1)
    for way in invert(model, x, before, strength=state.strength, steps=state.num_inference_steps):
        yield way.noisy[-1], None
    for step in reword(model, way, before, after, guidance_scale=state.guidance_scale):
        yield way.noisy[-1], step.clean


@locked
def _begun(state: RewordState) -> Tensor:
    """The picture `(1, C, H, W)`, of 8 bits."""
    if state.start == SEED:
        model = get_model(state.model, Samples)
        drawn = model.sample(operations.as_labels(model, 1, None), generators=seeded([state.seed]))
        return to_float(to_uint8(drawn))
    x = from_pad(state.model, state.pad_of("picture"))[0]
    if bool((x == x[..., :1, :1]).all()):
        raise Refused(EMPTY, "picture")
    return x


@locked
def _read(name: str, x: Tensor) -> dict[str, tuple[str, float]]:
    """What the referee sees in a picture: for each part of a sentence a phrase and its probability."""
    referee = _referee(name)
    parts = checkpoint.read_config(referee)["data"]["attributes"]
    return captions.read(get_model(referee, Classifies), x, parts)[0]


def _told(state: RewordState, read: dict[str, tuple[str, float]]) -> dict[str, str]:
    """The words of before and after."""
    caption = state.caption or compose(**{part: phrase for part, (phrase, _) in read.items()})
    wanted = {part: value for part, value in state.picked(*PARTS).items() if value != KEEP}
    parts = parts_of(caption, phrases(state.model)) | wanted
    if not (state.prompt or parts["species"]):
        raise Refused("Say who it is: a sentence needs a species.", "caption")
    return {"caption": caption, "prompt": state.prompt or compose(**parts)}


def _gallery(x: Tensor, noise: Tensor | None = None, drawn: Tensor | None = None) -> Answer:
    shown = {"Before": x, "Its noise": noise, "Drawn again": drawn}
    if drawn is not None:
        shown["Where it changed"] = 1 - (drawn - x).abs().amax(1, keepdim=True).expand_as(x)
    here = {title: images for title, images in shown.items() if images is not None}
    return {"pictures": pictures(torch.cat([*here.values()]).clamp(-1, 1)), "titles": [[title] for title in here]}


def _said(
    state: RewordState,
    told: dict[str, str],
    read: dict[str, tuple[str, float]],
    now: dict[str, tuple[str, float]],
    kept: float,
) -> str:
    """What the referee thinks of it."""
    known = phrases(state.model)
    old, new = (parts_of(sentence, known) for sentence in told.values())
    asked = [part for part in PARTS if old[part] != new[part]]
    pixels = f"{share(kept)} of the pixels are as they were."
    unsure = [part for part in PARTS if read[part][1] < SURE and not state.caption]
    doubt = f" It wasn’t sure of the **{' and '.join(unsure)}** before: correct it if it is wrong." if unsure else ""
    if not asked:
        return f"The same words: the picture comes back. {pixels.capitalize()}{doubt}"
    done = [_named(new[part], part) for part in asked if now[part][0] == new[part]]
    missed = [
        f"{_named(now[part][0], part)} for {_named(new[part], part)}" for part in asked if now[part][0] != new[part]
    ]
    others = [
        f"{_named(now[part][0], part)} for {_named(read[part][0], part)}"
        for part in PARTS
        if part not in asked and now[part][0] != read[part][0]
    ]
    seen = f"The referee sees **{', '.join(done)}**" if done else "The referee doesn’t see what was asked"
    taken = f", but takes it to have **{', '.join(missed)}**" if missed else ""
    rest = f"; beside that it sees **{', '.join(others)}**" if others else ", and the rest as before"
    return f"{seen}{taken}{rest}. {pixels.capitalize()}{doubt}"


def _named(phrase: str, part: str) -> str:
    return phrase or f"no {part}"
