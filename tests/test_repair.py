"""Damage, what mends it, and the section that shows both."""

import math

import pytest
import torch
from helpers import build, tiny_images

from genmodels.repair import DAMAGES, Damaged, by_hand, damage, enlarged, filtered, mend
from genmodels.tabs import diffusion
from genmodels.wrappers import core, repair
from genmodels.wrappers.state import Refused

SECTION = next(section for section in diffusion.TAB.sections if section.key == "diffusion.repair")
HOLES = [kind for kind in DAMAGES if kind != "noise"]
bundled = pytest.mark.skipif(not SECTION.is_ready, reason="no model that mends is bundled")


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return tiny_images(4)[:][0]


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_given_is_the_picture_itself(x, kind):
    left = damage(x, kind, 0.5, range(4))
    assert left.given.shape == (4, 1, 8, 8)
    if kind == "noise":
        assert left.given.all()
        assert 0.3 < float((left.seen - x).std()) < 0.7
        return
    given = left.given.expand_as(x)
    assert torch.equal(left.seen[given], x[given])
    assert (left.seen[~given] == 0).all()
    assert 0.02 < float((~left.given).float().mean()) < 0.8


def test_damage_grows_and_depends_on_its_seed_alone(x):
    for kind in ("scratches", "blocks"):
        shares = [float((~damage(x, kind, strength, range(4)).given).float().mean()) for strength in (0.0, 0.3, 1.0)]
        assert shares[0] == 0 < shares[1] < shares[2] < 1
    for kind in DAMAGES:
        together, alone = damage(x, kind, 0.5, range(4)), damage(x[2:3], kind, 0.5, [2])
        assert torch.equal(together.seen[2:3], alone.seen)
    half = damage(x, "half", 0.1, range(4)).given[0, 0]
    assert half[::2, ::2].all()
    assert half.sum() == 16


@pytest.mark.parametrize(
    ("kind", "strength", "why"),
    [("rust", 0.5, "There is no damage 'rust'"), ("noise", 1.5, "not 1.5"), ("noise", math.nan, "not nan")],
)
def test_no_such_damage(x, kind, strength, why):
    with pytest.raises(ValueError, match=why):
        damage(x, kind, strength, range(4))


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_median_by_hand():
    """Of what is around a hole, from its edge inwards; of all nine under noise, which forgets a single bright pixel."""
    row = torch.tensor([1.0, 3, 9, 0, 0, 0, 5]).div(10).expand(1, 1, 3, 7).clone()
    given = torch.tensor([1, 1, 1, 0, 0, 0, 1]).bool().expand(1, 1, 3, 7)
    mended = filtered(Damaged(row, given, 0.0))
    torch.testing.assert_close(mended[0, 0, 1] * 10, torch.tensor([1.0, 3, 9, 9, 5, 5, 5]))
    speck = torch.zeros(1, 1, 5, 5)
    speck[..., 2, 2] = 1
    assert not filtered(Damaged(speck, torch.ones(1, 1, 5, 5).bool(), 0.5)).any()
    assert not filtered(Damaged(speck * 0, torch.zeros(1, 1, 5, 5).bool(), 0.0)).any(), "nothing is given"


def test_enlarging_keeps_what_is_given_and_draws_a_slope_through_it():
    slope = torch.linspace(-0.9, 0.9, 8).expand(1, 1, 8, 8).contiguous()
    left = damage(slope, "half", 1, [0])
    made = enlarged(left)
    assert torch.equal(made[left.given], slope[left.given])
    torch.testing.assert_close(made[..., 2:5], slope[..., 2:5], atol=0.02, rtol=0)


# -- by models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["autoencoder", "pixelcnn", "diffusion"])
@pytest.mark.parametrize("kind", HOLES)
@torch.no_grad()
def test_given_pixels_stay_given(x, family, kind):
    left, model = damage(x, kind, 0.6, range(4)), build(family)
    given = left.given.expand_as(x)
    for made in mend(model, left, kind, range(4)):
        assert torch.equal(made[given], x[given])
    assert made.shape == x.shape
    assert made[~given].isfinite().all()
    assert not torch.equal(made[~given], left.seen[~given])
    assert torch.equal(by_hand(left, kind)[given], x[given])


@torch.no_grad()
def test_noise_is_no_hole(x):
    left = damage(x, "noise", 0.4, range(4))
    for family in ("autoencoder", "diffusion"):
        *_, made = mend(build(family), left, "noise", range(4))
        assert made.abs().max() <= 1
    with pytest.raises(ValueError, match="corrects none"):
        next(mend(build("pixelcnn"), left, "noise", range(4)))
    with pytest.raises(ValueError, match="lacks the ability"):
        next(mend(build("gan"), left, "noise", range(4)))


# -- the section -------------------------------------------------------------------------------------------------------


@bundled
def test_three_families_and_a_filter_mend_a_picture():
    parsed = SECTION.parse({"data": "mnist", "picture": "#3", "damage": "half"})
    *_, last = SECTION.answer(parsed)
    titles = [title for title, _ in last["gallery"]["titles"]]
    assert titles == ["Yours", "Damaged", "Bicubic", "Diffusion", "Autoencoder", "PixelCNN"]
    assert last["gallery"]["pictures"]["shape"] == [6, 1, 28, 28]
    known = {key: value for key, value in last["psnr"].items() if key != "Yours"}
    assert last["gallery"]["marked"] == [title == max(known, key=known.get) for title in titles]
    assert known["Bicubic"] > known["Damaged"] + 3
    assert known["Diffusion"] > known["Damaged"] + 3


@bundled
def test_who_has_no_means_says_so():
    *_, last = SECTION.answer(SECTION.parse({"data": "mnist", "damage": "noise"}))
    assert last["words"].startswith(
        "Decibels of PSNR against your picture: more is closer. **PixelCNN** has no answer: It "
    )
    assert "PixelCNN" not in last["psnr"]
    assert last["psnr"]["Diffusion"] > last["psnr"]["Damaged"]


@bundled
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"damage": "rust"}, "damage"),
        ({"strength": 2}, "strength"),
        ({"picture": "AA=="}, "picture"),
        ({"data": "cats"}, "data"),
    ],
)
def test_what_a_state_cannot_be(values, field):
    with pytest.raises(Refused) as refused:
        SECTION.parse(values)
    assert refused.value.field == field


def test_one_general_model_of_each_family_and_data_set():
    names = repair.models()
    seen = [(core.describe(name)["family"], core.describe(name)["data"]) for name in names]
    assert len(seen) == len(set(seen))
    assert not any("fast" in name or "vae" in name for name in names)
