"""What the flow tab stands on: calibration, there and back, likelihoods, walks between codes, class swaps."""

import torch
from helpers import build, tiny_images

from genmodels import operations
from genmodels.evaluate import calibrate


def test_calibration_of_what_has_a_likelihood():
    """bits/dim of all test images, of a model that loses nothing; a code that is smaller says more by what it loses."""
    model, test = build("flow"), tiny_images(21)
    torch.manual_seed(5)
    found = calibrate(model, test)
    assert set(found) == {"bits_per_dim_test"}
    bits = found["bits_per_dim_test"]
    assert bits.dtype == torch.float32
    torch.testing.assert_close(bits, operations.bits_per_dim(model, test[:][0]).sort().values)
    assert torch.equal(calibrate(model, test)["bits_per_dim_test"], bits), "another day, another random state"
    assert set(calibrate(build("vae"), test)) == {"scores", "codes", "labels"}
