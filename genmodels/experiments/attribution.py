"""How often a discriminator is right: the critic of a GAN, and a classifier trained to know one model's samples.

Each judge scores pictures, higher = more real; above a threshold it takes a picture for real. The threshold is chosen on
some pictures, and the accuracy measured on others, half of them real, which nobody has seen before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import DATASETS, Images, to_float
from genmodels.evaluation import shards
from genmodels.evaluation.measurement import BATCH
from genmodels.evaluation.report import critics
from genmodels.evaluation.student import AS_THEY_ARE, STUDENT_BATCH, drawn_batch, student_config, trained
from genmodels.experiments import Column, Experiment, Lab, Plot, Report, Row, Settings, Unit
from genmodels.experiments.common import (
    between,
    can_sample,
    cannot_sample,
    drawn,
    generators,
    part,
    rounded,
    share,
    shuffled,
    split,
    unmeasured,
)
from genmodels.models.referee import Referee
from genmodels.operations import reads_captions, require
from genmodels.protocols import Judges

#: The control: training pictures in the place of samples, which nobody can know from test pictures.
REAL = "real pictures"
REAL_LABEL, FAKE_LABEL = 1, 0
#: How a classifier sees pictures: as they are, and without what no eye sees, such as a haze of a few grey levels.
CLASSIFIER, COARSE = "classifier", "classifier, 16 grey levels"
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    CLASSIFIER: lambda pixels: pixels,
    COARSE: lambda pixels: pixels // 16 * 17,
}


@dataclass(frozen=True)
class AttributionSettings(Settings):
    train: int = 1500  # real pictures, and as many samples, that a classifier is trained on
    validation: int = 500  # of each kind, that the threshold is chosen on
    test: int = 1000  # of each kind, that the accuracy is measured on
    steps: int = 500  # of training a classifier
    seed: int = 0


@dataclass(frozen=True)
class Real:
    """Real pictures in parts that share none: to train on, to choose a threshold on, to test on.

    The first two are of the training split, as are those that stand in for samples in the control; the others are of
    the test split, which no bundled model has seen: a critic, who has seen all of the training split, chooses its
    threshold there, too.
    """

    train: Images
    validation: Images
    unseen: Images
    test: Images
    control: Images


def real_parts(data: str, s: AttributionSettings, captions: bool = False) -> Real:
    training, testing = (split(data, name, captions) for name in ("train", "test"))
    ours, theirs = shuffled(len(training), s.seed), shuffled(len(testing), s.seed)
    sizes = [s.train, s.validation, s.train + s.validation + s.test]
    if sum(sizes) > len(training) or s.validation + s.test > len(testing):
        raise ValueError(
            f"There are {len(training)} training and {len(testing)} test pictures of {data}: "
            f"{sum(sizes)} and {s.validation + s.test} are too many."
        )
    train, validation, control = (part(training, some) for some in ours[: sum(sizes)].split(sizes))
    unseen, test = (part(testing, some) for some in theirs[: s.validation + s.test].split([s.validation, s.test]))
    return Real(train, validation, unseen, test, control)


def told_to_models(real: Real) -> list[Images]:
    """The real pictures whose classes or captions samples are drawn with."""
    return [real.train, real.validation, real.test]


def units(s: AttributionSettings) -> Iterator[Unit]:
    for data in filter(generators, DATASETS):
        judges = tuple(name for name in critics(data, DATASETS[data].shape) if name in checkpoint.packaged())

        yield Unit(f"{data}-real", REAL, data, partial(of_real, s, data, judges), judges, cost=0.6)
        for name in generators(data):
            family = checkpoint.read_config(name)["family"]
            if can_sample(family):
                yield Unit(name, family, data, partial(of_model, s, data, name, judges), (name, *judges), cost=2.0)
            else:
                yield Unit(name, family, data, partial(of_none, data, name, family), (name,), cost=0.01)


def of_real(s: AttributionSettings, data: str, judges: tuple[str, ...], lab: Lab) -> list[Row]:
    """The control."""
    about = {"model": "training pictures", "family": REAL}
    real = real_parts(data, s)
    return judged(s, data, real, real.control, judges, about, lab.report)


def of_none(data: str, name: str, family: str, lab: Lab) -> list[Row]:
    """A row that says why there are no figures."""
    about = {"data": data, "judge": CLASSIFIER, "model": name, "family": family}
    return [about | unmeasured(("accuracy", "taken_for_real", "n"), cannot_sample(family))]


def of_model(s: AttributionSettings, data: str, name: str, judges: tuple[str, ...], lab: Lab) -> list[Row]:
    """A row for the classifier that was trained to know this model's samples, and one for each critic."""
    model = checkpoint.load(name, device="cpu")
    real = real_parts(data, s)
    told = told_to_models(real)  # so that neither classes nor captions tell the kinds apart
    labels = torch.cat([each.labels for each in told])
    if reads_captions(model):
        captions = [c for each in told_to_models(real_parts(data, s, captions=True)) for c in each.captions]
        what = {"captions": captions}
    else:
        labels = labels if model.num_classes else torch.full_like(labels, -1)
        what = {"label": labels.tolist()}

    def rows(i: range) -> shards.Rows:
        report = between(lab.report, 0.8 * i.start / len(labels), 0.8 * i.stop / len(labels))
        some = {key: values[i.start : i.stop] for key, values in what.items()}
        return {"pixels": drawn(model, len(i), s.seed + i.start, report, **some)}

    shards.compute(lab.folder, "samples", len(labels), rows)
    samples = Images(data, shards.gather(lab.folder, "samples", len(labels))["pixels"], labels, told[0].classes)
    about = {"model": name, "family": checkpoint.read_config(name)["family"]}
    return judged(s, data, real, samples, judges, about, between(lab.report, 0.8, 1.0))


def judged(
    s: AttributionSettings, data: str, real: Real, fakes: Images, judges: tuple[str, ...], about: Row, report: Report
) -> list[Row]:
    """fakes: train + validation + test of them, in this order."""
    train, validation, test = (part(fakes, i) for i in torch.arange(len(fakes)).split([s.train, s.validation, s.test]))
    where, found = {"data": data} | about, []
    for i, (judge, view) in enumerate(VIEWS.items()):
        so_far = between(report, i / len(VIEWS), (i + 1) / len(VIEWS))
        classifier = told_apart(view(real.train.pixels), view(train.pixels), s, so_far)
        parts = [view(images.pixels) for images in (real.validation, validation, real.test, test)]
        found.append({**where, "judge": judge} | verdict(*(scores_of(classifier, pixels) for pixels in parts)))
    for name in judges:
        critic = require(checkpoint.load(name, device="cpu"), Judges)
        told = bool((fakes.labels >= 0).all())  # what isn't told of samples, isn't told of real pictures either
        scores = [realism(critic, images, told) for images in (real.unseen, validation, real.test, test)]
        found.append({**where, "judge": f"critic of {name}"} | verdict(*scores))
    return rounded(found)


def scores_of(classifier: Referee, pixels: Tensor) -> Tensor:
    answers = torch.cat([classifier.classify(classifier.features(to_float(x)))[0] for x in pixels.split(BATCH)])
    return answers[:, REAL_LABEL] - answers[:, FAKE_LABEL]


def told_apart(real: Tensor, fake: Tensor, s: AttributionSettings, report: Report) -> Referee:
    """A classifier, trained on uint8 pictures as they are: shifting or turning them would blur what gives them away."""
    pixels, labels = torch.cat([real, fake]), torch.tensor([REAL_LABEL] * len(real) + [FAKE_LABEL] * len(fake))

    shape = (real.shape[1], real.shape[2], real.shape[3])
    batch = partial(drawn_batch, pixels, labels, STUDENT_BATCH)
    return trained(student_config(shape, 2, **AS_THEY_ARE), batch, s.steps, s.seed, report)


@torch.no_grad()
def realism(critic: Judges, images: Images, told: bool) -> Tensor:
    """Scores `(N,)`; told: with their classes."""
    return torch.cat([critic.realism(x, labels if told else None) for x, labels in images.batches(BATCH)])


def verdict(real: Tensor, fake: Tensor, real_test: Tensor, fake_test: Tensor) -> Row:
    """What a judge's scores come to in %: thresholds of the first two, tried on the other two.

    How often it is right by the threshold that is right most often; what it takes for real by the median of real
    pictures, as metrics.json has it: where it can't tell the kinds apart, the former threshold may lie anywhere.
    """
    threshold, median = metrics.best_threshold(real, fake), real.quantile(0.5)
    right = int((real_test > threshold).sum() + (fake_test <= threshold).sum())
    n = len(real_test) + len(fake_test)
    taken = int((fake_test > median).sum())
    return share("accuracy", right, n) | share("taken_for_real", taken, len(fake_test)) | {"n": n}


def protocol(s: AttributionSettings) -> str:
    return (
        f"A judge takes a picture for real if it scores above a threshold, chosen for most right answers on {s.validation} real "
        f"and {s.validation} generated pictures; how often it is right is measured on {s.test} real test pictures and "
        f"{s.test} samples of other seeds, with Wilson's 95 % interval (50 % is guessing), and which samples it takes for "
        "real by the median score of real pictures (50 %: it can't tell them). "
        "Critics are the discriminators of the bundled GANs; classifiers (the referee's architecture, narrower, "
        f"{s.steps} steps of {STUDENT_BATCH}) are trained for each model on {s.train} of its samples and {s.train} training "
        "pictures, and once, as a control, on training pictures in the place of samples. "
        "Samples have the classes or captions of real pictures and are rounded to 8 bits like these; but real pictures are "
        "exactly black or white where they are empty, and a haze of a few grey levels gives a sample away though no eye "
        "sees it: so a second classifier is shown 16 grey levels only."
    )


def reading(rows: list[Row]) -> str:
    made = [row for row in rows if row["family"] != REAL and row["accuracy"] is not None]
    sharp, coarse = ({r["model"]: r["accuracy"] for r in made if r["judge"] == judge} for judge in (CLASSIFIER, COARSE))
    if not coarse:
        return "No model has been judged yet."
    hardest, easiest = (pick(coarse, key=lambda model: coarse[model]) for pick in (min, max))
    said = (
        f"A classifier that sees 16 grey levels knows samples of {hardest} from real pictures in {coarse[hardest]:.0f} % of all "
        f"cases, those of {easiest} in {coarse[easiest]:.0f} %, one that sees all levels in {sharp[hardest]:.0f} and {sharp[easiest]:.0f} %"
    )
    seen = [row["accuracy"] for row in made if row["judge"].startswith("critic")]
    return f"{said}; the critics of GANs are right in {min(seen):.0f} to {max(seen):.0f} %." if seen else f"{said}."


EXPERIMENT = Experiment(
    name="attribution",
    title="Attribution",
    settings=AttributionSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("judge", "Judge"),
        Column("model", "Samples of"),
        Column("family", "Family"),
        Column("accuracy", "Right", "%", 1),
        Column("taken_for_real", "Samples taken for real", "%", 1),
        Column("n", "Pictures judged"),
    ),
    plots=(Plot("How often judges are right", "family", "accuracy", ("judge",), "data"),),
)
