"""Metrics against values known in closed form."""

import math

import pytest
import torch
from helpers import build, tiny_images

from genmodels import checkpoint
from genmodels.evaluate import calibrate, evaluate, likelihood_metrics, reconstruction_metrics
from genmodels.metrics import bits_per_dim, importance_weighted_bound, mean_squared_error, psnr


def test_mean_squared_error_is_per_image():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), -1.0)])
    assert mean_squared_error(x, y).tolist() == [0.25, 1.0]


@pytest.mark.parametrize(("mse", "decibels"), [(4.0, 0.0), (0.4, 10.0), (0.04, 20.0), (0.25, 12.0412), (0.0, math.inf)])
def test_psnr_of_a_known_error(mse, decibels):
    """From -1 to 1 the peak is 2, so its square is 4."""
    assert psnr(mse) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_that_of_grey_levels():
    """One grey level of 255 everywhere: 20 log10(255) = 48.13 dB."""
    assert psnr((2 / 255) ** 2) == pytest.approx(20 * math.log10(255))


def test_bits_per_dim():
    shape = (3, 4, 5)
    nats = torch.tensor([-60 * math.log(2), -60 * 8 * math.log(2), 0.0])
    assert bits_per_dim(nats, shape).tolist() == pytest.approx([1.0, 8.0, 0.0])


def test_importance_weighted_bound():
    """The logarithm of the mean weight, also where the weights themselves would underflow."""
    weights = torch.tensor([[1.0, 0.5], [3.0, 0.5]])
    assert importance_weighted_bound(weights.log()).tolist() == pytest.approx([math.log(2), math.log(0.5)])
    assert importance_weighted_bound(torch.tensor([[-2000.0], [-2000.0]])).tolist() == [-2000.0]


# -- evaluation --------------------------------------------------------------------------------------------------------


def silent(metric: str, share: float) -> None:
    pass


def test_reconstruction_of_the_noisy_pictures_themselves():
    """sigma = 0.5 is 20 log10(2 / 0.5) = 12.04 dB, whatever the model."""
    found = reconstruction_metrics(build("autoencoder"), tiny_images(300), silent)
    assert found["noisy_psnr"]["value"] == pytest.approx(12.04, abs=0.05)
    assert {"reconstruction_psnr", "denoising_psnr", "noisy_psnr"} == set(found)
    assert all(metric["unit"] == "dB" and metric["protocol"] for metric in found.values())


def test_likelihood_is_in_bits_and_says_what_it_is():
    found = likelihood_metrics(build("vae"), tiny_images(30), 16, silent)
    assert found["bits_per_dim_bound"]["value"] < found["elbo_bits_per_dim"]["value"]
    assert "16 samples" in found["bits_per_dim_bound"]["protocol"]
    assert all("upper bound" in metric["protocol"] for metric in found.values())


def test_calibration():
    images = tiny_images(30)
    model = build("vae")
    values = calibrate(model, images)
    assert values["scores"].shape == (30,)
    assert torch.equal(values["scores"], values["scores"].sort().values)
    assert torch.allclose(values["codes"].float(), model.encode(*images[:]), atol=1e-2)
    assert values["labels"].tolist() == images.labels.tolist()


def test_evaluate_writes_what_it_measured(tmp_path, image_folder):
    data = {"name": str(image_folder), "shape": [1, 8, 8], "classes": ["down", "up"]}
    folder = checkpoint.save(build("vae"), tmp_path / "model", data=data, training={"steps": 1})
    result = evaluate(folder, importance_samples=4)
    assert checkpoint.read_json(folder, "metrics.json") == result
    assert result["n"] == 2
    assert result["data"] == {"name": str(image_folder), "split": "test"}
    assert result["metrics"]["parameters"]["value"] == sum(p.numel() for p in build("vae").parameters())
    assert all(math.isfinite(metric["value"]) for metric in result["metrics"].values())
    assert evaluate(folder, importance_samples=4)["metrics"] == result["metrics"], "the same every time"
    for n in (0, -1, 3):
        with pytest.raises(ValueError, match=f"between 1 and the test split's 2 images, not {n}"):
            evaluate(folder, n)
