"""What the flow tab stands on: calibration, there and back, likelihoods, walks between codes, class swaps."""

import numpy as np
import pytest
import torch
from helpers import build, tiny_images
from test_wrappers import pad, pixels, refused

from genmodels import operations
from genmodels.evaluation.calibration import calibrate
from genmodels.real_images import real_images
from genmodels.wrappers import core, examples, flows, likelihoods, pictures, sampling
from genmodels.wrappers.core import load_model

FLOWS = core.available("flow")
#: One of grey pictures, one of coloured ones.
every_flow = pytest.mark.parametrize("name", {core.describe(name)["shape"][0]: name for name in FLOWS}.values())
needs_a_flow = pytest.mark.skipif(not FLOWS, reason="no flow is bundled")
NAME = FLOWS[0] if FLOWS else ""


# -- calibration -------------------------------------------------------------------------------------------------------


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


# -- what is refused ---------------------------------------------------------------------------------------------------


@needs_a_flow
@pytest.mark.parametrize("value", [-1, 2**31])
def test_seeds_of_films(value):
    refused(lambda: flows.sample_layers(NAME, seed=value), 0, 2**31 - 1)


@needs_a_flow
@pytest.mark.parametrize("value", [-0.01, 2.01])
def test_temperatures(value):
    refused(lambda: flows.sample_layers(NAME, temperature=value), "temperature", "from 0 to 2")


# -- there and back ----------------------------------------------------------------------------------------------------


@every_flow
def test_samples_grow_layer_by_layer(name):
    film = flows.sample_layers(name, seed=4, label=1, temperature=0.7)
    frames = film["frames"]
    assert len(frames) == len(load_model(name).layer_names) + 1
    assert all(frame["caption"] for frame in frames)
    channels, height, width = core.describe(name)["shape"]
    last = pixels(frames[-1])
    assert last.shape == (2 * height + 2, 4 * width + 6, channels)
    sheet = np.asarray(sampling.sample(name, n=8, seed=4, label=1, temperature=0.7))
    scale = sheet.shape[1] // (3 * (width + 2) - 2)
    assert np.array_equal(
        last[:height, :width], sheet[::scale, ::scale].reshape(*sheet[::scale, ::scale].shape[:2], -1)[:height, :width]
    )
    assert flows.sample_layers(name, seed=4, label=1, temperature=0.7) == film
    assert flows.sample_layers(name, seed=5, label=1, temperature=0.7) != film


# -- how likely --------------------------------------------------------------------------------------------------------


@every_flow
def test_a_likelihood_among_test_images(name):
    black = pictures.to_pad(np.zeros(core.describe(name)["shape"], np.uint8))
    noise, flat = likelihoods.likelihood(name, pad(name)), likelihoods.likelihood(name, black)
    assert noise["is_bound"]
    assert flat["bits"] < noise["bits"]
    assert noise["likelier_than"] == 0
    assert likelihoods.likelihood(name, pad(name)) == noise, "the same picture, the same figure"
    counts = noise["histogram"]["counts"]
    assert sum(counts) >= 0.99 * len(likelihoods._test_bits(name))
    assert noise["histogram"]["edges"][0] == 0


@needs_a_flow
def test_other_kinds_are_in_order():
    rows = likelihoods.compared(NAME, examples.of_kind(NAME)[3:4])
    bits = [row["bits"] for row in rows]
    assert bits == sorted(bits)
    assert sum(row["known"] for row in rows) == 1
    assert {"all black", "all white", "an Omniglot glyph", "noise"} <= {row["label"] for row in rows}
    for row in rows:
        assert row["likelier_than"] == pytest.approx(100 * (likelihoods._test_bits(NAME) > row["bits"]).mean())


@every_flow
def test_a_real_glyph_is_on_the_models_own_background(name):
    """The one of our Omniglot pictures whose ink is the median."""
    glyph = pixels(dict(examples.plain_pictures(name))["an Omniglot glyph"])
    background = core.describe(name)["background"]
    assert (glyph[0] == background).all()
    all_ink = sorted(float(image.float().mean()) for image in real_images("omniglot").pixels)
    ink = abs(glyph.astype(int) - background).mean()
    assert ink == pytest.approx(all_ink[len(all_ink) // 2], rel=0.05)
