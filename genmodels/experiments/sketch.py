"""From a sketch: how well pictures follow a drawing, and what following it costs them.

Test pictures are drawn as people might, and every model that follows sketches makes a picture of each drawing. Real
pictures are the ceiling: the drawings are of them. What is drawn without the sketch is the floor: it follows by chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import DATASETS, Images, to_float, to_uint8
from genmodels.device import to_fast_layout
from genmodels.experiments import Column, Experiment, Lab, Report, Row, Settings, Unit
from genmodels.experiments.common import DRAWN_AT_ONCE, Yardstick, between, part, rounded, shuffled, split
from genmodels.models.base import seeded
from genmodels.models.sketch import followed, sketch_of
from genmodels.operations import as_labels, as_tokens, reads_captions, require
from genmodels.protocols import AnyModel, FollowsSketches, Samples

REAL, BOTH, SKETCH, TOLD = "real pictures", "sketch and hint", "sketch", "hint"


@dataclass(frozen=True)
class SketchSettings(Settings):
    samples: int = 1000  # sketches, each of another test picture
    seed: int = 0


def units(s: SketchSettings) -> Iterator[Unit]:
    for name, folder in checkpoint.packaged().items():
        config = checkpoint.read_config(folder)
        data = config["data"]["name"]
        if config["config"].get("sketch") and data in DATASETS:
            uses = (name, f"referee-{data}")
            yield Unit(name, config["family"], data, partial(of_model, s, name, data), uses, cost=10.0)


def of_model(s: SketchSettings, name: str, data: str, lab: Lab) -> list[Row]:
    """A row for real pictures, and one for each kind of what the model is told."""
    model = checkpoint.load(name, device="cpu")
    to_fast_layout(model)
    test = split(data, "test", reads_captions(model))
    real = part(test, shuffled(len(test), s.seed)[: s.samples])
    yardstick = Yardstick(data, split(data, "test"))
    x = to_float(real.pixels)
    with torch.random.fork_rng():
        torch.manual_seed(s.seed)
        sketch = torch.cat([sketch_of(some, vary=True) for some in x.split(DRAWN_AT_ONCE)])
    about = {"data": data, "model": name}
    rows = [{**about, "told": REAL} | figures(yardstick, x, sketch)]
    for i, told in enumerate((BOTH, SKETCH, TOLD)):
        report = between(lab.report, i / 3, (i + 1) / 3)
        made = drawings(model, real, sketch if told != TOLD else None, told != SKETCH, s.seed, report)
        rows.append({**about, "told": told} | figures(yardstick, made, sketch))
    return rounded(rows)


@torch.no_grad()
def drawings(model: AnyModel, real: Images, sketch: Tensor | None, hint: bool, seed: int, report: Report) -> Tensor:
    """One picture `(n, C, H, W)` for each real one, told its sketch, and with `hint` its class or caption."""
    made = []
    for i in torch.arange(len(real)).split(DRAWN_AT_ONCE):
        report(int(i[0]) / len(real))
        n, generators = len(i), seeded((seed + i).tolist())
        if hint and reads_captions(model):
            labels = as_tokens(model, n, [real.captions[k] for k in i])
        else:
            labels = as_labels(model, n, real.labels[i].tolist() if hint else None)
        if sketch is None:
            made.append(require(model, Samples).sample(labels, generators=generators))
        else:
            made.append(require(model, FollowsSketches).draw(sketch[i], labels, generators=generators))
    return to_float(to_uint8(torch.cat(made)))


def figures(yardstick: Yardstick, x: Tensor, sketch: Tensor) -> Row:
    """How far pictures are from real ones, and how well they follow sketches, in % of those that have lines."""
    recall, precision = (share[share.isfinite()] for share in followed(sketch, x))
    frechet = metrics.frechet_distance(yardstick.features, yardstick.of(to_uint8(x)))
    return {"frechet": frechet} | _mean("lines", recall) | _mean("edges", precision) | {"n": len(x)}


def _mean(key: str, shares: Tensor) -> Row:
    """The mean in %, with its 95 % interval."""
    mean, reach = float(shares.mean()), 1.96 * float(shares.std()) / len(shares) ** 0.5
    return {key: 100 * mean, f"{key}_low": 100 * (mean - reach), f"{key}_high": 100 * (mean + reach)}


def protocol(s: SketchSettings) -> str:
    return (
        f"{s.samples} test pictures are drawn as people might, with thick and thin pens, gaps and a trembling hand, and each model "
        "makes one picture of each drawing with its own number of steps and guidance, told the class or the caption (the hint), or not. "
        "Lines followed: the share of a drawing's lines that lie within a pixel of an edge of the picture; edges drawn: the share of "
        "the picture's edges (its outline and half of its inner lines) within a pixel of a line; means with their 95 % interval. "
        f"Fréchet distance in the referee's features, to all test pictures; of {s.samples} pictures, so compare within this table."
    )


def reading(rows: list[Row]) -> str:
    said = []
    for data in dict.fromkeys(row["data"] for row in rows):
        lines = {row["told"]: row["lines"] for row in rows if row["data"] == data}
        said.append(
            f"{DATASETS[data].title}: {lines[BOTH]:.0f} % of the lines are followed, {lines[SKETCH]:.0f} % without the hint; "
            f"by real pictures {lines[REAL]:.0f} %, without the sketch {lines[TOLD]:.0f} %"
        )
    return f"{'. '.join(said)}." if said else "No model follows sketches yet."


EXPERIMENT = Experiment(
    name="sketch",
    title="From a sketch",
    settings=SketchSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("model", "Model"),
        Column("told", "Told"),
        Column("frechet", "Fréchet distance", "", 2),
        Column("lines", "Lines followed", "%", 1),
        Column("edges", "Edges drawn", "%", 1),
        Column("n", "Sketches"),
    ),
)
