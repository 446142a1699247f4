"""One picture, damaged as old ones are, and what each family makes of it beside a filter that knows nothing of pictures."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels.device import here
from genmodels.protocols import (
    AnyModel,
    Completes,
    Decodes,
    Denoises,
    Encodes,
    HasPosterior,
    ShowsLayers,
    abilities_of,
)
from genmodels.registry import get_family, representatives
from genmodels.repair import HALF, Damaged, by_hand, damage, mend
from genmodels.wrappers import core, on_record
from genmodels.wrappers.bottleneck import finite_psnr
from genmodels.wrappers.core import get_model, locked, locked_steps
from genmodels.wrappers.denoisers import takes_few_steps
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, Whole, pictures
from genmodels.wrappers.state import DataState, choice, drawing, real
from genmodels.wrappers.state import seed as seed_field

PULSE = 0.15  # seconds between two pictures on the way
KINDS = [
    ["Scratches", "scratches"], ["Missing blocks", "blocks"], ["Noise", "noise"],
    ["Half resolution: super-resolution ×2", HALF],
]  # fmt: skip
BY_HAND = {HALF: "Bicubic"}
log = logging.getLogger(__name__)


def mends(family: str) -> bool:
    """What fills in or takes away noise; and what pushes pictures through few numbers, without drawing new ones."""
    can = abilities_of(get_family(family))
    return (
        Completes in can
        or Denoises in can
        or ({Encodes, Decodes} <= {*can} and not {HasPosterior, ShowsLayers} & {*can})
    )


def models() -> list[str]:
    """The general model of each such family for each data set, the ones that know most kinds of damage first."""
    families = sorted(filter(mends, representatives()), key=lambda f: Denoises not in abilities_of(get_family(f)))
    names = [name for family in families for name in core.available(family) if _is_general(name)]
    return on_record.first_of_each(names)


def _is_general(name: str) -> bool:
    """Trained for classes or nothing, and for as many steps as one likes."""
    return Denoises not in abilities_of(get_family(core.describe(name)["family"])) or not takes_few_steps(name)


@dataclass(frozen=True)
class RepairState(DataState):
    picture: str = drawing()
    damage: str = choice("Damage", "scratches", KINDS)
    strength: float = real("How much", 0.5, 0.05, 1, info="Half resolution is always the same.")
    seed: int = seed_field()


def repair(state: RepairState) -> Iterator[Answer]:
    """gallery: the picture as given, what is left of it, what a filter makes of that, and each family, titled with their PSNR
    against the picture as given; the closest marked. words: who has no means against this damage, and why."""
    x, left = _damaged(state)
    seen: dict[str, Tensor] = {"Yours": x, "Damaged": left.seen.clamp(-1, 1)}
    seen[BY_HAND.get(state.damage, "Median filter")] = by_hand(left, state.damage)
    cannot: list[str] = []
    yield _told(seen, cannot) | {"progress": "Damaged"}
    for name in on_record.of_data(state.data, models()):
        title, sent = core.describe(name)["kind"], 0.0
        try:
            steps = locked_steps(mend(get_model(name, AnyModel), left, state.damage, [state.seed]))
            for images in steps:
                seen[title] = images
                if time.perf_counter() - sent >= PULSE:
                    sent = time.perf_counter()
                    yield _told(seen, cannot) | {"progress": f"{title} at work"}
        except Exception as error:
            cannot.append(f"**{title}** has no answer: {on_record.why_failed(log, name, error)}")
    done = _told(seen, cannot)
    yield Whole({"progress": "Done", "done": True, **done}, psnr={k: finite_psnr(v, x) for k, v in seen.items()})


@locked
def _damaged(state: RepairState) -> tuple[Tensor, Damaged]:
    x = from_pad(state.model, state.pad_of("picture"))[0].to(here())
    return x, damage(x, state.damage, state.strength, [state.seed])


def _told(seen: dict[str, Tensor], cannot: list[str]) -> Answer:
    x = seen["Yours"]
    dB = {title: finite_psnr(made, x) for title, made in seen.items() if title != "Yours"}
    best = max(dB, key=lambda title: dB[title])
    titles = [["Yours", "\u00a0"], *([title, f"{value:.1f} dB"] for title, value in dB.items())]
    gallery = {
        "pictures": pictures(torch.cat([*seen.values()])),
        "titles": titles,
        "marked": [title == best for title in seen],
    }
    return {"gallery": gallery, "words": " ".join(["Decibels of PSNR against your picture: more is closer.", *cannot])}
