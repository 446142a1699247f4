"""How strange a model finds pictures: one score for each ability that can tell. Higher = stranger.

In the world outside: faults on an assembly line, where there are thousands of pictures of sound parts and few of broken ones
(MVTec AD, Bergmann et al. 2019, doi 10.1109/CVPR.2019.00982), and changes in medical images (Schlegl et al. 2017, arXiv
1703.05921).

A likelihood is the obvious score, and fails in a famous way: a model of garments finds digits likelier than garments
(Nalisnick et al. 2019, arXiv 1810.09136), because what counts most is how simple a picture is. Taking away what a general
compressor needs for the same picture mends much of it (Serrà et al. 2020, arXiv 1909.11480): here PNG.
"""

import math

import torch
from torch import Tensor

from genmodels import operations
from genmodels.data import to_png, to_uint8
from genmodels.protocols import AnyModel, HasLikelihood, Judges

ERROR, BITS, BITS_LESS_PNG, CRITIC = "reconstruction error", "bits/dim", "bits/dim less PNG's", "critic"


@torch.no_grad()
def scores(model: AnyModel, x: Tensor) -> dict[str, Tensor]:
    """All scores `(B,)` that the model has for images `(B, C, H, W)`; no class is told. {} if it can't tell.

    reconstruction error: root mean squared, in grey levels. bits/dim: see `operations.bits_per_dim`. bits/dim less PNG's:
    without those that PNG takes for the same picture. critic: minus its score.

    >>> import genmodels, torch
    >>> from genmodels.real_images import real_images
    >>> digits, garments = (real_images(name)[:20][0] for name in ("mnist", "fashion-mnist"))
    >>> model = genmodels.load("flow-fashion-mnist")
    >>> bool(scores(model, digits)[BITS].mean() < scores(model, garments)[BITS].mean())  # the famous failure
    True
    """
    found = {}
    if operations.compresses(model):
        found[ERROR] = operations.anomaly_score(model, x)
    if isinstance(model, HasLikelihood):
        found[BITS] = operations.bits_per_dim(model, x)
        found[BITS_LESS_PNG] = found[BITS] - png_bits_per_dim(x).to(found[BITS])
    if isinstance(model, Judges):
        found[CRITIC] = -model.realism(x)
    return found


def png_bits_per_dim(x: Tensor) -> Tensor:
    """What each image `(B, C, H, W)` takes as a PNG file, in bits per dimension `(B,)`."""
    sizes = [len(to_png(pixels)) for pixels in to_uint8(x)]
    return torch.tensor(sizes, dtype=torch.float32) * 8 / math.prod(x.shape[1:])
