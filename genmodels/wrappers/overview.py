"""All families on one page: what each of them makes of a picture, and how they relate. By ability; no family is listed."""

import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from genmodels import protocols
from genmodels.models.base import Model
from genmodels.protocols import AnyModel
from genmodels.registry import get_family, representatives
from genmodels.wrappers import (
    autoregressive,
    bottleneck,
    core,
    diffusion,
    discriminator,
    flows,
    latents,
    likelihoods,
    on_record,
    projection,
)
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, Whole, pictures, share
from genmodels.wrappers.state import Choices, DataState, FreeState, drawing, field, seed

NOISE = 0.6  # the share of noise through which a denoiser looks
SOUGHT = 150  # steps: the better half of what more would find, in half the time
MADE = 4  # endings, variations, neighbours: as many as make a square
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeeState(DataState):
    picture: str = drawing()
    seed: int = seed()
    families: list[str] = field(  # the page asks the quick ones apart from the others
        Choices(
            label="Families",
            default=lambda model: list(readable()),
            choices=lambda model: [(family, family) for family in readable()],
            most=16,
            shown=False,
        )
    )


class Rank(NamedTuple):
    """Where a picture stands among test images: `percent` of the way from what is said on the left to the right."""

    percent: float
    left: str
    right: str


def slot(title: str, kind: str, value: Any, **more: Any) -> Answer:
    """A part of a reading: how it is drawn ("picture", "map", "histogram"), and what."""
    return {"title": title, "kind": kind, "value": value} | more


def reading(model: str, slots: list[Answer], words: str = "", rank: Rank | None = None) -> Answer:
    return {"model": model, "slots": slots, "words": words, "rank": rank and rank._asdict()}


# -- what each ability makes of a picture ------------------------------------------------------------------------------


def rebuild(model: str, state: SeeState) -> Answer:
    """By what passes through a bottleneck."""
    seen = bottleneck.through(bottleneck.ThroughState(model, state.picture, "", 0.0, state.seed))
    slots = [slot("Rebuilt", "picture", seen["reconstruction"]), slot("Difference", "picture", seen["difference"])]
    return reading(model, slots, seen["words"], Rank(seen["percentile"], "easy to rebuild", "hard"))


def place(model: str, state: SeeState) -> Answer:
    """On the map of codes, and what else lies in the same cloud. The map is another model's: one of two numbers."""
    flat = flat_of(model)
    at, pad = flat or model, state.pad_of("picture")
    near = latents.neighbours(at, pad)
    made = latents.varied(latents.VariationsState(model, state.picture, 3.0, state.seed), MADE)
    if flat:
        first = slot("On its map", "map", latents.where(latents.PictureState(flat, state.picture)), model=flat)
    else:
        middle = latents.varied(latents.VariationsState(model, state.picture, 0.0, state.seed), 1)
        first = slot("From its code", "picture", pictures(middle))
    slots = [first, slot("Variations", "picture", pictures(made))]
    if near is None:
        return reading(model, slots)
    words = (
        f"**{near['count']} of its {near['of']}** nearest test images are **{near['label']}**; it lies farther out than "
        f"**{share(near['farther'])}** of all."
    )
    return reading(model, slots, words, Rank(near["farther"], "in the middle", "far out"))


def flat_of(model: str) -> str | None:
    """Of its family, the model with a map of the same data."""
    info = core.describe(model)
    return next(
        (name for name in _models(info["family"], info["data"]) if core.describe(name)["latent_dim"] == 2), None
    )


def judge(model: str, state: SeeState) -> Answer:
    """By a critic; and which pictures of its generator come closest."""
    seen = discriminator.look(discriminator.CriticState(model, state.picture))
    slots = [slot("Real ↑, its own ↓", "histogram", seen["realism"])]
    nearest = pictures(discriminator.nearest_own(model, state.pad_of("picture"), MADE))
    slots.append(slot(f"Its nearest of {discriminator.OWN}", "picture", nearest))
    return reading(model, slots, seen["words"], Rank(seen["above_test"], "looks generated", "looks real"))


def approach(model: str, state: SeeState) -> Iterator[Answer]:
    """What its generator comes to when it is made to draw the picture."""
    for now, _ in projection.sought(model, state.pad_of("picture"), "w+", None, state.seed, SOUGHT):
        found = slot("Closest it can draw", "picture", pictures(now.images.clamp(-1, 1)), place=1)
        yield {"model": model, "slots": [found]}


def invert(model: str, state: SeeState) -> Answer:
    """To noise and back, without loss."""
    trip = flows.round_trip(model, state.pad_of("picture"))
    slots = [
        slot("As noise", "picture", flows.code_picture(trip.code)),
        slot("And back", "picture", pictures(trip.decoded)),
    ]
    cost = likelihoods.verdict(latents.PictureState(model, state.picture))
    return reading(model, slots, cost["words"], _likelihood_rank(cost))


def write(model: str, state: SeeState) -> Answer:
    """What is given to be finished, and what the whole picture costs."""
    x = from_pad(model, state.pad_of("picture"))[0]
    x[:, :, x.shape[2] // 2 :] = 0
    cost = likelihoods.verdict(latents.PictureState(model, state.picture))
    return reading(model, [slot("Upper half", "picture", pictures(x))], cost["words"], _likelihood_rank(cost))


def write_on(model: str, state: SeeState) -> Iterator[Answer]:
    """Its lower half, written anew."""
    begun = autoregressive.FinishState.parse(
        {"model": model, "picture": state.picture, "n": MADE, "seed": state.seed}, [model]
    )
    for answer in autoregressive.finish(begun):
        if answer.get("done"):
            yield {"model": model, "slots": [slot("Finished", "picture", answer["samples"], place=1)]}
        else:
            yield {"progress": answer["progress"]}


def drown(model: str, state: SeeState) -> Answer:
    """In noise, and what is seen in it at one look."""
    look = diffusion.first_look(noisy(model, state, 1))
    return reading(
        model,
        [slot("With noise", "picture", pictures(look.noisy)), slot("Seen in it", "picture", pictures(look.clean))],
    )


def restore(model: str, state: SeeState) -> Iterator[Answer]:
    """What comes back from the noise, and how much harder it was to see than a test image."""
    begun = noisy(model, state, MADE)
    for answer in diffusion.denoise(begun):
        frame = answer["film"].get("frame")
        if frame and frame["clean"]:
            yield {"model": model, "slots": [slot("Denoised", "picture", frame["clean"], place=1)]}
    found = diffusion.harder_than(begun)
    if found is None:
        return
    harder, among = found
    words = f"Harder to see through {100 * NOISE:.0f} % of noise than **{share(harder)}** of {among} test images."
    yield {"model": model, "words": words, "rank": Rank(harder, "easy to see", "hard")._asdict()}


def noisy(model: str, state: SeeState, n: int) -> diffusion.DenoiseState:
    """How a denoiser is shown the picture."""
    values = {"model": model, "picture": state.picture, "t": NOISE, "n": n, "seed": state.seed}
    return diffusion.DenoiseState.parse(values, [model])


def _likelihood_rank(cost: Answer) -> Rank:
    return Rank(cost["likelier_than"], "unlikely", "likely")


class Reader(NamedTuple):
    """What models with some abilities make of a picture: at once, and step by step after that."""

    needs: tuple[type[AnyModel], ...]
    at_once: Callable[[str, SeeState], Answer]
    then: Callable[[str, SeeState], Iterator[Answer]] | None = None


#: The first one whose needs a family fulfils is its own.
READERS = [
    Reader((protocols.Denoises,), drown, restore),
    Reader((protocols.WritesRows,), write, write_on),
    Reader((protocols.ShowsLayers,), invert),
    Reader((protocols.Judges, protocols.HasStyles), judge, approach),
    Reader((protocols.Judges, protocols.Samples), judge),
    Reader((protocols.HasPosterior,), place),
    Reader((protocols.Encodes, protocols.Decodes), rebuild),
]


@functools.cache
def readers() -> dict[str, Reader]:
    """What reads a picture for each family that has the abilities for it, by name."""
    found: dict[str, Reader] = {}
    for family in representatives():
        can = protocols.abilities_of(get_family(family))
        reader = next((reader for reader in READERS if all(need in can for need in reader.needs)), None)
        if reader:
            found[family] = reader
    return found


def readable() -> dict[str, list[str]]:
    """The models here of each of these families that has any."""
    here = {family: core.available_of_kin(family) for family in readers()}
    return {family: names for family, names in here.items() if names}


def models() -> list[str]:
    """Of all these families."""
    return [name for names in readable().values() for name in names]


def _model(family: str, data: str) -> str:
    """The general one for a data set."""
    names = _models(family, data)
    if not names:
        raise ValueError(on_record.no_model(family, data))
    return names[0]


def _models(family: str, data: str) -> list[str]:
    return on_record.of_data(data, core.available_of_kin(family))


# -- as sections -------------------------------------------------------------------------------------------------------


def see(state: SeeState) -> Answer:
    """families: what each makes of the picture in one pass, by name: {model, slots: its parts, words, rank: {percent, left,
    right} among test images}, or {error}: one that is missing or broken says so, and leaves the others alone."""
    return {"families": {family: _one(family, state) for family in state.families}}


def _one(family: str, state: SeeState) -> Answer:
    try:
        return readers()[family].at_once(_model(family, state.data), state)
    except Exception as error:
        return {"error": on_record.why_failed(log, family, error)}


def fill(state: SeeState) -> Iterator[Answer]:
    """families: what takes many steps, in turn: a part {model, slots (each with its place), words, rank} or {progress} of
    one family, and in the end all parts together."""
    whole: dict[str, Answer] = {}
    asked = {family: readers()[family].then for family in state.families}
    running = {family: _steps(family, then, state) for family, then in asked.items() if then}
    while running:
        for family, steps in list(running.items()):
            part = next(steps, None)
            if part is None:
                del running[family]
                continue
            if "progress" not in part:
                whole[family] = whole.get(family, {}) | part
            yield {"families": {family: part}}
    yield Whole({"done": True}, families=whole)


def _steps(family: str, then: Callable[[str, SeeState], Iterator[Answer]], state: SeeState) -> Iterator[Answer]:
    try:
        yield from then(_model(family, state.data), state)
    except Exception as error:
        yield {"error": on_record.why_failed(log, family, error)}


#: What is asked of each family: a word, and the whole question.
QUESTIONS = {
    "code": ("Code", "Does it turn a picture into a code?"),
    "inverse": ("Way back", "Does the code give the picture back?"),
    "likelihood": ("Likelihood", "Does it say how likely a picture is?"),
    "passes": ("Drawing", "How many passes of its network does a new picture take?"),
    "critic": ("Critic", "Does it say how real a picture looks?"),
}


class Cell(NamedTuple):
    """How much of what is asked a family has: 0 none, 1 in a way, 2 all; and in a word."""

    much: int
    word: str


def relations(state: FreeState) -> Answer:
    """columns: {key, title, question}; rows: by family, for each column {much: 0 no, 1 in a way, 2 yes; word}. Made from what
    the families' models can do."""
    return {
        "relations": {
            "columns": [{"key": key, "title": title, "question": asked} for key, (title, asked) in QUESTIONS.items()],
            "rows": {
                family: {key: cell._asdict() for key, cell in _facts(get_family(family)).items()}
                for family in representatives()
                if core.available_of_kin(family)
            },
        }
    }


def _facts(family: type[Model]) -> dict[str, Cell]:
    can = {ability.__name__ for ability in protocols.abilities_of(family)}
    no = Cell(0, "no")
    likely = Cell(1, "a bound") if getattr(family, "likelihood_is_bound", False) else Cell(2, "exactly")
    step_by_step = "SamplesStepwise" in can and "ShowsLayers" not in can  # the layers of one pass can be shown, too
    return {
        "code": Cell(2, "yes") if "Encodes" in can else Cell(1, "to draw from") if "SamplesCodes" in can else no,
        "inverse": Cell(2, "exactly")
        if "ShowsLayers" in can
        else Cell(1, "nearly")
        if {"Encodes", "Decodes"} <= can
        else no,
        "likelihood": likely if "HasLikelihood" in can else no,
        "passes": no if "Samples" not in can else Cell(1, "many") if step_by_step else Cell(2, "one"),
        "critic": Cell(2, "yes") if "Judges" in can else no,
    }
