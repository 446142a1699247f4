"""The mathematics of the VAE, checked against torch.distributions, autograd and integrals done another way."""

import dataclasses
import math

import pytest
import torch
from helpers import batch, build, tiny_images
from torch.distributions import Independent, Normal, kl_divergence

from genmodels import checkpoint
from genmodels.metrics import bits_per_dim
from genmodels.models.base import draw_normal, seeded
from genmodels.models.vae import VAE, VAEConfig, discretized_logistic, log_normal
from genmodels.training.loop import train

LEVELS = torch.arange(256, dtype=torch.double) / 127.5 - 1


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def tiny(**changes: object) -> VAE:
    return build("vae", **changes)


# -- distributions -----------------------------------------------------------------------------------------------------


def test_log_normal():
    z, mean, log_std = (torch.randn(5, 3, generator=torch.Generator().manual_seed(i)) for i in range(3))
    expected = Independent(Normal(mean, log_std.exp()), 1).log_prob(z)
    assert torch.allclose(log_normal(z, mean, log_std), expected, atol=1e-5)


def test_kl_to_the_standard_normal():
    model = tiny(prior_layers=0)
    mean, log_std = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    posterior = Independent(Normal(mean, log_std.exp()), 1)
    prior = Independent(Normal(torch.zeros(6, 4), torch.ones(6, 4)), 1)
    found = model._kl(mean, log_std, posterior.sample(), torch.zeros(6, dtype=torch.long))
    assert torch.allclose(found, kl_divergence(posterior, prior), atol=1e-5)
    assert torch.equal(
        model._kl(torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 4), torch.tensor([0])), torch.zeros(1)
    )


def test_kl_to_the_learned_prior_is_unbiased():
    """With couplings that do nothing, the sampled KL is on average the closed one."""
    model = VAE(VAEConfig.tiny()).eval()  # as initialised, a coupling is the identity
    n = 20_000
    mean, log_std = torch.tensor([[0.5, -1.0, 0.0, 2.0]]), torch.tensor([[-0.5, 0.2, 0.0, -1.0]])
    posterior = Independent(Normal(mean, log_std.exp()), 1)
    torch.manual_seed(0)
    z = posterior.sample((n,)).squeeze(1)
    sampled = model._kl(mean.expand(n, -1), log_std.expand(n, -1), z, torch.zeros(n, dtype=torch.long))
    exact = kl_divergence(posterior, Independent(Normal(torch.zeros(1, 4), torch.ones(1, 4)), 1))
    assert float(sampled.mean()) == pytest.approx(float(exact), abs=5 * float(sampled.std()) / math.sqrt(n))


@pytest.mark.parametrize(("mean", "log_scale"), [(0.71, -7.0), (0.71, -1.0), (0.71, 5.0), (-1.0, -1.0), (2.0, -1.0)])
def test_discretised_logistic_is_a_distribution(mean, log_scale):
    """The 256 levels have probabilities that sum to 1, and are the differences of the logistic's distribution function."""
    log_p = discretized_logistic(LEVELS, *torch.tensor([mean, log_scale], dtype=torch.double))
    assert log_p.isfinite().all()
    assert float(log_p.exp().sum()) == pytest.approx(1.0, abs=1e-9)
    edges = (LEVELS + 1 / 255 - mean) / math.exp(log_scale)
    cdf = torch.cat([torch.zeros(1), edges[:-1].sigmoid(), torch.ones(1)]).double()
    assert torch.allclose(log_p.exp(), cdf.diff(), atol=1e-12)


def test_discretised_logistic_far_out_in_the_tails():
    """Where a difference of two sigmoids would be 0, the logarithm and its gradient stay finite in float32."""
    mean = torch.tensor(1.0, requires_grad=True)
    with torch.enable_grad():
        log_p = discretized_logistic(LEVELS.float(), mean, torch.tensor(-7.0))
        (gradient,) = torch.autograd.grad(log_p.sum(), mean)
    assert log_p.isfinite().all()
    assert log_p[0] < -2000
    assert gradient.isfinite()


def test_mixture_is_a_distribution_over_pictures():
    """One colour pixel after another: the sum over all 256 levels of each channel is 1, for any weights."""
    model = tiny(image_shape=(1, 4, 4), mixtures=3)
    outputs = torch.randn(1, 9, 4, 4, generator=torch.Generator().manual_seed(0)).expand(256, -1, -1, -1)
    log_weights, means, log_scales = model._mixture(outputs)
    assert torch.allclose(log_weights.exp().sum(1), torch.ones(256, 1, 4, 4), atol=1e-6)
    x = LEVELS.float().view(256, 1, 1, 1).expand(256, 1, 4, 4)
    components = discretized_logistic(x.unsqueeze(1), means, log_scales).sum(2, keepdim=True)
    pixels = torch.logsumexp(log_weights + components, 1).exp()
    assert torch.allclose(pixels.sum(0), torch.ones(1, 4, 4), atol=1e-4)


def test_a_uniform_model_costs_8_bits():
    model = tiny()
    x, _ = batch(model, 3)
    uniform = torch.zeros(3, 3 * model.config.mixtures, 8, 8)
    uniform[:, 2 * model.config.mixtures :] = 100.0  # clamped to the widest that a logistic may be
    log_weights, means, log_scales = model._mixture(uniform)
    inner = x.clamp(-0.9, 0.9)  # levels whose bins are finite
    log_p = discretized_logistic(inner.unsqueeze(1), means, log_scales).sum(2, keepdim=True)
    a, b = (float(v) for v in torch.sigmoid(torch.tensor([-1.0, 1.0]) / math.exp(5)))
    expected = math.log((b - a) / 255)  # a logistic of scale e^5 is flat over the grey levels
    assert torch.allclose(torch.logsumexp(log_weights + log_p, 1), torch.tensor(expected), atol=1e-3)
    nats = torch.full((3,), -math.log(256) * 64)
    assert torch.allclose(bits_per_dim(nats, (1, 8, 8)), torch.tensor(8.0))


# -- the learned prior -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [2, 4, 5])
def test_couplings_invert_and_measure_their_volume(latent_dim):
    """from_noise undoes to_noise; the log-determinant is that of autograd's Jacobian."""
    model = tiny(latent_dim=latent_dim)
    labels = torch.tensor([0, 2, 3])
    z = torch.randn(3, latent_dim, generator=torch.Generator().manual_seed(0))
    for layer in model.prior:
        u, log_det = layer.to_noise(z, labels)
        assert not torch.allclose(u, z, atol=1e-3), "a coupling that does nothing tests nothing"
        assert torch.allclose(layer.from_noise(u, labels), z, atol=1e-5)
        for i in range(3):
            jacobian = torch.autograd.functional.jacobian(
                lambda row, layer=layer, i=i: layer.to_noise(row[None], labels[i : i + 1])[0][0], z[i]
            )
            assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(float(log_det[i]), abs=1e-5)


def test_the_prior_is_a_distribution():
    """Two latents: its density integrates to 1 over the plane, for every class and for none."""
    model = tiny(latent_dim=2)
    axis = torch.linspace(-8, 8, 401)
    grid = torch.cartesian_prod(axis, axis)
    for label in range(4):
        density = model._log_prior(grid, torch.full((len(grid),), label)).exp()
        assert float(density.sum()) * float(axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=1e-4)


def test_codes_are_drawn_from_the_prior():
    """The log-density of drawn codes is, on average, minus the entropy found by integration."""
    model = tiny(latent_dim=2)
    axis = torch.linspace(-8, 8, 401)
    grid = torch.cartesian_prod(axis, axis)
    log_p = model._log_prior(grid, torch.full((len(grid),), 1))
    entropy = -float((log_p.exp() * log_p).sum()) * float(axis[1] - axis[0]) ** 2
    n = 4000
    z = model.sample_codes(torch.ones(n, dtype=torch.long), generators=seeded(range(n)))
    drawn = model._log_prior(z, torch.ones(n, dtype=torch.long))
    assert -float(drawn.mean()) == pytest.approx(entropy, abs=5 * float(drawn.std()) / math.sqrt(n))


def test_drawing_a_code_undoes_measuring_it():
    """All couplings in a row, in the right order: a drawn code goes back to the noise that it was made of."""
    model = tiny(prior_layers=4)
    labels, seeds = torch.tensor([0, 1, 2, -1]), range(4)
    z = model.sample_codes(labels, generators=seeded(seeds))
    noise = draw_normal((4,), seeded(seeds), "cpu")
    assert not torch.allclose(z, noise, atol=0.05)
    for layer in model.prior:
        z, _ = layer.to_noise(z, model._labels(labels, 4, z.device))
    assert torch.allclose(z, noise, atol=1e-5)


def test_temperature_zero_is_the_middle():
    model = tiny()
    labels = torch.tensor([0, 0])
    first, second = model.sample_codes(labels, generators=seeded([1, 2]), temperature=0.0)
    assert torch.equal(first, second)


def test_a_model_has_a_temperature_of_its_own():
    model, labels = tiny(temperature=0.5), torch.tensor([0, 1])
    own = model.sample_codes(labels, generators=seeded([1, 2]))
    assert torch.equal(own, model.sample_codes(labels, generators=seeded([1, 2]), temperature=0.5))
    assert not torch.equal(own, model.sample_codes(labels, generators=seeded([1, 2]), temperature=1.0))


# -- the objective -----------------------------------------------------------------------------------------------------


def test_the_loss_is_its_terms():
    """Sums in nats over pixels and latents, averaged over the batch only; beta rises with the run, then stays."""
    model = tiny(beta=4.0, kl_warmup=0.5)
    x, labels = batch(model)
    for progress, beta in ((0.0, 0.0), (0.25, 2.0), (0.5, 4.0), (1.0, 4.0)):
        model.progress = progress
        torch.manual_seed(0)
        terms = model(x, labels)
        assert float(terms["loss"]) == pytest.approx(float(terms["reconstruction"] + beta * terms["kl"]), rel=1e-6)
        bits = float(terms["reconstruction"] + terms["kl"]) / (math.log(2) * 64)
        assert float(terms["bits_per_dim_bound"]) == pytest.approx(bits, rel=1e-6)
    torch.manual_seed(0)
    twice = model(x.repeat(2, 1, 1, 1), labels.repeat(2))
    assert float(twice["reconstruction"]) == pytest.approx(float(terms["reconstruction"]), rel=0.1), (
        "not a sum over the batch"
    )


def test_the_loss_is_minus_the_bound():
    """With beta = 1 and one sample, the training loss and `log_likelihood` estimate the same number."""
    model = tiny(beta=1.0)
    x, labels = batch(model)
    torch.manual_seed(0)
    loss = torch.stack([model(x, labels)["loss"] for _ in range(200)])
    bound = torch.stack([model.log_likelihood(x, labels).mean() for _ in range(200)])
    assert float(loss.mean()) == pytest.approx(
        -float(bound.mean()), abs=5 * float(bound.std() + loss.std()) / math.sqrt(200)
    )


def test_in_training_the_encoder_sees_noise_and_what_it_explains_is_clean():
    """Noise of another strength on each picture, little on most, at most noise_std; and none at all once it is trained."""
    model = tiny(noise_std=0.5)
    x, labels = batch(model)
    x, labels = x[:1].repeat(500, 1, 1, 1), labels[:1].repeat(500)
    seen, explained = [], []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    log_pixels = model._log_pixels
    model._log_pixels = lambda decoded, x: explained.append(x) or log_pixels(decoded, x)
    model.train()(x, labels)
    strengths = (seen[0] - x).flatten(1).std(1)
    assert float(strengths.min()) < 0.02
    assert float(strengths.max()) == pytest.approx(0.5, rel=0.25)  # 64 pixels tell it within 9 %
    assert float(strengths.mean()) == pytest.approx(0.5 / 4, abs=0.03)
    model.eval()(x, labels)
    assert torch.equal(seen[1], x)
    assert all(torch.equal(x, clean) for clean in explained)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_noise_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=f"'noise_std' must be from 0 to 1, not {value}"):
        tiny(noise_std=value)


# -- the importance-weighted bound -------------------------------------------------------------------------------------


def test_more_samples_tighten_the_bound():
    model = tiny()
    x, labels = batch(model)
    torch.manual_seed(0)
    one, many = (torch.stack([model.log_likelihood(x, labels, samples=k) for _ in range(50)]) for k in (1, 32))
    assert (one.mean(0) < many.mean(0)).all()
    assert (many.std(0) < one.std(0)).all()


def test_the_bound_reaches_the_likelihood():
    """Two latents: log p(x), integrated over a grid of codes, is what many samples find, and no bound exceeds it."""
    model = tiny(latent_dim=2)
    x, labels = batch(model, 2)
    axis = torch.linspace(-6, 6, 81)
    grid = torch.cartesian_prod(axis, axis)
    exact = []
    for image, label in zip(x, labels, strict=True):
        inner = model._labels(label.expand(len(grid)), len(grid), x.device)
        log_joint = model._log_prior(grid, inner) + model._log_pixels(model.decoder(grid, inner), image[None])
        exact.append(torch.logsumexp(log_joint, 0) + 2 * math.log(float(axis[1] - axis[0])))
    exact = torch.stack(exact)
    torch.manual_seed(0)
    assert torch.allclose(model.log_likelihood(x, labels, samples=4000), exact, atol=0.1)
    elbo = torch.stack([model.log_likelihood(x, labels) for _ in range(100)])
    assert (elbo.mean(0) < exact).all()


def test_samples_are_counted_per_image():
    """Each image's weights are its own: with many samples, a batch gives what its images give alone."""
    model = tiny()
    x, labels = batch(model)
    torch.manual_seed(0)
    together = model.log_likelihood(x, labels, samples=500)
    alone = torch.cat([model.log_likelihood(x[i : i + 1], labels[i : i + 1], samples=500) for i in range(len(x))])
    assert torch.allclose(together, alone, atol=0.5)
    assert together.max() - together.min() > 2, "these images are told apart"


# -- classes and pictures ----------------------------------------------------------------------------------------------


# -- the prior by itself -----------------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path):
    """A folder with a VAE that is taken for a trained one, whose codes are far from its prior."""
    model = tiny()
    model.encoder.head[-1].bias += 1
    data = {"name": "tiny", "shape": [1, 8, 8], "classes": ["a", "b", "c"]}
    return checkpoint.save(model, tmp_path / "trained", data=data)


@pytest.mark.parametrize("layers", [2, 5])
def test_the_prior_learns_by_itself(trained, layers, tmp_path):
    """The codes of pictures become likely, and nothing else changes; a prior of another size begins as N(0, I)."""
    model = checkpoint.started(trained, "vae", {"objective": "prior", "prior_layers": layers})
    former = checkpoint.load(trained)
    x, labels = batch(former, 64)
    if layers != former.config.prior_layers:
        z = torch.randn(4, 4)
        assert torch.equal(model.codes_of(z), z)
    torch.manual_seed(0)
    before = model.eval()(x, labels)["kl"]
    recipe = dataclasses.replace(VAE.recipe, steps=200, batch_size=16)
    with torch.enable_grad():
        list(train(model, tiny_images(64), recipe, folder=tmp_path / "run", precision="no", start=str(trained)))
    for part in ("encoder", "decoder"):
        now, then = getattr(model, part).state_dict(), getattr(former, part).state_dict()
        assert all(torch.equal(now[key], then[key]) for key in then)
    torch.manual_seed(0)
    assert model.eval()(x, labels)["kl"] < 0.5 * before


def test_who_goes_on_from_a_model_with_a_tuned_prior_trains_all_of_it(trained, tmp_path):
    tuned = checkpoint.started(trained, "vae", {"objective": "prior"})
    folder = checkpoint.save(tuned, tmp_path / "tuned", data=checkpoint.read_config(trained)["data"])
    assert checkpoint.load(folder).config.objective == "prior"
    model = checkpoint.started(folder, "vae", {})
    assert model.config.objective == "elbo"
    assert len(model.players()["model"]) == len(list(model.parameters()))


def test_the_prior_by_itself_needs_codes():
    model = tiny(objective="prior").train()
    with pytest.raises(ValueError, match="learns from the codes of a trained model: name it with --start"):
        model(*batch(model))
    with pytest.raises(ValueError, match="prior_layers must be at least 1"):
        tiny(objective="prior", prior_layers=0)
    with pytest.raises(ValueError, match="one of elbo, prior, not 'both'"):
        tiny(objective="both")


def test_decoding_gives_means():
    """In [-1, 1] however far the components lie."""
    model = tiny()
    images = model.decode(100 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    assert images.abs().max() <= 1 + 1e-6
    assert images.abs().max() > 0.9


def test_shapes_that_do_not_halve_twice_are_refused():
    with pytest.raises(ValueError, match="multiples of 4, not 8 and 10"):
        VAE(dataclasses.replace(VAEConfig.tiny(), image_shape=(1, 8, 10)))
