"""The way back into a generator: styles that are searched for, and the sections that use them."""

import pytest
import torch
from helpers import build
from test_sections_autoencoder import images

from genmodels import operations
from genmodels.models.base import seeded
from genmodels.models.gan import GAN
from genmodels.projection import CANDIDATES, MOST_STEPS, STARTS, project
from genmodels.tabs import gan, page
from genmodels.wrappers import core, overview, style_mixing
from genmodels.wrappers.state import Refused

SECTIONS = {section.key: section for section in gan.TAB.sections}
NAMES = core.available("gan")
bundled = pytest.mark.skipif(not NAMES, reason="no GAN is bundled")


@pytest.fixture(scope="module")
def model() -> GAN:
    return build("gan")


def error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x - y).square().mean((1, 2, 3))


def drawn(model: GAN, *seeds: int) -> torch.Tensor:
    return model.sample(torch.arange(len(seeds)) % 3, generators=seeded(seeds))


def test_a_picture_among_those_drawn_is_found_at_once(model):
    """Candidate i has seed + i and the i-th class, so that picture 7 of class 1 is one of them."""
    x = operations.sample(model, 8, seed=5)[7:]
    first = next(project(model, x, seed=5))
    assert first.step == 0
    assert error(first.images, x) < 1e-10


@pytest.mark.parametrize("each_layer", [True, False])
def test_it_comes_closer(model, each_layer):
    x = drawn(model, 5000, 5001)
    steps = list(project(model, x, each_layer=each_layer, steps=60))
    assert [step.step for step in steps] == list(range(61))
    first, last = steps[0], steps[-1]
    assert (error(last.images, x) < 0.3 * error(first.images, x)).all()
    torch.testing.assert_close(model.synthesize(last.styles), last.images)
    one_style = bool((last.styles == last.styles[:, :1]).all())
    assert one_style is not each_layer


def test_more_styles_than_one_come_closer_to_what_was_never_drawn(model):
    x = torch.rand(2, *model.image_shape, generator=torch.Generator().manual_seed(0)) - 0.5
    w, wplus = ([*project(model, x, each_layer=each, steps=80)][-1] for each in (False, True))
    assert (error(wplus.images, x) < error(w.images, x)).all()


def test_an_image_is_sought_by_itself_and_by_the_seed(model):
    x = drawn(model, 5000, 5001, 5002)
    together, alone, again, other = (
        [*project(model, some, seed=seed, steps=12)][-1]
        for some, seed in ((x, 0), (x[1:2], 0), (x[1:2], 0), (x[1:2], 9000))
    )
    assert torch.equal(alone.styles, again.styles)
    torch.testing.assert_close(together.styles[1:2], alone.styles, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(alone.styles, other.styles, atol=1e-2)


def test_the_model_stays_as_it_was(model):
    """Also where gradients are switched off, as they are in the app."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        x = drawn(model, 5000).clone()
        *_, last = project(model, x, steps=3)
    assert last.images.shape == x.shape
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_fewer_and_fewer_go_on(model, monkeypatch):
    """Of each of two images eight, two, one, and what Adam knows of them goes along."""
    tried, whole = [], GAN.synthesize
    monkeypatch.setattr(GAN, "synthesize", lambda self, w: tried.append(len(w)) or whole(self, w))
    x = drawn(model, 5000, 5001)
    tried.clear()
    steps = list(project(model, x, steps=20))
    assert tried == [CANDIDATES, *[16] * 4, *[4] * 4, *[2] * 13]
    assert max(STARTS.values()) <= CANDIDATES
    assert (error(steps[-1].images, x) <= error(steps[8].images, x)).all()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"steps": -1}, f"steps must be from 0 to {MOST_STEPS}, not -1."),
        ({"steps": MOST_STEPS + 1}, "steps must be from 0"),
        ({"label": 7}, "There is no class 7"),
        ({"x": torch.zeros(1, 3, 8, 8)}, r"The images must be \(1, 8, 8\) each, not \(3, 8, 8\)."),
    ],
)
def test_refusals(model, changes, why):
    with pytest.raises(ValueError, match=why):
        next(project(model, changes.pop("x", torch.zeros(1, 1, 8, 8)), **changes))


# -- the sections ------------------------------------------------------------------------------------------------------


def answers(key: str, **values: object) -> list[dict]:
    section = SECTIONS[key]
    return list(section.answer(section.parse({"model": NAMES[0]} | values)))


@bundled
def test_a_picture_is_brought_in():
    first, *_, last = answers("gan.project", picture="#3", steps=40)
    yours, closest, found = images(last["gallery"]["pictures"]).float()
    assert ((found - yours).square().mean() < 0.3 * (closest - yours).square().mean()).item()
    assert len(images(first["gallery"]["pictures"])) == 2
    assert last["gallery"]["titles"][2][1] == f"PSNR {last['psnr']:.1f} dB"
    typical = images(last["typical"]).float()
    assert (typical[4] - found).abs().max() <= 1, "at ψ = 1 nothing is changed"
    assert "40 of 40 steps" in last["progress"]


@bundled
def test_the_same_link_brings_the_same_picture_and_knows_it_already():
    *_, once = answers("gan.project", picture="#4", steps=20, seed=11)
    *_, again = answers("gan.project", picture="#4", steps=20, seed=11)
    assert again["ms"] == 0
    assert again["gallery"] == once["gallery"]
    assert again["typical"] == once["typical"]


@bundled
def test_styles_of_both(monkeypatch):
    monkeypatch.setattr("genmodels.wrappers.projection.STEPS", 20)
    layers = style_mixing.layer_count(NAMES[0])
    for crossover in (0, layers):
        *_, last = answers("gan.restyle", crossover=crossover)
        left, top, cells = (images(last["table"][key]).int() for key in ("left", "top", "cells"))
        assert (len(left), len(top), len(cells)) == (2, 6, 12)
        wanted = left.repeat_interleave(6, 0) if crossover else top.repeat(2, 1, 1, 1)
        assert (cells - wanted).abs().max() <= 1
        assert (left - top[:2]).abs().max() <= 1
    film = images(last["film"]["frames"]).int()
    stops = [film[0], film[len(film) // 2], film[-1]]
    for frame, picture in zip(stops, top, strict=False):
        assert (frame - picture).abs().max() <= 1
    assert last["film"]["captions"][0] == "yours"
    assert last["film"]["captions"][-1] == "a generated one"


@bundled
@pytest.mark.parametrize(
    ("key", "values", "field"),
    [
        ("gan.project", {"steps": 10_000}, "steps"),
        ("gan.project", {"space": "z"}, "space"),
        ("gan.project", {"picture": "AAAA"}, "picture"),
        ("gan.restyle", {"other": "#99"}, "other"),
        ("gan.restyle", {"truncation_psi": 9}, "truncation_psi"),
    ],
)
def test_what_a_state_cannot_be(key, values, field):
    with pytest.raises(Refused) as refused:
        SECTIONS[key].parse({"model": NAMES[0]} | values)
    assert refused.value.field == field


@bundled
def test_the_overview_says_what_it_comes_to(monkeypatch):
    monkeypatch.setattr(overview, "SOUGHT", 10)
    section = page.sections()["overview.fill"]
    *_, last = section.answer(section.parse({"families": ["gan"]}))
    (slot,) = last["families"]["gan"]["slots"]
    assert slot["place"] == 1
    assert slot["value"]["shape"] == [1, *core.describe(NAMES[0])["shape"]]
