"""The real test images that travel with the package."""

import json

import pytest
import torch

from genmodels import data
from genmodels.real_images import FOLDER, kept, real_images


def test_every_data_set_that_we_know_has_some():
    assert kept() == list(data.DATASETS)
    assert real_images("user/other") is None
    assert real_images("../mnist") is None


@pytest.mark.parametrize("name", kept())
def test_the_classes_come_in_turn(name):
    images, info = real_images(name), data.DATASETS[name]
    assert images.shape == info.shape
    assert images.pixels.dtype == torch.uint8
    assert images.labels.tolist() == [i % len(info.classes) for i in range(len(images))]
    assert len(images) >= (200 if name != "omniglot" else 16)
    assert len({image.numpy().tobytes() for image in images.pixels}) == len(images)


@pytest.mark.parametrize("name", kept())
def test_source_and_licence_are_named_and_files_are_small(name):
    facts = json.loads((FOLDER / f"{name}.json").read_text())
    assert "https://" in facts["source"]
    assert facts["licence"].startswith(("MIT", "CC0", "published for all"))
    assert (FOLDER / f"{name}.webp").stat().st_size < 100_000


@pytest.mark.parametrize("name", kept())
def test_they_are_the_test_splits_own(name, data_root):
    facts = json.loads((FOLDER / f"{name}.json").read_text())
    test = data.load_dataset(name, "test")
    assert torch.equal(test.pixels[facts["indices"]], real_images(name).pixels)
    assert torch.equal(test.labels[facts["indices"]], real_images(name).labels)


def test_they_fit_a_model_of_another_shape():
    digits, large = real_images("mnist"), real_images("mnist", (3, 32, 32))
    assert large.shape == (3, 32, 32)
    assert torch.equal(large.labels, digits.labels)
    assert torch.equal(large.pixels[:, 0], large.pixels[:, 2])
    assert abs(large.pixels.float().mean() - digits.pixels.float().mean()) < 2
