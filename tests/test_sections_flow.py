"""The flow's sections: their default states, what goes through the layers and back, and what they refuse."""

import base64
import math

import numpy as np
import pytest
import torch
from helpers import unpacked

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.protocols import HasLikelihood, Samples, ShowsLayers
from genmodels.tabs import flow
from genmodels.wrappers import core, examples, flows, likelihoods, sampling
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import EACH, Refused

SECTIONS = {section.key: section for section in flow.TAB.sections}
NAMES = core.available("flow")
pytestmark = pytest.mark.skipif(not NAMES, reason="no flow is bundled")
NAME = NAMES[0] if NAMES else ""


def answered(key: str, **state: object) -> Answer:
    section = SECTIONS[key]
    return section.answer(section.parse({"model": NAME} | state))


def example(number: int) -> np.ndarray:
    """`(H, W, C)`"""
    return unpacked({**examples.of_kind(NAME)[number][1], "shape": [1, *core.describe(NAME)["shape"]]})[0]


def packed(x: torch.Tensor) -> np.ndarray:
    return to_uint8(x.clamp(-1, 1)).numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("key", SECTIONS)
def test_default_states_are_answered(key):
    section = SECTIONS[key]
    answer, spec = answered(key), section.spec()
    assert all(view["key"] in answer for view in spec["views"] if view["element"] != "gm-second")
    state = section.parse({"model": NAME})
    assert section.parse(state.picked(*section.State.kinds()) | {"model": NAME}) == state


def test_the_tab_opens_with_there_and_back():
    assert next(iter(SECTIONS)) == "flow.round_trip"


@pytest.mark.parametrize("number", [0, 5, -6, -8])
def test_every_picture_comes_back(number):
    """Those of its kind, and those that it has never seen."""
    answer = answered("flow.round_trip", picture=f"#{number}")
    state = SECTIONS["flow.round_trip"].parse({"model": NAME, "picture": f"#{number}"})
    given = unpacked({"pixels": state.picture, "shape": [1, *core.describe(NAME)["shape"]]})
    assert np.array_equal(unpacked(answer["decoded"]), given)
    assert answer["difference"] == 0
    frames = unpacked(answer["film"]["frames"])
    assert np.array_equal(frames[0], given[0])
    assert np.array_equal(frames[-1], given[0])
    assert len(frames) == len(answer["film"]["captions"]) == 2 * len(core.get_model(NAME, ShowsLayers).layer_names) + 1
    middle = frames[len(frames) // 2]
    assert np.abs(middle.astype(int) - unpacked(answer["code"])[0]).max() <= 1


def test_a_difference_is_found(monkeypatch):
    """The number printed is measured: of a model that forgets a pixel it is not 0."""
    model = core.load_model(NAME)
    decode = type(model).decode

    def forgetful(self, z, labels=None):
        x = decode(self, z, labels)
        x[..., 3, 3] = -x[..., 3, 3]
        return x

    monkeypatch.setattr(type(model), "decode", forgetful)
    flat = base64.b64encode(bytes([250]) * math.prod(core.describe(NAME)["shape"])).decode()
    assert "245" in answered("flow.round_trip", picture=flat)["words"]


def test_numbers_of_a_code_are_a_density():
    numbers = answered("flow.round_trip")["numbers"]
    wide = numbers["edges"][1] - numbers["edges"][0]
    assert 0.99 < sum(numbers["counts"]) * wide <= 1.0001
    assert max(numbers["curve"]) == pytest.approx(0.3989, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_samples_are_those_of_the_library(temperature):
    answer = answered("flow.generate", seed=3, n=4, temperature=temperature)
    x = operations.sample(core.get_model(NAME, Samples), 4, 3, temperature=temperature)
    assert np.array_equal(unpacked(answer["samples"]), packed(x))


def test_a_section_draws_by_default_as_the_models_figures_were_measured():
    answer = answered("flow.generate", seed=3, n=4)
    model = core.get_model(NAME, Samples)
    assert np.array_equal(unpacked(answer["samples"]), packed(operations.sample(model, 4, 3)))
    assert model.config.to_json()["temperature"] == sampling.own_temperature(NAME) != 1


def test_the_last_layer_undone_makes_the_samples():
    film = unpacked(answered("flow.layers", seed=3)["film"]["frames"])
    _, height, width = core.describe(NAME)["shape"]
    made = unpacked(answered("flow.generate", seed=3, n=8)["samples"])
    assert np.array_equal(film[-1, :height, :width], made[0])
    assert np.array_equal(film[-1, height + 2 :, -width:], made[7])


def test_a_picture_has_its_place_among_test_images():
    answer = answered("flow.likelihood")
    assert answer["histogram"]["mark"] == answer["bits"]
    assert f"{answer['bits']:.2f} bits/dim" in answer["words"]
    assert "≤" in answer["words"]
    x = from_pad(NAME, examples.of_kind(NAME)[0][1])[0]
    assert answer["bits"] == pytest.approx(
        float(operations.bits_per_dim(core.get_model(NAME, HasLikelihood), x)), abs=1e-4
    )


def test_kinds_are_sorted_and_measured_once():
    answer = answered("flow.kinds")
    bits = [float(lines[1]) for lines in answer["gallery"]["titles"]]
    assert bits == sorted(bits)
    assert sum(answer["gallery"]["marked"]) == 1
    assert len(bits) == answer["gallery"]["pictures"]["shape"][0]
    assert answered("flow.kinds") is answer
    label, pad = examples.outliers(NAME)[0]
    found = dict(map(tuple, answer["gallery"]["titles"]))
    assert float(found[label]) == pytest.approx(likelihoods.likelihood(NAME, pad)["bits"], abs=0.05)


def test_blends_begin_and_end_with_the_pictures():
    answer = answered("flow.blend", picture="#1", other="#2")
    ends = [example(i) for i in (1, 2)]
    for row in ("latent", "pixels"):
        made = unpacked(answer[row])
        assert len(made) == 9
        assert np.array_equal(made[0], ends[0])
        assert np.array_equal(made[-1], ends[1])


def test_a_swap_keeps_the_class_it_was_encoded_as():
    answer, classes = answered("flow.swap", label="4"), core.describe(NAME)["classes"]
    index = classes.index("4")
    assert answer["gallery"]["marked"].index(True) == index
    assert len(answer["gallery"]["titles"]) == len(classes)
    assert np.array_equal(unpacked(answer["gallery"]["pictures"])[index], example(0))
    assert "the most likely" in answered("flow.swap", label=flows.LIKELIEST)["words"]


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("flow.round_trip", "picture", "AAAA"),
        ("flow.round_trip", "picture", "#99"),
        ("flow.generate", "temperature", 1.6),
        ("flow.generate", "temperature", float("nan")),
        ("flow.layers", "seed", -1),
        ("flow.layers", "label", "a whale"),
        ("flow.blend", "other", ""),
        ("flow.swap", "label", EACH),
        ("flow.swap", "model", "vae-mnist"),
    ],
)
def test_refusals_name_the_field(key, field, value):
    with pytest.raises(Refused) as refused:
        answered(key, **{field: value})
    assert refused.value.field == field
    assert "\n" not in str(refused.value)
