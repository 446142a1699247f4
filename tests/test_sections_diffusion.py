"""The diffusion tab's sections: every default answers, what they promise holds, and what is wrong is refused by its field."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from helpers import unpacked

from genmodels import captions, checkpoint, operations
from genmodels.data import to_uint8
from genmodels.models import pipeline
from genmodels.models.base import seeded
from genmodels.tabs import diffusion as tab
from genmodels.tabs import page
from genmodels.wrappers import core, denoisers, hub_pipelines, hub_repos
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.state import Refused

SECTIONS = {section.key.partition(".")[2]: section for section in tab.TAB.sections}
NEEDED = ("diffusion-mnist", "diffusion-mnist-fast", "diffusion-heroes-text")
pytestmark = pytest.mark.skipif(not set(NEEDED) <= set(checkpoint.bundled()), reason="no bundled diffusion models")
QUICK = {"num_inference_steps": 2, "n": 2}


def steps(key: str, **state: Any) -> list[dict]:
    section = SECTIONS[key]
    return list(section.answer(section.parse(state)))


def last_clean(answers: list[dict]) -> np.ndarray:
    return unpacked(answers[-1]["film"]["frames"][-1]["clean"])


@pytest.fixture
def calls() -> Iterator[list[int]]:
    """One entry per call of the network of diffusion-mnist."""
    made: list[int] = []
    model = core.load_model("diffusion-mnist")
    handle = model.unet.register_forward_pre_hook(lambda *_: made.append(1))
    yield made
    handle.remove()


# -- what comes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["generate", "denoise", "fill", "words"])
def test_a_film_comes_frame_by_frame_and_the_last_answer_is_whole(key: str) -> None:
    *parts, whole = steps(key, **QUICK)
    frames: list[dict] = []
    for part in parts:
        assert not part.get("done")
        frames[part["film"]["at"] :] = [part["film"]["frame"]]
    assert whole["done"]
    assert whole["film"]["frames"] == frames
    assert {k for k in parts[0] if k not in ("film", "progress")} <= set(whole)


@pytest.mark.parametrize("key", ["generate", "fill", "words"])
def test_the_noise_is_there_before_the_first_step(key: str) -> None:
    section = SECTIONS[key]
    first = next(section.answer(section.parse({})))
    assert first["film"]["frame"]["clean"] is None
    assert first["film"]["frame"]["sigma"] == 1.0


def test_the_preview_is_the_first_frame_of_what_denoises_from_there() -> None:
    state = {"t": 0.5, "seed": 3, "n": 2, "label": "7"}
    noise = SECTIONS["noise"]
    preview = noise.answer(noise.parse(state))["film"]
    first = steps("denoise", **state)[0]["film"]
    assert preview["preview"]
    for screen in ("noisy", "clean"):
        assert preview["frame"][screen] == first["frame"][screen]


@pytest.mark.parametrize("t", [0.02, 0.5, 1.0])
def test_the_noise_is_that_of_the_formula(t: float) -> None:
    """alpha x + sigma eps in closed form, with the noise of each picture's own seed."""
    section = SECTIONS["noise"]
    state = section.parse({"t": t, "n": 2, "seed": 3})
    frame = section.answer(state)["film"]["frame"]
    x, _ = from_pad(state.model, state.pad_of("picture"))
    eps = torch.stack([torch.randn(x.shape[1:], generator=g) for g in seeded([3, 4])])
    sigma = frame["sigma"]
    wanted = to_uint8(math.sqrt(1 - sigma**2) * x + sigma * eps).movedim(1, -1).numpy().astype(int)
    assert np.abs(unpacked(frame["noisy"]).astype(int) - wanted).max() <= 1, "sigma travels with four digits"
    assert sigma == pytest.approx(math.sin(float(pipeline.angles()[round(t * 999)])), abs=0.012)


def test_the_same_seed_gives_the_picture_of_the_library() -> None:
    model = core.load_model("diffusion-mnist")
    knobs = denoisers.solver_settings("diffusion-mnist") | {"num_inference_steps": 2}
    with torch.inference_mode():
        expected = to_uint8(operations.sample(model, 2, 5, 3, **knobs)).permute(0, 2, 3, 1).numpy()
    made = last_clean(steps("generate", seed=5, label="3", **QUICK))
    assert abs(made.astype(int) - expected.astype(int)).max() <= 1


def test_given_pixels_stay() -> None:
    answers = steps("fill", picture="#3", **QUICK)
    given = unpacked(answers[-1]["given"])[0]
    for filling in last_clean(answers):
        assert (filling[:14] == given[:14]).all()
    assert (given[14:] == given[14, 0]).all()


def test_a_fast_model_has_its_own_steps_and_solver() -> None:
    state = SECTIONS["generate"].parse({"model": "diffusion-mnist-fast"})
    assert denoisers.solver_of(state) == denoisers.solver_settings("diffusion-mnist-fast")
    fits = SECTIONS["generate"].spec()["fits"]
    assert len(fits["diffusion-mnist-fast"]["scheduler"]["choices"]) == 1
    assert len(fits["diffusion-mnist"]["scheduler"]["choices"]) == len(denoisers.SOLVERS)


def test_a_sentence_of_parts_or_of_ones_own() -> None:
    parts = {"species": "elf", "body": "", "cloak": "a red cloak", "head": "", "weapon": "a trident", "shield": ""}
    composed = steps("words", **parts, **QUICK)
    assert composed[0]["prompt"] == composed[-1]["prompt"] == "an elf with a red cloak, holding a trident"
    written = steps("words", prompt="an elf with a red cloak, holding a trident", seed=0, **QUICK)
    assert (last_clean(written) == last_clean(composed)).all()
    assert "“unicycle”" in steps("words", prompt="an elf on a unicycle", **QUICK)[-1]["words"]


def test_the_same_noise_for_every_class_and_every_sentence() -> None:
    *_, classes = steps("same", num_inference_steps=1)
    assert classes["gallery"]["titles"][0] == ["the noise"]
    assert len(classes["gallery"]["titles"]) == classes["gallery"]["pictures"]["shape"][0] == 11
    *_, words = steps("same", model="diffusion-heroes-text", num_inference_steps=1, sentences="an elf\na dwarf\n")
    assert [title for title, *_ in words["gallery"]["titles"]] == ["the noise", "an elf", "a dwarf"]
    default = SECTIONS["same"].parse({"model": "diffusion-heroes-text"}).sentences
    assert len(default.splitlines()) == len(captions.PARTS)


def test_the_grid_comes_cell_by_cell_and_then_whole() -> None:
    first, *parts, whole = steps("solvers", schedulers=["heun", "ddim"], steps=[2, 1])
    assert first["grid"] == {"steps": [1, 2], "solvers": ["Heun", "DDIM"]}
    cells = {(part["grid"]["row"], part["grid"]["column"]): part["grid"]["cell"] for part in parts if "grid" in part}
    assert len(cells) == 4
    for (row, column), cell in cells.items():
        assert whole["grid"]["cells"][row][column] == cell
    assert cells[0, 1]["calls"] == 2 * cells[1, 1]["calls"] - 1 or cells[0, 1]["calls"] == 2 * cells[1, 1]["calls"]


# -- stopping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "after"), [("generate", 2), ("denoise", 1), ("fill", 3), ("solvers", 2), ("same", 2)])
def test_who_stops_listening_stops_the_network(key: str, after: int, calls: list[int]) -> None:
    section = SECTIONS[key]
    answers = section.answer(section.parse({"model": "diffusion-mnist"}))
    heard = list(itertools.islice(answers, after))
    made = len(calls)
    answers.close()
    assert len(heard) == after
    assert len(calls) == made <= 2 * after


# -- states --------------------------------------------------------------------------------------------------------------


def test_a_state_is_what_it_says() -> None:
    for section in SECTIONS.values():
        for name in section.State.subjects(section.models()):
            state = section.parse({section.State.subject: name})
            again = {section.State.subject: name} | state.picked(*state.kinds())
            assert section.parse(again) == state, section.key


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("noise", "t", 0), ("noise", "label", "eleven"), ("noise", "picture", "AAAA"), ("generate", "n", 17),
        ("generate", "seed", -1), ("generate", "num_inference_steps", 101), ("generate", "guidance_scale", float("nan")),
        ("generate", "scheduler", "magic"), ("fill", "hidden", "AAAA"), ("words", "species", "unicorn"),
        ("words", "prompt", "xyzzy plugh"), ("same", "sentences", "an elf"), ("solvers", "steps", [3]),
        ("solvers", "schedulers", []), ("hub", "repo", "no repo"), ("hub", "width", 5000), ("hub", "prompt", 3),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_field(key: str, field: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        SECTIONS[key].parse({field: value})
    assert refused.value.field == field


def test_steps_that_a_fast_model_does_not_take_are_refused() -> None:
    with pytest.raises(Refused, match="steps"):
        SECTIONS["generate"].parse({"model": "diffusion-mnist-fast", "num_inference_steps": 50})


def test_a_grid_of_too_many_calls_is_refused() -> None:
    with pytest.raises(Refused, match="at most 400"):
        steps("solvers", schedulers=list(denoisers.SOLVERS), steps=[1, 2, 4, 8, 16, 32, 50])


# -- the Hub -------------------------------------------------------------------------------------------------------------


def test_the_cost_is_told_with_the_settings_that_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple] = []

    def estimate(*args: Any, **settings: Any) -> hub_pipelines.Estimate:
        asked.append((*args, settings))
        return hub_pipelines.Estimate(2 * 10**9, 90, "as timed at its last picture")

    monkeypatch.setattr(hub_pipelines, "estimate", estimate)
    [told] = steps("hub_cost", width=256)
    assert "**2.0 GB**" in told["words"]
    assert "**about 2 min**" in told["words"]
    first = hub_repos.SUGGESTIONS[0]
    settings = {"guidance_scale": first.guidance_scale, "num_inference_steps": first.num_inference_steps}
    assert asked == [(first.repo, settings | {"width": 256, "height": first.side})]


def test_what_the_hub_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(repo: str) -> None:
        raise ValueError("The Hub can't be reached.")

    monkeypatch.setattr(hub_repos, "look_into", refuse)
    with pytest.raises(ValueError, match="can't be reached"):
        steps("hub")


def test_previews_and_the_picture_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    def generate(repo: str, **_: Any) -> Any:
        yield hub_pipelines.Progress("Denoising", Image.new("RGB", (4, 4)), 1, 2, 3.0)
        yield hub_pipelines.Progress("Done", Image.new("RGB", (8, 16)), 2, 2, 0.0, True)

    monkeypatch.setattr(hub_pipelines, "generate", generate)
    preview, picture = steps("hub", seed=4)
    assert preview["progress"] == "Denoising · step 1 of 2 · about 3 s left"
    assert preview["picture"]["shape"] == [1, 3, 4, 4]
    assert picture["done"]
    assert picture["picture"]["shape"] == [1, 3, 16, 8]


def test_only_allowed_repos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_HUB_MODELS", "tester/tiny")
    fit = SECTIONS["hub"].spec()["fits"]["*"]["repo"]
    assert [repo for _, repo, _ in fit["choices"]] == ["tester/tiny"]
    assert not fit["free"]
    with pytest.raises(Refused, match="doesn't run"):
        SECTIONS["hub"].parse({"repo": "stabilityai/sd-turbo"})


def test_the_page_is_sent_each_frame_once() -> None:
    *parts, last = page.follow("diffusion.generate", {"model": "diffusion-mnist", **QUICK})
    assert last["done"]
    assert "frames" not in last["film"]
    assert all(len(part["film"]["frame"]) for part in parts)


@pytest.mark.parametrize("name", ["generate", "words", "same"])
def test_many_steps_are_heavy_work(name):
    """Where many pictures are drawn at once the page asks for them where they keep nobody from what takes less, and they give way."""
    section, (key, value) = SECTIONS[name], tab.MANY_STEPS
    assert section.spec()["heavyFrom"] == (key, value)
    assert [section.takes_long(section.parse(state)) for state in ({}, {key: value - 1}, {key: value})] == [
        False,
        False,
        True,
    ]


def test_what_is_heavy_is_so_in_every_state():
    assert SECTIONS["solvers"].takes_long(SECTIONS["solvers"].parse({}))
