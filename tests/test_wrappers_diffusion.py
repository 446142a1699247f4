"""What the diffusion tab stands on, with tiny models of its own: runs step by step, noise and back, filling in, words,
solvers compared."""

import base64
import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import build
from test_wrappers import pad, pixels, refused

from genmodels import checkpoint, data, operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models import pipeline
from genmodels.models.base import Model, seeded
from genmodels.protocols import Samples
from genmodels.wrappers import core, denoisers, diffusion, pictures, prompts, solver_grid
from genmodels.wrappers.diffusion import Denoising
from genmodels.wrappers.pictures import columns_for

NAME, TEXT = "diffusion-trial", "diffusion-trial-text"
SENTENCE = "an elf in a blue robe with a red cloak, holding a trident"
WORDS = (",", "a", "an", "blue", "cloak", "elf", "holding", "in", "red", "robe", "trident", "with")
TOLD = {"num_inference_steps": 3, "scheduler": "ddim", "guidance_scale": 1.5}


@pytest.fixture(scope="module", autouse=True)
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two tiny models among the bundled ones: of three classes, and of captions."""
    folder = tmp_path_factory.mktemp("checkpoints")
    classes = build("diffusion")
    texts = build("diffusion", 1, image_shape=(3, 8, 8), num_classes=0, vocabulary=WORDS, text_length=20)
    for model, name, about in (
        (classes, NAME, {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}),
        (texts, TEXT, {"name": "heroes", "shape": [3, 8, 8], "classes": []}),
    ):
        checkpoint.save(model, folder / name, data=about)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "BUNDLED", [*checkpoint.BUNDLED, folder])
        yield folder
    for cached in (core.load_model, core._description, denoisers.model_config, prompts.phrases):
        cached.cache_clear()


def end(states: Iterator[Denoising]) -> Denoising:
    *_, last = states
    return last


def sheet(x: torch.Tensor, paper: int = 255) -> np.ndarray:
    """Images as the wrappers tile them, `(H, W, C)`."""
    return tile_pixels(to_uint8(x), columns_for(len(x)), paper=paper).movedim(0, 2).numpy()


def tiles(value: pictures.Pad, n: int, size: int = 8) -> list[np.ndarray]:
    """The pictures on a sheet, `(size, size, C)` each."""
    whole, columns = pixels(value), columns_for(n)
    places = [(i // columns * (size + 2), i % columns * (size + 2)) for i in range(n)]
    return [whole[y : y + size, x : x + size] for y, x in places]


def masked(picture: pictures.Pad, hidden: np.ndarray) -> pictures.Pad:
    return picture | {"mask": base64.b64encode(hidden.astype(np.uint8).tobytes()).decode()}


def model_of(name: str) -> Model:
    return core.get_model(name, Samples)


# -- what is refused, and at once ----------------------------------------------------------------------------------------

CALLS = {
    "diffuse": lambda **k: diffusion.sample_steps(NAME, **k),
    "redraw": lambda **k: diffusion.img2img(NAME, pad(NAME), 0.5, **k),
    "fill": lambda **k: diffusion.inpaint(NAME, pad(NAME), **k),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@every_call
def test_how_many(call):
    refused(lambda: call(n=17), 1, 16)


@every_call
def test_seeds(call):
    refused(lambda: call(seed=-1), 0, 2**31 - 1)


@every_call
def test_steps(call):
    refused(lambda: call(num_inference_steps=201), "steps", 1, 200)


@every_call
def test_guidance(call):
    refused(lambda: call(guidance_scale=20.1), "guidance", "from 0 to 20")


@pytest.mark.parametrize("value", ["dpm", 3, ["ddim"]])
def test_solvers_that_do_not_exist(value):
    refused(lambda: diffusion.sample_steps(NAME, scheduler=value), "ddim", "dpm++2m")


@every_call
def test_classes(call):
    refused(lambda: call(label="unicorn"))


@pytest.mark.parametrize("value", [0.01, 1.01])
def test_shares_of_noise(value):
    refused(lambda: diffusion.img2img(NAME, pad(NAME), value), "from 0.02 to 1")
    refused(lambda: diffusion.add_noise(NAME, pad(NAME), value), "from 0.02 to 1")


@pytest.mark.parametrize("value", [None, {"pixels": "AAAA"}])
def test_pictures_that_are_none(value):
    refused(lambda: diffusion.img2img(NAME, value, 0.5), "picture")
    refused(lambda: diffusion.add_noise(NAME, value, 0.5), "picture")
    refused(lambda: diffusion.inpaint(NAME, value), "picture")


@pytest.mark.parametrize("mask", ["AAAA", "no base64"])
def test_masks_of_another_shape(mask):
    refused(lambda: diffusion.inpaint(NAME, pad(NAME) | {"mask": mask}), "mask", "8x8")


@pytest.mark.skipif("vae-mnist" not in checkpoint.bundled(), reason="no VAE is bundled")
def test_models_that_remove_no_noise():
    for call in (
        lambda: diffusion.sample_steps("vae-mnist"),
        lambda: diffusion.inpaint("vae-mnist", pad("vae-mnist")),
        lambda: diffusion.add_noise("vae-mnist", pad("vae-mnist"), 0.5),
        lambda: diffusion.same_noise("vae-mnist"),
        lambda: solver_grid.compare_solvers("vae-mnist", ["ddim"], [1]),
    ):
        refused(call, "VAE", "lacks the ability Denoises")


# -- from noise to pictures ----------------------------------------------------------------------------------------------


def test_the_offered_solvers_are_those_of_the_models():
    assert set(denoisers.SOLVERS) == set(pipeline.SCHEDULERS)


def test_who_reads_words_and_who_classes():
    assert NAME in denoisers.class_models()
    assert TEXT not in denoisers.class_models()
    assert TEXT in denoisers.text_models()
    assert NAME not in denoisers.text_models()
    assert not denoisers.takes_few_steps(NAME)
    config = model_of(NAME).config
    assert denoisers.solver_settings(NAME) == {
        key: getattr(config, key) for key in ("num_inference_steps", "guidance_scale", "scheduler")
    }


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "dpm++2m", "heun"])  # heun asks twice per step
def test_frames_are_what_sampling_passes_through(scheduler):
    """The noise at once, one state per moment with all before it, and one more; the last frame is what `sample` gives."""
    told = TOLD | {"scheduler": scheduler}
    opening, *states = diffusion.sample_steps(NAME, n=3, seed=4, label="down", **told)
    (bare,) = opening["frames"]
    assert bare["noisy"] == states[0]["frames"][0]["noisy"]
    assert (bare["clean"], bare["step"], bare["ms"]) == (None, 1, 0)
    moments = list(model_of(NAME).trajectory(torch.ones(3).long(), generators=seeded([4, 5, 6]), **told))
    assert [len(state["frames"]) for state in states] == [*range(1, len(moments) + 1), len(moments)]
    assert all(b["frames"][: len(a["frames"])] == a["frames"] for a, b in itertools.pairwise(states))
    assert [state["state"] for state in states] == ["running"] * len(moments) + ["done"]
    assert {state["total"] for state in states} == {3}
    for frame, moment in zip(states[-1]["frames"], moments, strict=True):
        assert np.array_equal(pixels(frame["noisy"]), sheet(moment.noisy))
        assert np.array_equal(pixels(frame["clean"]), sheet(moment.clean))
        assert frame["sigma"] == pytest.approx(moment.sigma, abs=1e-4)
    steps = [frame["step"] for frame in states[-1]["frames"]]
    assert steps[0] == 1
    assert steps == sorted(steps)
    assert steps[-1] == states[-1]["total"] == 3
    times = [frame["ms"] for frame in states[-1]["frames"]]
    assert times == sorted(times)
    sampled = operations.sample(model_of(NAME), 3, 4, 1, **told)
    assert np.array_equal(pixels(states[-1]["frames"][-1]["clean"]), sheet(sampled))


def test_every_class_in_turn_with_the_models_own_settings():
    last = end(diffusion.sample_steps(NAME, n=5))
    config = model_of(NAME).config
    assert np.array_equal(pixels(last["frames"][-1]["clean"]), sheet(operations.sample(model_of(NAME), 5)))
    assert last["info"]["class"] == "every class in turn"
    assert last["info"]["scheduler"] == config.scheduler
    assert last["info"]["num_inference_steps"] == str(config.num_inference_steps)
    assert last["info"]["seed"] == "0"


def test_of_a_long_run_some_frames_are_kept():
    states = list(diffusion.sample_steps(NAME, n=1, num_inference_steps=100, scheduler="ddim"))
    assert len(states) == 103
    assert all(len(state["frames"]) <= diffusion.KEPT_FRAMES + 1 for state in states)
    assert [state["frames"][-1]["step"] for state in states[1:-2]] == list(range(1, 101)), "the newest is always there"
    last = [frame["step"] for frame in states[-1]["frames"]]
    assert last[:3] == [1, 4, 7]
    assert states[-1]["frames"][-1]["sigma"] == 0


def test_later_runs_have_higher_numbers():
    first, second = (next(diffusion.sample_steps(NAME, n=1, **TOLD))["run"] for _ in range(2))
    assert second > first


def test_who_stops_asking_stops_the_work(monkeypatch):
    """The network is only called for those steps that were asked for, and between two of them others take turns."""
    calls, velocity = [], pipeline.velocity

    def counted(*args):
        calls.append(1)
        return velocity(*args)

    monkeypatch.setattr(pipeline, "velocity", counted)
    states = diffusion.sample_steps(NAME, n=1, num_inference_steps=8)
    next(states)
    assert not calls, "the noise is there before the network is asked"
    next(states), next(states)
    assert len(calls) == 2
    other = threading.Thread(target=lambda: diffusion.add_noise(NAME, pad(NAME), 0.5), daemon=True)
    other.start()
    other.join(60)
    assert not other.is_alive()
    assert len(calls) == 3
    states.close()
    assert list(states) == []
    assert len(calls) == 3


# -- noise and back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.02, 0.6, 0.82, 1])
def test_the_noise_is_that_of_the_formula(strength):
    """alpha x + sigma eps in closed form, with the noise of each picture's own seed."""
    picture = pad(NAME)
    shown = diffusion.add_noise(NAME, picture, strength, n=2, seed=3)
    assert shown["state"] == "preview"
    (frame,) = shown["frames"]
    x = torch.from_numpy(pixels(picture).copy()).movedim(2, 0) / 127.5 - 1
    eps = torch.stack([torch.randn(1, 8, 8, generator=g) for g in seeded([3, 4])])
    sigma = frame["sigma"]
    expected = sheet(math.sqrt(1 - sigma**2) * x + sigma * eps)
    assert np.abs(pixels(frame["noisy"]).astype(int) - expected).max() <= 1, "sigma travels with four digits"
    wanted = math.sin(float(pipeline.angles()[round(strength * 999)]))
    assert sigma == pytest.approx(wanted, abs=0.012)


def test_denoising_begins_with_the_picture_on_show():
    picture = pad(NAME)
    shown = diffusion.add_noise(NAME, picture, 0.6, n=2, seed=3, label="up", **TOLD)
    states = list(diffusion.img2img(NAME, picture, 0.6, n=2, seed=3, label="up", **TOLD))
    for key in ("noisy", "clean", "sigma", "step"):
        assert states[0]["frames"][0][key] == shown["frames"][0][key]
    x = torch.from_numpy(pixels(picture).copy()).movedim(2, 0).expand(2, -1, -1, -1) / 127.5 - 1
    drawn = model_of(NAME).redraw(x, torch.zeros(2).long(), generators=seeded([3, 4]), strength=0.6, **TOLD)
    assert np.array_equal(pixels(states[-1]["frames"][-1]["clean"]), sheet(drawn))
    assert states[-1]["info"]["strength"] == "0.6"


def test_with_all_the_noise_nothing_of_the_picture_is_left():
    first, second = (end(diffusion.img2img(NAME, pad(NAME, i), 1, n=1, **TOLD))["frames"][-1] for i in range(2))
    near = np.abs(pixels(first["clean"]).astype(int) - pixels(second["clean"])).mean()
    little = [end(diffusion.img2img(NAME, pad(NAME, i), 0.02, n=1, **TOLD))["frames"][-1] for i in range(2)]
    far = np.abs(pixels(little[0]["clean"]).astype(int) - pixels(little[1]["clean"])).mean()
    assert near < 3 < 40 < far


# -- filling in ----------------------------------------------------------------------------------------------------------


def test_what_is_given_stays():
    """Whatever the mask is, in what the network sees at every step and in the result, to the last level."""
    hidden = np.random.default_rng(3).random((8, 8)) < 0.5
    picture = masked(pad(NAME), hidden)
    last = end(diffusion.inpaint(NAME, picture, n=3, **TOLD))
    original = pixels(picture)
    for frame in last["frames"]:
        for one in tiles(frame["clean"], 3):
            assert np.array_equal(one[~hidden], original[~hidden])
    made = tiles(last["frames"][-1]["clean"], 3)
    assert (made[0][hidden] != original[hidden]).mean() > 0.5
    assert len({one.tobytes() for one in made}) == 3, "every time differently"
    assert last["info"]["given_pixels"] == str((~hidden).sum())


def test_nothing_hidden_and_everything_hidden():
    last = end(diffusion.inpaint(NAME, pad(NAME), n=2, **TOLD))
    assert all(np.array_equal(one, pixels(pad(NAME))) for one in tiles(last["frames"][-1]["clean"], 2))
    hidden = masked(pad(NAME), np.ones((8, 8), bool))
    first, second = (
        end(diffusion.inpaint(NAME, hidden | {"pixels": pad(NAME, i)["pixels"]}, 2, **TOLD)) for i in range(2)
    )
    assert first["frames"][-1]["clean"] == second["frames"][-1]["clean"], "what is hidden tells nothing"


def test_fillings_are_what_the_model_completes():
    half = pictures.top_half(pad(NAME))
    states = list(diffusion.inpaint(NAME, half, n=2, seed=5, label="up", **TOLD))
    x = torch.from_numpy(pixels(half).copy()).movedim(2, 0).expand(2, -1, -1, -1) / 127.5 - 1
    given = (torch.arange(8) < 4).view(1, 1, 8, 1).expand(2, 1, 8, 8)
    made = model_of(NAME).complete(x, given, torch.zeros(2).long(), generators=seeded([5, 6]), **TOLD)
    assert np.array_equal(pixels(states[-1]["frames"][-1]["clean"]), sheet(made))
    assert {state["total"] for state in states[:-1]} == {0}
    assert states[-1]["total"] == states[-1]["frames"][-1]["step"] > 3, "noise was added again"
    steps = [frame["step"] for frame in states[-1]["frames"]]
    assert steps == sorted(steps)


def test_the_class_that_it_is_told():
    half = pictures.top_half(pad(NAME))
    made = {
        label: end(diffusion.inpaint(NAME, half, 4, 0, label, **TOLD)) for label in (None, "balanced", "up", "down")
    }
    assert len({str(last["frames"][-1]["clean"]) for last in made.values()}) == 4
    told = [last["info"]["class"] for last in made.values()]
    assert told == ["no class named", "every class in turn", "up", "down"]


# -- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("  \n", ["empty"]), (None, ["empty"]), ("x" * 10_000, [10_000, 400]), ("a " * 20, [20, 19]),
     ("unicorn, zebra!", ["none of these words", "trident"])],
)  # fmt: skip
def test_prompts_that_say_nothing(prompt, words):
    refused(lambda: diffusion.sample_steps(TEXT, prompt=prompt), *words)
    refused(lambda: diffusion.same_noise(TEXT, prompts=[SENTENCE, prompt]), *words)
    refused(lambda: prompts.unknown_words(TEXT, prompt), *words)


def test_words_are_for_models_that_read():
    refused(lambda: diffusion.sample_steps(NAME, prompt=SENTENCE), NAME, "no words")
    refused(lambda: diffusion.same_noise(NAME, prompts=[SENTENCE]), NAME, "no words")
    refused(lambda: diffusion.same_noise(TEXT), TEXT, "no classes")
    refused(lambda: diffusion.same_noise(TEXT, prompts=[]), "1 to 8 sentences")
    refused(lambda: diffusion.same_noise(TEXT, prompts=[SENTENCE] * 9), "1 to 8 sentences")


def test_pictures_of_a_sentence():
    last = end(diffusion.sample_steps(TEXT, n=2, seed=1, prompt=SENTENCE, **TOLD))
    drawn = operations.sample(model_of(TEXT), 2, 1, None, prompt=SENTENCE, **TOLD)
    assert np.array_equal(pixels(last["frames"][-1]["clean"]), sheet(drawn))
    assert last["info"]["prompt"] == SENTENCE
    other = end(diffusion.sample_steps(TEXT, n=2, seed=1, prompt="a red robe", **TOLD))
    assert other["frames"][-1]["clean"] != last["frames"][-1]["clean"]


def test_unknown_words_are_named():
    assert prompts.unknown_words(TEXT, SENTENCE.upper()) == []
    assert prompts.unknown_words(TEXT, "a Unicorn elf, and a unicorn robe!") == ["unicorn", "and"]


def test_sentences_are_composed_like_captions(data_root):
    """From the attributes of every test hero, exactly its caption."""
    import pyarrow.parquet

    (file,) = data_root.glob("heroes/test-*.parquet")
    table = pyarrow.parquet.read_table(file, columns=["caption", *prompts.PARTS]).to_pylist()
    assert len(table) > 1000
    for row in table:
        assert prompts.compose(**{part: row[part] for part in prompts.PARTS}) == row["caption"]
    assert data.DATASETS["heroes"].attributes == prompts.PARTS


def test_a_sentence_needs_somebody():
    assert prompts.compose("elf", "a blue robe", "a red cloak", weapon="a trident") == SENTENCE
    assert prompts.compose("dwarf", None, None, None, None, "a shield") == "a dwarf, holding a shield"
    refused(lambda: prompts.compose("", "a blue robe"), "species")
    refused(lambda: prompts.compose(None, "a blue robe"), "species")


@pytest.mark.skipif("referee-heroes" not in checkpoint.bundled(), reason="no referee for heroes is bundled")
def test_only_phrases_that_the_model_knows_are_offered():
    found = prompts.phrases(TEXT)
    assert found == {
        "species": ["elf"], "body": ["", "a blue robe", "a red robe"], "cloak": ["", "a blue cloak", "a red cloak"],
        "head": [""], "weapon": ["", "a trident"], "shield": [""],
    }  # fmt: skip
    assert prompts.phrases(NAME) == {}


# -- the same noise ------------------------------------------------------------------------------------------------------


def test_one_noise_for_every_class():
    made = diffusion.same_noise(NAME, seed=6, **TOLD)
    assert [title for title, _ in made["pictures"]] == ["up", "down", "middle"]
    for label, (_, picture) in enumerate(made["pictures"]):
        alone = operations.sample(model_of(NAME), 1, 6, label, **TOLD)
        assert np.array_equal(pixels(picture), sheet(alone))
    noise = torch.randn(1, 8, 8, generator=seeded([6])[0])
    assert np.array_equal(pixels(made["noise"]), sheet(noise[None]))
    assert made["ms"] > 0


def test_one_noise_for_every_sentence():
    prompts = [SENTENCE, "a red robe"]
    made = diffusion.same_noise(TEXT, 6, prompts, **TOLD)
    assert [title for title, _ in made["pictures"]] == prompts
    for prompt, picture in made["pictures"]:
        alone = operations.sample(model_of(TEXT), 1, 6, None, prompt=prompt, **TOLD)
        assert np.abs(pixels(picture).astype(int) - sheet(alone)).max() <= 1, "batches round differently"


# -- solvers compared ----------------------------------------------------------------------------------------------------


def test_every_cell_is_a_sample_with_its_time_and_calls():
    states = list(solver_grid.compare_solvers(NAME, ["heun", "ddim"], [4, 1, 2], seed=2, label="up"))
    last = states[-1]
    assert last["steps"] == [1, 2, 4]
    assert last["solvers"] == ["Heun", "DDIM"]
    assert [state["finished"] for state in states] == sorted(state["finished"] for state in states)
    assert states[0]["finished"] == 0
    assert last["finished"] == 6
    calls = [[cell["calls"] for cell in line] for line in last["cells"]]
    assert calls[1] == [1, 2, 4]
    assert calls[0] == [1, 3, 7], "Heun asks twice per step, but for the last"
    assert len(states) == sum(map(sum, calls)) + 6, "one state per call, so that Stop stops within one"
    for line, scheduler in zip(last["cells"], ("heun", "ddim"), strict=True):
        for cell, steps in zip(line, last["steps"], strict=True):
            x = operations.sample(model_of(NAME), 4, 2, 0, num_inference_steps=steps, scheduler=scheduler)
            tiled = pictures.to_pad(tile_pixels(to_uint8(x), 2, gap=1, paper=255))
            assert cell["picture"] == pictures.thumbnail(tiled)
            assert cell["ms"] > 0


@pytest.mark.parametrize(
    ("solvers", "steps"),
    [([], [1]), (["ddim"], []), (["dpm"], [1]), (["ddim"], [3]), (["ddim"], [math.nan]), (list(denoisers.SOLVERS), [1]),
     (None, [1]), ([{}], [1]), (["ddim", "heun", "ddpm", "euler", "deis"], list(solver_grid.GRID_STEPS))],
)  # fmt: skip
def test_comparisons_that_cannot_be(solvers, steps):
    refused(lambda: solver_grid.compare_solvers(NAME, solvers, steps), "hoose")
