"""How well a small classifier does that was trained on samples in the place of real images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genmodels.data import Images, to_float
from genmodels.device import one_thread, to_fast_layout
from genmodels.evaluation.measurement import BATCH, Evaluation, evenly
from genmodels.evaluation.report import Figures
from genmodels.models.referee import Referee, RefereeConfig

STUDENT_STEPS, STUDENT_BATCH = 1000, 64
#: Changes of `student_config`: images are learnt without shifting, turning or zooming them.
AS_THEY_ARE = {"max_shift": 0.0, "max_turn": 0.0, "max_zoom": 0.0}


def measure_student(e: Evaluation) -> Figures:
    """Test accuracy of a small classifier that was trained on the samples."""
    if not (e.model.num_classes and classes_known(e)):
        return {}
    share = student_accuracy(e.rows("samples", e.n)["pixels"], e.labels(range(e.n)), e.test, e.report)
    return e.figures({"student_accuracy": 100 * share}, f"trained on {e.n} samples; {STUDENT}")


def measure_real_student(e: Evaluation) -> dict[str, Figures]:
    """The same, trained on as many real images: what the samples' accuracy is to be compared with."""
    if not classes_known(e):
        return {}
    chosen = evenly(e.n, len(e.train))
    share = student_accuracy(e.train.pixels[chosen], e.train.labels[chosen], e.test, e.report)
    return {"train": e.figures({"student_accuracy": 100 * share}, f"trained on {e.n} real images; {STUDENT}")}


STUDENT = f"a small classifier after {STUDENT_STEPS} steps of {STUDENT_BATCH} images, tested on all real test images"


def classes_known(e: Evaluation) -> bool:
    """Whether the real images have classes."""
    return int(e.test.labels.min()) >= 0


def student_accuracy(pixels: Tensor, labels: Tensor, test: Images, report: Callable[[float], None]) -> float:
    """Train a small classifier on uint8 images; the share of the test images that it gets right.

    Ravuri & Vinyals 2019 (arXiv 1905.10887). On the CPU with one thread, so that the result is the same whatever the
    number of processes and cores.
    """
    with one_thread():
        config = student_config(test.shape, len(test.classes))
        batch = partial(drawn_batch, pixels, labels, STUDENT_BATCH)
        return share_right(trained(config, batch, STUDENT_STEPS, 0, report), test)


def share_right(classifier: Referee, test: Images) -> float:
    """Of the test images, those whose class it names."""
    right = [classifier.classify(classifier.features(x))[0].argmax(1) == y for x, y in test.batches(BATCH)]
    return float(torch.cat(right).double().mean())


def drawn_batch(pixels: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """n of these uint8 images at random, as floats, and their labels."""
    chosen = torch.randint(len(pixels), (n,))
    return to_float(pixels[chosen]), labels[chosen]


def student_config(shape: tuple[int, int, int], classes: int, **changes: Any) -> RefereeConfig:
    """A referee's architecture, narrower: it is trained in seconds."""
    return RefereeConfig(shape, classes, attributes=(classes,), widths=(32, 64), blocks=1, feature_dim=64, **changes)


@torch.random.fork_rng(devices=[])
def trained(
    config: RefereeConfig,
    batch: Callable[[], tuple[Tensor, Tensor]],
    steps: int,
    seed: int,
    report: Callable[[float], None],
) -> Referee:
    """A classifier after so many steps, each with a batch of images and labels; seed: of its weights and of all that
    `batch` draws."""
    torch.manual_seed(seed)
    student = Referee(config).train()
    to_fast_layout(student)
    optimizer = torch.optim.AdamW(student.parameters(), 3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        report(step / steps)
        x, labels = batch()
        optimizer.zero_grad()
        student(x, labels)["loss"].backward()
        optimizer.step()
        schedule.step()
    return student.eval().requires_grad_(False)
