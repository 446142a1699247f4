"""Other words for a picture: the inversion and its identity, captions that are read, and the section that shows both."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers import build, unpacked

import genmodels
from genmodels import captions, checkpoint
from genmodels.models.diffusion import Diffusion
from genmodels.real_images import real_images
from genmodels.rewording import invert, reword
from genmodels.tabs import diffusion, page
from genmodels.wrappers import rewording
from genmodels.wrappers.prompts import phrases
from genmodels.wrappers.state import Refused

SECTION = next(section for section in diffusion.TAB.sections if section.key == "diffusion.reword")
NAME = "diffusion-heroes-text"
bundled = pytest.mark.skipif(
    not SECTION.is_ready, reason="no model of captions is bundled, or no referee that reads them"
)
QUICK = {"num_inference_steps": 2}


def last(steps: Any) -> Any:
    *_, end = steps
    return end


# -- the way there and back ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Diffusion:
    return build("diffusion", num_classes=0, vocabulary=("a", "blue", "elf", "red", "robe"))


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("strength", [0.3, 1.0])
@torch.no_grad()
def test_the_same_words_give_the_picture_back(model, x, strength):
    """Whatever the network, the number of steps and the guidance; the plain solver misses it."""
    words = model.tokenize(["a red robe", "a blue elf", "elf"])
    way = last(invert(model, x, words, strength=strength, steps=3))
    assert len(way.noisy) == len(way.angles) == 4
    assert torch.equal(way.noisy[0], x)
    for scale in (1.0, 4.0):
        assert (last(reword(model, way, words, words, guidance_scale=scale)).clean - x).abs().max() < 1e-4
        assert (last(reword(model, way, words, words, guidance_scale=scale, exact=False)).clean - x).abs().max() > 1e-2


@torch.no_grad()
def test_other_words_change_it_each_for_itself(model, x):
    before, after = model.tokenize(["a red robe"] * 3), model.tokenize(["a red robe", "a blue elf", "elf"])
    way = last(invert(model, x, before, steps=3))
    made = last(reword(model, way, before, after)).clean
    assert (made[:1] - x[:1]).abs().max() < 1e-4 < (made[1:] - x[1:]).abs().amax((1, 2, 3)).min()
    assert made.abs().max() <= 1
    alone = last(reword(model, last(invert(model, x[2:], before[2:], steps=3)), before[2:], after[2:])).clean
    torch.testing.assert_close(alone, made[2:], atol=1e-4, rtol=1e-3)


def test_a_level_of_noise_is_where_it_is_said_to_be(model, x):
    """With a network that sees the picture in everything, the way is alpha x + sigma eps with one noise."""

    class Sees(Diffusion):
        def predictor(self, labels, guidance_scale=None, sketch=None, sketch_scale=None):
            eps = torch.ones_like(x)

            def v(noisy, t):
                angle = self.angles[round(float(t))] if t else torch.zeros(())
                return angle.cos() * eps - angle.sin() * x

            return v

    seer = Sees(model.config)
    way = last(invert(seer, x, torch.zeros(3), steps=40, strength=0.5))
    for angle, noisy in zip(way.angles, way.noisy, strict=True):
        torch.testing.assert_close(noisy, math.cos(angle) * x + math.sin(angle), atol=0.05, rtol=0)


@pytest.mark.parametrize("wrong", [{"strength": 0}, {"strength": 1.5}, {"steps": 0}])
def test_what_it_cannot_be_asked(model, x, wrong):
    with pytest.raises(ValueError, match="must be"):
        next(invert(model, x, model.tokenize(["elf"] * 3), **wrong))


@bundled
@torch.no_grad()
def test_the_plain_solver_comes_back_with_more_steps():
    """It follows the curve of the differential equation, in both directions: what it misses is an error of the steps."""
    x, _ = real_images("heroes")[:4]
    model = genmodels.load(NAME)
    words = model.tokenize(["a hero"] * 4)
    errors = []
    for steps in (4, 32):
        way = last(invert(model, x, words, strength=0.6, steps=steps))
        back = last(reword(model, way, words, words, guidance_scale=1.0, exact=False)).clean
        errors.append(float((back - x).square().mean().sqrt()))
    assert errors[1] < errors[0] / 3
    assert errors[1] < 0.04


# -- captions ------------------------------------------------------------------------------------------------------------


@bundled
def test_the_parts_of_a_sentence_are_found_again():
    offered = phrases(NAME)
    for i in range(200):
        parts = {part: values[(7 * i + 3 * k) % len(values)] for k, (part, values) in enumerate(offered.items())}
        assert captions.parts_of(captions.compose(**parts), offered) == parts
    assert captions.parts_of("nobody", offered) == dict.fromkeys(captions.PARTS, "")


@bundled
def test_a_referee_reads_heroes():
    x, labels = real_images("heroes")[:40]
    config = checkpoint.read_config("referee-heroes")["data"]
    seen = captions.read(genmodels.load("referee-heroes"), x, config["attributes"])
    right = [one["species"][0] == config["classes"][label] for one, label in zip(seen, labels, strict=True)]
    assert sum(right) >= 34
    assert all(0 < chance <= 1 for one in seen for _, chance in one.values())


# -- the section ---------------------------------------------------------------------------------------------------------


def answers(**state: Any) -> list[dict]:
    return list(SECTION.answer(SECTION.parse(state)))


@bundled
def test_a_hero_gets_another_cloak_and_keeps_the_rest():
    *parts, whole = answers()
    assert whole["done"]
    assert whole["prompt"] != whole["caption"]
    assert captions.parts_of(whole["prompt"], phrases(NAME))["cloak"] == "a red cloak"
    assert whole["words"].startswith("The referee sees **a red cloak**, and the rest as before.")
    assert 75 < whole["kept"] < 100
    assert [title for (title,) in whole["gallery"]["titles"]] == [
        "Before",
        "Its noise",
        "Drawn again",
        "Where it changed",
    ]
    assert {"caption", "prompt"} <= set(parts[0])
    before, after = (unpacked(whole["compared"][key]).astype(int) for key in ("before", "after"))
    assert np.abs(before - after).max() > 100
    assert (np.abs(before - after).max(-1) <= 16).mean() * 100 == pytest.approx(whole["kept"])


@bundled
def test_the_same_words_are_told_so():
    whole = answers(cloak="as it is", picture="#2", **QUICK)[-1]
    assert whole["prompt"] == whole["caption"]
    assert whole["words"].startswith("The same words: the picture comes back. 100 %")
    assert (unpacked(whole["compared"]["before"]) == unpacked(whole["compared"]["after"])).all()


@bundled
def test_a_caption_is_corrected_and_changed_part_by_part():
    wrong = "an elf in a blue robe with a red cloak, holding a trident"
    whole = answers(caption=wrong, species="orc", cloak="", **QUICK)[-1]
    assert whole["caption"] == wrong
    assert whole["prompt"] == "an orc in a blue robe, holding a trident"
    own = answers(caption=wrong, prompt="a dwarf", species="orc", **QUICK)[-1]
    assert own["prompt"] == "a dwarf"


@bundled
def test_a_hero_of_a_seed_is_drawn_first():
    one, same, other = (answers(start="seed", seed=seed, **QUICK)[0]["gallery"]["pictures"] for seed in (1, 1, 2))
    assert one == same != other


@bundled
@pytest.mark.parametrize(
    ("values", "field", "why"),
    [
        ({"prompt": "an elf on a unicycle"}, "prompt", "never read “on”, “unicycle”"),
        ({"caption": "xyzzy"}, "caption", "knows none of these words"),
        ({"caption": "a red cloak"}, "caption", "Say who it is"),
        ({"cloak": "a pink cloak"}, "cloak", "knows no cloak"),
        ({"picture": ""}, "picture", "no picture yet"),
        ({"picture": "#-3"}, "picture", "The picture is empty"),
        ({"strength": 0}, "strength", "from 0.3 to 1"),
        ({"num_inference_steps": 1}, "num_inference_steps", "from 2 to 50"),
        ({"start": "nothing"}, "start", "must be one of pad, seed"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(values, field, why):
    with pytest.raises(Refused, match=why) as refused:
        answers(**values)
    assert refused.value.field == field


@bundled
def test_who_stops_listening_stops_the_network():
    made: list[int] = []
    handle = rewording.get_model(NAME, rewording.Predicts).unet.register_forward_pre_hook(lambda *_: made.append(1))
    heard = SECTION.answer(SECTION.parse({}))
    assert len(list(itertools.islice(heard, 4))) == 4
    heard.close()
    handle.remove()
    assert len(made) <= 4
    *_, told = page.follow("diffusion.reword", {"picture": "#-3"})
    assert told == {"error": rewording.EMPTY, "field": "picture"}
