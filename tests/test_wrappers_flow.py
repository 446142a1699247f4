"""What the flow tab stands on: calibration, there and back, likelihoods, walks between codes, class swaps."""

import math

import numpy as np
import pytest
import torch
from helpers import build, tiny_images
from test_wrappers import pad, pixels, refused

from genmodels import checkpoint, operations
from genmodels.evaluation.calibration import calibrate
from genmodels.real_images import real_images
from genmodels.wrappers import core, examples, flows, latents, likelihoods, pictures, sampling
from genmodels.wrappers.core import load_model

FLOWS = core.available("flow")
#: One of grey pictures, one of coloured ones.
every_flow = pytest.mark.parametrize("name", {core.describe(name)["shape"][0]: name for name in FLOWS}.values())
needs_a_flow = pytest.mark.skipif(not FLOWS, reason="no flow is bundled")
NAME = FLOWS[0] if FLOWS else ""


def shrunk(image, name: str) -> np.ndarray:
    """A picture that was enlarged pixel by pixel, at its own size."""
    scale = image.width // core.describe(name)["shape"][2]
    return np.asarray(image)[::scale, ::scale].reshape(image.height // scale, image.width // scale, -1)


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


@needs_a_flow
@pytest.mark.parametrize("label", ["unicorn", 10**6])
def test_classes(label):
    for call in (
        lambda: flows.sample_layers(NAME, label=label),
        lambda: flows.swap_class(NAME, pad(NAME), label),
    ):
        refused(call)


@needs_a_flow
@pytest.mark.parametrize("value", [None, {"pixels": "AAAA"}])
def test_pictures_that_are_none(value):
    for call in (
        lambda: flows.round_trip(NAME, value),
        lambda: likelihoods.likelihood(NAME, value),
        lambda: flows.interpolate(NAME, pad(NAME), value),
        lambda: flows.swap_class(NAME, value),
    ):
        refused(call, "picture")


@needs_a_flow
@pytest.mark.skipif("vae-mnist" not in checkpoint.bundled(), reason="no VAE is bundled")
def test_models_that_can_do_something_else():
    vae = "vae-mnist"
    refused(lambda: flows.round_trip(vae, pad(vae)), "VAE", "lacks the ability ShowsLayers")
    refused(lambda: flows.sample_layers(vae), "VAE", "lacks the ability ShowsLayers")
    refused(lambda: likelihoods.likelihood(vae, pad(vae)), vae, "likelihoods")
    refused(lambda: latents.autoencode(NAME, pad(NAME)), NAME, "anomaly scores")
    refused(lambda: latents.latent_walk(NAME, (0, 1)), "Flow", "lacks the ability BlendsClasses")

    if "gan-mnist" in checkpoint.bundled():
        refused(lambda: likelihoods.likelihood("gan-mnist", pad("gan-mnist")), "HasLikelihood")
        refused(lambda: flows.swap_class("gan-mnist", pad("gan-mnist")), "ShowsLayers")


# -- there and back ----------------------------------------------------------------------------------------------------


@every_flow
def test_every_picture_comes_back(name):
    """Noise, flat pictures and examples, to the last grey level; what is shown is what was computed."""
    flat = [pictures.to_pad(np.full(core.describe(name)["shape"], v, np.uint8)) for v in (0, 1, 127, 255)]
    for given in [pad(name), *flat, examples.own_pictures(name, 1)[0][1]]:
        made = flows.round_trip(name, given)
        assert made["difference"] == 0
        assert np.array_equal(shrunk(made["decoded"], name), pixels(given))


@needs_a_flow
def test_a_difference_is_found(monkeypatch):
    """The number printed is measured: of a model that forgets a pixel it is not 0."""
    model, decode = load_model(NAME), type(load_model(NAME)).decode

    def forgetful(self, z, labels=None):
        x = decode(self, z, labels)
        x[..., 3, 3] = -x[..., 3, 3]
        return x

    monkeypatch.setattr(type(model), "decode", forgetful)
    flat = pictures.to_pad(np.full(core.describe(NAME)["shape"], 250, np.uint8))
    assert flows.round_trip(NAME, flat)["difference"] == 245


@every_flow
def test_the_film_goes_there_and_back(name):
    given = examples.own_pictures(name, 1)[0][1]
    made = flows.round_trip(name, given)
    frames = made["film"]["frames"]
    layers = len(load_model(name).layer_names)
    assert len(frames) == 2 * layers + 1
    assert all(frame["shape"] == core.describe(name)["shape"] for frame in frames)
    assert frames[0]["pixels"] == frames[-1]["pixels"] == given["pixels"]
    for i in range(layers + 1):
        there, back = (pixels(frames[j]).astype(int) for j in (i, -1 - i))
        assert abs(there - back).max() <= 1, "the way back passes where the way there did"
    assert np.array_equal(pixels(frames[layers]), shrunk(made["code"], name)), "half way it is z"
    captions = [frame["caption"] for frame in frames]
    assert "this is z" in captions[layers]
    assert f"layer {layers} of {layers}" in captions[layers]


@needs_a_flow
def test_the_histogram_is_a_density():
    made = flows.round_trip(NAME, pad(NAME))
    marks = made["histogram"]
    width = marks["edges"][1] - marks["edges"][0]
    assert len(marks["density"]) == len(marks["edges"]) - 1
    assert 0.5 < sum(marks["density"]) * width <= 1 + 1e-9
    assert max(marks["normal"]) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert marks["normal"][0] == pytest.approx(marks["normal"][-1])


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


# -- between two pictures, and other classes ------------------------------------------------------------------------------


@every_flow
def test_fades_end_at_the_pictures(name):
    a, b = (picture for _, picture in examples.own_pictures(name, 2))
    made = flows.interpolate(name, a, b)
    _, _, width = core.describe(name)["shape"]
    sheets = {}
    for key, sheet in made.items():
        scale = sheet.height // core.describe(name)["shape"][1]
        sheets[key] = np.asarray(sheet)[::scale, ::scale].astype(int)
        sheets[key] = sheets[key].reshape(*sheets[key].shape[:2], -1)
        assert abs(sheets[key][:, :width] - pixels(a)).max() <= 1
        assert abs(sheets[key][:, -width:] - pixels(b)).max() <= 1
    middle = slice(4 * (width + 2), 4 * (width + 2) + width)
    mean = (pixels(a).astype(int) + pixels(b)) / 2
    assert abs(sheets["pixels"][:, middle] - mean).max() <= 1
    assert abs(sheets["latent"][:, middle] - mean).max() > 20


@every_flow
def test_classes_are_swapped(name):
    classes = core.describe(name)["classes"]
    given = examples.own_pictures(name, 2)[1][1]
    made = flows.swap_class(name, given, classes[1])
    assert made["class"] == classes[1]
    assert [title for title, _ in made["pictures"]] == classes
    shown = [picture["pixels"] for _, picture in made["pictures"]]
    assert shown[1] == given["pixels"], "decoded as what it was encoded as, it comes back"
    assert len(set(shown)) == len(classes)
    guessed = flows.swap_class(name, given)
    assert guessed == flows.swap_class(name, given, guessed["class"])
