"""Drawings of pictures, a diffusion model that follows them, and the section in which visitors draw."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import forget, unpacked
from PIL import Image

from genmodels import checkpoint, experiments
from genmodels.data import DATASETS, Images, to_picture, to_uint8
from genmodels.experiments import common
from genmodels.experiments import sketch as experiment
from genmodels.models import pipeline
from genmodels.models.base import TrainConfig, seeded
from genmodels.models.diffusion import Diffusion, DiffusionConfig
from genmodels.models.sketch import edges, followed, is_drawing, sketch_of
from genmodels.real_images import real_images
from genmodels.tabs import page
from genmodels.training import train
from genmodels.wrappers import sketches


def pictures(name):
    return real_images(name)[:24][0]


def test_a_picture_of_one_colour_has_no_lines():
    for grey in (-1.0, 0.3, 1.0):
        for channels in (1, 3):
            x = torch.full((2, channels, 28, 28), grey)
            assert not sketch_of(x).any()
            assert not sketch_of(x, vary=True).any()


def test_a_square_has_an_outline_and_nothing_else():
    x = torch.full((1, 3, 32, 32), 1.0)
    x[:, 2, 8:24, 8:24] = -1  # yellow on white: only one channel tells
    sketch = sketch_of(x)[0, 0]
    border = torch.zeros(32, 32, dtype=torch.bool)
    border[6:26, 6:26] = True
    border[10:22, 10:22] = False
    assert not sketch[~border].any(), "near its border alone"
    assert (sketch[6:10].amax(0)[8:24] > 0.5).all()
    assert (sketch[:, 22:26].amax(1)[8:24] > 0.5).all()


def test_sketches_of_both_data_sets_are_lines():
    for name, share in (("fashion-mnist", 0.35), ("heroes", 0.5)):
        x = pictures(name)
        sketch = sketch_of(x)
        assert sketch.shape == (len(x), 1, *x.shape[2:])
        assert torch.equal(sketch, sketch.clamp(0, 1))
        ink = sketch.mean((1, 2, 3))
        assert ((ink > 0.03) & (ink < share)).all(), ink


def test_people_draw_differently_and_the_seed_decides_how():
    x = pictures("fashion-mnist")
    torch.manual_seed(0)
    first, second = (sketch_of(x, vary=True) for _ in range(2))
    torch.manual_seed(0)
    again = sketch_of(x, vary=True)
    assert torch.equal(first, again)
    assert ((first - second).abs().mean((1, 2, 3)) > 0.01).all(), "each picture, each time"
    ink = torch.cat([first, second]).mean((1, 2, 3))
    assert ink.max() > 2.5 * ink.min(), "thick and thin pens"


def test_edges_are_ridges():
    x = torch.full((1, 1, 16, 16), -1.0)
    x[..., 8:] = 1
    found = edges(x)[0, 0]
    assert (found[2:-2].gt(0).sum(1) == 1).all(), "one pixel wide"
    assert torch.allclose(found[2:-2].amax(1), torch.ones(12)), "1 is from black to white"


# -- a model that follows them ----------------------------------------------------------------------------------------


def tiny(**changes):
    torch.manual_seed(0)
    config = DiffusionConfig.from_json(DiffusionConfig.tiny().to_json() | {"sketch": True} | changes)
    model = Diffusion(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def test_without_ink_the_class_alone_decides():
    model, labels = tiny(), torch.tensor([0, 2])
    told = {"generators": seeded([3, 4]), "num_inference_steps": 3}
    alone = model.sample(labels, **told)
    told["generators"] = seeded([3, 4])
    empty = model.draw(torch.zeros(2, 1, 8, 8), labels, **told)
    assert torch.allclose(alone, empty, atol=1e-5)
    told["generators"] = seeded([3, 4])
    square = torch.zeros(2, 1, 8, 8)
    square[:, :, 2:6, 2:6] = 1
    assert not torch.allclose(alone, model.draw(square, labels, **told), atol=1e-3)
    told["generators"] = seeded([3, 4])
    assert torch.allclose(alone, model.draw(square, labels, sketch_scale=0.0, **told), atol=1e-5)


def test_guidance_by_the_sketch_goes_on_where_it_points():
    model, x, sketch = tiny(), torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.7).float()
    t, labels = torch.full((2,), 400), torch.tensor([0, 2])
    none, told = (model.condition(given, 2, x.device) for given in (None, labels))
    chain = [none, told, told | pipeline.sketched(sketch, x)]
    v = [model.velocity(x, t, condition) for condition in chain]
    for scales in ([1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 0.0], [0.0, 0.0], [3.0, 0.5]):
        wanted = v[0] + scales[0] * (v[1] - v[0]) + scales[1] * (v[2] - v[1])
        assert torch.allclose(pipeline.guided(model.unet, 2, chain, scales)(x, 400.0), wanted, atol=1e-4), scales


def test_a_model_begins_with_the_weights_of_one_that_knows_no_sketches(tmp_path):
    former = tiny(sketch=False)
    checkpoint.save(former, tmp_path)
    assert checkpoint.load(tmp_path).config == former.config, "as ever"
    model = checkpoint.started(tmp_path, "diffusion", {"sketch": True}).eval()
    square = torch.zeros(2, 1, 8, 8)
    square[:, :, 2:6, 2:6] = 1
    told = [torch.tensor([0, 2])]
    made = [
        former.sample(*told, generators=seeded([1, 2])),
        model.sample(*told, generators=seeded([1, 2])),
        model.draw(square, *told, generators=seeded([1, 2])),
    ]
    assert torch.allclose(made[0], made[1], atol=1e-5)
    assert torch.allclose(made[0], made[2], atol=1e-4), "it overlooks sketches at first"
    checkpoint.save(model, tmp_path / "new")
    assert torch.equal(
        checkpoint.load(tmp_path / "new").draw(square, *told, generators=seeded([1, 2])),
        model.draw(square, *told, generators=seeded([1, 2])),
    )
    with pytest.raises(ValueError, match="don't fit after the changes sketch"):
        checkpoint.started(tmp_path / "new", "diffusion", {"sketch": False})


def test_it_learns_to_follow():
    """Half-planes, of which the sketch tells which, and nothing else does."""
    x = torch.full((64, 1, 8, 8), -1.0)
    for i in range(64):
        x[i, :, 2 + i % 4 :] = 1
    data = Images("halves", to_uint8(x), torch.zeros(64, dtype=torch.long), ("half",))
    torch.manual_seed(0)
    config = DiffusionConfig.tiny().to_json() | {"sketch": True, "widths": [16, 16], "sketch_dropout": 0.1}
    model = Diffusion(DiffusionConfig.from_json(config))
    recipe = TrainConfig(steps=150, batch_size=32, learning_rate=1e-2, ema_decay=0.9)
    list(train(model, data, recipe, precision="no"))
    model.eval().requires_grad_(False)
    sketch = sketch_of(x[:16])
    apart = [
        float((model.draw(s, generators=seeded(range(16))) - x[:16]).abs().mean())
        for s in (sketch, sketch.flip(0), torch.zeros_like(sketch))
    ]
    assert apart[0] < 0.7 * min(apart[1:]), apart


def test_refusals():
    model, labels = tiny(), torch.tensor([0])
    for wrong in (torch.zeros(1, 1, 9, 8), torch.zeros(2, 1, 8, 8), torch.zeros(1, 3, 8, 8)):
        with pytest.raises(ValueError, match="A sketch must have the shape"):
            model.draw(wrong, labels, generators=seeded([0]))
    with pytest.raises(ValueError, match="sketch_scale must be from 0 to 20, not 21"):
        model.draw(torch.ones(1, 1, 8, 8), labels, generators=seeded([0]), sketch_scale=21)
    with pytest.raises(ValueError, match="has not learnt to follow sketches"):
        tiny(sketch=False).draw(torch.ones(1, 1, 8, 8), labels, generators=seeded([0]))


def test_stock_diffusers_draws_it_too(tmp_path):
    import diffusers

    model = tiny()
    checkpoint.save(model, tmp_path)
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    sketch = (torch.rand(2, 1, 8, 8) > 0.7).float()
    told = {"generator": seeded([5, 6]), "output_type": "pt", "num_inference_steps": 3, "guidance_scale": 1.0}
    theirs = pipe([0, 2], sketch=sketch, sketch_scale=2.0, **told).images
    mine = model.draw(
        sketch,
        torch.tensor([0, 2]),
        generators=seeded([5, 6]),
        num_inference_steps=3,
        guidance_scale=1.0,
        sketch_scale=2.0,
    )
    assert torch.allclose(theirs, mine, atol=1e-4)
    told["generator"] = seeded([5, 6])
    assert not torch.allclose(theirs, pipe([0, 2], **told).images, atol=1e-3)


def test_how_well_a_sketch_is_followed():
    x = pictures("fashion-mnist")
    recall, precision = followed(sketch_of(x), x)
    assert torch.equal(recall, torch.ones(len(x)))
    assert torch.equal(precision, torch.ones(len(x)))
    recall, _ = followed(sketch_of(x), x.flip(0))
    assert recall.mean() < 0.85
    recall, precision = followed(torch.zeros(1, 1, 28, 28), x[:1])
    assert recall.isnan()
    assert precision == 0


# -- what visitors draw -----------------------------------------------------------------------------------------------


def save_followers(root: Path) -> Path:
    """A folder of checkpoints that follow sketches, one of each kind: untrained, which is all the same here."""
    for data, changes in {
        "fashion-mnist": {"num_classes": 10},
        "heroes": {"num_classes": 0, "vocabulary": ["a", "elf", "in", "red", "robe"]},
    }.items():
        info = DATASETS[data]
        classes = list(info.classes) if "vocabulary" not in changes else []
        about = {"name": data, "shape": list(info.shape), "classes": classes}
        checkpoint.save(tiny(image_shape=list(info.shape), **changes), root / f"diffusion-{data}-sketch", data=about)
    return root


@pytest.fixture(scope="module")
def followers(tmp_path_factory) -> Path:
    return save_followers(tmp_path_factory.mktemp("followers"))


@pytest.fixture
def ask(followers, monkeypatch) -> Iterator:
    monkeypatch.setenv(checkpoint.OWN, str(followers))
    forget()

    def asked(section: str = "diffusion.sketch", **state: object) -> dict:
        return page.answer({"section": section, "state": state})

    yield asked
    monkeypatch.delenv(checkpoint.OWN)
    forget()


FASHION, HEROES = "diffusion-fashion-mnist-sketch", "diffusion-heroes-sketch"


def own(name: str) -> str:
    return f"own-{name}" if name in checkpoint.packaged() else name


def sheet(ink: np.ndarray) -> str:
    return base64.b64encode((255 * (1 - ink)).astype(np.uint8).tobytes()).decode()


def square(side: int) -> np.ndarray:
    ink = np.zeros((side, side), np.float32)
    ink[6:8, 6:20] = ink[18:20, 6:20] = ink[6:20, 6:8] = ink[6:20, 18:20] = 1
    return ink


def test_a_stroke_is_answered_and_drawn_out(ask):
    for model, side in ((own(FASHION), 28), (own(HEROES), 32)):
        state = {"model": model, "sketch": sheet(square(side)), "seed": 3}
        quick = ask(**state)
        assert unpacked(quick["pictures"]).shape[:3] == (4, side, side)
        assert quick["words"] == ""
        section = page.sections()["diffusion.draw"]
        *steps, last = section.answer(section.parse(state | {"num_inference_steps": 2, "n": 2}))
        assert [step["progress"] for step in steps] == ["Step 1 of 2", "Step 2 of 2"]
        assert last["done"]
        assert len(unpacked(last["pictures"])) == 2
        assert ask(**state)["pictures"] == quick["pictures"], "the same state, the same pictures"
        assert ask(**state | {"sketch": "#1"})["pictures"] != quick["pictures"]


def test_a_quick_look_is_computed_again_only_where_it_changes(ask, monkeypatch):
    computed, moments = [], sketches._moments
    monkeypatch.setattr(sketches, "_moments", lambda *given, **kw: computed.append(kw) or moments(*given, **kw))
    state = {"model": own(FASHION), "sketch": sheet(square(28)), "seed": 3}
    looks = [
        ask(**state | more)["pictures"]
        for more in ({}, {"guidance_scale": 5}, {"sketch_scale": 1.0}, {"sketch_scale": 8})
    ]
    assert looks[1:] == looks[:1] * 3
    assert len(computed) == 1
    assert ask(**state | {"sketch_scale": 0.5})["pictures"] != looks[0]
    assert ask(**state | {"seed": 4})["pictures"] != looks[0]
    assert len(computed) == 3


def test_sheets_that_are_no_drawings(ask):
    model = own(FASHION)
    empty, full = (ask(model=model, sketch=sheet(np.full((28, 28), ink))) for ink in (0.0, 1.0))
    assert empty["words"] == full["words"] == "The sheet has no lines: the class alone decides."
    assert empty["pictures"] == full["pictures"]
    photo = real_images("fashion-mnist").pixels[9, 0].numpy() / 255
    said = ask(model=model, sketch=sheet(photo))
    assert said["words"] == "This is no drawing of thin lines: its edges are followed."
    assert said["pictures"] != empty["pictures"]
    assert "words" in ask(model=own(HEROES), sketch=sheet(np.zeros((32, 32))))["words"]


@pytest.mark.parametrize(
    ("state", "field", "why"),
    [
        ({"sketch": "#10"}, "sketch", "There is no example '#10': they go from #0 to #9."),
        ({"sketch": "AAAA"}, "sketch", "The sketch must have 28x28 bytes, not 3."),
        ({"sketch": 7}, "sketch", "The sketch must have 28x28 bytes in base64."),
        ({"prompt": "a red robe"}, "prompt", "knows classes and no words"),
        ({"label": "elf"}, "label", "There is no class 'elf'"),
        ({"sketch_scale": 9}, "sketch_scale", "must be a number from 0 to 8"),
        ({"n": 10}, "n", "must be a whole number from 1 to 9"),
    ],
)
def test_what_is_refused(ask, state, field, why):
    answer = ask(model=own(FASHION), **state)
    assert why in answer["error"]
    assert answer["field"] == field


def test_words_of_another_model(ask):
    assert "It has never read **“dragon”**" in ask(model=own(HEROES), prompt="a elf dragon")["words"]
    assert ask(model=own(HEROES), label="elf")["field"] == "label"


def uploaded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def test_an_uploaded_drawing_stays_and_of_a_photo_edges_are_taken(ask):
    model = own(HEROES)
    large = Image.fromarray((255 * (1 - square(32))).astype(np.uint8)).resize((640, 640))
    answers = [
        ask("page.sketch", model=model, file=uploaded(image)) for image in (large, Image.eval(large, lambda v: 255 - v))
    ]
    for answer in answers:
        assert answer["shape"] == [1, 32, 32]
        ink = 1 - np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(32, 32) / 255
        assert np.abs(ink - square(32)).mean() < 0.05
    hero = real_images("heroes").pixels[:1]
    answer = ask("page.sketch", model=model, file=uploaded(to_picture(hero[0], 10)))
    ink = 1 - np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(32, 32) / 255
    assert np.abs(ink - sketch_of(hero / 127.5 - 1)[0, 0].numpy()).mean() < 0.05
    assert (
        "can't be read as a picture" in ask("page.sketch", model=model, file=base64.b64encode(b"no").decode())["error"]
    )
    assert len(ask("page.sketches", model=model)["pictures"]) == 10


def test_without_such_a_model_the_section_is_not_there():
    for model in page.sections()["diffusion.generate"].models():
        assert not checkpoint.read_config(model)["config"].get("sketch")
    section = page.sections()["diffusion.sketch"]
    assert section.is_ready == any(c["config"].get("sketch") for c in checkpoint.configs().values())


def test_sketches_of_test_pictures_count_as_drawings():
    for name in ("fashion-mnist", "heroes"):
        share = np.mean([is_drawing(ink) for ink in sketch_of(real_images(name)[:60][0])])
        assert share > 0.9, "what it offers itself, it follows as it is"


# -- measured ---------------------------------------------------------------------------------------------------------


def test_the_experiment(followers, monkeypatch, tmp_path):
    packaged = {name: folder for name, folder in checkpoint.packaged().items() if not name.endswith("-sketch")}
    monkeypatch.setattr(checkpoint, "packaged", lambda: packaged | {FASHION: followers / FASHION})
    monkeypatch.setattr(checkpoint, "bundled_folder", lambda name, known=checkpoint.bundled_folder: (
        followers / name if name == FASHION else known(name)
    ))  # fmt: skip
    monkeypatch.setattr(experiment, "split", lambda data, name, captions=False: real_images(data))
    common.split.cache_clear()
    result = experiments.run("sketch", changes={"samples": 140}, out=tmp_path)
    rows = {row["told"]: row for row in result["rows"]}
    assert list(rows) == [experiment.REAL, experiment.BOTH, experiment.SKETCH, experiment.TOLD]
    real, floor = rows[experiment.REAL], rows[experiment.TOLD]
    assert real["lines"] > 60, "as people draw, not all of it is in place"
    assert real["lines_low"] <= real["lines"] <= real["lines_high"]
    assert real["frechet"] < floor["frechet"]
    assert result["reading"].startswith("Fashion: ")
    assert json.loads((tmp_path / "sketch.json").read_text()) == result
