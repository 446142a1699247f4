"""The autoencoder tab's sections: a picture through the bottleneck, and two pictures mixed."""

import base64

import numpy as np
import pytest
import torch

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.tabs import autoencoder, page
from genmodels.wrappers import core, pictures
from genmodels.wrappers.bottleneck import BlendState, ThroughState, blend, through
from genmodels.wrappers.state import Refused

NAMES = core.available("autoencoder")
NAME = NAMES[0]
SECTIONS = {section.key: section for section in autoencoder.TAB.sections}


def images(picture: dict) -> torch.Tensor:
    """A picture of an answer as uint8 `(N, C, H, W)`."""
    n, c, h, w = picture["shape"]
    raw = np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8)
    return torch.from_numpy(raw.reshape(n, h, w, c).transpose(0, 3, 1, 2).copy())


def state(**values: object) -> ThroughState:
    return ThroughState.parse({"model": NAME} | values, NAMES)


def given(picture: str) -> torch.Tensor:
    return pictures.from_pad(NAME, {"pixels": picture, "mask": "", "shape": core.describe(NAME)["shape"]})[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", SECTIONS)
def test_every_section_answers_its_default(key, name):
    answer = page.answer({"section": key, "state": {"model": name}})
    assert "error" not in answer
    wanted = {view.key for view in SECTIONS[key].views}
    assert wanted <= set(answer)
    for view in SECTIONS[key].views:
        if view.element == "grid":
            assert answer[view.key]["shape"] == [1, *core.describe(name)["shape"]]


def test_a_whole_picture_passes_once(monkeypatch):
    model, calls = core.load_model(NAME), []
    encode = type(model).encode
    monkeypatch.setattr(type(model), "encode", lambda self, x, *rest: calls.append(len(x)) or encode(self, x, *rest))
    answer = through(state())
    assert calls == [1]
    through(state(sigma=0.5))
    assert calls == [1, 2], "a damaged one together with the whole one, in one pass"
    x = given(state().picture)
    assert answer["score"] == pytest.approx(float(operations.anomaly_score(model, x)), rel=1e-5)
    assert torch.equal(images(answer["reconstruction"]), to_uint8(operations.reconstruct(model, x)))
    assert answer["unusual"]["mark"] == answer["score"]


def test_damage_changes_what_is_seen_not_how_unusual_it_is():
    whole, noisy = through(state()), through(state(sigma=0.4, seed=3))
    assert torch.equal(images(whole["seen"]), to_uint8(given(state().picture)))
    assert not torch.equal(images(noisy["seen"]), images(whole["seen"]))
    assert noisy["score"] == pytest.approx(whole["score"], rel=1e-4)
    assert noisy == through(state(sigma=0.4, seed=3)) | {"ms": noisy["ms"], "quality": noisy["quality"]}
    assert images(through(state(sigma=0.4, seed=4))["seen"]).ne(images(noisy["seen"])).any()
    assert "what it saw" in noisy["quality"]
    assert "what it saw" not in whole["quality"]


def test_hidden_pixels_are_erased_and_the_others_stay():
    answer = through(state(hidden="lower half"))
    seen, x = images(answer["seen"]), to_uint8(given(state().picture))
    half = x.shape[2] // 2
    assert torch.equal(seen[:, :, :half], x[:, :, :half])
    assert len(seen[:, :, half:].unique()) == 1


def test_the_ends_of_a_mixture_are_both_pictures():
    def at(t: float) -> dict:
        return blend(BlendState.parse({"model": NAME, "picture": "#1", "other": "#5", "t": t}, NAMES))

    model, answer = core.load_model(NAME), at(0.5)
    for t, key in ((0, "picture"), (1, "other")):
        end = at(t)
        assert torch.equal(images(end["pixels"]), images(end[key]))
        rebuilt = to_uint8(operations.reconstruct(model, images(end[key]) / 127.5 - 1))
        assert (images(end["codes"]).int() - rebuilt.int()).abs().max() <= 1
    assert not torch.equal(images(answer["codes"]), images(answer["pixels"]))


def test_a_state_makes_a_round_trip():
    for section in SECTIONS.values():
        parsed = section.parse({"model": NAME, "picture": "#2"})
        assert section.parse(vars(parsed)) == parsed


@pytest.mark.parametrize(
    ("key", "value"),
    [("sigma", 1.5), ("seed", -1), ("picture", "AAAA"), ("picture", "#99"), ("hidden", "AA=="), ("model", "vae-mnist")],
)
def test_what_is_refused_is_named(key, value):
    with pytest.raises(Refused) as refused:
        state(**{key: value})
    assert refused.value.field == key


@pytest.mark.parametrize(("key", "value"), [("t", "half"), ("other", "#-99"), ("other", "x" * 300_000)])
def test_what_a_mixture_refuses(key, value):
    answer = page.answer({"section": "autoencoder.blend", "state": {"model": NAME, key: value}})
    assert answer["field"] == key
