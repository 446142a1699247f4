"""Which score knows pictures of another kind? Every model that can tell, against other data sets and simple pictures."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from genmodels import anomaly, checkpoint, metrics
from genmodels.data import DATASETS, fit_picture, to_float, to_picture
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import DRAWN_AT_ONCE, able_models, rounded, share, shuffled, split, unmeasured
from genmodels.protocols import Decodes, Encodes, HasLikelihood, Judges, abilities_of
from genmodels.registry import get_family

FIGURES = ("auc", "caught")
NOISE, CONSTANT, INVERTED, SCRAMBLED = "noise", "one grey level", "own, inverted", "own, pixels shuffled"
MADE = (NOISE, CONSTANT, INVERTED, SCRAMBLED)
FALSE_ALARMS = 5  # percent


@dataclass(frozen=True)
class AnomalySettings(Settings):
    usual: int = 1000  # test pictures of a model's own data
    strange: int = 500  # of each other kind
    seed: int = 0


def units(s: AnomalySettings) -> Iterator[Unit]:
    for data, models in able_models(can_tell):
        for name, family in models:
            if name == f"{get_family(family).short_name or family}-{data}":
                yield Unit(name, family, data, partial(of_model, s, data, name, family), (name,), cost=1.0)


def can_tell(family: str) -> bool:
    """Whether `anomaly.scores` says something of a family's models."""
    able = abilities_of(get_family(family))
    return HasLikelihood in able or Judges in able or (Encodes in able and Decodes in able)


def of_model(s: AnomalySettings, data: str, name: str, family: str, lab: Lab) -> list[Row]:
    """A row for each score and each kind of pictures; where a data set isn't here, why."""
    model = checkpoint.load(name, device="cpu")
    kinds = [other for other in DATASETS if other != data] + list(MADE)

    def scores(pixels: Tensor, part: int) -> dict[str, Tensor]:
        found: list[dict[str, Tensor]] = []
        for i, some in enumerate(parts := pixels.split(DRAWN_AT_ONCE)):
            lab.report((part + i / len(parts)) / (len(kinds) + 1))
            found.append(anomaly.scores(model, to_float(some)))
        return {key: torch.cat([each[key] for each in found]) for key in found[0]}

    usual = scores(own(data, s.usual, s.seed), 0)
    rows: list[Row] = []
    for i, kind in enumerate(kinds):
        about = {"data": data, "family": family, "model": name, "against": TITLES.get(kind, kind)}
        try:
            strange = scores(strangers(data, kind, s.strange, s.seed), i + 1)
        except ValueError as error:
            rows += [about | {"score": score} | unmeasured((*FIGURES, "n"), str(error)) for score in usual]
            continue
        rows += [about | {"score": score} | told(usual[score], strange[score]) for score in usual]
    return rounded(rows)


TITLES = {name: info.title.lower() for name, info in DATASETS.items()}


def told(usual: Tensor, strange: Tensor) -> Row:
    """How well a score tells the one from the other: the ROC AUC, and the share of strange ones above all but 5 % of the usual."""
    area = metrics.roc_auc(usual, strange)
    low, high = metrics.roc_auc_interval(area, len(usual), len(strange))
    above = int((strange > usual.double().quantile(1 - FALSE_ALARMS / 100)).sum())
    caught = share("caught", above, len(strange))
    return {"auc": area, "auc_low": low, "auc_high": high, **caught, "n": len(strange)}


@functools.lru_cache(maxsize=4)
def own(data: str, n: int, seed: int) -> Tensor:
    """Some of the test pictures, uint8."""
    pixels = split(data, "test").pixels
    return pixels[shuffled(len(pixels), seed)[:n]]


@functools.lru_cache(maxsize=16)
def strangers(data: str, kind: str, n: int, seed: int) -> Tensor:
    """n pictures of another kind, uint8 in the shape of `data`; ValueError if that kind is a data set that isn't here."""
    info = DATASETS[data]
    rng = torch.Generator().manual_seed(seed)
    if kind == NOISE:
        return torch.randint(256, (n, *info.shape), generator=rng, dtype=torch.uint8)
    if kind == CONSTANT:
        levels = torch.randint(256, (n, info.shape[0], 1, 1), generator=rng, dtype=torch.uint8)
        return levels.expand(n, *info.shape).contiguous()
    if kind == INVERTED:
        return 255 - own(data, n, seed)
    if kind == SCRAMBLED:
        return (
            own(data, n, seed)
            .flatten(2)[:, :, torch.randperm(info.shape[1] * info.shape[2], generator=rng)]
            .view(-1, *info.shape)
        )
    other = own(kind, n, seed)
    background = DATASETS[kind].background
    fitted = torch.from_numpy(np.stack([fit_picture(to_picture(p), info.shape, background) for p in other]))
    return fitted if background == info.background else 255 - fitted


def protocol(s: AnomalySettings) -> str:
    return (
        f"Every bundled model scores {s.usual} test pictures of its own data and {s.strange} of each other kind, brought to its "
        "shape and on its background, without being told a class. ROC AUC: how often a strange picture scores above a usual "
        "one (0.5 is guessing, less is the wrong way round), with the 95 % interval of Hanley and McNeil; caught: strange pictures above all but "
        f"{FALSE_ALARMS} % of the usual ones, with Wilson's interval. Scores: the reconstruction error of what passes through a code; bits per dimension (of a VAE or a flow a bound, from one draw); the "
        "same less those that PNG takes for the picture (Serrà et al. 2020); minus a critic's score. Noise and grey levels are uniform; shuffled pictures share one permutation."
    )


def reading(rows: list[Row]) -> str:
    """The likelihood that is fooled most by another data set, and what other scores say of the same pictures."""
    others = set(TITLES.values())
    known = [row for row in rows if row["auc"] is not None and row["against"] in others]
    fooled = min((row for row in known if row["score"] == anomaly.BITS), key=lambda row: row["auc"], default=None)
    if fooled is None:
        return "No likelihood has been measured yet."
    same = [row for row in known if (row["data"], row["against"]) == (fooled["data"], fooled["against"])]
    mended = [row for row in same if row["model"] == fooled["model"] and row["score"] == anomaly.BITS_LESS_PNG]
    errors = [row for row in same if row["score"] == anomaly.ERROR]
    said = (
        f"The likelihood of {fooled['model']} is fooled most: it finds {fooled['against']} likelier than its own test pictures (ROC AUC {fooled['auc']:.2f}, "
        "0.5 is guessing)"
    )
    said += f"; less what PNG takes for them it tells them at {mended[0]['auc']:.2f}" if mended else ""
    best = max(errors, key=lambda row: row["auc"], default=None)
    return said + (f", the reconstruction error of {best['model']} at {best['auc']:.2f}." if best else ".")


EXPERIMENT = Experiment(
    name="anomaly",
    title="Anomalies",
    settings=AnomalySettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Trained on"),
        Column("family", "Family"),
        Column("model", "Model"),
        Column("score", "Score"),
        Column("against", "Strange pictures"),
        Column("auc", "ROC AUC", "", 3),
        Column("caught", "Caught", "%", 1),
        Column("n", "Pictures"),
    ),
    plots=(Plot("ROC AUC by kind of strange pictures", "against", "auc", ("family", "score"), "data"),),
)
