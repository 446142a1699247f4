"""What the GAN tab stands on: walks in a loop, style mixing, the critic, the game of real and generated, films, figures."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import build, encoded, picture, python, tiny_images, write_parquet
from PIL import Image
from test_wrappers import pad, pixels, refused

from genmodels import checkpoint, files
from genmodels.evaluation.calibration import CALIBRATION_SAMPLES, calibrate
from genmodels.evaluation.report import METRICS_FORMAT, config_hash
from genmodels.models.gan import GAN
from genmodels.wrappers import (
    core,
    discriminator,
    examples,
    metrics_table,
    pictures,
    spot_the_fake,
    training_films,
)
from genmodels.wrappers.core import calibration, load_model
from genmodels.wrappers.examples import known_images
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.style_mixing import slerp

GANS = core.available("gan")
pytestmark = pytest.mark.skipif(not GANS, reason="no GAN is bundled")
every_gan = pytest.mark.parametrize("name", GANS)
NAME = GANS[0] if GANS else ""


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, {"pixels": "AAAA"}])
def test_pictures_that_the_critic_cannot_see(value):
    refused(lambda: discriminator.judge(NAME, value))


# -- walks -------------------------------------------------------------------------------------------------------------


def test_slerp_turns_at_constant_speed_on_the_sphere():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 3, 16, generator=generator), dim=2)
    angle = (a * b).sum(1).acos()
    for t in (0.0, 0.25, 0.6, 1.0):
        c = slerp(a, b, torch.full((3, 1), t))
        torch.testing.assert_close(c.norm(dim=1), torch.ones(3))
        torch.testing.assert_close((a * c).sum(1).clamp(-1, 1).acos(), t * angle, atol=1e-3, rtol=0)
        torch.testing.assert_close((b * c).sum(1).clamp(-1, 1).acos(), (1 - t) * angle, atol=1e-3, rtol=0)


# -- styles ------------------------------------------------------------------------------------------------------------


# -- the critic --------------------------------------------------------------------------------------------------------


@every_gan
def test_the_critic_ranks_a_picture_among_known_scores(name):
    model, known = load_model(name), calibration(name)
    for value in (pad(name), examples.own_pictures(name)[3][1]):
        seen = discriminator.judge(name, value)
        assert seen["score"] == pytest.approx(float(model.realism(from_pad(name, value)[0])), abs=1e-5)
        for key, scores in (("above_test", known["realism_test"]), ("above_samples", known["realism_samples"])):
            assert seen[key] == pytest.approx(100 * float((scores < seen["score"]).float().mean()), abs=1e-3)
    marks = seen["histogram"]
    assert len(marks["edges"]) == len(marks["test"]) + 1 == len(marks["samples"]) + 1
    assert 0.97 < sum(marks["test"]) <= 1.001
    assert 0.97 < sum(marks["samples"]) <= 1.001


@every_gan
def test_no_threshold_separates_better(name):
    test, samples = (calibration(name)[f"realism_{kind}"].numpy() for kind in ("test", "samples"))

    def right(threshold: float) -> float:
        return float((test >= threshold).mean() + (samples < threshold).mean())

    best = right(discriminator.threshold(name))
    assert best >= 1
    for threshold in np.quantile(np.concatenate([test, samples]), np.linspace(0, 1, 101)):
        assert right(threshold) <= best + 1e-9


def test_calibration_of_what_judges():
    model, test = build("gan"), tiny_images(21)
    found = calibrate(model, test)
    assert set(found) == {"realism_test", "realism_samples"}
    scores = model.realism(test[:][0])
    torch.testing.assert_close(found["realism_test"], scores.sort().values)
    assert found["realism_samples"].shape == (CALIBRATION_SAMPLES,)
    assert found["realism_samples"].dtype == torch.float32
    assert (found["realism_samples"].diff() >= 0).all()


# -- the game ----------------------------------------------------------------------------------------------------------


def test_a_round_mixes_real_and_generated_pictures():
    real = {pixels(pictures.to_pad(image)).tobytes() for image in known_images(NAME).pixels}
    counts = set()
    for seed in range(12):
        dealt = spot_the_fake.deal(NAME, seed)
        assert dealt["group"] == 1
        assert len(dealt["pictures"]) == len(dealt["critic"]) == 8
        assert [pixels(p).tobytes() in real for p in dealt["pictures"]] == [not s for s in dealt["sought"]]
        assert len({p["pixels"] for p in dealt["pictures"]}) == 8, "no picture comes twice"
        counts.add(sum(dealt["sought"]))
    assert counts <= set(range(2, 7))
    assert len(counts) > 1
    assert spot_the_fake.deal(NAME, 3) == spot_the_fake.deal(NAME, 3)
    assert spot_the_fake.deal(NAME, 3) != spot_the_fake.deal(NAME, 4)


@every_gan
def test_every_gan_plays_with_real_pictures(name):
    dealt = spot_the_fake.deal(name, 0)
    assert dealt["group"] == 1
    assert {tuple(picture["shape"]) for picture in dealt["pictures"]} == {tuple(core.describe(name)["shape"])}


ROUND = "import json; from genmodels.wrappers import spot_the_fake; print(json.dumps(spot_the_fake.deal({name!r}, 5)))"


def test_a_seed_deals_the_same_round_where_there_is_a_data_set_too(tmp_path):
    """In processes of their own, one of which has other pictures under the name of the model's data."""
    _, height, width = core.describe(NAME)["shape"]
    rows = [(encoded(picture(i, (width, height))), i % 10) for i in range(20)]
    write_parquet(tmp_path / core.describe(NAME)["data"] / "test-0.parquet", rows)
    asked = [python("-c", ROUND.format(name=NAME), GENMODELS_DATA=data) for data in (None, str(tmp_path))]
    without, beside = (json.loads(process.stdout) for process in asked)
    assert without == beside == spot_the_fake.deal(NAME, 5)


def test_a_model_of_other_data_deals_pairs(tmp_path, monkeypatch):
    """Also if its data has the name of data that we know, but other classes."""
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    for name, data in (("gan-bars", "bars"), ("gan-bars-too", "mnist")):
        facts = {"name": data, "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}
        checkpoint.save(build("gan", num_classes=3), tmp_path / name, data=facts)
        dealt = spot_the_fake.deal(name, 1)
        assert dealt["group"] == 2
        assert len(dealt["pictures"]) == 8
        for answers in (dealt["sought"], dealt["critic"]):
            assert [sum(answers[i : i + 2]) for i in range(0, 8, 2)] == [1] * 4
        assert dealt == spot_the_fake.deal(name, 1)


def test_marks():
    mixed = {"pictures": [0] * 8, "group": 1, "sought": [True] * 3 + [False] * 5, "critic": [False] * 8}
    assert spot_the_fake.marks(mixed, [0, 1, 2]) | {"picked": 0} == {"picked": 0, "visitor": 8, "critic": 5, "of": 8}
    assert spot_the_fake.marks(mixed, [])["visitor"] == 5
    assert spot_the_fake.marks(mixed, [7, 7.0, 0])["picked"] == [True, *[False] * 6, True]
    pairs = {"pictures": [0] * 8, "group": 2, "sought": [True, False] * 4, "critic": [True, False] * 3 + [False, True]}
    assert spot_the_fake.marks(pairs, [0, 3, 4, 7]) | {"picked": 0} == {"picked": 0, "visitor": 2, "critic": 3, "of": 4}
    for picks in ([], [0, 1, 2, 4], [0, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7]):
        refused(lambda picks=picks: spot_the_fake.marks(pairs, picks), "each pair")


@pytest.mark.parametrize("picks", [None, "0", [8], [-1], [0.5], [math.nan], [[1]], [True], list(range(9))])
def test_picks_that_are_no_positions(picks):
    dealt = {"pictures": [0] * 8, "group": 1, "sought": [True] * 8, "critic": [True] * 8}
    refused(lambda: spot_the_fake.marks(dealt, picks), "pick")


# -- films and figures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in GANS if training_films.films(name)])
def test_films_are_cut_as_their_account_says(name):
    films = training_films.films(name)
    assert films[0]["run"] == "healthy"
    size = 0
    for film in films:
        data = Path(film["sheet"]).read_bytes()
        size += len(data)
        width, height = film["frame_size"]
        rows = math.ceil(len(film["frames"]) / film["columns"])
        assert Image.open(io.BytesIO(data)).size == (film["columns"] * width, rows * height)
        steps = [frame["step"] for frame in film["frames"]]
        assert steps == sorted(set(steps))
        assert all(0 <= frame["classes"] <= film["num_classes"] for frame in film["frames"])
    assert size < 1_500_000


def test_films_travel_with_a_checkpoint():
    films = {f"{stem}.{ending}" for stem in ("film", "collapse") for ending in ("webp", "json")}
    assert films <= set(checkpoint.files_of(GAN))
    assert training_films.films(core.available("autoencoder")[0]) == []


def test_figures_say_what_was_measured_and_what_not(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    for name in ("gan-a", "gan-b"):
        checkpoint.save(build("gan"), tmp_path / name)
    assert "evaluate" in metrics_table.figures("gan")
    values = {
        "format": METRICS_FORMAT,
        "data": {"name": "bars"},
        "weights": checkpoint.weights_hash(tmp_path / "gan-a"),
        "config": config_hash(tmp_path / "gan-a"),
        "metrics": {"parameters": {"value": 12345}, "frechet_distance": {"value": 1.5}, "bits_per_dim_bound": {"value": 1.25}},
        "references": {"train": {"frechet_distance": {"value": 0.25}}},
    }  # fmt: skip
    files.write_json(tmp_path / "gan-a", "metrics.json", values)
    text = metrics_table.figures("gan")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["model", "parameters", "Fréchet distance", "of real images", "bits/dim"]
    assert rows[2] == ["gan-a", "12,345", "1.50", "0.25", "≤ 1.250"]
    assert rows[3] == ["gan-b", "not measured", "", "", ""]
    assert "less is better" in text
    assert "PSNR" not in text, "what no model has is left out"
