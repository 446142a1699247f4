"""What are unlabelled pictures worth? A linear classifier with a few labels, on what models that saw the pictures make of them.

In the world outside: pictures are cheap and labels are not, as in medicine, where an expert has to give them. Semi-supervised learning
by the codes of a generative model is that of Kingma et al. 2014 (arXiv 1406.5298); by a critic's features that of Radford et al. 2016
(arXiv 1511.06434).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import Images, to_float
from genmodels.experiments import Column, Experiment, Lab, Plot, Report, Row, Settings, Unit
from genmodels.experiments.augmentation import few
from genmodels.experiments.common import able_models, between, part, rounded, shuffled, split
from genmodels.models.base import Model
from genmodels.operations import reads_captions
from genmodels.protocols import Encodes, Judges, abilities_of
from genmodels.registry import get_family

PIXELS, CODE, FEATURES = "pixels", "code", "critic's features"
UNTRAINED = "untrained"
TOLD, NOT_TOLD, NOTHING = "with classes", "without classes", "nothing"
L2 = 1e-3  # of the classifier's weights, the same for all
ITERATIONS = 60
AT_ONCE = 64


@dataclass(frozen=True)
class FewLabelsSettings(Settings):
    k: tuple[int, ...] = (1, 10, 100)  # labels of each class
    many: int = 5000  # labels, in the end
    test: int = 1000
    seeds: tuple[int, ...] = (0, 1, 2)


def units(s: FewLabelsSettings) -> Iterator[Unit]:
    for data, models in able_models(describes):
        yield Unit(f"{data}-pixels", PIXELS, data, partial(of_pixels, s, data), (), cost=2.0)
        for name, family in models:
            yield Unit(name, family, data, partial(of_model, s, data, name, family), (name,), cost=3.0)


def describes(family: str) -> bool:
    """Whether a family's models make numbers of a picture that a classifier may learn from."""
    return any(ability in abilities_of(get_family(family)) for ability in (Encodes, Judges))


def of_pixels(s: FewLabelsSettings, data: str, lab: Lab) -> list[Row]:
    about = {"data": data, "family": PIXELS, "features": PIXELS, "learnt": NOTHING}
    return classified(s, data, lambda x: x.flatten(1), about, lab.report)


def of_model(s: FewLabelsSettings, data: str, name: str, family: str, lab: Lab) -> list[Row]:
    """The model's rows, and those of the same network with the weights that it began with: what the architecture alone is worth."""
    model = checkpoint.load(name, device="cpu")
    told = TOLD if type(model).reads_labels and model.num_classes and not reads_captions(model) else NOT_TOLD
    torch.manual_seed(0)
    fresh = type(model)(model.config).eval()
    about = {"data": data, "family": family, "features": f"{name.removesuffix(f'-{data}')}: {kind_of(model)}"}
    trained = classified(s, data, numbers(model), about | {"learnt": told}, between(lab.report, 0.0, 0.5))
    return trained + classified(s, data, numbers(fresh), about | {"learnt": UNTRAINED}, between(lab.report, 0.5, 1.0))


def kind_of(model: Model) -> str:
    return FEATURES if isinstance(model, Judges) else CODE


def numbers(model: Model) -> Callable[[Tensor], Tensor]:
    """What the model makes of pictures, without being told a class: `(B, D)`, float32."""
    if isinstance(model, Judges):
        return lambda x: model.critic_features(x).float()
    assert isinstance(model, Encodes)
    return lambda x: model.encode(x).flatten(1).float()


@lru_cache(maxsize=2)
def pictures(data: str, many: int, test: int) -> tuple[Images, Images]:
    """So many training and test pictures, by chance."""
    training, testing = split(data, "train"), split(data, "test")
    return part(training, shuffled(len(training), 0)[:many]), part(testing, shuffled(len(testing), 0)[:test])


@torch.no_grad()
def described(images: Images, make: Callable[[Tensor], Tensor], report: Report) -> Tensor:
    parts = []
    for i, pixels in enumerate(batches := images.pixels.split(AT_ONCE)):
        report(i / len(batches))
        parts.append(make(to_float(pixels)))
    return torch.cat(parts)


def classified(
    s: FewLabelsSettings, data: str, make: Callable[[Tensor], Tensor], about: Row, report: Report
) -> list[Row]:
    """A row for each number of labels and seed."""
    training, testing = pictures(data, s.many, s.test)
    ours = described(training, make, between(report, 0.0, 0.5))
    theirs = described(testing, make, between(report, 0.5, 0.6))
    middle = ours.mean(0)
    scale = (ours - middle).square().sum(1).mean().sqrt().clamp(min=1e-6)  # unlabelled pictures tell it, too
    ours, theirs = (ours - middle) / scale, (theirs - middle) / scale
    count = len(training.classes)
    rows: list[Row] = []
    for i, seed in enumerate(s.seeds):
        report(0.6 + 0.4 * i / len(s.seeds))
        for k in s.k:
            chosen = few_of(training, k, seed)
            accuracy = share_right(ours[chosen], training.labels[chosen], theirs, testing.labels, count)
            rows.append(about | {"k": k, "labels": k * count, "seed": seed, "accuracy": 100 * accuracy})
    accuracy = share_right(ours, training.labels, theirs, testing.labels, count)
    rows.append(about | {"k": s.many // count, "labels": len(training), "seed": 0, "accuracy": 100 * accuracy})
    return rounded(rows)


def few_of(images: Images, k: int, seed: int) -> Tensor:
    """The numbers of k pictures of each class. ValueError if there are fewer."""
    numbered = Images(images.name, torch.arange(len(images)), images.labels, images.classes)
    return few(numbered, k, seed).pixels


def share_right(x: Tensor, labels: Tensor, test: Tensor, expected: Tensor, count: int) -> float:
    """Of a multinomial logistic regression, fitted by L-BFGS."""
    weight, bias = torch.zeros(x.shape[1], count, requires_grad=True), torch.zeros(count, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weight + bias, labels) + L2 / 2 * weight.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    return float(((test @ weight + bias).argmax(1) == expected).double().mean())


def protocol(s: FewLabelsSettings) -> str:
    return (
        f"A linear classifier (multinomial logistic regression, L2 {L2:g}, the same for all) learns from k labelled training pictures of each class, "
        f"as pixels or as what a bundled model makes of them; its accuracy on {s.test} test pictures is the mean over {len(s.seeds)} seeds, which choose the pictures, with the least "
        f"and the largest. In the end it has {s.many} labels. Numbers are centred and scaled by one factor for all. No model is told a class here, but some were in training, which the column "
        "Learnt says: what unlabelled pictures are worth, those without classes show. Untrained: the same network with its first weights."
    )


def reading(rows: list[Row]) -> str:
    """What models that never saw a class add to the fewest labels, and to the most of the few, by data set."""
    most = {data: max(row["k"] for row in rows if row["data"] == data) for data in {row["data"] for row in rows}}
    few_ones = sorted({row["k"] for row in rows if row["k"] < most[row["data"]]})
    said = []
    for k in dict.fromkeys([*few_ones[:1], *few_ones[-1:]]):
        of_k = [row for row in rows if row["k"] == k]
        pixels = {row["data"]: row["accuracy"] for row in of_k if row["features"] == PIXELS}
        codes = {data: [row for row in of_k if (row["data"], row["learnt"]) == (data, NOT_TOLD)] for data in pixels}
        best = {data: max(some, key=lambda row: row["accuracy"]) for data, some in codes.items() if some}
        gains = [f"{data} {pixels[data]:.0f} → {row['accuracy']:.0f} % ({row['family']})" for data, row in best.items()]
        if gains:
            said.append(f"with {k} label{'s' if k > 1 else ''} a class {', '.join(gains)}")
    if not said:
        return "No model that learnt without classes has been compared with pixels yet."
    return f"The best code learnt without classes in place of pixels: {'; '.join(said)}."


EXPERIMENT = Experiment(
    name="few-labels",
    title="Few labels",
    settings=FewLabelsSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("family", "Family"),
        Column("features", "Learns from"),
        Column("learnt", "Learnt"),
        Column("k", "Labels a class"),
        Column("labels", "Labels"),
        Column("accuracy", "Accuracy", "%", 1),
        Column("seeds", "Seeds"),
    ),
    plots=(Plot("Accuracy by labels a class", "k", "accuracy", ("features", "learnt"), "data", log_x=True),),
    spread=("accuracy",),
)
