"""The parts of a measurement, in order; and those that need no samples: size, speed, reconstruction, likelihood, accuracy."""

import contextlib
import copy
import functools
from collections.abc import Iterator
from typing import TypeGuard

import torch
from torch import Tensor

from genmodels import checkpoint, metrics
from genmodels.data import load_dataset, to_uint8
from genmodels.device import hardware, one_thread
from genmodels.evaluation import shards
from genmodels.evaluation.measurement import BATCH, Evaluation, Part
from genmodels.evaluation.report import SPEED, Figures
from genmodels.evaluation.samples import (
    compute_compared,
    compute_judgements,
    compute_novel,
    compute_real,
    compute_samples,
    draw_first,
    draw_samples,
    measure_caption_accuracy,
    measure_class_accuracy,
    measure_copies,
    measure_coverage,
    measure_frechet,
    measure_inception,
    measure_judgements,
    measure_kernel,
    measure_novel,
    measure_reference_frechet,
    measure_reference_kernel,
    measure_variety,
)
from genmodels.evaluation.student import measure_real_student, measure_student
from genmodels.operations import compresses, corrupt, device_of, reconstruct, require, sample
from genmodels.protocols import BoundsLikelihood, Classifies, Decodes, Encodes, HasLikelihood, Samples
from genmodels.timing import median_seconds

SIGMA = 0.5
#: Where it is measured -> key -> how many images.
SPEEDS = {
    "cpu": {"sampling_ms_1_cpu": 1, "sampling_ms_16_cpu": 16},
    "gpu": {"sampling_ms_1_gpu": 1, "sampling_ms_16_gpu": 16},
}


def measure_size(e: Evaluation) -> Figures:
    """Parameters, and what a download weighs."""
    weights = sum(f.stat().st_size for f in e.folder.rglob("*.safetensors") if f.name != checkpoint.CALIBRATION)
    parameters = sum(p.numel() for p in e.model.parameters())
    return e.figures({"parameters": parameters}, "all weights", 1) | e.figures(
        {"file_size": weights / 1e6}, "all files of weights", 1
    )


def measure_speed(e: Evaluation) -> Figures:
    """Median time to sample 1 and 16 images, on one thread of the CPU, as the app does, and, if there is one, on the GPU."""
    found: Figures = {}
    for device in dict.fromkeys(["cpu", device_of(e.model).type]):
        model = copy.deepcopy(e.model).to(device)
        with one_thread() if device == "cpu" else contextlib.nullcontext():
            for key, count in SPEEDS["cpu" if device == "cpu" else "gpu"].items():
                seconds = median_seconds(functools.partial(sample, model, count, batch_size=count))
                protocol = SPEED.format(count=count, s="s" * (count > 1), machine=hardware(torch.device(device)))
                found |= e.figures({key: 1000 * seconds}, protocol, count)
    return found


def compute_reconstructions(e: Evaluation) -> None:
    if not compresses(e.model):
        e.shard("largest errors", e.tests, lambda indices: {"levels": _largest_errors(e, indices)})
        return

    def rows(indices: range) -> shards.Rows:
        errors: dict[str, list[Tensor]] = {"clean": [], "denoised": [], "noisy": [], "ssim": []}
        for part, x, labels in _test_batches(e, indices):
            noisy, again = corrupt(x, SIGMA, part), reconstruct(e.model, x, labels)
            denoised = reconstruct(e.model, noisy, labels)
            for key, made in (("clean", again), ("denoised", denoised), ("noisy", noisy)):
                errors[key].append(metrics.mean_squared_error(x, made))
            errors["ssim"].append(metrics.ssim(x, again))
        return {key: torch.cat(values) for key, values in errors.items()}

    e.shard("reconstruction", e.tests, rows)


def _largest_errors(e: Evaluation, indices: range) -> Tensor:
    """The largest difference of any pixel between decode(encode(x)) and x, in grey levels `(n,)`."""
    differences = [
        (to_uint8(reconstruct(e.model, x, labels)).int() - to_uint8(x).int()).abs().flatten(1).amax(1)
        for _, x, labels in _test_batches(e, indices)
    ]
    return torch.cat(differences)


def measure_reconstruction(e: Evaluation) -> Figures:
    """PSNR and SSIM of decode(encode(x)), PSNR of the same from a noisy x, and of the noisy x itself.

    Of a model whose codes are as large as images, only the largest error: it should lose nothing, and cleans nothing.
    """
    n = e.tests
    if not compresses(e.model):
        largest = int(e.rows("largest errors", n)["levels"].max())
        protocol = "largest difference of a pixel between decode(encode(x)) and x, of 256 grey levels, over all images"
        return e.figures({"largest_error": largest}, protocol, n)
    errors = {key: float(values.double().mean()) for key, values in e.rows("reconstruction", n).items()}
    noise = f"Gaussian noise of sigma = {SIGMA} in [-1, 1] units, seed = index of the image"
    clean, denoised, noisy = (metrics.psnr(errors[key]) for key in ("clean", "denoised", "noisy"))
    over = "from the mean squared error over all images"
    return {
        **e.figures({"reconstruction_psnr": clean}, f"decode(encode(x)) against x, {over}", n),
        **e.figures({"reconstruction_ssim": errors["ssim"]}, "decode(encode(x)) against x, mean over the images", n),
        **e.figures({"denoising_psnr": denoised}, f"decode(encode(x + noise)) against x, {over}; {noise}", n),
        **e.figures({"noisy_psnr": noisy}, f"x + noise against x; {noise}", n),
    }


def compute_likelihoods(e: Evaluation) -> None:
    model = require(e.model, HasLikelihood)

    def rows(indices: range) -> shards.Rows:
        torch.manual_seed(e.seed + indices.start)  # a bound draws from its q
        values: dict[str, list[Tensor]] = {"nats": [], "tight": []}
        for _, x, labels in _test_batches(e, indices, 20 if _is_bound(model) else BATCH):
            values["nats"].append(model.log_likelihood(x, labels))
            if _is_bound(model):
                values["tight"].append(model.log_likelihood(x, labels, samples=e.importance_samples))
        return {key: torch.cat(tensors) for key, tensors in values.items() if tensors}

    e.shard("likelihood", e.tests, rows)


def _is_bound(model: HasLikelihood) -> TypeGuard[BoundsLikelihood]:
    return model.likelihood_is_bound


def measure_likelihood(e: Evaluation) -> Figures:
    """bits/dim of the 8-bit test images, with their labels: exact, or an upper bound and called so."""
    n = e.tests
    nats = e.rows("likelihood", n)
    bits = {k: float(metrics.bits_per_dim(v.double(), e.model.image_shape).mean()) for k, v in nats.items()}
    model = require(e.model, HasLikelihood)
    given = "class given" if e.model.num_classes else "no classes"
    given += f"; {model.likelihood_note}" if model.likelihood_note else ""
    if not _is_bound(model):
        return e.figures({"bits_per_dim": bits["nats"]}, f"exact, 8-bit images, {given}", n)
    elbo = f"upper bound: ELBO, one draw per image, {given}"
    tight = f"upper bound: importance-weighted, {e.importance_samples} draws per image, {given}"
    return e.figures({"elbo_bits_per_dim": bits["nats"]}, elbo, n) | e.figures(
        {"bits_per_dim_bound": bits["tight"]}, tight, n
    )


def _test_batches(e: Evaluation, indices: range, size: int = BATCH) -> Iterator[tuple[range, Tensor, Tensor]]:
    """(indices, images, labels) of test images on the model's device."""
    device = device_of(e.model)
    for start in range(indices.start, indices.stop, size):
        part = range(start, min(start + size, indices.stop))
        e.report((start - indices.start) / len(indices))
        x, labels = e.test[part.start : part.stop]
        yield part, x.to(device), labels.to(device)


def compute_answers(e: Evaluation) -> None:
    model = require(e.model, Classifies)

    def rows(indices: range) -> shards.Rows:
        answers = [model.classify(model.features(x)) for _, x, _ in _test_batches(e, indices)]
        return {str(i): torch.cat(parts) for i, parts in enumerate(zip(*answers, strict=True))}

    e.shard("answers", e.tests, rows)


def measure_accuracy(e: Evaluation) -> dict[str, Figures]:
    """Share of right answers on real test images, of each attribute."""
    truth = load_dataset(e.place, "test", e.model.image_shape, attributes=True)
    n = e.tests
    answers = e.rows("answers", n)
    shares = metrics.accuracies([answers[str(i)] for i in range(len(answers))], truth.labels[:n])
    return {
        name: e.figures({"accuracy": 100 * share}, f"share of test images whose {name} is named rightly", n)
        for name, share in zip(truth.attributes, shares, strict=True)
    }


PARTS = [
    Part("size", (), None, measure_size, 1),
    Part("speed", (Samples,), None, measure_speed, 3),
    Part("reconstruction", (Encodes, Decodes), compute_reconstructions, measure_reconstruction, 10),
    Part("likelihood", (HasLikelihood,), compute_likelihoods, measure_likelihood, 60),
    Part("accuracy", (Classifies,), compute_answers, measure_accuracy, 8, "attributes"),
    Part("reference_frechet", (Samples,), compute_real, measure_reference_frechet, 28, "references"),
    Part("reference_kernel", (Samples,), compute_real, measure_reference_kernel, 5, "references"),
    Part("reference_student", (Samples,), None, measure_real_student, 45, "references"),
    Part("frechet", (Samples,), compute_compared, measure_frechet, 35),
    Part("kernel", (Samples,), compute_compared, measure_kernel, 2),
    Part("coverage", (Samples,), compute_compared, measure_coverage, 5),
    Part("variety", (Samples,), compute_compared, measure_variety, 2),
    Part("class_accuracy", (Samples,), compute_samples, measure_class_accuracy, 1),
    Part("caption_accuracy", (Samples,), compute_samples, measure_caption_accuracy, 1),
    Part("novel_captions", (Samples,), compute_novel, measure_novel, 8),
    Part("copies", (Samples,), draw_first, measure_copies, 15),
    Part("student", (Samples,), draw_samples, measure_student, 45),
    Part("critic", (Samples,), compute_judgements, measure_judgements, 10),
]
INCEPTION = Part("inception", (Samples,), draw_samples, measure_inception, 1000)
