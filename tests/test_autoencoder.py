"""The denoising autoencoder: the damage it trains on, and what it is asked to give back."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from helpers import batch, build, tiny_images

from genmodels import operations
from genmodels.models.autoencoder import Autoencoder, AutoencoderConfig
from genmodels.models.base import ERASED
from genmodels.training.loop import train


def test_without_damage_it_sees_the_pictures_as_they_are():
    model = build("autoencoder", max_noise=0.0, erase=0.0)
    x, _ = batch(model, 16)
    torch.manual_seed(0)
    assert torch.equal(model._damaged(x), x)
    assert torch.equal(model(x)["loss"], F.mse_loss(model.decode(model.encode(x)), x))


def test_erasing_leaves_the_other_images_and_pixels_alone():
    """Half of the images lose one rectangle of between a tenth and a half of each side; nothing else changes."""
    model = build("autoencoder", image_shape=(3, 20, 28), max_noise=0.0, erase=0.5)
    x = torch.full((400, 3, 20, 28), 0.7)
    torch.manual_seed(0)
    damaged = model._damaged(x)
    changed = (damaged != x).any(1)
    assert torch.equal(changed, (damaged != x).all(1)), "all channels together"
    assert (damaged[changed.unsqueeze(1).expand_as(x)] == ERASED).all()
    assert 100 < int(changed.flatten(1).any(1).sum()) < 300
    for mask in changed[changed.flatten(1).any(1)]:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert int(mask.sum()) == height * width, "a rectangle"
        assert height <= 11
        assert width <= 15


def test_noise_has_any_strength_up_to_the_greatest():
    model = build("autoencoder", max_noise=0.8, erase=0.0)
    x = torch.zeros(2000, 1, 8, 8)
    torch.manual_seed(0)
    strength = model._damaged(x).flatten(1).std(1)
    assert 800 < int((strength == 0).sum()) < 1200, "half of the images keep their pixels"
    noisy = strength[strength > 0]
    assert float(noisy.max()) < 1.3 * 0.8
    counts = torch.histc(noisy, 4, 0, 0.8)
    assert (counts > 150).all(), counts


def test_the_target_is_the_undamaged_picture():
    """The loss of a model that returns its input is the mean square of the damage."""
    model = build("autoencoder", max_noise=1.0, erase=0.5)
    x, _ = batch(model, 64)
    model.encoder, model.decoder = torch.nn.Identity(), torch.nn.Identity()
    torch.manual_seed(3)
    damaged = model._damaged(x)
    torch.manual_seed(3)
    assert torch.equal(model(x)["loss"], F.mse_loss(damaged, x))
    assert float(model(x)["loss"]) > 0.05


def test_labels_do_not_matter():
    model = build("autoencoder")
    x, labels = batch(model)
    assert torch.equal(model.encode(x, labels), model.encode(x))
    assert torch.equal(model.decode(model.encode(x), labels), model.decode(model.encode(x)))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 8, 20)])
def test_shapes(shape):
    model = Autoencoder(dataclasses.replace(AutoencoderConfig.tiny(), image_shape=shape, latent_dim=5))
    x = torch.zeros(2, *shape)
    assert model.encode(x).shape == (2, 5)
    assert operations.reconstruct(model, x).shape == x.shape


def test_shapes_that_do_not_halve_twice_are_refused():
    with pytest.raises(ValueError, match="multiples of 4, not 6 and 8"):
        Autoencoder(dataclasses.replace(AutoencoderConfig.tiny(), image_shape=(1, 6, 8)))


# -- what is done with codes -------------------------------------------------------------------------------------------


def test_corrupt():
    x = torch.full((2, 1, 8, 8), 0.5)
    assert torch.equal(operations.corrupt(x, 0.0, [0, 1]), x)
    hidden = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    hidden[1, :, :4] = True
    erased = operations.corrupt(x, 0.0, [0, 1], hidden)
    assert torch.equal(erased[0], x[0])
    assert (erased[1, :, :4] == ERASED).all()
    assert (erased[1, :, 4:] == 0.5).all()
    noisy = operations.corrupt(x, 0.25, [5, 6])
    assert torch.equal(noisy[1:], operations.corrupt(x[1:], 0.25, [6])), "an image's noise is its own seed's"
    big = operations.corrupt(torch.zeros(1, 1, 200, 200), 0.25, [0])
    assert float(big.std()) == pytest.approx(0.25, rel=0.02)


def test_anomaly_score_is_in_grey_levels():
    model = build("autoencoder")
    x, labels = batch(model)
    error = (operations.reconstruct(model, x) - x) * 127.5
    expected = error.square().mean((1, 2, 3)).sqrt()
    assert torch.allclose(operations.anomaly_score(model, x, labels), expected, rtol=1e-5)


def test_it_learns_to_clean():
    """Trained on a handful of pictures, it gives back less noise than it was given."""
    data = tiny_images(12)
    torch.manual_seed(0)
    model = Autoencoder(dataclasses.replace(AutoencoderConfig.tiny(), widths=(8, 16), max_noise=0.6, erase=0.0))
    recipe = dataclasses.replace(model.recipe, steps=150, batch_size=12, ema_decay=0.9)
    list(train(model, data, recipe, precision="no"))
    x, _ = data[:]
    noisy = operations.corrupt(x, 0.3, range(len(x)))
    cleaned = operations.reconstruct(model, noisy)
    assert F.mse_loss(cleaned, x) < 0.5 * F.mse_loss(noisy, x)
