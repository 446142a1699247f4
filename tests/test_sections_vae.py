"""The VAE tab's sections: the map, a drawing on it, variations, knobs and walks."""

import numpy as np
import pytest
from helpers import unpacked

from genmodels import operations
from genmodels.data import to_uint8
from genmodels.tabs import page, vae
from genmodels.wrappers import core, examples, latents
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import Refused

SECTIONS = {section.key.partition(".")[2]: section for section in vae.TAB.sections}
pytestmark = pytest.mark.skipif(not core.available("vae"), reason="no VAE is bundled")


def ask(key: str, **state: object) -> Answer:
    section = SECTIONS[key]
    return section.answer(section.parse(state))


@pytest.mark.parametrize("key", SECTIONS)
def test_every_section_answers_its_default_for_every_model(key):
    section = SECTIONS[key]
    for name in section.models():
        answer = page.answer({"section": section.key, "state": {"model": name}})
        assert "error" not in answer
        assert {view.key for view in section.views} - {"given"} <= set(answer), name


def test_points_beyond_the_map_are_at_its_edge():
    for name in SECTIONS["map"].models():
        extent = latents.points(name)["extent"]
        corner = ask("map", model=name, x=extent, y=-extent)["picture"]
        assert corner["shape"] == [1, *core.describe(name)["shape"]]
        assert ask("map", model=name, x=latents.MAP_REACH, y=-latents.MAP_REACH)["picture"] == corner
        assert ask("map", model=name, x=0, y=0)["picture"] != corner
        with pytest.raises(Refused, match="from -8 to 8"):
            ask("map", model=name, x=1e6)


def test_a_drawing_lies_where_it_is_decoded():
    """q(z|x) of a digit: its mean decodes to the model's reconstruction of it."""
    name = SECTIONS["map"].models()[0]
    _, pad = examples.of_kind(name)[0]
    there = ask("where", model=name, picture=pad["pixels"])
    assert all(0 < std < 1 for std in there["std"]), "narrower than the prior"
    x, y = there["mean"]
    decoded = unpacked(ask("map", model=name, x=x, y=y)["picture"])[0].astype(int)
    from_library = operations.reconstruct(core.load_model(name), from_pad(name, pad)[0])
    assert np.abs(decoded - to_uint8(from_library)[0].permute(1, 2, 0).numpy().astype(int)).max() <= 1


def test_variations_without_spread_are_all_the_same():
    same, different = (unpacked(ask("variations", spread=spread)["samples"]) for spread in (0, 4))
    assert len(same) == len(different) == 8
    assert (same == same[:1]).all()
    assert (different != different[:1]).any(axis=(1, 2, 3))[1:].all()


def test_knobs():
    """Each changes the picture, the same values give the same one, and a sweep passes the middle."""
    middle = [0.0] * latents.KNOBS
    answer = ask("knobs", values=middle, seed=1, swept=2)
    assert ask("knobs", values=middle, seed=1, swept=2) == answer
    for i in range(latents.KNOBS):
        turned = [3.0 if j == i else 0.0 for j in range(latents.KNOBS)]
        assert ask("knobs", values=turned, seed=1)["picture"] != answer["picture"]
    strip = unpacked(answer["strip"])
    assert len(strip) == 9
    assert np.abs(strip[4].astype(int) - unpacked(answer["picture"])[0]).max() <= 1
    assert (strip[0] != strip[8]).any()


def test_the_strongest_numbers_come_first():
    name = SECTIONS["knobs"].models()[0]
    found = latents.strongest_latents(name, 4)
    assert len({knob["index"] for knob in found}) == 4
    assert found == latents.strongest_latents(name, 8)[:4]


def test_a_walk_begins_and_ends_with_samples():
    section = SECTIONS["walk"]
    name = next(name for name in section.models() if core.describe(name)["conditional"])
    classes = core.describe(name)["classes"]
    answer = ask("walk", model=name, first=3, last=4, first_label=classes[0], last_label=classes[1], frames=6)
    film = unpacked(answer["film"]["frames"]).astype(int)
    assert len(film) == len(answer["film"]["captions"]) == 6
    for frame, seed, label in ((film[0], 3, 0), (film[-1], 4, 1)):
        alone = (
            to_uint8(operations.sample(core.load_model(name), 1, seed=seed, label=label))[0].permute(1, 2, 0).numpy()
        )
        assert np.abs(frame - alone).max() <= 1


def test_a_refusal_is_a_sentence_whatever_the_label():
    with pytest.raises(Refused, match=r"^The value of “Its strongest numbers” must be a list of 1 to "):
        ask("knobs", values=[0.0] * 1000)


@pytest.mark.parametrize(
    ("key", "bad", "field"),
    [
        ("map", {"x": "left"}, "x"), ("knobs", {"values": [0.0] * 1000}, "values"), ("knobs", {"values": "0"}, "values"),
        ("variations", {"spread": 5}, "spread"), ("walk", {"frames": 1}, "frames"), ("walk", {"first_label": "unicorn"}, "first_label"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(key, bad, field):
    with pytest.raises(Refused) as refusal:
        ask(key, **bad)
    assert refusal.value.field == field
