"""What each family mends of a damaged picture, beside the filters that know nothing of pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import DATASETS
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import generators, part, rounded, shuffled, split, unmeasured
from genmodels.experiments.projection import cpu_seconds, quality
from genmodels.models.base import Model
from genmodels.protocols import Completes, Decodes, Denoises, Encodes, HasPosterior, ShowsLayers, abilities_of
from genmodels.registry import get_family
from genmodels.repair import DAMAGES, HALF, Damaged, by_hand, damage, mend

NOTHING, HAND = "nothing", "filter"
AT_ONCE = 20
SAID = {kind: kind.capitalize() for kind in DAMAGES} | {HALF: "Half the resolution"}
FIGURES = ("psnr", "worst", "seconds")


@dataclass(frozen=True)
class RepairSettings(Settings):
    n: int = 200  # test pictures of each data set
    strength: float = 0.5
    seed: int = 0


def units(s: RepairSettings) -> Iterator[Unit]:
    for data in DATASETS:
        for kind in DAMAGES if generators(data) else ():
            yield Unit(f"{data}-{kind}-none", HAND, data, partial(without, s, data, kind), cost=0.1)
            for name in menders(data):
                family = checkpoint.read_config(name)["family"]
                cost = 0.1 if family == "autoencoder" else 1.0
                yield Unit(
                    f"{data}-{kind}-{name}", family, data, partial(mended, s, data, kind, name, family), (name,), cost
                )


def menders(data: str) -> list[str]:
    """The first model of every family that fills in, takes noise away, or pushes pictures through few numbers."""
    first: dict[str, str] = {}
    for name in generators(data):
        config = checkpoint.read_config(name)
        can = abilities_of(get_family(config["family"]))
        fills = Completes in can or Denoises in can
        if (
            fills or ({Encodes, Decodes} <= {*can} and not {HasPosterior, ShowsLayers} & {*can})
        ) and "-fast" not in name:
            first.setdefault(config["family"], name)
    return list(first.values())


def without(s: RepairSettings, data: str, kind: str, lab: Lab) -> list[Row]:
    """The damage itself, and what is usual without a model."""
    x, left = _damaged(s, data, kind)
    hand = "bicubic enlargement" if kind == HALF else "median filter"
    ways = {(NOTHING, "as damaged"): lambda: left.seen.clamp(-1, 1), (HAND, hand): lambda: by_hand(left, kind)}
    rows = []
    for (way, model), run in ways.items():
        seconds, made = cpu_seconds(run)
        row = {"data": data, "damage": kind, "way": way, "model": model, "seconds": seconds / len(x)}
        rows.append(row | quality(metrics.mean_squared_error(made, x)))
    return rounded(rows)


def mended(s: RepairSettings, data: str, kind: str, name: str, family: str, lab: Lab) -> list[Row]:
    model = checkpoint.load(name, device="cpu")
    x, left = _damaged(s, data, kind)
    row = {"data": data, "damage": kind, "way": family, "model": name}
    errors, spent = [], 0.0
    for start in range(0, len(x), AT_ONCE):
        lab.report(start / len(x))
        some = slice(start, start + AT_ONCE)
        few, seeds = Damaged(left.seen[some], left.given[some], left.sigma), range(s.seed, s.seed + len(x))[some]
        try:
            seconds, made = cpu_seconds(partial(last, model, few, kind, seeds))
        except ValueError as error:
            return [row | unmeasured((*FIGURES, "n"), str(error))]
        spent += seconds
        errors.append(metrics.mean_squared_error(made, x[some]))
    return rounded([row | quality(torch.cat(errors)) | {"seconds": spent / len(x)}])


@torch.no_grad()
def last(model: Model, left: Damaged, kind: str, seeds: range) -> Tensor:
    *_, whole = mend(model, left, kind, seeds)
    return whole.clamp(-1, 1)


def _damaged(s: RepairSettings, data: str, kind: str) -> tuple[Tensor, Damaged]:
    images = split(data, "test")
    if s.n > len(images):
        raise ValueError(f"There are {len(images)} test pictures of {data}: n can't be {s.n}.")
    x, _ = part(images, shuffled(len(images), s.seed)[: s.n])[:]
    return x, damage(x, kind, s.strength, range(s.seed, s.seed + s.n))


def protocol(s: RepairSettings) -> str:
    return (
        f"{s.n} test pictures of each data set, each with a damage of its own (strength {s.strength:g}; noise of that standard deviation "
        "in [-1, 1] units); where it lies is told, a class is not. The median filter takes 3x3 pixels, of a hole those that are "
        "there; half resolution keeps every second pixel of every second row, which bicubic interpolation joins. Models that draw are asked for one "
        "picture each, with their own settings: a mean of several would come closer, and be blurred. PSNR in dB from the mean squared "
        "error over all pixels of all pictures, given ones too, and that of the picture which is worse than nine of ten; CPU seconds of a picture "
        f"on one thread, {AT_ONCE} at once."
    )


def reading(rows: list[Row]) -> str:
    said = []
    for kind in DAMAGES:
        known = [row for row in rows if row["damage"] == kind and row["psnr"] is not None and row["way"] != NOTHING]
        best = [
            max(group, key=lambda row: row["psnr"])
            for data in DATASETS
            if (group := [r for r in known if r["data"] == data])
        ]
        if best:
            each = ", ".join(f"{row['way']} ({row['psnr']:.1f} dB, {DATASETS[row['data']].title})" for row in best)
            said.append(f"{SAID[kind]}: {each}")
    return f"What comes closest to the whole picture. {'; '.join(said)}." if said else "Nothing has been mended yet."


EXPERIMENT = Experiment(
    name="repair",
    title="Repair",
    settings=RepairSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("damage", "Damage"),
        Column("way", "Mended by"),
        Column("model", "With"),
        Column("psnr", "PSNR", "dB", 1),
        Column("worst", "Nine of ten reach", "dB", 1),
        Column("seconds", "CPU time", "s", 3),
        Column("n", "Pictures tried"),
    ),
    plots=(Plot("PSNR by damage", "damage", "psnr", ("way",), "data"),),
)
