"""Likelihoods that others have published, each with where it stands: only those whose source we have read.

All are of the 8-bit pictures, in bits per dimension. Figures of binarised digits, in nats, don't compare with these and are
left out; so are those that we know from memory alone.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """bound: whether it is an upper bound. protocol: what was measured how, as far as the source says."""

    data: str
    family: str
    model: str
    bits: str  # to the digits that were published
    bound: bool
    protocol: str
    source: str
    source_link: str


FLOWS = "UvA Deep Learning Tutorial 11"
FLOWS_LINK = "https://uvadlc-notebooks.readthedocs.io/en/latest/tutorial_notebooks/tutorial11/NF_image_modeling.html"
PIXELS = "UvA Deep Learning Tutorial 12"
PIXELS_LINK = (
    "https://uvadlc-notebooks.readthedocs.io/en/latest/tutorial_notebooks/tutorial12/Autoregressive_Image_Modeling.html"
)
GENERATIVE, GENERATIVE_LINK = "pytorch-generative", "https://github.com/EugenHotaj/pytorch-generative"

LIKELIHOODS = [
    Published("mnist", "flow", "Coupling flow, uniform dequantization", "1.078", True, "0.56 M parameters, 200 epochs, no class", FLOWS, FLOWS_LINK),
    Published("mnist", "flow", "Coupling flow, variational dequantization", "1.043", True, "0.63 M parameters, 200 epochs, no class", FLOWS, FLOWS_LINK),
    Published("mnist", "flow", "Multiscale coupling flow", "1.020", True, "1.71 M parameters, 200 epochs, no class", FLOWS, FLOWS_LINK),
    Published("mnist", "flow", "NICE", "4.34", True, "no class", GENERATIVE, GENERATIVE_LINK),
    Published("mnist", "pixelcnn", "Gated PixelCNN, dilated", "0.808", False, "0.85 M parameters, 150 epochs, no class", PIXELS, PIXELS_LINK),
]  # fmt: skip
