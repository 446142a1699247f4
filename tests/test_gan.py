"""What defines the GAN: whose turn moves whom, penalties against calculus, styles, and a checkpoint of two files."""

import dataclasses
import math
import os
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers import batch, build, tiny_images
from torch import Tensor, nn

from genmodels import checkpoint, operations
from genmodels.data import Images
from genmodels.models.base import seeded
from genmodels.models.gan import GAN, GANConfig, gradient_norms
from genmodels.training.loop import train

RECIPE = dataclasses.replace(GAN.recipe, steps=12, batch_size=4)


def tiny(**changes: object) -> GAN:
    """A tiny GAN whose w_mean, like its parameters, isn't at its initial value."""
    model = build("gan", **changes)
    model.w_mean.normal_(generator=torch.Generator().manual_seed(5))
    return model


def noise(model: GAN, n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, model.config.latent_dim, generator=torch.Generator().manual_seed(seed))


# -- the game ----------------------------------------------------------------------------------------------------------


def test_the_discriminator_plays_first():
    """The generator then answers the discriminator of the same step."""
    assert list(tiny().players()) == ["discriminator", "generator"]


def test_the_discriminators_turn_leaves_the_generator_without_gradients():
    """Although all its parameters ask for them."""
    model = tiny().train()
    x, labels = batch(model)
    model(x, labels, player="discriminator")["loss"].backward()
    players = model.players()
    assert all(parameter.grad is None for parameter in players["generator"])
    assert all(parameter.grad.any() for parameter in players["discriminator"])


def test_losses_are_relativistic():
    """Both players' losses, recomputed from the scores of the same pairs."""
    model = tiny(gamma=0.0, gamma_final=0.0)
    x, labels = batch(model)
    torch.manual_seed(3)
    z = torch.randn(len(x), model.config.latent_dim)
    gap = model.realism(x, labels) - model.realism(model.decode(z, labels), labels)
    for player, expected in (("discriminator", (1 + (-gap).exp()).log()), ("generator", (1 + gap.exp()).log())):
        torch.manual_seed(3)
        assert torch.allclose(model(x, labels, player=player)["loss"], expected.mean(), atol=1e-5)


@pytest.mark.parametrize(("progress", "gamma"), [(0.0, 0.8), (0.5, 0.5), (1.0, 0.2)])
def test_the_penalties_weight_falls(progress, gamma):
    model = tiny(gamma=0.8, gamma_final=0.2)
    model.progress = progress
    terms = model(*batch(model), player="discriminator")
    penalty = terms["loss"] - terms["adversarial"]
    assert torch.allclose(penalty, gamma / 2 * (terms["r1"] + terms["r2"]), atol=1e-6)


# -- the gradient penalty ----------------------------------------------------------------------------------------------


class Toy(nn.Module):
    """score = slope/2 |x|^2 + <x, direction of the class>: its gradient is slope x + direction."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(1.5))
        self.direction = nn.Parameter(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return (self.slope / 2 * x.square() + x * self.direction[labels]).flatten(1).sum(1)


def test_gradient_norms_in_closed_form():
    """Value, and derivative by the critic's own parameters."""
    critic, model = Toy(), tiny()
    x, labels = batch(model, 6)
    labels = labels % 4
    norms = gradient_norms(critic, x, labels)
    gradient = critic.slope * x + critic.direction[labels]
    assert torch.allclose(norms, gradient.square().flatten(1).sum(1), rtol=1e-5)
    norms.sum().backward()
    assert torch.allclose(critic.slope.grad, 2 * (gradient * x).sum(), rtol=1e-4)
    assert not x.requires_grad


def test_gradient_norms_of_the_critic():
    """R1 and R2 of a turn are the squared norms of autograd's Jacobian of the score, image by image."""
    model = tiny(penalty_share=1.0)
    x, labels = batch(model)
    torch.manual_seed(3)
    fakes = model.decode(torch.randn(len(x), model.config.latent_dim), labels)
    torch.manual_seed(3)
    terms = model(x, labels, player="discriminator")
    for name, images in (("r1", x), ("r2", fakes)):
        jacobian = torch.autograd.functional.jacobian(lambda images: model.realism(images, labels), images)
        own = torch.stack([jacobian[i, i] for i in range(len(x))])
        assert torch.allclose(terms[name], own.square().flatten(1).sum(1).mean(), rtol=1e-4)


def test_gradient_norms_under_autocast():
    """The trainer computes in bfloat16: the norms stay float32 and near the exact ones."""
    model = tiny()
    x, labels = batch(model)
    labels = torch.where(labels < 0, 3, labels)
    exact = gradient_norms(model.discriminator, x, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradient_norms(model.discriminator, x, labels)
    assert found.dtype == torch.float32
    assert torch.allclose(found, exact, rtol=0.1)


# -- styles ------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_truncation():
    """psi = 0 is one picture per class whatever z, psi = 1 changes nothing, and between them w moves on a line."""
    model = tiny()
    z, labels = noise(model, 6), torch.tensor([0, 0, 1, 1, -1, -1])
    none, half, full = (model.styles(z, labels, psi) for psi in (0.0, 0.5, 1.0))
    mean_pictures = model.decode(z, labels, 0.0)
    assert torch.equal(mean_pictures[0::2], mean_pictures[1::2])
    assert not torch.allclose(mean_pictures[0], mean_pictures[2], atol=1e-3)
    assert torch.allclose(full[:, 0], model.mapping(z, labels % 4), atol=1e-6)
    assert torch.allclose(half, (none + full) / 2, atol=1e-6)
    pictures = model.sample(labels, generators=seeded(range(6)), truncation_psi=1.0)
    assert torch.equal(pictures, model.sample(labels, generators=seeded(range(6))))
    knob = operations.sample(model, 3, label=1, truncation_psi=0.0)
    assert torch.allclose(knob, mean_pictures[2:3].expand(3, -1, -1, -1), atol=1e-6)
    with pytest.raises(ValueError, match="truncation_psi"):
        operations.sample(model, 1, truncation_psi=math.nan)


@torch.no_grad()
def test_the_mean_style_is_the_mean_of_styles():
    """After enough turns w_mean is, class by class, what the mapping gives on average; sampling never moves it."""
    model = tiny(style_decay=0.98, label_dropout=0.0)
    model.train()
    x, labels = batch(model, 64)
    for _ in range(60):
        model(x, labels, player="generator")
    after = model.w_mean.clone()
    model.eval()
    for label in (0, 1):
        expected = model.mapping(noise(model, 5000), torch.full((5000,), label)).mean(0)
        spread = model.mapping(noise(model, 5000), torch.full((5000,), label)).std()
        assert torch.allclose(after[label], expected, atol=0.4 * float(spread))
    model(x, labels, player="generator")
    operations.sample(model, 4)
    assert torch.equal(model.w_mean, after)


@torch.no_grad()
def test_style_mixing():
    """A picture mixed with itself is itself; every layer's style changes the picture."""
    model = tiny()
    a, b = (model.styles(noise(model, 2, seed), torch.tensor([0, 1])) for seed in (0, 1))
    assert a.shape == (2, model.num_layers, model.config.style_dim)
    plain = model.synthesize(a)
    assert torch.equal(plain, model.decode(noise(model, 2, 0), torch.tensor([0, 1])))
    for layer in range(model.num_layers):
        same, mixed = a.clone(), a.clone()
        same[:, layer] = model.styles(noise(model, 2, 0), torch.tensor([0, 1]))[:, layer]
        mixed[:, layer] = b[:, layer]
        assert torch.equal(model.synthesize(same), plain)
        assert not torch.allclose(model.synthesize(mixed), plain, atol=1e-4), f"layer {layer} has no style"


@torch.no_grad()
def test_only_the_direction_of_z_counts():
    model = tiny()
    z, labels = noise(model, 3), torch.tensor([0, 1, 2])
    assert torch.allclose(model.decode(3 * z, labels), model.decode(z, labels), atol=1e-5)


# -- classes -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_critic_asks_for_the_class():
    """The score is linear in the class's direction: projection. Its own class changes the score of a picture."""
    model = tiny()
    x, _ = batch(model)
    scores = [model.realism(x, torch.full((len(x),), label)) for label in (0, 1)]
    assert not torch.allclose(*scores, atol=1e-3)
    model.discriminator.label.weight[2] = model.discriminator.label.weight[:2].mean(0)
    between = model.realism(x, torch.full((len(x),), 2))
    assert torch.allclose(between, (scores[0] + scores[1]) / 2, atol=1e-5)


@torch.no_grad()
def test_without_a_class_all_classes_are_equally_likely():
    """Each such sample is the picture that its seed gives for one of the classes, and all classes get their share."""
    model, n = tiny(), 300
    images = operations.sample(model, n, seed=7, label=None)
    of_class = torch.stack([operations.sample(model, n, seed=7, label=c) for c in range(3)])
    same = (of_class - images).abs().flatten(2).amax(2) < 1e-6
    assert same.sum(0).eq(1).all()
    assert same.sum(1).sub(n / 3).abs().max() < 3 * math.sqrt(n * 2 / 9)


def test_without_classes():
    """A data set without labels: one row of embeddings, the labels are -1 or None."""
    model = GAN(dataclasses.replace(GANConfig.tiny(), num_classes=0))
    data = Images("plain", tiny_images(8).pixels, torch.full((8,), -1), ())
    rows = list(train(model, data, RECIPE, precision="no", log_every=4))
    assert math.isfinite(rows[-1]["generator/loss"])
    assert operations.sample(model, 3, label=None).shape == (3, 1, 8, 8)
    assert torch.equal(model.realism(data[:2][0]), model.realism(data[:2][0], torch.tensor([-1, -1])))


# -- unusual data ------------------------------------------------------------------------------------------------------

POOR_DATA = {
    "one class": Images("one", tiny_images(8).pixels, torch.zeros(8, dtype=torch.long), ("only",)),
    "one image": tiny_images(1),
    "fewer images than a batch": tiny_images(3),
    "one grey level": Images("grey", torch.full((8, 1, 8, 8), 128, dtype=torch.uint8), torch.arange(8) % 3, ("a", "b", "c")),
}  # fmt: skip


@pytest.mark.parametrize("name", POOR_DATA)
def test_poor_data_are_learnt_without_harm(name):
    data = POOR_DATA[name]
    torch.manual_seed(0)
    model = GAN(dataclasses.replace(GANConfig.tiny(), num_classes=len(data.classes)))
    rows = list(train(model, data, RECIPE, precision="no", log_every=4))
    assert rows[-1]["step"] == RECIPE.steps
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert operations.sample(model, 4).isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (1, 30, 28)}, "multiples of 4, not 30 and 28"),
        ({"mapping_layers": 0}, "mapping_layers"),
        ({"penalty_share": 0.0}, "penalty_share"),
        ({"penalty_share": 1.5}, "penalty_share"),
    ],
)
def test_impossible_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        GAN(dataclasses.replace(GANConfig.tiny(), **changes))


# -- the checkpoint: generator and discriminator apart -----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoint.save(tiny(), tmp_path / "model")


def test_the_averaged_generator_is_saved_and_sampled(tmp_path):
    """Weights in the checkpoint = exponential moving average of those that were trained, and samples are its samples."""
    model = GAN(GANConfig.tiny())
    decay, averages, seen = 0.5, {}, []

    def watch() -> bool:  # asked once before the first step and after every step: the live weights
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return False

    recipe = dataclasses.replace(RECIPE, steps=6, ema_decay=decay)
    for _ in train(model, tiny_images(8), recipe, folder=tmp_path, precision="no", stop=watch):
        pass
    for step, state in enumerate(seen[1:]):
        weight = 1 - min(decay, (1 + step) / (10 + step)) if step else 1.0
        averages = {key: value.lerp(state[key], weight) for key, value in averages.items()} if step else state
    saved = checkpoint.load(tmp_path / "checkpoint")
    for key, value in saved.state_dict().items():
        assert torch.allclose(value, averages[key], atol=1e-5), key
    assert any(not torch.equal(value, seen[-1][key]) for key, value in saved.state_dict().items())
    assert torch.allclose(operations.sample(saved, 4), operations.sample(model, 4), atol=1e-5)


def test_the_discriminator_is_a_file_of_its_own(folder):
    assert sorted(os.listdir(folder)) == ["config.json", "discriminator.safetensors", "model.safetensors"]
    generator, discriminator = (
        safetensors.torch.load_file(folder / name) for name in ("model.safetensors", "discriminator.safetensors")
    )
    assert {key.partition(".")[0] for key in generator} == {"mapping", "synthesis", "w_mean"}
    assert {key.partition(".")[0] for key in discriminator} == {"discriminator"}


def test_a_missing_discriminator_is_named(folder):
    (folder / "discriminator.safetensors").unlink()
    with pytest.raises(ValueError, match=r"discriminator\.safetensors can't be read"):
        checkpoint.load(folder)


def test_a_foreign_discriminator_is_named(folder):
    shutil.copy(folder / "model.safetensors", folder / "discriminator.safetensors")
    with pytest.raises(ValueError, match=r"discriminator\.safetensors lacks the key 'discriminator\."):
        checkpoint.load(folder)


def test_a_discriminator_of_another_size_is_named(folder, tmp_path):
    other = checkpoint.save(tiny(critic_features=5), tmp_path / "other")
    shutil.copy(other / "discriminator.safetensors", folder)
    with pytest.raises(ValueError, match=r"discriminator\.safetensors: key 'discriminator\..*the config asks for"):
        checkpoint.load(folder)


def test_every_side_file_is_downloaded_and_pushed():
    assert "discriminator.safetensors" in checkpoint.files_of(GAN)
