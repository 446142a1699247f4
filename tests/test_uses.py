"""What scores of strangeness, packed codes and range codes promise, and the sections that show them."""

import base64
import math

import numpy as np
import pytest
import torch
from helpers import build, having

from genmodels import anomaly, checkpoint, compression, metrics, operations
from genmodels.compression import Quantiser
from genmodels.data import to_float, to_uint8
from genmodels.protocols import HasLikelihood, WritesRows
from genmodels.real_images import real_images
from genmodels.tabs import page
from genmodels.wrappers import few_bytes, outsiders


def pictures(model: object, n: int = 2) -> torch.Tensor:
    shape = model.image_shape  # type: ignore[attr-defined]
    return torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(1)) / 127.5 - 1


# -- figures -----------------------------------------------------------------------------------------------------------


def test_roc_auc_counts_pairs():
    """Against the definition: all pairs, one by one, with equal scores among them."""
    rng = np.random.default_rng(0)
    usual, strange = rng.integers(0, 9, 40), rng.integers(3, 12, 30)
    pairs = [(1.0 if s > u else 0.5 if s == u else 0.0) for s in strange for u in usual]
    area = metrics.roc_auc(torch.tensor(usual), torch.tensor(strange))
    assert area == pytest.approx(np.mean(pairs))
    assert metrics.roc_auc(torch.tensor(strange), torch.tensor(usual)) == pytest.approx(1 - area)
    low, high = metrics.roc_auc_interval(area, 40, 30)
    assert 0 <= low < area < high <= 1
    assert metrics.roc_auc_interval(1.0, 5, 5) == (1.0, 1.0)


def test_roc_auc_refuses_nan():
    with pytest.raises(ValueError, match="none of them NaN"):
        metrics.roc_auc(torch.tensor([0.0]), torch.tensor([math.nan]))


@having(HasLikelihood)
def test_bits_less_those_of_png(family):
    model = build(family)
    x = pictures(model)
    scores = anomaly.scores(model, x)
    png = torch.tensor([len(compression.as_file(p, "png")) * 8 / x[0].numel() for p in to_uint8(x)])
    assert torch.allclose(scores[anomaly.BITS] - scores[anomaly.BITS_LESS_PNG], png.to(scores[anomaly.BITS]), atol=1e-4)


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 3, 8, 11])
def test_packed_codes(bits):
    """They take the bytes that they say, and come back to the nearest of 2^bits steps; what lies outside to the ends."""
    codes = torch.randn(50, 13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    quantiser = Quantiser.of(codes, bits)
    step = (quantiser.high - quantiser.low) / (2**bits - 1)
    for code in codes[:5]:
        packed = quantiser.pack(code)
        assert len(packed) == quantiser.size == math.ceil(13 * bits / 8)
        assert ((quantiser.unpack(packed) - code).abs() <= step / 2 + 1e-9).all()
    far = quantiser.unpack(quantiser.pack(torch.full((13,), 99.0, dtype=torch.float64)))
    assert torch.allclose(far, quantiser.high)
    with pytest.raises(ValueError, match="bytes, not 1"):
        quantiser.unpack(b"x")


@having(WritesRows)
def test_range_codes_give_every_pixel_back(family):
    """And take what the likelihood says, but for a word or two."""
    pytest.importorskip("constriction")
    model = build(family)
    for x in pictures(model, 2).split(1):
        packed = compression.to_bytes(model, x)
        assert torch.equal(to_uint8(compression.from_bytes(model, packed)), to_uint8(x))
        ideal = float(operations.bits_per_dim(model, x)) * x.numel() / 8
        assert ideal - 1 <= len(packed) <= ideal + 8


@having(WritesRows)
def test_probabilities_in_turn_are_those_of_all_at_once(family):
    model = build(family).double()
    x = pictures(model)
    levels = to_uint8(x).long()
    expected = model.log_probabilities(x)
    seen = 0
    for c, row, column, odds in model.probabilities_in_turn(levels.clone()):
        assert torch.allclose(odds.log(), expected[:, c, row, column], atol=1e-8)
        seen += 1
    assert seen == x[0].numel()


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_files(kind):
    for name in ("mnist", "heroes"):
        picture = real_images(name).pixels[5]
        content = compression.as_file(picture, kind, **compression.LOSSLESS[kind])
        assert torch.equal(compression.from_file(content, len(picture)), picture)


# -- the sections ------------------------------------------------------------------------------------------------------

needs_models = pytest.mark.skipif("pixelcnn-mnist" not in checkpoint.bundled(), reason="no bundled models")


def ask(key: str, **state: object) -> list[dict]:
    section = page.sections()[key]
    answer = section.answer(section.parse(state))
    return list(answer) if section.work else [answer]


@needs_models
def test_strangers_are_ranked():
    *steps, last = ask("compare.outsiders", data="mnist", strangers="noise", seed=2)
    assert [row for step in steps for row in step.get("rankings", [])] == last["rankings"], "each is told once"
    assert {row["model"] for row in last["rankings"]} >= {
        "ae-mnist",
        "vae-mnist",
        "gan-mnist",
        "flow-mnist",
        "pixelcnn-mnist",
    }
    for row in last["rankings"]:
        shown = [place for place in row["places"] if place <= outsiders.SHOWN]
        assert [i + 1 for i, mark in enumerate(row["gallery"]["marked"]) if mark] == shown
    found = {(row["model"], row["score"]): row["places"] for row in last["rankings"]}
    assert found["ae-mnist", anomaly.ERROR] == found["pixelcnn-mnist", anomaly.BITS] == [1, 2], "noise costs most"
    assert last["all"]["pictures"]["shape"] == [outsiders.PICTURES, 1, 28, 28]
    assert "at the top" in last["words"]


@needs_models
def test_a_visitors_pictures_are_ranked():
    digits = real_images("mnist").pixels[:5]
    mine = [base64.b64encode(p.numpy().tobytes()).decode() for p in (*digits, 255 - digits[0])]
    last = ask("compare.outsiders", data="mnist", pictures=mine)[-1]
    assert last["all"]["titles"][5] == ["6"]
    assert "**number 6**" in last["words"]
    assert all(row["note"] == "" for row in last["rankings"])


@needs_models
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["#0"], "Give 2 to 50 pictures, not 1."),
        (["#0"] * 51, "Give 2 to 50 pictures, not 51."),
        ("#0", "Give 2 to 50 pictures."),
        (["#0", base64.b64encode(bytes(9)).decode()], r"must have 1x28x28 bytes, not 9"),
    ],
)
def test_other_pictures_are_refused(value, why):
    with pytest.raises(ValueError, match=why):
        page.sections()["compare.outsiders"].parse({"data": "mnist", "pictures": value})


@needs_models
def test_what_fits_into_few_bytes():
    (few,) = ask("autoencoder.bytes", model="ae-mnist", budget=16)
    assert few["bytes"]["ae-mnist"] == 16, "32 numbers of 4 bits"
    assert few["bytes"]["JPEG"] is None
    assert few["gallery"]["titles"][1][:2] == ["ae-mnist", "16 bytes"]
    (many,) = ask("autoencoder.bytes", model="ae-mnist", budget=1000)
    assert all(size <= 1000 for size in many["bytes"].values())
    titles = {title[0]: title[-1] for title in many["gallery"]["titles"]}
    assert titles["PNG"] == titles["pixelcnn-mnist"] == "lossless"
    assert many["bytes"]["pixelcnn-mnist"] < many["bytes"]["PNG"]
    lossless = [name for name, said in titles.items() if said == "lossless"]
    smallest = min(lossless, key=many["bytes"].__getitem__)
    assert f"**{smallest}** comes closest, in {many['bytes'][smallest]}." in many["words"]
    (none,) = ask("autoencoder.bytes", model="ae-fashion-mnist", budget=4)
    n = none["gallery"]["pictures"]["shape"][0]
    shown = np.frombuffer(base64.b64decode(none["gallery"]["pictures"]["pixels"]), np.uint8).reshape(n, -1)
    empty = [i for i, title in enumerate(none["gallery"]["titles"]) if title[-1] == "too many"]
    assert empty
    assert not shown[empty].any(), "what doesn't fit is an empty picture"


@needs_models
def test_bytes_of_a_code_are_those_of_its_file():
    """What the section says is what `Quantiser` packs."""
    codes = few_bytes._known_codes("ae-mnist")
    x = to_float(real_images("mnist").pixels[3:4])
    model = checkpoint.load("ae-mnist", device="cpu")
    quantiser = Quantiser.of(codes.clone(), 8)
    again = compression.through_code(model, x, quantiser)
    assert float(metrics.mean_squared_error(again, operations.reconstruct(model, x))) < 1e-3, "8 bits lose little"
