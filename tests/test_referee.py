"""The referee: what it learns from, and that it looks at pictures in the same way every time."""

import json

import pytest
import torch
import torch.nn.functional as F
from helpers import batch, build, tiny_images

from genmodels import checkpoint
from genmodels.data import Images
from genmodels.models.referee import Referee, RefereeConfig
from genmodels.training.loop import train

STILL = {"max_shift": 0.0, "max_turn": 0.0, "max_zoom": 0.0}


def several(n: int = 6) -> tuple[Referee, torch.Tensor, torch.Tensor]:
    """A referee with heads of 3, 5 and 2 values; images and labels `(n, 3)`, some of them unknown."""
    model = build("referee", attributes=(3, 5, 2))
    x, _ = batch(model, n)
    generator = torch.Generator().manual_seed(7)
    labels = torch.stack([torch.randint(0, k, (n,), generator=generator) for k in model.config.attributes], 1)
    labels[0, 0] = labels[2, 1] = labels[3, 1] = -1
    return model, x, labels


# -- the objective -----------------------------------------------------------------------------------------------------


def test_the_loss_is_the_sum_over_the_attributes():
    """Of each attribute's cross-entropy with smoothed labels, averaged over the images where it is known."""
    model, x, labels = several()
    expected = torch.tensor(0.0)
    for answers, label in zip(model.classify(model.features(x)), labels.T, strict=True):
        known = label >= 0
        truth = F.one_hot(label[known], answers.shape[1]).float()
        smooth = 0.9 * truth + 0.1 / answers.shape[1]  # smoothing = 0.1
        expected = expected - (smooth * answers[known]).sum(1).mean()
    assert torch.allclose(model(x, labels)["loss"], expected, atol=1e-5)


def test_unknown_labels_do_not_count():
    model, x, labels = several()
    labels[:, 1:] = -1  # only the class is known, and not that of the first image
    assert torch.allclose(model(x, labels)["loss"], model(x[1:], labels[1:, 0])["loss"], atol=1e-5)
    nothing = model(x, torch.full_like(labels, -1))
    assert nothing["loss"] == 0
    assert nothing["accuracy"] == 0


def test_labels_of_the_class_alone_teach_the_first_head():
    model, x, labels = several()
    model.requires_grad_(True)
    model(x, labels[:, 0])["loss"].backward()
    taught = [head.weight.grad is not None for head in model.heads]
    assert taught == [True, False, False]


def test_every_head_learns():
    model, x, labels = several()
    model(x, labels)["loss"].backward()
    assert all(head.weight.grad.any() for head in model.heads)


def test_accuracy_is_the_share_of_right_answers():
    model, x, labels = several()
    for i, answers in enumerate(model.classify(model.features(x))):
        labels[:, i] = answers.argmax(1)
    assert model(x, labels)["accuracy"] == 1
    labels[:3] = -1
    assert model(x, labels)["accuracy"] == 1, "unknown ones are left out"
    labels[3] = (labels[3] + 1) % torch.tensor(model.config.attributes)
    assert model(x, labels)["accuracy"] == pytest.approx(2 / 3)


# -- disturbed pictures ------------------------------------------------------------------------------------------------


def test_only_training_disturbs():
    model = build("referee", dropout=0.0)
    x, labels = batch(model)
    calm = [model(x, labels)["loss"] for _ in range(2)]
    assert torch.equal(*calm)
    model.train()
    assert not torch.equal(model(x, labels)["loss"], model(x, labels)["loss"])


def test_disturbed_pictures_are_pictures():
    """Each by its own luck, of the same shape, without a grey level that was not there."""
    model = build("referee", flip=True)
    x = batch(model, 1)[0].expand(16, -1, -1, -1)
    disturbed = model._disturbed(x)
    assert disturbed.shape == x.shape
    assert disturbed.min() >= x.min() - 1e-5
    assert disturbed.max() <= x.max() + 1e-5
    assert len({bytes(image.numpy()) for image in disturbed}) == 16
    calm = build("referee", **STILL)
    assert torch.allclose(calm._disturbed(x), x, atol=1e-5)


def test_a_flip_mirrors_some_pictures():
    model = build("referee", flip=True, **STILL)
    x = batch(model, 1)[0].expand(32, -1, -1, -1)
    disturbed = model._disturbed(x)
    as_it_was = (disturbed - x).abs().flatten(1).amax(1) < 1e-4
    mirrored = (disturbed - x.flip(3)).abs().flatten(1).amax(1) < 1e-4
    assert (as_it_was | mirrored).all()
    assert as_it_was.any()
    assert mirrored.any()


def test_shifts_are_in_pixels():
    """A blob in the middle of a picture, wider than high, moves by up to `max_shift` pixels both ways."""
    model = build("referee", image_shape=(1, 16, 32), **(STILL | {"max_shift": 3.0}))
    x = torch.zeros(400, 1, 16, 32)
    x[:, :, 7:9, 15:17] = 1.0
    mass = model._disturbed(x)[:, 0]
    total = mass.sum((1, 2))
    right = (mass.sum(1) * (torch.arange(32) - 15.5)).sum(1) / total
    down = (mass.sum(2) * (torch.arange(16) - 7.5)).sum(1) / total
    for moved in (right, down):
        assert moved.abs().max() <= 3.01
        assert moved.min() < -2.5
        assert moved.max() > 2.5


# -- config, training, checkpoint --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (1, 10, 8)}, "multiples of 4, not 10 and 8"),
        ({"attributes": ()}, "at least one"),
        ({"attributes": (3, 0)}, "at least one value"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        build("referee", **changes)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 20), (1, 28, 28)], ids=str)
def test_other_shapes(shape):
    model = build("referee", image_shape=shape)
    assert model.features(torch.zeros(2, *shape)).shape == (2, model.config.feature_dim)


def test_a_trained_referee_lists_its_attributes(tmp_path):
    plain = tiny_images(8)
    tail = torch.arange(8) % 2
    attributes = {"place": plain.classes, "tail": ("", "long")}
    data = Images("bars", plain.pixels, torch.stack([plain.labels, tail], 1), plain.classes, attributes)
    model = Referee(RefereeConfig((1, 8, 8), 3, attributes=(3, 2), widths=(8, 8), blocks=1, feature_dim=8))
    recipe = type(model.recipe)(steps=4, batch_size=4)
    list(train(model, data, recipe, folder=tmp_path, precision="no"))
    config = json.loads((tmp_path / "checkpoint/config.json").read_text())
    assert config["data"]["attributes"] == {"place": ["up", "down", "middle"], "tail": ["", "long"]}
    assert config["config"]["attributes"] == [3, 2]
    assert not (tmp_path / "samples.png").exists(), "it makes no pictures"
    assert [a.shape[1] for a in checkpoint.load(tmp_path / "checkpoint").classify(torch.zeros(1, 8))] == [3, 2]
