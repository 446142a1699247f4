"""What is true of autoregressive models: pixels know only of those before them, probabilities add up, the cache changes nothing."""

import copy
import itertools
import math

import pytest
import torch

from genmodels import checkpoint
from genmodels.models import autoregressive
from genmodels.models.autoregressive import Autoregressive, Odds, draw
from genmodels.models.base import seeded
from genmodels.models.pixelcnn import PixelCNN, PixelCNNConfig, fold, unfold
from genmodels.models.pixelrnn import PixelRNN, PixelRNNConfig, skew, unskew
from genmodels.models.wavenet import WaveNet, WaveNetConfig

SHAPES = {"grey": (1, 4, 6), "colour": (3, 4, 4)}


#: What makes the tests' networks small, and lets each look at all pixels before.
SMALL: dict[type[Autoregressive], dict[str, object]] = {
    PixelCNN: {"vertical_width": 8, "dilations": (1, 1, 2, 1, 2, 1)},
    PixelRNN: {"blocks": 2},
    WaveNet: {"dilations": (1, 2, 4, 8, 16, 32)},
}
every_family = pytest.mark.parametrize("family", SMALL, ids=lambda family: family.__name__)


def wild(family: type[Autoregressive] = PixelCNN, seed: int = 0, **values) -> Autoregressive:
    """A small network with large weights everywhere, so that everything that can matter does."""
    torch.manual_seed(seed)
    defaults = {"image_shape": (1, 8, 8), "num_classes": 3, "embedding_dim": 4, "width": 8}
    model = family(family.Config(**defaults | SMALL[family] | values)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.requires_grad_(False)


def batch(model: Autoregressive, n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of whole levels, and labels, -1 among them."""
    top = model.config.grey_levels - 1
    levels = torch.randint(0, top + 1, (n, *model.image_shape), generator=torch.Generator().manual_seed(n))
    return levels * (2 / top) - 1, torch.arange(n) % 4 - 1


def last(frames):
    *_, end = frames
    return end


# -- order -------------------------------------------------------------------------------------------------------------


def jacobian(model: Autoregressive) -> torch.Tensor:
    """Which level (row) bears on the logits of which (column), in raster and channel order: by how much, at most.

    Levels are whole numbers, so the derivatives are by differences: one level is changed at a time.
    """
    x, labels = batch(model, 1)
    channels, height, width = model.image_shape
    order = list(itertools.product(range(height), range(width), range(channels)))
    changed = x.repeat(len(order), 1, 1, 1)
    for place, (row, column, c) in enumerate(order):
        changed[place, c, row, column] = -changed[place, c, row, column]
    before = model.log_probabilities(x, labels)
    after = model.log_probabilities(changed, labels.expand(len(order)))
    moved = (after - before).abs().amax(-1)  # (changed level, C, H, W)
    return torch.stack([moved[:, c, row, column] for row, column, c in order], 1)


@every_family
@pytest.mark.parametrize("shape", [*SHAPES.values(), (1, 6, 4)], ids=[*SHAPES, "tall"])
def test_the_jacobian_is_strictly_triangular(family, shape):
    """Logits depend on the levels before theirs in raster and channel order, on every one of them, and on no other."""
    found = jacobian(wild(family, image_shape=shape, grey_levels=4).double())
    assert torch.equal(found > 1e-12, torch.ones_like(found).triu(1).bool())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_unfolded_rows_are_as_causal(shape):
    found = jacobian(wild(image_shape=shape, fold=1, grey_levels=4).double())
    assert torch.equal(found > 1e-12, torch.ones_like(found).triu(1).bool())


def test_a_ribbon_reaches_as_far_as_its_leaps():
    """Leaps of 1, 2 and 4: eight pixels back, over the ends of rows."""
    found = jacobian(wild(WaveNet, dilations=(1, 2, 4), grey_levels=4).double()) > 1e-12
    expected = torch.ones_like(found).triu(1) & torch.ones_like(found).tril(8)
    assert torch.equal(found, expected)


@every_family
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_influence_is_where_the_jacobian_is_not_zero(family, shape):
    """Of a place, all its channels together; and nowhere else, also where gradients are switched off."""
    model = wild(family, image_shape=shape, **({"dilations": (1, 2)} if family is not PixelRNN else {}))
    (channels, height, width), (x, labels) = shape, batch(model, 1)
    places = jacobian(model.double()).view(height * width, channels, height * width, channels).amax((1, 3)) > 1e-12
    place = height * width - 3
    with torch.inference_mode():
        found = model.influence(x, *divmod(place, width), labels)
    assert found.shape == (1, height, width)
    assert torch.equal(found.flatten() > 0, places[:, place] & (torch.arange(height * width) < place))


def test_influence_is_the_gradient():
    """Against the difference that a small change of one pixel's embedding makes."""
    model = wild(WaveNet).double()
    x, labels = batch(model, 1)
    levels, (row, column) = model._levels(x), (3, 4)
    pixels = model.embedding(levels)

    def log_p(pixels):
        logits = model.heads[0](model._features(pixels, model._labels(labels, 1, x.device))[:, row, column], ())
        return logits.log_softmax(-1)[0, levels[0, 0, row, column]]

    steps = torch.eye(4, dtype=torch.float64) * 1e-6
    moved = pixels.new_zeros(4, *pixels.shape)
    moved[:, 0, 2, 5] = steps
    slopes = torch.stack([(log_p(pixels + step) - log_p(pixels - step)) / 2e-6 for step in moved])
    assert float(model.influence(x, row, column, labels)[0, 2, 5]) == pytest.approx(float(slopes.norm()), rel=1e-5)


def test_skewed_rows_are_undone():
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    skewed = skew(x)
    assert skewed.shape == (2, 3, 6, 5)
    assert torch.equal(skewed[:, 2, 2:], x[:, 2])
    assert not skewed[:, 2, :2].any()
    assert torch.equal(unskew(skewed), x)


@every_family
def test_the_class_matters(family):
    model = wild(family)
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


@every_family
@pytest.mark.parametrize("shape", [(1, 2, 4), (2, 2, 2)], ids=["grey", "colour"])
@pytest.mark.parametrize("label", [-1, 1])
def test_probabilities_add_up_to_one(family, shape, label):
    """Of all 3^8 images of a space so small that they can be counted."""
    model = wild(family, image_shape=shape, grey_levels=3).double()
    levels = torch.tensor(list(itertools.product(range(3), repeat=8))).view(-1, *shape)
    log_p = model.log_likelihood(levels - 1.0, torch.full((len(levels),), label))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)


@every_family
def test_the_loss_is_minus_the_log_likelihood(family):
    model = wild(family)
    x, labels = batch(model)
    terms = model(x, labels)
    nats = model.log_likelihood(x, labels)
    assert float(terms["loss"]) == pytest.approx(-float(nats.mean()), rel=1e-5)
    assert float(terms["bits_per_dim"]) == pytest.approx(-float(nats.mean()) / 64 / math.log(2), rel=1e-5)


@every_family
def test_the_likelihood_is_the_product_of_what_was_predicted(family):
    model = wild(family, image_shape=(3, 4, 4))
    x, labels = batch(model)
    levels = ((x + 1) * 127.5).round().long()
    predicted = model.log_probabilities(x, labels).gather(-1, levels.unsqueeze(-1))
    assert torch.allclose(predicted.flatten(1).sum(1), model.log_likelihood(x, labels), rtol=1e-5)


@every_family
def test_a_new_model_knows_nothing(family):
    """Eight bits per level: a uniform distribution."""
    model = family(family.Config.tiny())
    x, labels = batch(model)
    assert torch.allclose(-model.log_likelihood(x, labels), torch.tensor(64 * 8 * math.log(2)))


# -- sampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "values", "knobs"),
    [
        (PixelCNN, {"fold": 1}, {}),
        (PixelCNN, {"fold": 2}, {"temperature": 0.7}),
        (PixelCNN, {"guidance_scale": 1.5}, {}),
        (PixelRNN, {}, {"guidance_scale": 2.0}),
        (PixelRNN, {"blocks": 1}, {"temperature": 0.7}),
        (WaveNet, {}, {"guidance_scale": 0.0}),
        (WaveNet, {}, {"guidance_scale": 0.5, "temperature": 0.7}),
    ],
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 8)], ids=["grey", "colour"])
def test_the_cache_changes_no_bit(shape, family, values, knobs):
    """The naive sampler, the cached one, and the cached one image by image."""
    model, labels = wild(family, image_shape=shape, **values), torch.tensor([0, 1, 2, -1, 0])
    cached = model.sample(labels, generators=seeded(range(5)), **knobs)
    naive = last(model.sample_naively(labels, generators=seeded(range(5)), **knobs))
    single = [model.sample(labels[i : i + 1], generators=seeded([i]), **knobs) for i in range(5)]
    assert torch.equal(cached, naive)
    assert torch.equal(cached, torch.cat(single))
    assert len(set(cached.flatten().tolist())) > 20


@every_family
def test_float64_decides_what_float32_leaves_in_doubt(family, monkeypatch):
    """With rounding errors taken for a thousand times as large as they are, it is asked often, and draws the same."""
    model, labels = wild(family), torch.arange(4) % 3
    images = model.sample(labels, generators=seeded(range(4)), guidance_scale=2.0)
    asked, logits_of = [], family.logits_of

    def counted(self, levels, *rest):
        asked.append((len(levels), self.embedding.table.dtype))
        return logits_of(self, levels, *rest)

    monkeypatch.setattr(family, "logits_of", counted)
    monkeypatch.setattr(autoregressive, "ROUNDING", 1000 * autoregressive.ROUNDING)
    assert torch.equal(model.sample(labels, generators=seeded(range(4)), guidance_scale=2.0), images)
    assert {dtype for _, dtype in asked} == {torch.float64}
    assert 4 < sum(n for n, _ in asked) < 2 * 4 * 64  # of 4 pictures of 64 pixels, with a class and without
    asked.clear()
    model.sample(labels, generators=seeded(range(4)), guidance_scale=autoregressive.FAR + 1)
    copy.deepcopy(model).double().sample(labels, generators=seeded(range(4)))
    assert not asked  # float64 throughout


@pytest.mark.parametrize("guidance_scale", [1.0, 1.5])
@pytest.mark.parametrize("name", ["pixelcnn-mnist", "pixelcnn-heroes", "pixelrnn-mnist", "wavenet-mnist"])
def test_float32_errs_by_less_than_what_is_in_doubt(name, guidance_scale):
    """By how much it moves limits further than that, summed over all of a picture: so often another level would be drawn."""
    model = checkpoint.load(checkpoint.packaged()[name])
    labels, odds = torch.arange(3), Odds(guidance_scale=guidance_scale)
    levels = model._levels(model.sample(labels, generators=seeded(range(3))))
    asked = odds.asked(levels, labels, model.config.num_classes)
    missed = 0.0
    for quick, exact in zip(model._logits(*asked), copy.deepcopy(model).double()._logits(*asked), strict=True):
        largest = quick.abs().amax(-1).view(-1, *levels.shape[:1], *levels.shape[2:]).amax(0).double()
        limits, truth = (odds.of(z).softmax(-1, dtype=torch.float64).cumsum(-1)[..., :-1] for z in (quick, exact))
        doubt = autoregressive.ROUNDING * odds.gain * largest.unsqueeze(-1) * limits * (1 - limits)
        missed += float(((limits - truth).abs() - doubt).clamp(min=0).sum()) / len(levels)
    assert missed < 1e-7


@every_family
def test_sampling_leaves_the_model_in_float32(family):
    model = wild(family)
    model.sample(torch.tensor([0]), generators=seeded([0]))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_levels_are_drawn_with_their_probabilities():
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64).log()
    uniform = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    drawn = draw(logits.expand(10_000, -1), uniform)
    assert drawn.bincount().tolist() == [1000, 0, 6000, 3000]
    colder = draw(Odds(temperature=0.5).of(logits).expand(10_000, -1), uniform).bincount() / 10_000
    assert colder.tolist() == pytest.approx([0.01 / 0.46, 0, 0.36 / 0.46, 0.09 / 0.46], abs=1e-4)
    coldest = Odds(temperature=0.0).of(logits)
    assert draw(coldest, torch.tensor(0.99, dtype=torch.float64)) == 2


def guided(model: Autoregressive, x: torch.Tensor, labels: torch.Tensor, scale: float) -> torch.Tensor:
    """log P of all levels, as the definition says it: of the class and of no class, in float64."""
    exact = copy.deepcopy(model).double()
    told, untold = exact.log_probabilities(x, labels), exact.log_probabilities(x, torch.full_like(labels, -1))
    return (untold + scale * (told - untold)).log_softmax(-1)


@every_family
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0])
def test_guidance_moves_the_odds_away_from_those_without_a_class(family, scale):
    model = wild(family, image_shape=(3, 4, 8))
    x, labels = batch(model)
    given = torch.zeros_like(x[:, :1], dtype=torch.bool)
    exact, (images, entropies) = (
        last(m.write(x, given, labels, generators=seeded(range(4)), guidance_scale=scale))
        for m in (copy.deepcopy(model).double(), model)
    )
    log_p = guided(model, images, labels, scale)
    assert torch.equal(images, exact[0])
    assert torch.allclose(exact[1].double(), -(log_p.exp() * log_p).sum((1, 4)) / math.log(2), atol=1e-5)
    assert torch.allclose(entropies, exact[1], atol=1e-3)
    uniforms = model._uniforms(seeded(range(4)), x.device)
    assert torch.equal(model._images(draw(log_p, uniforms)), images)


@every_family
def test_a_model_guides_by_its_own_scale_and_nothing_where_no_class_is_told(family):
    own, plain = wild(family, guidance_scale=2.0), wild(family)
    labels, none = torch.arange(3), torch.full((3,), -1)

    def draw_of(model, labels, **knobs):
        return model.sample(labels, generators=seeded(range(3)), **knobs)

    assert torch.equal(draw_of(own, labels), draw_of(plain, labels, guidance_scale=2.0))
    assert not torch.equal(draw_of(own, labels), draw_of(plain, labels))
    assert torch.equal(draw_of(own, none), draw_of(plain, none))
    assert torch.equal(draw_of(plain, labels, guidance_scale=0.0), draw_of(plain, none))
    x = draw_of(plain, labels)
    assert torch.equal(own.log_likelihood(x, labels), plain.log_likelihood(x, labels))
    with pytest.raises(ValueError, match=r"^key .guidance_scale. must be from 0 to 20, not -1"):
        wild(family, guidance_scale=-1.0)


@every_family
def test_a_model_has_a_temperature_of_its_own(family):
    own, plain, labels = wild(family, temperature=0.5), wild(family), torch.arange(3)

    def draw_of(model, **knobs):
        return model.sample(labels, generators=seeded(range(3)), **knobs)

    assert torch.equal(draw_of(own), draw_of(plain, temperature=0.5))
    assert not torch.equal(draw_of(own), draw_of(plain))
    assert torch.equal(draw_of(own, temperature=1.0), draw_of(plain))
    x = draw_of(plain)
    assert torch.equal(own.log_likelihood(x, labels), plain.log_likelihood(x, labels)), "which is of what was learnt"
    with pytest.raises(ValueError, match=r"^key 'temperature' must be from 0 to 2, not 3"):
        wild(family, temperature=3.0)


@every_family
def test_rows_appear_one_by_one(family):
    model, labels = wild(family), torch.tensor([0, 1])
    frames = list(model.sample_steps(labels, generators=seeded([0, 1])))
    assert len(frames) == 8
    for row, frame in enumerate(frames):
        assert torch.equal(frame[:, :, : row + 1], frames[-1][:, :, : row + 1])
        assert not frame[:, :, row + 1 :].any()


@every_family
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 8)], ids=["grey", "colour"])
def test_entropies_are_those_of_the_predictions(family, shape):
    model, (x, labels) = wild(family, image_shape=shape), batch(wild(family, image_shape=shape))
    given = torch.zeros_like(x[:, :1], dtype=torch.bool)
    (_, quick), (images, entropies) = (
        last(m.write(x, given, labels, generators=seeded(range(4)))) for m in (model, copy.deepcopy(model).double())
    )
    log_p = model.double().log_probabilities(images, labels)
    expected = -(log_p.exp() * log_p).sum((1, 4)) / math.log(2)
    assert torch.allclose(entropies.double(), expected, atol=1e-5)
    assert torch.allclose(quick, entropies, atol=1e-3)


# -- completion --------------------------------------------------------------------------------------------------------


def halves(x: torch.Tensor) -> torch.Tensor:
    """A mask that gives the upper half, and one pixel in the lower."""
    mask = torch.zeros_like(x[:, :1], dtype=torch.bool)
    mask[:, :, : x.shape[2] // 2] = True
    mask[:, :, -1, 1] = True
    return mask


@every_family
def test_given_pixels_are_left_untouched(family):
    """Also those that are no whole levels; the others are new."""
    model = wild(family)
    x, labels = batch(model)
    x = (x * 0.9).clamp(-1, 1)
    mask = halves(x)
    made = model.complete(x, mask, labels, generators=seeded(range(4)))
    assert torch.equal(made[mask], x[mask])
    assert float((made[~mask] == x[~mask]).float().mean()) < 0.1


@every_family
def test_what_is_given_below_informs_nothing_above(family):
    model = wild(family)
    x, labels = batch(model)
    mask = halves(x)
    other = x.clone()
    other[:, :, -1, 1] = -other[:, :, -1, 1]
    first, second = (model.complete(v, mask, labels, generators=seeded(range(4))) for v in (x, other))
    assert torch.equal(first[:, :, :-1], second[:, :, :-1])
    assert torch.equal(first[:, :, -1, 0], second[:, :, -1, 0])
    assert not torch.equal(first[:, :, -1, 2:], second[:, :, -1, 2:])


@every_family
def test_all_given_and_none_given(family):
    model = wild(family)
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
    ("config", "values", "said"),
    [
        (PixelCNNConfig, {"fold": 3}, "fold must divide the width of the pictures, 28; 3 does not"),
        (PixelCNNConfig, {"fold": 0}, "fold must divide"),
        (PixelCNNConfig, {"grey_levels": 1}, "grey_levels must be at least 2, not 1"),
        (PixelCNNConfig, {"dilations": ()}, "dilations must be one or more"),
        (PixelCNNConfig, {"dilations": (1, 0)}, "dilations must be one or more"),
        (WaveNetConfig, {"dilations": ()}, "dilations must be one or more"),
        (PixelRNNConfig, {"blocks": 0}, "blocks must be at least 1, not 0"),
    ],
)
def test_configs_that_cannot_be(config, values, said):
    with pytest.raises(ValueError, match=said):
        next(family for family in SMALL if family.Config is config)(config(**values))
