"""The overview's sections: the families' cards and pictures, how they relate, and what each makes of one drawing."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import unpacked
from PIL import Image

from genmodels import app, checkpoint
from genmodels.registry import representatives
from genmodels.tabs import page
from genmodels.wrappers import bottleneck, core, discriminator, examples, latents, likelihoods, on_record, overview
from genmodels.wrappers.section import Answer

SIX = ["autoencoder", "vae", "gan", "flow", "pixelcnn", "diffusion"]
DATA = ["mnist", "fashion-mnist", "heroes"]
pytestmark = pytest.mark.skipif(
    not all(core.available(family) for family in SIX), reason="not all families are bundled"
)


def see(**state: object) -> dict[str, Answer]:
    answer = page.answer({"section": "overview.see", "state": state})
    assert "error" not in answer, answer
    return answer["families"]


def fill(**state: object) -> list[Answer]:
    return list(page.sections()["overview.fill"].answer(page.sections()["overview.fill"].parse(state)))


# -- the cards ---------------------------------------------------------------------------------------------------------


def test_every_card_has_pictures_that_are_small() -> None:
    """The film moves, the still does not and is one of its frames' size; both come from the models by a script."""
    for family, card in page.families().items():
        if not card["picture"]:
            continue
        film, still = (app.WEB.parent / "pictures" / f"{family}{kind}.webp" for kind in ("", "-still"))
        assert film.stat().st_size < 100_000
        assert still.stat().st_size < 30_000
        with Image.open(film) as moving, Image.open(still) as one:
            assert moving.n_frames > 5
            assert getattr(one, "n_frames", 1) == 1
            assert moving.size == one.size


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("theme", "papers"), [("light", ["#ffffff", "#f8fafc"]), ("dark", ["#020617", "#0f172a"])])
def test_a_familys_colour_can_be_read(theme: str, papers: list[str]) -> None:
    """As text on the page's paper: WCAG's 4.5 to 1."""
    for family, card in page.families().items():
        for paper in papers:
            low, high = sorted([luminance(card["accent"][theme]), luminance(paper)])
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{family} on {paper}"


# -- how they relate ---------------------------------------------------------------------------------------------------


def test_relations_follow_from_what_models_can_do() -> None:
    answer = page.answer({"section": "overview.map"})["relations"]
    columns = [column["key"] for column in answer["columns"]]
    assert list(answer["rows"]) == [family for family in representatives() if core.available_of_kin(family)]
    assert all(list(row) == columns for row in answer["rows"].values())
    told = {family: [row[key]["word"] for key in columns] for family, row in answer["rows"].items()}
    assert columns == ["code", "inverse", "likelihood", "passes", "critic"]
    assert told["autoencoder"] == ["yes", "nearly", "no", "no", "no"]
    assert told["vae"] == ["yes", "nearly", "a bound", "one", "no"]
    assert told["gan"] == ["to draw from", "no", "no", "one", "yes"]
    assert told["flow"] == ["yes", "exactly", "a bound", "one", "no"]
    assert told["pixelcnn"] == ["no", "no", "exactly", "many", "no"]
    assert told["diffusion"] == ["no", "no", "no", "many", "no"]


# -- one drawing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", DATA)
def test_all_families_answer_at_once(data: str) -> None:
    """With two parts (one of those of what writes on comes later), and a place among test images where one pass tells it."""
    found = see(data=data, picture="#3")
    assert list(found) == SIX
    for family, part in found.items():
        assert "error" not in part
        assert core.describe(part["model"])["data"] == data
        assert core.describe(part["model"])["family"] == family
        assert len(part["slots"]) == (1 if family == "pixelcnn" else 2)
        if family != "diffusion":
            assert 0 <= part["rank"]["percent"] <= 100
            assert "%" in part["words"]


def test_some_of_the_families_can_be_asked() -> None:
    assert see(families=["gan", "vae"]) == {family: see()[family] for family in ("gan", "vae")}
    assert list(fill(families=["diffusion"])[-1]["families"]) == ["diffusion"]
    assert fill(families=["flow"]) == [{"done": True, "families": {}}], "it has said all at once"


def test_it_says_what_the_families_own_sections_say() -> None:
    found = see(picture="#4")
    asked = {"picture": "#4"}
    through = bottleneck.through(bottleneck.ThroughState.parse(asked, ["ae-mnist"]))
    assert found["autoencoder"]["slots"][0]["value"] == through["reconstruction"]
    assert found["autoencoder"]["rank"]["percent"] == through["percentile"]
    where = latents.where(latents.PictureState.parse(asked, ["vae2d-mnist"]))
    assert found["vae"]["slots"][0] == {"title": "On its map", "kind": "map", "value": where, "model": "vae2d-mnist"}
    looked = discriminator.look(discriminator.CriticState.parse(asked, ["gan-mnist"]))
    assert found["gan"]["rank"]["percent"] == looked["above_test"]
    for family in ("flow", "pixelcnn"):
        cost = likelihoods.verdict(latents.PictureState.parse(asked, [f"{family}-mnist"]))
        assert found[family]["words"] == cost["words"]


def test_a_digit_and_noise_are_told_apart() -> None:
    """By what each family measures: noise is hard to rebuild, unreal, unlikely, and lost in noise."""
    noise = next(
        i
        for i, (name, _) in enumerate([*examples.plain_pictures("ae-mnist"), *examples.outliers("ae-mnist")], 1)
        if name == "noise"
    )
    digit, other = see(picture="#7"), see(picture=f"#-{noise}")
    assert other["autoencoder"]["rank"]["percent"] > 99 > digit["autoencoder"]["rank"]["percent"]
    for family in ("gan", "flow", "pixelcnn"):
        assert other[family]["rank"]["percent"] < 1 < digit[family]["rank"]["percent"]
    back = unpacked(other["flow"]["slots"][1]["value"])[0]
    given = unpacked({"pixels": examples.outliers("ae-mnist")[noise - 1 - 4][1]["pixels"], "shape": [1, 1, 28, 28]})[0]
    assert np.abs(back.astype(int) - given).max() <= 1, "a flow brings back anything"
    assert "are **7**" in digit["vae"]["words"]


def test_neighbours_of_a_test_image_are_of_its_class() -> None:
    """Mostly: on a map of two numbers some classes overlap."""
    pads = examples.of_kind("vae2d-mnist")
    found = [latents.neighbours("vae2d-mnist", pad) for _, pad in pads]
    assert sum(near["label"] == label for near, (label, _) in zip(found, pads, strict=True)) > 5
    assert all(near["count"] <= near["of"] == latents.NEAREST and near["among"] == 2000 for near in found)
    assert latents.neighbours("vae-heroes", examples.of_kind("vae-heroes")[0][1])["among"] > 100


def test_the_nearest_of_its_own_are_near() -> None:
    _, pad = examples.of_kind("gan-mnist")[1]
    near = discriminator.nearest_own("gan-mnist", pad, discriminator.OWN)
    x = unpacked({"pixels": pad["pixels"], "shape": [1, 1, 28, 28]})[0, :, :, 0] / 127.5 - 1
    distances = [float(((picture[0].numpy() - x) ** 2).mean()) for picture in near]
    assert sum(distances[:4]) < 0.5 * sum(distances[-4:])


def test_the_rest_comes_in_parts_and_then_as_a_whole() -> None:
    """The given half stays; the endings differ; denoising goes on from step to step, and says how hard it was."""
    *parts, last = fill(picture="#5", seed=3)
    assert {family for part in parts for family in part["families"]} == {"gan", "pixelcnn", "diffusion"}
    assert last["done"] is True
    finished = unpacked(last["families"]["pixelcnn"]["slots"][0]["value"])
    given = unpacked({"pixels": examples.of_kind("ae-mnist")[5][1]["pixels"], "shape": [1, 1, 28, 28]})[0]
    assert (finished[:, :14] == given[:14]).all()
    assert (finished[1:] != finished[:1]).any((1, 2, 3)).all()
    frames = [part["families"]["diffusion"] for part in parts if "diffusion" in part["families"]]
    pictures = [frame["slots"][0]["value"]["pixels"] for frame in frames if "slots" in frame]
    assert len(set(pictures)) > 4
    assert last["families"]["diffusion"]["slots"][0]["value"]["pixels"] == pictures[-1]
    assert "of 100 test images" in last["families"]["diffusion"]["words"]
    assert fill(picture="#5", seed=3)[-1] == last


# -- what is missing or broken -----------------------------------------------------------------------------------------


@pytest.fixture
def spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without the GAN of digits, and with weights of a flow and of a PixelCNN that a copy broke off."""
    for name, folder in checkpoint.bundled().items():
        if name.endswith("-mnist") and name != "gan-mnist":
            shutil.copytree(folder, tmp_path / name)
    for name in ("flow-mnist", "pixelcnn-mnist"):
        file = tmp_path / name / "model.safetensors"
        file.write_bytes(file.read_bytes()[:10_000])
    caches = (core._on, core._description, core.calibration)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("spoilt")
def test_who_is_missing_or_broken_says_so_and_the_others_go_on() -> None:
    found = see()
    assert found["gan"]["error"] == (
        "No model of it for digits is here: `python -m genmodels train gan --data mnist` trains one."
    )
    for family in ("flow", "pixelcnn"):
        assert found[family]["error"].startswith("model.safetensors can't be read"), (
            "without its place on this computer"
        )
    assert all("slots" in found[family] for family in ("autoencoder", "vae", "diffusion"))
    *_, last = fill()
    assert "model.safetensors" in last["families"]["pixelcnn"]["error"]
    assert "slots" in last["families"]["diffusion"]


def test_a_family_whose_config_was_mended_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vae-mnist", "flow-mnist"):
        shutil.copytree(checkpoint.find(name), tmp_path / name)
    monkeypatch.setattr(checkpoint, "BUNDLED", [tmp_path])
    monkeypatch.setattr(checkpoint, "LOOK", 0)
    config = tmp_path / "flow-mnist/config.json"
    whole = config.read_text()
    config.write_text("{")
    assert list(overview.readable()) == ["vae"]
    config.write_text(whole)
    assert list(overview.readable()) == ["vae", "flow"]


def test_a_failure_is_logged_and_hidden_behind_a_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no such memory")

    monkeypatch.setattr(overview.flows, "round_trip", fail)
    with caplog.at_level(logging.ERROR):
        found = see()
    assert found["flow"] == {"error": on_record.FAILED}
    assert "slots" in found["pixelcnn"]
    assert "no such memory" in caplog.text


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"data": "emnist"}, "data"),
        ({"picture": "AAAA"}, "picture"),
        ({"seed": -1}, "seed"),
        ({"families": ["unicorn"]}, "families"),
        ({"model": "ae-mnist"}, ""),
    ],
)
def test_refusals_name_the_field(bad: dict[str, object], field: str) -> None:
    for answer in (page.answer({"section": "overview.see", "state": bad}), next(page.follow("overview.fill", bad))):
        assert answer["error"].endswith(".")
        assert answer["field"] == field
