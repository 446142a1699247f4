"""Measure a checkpoint on the whole test split: which metrics apply follows from its abilities.

Protocol. Reconstruction PSNR: from the mean squared error over all pixels of all test images. Denoising: Gaussian noise
of sigma = 0.5 (in [-1, 1] units) is added, image i with seed i. bits/dim: of the 8-bit image, log-likelihood from the
model's own `log_likelihood`; where that is a bound, once with one sample (ELBO) and once importance-weighted.
"""

import datetime
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import Images, load_dataset
from genmodels.device import hardware, set_threads
from genmodels.metrics import bits_per_dim, mean_squared_error, psnr
from genmodels.models.base import Model
from genmodels.operations import anomaly_score, corrupt, device_of, reconstruct
from genmodels.protocols import Decodes, Encodes, HasLikelihood

METRICS_FORMAT = 1
SIGMA = 0.5
IMPORTANCE_SAMPLES = 16
BATCH = 200
CALIBRATION_CODES = 2000

Metric = dict[str, Any]
Report = Callable[[str, float], None]


def evaluate(
    source: str | os.PathLike,
    n: int | None = None,
    *,
    importance_samples: int = IMPORTANCE_SAMPLES,
    progress: Report = lambda metric, share: None,
) -> dict[str, Any]:
    """Measure a checkpoint on its data set's test split (all of it, or the first n images), write metrics.json.

    Returns {"format", "data", "n", "metrics": {name: {"value", "unit", "protocol"}}, ...}. `progress` is told the metric
    at hand and the share of it that is done.
    """
    import genmodels

    set_threads()
    folder = checkpoint.find(source)
    model = checkpoint.load(folder)
    config = checkpoint.read_config(folder)
    test = load_dataset(config["data"]["name"], "test", model.image_shape)
    if n is not None and not 1 <= n <= len(test):
        raise ValueError(f"n must be between 1 and the test split's {len(test)} images, not {n}.")
    test = Images(test.name, test.pixels[:n], test.labels[:n], test.classes)
    metrics: dict[str, Metric] = {"parameters": _metric(sum(p.numel() for p in model.parameters()), "", "all weights")}
    if isinstance(model, Encodes) and isinstance(model, Decodes):
        metrics |= reconstruction_metrics(model, test, progress)
    if isinstance(model, HasLikelihood):
        metrics |= likelihood_metrics(model, test, importance_samples, progress)
    result = {
        "format": METRICS_FORMAT,
        "data": {"name": test.name, "split": "test"},
        "n": len(test),
        "hardware": hardware(device_of(model)),
        "date": datetime.date.today().isoformat(),
        "version": genmodels.__version__,
        "metrics": metrics,
    }
    checkpoint.write_json(folder, "metrics.json", result)
    return result


def _metric(value: float, unit: str, protocol: str) -> Metric:
    return {"value": value if isinstance(value, int) else round(float(value), 5), "unit": unit, "protocol": protocol}


def reconstruction_metrics(model: Model, test: Images, progress: Report) -> dict[str, Metric]:
    """PSNR of decode(encode(x)), of the same from a noisy x, and of the noisy x itself."""
    sums = torch.zeros(3, dtype=torch.float64)
    for start, x, labels in _batches(model, test, "reconstruction", progress):
        noisy = corrupt(x, SIGMA, range(start, start + len(x)))
        pairs = (reconstruct(model, x, labels), reconstruct(model, noisy, labels), noisy)
        sums += torch.stack([mean_squared_error(x, y).sum() for y in pairs]).double().cpu()
    clean, denoised, noisy = (psnr(float(total) / len(test)) for total in sums)
    noise = f"Gaussian noise of sigma = {SIGMA} in [-1, 1] units, seed = index of the image"
    return {
        "reconstruction_psnr": _metric(clean, "dB", "decode(encode(x)) against x"),
        "denoising_psnr": _metric(denoised, "dB", f"decode(encode(x + noise)) against x; {noise}"),
        "noisy_psnr": _metric(noisy, "dB", f"x + noise against x; {noise}"),
    }


def likelihood_metrics(model: Model, test: Images, samples: int, progress: Report) -> dict[str, Metric]:
    """bits/dim of the 8-bit test images, with their labels."""
    shape = model.image_shape
    total = torch.zeros(2, dtype=torch.float64)
    torch.manual_seed(0)
    for _, x, labels in _batches(model, test, "bits/dim", progress, 20 if model.likelihood_is_bound else BATCH):
        nats = [model.log_likelihood(x, labels)]
        if model.likelihood_is_bound:
            nats.append(model.log_likelihood(x, labels, samples=samples))
        total[: len(nats)] += torch.stack([bits_per_dim(v, shape).sum() for v in nats]).double().cpu()
    first, second = (total / len(test)).tolist()
    given = "class given" if model.num_classes else "no classes"
    if not model.likelihood_is_bound:
        return {"bits_per_dim": _metric(first, "bits/dim", f"exact, 8-bit images, {given}")}
    return {
        "elbo_bits_per_dim": _metric(first, "bits/dim", f"upper bound: ELBO, one posterior sample, {given}"),
        "bits_per_dim_bound": _metric(
            second, "bits/dim", f"upper bound: importance-weighted, {samples} samples per image, {given}"
        ),
    }


def _batches(model: Model, images: Images, name: str, progress: Report, size: int = BATCH):
    """(index of the first image, images, labels) on the model's device, telling `progress`."""
    device = device_of(model)
    start = 0
    for x, labels in images.batches(size):
        progress(name, start / len(images))
        yield start, x.to(device), labels.to(device)
        start += len(x)
    progress(name, 1.0)


@torch.no_grad()
def calibrate(model: Model, test: Images) -> dict[str, Tensor]:
    """What the app compares a visitor's picture with, for models that encode and decode; {} for others.

    scores: anomaly scores of all test images `(N,)`, sorted; codes: of the first 2,000 `(2000, D)`; labels: of those.
    """
    if not (isinstance(model, Encodes) and isinstance(model, Decodes)):
        return {}
    device = device_of(model)
    scores = torch.cat([anomaly_score(model, x.to(device), y.to(device)).cpu() for x, y in test.batches(BATCH)])
    few = Images(test.name, test.pixels[:CALIBRATION_CODES], test.labels[:CALIBRATION_CODES], test.classes)
    codes = torch.cat([model.encode(x.to(device), y.to(device)).cpu() for x, y in few.batches(BATCH)])
    return {"scores": scores.sort().values, "codes": codes.flatten(1).half(), "labels": few.labels.to(torch.int16)}
