"""The GAN tab's sections: the game, samples, loops, mixed styles, the critic, films of training."""

import base64
import io
import json

import pytest
import torch
from PIL import Image
from test_sections_autoencoder import images

from genmodels import checkpoint, operations
from genmodels.data import to_uint8
from genmodels.tabs import gan, page
from genmodels.wrappers import core, spot_the_fake, style_mixing, training_films
from genmodels.wrappers.state import Refused

NAMES = core.available("gan")
NAME = NAMES[0]
SECTIONS = {section.key: section for section in gan.TAB.sections}


def ask(key: str, **values: object) -> dict:
    section, state = SECTIONS.get(key), {"model": NAME} | values
    if section and section.work:
        *_, last = section.answer(section.parse(state))
        return last
    return page.answer({"section": key, "state": state})


@pytest.mark.parametrize("key", SECTIONS)
def test_every_section_answers_its_default(key):
    for name in SECTIONS[key].models():
        answer = ask(key, model=name)
        assert "error" not in answer
        assert {view.key for view in SECTIONS[key].views} <= set(answer)
        json.dumps(answer)


def test_a_state_makes_a_round_trip():
    for section in SECTIONS.values():
        parsed = section.parse({"model": NAME})
        assert section.parse(vars(parsed)) == parsed


# -- the game ----------------------------------------------------------------------------------------------------------


def test_what_is_true_comes_with_the_picks_alone():
    asked = ask("gan.spot", round=7)
    assert set(asked) == {"pictures", "group", "question"}
    told = ask("gan.spot", round=7, picks=[1, 4])
    dealt = spot_the_fake.deal(NAME, 7)
    assert told["pictures"] == asked["pictures"]
    assert [answer["sought"] for answer in told["answers"]] == dealt["sought"]
    assert told["visitor"] == sum(
        picked == sought for picked, sought in zip([i in (1, 4) for i in range(8)], dealt["sought"], strict=True)
    )
    assert told["visitor"] == sum(answer["visitor"] for answer in told["answers"])
    assert ask("gan.spot", round=7, picks="4,1") == told, "a link says them as text"
    assert ask("gan.spot", round=8)["pictures"] != asked["pictures"]


def test_picking_nothing_is_an_answer():
    assert ask("gan.spot", picks=[])["picks"] == []
    assert len(ask("gan.spot", picks="")["answers"]) == 8


def test_pairs_want_one_pick_each(monkeypatch):
    dealt = spot_the_fake.deal(NAME, 2)
    pairs = dealt | {"group": 2, "sought": [True, False] * 4, "critic": [True, False] * 4}
    monkeypatch.setattr(spot_the_fake, "_round", lambda name, seed: pairs)
    assert ask("gan.spot", picks=[0, 1]) == {"error": "Pick one picture of each pair first.", "field": "picks"}
    assert ask("gan.spot", picks=[0, 3, 4, 6])["visitor"] == 3


# -- samples, loops, styles --------------------------------------------------------------------------------------------


def test_samples_are_those_of_the_library():
    model = core.load_model(NAME)
    x = operations.sample(model, 5, 11, "balanced", truncation_psi=0.6)
    assert torch.equal(images(ask("gan.generate", seed=11, n=5, truncation_psi=0.6)["samples"]), to_uint8(x))
    one = operations.sample(model, 1, 11, 3)
    shown = ask("gan.generate", seed=11, n=1, truncation_psi=1, label=core.describe(NAME)["classes"][3])["samples"]
    assert torch.equal(images(shown), to_uint8(one))


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_loop_passes_the_samples_of_its_seeds(space):
    answer = ask("gan.walk", seed=5, stops=3, frames=12, space=space, truncation_psi=1)
    frames = images(answer["film"]["frames"])
    assert len(frames) == len(answer["film"]["captions"]) == 12
    assert torch.equal(images(answer["strip"]), frames[[0, 4, 8]])
    classes = core.describe(NAME)["classes"]
    for i in range(3):
        own = ask("gan.generate", seed=5 + i, n=1, truncation_psi=1, label=classes[(5 + i) % len(classes)])["samples"]
        assert (frames[4 * i].int() - images(own)[0].int()).abs().max() <= 1
    assert frames[1].ne(frames[0]).any()


def test_a_loop_says_where_it_is():
    captions = ask("gan.walk", seed=5, stops=2, frames=8)["film"]["captions"]
    assert captions[0].startswith("seed 5 (")
    assert captions[2].startswith("seed 5 (")
    assert captions[2].endswith("50 %")
    assert "→ seed 5 (" in captions[7]


def test_mixed_styles_repeat_the_top_or_the_left_at_both_ends():
    layers = style_mixing.layer_count(NAME)
    assert layers == core.load_model(NAME).num_layers
    for crossover, key in ((0, "top"), (layers, "left")):
        table = ask("gan.mix", crossover=crossover)["table"]
        left, top, cells = (images(table[part]) for part in ("left", "top", "cells"))
        assert (len(left), len(top), len(cells)) == (4, 6, 24)
        wanted = top.repeat(4, 1, 1, 1) if key == "top" else left.repeat_interleave(6, 0)
        assert (cells.int() - wanted.int()).abs().max() <= 1


def test_an_outline_has_the_model_s_shapes_and_no_memory():
    outlined, model = checkpoint.outline(NAME), core.load_model(NAME)
    assert {p.device.type for p in outlined.parameters()} == {"meta"}
    assert {k: v.shape for k, v in outlined.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


# -- the critic, films -------------------------------------------------------------------------------------------------


def test_the_critic_ranks_a_digit_above_noise():
    digit, noise = ask("gan.critic", picture="#3"), ask("gan.critic", picture="#-8")
    assert digit["score"] > noise["score"]
    assert digit["realism"]["mark"] == digit["score"]
    assert len(digit["realism"]["edges"]) == len(digit["realism"]["above"]) + 1 == len(digit["realism"]["below"]) + 1
    assert "**0 %** of real test images" in noise["words"]


def test_films_come_as_their_files():
    films = ask("gan.training")["films"]
    assert [film["title"] for film in films] == [f"Digits, {run}" for run in training_films.TITLES.values()]
    for film in films:
        width, _ = Image.open(io.BytesIO(base64.b64decode(film["sheet"]))).size
        assert width == film["columns"] * film["frame_size"][0]


def test_the_critic_s_own_strip_of_examples():
    labels = [strip["label"] for strip in ask("page.examples")["strips"]]
    assert labels == ["Pictures of the kind it knows", "Made by the model itself", "Something it has never seen"]
    assert len(page.answer({"section": "page.examples", "state": {"model": core.available("vae")[0]}})["strips"]) == 2


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("gan.spot", "round", 2**40), ("gan.spot", "picks", [8]), ("gan.spot", "picks", "0,x"), ("gan.spot", "picks", 3),
        ("gan.spot", "picks", list(range(9))), ("gan.generate", "truncation_psi", 2), ("gan.generate", "n", 65),
        ("gan.generate", "label", "cat"), ("gan.walk", "space", "y"), ("gan.walk", "frames", 97), ("gan.walk", "stops", 1.5),
        ("gan.mix", "crossover", 6), ("gan.mix", "row_seed", "0"), ("gan.critic", "picture", ""),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(key, field, value):
    answer = ask(key, **{field: value})
    assert answer["field"] == field
    assert answer["error"]
    with pytest.raises(Refused):
        SECTIONS[key].parse({"model": NAME, field: value})
