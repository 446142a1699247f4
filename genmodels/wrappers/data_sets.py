"""A data set made of a model's samples, to be downloaded as a zip; and what is said of each picture in words."""

import base64
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import captions, checkpoint, image_folder, operations
from genmodels.captions import PARTS, compose
from genmodels.data import to_float
from genmodels.experiments import results
from genmodels.image_folder import Caption, Collection, Order, Reader
from genmodels.operations import reads_captions
from genmodels.protocols import AnyModel, Classifies, Samples, SamplesStepwise
from genmodels.wrappers.core import class_index, describe, get_model, load_model, locked, locked_steps
from genmodels.wrappers.prompts import phrases
from genmodels.wrappers.section import Answer, Whole, packed
from genmodels.wrappers.state import EACH, NOT_TOLD, State, class_label, seed, told_class, whole

MOST, PREVIEW = 500, 16
FEW, A_STEP = 4, 0.2  # pictures at first; seconds that one step should take at most
#: How often a sentence says nothing of cloak, head, weapon or shield.
LEFT_OUT = 0.5
WHEN = (
    "It helps where real pictures are few and the generator knows more than they say, as a bundled one does, which saw the whole "
    "training split; a generator that saw only your few pictures has nothing to add, and shifting and turning them is cheaper."
)


def order(source: str, model: AnyModel, n: int, seed: int, label: int | str | None, **knobs: Any) -> Order:
    """What is to be drawn, with captions wherever they can be had: a model that reads them is told one for each picture, of
    others a classifier of the same pictures says what it sees, if it tells such parts apart.

    Raises ValueError for a class of a model that reads captions, and where there is no telling what to say to it.
    """
    if not reads_captions(model):
        return Order(source, n, seed, label, knobs=knobs, read=_reader(checkpoint.read_config(source)["data"]["name"]))
    if isinstance(label, int):
        raise ValueError("This model reads captions and knows no classes: leave the class out.")
    if "prompt" in knobs:
        return Order(source, n, seed, None, knobs=knobs)
    parts = phrases(source) if source in checkpoint.bundled() else {}
    if not parts:
        raise ValueError("This model reads captions, and which ones isn't known here: say one with --set prompt='…'.")
    return Order(source, n, seed, captions=tuple(_sentence(parts, seed + i) for i in range(n)), knobs=knobs)


def _sentence(parts: dict[str, list[str]], seed: int) -> Caption:
    chance = random.Random(seed)
    chosen = {part: chance.choice([phrase for phrase in offered if phrase]) for part, offered in parts.items()}
    kept = {part: phrase for part, phrase in chosen.items() if part in PARTS[:2] or chance.random() >= LEFT_OUT}
    return Caption(compose(**kept), kept["species"])


def _reader(data: str) -> Reader | None:
    """A sentence about each picture, as the referee of the data sees it; the species is the one that was asked for."""
    name = f"referee-{data}"
    parts = checkpoint.read_config(name)["data"].get("attributes", {}) if name in checkpoint.bundled() else {}
    if tuple(parts) != PARTS:
        return None

    def read(pixels: Tensor, classes: Sequence[str]) -> list[str]:
        seen = captions.read(operations.require(load_model(name), Classifies), to_float(pixels), parts)
        said = [{part: phrase for part, (phrase, _) in one.items()} for one in seen]
        return [
            compose(**one | ({"species": label} if label else {})) for one, label in zip(said, classes, strict=True)
        ]

    return read


# -- as a section ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataSetState(State):
    n: int = whole("Pictures", 100, 1, MOST)
    label: str = class_label(EACH, NOT_TOLD)
    seed: int = seed()


def make(state: DataSetState) -> Iterator[Answer]:
    """pictures: the first ones, as soon as they are drawn; in the end file: {name, type, bytes (base64)}, a zip of them all,
    with folders by class, metadata.jsonl and manifest.json; words: when such pictures help, as it was measured."""
    model = get_model(state.model, Samples)
    label: Any = told_class(state.label)
    if describe(state.model)["conditional"] and label not in (None, "balanced"):
        label = class_index(state.model, label)
    archive = image_folder.Zip(_begun(state, model, label))
    shown: list[Tensor] = []
    for done, pixels in locked_steps(_filled(archive, state.n)):
        told: Answer = {"progress": f"{done} of {state.n} drawn"}
        if pixels is None:
            if isinstance(model, SamplesStepwise):  # whoever has left is noticed between two answers
                yield told
            continue
        if sum(map(len, shown)) < PREVIEW:
            shown.append(pixels)
            told["pictures"] = packed(torch.cat(shown)[:PREVIEW])
        yield told
    content = archive.close()
    file = {
        "name": f"{state.model}_{state.n}_{state.seed}.zip",
        "type": "application/zip",
        "bytes": base64.b64encode(content).decode(),
    }
    said = f"Done: {state.n} picture{'s' * (state.n > 1)}, {len(content) / 1000:,.0f} kB"
    yield Whole(
        {"progress": said, "file": file, "words": verdict(), "done": True}, pictures=packed(torch.cat(shown)[:PREVIEW])
    )


@locked
def _begun(state: DataSetState, model: AnyModel, label: int | str | None) -> Collection:
    return Collection(order(state.model, model, state.n, state.seed, label), model)


def _filled(archive: image_folder.Zip, n: int) -> Iterator[tuple[int, Tensor | None]]:
    """Step by step, so that others have their turns in between: how many are drawn, and those that are new, if any are.
    More at a time until a step takes long."""
    done, size = 0, FEW
    while done < n:
        i, longest, start = range(done, min(done + size, n)), 0.0, time.perf_counter()
        for pixels in archive.add(i):
            longest = max(longest, time.perf_counter() - start)
            done = done if pixels is None else i.stop
            yield done, pixels
            start = time.perf_counter()
        if longest < A_STEP / 2:
            size = min(2 * size, image_folder.BATCH)


def verdict() -> str:
    """What the experiment found, if there are results that hold, and when generated pictures help."""
    try:
        measured = str(results.holding("augmentation")["reading"])
    except ValueError:
        measured = "How much, has not been measured here yet."
    return f"{WHEN} {measured}"
