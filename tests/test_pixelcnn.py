"""What is true of PixelCNN: pixels know only of those before them, probabilities add up, the cache changes nothing."""

import itertools
import math

import pytest
import torch

from genmodels.models.autoregressive import draw
from genmodels.models.base import seeded
from genmodels.models.pixelcnn import PixelCNN, PixelCNNConfig, fold, unfold

SHAPES = {"grey": (1, 4, 6), "colour": (3, 4, 4)}


def wild(seed: int = 0, **values) -> PixelCNN:
    """A small network with large weights everywhere, so that everything that can matter does."""
    torch.manual_seed(seed)
    defaults = {"image_shape": (1, 8, 8), "num_classes": 3, "embedding_dim": 4, "vertical_width": 8, "width": 8}
    model = PixelCNN(PixelCNNConfig(**defaults | {"dilations": (1, 2)} | values)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.requires_grad_(False)


def batch(model: PixelCNN, n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of whole levels, and labels, -1 among them."""
    top = model.config.grey_levels - 1
    levels = torch.randint(0, top + 1, (n, *model.image_shape), generator=torch.Generator().manual_seed(n))
    return levels * (2 / top) - 1, torch.arange(n) % 4 - 1


def last(frames):
    *_, end = frames
    return end


# -- order -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folded", [1, 2])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_jacobian_is_strictly_triangular(shape, folded):
    """Logits depend on the levels before theirs in raster and channel order, on every one of them, and on no other.

    Levels are whole numbers, so the derivatives are by differences: one level is changed at a time.
    """
    model = wild(image_shape=shape, fold=folded, grey_levels=4, dilations=(1, 1, 2, 1, 2, 1)).double()
    x, labels = batch(model, 1)
    channels, height, width = shape
    order = list(itertools.product(range(height), range(width), range(channels)))
    changed = x.repeat(len(order), 1, 1, 1)
    for place, (row, column, c) in enumerate(order):
        changed[place, c, row, column] = -changed[place, c, row, column]
    before = model.log_probabilities(x, labels)
    after = model.log_probabilities(changed, labels.expand(len(order)))
    moved = (after - before).abs().amax(-1)  # (changed level, C, H, W)
    jacobian = torch.stack([moved[:, c, row, column] for row, column, c in order], 1)
    expected = torch.ones(len(order), len(order)).triu(1).bool()
    assert torch.equal(jacobian > 0, expected)


def test_the_class_matters():
    model = wild()
    x, _ = batch(model, 1)
    each = model.log_likelihood(x.expand(4, -1, -1, -1), torch.tensor([-1, 0, 1, 2]))
    assert len(set(each.tolist())) == 4
    assert torch.equal(each[:1], model.log_likelihood(x))


def test_folding_is_undone_by_unfolding():
    x = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    folded = fold(x, 2)
    assert folded.shape == (2, 3, 2, 10)
    assert torch.equal(folded[0, 0, 1], x[0, 0, 2:].flatten())
    assert torch.equal(unfold(folded, 2), x)


# -- likelihood --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 2, 4), (2, 2, 2)], ids=["grey", "colour"])
@pytest.mark.parametrize("label", [-1, 1])
def test_probabilities_add_up_to_one(shape, label):
    """Of all 3^8 images of a space so small that they can be counted."""
    model = wild(image_shape=shape, grey_levels=3).double()
    levels = torch.tensor(list(itertools.product(range(3), repeat=8))).view(-1, *shape)
    log_p = model.log_likelihood(levels - 1.0, torch.full((len(levels),), label))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_the_loss_is_minus_the_log_likelihood():
    model = wild()
    x, labels = batch(model)
    terms = model(x, labels)
    nats = model.log_likelihood(x, labels)
    assert float(terms["loss"]) == pytest.approx(-float(nats.mean()), rel=1e-5)
    assert float(terms["bits_per_dim"]) == pytest.approx(-float(nats.mean()) / 64 / math.log(2), rel=1e-5)


def test_the_likelihood_is_the_product_of_what_was_predicted():
    model = wild(image_shape=(3, 4, 4))
    x, labels = batch(model)
    levels = ((x + 1) * 127.5).round().long()
    predicted = model.log_probabilities(x, labels).gather(-1, levels.unsqueeze(-1))
    assert torch.allclose(predicted.flatten(1).sum(1), model.log_likelihood(x, labels), rtol=1e-5)


def test_a_new_model_knows_nothing():
    """Eight bits per level: a uniform distribution."""
    model = PixelCNN(PixelCNNConfig.tiny())
    x, labels = batch(model)
    assert torch.allclose(-model.log_likelihood(x, labels), torch.tensor(64 * 8 * math.log(2)))


# -- sampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folded", "temperature"), [(1, 1.0), (2, 0.7)])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 8)], ids=["grey", "colour"])
def test_the_cache_changes_no_bit(shape, folded, temperature):
    """The naive sampler, the cached one, and the cached one image by image."""
    model, labels = wild(image_shape=shape, fold=folded), torch.tensor([0, 1, 2, -1, 0])
    cached = model.sample(labels, generators=seeded(range(5)), temperature=temperature)
    naive = last(model.sample_naively(labels, generators=seeded(range(5)), temperature=temperature))
    single = [model.sample(labels[i : i + 1], generators=seeded([i]), temperature=temperature) for i in range(5)]
    assert torch.equal(cached, naive)
    assert torch.equal(cached, torch.cat(single))
    assert len(set(cached.flatten().tolist())) > 50


def test_sampling_leaves_the_model_in_float32():
    model = wild()
    model.sample(torch.tensor([0]), generators=seeded([0]))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_levels_are_drawn_with_their_probabilities():
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64).log()
    uniform = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    drawn = draw(logits.expand(10_000, -1), uniform, temperature=1.0)
    assert drawn.bincount().tolist() == [1000, 0, 6000, 3000]
    colder = draw(logits.expand(10_000, -1), uniform, temperature=0.5).bincount() / 10_000
    assert colder.tolist() == pytest.approx([0.01 / 0.46, 0, 0.36 / 0.46, 0.09 / 0.46], abs=1e-4)
    assert draw(logits, torch.tensor(0.99, dtype=torch.float64), temperature=0.0) == 2


def test_rows_appear_one_by_one():
    model, labels = wild(), torch.tensor([0, 1])
    frames = list(model.sample_steps(labels, generators=seeded([0, 1])))
    assert len(frames) == 8
    for row, frame in enumerate(frames):
        assert torch.equal(frame[:, :, : row + 1], frames[-1][:, :, : row + 1])
        assert not frame[:, :, row + 1 :].any()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 8)], ids=["grey", "colour"])
def test_entropies_are_those_of_the_predictions(shape):
    model, (x, labels) = wild(image_shape=shape), batch(wild(image_shape=shape))
    given = torch.zeros_like(x[:, :1], dtype=torch.bool)
    images, entropies = last(model.write(x, given, labels, generators=seeded(range(4))))
    log_p = model.log_probabilities(images, labels)
    expected = -(log_p.exp() * log_p).sum((1, 4)) / math.log(2)
    assert torch.allclose(entropies, expected, atol=1e-4)


# -- completion --------------------------------------------------------------------------------------------------------


def halves(x: torch.Tensor) -> torch.Tensor:
    """A mask that gives the upper half, and one pixel in the lower."""
    mask = torch.zeros_like(x[:, :1], dtype=torch.bool)
    mask[:, :, : x.shape[2] // 2] = True
    mask[:, :, -1, 1] = True
    return mask


def test_given_pixels_are_left_untouched():
    """Also those that are no whole levels; the others are new."""
    model = wild()
    x, labels = batch(model)
    x = (x * 0.9).clamp(-1, 1)
    mask = halves(x)
    made = model.complete(x, mask, labels, generators=seeded(range(4)))
    assert torch.equal(made[mask], x[mask])
    assert float((made[~mask] == x[~mask]).float().mean()) < 0.1


def test_what_is_given_below_informs_nothing_above():
    model = wild()
    x, labels = batch(model)
    mask = halves(x)
    other = x.clone()
    other[:, :, -1, 1] = -other[:, :, -1, 1]
    first, second = (model.complete(v, mask, labels, generators=seeded(range(4))) for v in (x, other))
    assert torch.equal(first[:, :, :-1], second[:, :, :-1])
    assert torch.equal(first[:, :, -1, 0], second[:, :, -1, 0])
    assert not torch.equal(first[:, :, -1, 2:], second[:, :, -1, 2:])


def test_all_given_and_none_given():
    model = wild()
    x, labels = batch(model)
    everything = torch.ones_like(x[:, :1], dtype=torch.bool)
    assert torch.equal(model.complete(x, everything, labels, generators=seeded(range(4))), x)
    made = model.complete(x, ~everything, labels, generators=seeded(range(4)))
    assert torch.equal(made, model.sample(labels, generators=seeded(range(4))))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask", [torch.ones(4, 1, 8, 7, dtype=torch.bool), torch.ones(1, 8, 8, dtype=torch.bool), torch.ones(4, 1, 8, 8)]
)
def test_other_masks_are_refused(mask):
    model = wild()
    x, labels = batch(model)
    with pytest.raises(ValueError, match=r"The mask must be \(4, 1, 8, 8\) and bool, not"):
        model.complete(x, mask, labels, generators=seeded(range(4)))


@pytest.mark.parametrize(("value", "said"), [(math.nan, "not NaN"), (1.5, "not values from")])
def test_other_than_images_is_refused(value, said):
    model = wild()
    x, labels = batch(model)
    x[2, 0, 3, 3] = value
    for method in (model.log_likelihood, model.log_probabilities, model):
        with pytest.raises(ValueError, match=rf"Images must have values in \[-1, 1\], {said}"):
            method(x, labels)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"fold": 3}, "fold must divide the width of the pictures, 28; 3 does not"),
        ({"fold": 0}, "fold must divide"),
        ({"grey_levels": 1}, "grey_levels must be at least 2, not 1"),
        ({"dilations": ()}, "dilations must be one or more"),
        ({"dilations": (1, 0)}, "dilations must be one or more"),
    ],
)
def test_configs_that_cannot_be(values, said):
    with pytest.raises(ValueError, match=said):
        PixelCNN(PixelCNNConfig(**values))
