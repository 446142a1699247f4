"""The mathematics of the flow: inverses, Jacobians against autograd, and probabilities that add up to 1."""

import itertools
import math

import pytest
import torch
from helpers import batch, build, tiny_images

from genmodels.data import to_uint8
from genmodels.models.base import draw_normal, seeded
from genmodels.models.flow import BOUND, Flow, FlowConfig, NonFiniteJacobian, asked, guided, inverse_spline, spline
from genmodels.training.loop import train

LAYERS = list(Flow(FlowConfig.tiny()).layers)
#: All layers of coloured pictures, and the first of each kind of those of grey ones.
every_layer = pytest.mark.parametrize(
    ("name", "channels"),
    [(name, 3) for name in LAYERS]
    + [(name, 1) for name in {type(layer): name for name, layer in Flow(FlowConfig.tiny()).layers.items()}.values()],
)
every_depth = pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def tiny(**changes: object) -> Flow:
    return build("flow", **changes)


def wild(channels: int, **changes: object) -> Flow:
    """A model far from where training starts, with a Jacobian far from the identity."""
    model = tiny(image_shape=(channels, 8, 8), **changes)
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter += 0.2 * torch.randn_like(parameter)
    return model


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- curves ------------------------------------------------------------------------------------------------------------


def test_a_spline_starts_as_the_identity():
    x = torch.linspace(-2 * BOUND, 2 * BOUND, 101)
    y, log_slope = spline(x, torch.zeros(101, 13))
    assert torch.allclose(y, x, atol=1e-5)
    assert torch.allclose(log_slope, torch.zeros(101), atol=1e-5)


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_slope_of_a_spline(spread):
    x = (3 * noise(500).double()).requires_grad_()
    with torch.enable_grad():
        y, log_slope = spline(x, spread * noise(500, 37, seed=1).double())
        (slope,) = torch.autograd.grad(y.sum(), x)
    assert (x.abs() > BOUND).any(), "the straight ends are tested too"
    assert (slope > 0).all()
    assert torch.allclose(slope.log(), log_slope, atol=1e-8)


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_inverse_of_a_spline(spread):
    x, parameters = torch.linspace(-8, 8, 5000).double(), spread * noise(5000, 37, seed=1).double()
    y, _ = spline(x, parameters)
    assert torch.allclose(inverse_spline(y, parameters), x, atol=1e-9)
    if spread <= 1:  # wilder curves are flatter than single precision can undo
        back = inverse_spline(spline(x.float(), parameters.float())[0], parameters.float())
        assert torch.allclose(back.double(), x, atol=1e-4)


def test_a_spline_has_no_jumps():
    x = torch.linspace(-8, 8, 20_001).double()
    y, log_slope = spline(x, noise(37).double().expand(len(x), -1))
    assert (y.diff() > 0).all()
    assert (y.diff() < 1.05 * log_slope.exp().max() * x.diff()).all()


# -- layers ------------------------------------------------------------------------------------------------------------


@every_layer
def test_log_det_of_a_layer(name, channels):
    """Against the determinant of the whole Jacobian, by autograd."""
    model = wild(channels)
    layer, state, labels = model.layers[name], noise(1, channels, 8, 8), torch.tensor([1])
    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(lambda y: layer.to_noise(y, labels)[0], state)
    _, expected = torch.linalg.slogdet(jacobian.view(state.numel(), -1).double())
    _, found = layer.to_noise(state, labels)
    assert abs(float(expected)) > 0.02, "a determinant of 1 would be no test"
    assert float(found) == pytest.approx(float(expected), abs=1e-4)


@every_layer
def test_inverse_of_a_layer(name, channels):
    model = wild(channels)
    layer, state, labels = model.layers[name], noise(4, channels, 8, 8), torch.tensor([0, 1, 2, 3])
    z, _ = layer.to_noise(state, labels)
    assert not torch.allclose(z, state, atol=0.01)
    assert torch.allclose(layer.from_noise(z, labels), state, atol=1e-4)


@every_depth
def test_scaling_and_its_log_det(channels):
    """Levels to normalised logits: the Jacobian is diagonal."""
    model = wild(channels)
    levels = (256 * torch.rand(1, channels, 8, 8, generator=torch.Generator().manual_seed(0))).requires_grad_()
    with torch.enable_grad():
        state, log_det = model._to_state(levels)
        (slopes,) = torch.autograd.grad(state.sum(), levels)
    assert float(log_det) == pytest.approx(float(slopes.log().sum()), rel=1e-5)
    expected = (levels - 0.5) / 127.5 - 1
    assert torch.allclose(model._to_image(state), expected.clamp(-1, 1), atol=1e-5)


def test_the_first_batch_normalises():
    model = tiny(image_shape=(3, 8, 8)).train()
    logits = noise(16, 3, 8, 8) * torch.tensor([0.1, 2.0, 5.0]).view(3, 1, 1) + 3
    z, _ = model.norm.to_noise(logits)
    assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(z.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-3)
    before = model.norm.mean.clone()
    model.norm.to_noise(logits + 1)
    assert torch.equal(model.norm.mean, before), "only the first batch does"


# -- the whole chain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 16)])
def test_there_and_back(shape):
    """Codes give back their images: to 1e-4 in float32, exactly in 8 bits."""
    model = tiny(image_shape=shape)
    x, labels = batch(model, 16)
    z = model.encode(x, labels)
    assert z.shape == x.shape
    for code in (z, z.float()):
        back = model.decode(code, labels)
        assert back.dtype == torch.float32
        assert torch.allclose(back, x, atol=1e-4)
        assert torch.equal(to_uint8(back), to_uint8(x))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_there_and_back_in_float32_alone(shape):
    """Of the whole chain: state -> noise -> state, without the float64 of `encode`."""
    model = tiny(image_shape=shape)
    x, labels = batch(model, 16)
    labels = model._labels(labels, len(x), x.device)
    state = model._dequantized(x, labels, None)
    z = model._states(state, labels)[-1]
    *_, back = model._states_back(z, labels)
    assert z.dtype == torch.float32
    assert (back - state).abs().max() < 1e-4
    assert torch.equal(to_uint8(model._to_image(back)), to_uint8(x))


def test_back_and_there():
    """Noise gives an image whose dequantised form is that noise again: the chain is onto."""
    model = tiny()
    z, labels = noise(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    *_, state = model._states_back(z, labels)
    assert torch.allclose(model._states(state, labels)[-1], z, atol=1e-4)


def test_codes_with_drawn_noise():
    """They decode to the same 8-bit image, and depend on the generators alone."""
    model = tiny()
    x, labels = batch(model)
    middle, first, again, other = (
        model.encode(x, labels, generators=g and seeded(g)) for g in (None, range(4), range(4), range(4, 8))
    )
    assert torch.equal(first, again)
    for a, b in itertools.combinations((middle, first, other), 2):
        assert not torch.allclose(a, b, atol=0.01)
    levels = (model.decode(first, labels) + 1) * 127.5
    assert (levels - (x + 1) * 127.5).abs().max() < 0.5


def test_a_coarse_picture_knows_nothing_of_finer_pixels():
    """The multi-scale order: z of the pixels of the smallest picture depends on these pixels only."""
    model = tiny()
    x, labels = batch(model)
    changed = -x
    changed[:, :, ::4, ::4] = x[:, :, ::4, ::4]
    z, other = model.encode(x, labels), model.encode(changed, labels)
    assert torch.equal(z[:, :, ::4, ::4], other[:, :, ::4, ::4])
    assert not torch.allclose(z, other, atol=0.1)


def test_the_class_matters_both_ways():
    model = tiny()
    x, labels = batch(model)
    other = (labels + 1) % 3
    assert not torch.allclose(model.decode(model.encode(x, labels), other), x, atol=0.01)
    first, second = (model.log_likelihood(x, given, samples=200) for given in (labels, other))
    assert not torch.allclose(first, second, atol=0.5)


def test_the_chain_stays_in_float32():
    """Under bfloat16 autocast only the networks that choose the curves are computed in it."""
    model = tiny()
    x, labels = batch(model)
    labels = model._labels(labels, len(x), x.device)
    state = model._dequantized(x, labels, None)
    expected = model._states(state, labels)[-1]
    with torch.autocast("cpu", torch.bfloat16):
        z = model._states(state, labels)[-1]
        _, log_det = model.layers[LAYERS[0]].to_noise(z, labels)
    assert z.dtype == log_det.dtype == torch.float32
    assert not torch.equal(z, expected)
    assert torch.allclose(z, expected, atol=0.1)


# -- frames ------------------------------------------------------------------------------------------------------------


def test_frames_both_ways():
    """From the picture to noise and back: one frame per layer, the same ones in both directions."""
    model = tiny()
    x, labels = batch(model)
    there = list(model.encode_steps(x, labels))
    assert len(there) == len(model.layer_names) + 1
    assert all(frame.abs().max() <= 1 for frame in there)
    assert torch.allclose(there[0], x, atol=1e-5)
    z = model.encode(x, labels)
    assert torch.allclose(there[-1], (z.float() / 3).clamp(-1, 1))
    for frame, back in zip(there, reversed(list(model.decode_steps(z, labels))), strict=True):
        assert torch.allclose(frame, back, atol=1e-4)


def test_frames_of_a_drawn_dequantisation_end_at_its_code():
    model = tiny()
    x, labels = batch(model)
    *_, last = model.encode_steps(x, labels, generators=seeded(range(len(x))))
    z = model.encode(x, labels, generators=seeded(range(len(x))))
    assert torch.allclose(last, (z.float() / 3).clamp(-1, 1))
    assert not torch.allclose(last, (model.encode(x, labels).float() / 3).clamp(-1, 1), atol=1e-3)


def test_codes_keep_what_float32_would_lose():
    """A wild network stretches pictures so much that float32 loses grey levels; codes are computed and decoded in float64."""
    model = wild(1)
    x, labels = batch(model, 64)
    z = model.encode(x, labels)
    assert z.dtype == torch.float64
    assert torch.equal(to_uint8(model.decode(z, labels)), to_uint8(x))
    assert not torch.equal(to_uint8(model.decode(z.float(), labels)), to_uint8(x))


def test_codes_follow_the_weights():
    """The copy of the model that computes in float64 is made once, and anew when the weights change."""
    model = tiny()
    x, labels = batch(model)
    z = model.encode(x, labels)
    assert model._in(torch.float64) is model._in(torch.float64)
    assert set(model.state_dict()) == set(tiny().state_dict())
    with torch.no_grad():
        model.norm.mean.add_(1.0)
    assert not torch.allclose(model.encode(x, labels), z, atol=0.1)
    other = wild(1)
    model.load_state_dict(other.state_dict())
    assert torch.equal(model.encode(x, labels), other.encode(x, labels))


def test_pixels_appear_from_coarse_to_fine():
    """In each frame of the way back, the pixels that are done are those of the image."""
    model = tiny()
    labels = torch.tensor([0, 1])
    frames = list(model.sample_steps(labels, generators=seeded([4, 5]), temperature=0.5))
    image = model.sample(labels, generators=seeded([4, 5]), temperature=0.5)
    assert torch.equal(frames[-1], image)
    done = [float(frame.isclose(image, atol=1e-6).float().mean()) for frame in frames]
    steps = [0, *[0] * (len(LAYERS) - 7), 1 / 16, 2 / 16, 3 / 16, 1 / 4, 2 / 4, 3 / 4, 1]
    assert done == pytest.approx(steps, abs=0.05)


def test_temperature_zero_gives_one_image_per_class():
    model = tiny()
    first, second, other = model.sample(torch.tensor([0, 0, 1]), generators=seeded([1, 2, 3]), temperature=0.0)
    assert torch.equal(first, second)
    assert not torch.allclose(first, other, atol=1e-3)


def test_the_models_own_temperature_is_that_of_samples_alone():
    """What is learnt, and what a likelihood is, doesn't know of it."""
    own, plain = tiny(temperature=0.5), tiny()
    plain.load_state_dict(own.state_dict())
    labels = torch.tensor([0, 1])
    assert torch.equal(
        own.sample(labels, generators=seeded([4, 5])), plain.sample(labels, generators=seeded([4, 5]), temperature=0.5)
    )
    assert torch.equal(
        own.sample(labels, generators=seeded([4, 5]), temperature=1.0), plain.sample(labels, generators=seeded([4, 5]))
    )
    z = draw_normal(own.image_shape, seeded([4, 5]), labels.device)
    assert torch.equal(own.decode(z, labels), plain.decode(z, labels))


@pytest.mark.parametrize("value", [-0.1, 2.1])
def test_a_temperature_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="key 'temperature' must be from 0 to 2"):
        Flow.Config(temperature=value)


# -- guidance ----------------------------------------------------------------------------------------------------------


def test_guidance_bends_curves_on_from_those_without_a_class():
    told, untold = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0])
    assert torch.equal(guided([told, untold], 2.0), torch.tensor([1.5, -5.0]))
    assert torch.equal(guided([told, untold], 0.5), torch.tensor([0.75, -0.5]))
    assert torch.equal(guided([told], 1.0), told)
    labels = torch.tensor([0, 1])
    assert [one.tolist() for one in asked(labels, 3, 2.0)] == [[0, 1], [3, 3]]
    assert [one.tolist() for one in asked(labels, 3, 1.0)] == [[0, 1]]
    assert [one.tolist() for one in asked(labels, 3, 0.0)] == [[3, 3]]
    assert len(asked(labels, 3, torch.tensor(1.0))) == 2  # of a graph's input nobody knows what it will be


@pytest.mark.parametrize("layer", ["coarse0", "scale1_below"])
def test_a_layer_is_undone_by_its_guided_curves(layer):
    """Far enough from what was learnt that the next layers could not hide it, and as `inverse_spline` has it."""
    model = wild(1)
    coupling, labels = model.layers[layer], torch.tensor([0, 1])
    z = draw_normal(model.image_shape, seeded([4, 5]), labels.device)
    plain, made, none = (coupling.from_noise(z, labels, scale)[coupling.lattice] for scale in (1.0, 2.0, 0.0))
    assert not torch.allclose(made, plain, atol=1e-3)
    assert torch.allclose(coupling.from_noise(z, labels, torch.tensor(1.0))[coupling.lattice], plain, atol=1e-5)
    assert torch.equal(none, coupling.from_noise(z, torch.full_like(labels, 3))[coupling.lattice])
    if layer == "coarse0":
        fields = z[coupling.lattice].flatten(1)
        told, untold = (coupling._curves(fields, one) for one in (labels, torch.full_like(labels, 3)))
        wanted = inverse_spline(fields[:, coupling.moving], 2 * told - untold)
        assert torch.allclose(made.flatten(1)[:, coupling.moving], wanted, atol=1e-5)


def test_samples_are_guided_but_for_the_finest_scale(monkeypatch):
    model, labels = wild(1), torch.tensor([0, 1])
    scales = {}
    for name, layer in model.layers.items():
        undo = layer.from_noise
        monkeypatch.setattr(
            layer, "from_noise", lambda z, y, s, name=name, undo=undo: (scales.update({name: s}), undo(z, y, s))[1]
        )
    image = model.sample(labels, generators=seeded([4, 5]), guidance_scale=2.0)
    assert scales == {name: 1.0 if name.startswith("scale0") else 2.0 for name in LAYERS}
    *_, last = model.sample_steps(labels, generators=seeded([4, 5]), guidance_scale=2.0)
    assert torch.equal(last, image)
    assert not torch.allclose(image, model.sample(labels, generators=seeded([4, 5])), atol=1e-3)
    model.sample(torch.tensor([-1, -1]), generators=seeded([4, 5]), guidance_scale=2.0)
    assert set(scales.values()) == {1.0}  # there is no class to go by, and no need to ask twice


def test_the_models_own_guidance_is_that_of_samples_alone():
    own, plain = wild(1, guidance_scale=2.0), wild(1)
    labels, z = torch.tensor([0, 1]), draw_normal(plain.image_shape, seeded([4, 5]), torch.device("cpu"))
    assert torch.equal(
        own.sample(labels, generators=seeded([4, 5])),
        plain.sample(labels, generators=seeded([4, 5]), guidance_scale=2.0),
    )
    assert torch.equal(
        own.sample(labels, generators=seeded([4, 5]), guidance_scale=1.0),
        plain.sample(labels, generators=seeded([4, 5])),
    )
    assert torch.equal(own.decode(z, labels), plain.decode(z, labels))
    assert torch.equal(list(own.decode_steps(z, labels))[-1], plain.decode(z, labels))


@pytest.mark.parametrize("value", [-0.1, 20.1])
def test_a_guidance_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="key 'guidance_scale' must be from 0 to 20"):
        Flow.Config(guidance_scale=value)


# -- likelihoods -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy() -> tuple[Flow, torch.Tensor]:
    """A model of 2x2 pixels of 2 bits, and all 256 images of that space; in its short training it has seen some more often."""
    model = tiny(image_shape=(1, 2, 2), grey_levels=4, scales=1, widths=(8,), blocks=(1,))
    x = torch.tensor(list(itertools.product(range(4), repeat=4))).view(-1, 1, 2, 2) * (2 / 3) - 1
    torch.manual_seed(0)
    frequencies = (2 * torch.randn(len(x))).softmax(0)
    optimizer = torch.optim.Adam(model.train().parameters(), 3e-3)
    with torch.enable_grad():
        for _ in range(150):
            seen = x[torch.multinomial(frequencies, 64, replacement=True)]
            optimizer.zero_grad()
            model(seen, torch.randint(-1, 3, (64,)))["loss"].backward()
            optimizer.step()
    return model.eval(), x


@pytest.mark.parametrize("label", [1, None])
def test_probabilities_add_up_to_one(toy, label):
    """Over all images of a small space, by importance sampling; the bound with one draw adds up to less."""
    model, x = toy
    labels = None if label is None else torch.full((len(x),), label)
    torch.manual_seed(0)
    log_p = model.log_likelihood(x, labels, samples=2000)
    assert log_p.max() - log_p.min() > 1, "a model that finds all images alike would be no test"
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=0.01)
    bound = torch.stack([model.log_likelihood(x, labels) for _ in range(50)]).mean(0)
    assert 0.5 < float(bound.exp().sum()) < 1


def test_more_samples_tighten_the_bound():
    model = tiny()
    x, labels = batch(model)
    torch.manual_seed(0)
    one, many = (torch.stack([model.log_likelihood(x, labels, samples=k) for _ in range(50)]) for k in (1, 32))
    assert (one.mean(0) < many.mean(0)).all()
    assert (many.std(0) < one.std(0)).all()


def test_samples_are_counted_per_image(toy):
    """Each image's weights are its own: with many samples, a batch gives what its images give alone."""
    model, x = toy
    x = x[::50]
    torch.manual_seed(0)
    together = model.log_likelihood(x, samples=500)
    alone = torch.cat([model.log_likelihood(image[None], samples=500) for image in x])
    assert torch.allclose(together, alone, atol=0.2)
    assert together.max() - together.min() > 1, "these images are told apart"


def test_the_loss_is_minus_the_bound():
    model = tiny()
    x, labels = batch(model)
    torch.manual_seed(0)
    loss = model(x, labels)["loss"]
    torch.manual_seed(0)
    assert float(loss) == pytest.approx(-float(model.log_likelihood(x, labels).mean()), rel=1e-6)


def test_dequantisation_has_the_density_it_claims():
    """u is a function of uniform noise: its log density is minus the log determinant of that function."""
    model = tiny(image_shape=(3, 8, 8))
    x, labels = batch(model, 1)[0], torch.tensor([1])
    uniform = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(lambda n: model.dequantizer(x, labels, n)[0], uniform)
    _, log_det = torch.linalg.slogdet(jacobian.view(x.numel(), -1).double())
    u, log_q = model.dequantizer(x, labels, uniform)
    assert u.min() > 0
    assert u.max() < 1
    assert float(log_q) == pytest.approx(-float(log_det), rel=1e-4)


def test_dequantisation_starts_uniform():
    model = Flow(FlowConfig.tiny())
    x, labels = batch(model)
    uniform = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    u, log_q = model.dequantizer(x, model._labels(labels, len(x), x.device), uniform)
    assert torch.allclose(u, uniform, atol=1e-5)
    assert torch.allclose(log_q, torch.zeros(len(x)), atol=1e-3)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["log_likelihood", "encode"])
def test_other_than_images_is_refused(method):
    model = tiny()
    x, labels = batch(model)
    call = getattr(model, method)
    with pytest.raises(ValueError, match=r"Images must have values in \[-1, 1\], not values from -2 to"):
        call(torch.where(x == x.min(), -2.0, x), labels)
    with pytest.raises(ValueError, match=r"in \[-1, 1\], not values from -1 to 255"):
        call(torch.where(x == x.max(), 255.0, -1.0), labels)
    x[1, 0, 3, 3] = math.nan
    with pytest.raises(ValueError, match=r"in \[-1, 1\], not NaN"):
        call(x, labels)
    assert call(1.0005 * torch.ones_like(x), labels).isfinite().all(), "rounding errors are no reason to refuse"


# -- noise on the pictures of training ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy() -> Flow:
    """It has seen pictures of 2x2 pixels that are all light or all dark, with noise on them."""
    model = tiny(image_shape=(1, 2, 2), scales=1, widths=(8,), blocks=(1,), noise_std=0.2)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.train().parameters(), 1e-2)
    with torch.enable_grad():
        for _ in range(200):
            optimizer.zero_grad()
            model(torch.tensor([-0.6, 0.6]).repeat(32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2))["loss"].backward()
            optimizer.step()
    return model.eval()


def test_a_sample_is_cleaned_of_the_noise(noisy):
    """The noisy pictures lie as far from those without as the noise of training, the cleaned ones lie near these."""
    with torch.inference_mode():  # as the app asks
        *_, before, after = noisy.sample_steps(torch.full((500,), -1), generators=seeded(range(500)))
    unlike = [float((x.abs() - 0.6).square().mean().sqrt()) for x in (before, after)]
    assert unlike[0] == pytest.approx(0.2, rel=0.25)
    assert unlike[1] < 0.75 * unlike[0]
    assert torch.equal(noisy.sample(torch.full((500,), -1), generators=seeded(range(500))), after)


def test_what_noise_leaves_of_normal_pictures_is_known():
    """Of y ~ N(mean, s^2), of which sigma^2 is noise, y - mean shrinks by the noise's share: the posterior mean of two normals."""
    model = Flow(
        FlowConfig(image_shape=(1, 8, 8), noise_std=0.3)
    ).eval()  # untrained, it is the identity but for the scale
    model.norm.log_std.fill_(math.log(0.5))
    model.norm.mean.fill_(0.1)
    *_, after = model.sample_steps(torch.zeros(4, dtype=torch.long), generators=seeded(range(4)))
    z = draw_normal(model.image_shape, seeded(range(4)), "cpu")
    expected = 0.1 + 0.5 * z * (1 - (0.3 / 0.5) ** 2)
    assert torch.allclose(after, expected.clamp(-1, 1), atol=1e-5)


def test_there_and_back_with_noise():
    model = tiny(noise_std=0.3)
    x, labels = batch(model, 16)
    assert torch.equal(to_uint8(model.decode(model.encode(x, labels), labels)), to_uint8(x))


def test_a_likelihood_of_noisy_pictures_says_so(noisy):
    """It is one of levels, whatever the noise: the probabilities of all pictures add up to what isn't beyond black and white."""
    assert noisy.likelihood_note == "of the noisy pictures (sigma = 0.2) that samples are cleaned from"
    assert tiny().likelihood_note == ""
    model = tiny(image_shape=(1, 2, 2), grey_levels=4, scales=1, widths=(8,), blocks=(1,), noise_std=0.3)
    x = torch.tensor(list(itertools.product(range(4), repeat=4))).view(-1, 1, 2, 2) * (2 / 3) - 1
    torch.manual_seed(0)
    within = math.erf((4 / 3) / math.sqrt(2)) ** 4  # of N(0, 1) between the outer edges of the bins of -1 and 1
    assert float(model.log_likelihood(x, samples=500).exp().sum()) == pytest.approx(within, abs=0.01)
    terms = model.train()(x)
    assert "bits_per_dim_noisy" in terms
    assert "bits_per_dim_bound" not in terms


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_noise_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=f"'noise_std' must be from 0 to 1, not {value}"):
        tiny(noise_std=value)


@pytest.mark.parametrize("name", ["scale1_below", "coarse1"])
def test_a_broken_layer_stops_the_training(name):
    model = tiny().train()
    next(model.layers[name].parameters()).fill_(math.nan)
    rows = train(model, tiny_images(8), precision="no")
    with torch.enable_grad(), pytest.raises(NonFiniteJacobian, match=f"The Jacobian of the layer {name} is not finite"):
        next(rows)


def test_configs_that_cannot_be():
    with pytest.raises(ValueError, match=r"multiples of 4 \(2\*\*scales\), not 8 and 10"):
        tiny(image_shape=(1, 8, 10))
    with pytest.raises(ValueError, match="one number for each of the 1 scales"):
        tiny(scales=1)
    with pytest.raises(ValueError, match="at least 2, not 1"):
        tiny(grey_levels=1)
