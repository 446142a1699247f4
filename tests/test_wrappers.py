"""The layer that visitors' values pass through, on the bundled models: what is refused, and what comes out."""

import base64
import io
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from helpers import encoded, picture
from PIL import Image

import genmodels
from genmodels import checkpoint, registry
from genmodels.data import DATASETS
from genmodels.registry import FAMILIES, INSTRUMENTS
from genmodels.wrappers import core, examples, latents, pictures, sampling
from genmodels.wrappers.pictures import save_png, signed

NAMES = sorted(checkpoint.bundled())
AUTOENCODERS, VAES = core.available("autoencoder"), core.available("vae")
MAPS = [name for name in VAES if core.describe(name)["latent_dim"] == 2]
CONDITIONAL = [name for name in VAES if core.describe(name)["conditional"]]
KNOBS = [name for name in CONDITIONAL if core.describe(name)["latent_dim"] > 2]

#: One model for each shape of pictures and background that there is.
one_of_a_kind = pytest.mark.parametrize(
    "name", {(*core.describe(n)["shape"], core.describe(n)["background"]): n for n in NAMES}.values()
)
#: One model for each data set.
one_per_data = pytest.mark.parametrize("name", {core.describe(name)["data"]: name for name in NAMES}.values())
every_map = pytest.mark.parametrize("name", MAPS)


def refused(call, *words: object) -> None:
    """`call()` raises ValueError, in one sentence that has these words."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message.replace(", ".join(NAMES), "")) < 400
    for word in words:
        assert str(word) in message, message


def pad(name: str, index: int = 0) -> pictures.Pad:
    shape = core.describe(name)["shape"]
    return pictures.to_pad(np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8))


def pixels(value: pictures.Pad) -> np.ndarray:
    channels, height, width = value["shape"]
    return np.frombuffer(base64.b64decode(value["pixels"]), np.uint8).reshape(height, width, channels)


# -- what is refused ---------------------------------------------------------------------------------------------------

#: What is called with one number, the model that it needs, and the numbers that are allowed.
WHOLE = {
    "sample n": (CONDITIONAL, lambda m, v: sampling.sample(m, n=v), 1, 100),
    "sample seed": (CONDITIONAL, lambda m, v: sampling.sample(m, n=1, seed=v), 0, 2**31 - 1),
    "sample label": (CONDITIONAL, lambda m, v: sampling.sample(m, n=1, label=v), 0, None),
    "latents k": (KNOBS, latents.strongest_latents, 1, "latents"),
}
REAL = {
    "sample temperature": (CONDITIONAL, lambda m, v: sampling.sample(m, n=1, temperature=v), 0, 2),
}
NO_NUMBERS = [math.nan, math.inf, 10**400, True, "3", [1], {}, 1j]


def model_for(candidates: list[str]) -> str:
    if not candidates:
        pytest.skip("no such model is bundled")
    return candidates[0]


@pytest.mark.parametrize("value", [*NO_NUMBERS, None, -1, 11, 2.5, 10**9], ids=lambda value: repr(value)[:20])
def test_what_is_no_whole_number_in_range(value):
    refused(lambda: core.check_int("The seed", value, 0, 10), "The seed must be a whole number from 0 to 10, not ")


@pytest.mark.parametrize("value", [*NO_NUMBERS, None, -0.01, 2.01, 1e9], ids=lambda value: repr(value)[:20])
def test_what_is_no_number_in_range(value):
    refused(lambda: core.check_float("The noise", value, 0, 2), "The noise must be a number from 0 to 2, not ")


@pytest.mark.parametrize("case", WHOLE)
def test_whole_numbers(case):
    """Every door names its own range; what else is no number, the two tests above try at the helpers."""
    candidates, call, low, high = WHOLE[case]
    name = model_for(candidates)
    if high is None:
        high = len(core.describe(name)["classes"]) - 1
    elif high == "latents":
        high = core.describe(name)["latent_dim"]
    refused(lambda: call(name, low - 1), low, high)
    refused(lambda: call(name, high + 1), low, high)
    call(name, low)
    call(name, float(low))


@pytest.mark.parametrize("case", REAL)
def test_numbers(case):
    candidates, call, low, high = REAL[case]
    name = model_for(candidates)
    for value in (low - 1e-3 * abs(high), high * 1.001):
        refused(lambda value=value: call(name, value), f"{low:.10g}", f"{high:.10g}")
    call(name, low)
    call(name, high)


def test_a_refusal_writes_out_the_largest_seed():
    refused(lambda: core.check_float("The value", -5, 0, core.MAX_SEED), "from 0 to 2147483647, not -5.")


@pytest.mark.parametrize("label", ["unicorn", "-1"])
def test_a_class_by_a_name_that_does_not_exist(label):
    name = model_for(CONDITIONAL)
    refused(lambda: sampling.sample(name, n=1, label=label), repr(label), *core.describe(name)["classes"])


def test_a_class_of_a_model_without_classes():
    name = model_for([name for name in VAES if name not in CONDITIONAL])
    refused(lambda: sampling.sample(name, n=1, label=3), name, "no classes")


@pytest.mark.parametrize("name", ["vae-nonsense", "../vae-mnist", None, ["vae-mnist"], "x" * 10_000])
def test_an_unknown_model_lists_the_models(name):
    value = {"pixels": "", "mask": "", "shape": [1, 28, 28]}
    for call in (
        lambda: sampling.sample(name),
        lambda: core.describe(name),
        lambda: pictures.from_pad(name, value),
        lambda: pictures.read_picture("nothing.png", name),
    ):
        refused(call, *NAMES)


def test_a_model_without_the_ability():
    name = model_for(AUTOENCODERS)
    refused(lambda: sampling.sample(name), "lacks the ability Samples")
    refused(lambda: sampling.sample(VAES[0], n=1, eta=1), "There is no knob 'eta'; this model has temperature.")
    refused(lambda: latents.latent_map(name), "a map needs exactly 2")


@pytest.mark.parametrize(
    "change",
    [
        None, {}, {"pixels": None}, {"pixels": "AAAA"}, {"pixels": "not base64!"}, {"pixels": "é"},
        {"pixels": "A" * 10_000_000}, {"mask": "AAAA"}, {"mask": 5},
    ],
    ids=lambda change: repr(change)[:30],
)  # fmt: skip
def test_pads_that_do_not_fit(change):
    name = model_for(AUTOENCODERS)
    value = {**pad(name), **change} if isinstance(change, dict) and change else change
    refused(lambda: pictures.from_pad(name, value))


def test_a_pad_of_another_model():
    name = model_for(AUTOENCODERS)
    shape = (3, 32, 32) if core.describe(name)["shape"] != [3, 32, 32] else (1, 28, 28)
    refused(
        lambda: pictures.from_pad(name, pictures.to_pad(np.zeros(shape))),
        "x".join(map(str, core.describe(name)["shape"])),
    )


# -- describing --------------------------------------------------------------------------------------------------------


@one_per_data
def test_describe(name):
    info = core.describe(name)
    assert json.loads(json.dumps(info)) == info
    assert info["family"] in FAMILIES | INSTRUMENTS
    assert name in core.available(info["family"])
    if info["data"] in DATASETS:
        assert info["shape"] == list(DATASETS[info["data"]].shape)
        assert info["title"] == DATASETS[info["data"]].title


def test_about_is_the_files_own_text():
    assert core.about("vae") == registry.about("vae")


@one_per_data
def test_examples_and_outliers_are_pictures_of_the_models_shape(name):
    shape = core.describe(name)["shape"]
    shown = examples.of_kind(name) + examples.outliers(name)
    labels = [label for label, _ in shown]
    assert len(set(labels)) == len(labels)
    for _, value in shown:
        assert value["shape"] == shape
        assert pixels(value).std() > 5, "an empty picture"


# -- pictures out ------------------------------------------------------------------------------------------------------


def as_downloaded(image: Image.Image) -> Image.Image:
    """Saved as PNG with its text, as the app serves it, and read again."""
    from gradio.processing_utils import encode_pil_to_bytes

    return Image.open(io.BytesIO(encode_pil_to_bytes(image, "png")))


@pytest.mark.parametrize(
    ("said", "read"),
    [("café", "café"), ("日本語", "日本語"), ("a\nb", "a\nb"), ("🦙 half \ud83d", "🦙 half ?"), (["é", "日"], '["é", "日"]')],
)  # fmt: skip
def test_settings_survive_in_any_script(said, read, tmp_path):
    """In the PNG that the app serves and in the one that the command line writes."""
    image = signed(Image.new("L", (2, 2)), "vae-été", prompt=said, n=3)
    save_png(image, tmp_path / "picture.png")
    for found in (as_downloaded(image), Image.open(tmp_path / "picture.png")):
        assert found.text == {
            "Software": f"genmodels {genmodels.__version__}",
            "model": "vae-été",
            "prompt": read,
            "n": "3",
        }
        found.close()


FILM = """
import pathlib, sys, time
from genmodels.wrappers import core
file = core.own_folder() / "film.webp"
file.write_bytes(b"film")
print(file, flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
"""


@pytest.mark.parametrize("chosen", [None, "own"])
def test_files_lie_in_a_folder_of_the_process(start, tmp_path, chosen):
    """Whatever another user keeps in the machine's folder for temporary files, and no longer than the process lives."""
    for name in ("genmodels-walks", "gradio"):
        (tmp_path / name).write_text("somebody else's")
    parent, end = tmp_path / (chosen or ""), tmp_path / "end"
    env = {"TMPDIR": str(tmp_path), "GRADIO_TEMP_DIR": chosen and str(parent)}
    processes = [start("-c", FILM, end, **env) for _ in range(2)]
    films = [Path(process.stdout.readline().strip()) for process in processes]
    assert all(film.is_file() and film.is_relative_to(parent) for film in films)
    folders = [next(folder for folder in film.parents if folder.parent == parent) for film in films]
    assert folders[0] != folders[1]
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in folders), "nobody else may look into it"
    end.touch()
    for process, folder in zip(processes, folders, strict=True):
        assert process.wait(60) == 0
        assert not folder.exists()


@pytest.mark.parametrize("name", [*CONDITIONAL[:1], *MAPS[:1]])
def test_a_picture_says_how_to_make_it_again(name):
    label = core.describe(name)["classes"][1] if name in CONDITIONAL else None
    image = sampling.sample(name, n=4, seed=7, label=label, temperature=0.5)
    text = as_downloaded(image).text
    assert text["Software"] == f"genmodels {genmodels.__version__}"
    assert text["model"] == name
    assert text["class"] == (label or "none")
    again = sampling.sample(
        text["model"], n=json.loads(text["n"]), seed=json.loads(text["seed"]), label=label,
        temperature=json.loads(text["temperature"]),
    )  # fmt: skip
    assert np.array_equal(np.asarray(again), np.asarray(image))
    assert not np.array_equal(np.asarray(sampling.sample(name, n=4, seed=8, label=label)), np.asarray(image))


def test_a_seed_is_a_picture_in_any_sheet():
    """Picture i has seed + i, whatever is drawn along with it; a class may be named or numbered."""
    name = model_for(CONDITIONAL)
    _, height, width = core.describe(name)["shape"]
    classes = core.describe(name)["classes"]
    sheet = sampling.sample(name, n=4, seed=20, label=classes[1])
    assert np.array_equal(np.asarray(sampling.sample(name, n=4, seed=20, label=1)), np.asarray(sheet))
    scale = sheet.width // (2 * width + 2)
    last = np.asarray(sheet)[(height + 2) * scale :: scale, (width + 2) * scale :: scale].astype(int)
    alone = sampling.sample(name, n=1, seed=23, label=1)
    assert np.abs(np.asarray(alone)[:: alone.width // width, :: alone.width // width].astype(int) - last).max() <= 1


# -- the map -----------------------------------------------------------------------------------------------------------


@every_map
def test_the_map(name):
    found = latents.latent_map(name)
    assert json.loads(json.dumps(found)) == found
    assert len(found["points"]) == 2000
    assert {c for _, _, c in found["points"]} == set(range(len(found["classes"])))
    inside = [max(abs(x), abs(y)) <= found["extent"] for x, y, _ in found["points"]]
    assert sum(inside) > 0.96 * len(inside)


# -- uploads -----------------------------------------------------------------------------------------------------------


def test_a_drawing_on_paper_becomes_light_strokes_on_black(tmp_path):
    name = model_for([name for name in NAMES if core.describe(name)["background"] == 0])
    image = Image.new("RGB", (300, 200), "white")
    image.paste("black", (140, 60, 160, 140))
    image.save(tmp_path / "scan.jpg")
    found = pixels(pictures.read_picture(str(tmp_path / "scan.jpg"), name))
    assert found[0, 0, 0] < 10
    assert found[14, 14, 0] > 200
    Image.fromarray(255 - np.asarray(image)).save(tmp_path / "night.png")
    night = pixels(pictures.read_picture(str(tmp_path / "night.png"), name))
    assert np.abs(night.astype(int) - found).max() < 20
    Image.new("RGBA", (50, 50)).save(tmp_path / "clear.png")
    assert pixels(pictures.read_picture(str(tmp_path / "clear.png"), name)).max() == 0, "transparent means empty"


@one_of_a_kind
def test_any_picture_fits(name, tmp_path):
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        for size in ((1, 1), (7, 300), (64, 64)):
            file = tmp_path / f"{mode.replace(';', '')}-{size[0]}.tiff"
            Image.new(mode, size).save(file)
            assert pictures.read_picture(str(file), name)["shape"] == core.describe(name)["shape"]


def test_files_that_are_no_pictures(tmp_path):
    name = model_for(NAMES)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "code.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    for file in ("text.png", "empty.png", "code.svg", "missing.png", "."):
        refused(
            lambda file=file: pictures.read_picture(str(tmp_path / file), name), "can't be read as a picture", "PNG"
        )


def test_a_picture_that_is_too_large(tmp_path):
    """Its header says so; nobody waits until it is decoded. It is told just that, as it is one in a format that is known."""
    from test_data import png_header

    name = model_for(NAMES)
    for size, said in {
        (10_000, 7_000): "The picture has 70 megapixels; at most 64 are allowed.",
        (40_000, 40_000): "The picture is far too large; at most 64 megapixels are allowed.",
    }.items():
        (tmp_path / "huge.png").write_bytes(png_header(*size))
        with pytest.raises(ValueError, match=f"^{said}$"):
            pictures.read_picture(str(tmp_path / "huge.png"), name)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")  # Pillow's remarks
@pytest.mark.parametrize("format", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_damaged_files(format, tmp_path):
    """Cut short or with bytes changed: a picture comes out, or one sentence; never another error."""
    name = model_for(NAMES)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(1, (40, 30), "RGB"), format, **({"exif": exif} if format in ("png", "jpeg", "webp") else {}))
    dice = random.Random(format)
    file = tmp_path / f"damaged.{format}"
    outcomes = set()
    for i in range(150):
        damaged = bytearray(data[: dice.randrange(1, len(data))] if i % 3 == 0 else data)
        for _ in range(dice.choice([0, 1, 5, 20])):
            damaged[dice.randrange(min(len(damaged), dice.choice([40, 200, len(data)])))] = dice.randrange(256)
        file.write_bytes(damaged)
        try:
            pictures.read_picture(str(file), name)
            outcomes.add("read")
        except ValueError as error:
            outcomes.add("refused in one sentence" if "\n" not in str(error) else str(error))
    assert outcomes == {"read", "refused in one sentence"}
