"""What the GAN tab stands on: walks in a loop, style mixing, the critic, the game of real and generated, films, figures."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import build, encoded, picture, python, tiny_images, write_parquet
from PIL import ExifTags, Image, ImageSequence
from test_wrappers import pad, pixels, refused

from genmodels import checkpoint, files
from genmodels.evaluation.calibration import CALIBRATION_SAMPLES, calibrate
from genmodels.evaluation.report import METRICS_FORMAT, config_hash
from genmodels.models.gan import GAN
from genmodels.wrappers import (
    core,
    discriminator,
    examples,
    latents,
    metrics_table,
    pictures,
    sampling,
    spot_the_fake,
    style_mixing,
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


def shrunk(image: Image.Image, width: int) -> np.ndarray:
    """A picture of `width` pixels that was enlarged pixel by pixel, at its own size."""
    scale = image.width // width
    return np.asarray(image.convert("RGB"))[scale // 2 :: scale, scale // 2 :: scale].astype(int)


def frames(file: str, name: str) -> list[np.ndarray]:
    width = core.describe(name)["shape"][2]
    with Image.open(file) as film:
        return [shrunk(frame.copy(), width) for frame in ImageSequence.Iterator(film)]


# -- what is refused ---------------------------------------------------------------------------------------------------

#: What is called with one number, and the range that a refusal names.
WHOLE = {
    "loop seed": (lambda v: style_mixing.latent_loop(NAME, seed=v, frames=8), 0, 2**31 - 1),
    "loop stops": (lambda v: style_mixing.latent_loop(NAME, stops=v, frames=8), 2, 8),
    "loop frames": (lambda v: style_mixing.latent_loop(NAME, frames=v), 8, 96),
    "style_grid row_seed": (lambda v: style_mixing.style_grid(NAME, row_seed=v), 0, 2**31 - 1),
    "style_grid column_seed": (lambda v: style_mixing.style_grid(NAME, column_seed=v), 0, 2**31 - 1),
    "style_grid crossover": (lambda v: style_mixing.style_grid(NAME, crossover=v), 0, None),
    "style_grid rows": (lambda v: style_mixing.style_grid(NAME, rows=v), 1, 10),
    "style_grid columns": (lambda v: style_mixing.style_grid(NAME, columns=v), 1, 10),
}
PSI = {
    "sample": lambda v: sampling.sample(NAME, n=1, truncation_psi=v),
    "loop": lambda v: style_mixing.latent_loop(NAME, frames=8, truncation_psi=v),
    "style_grid": lambda v: style_mixing.style_grid(NAME, truncation_psi=v),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_numbers(case):
    call, low, high = WHOLE[case]
    high = style_mixing.style_layers(NAME) if high is None else high
    for value in (low - 1, high + 1):
        refused(lambda value=value: call(value), low, high)
    call(low)
    call(float(high))


@pytest.mark.parametrize("case", PSI)
def test_truncation(case):
    for value in (-0.01, 1.51):
        refused(lambda value=value: PSI[case](value), "truncation ψ", "0", "1.5")
    PSI[case](0)
    PSI[case](1.5)


@pytest.mark.parametrize("space", ["x", ["z"]])
def test_a_walk_goes_through_z_or_w(space):
    refused(lambda: style_mixing.latent_loop(NAME, space=space), "z or w")


@pytest.mark.parametrize("label", ["unicorn", 1000])
def test_classes_that_do_not_exist(label):
    refused(lambda: style_mixing.latent_loop(NAME, label=label, frames=8), "class")
    refused(lambda: style_mixing.style_grid(NAME, label=label), "class")


@pytest.mark.parametrize("name", ["nonsense", None])
def test_models_that_do_not_exist(name):
    calls = (
        style_mixing.latent_loop, style_mixing.style_grid, style_mixing.style_layers, training_films.films,
        lambda name: spot_the_fake.deal(name, 0), lambda name: discriminator.judge(name, {}),
    )  # fmt: skip
    for call in calls:
        refused(lambda call=call: call(name), NAME)


def test_a_gan_blends_no_classes():
    """It draws codes and decodes them, but has neither their temperature nor pictures between two classes."""
    refused(lambda: latents.latent_walk(NAME, (0, 1)), "GAN", "lacks the ability BlendsClasses")


def test_models_without_the_ability():
    other = core.available("autoencoder")[0]
    refused(lambda: discriminator.judge(other, pad(other)), "Judges")
    refused(lambda: spot_the_fake.deal(other, 0), "Samples")
    for name in core.available("vae")[:1]:
        refused(lambda name=name: style_mixing.style_layers(name), "VAE", "lacks the ability HasStyles")


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


@pytest.mark.parametrize(("name", "space"), [(NAME, "z"), (GANS[-1] if GANS else "", "w")])
def test_a_walk_passes_the_samples_of_its_seeds(name, space):
    classes = core.describe(name)["classes"]
    strip, file = style_mixing.latent_loop(name, seed=5, stops=2, space=space, frames=8, truncation_psi=0.7)
    film = frames(file, name)
    assert len(film) == 8
    for i, frame in ((0, film[0]), (1, film[4])):
        alone = sampling.sample(name, n=1, seed=5 + i, label=(5 + i) % len(classes), truncation_psi=0.7)
        assert np.abs(shrunk(alone, frame.shape[1]) - frame).max() <= 1
    assert json.loads(strip.info["stops"]) == 2


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_walk_is_closed(space):
    """Through two stops it leads there and back on the same way."""
    _, file = style_mixing.latent_loop(NAME, seed=0, stops=2, label=3, space=space, frames=8)
    film = frames(file, NAME)
    for i in range(1, 4):
        assert np.abs(film[i] - film[8 - i]).max() <= 1
    assert len({frame.tobytes() for frame in film[:5]}) == 5, "it moves"


def test_z_and_w_are_different_ways():
    films = [frames(style_mixing.latent_loop(NAME, stops=3, label=1, space=space, frames=9)[1], NAME) for space in "zw"]
    for i, (a, b) in enumerate(zip(*films, strict=True)):
        assert (np.abs(a - b).max() <= 1) == (i % 3 == 0)


def test_the_file_of_a_walk():
    _, file = style_mixing.latent_loop(NAME, seed=9, label=0, frames=10)
    with Image.open(file) as film:
        assert film.format == "WEBP"
        assert film.n_frames == 10
        assert film.info["loop"] == 0, "for ever"
        assert film.width >= 256
        exif = film.getexif()
    assert exif[ExifTags.Base.Software].startswith("genmodels ")
    settings = json.loads(exif[ExifTags.Base.ImageDescription])
    assert settings["model"] == NAME
    assert settings["seed"] == 9
    assert settings["class"] == core.describe(NAME)["classes"][0]


# -- styles ------------------------------------------------------------------------------------------------------------


def cells(name: str, table: Image.Image, rows: int, columns: int) -> np.ndarray:
    """The pictures of a style table `(rows + 1, columns + 1, H, W, 3)`; there is none in the first corner."""
    _, height, width = core.describe(name)["shape"]
    scale = table.width // (width + 6 + columns * (width + 2) - 2)
    small = shrunk(table, table.width // scale)
    top = [0, *(height + 6 + i * (height + 2) for i in range(rows))]
    left = [0, *(width + 6 + i * (width + 2) for i in range(columns))]
    return np.array([[small[y : y + height, x : x + width] for x in left] for y in top])


@every_gan
def test_style_mixing_at_both_ends_of_the_crossover(name):
    layers = style_mixing.style_layers(name)
    tables = [cells(name, style_mixing.style_grid(name, 3, 50, c, rows=2, columns=3), 2, 3) for c in range(layers + 1)]
    for row, column in np.ndindex(2, 3):
        cell = [table[row + 1, column + 1] for table in tables]
        assert np.abs(cell[0] - tables[0][0, column + 1]).max() <= 1, "all layers follow the top"
        assert np.abs(cell[layers] - tables[0][row + 1, 0]).max() <= 1, "all layers follow the left"
    assert len({table[1:, 1:].tobytes() for table in tables}) == layers + 1, "every layer counts"


def test_the_sources_of_a_style_table_are_samples():
    image = style_mixing.style_grid(NAME, 3, 50, 1, label=2, rows=1, columns=2, truncation_psi=0.5)
    table = cells(NAME, image, 1, 2)
    for seed, cell in ((3, table[1, 0]), (50, table[0, 1]), (51, table[0, 2])):
        alone = sampling.sample(NAME, n=1, seed=seed, label=2, truncation_psi=0.5)
        assert np.abs(shrunk(alone, cell.shape[1]) - cell).max() <= 1
    assert json.loads(image.info["crossover"]) == 1
    assert image.getpixel((0, 0))[3] == 0, "no picture in the corner"


# -- the critic --------------------------------------------------------------------------------------------------------


@every_gan
def test_the_critic_ranks_a_picture_among_known_scores(name):
    model, known = load_model(name), calibration(name)
    for value in (pictures.blank(name), pad(name), examples.own_pictures(name)[3][1]):
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
