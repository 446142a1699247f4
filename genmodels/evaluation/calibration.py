"""What a checkpoint keeps of the test split, so that the app can compare a visitor's picture with it."""

import torch
from torch import Tensor

from genmodels.data import Images, to_uint8
from genmodels.evaluation.measurement import BATCH
from genmodels.models.base import Model
from genmodels.operations import anomaly_score, bits_per_dim, compresses, device_of, require, sample
from genmodels.protocols import Encodes, HasLikelihood, Judges, Samples

CALIBRATION_CODES = 2000
CALIBRATION_SAMPLES, CALIBRATION_SEED = 2000, 10**9  # seeds that a visitor hardly meets


@torch.no_grad()
def calibrate(model: Model, test: Images) -> dict[str, Tensor]:
    """What the app shows of the test split, so that it needs no data; {} for models without these abilities.

    A code that is smaller than the image: scores, the anomaly scores of all test images `(N,)`, sorted; codes of the
    first 2,000 `(2000, D)`; labels of those. Any other HasLikelihood: bits_per_dim_test of all test images `(N,)`, sorted
    and without naming the class, as `operations.bits_per_dim` finds them. Judges: realism_test, the critic's scores of
    all test images `(N,)`, and, if it samples, realism_samples, those of 2,000 samples of every class in turn, both
    sorted and without naming the class.
    """
    found: dict[str, Tensor] = {}
    if compresses(model):
        found |= _calibrate_codes(require(model, Encodes), test)
    elif isinstance(model, HasLikelihood):
        device = device_of(model)
        bits = [bits_per_dim(model, x.to(device), seed=i).cpu() for i, (x, _) in enumerate(test.batches(BATCH))]
        found["bits_per_dim_test"] = torch.cat(bits).sort().values
    if isinstance(model, Judges):
        found["realism_test"] = _realism(model, test)
        if isinstance(model, Samples):
            made = to_uint8(sample(model, CALIBRATION_SAMPLES, CALIBRATION_SEED, batch_size=BATCH)).cpu()
            found["realism_samples"] = _realism(model, Images(test.name, made, test.labels, test.classes))
    return found


def _calibrate_codes(model: Encodes, test: Images) -> dict[str, Tensor]:
    device = device_of(model)
    scores = torch.cat([anomaly_score(model, x.to(device), y.to(device)).cpu() for x, y in test.batches(BATCH)])
    few = Images(test.name, test.pixels[:CALIBRATION_CODES], test.labels[:CALIBRATION_CODES], test.classes)
    codes = torch.cat([model.encode(x.to(device), y.to(device)).cpu() for x, y in few.batches(BATCH)])
    return {"scores": scores.sort().values, "codes": codes.flatten(1).half(), "labels": few.labels.to(torch.int16)}


def _realism(model: Judges, images: Images) -> Tensor:
    device = device_of(model)
    return torch.cat([model.realism(x.to(device)).float().cpu() for x, _ in images.batches(BATCH)]).sort().values
