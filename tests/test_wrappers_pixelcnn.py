"""What the PixelCNN tab stands on: writing row by row, finishing a picture, what is expected of each pixel."""

import base64
import itertools
import threading

import numpy as np
import pytest
import torch
from helpers import python
from test_wrappers import pad, pixels, refused

from genmodels import checkpoint, operations
from genmodels.data import to_uint8
from genmodels.models import pixelcnn
from genmodels.wrappers import autoregressive, core, examples, pictures
from genmodels.wrappers.autoregressive import UNKNOWN
from genmodels.wrappers.core import load_model, locked_steps
from genmodels.wrappers.pictures import columns_for

WRITERS = core.available("pixelcnn")
#: One of grey pictures, one of coloured ones.
every_writer = pytest.mark.parametrize("name", {core.describe(name)["shape"][0]: name for name in WRITERS}.values())
needs_a_writer = pytest.mark.skipif(not WRITERS, reason="no PixelCNN is bundled")
NAME = WRITERS[0] if WRITERS else ""


def masked(name: str, hidden: np.ndarray, picture: pictures.Pad | None = None) -> pictures.Pad:
    """A picture (by default the model's first own one) with the pixels hidden where the array `(H, W)` is True."""
    picture = picture or examples.own_pictures(name, 1)[0][1]
    return picture | {"mask": base64.b64encode(hidden.astype(np.uint8).tobytes()).decode()}


def everything(name: str) -> np.ndarray:
    return np.ones(core.describe(name)["shape"][1:], bool)


def unpacked(writing: autoregressive.Writing) -> tuple[np.ndarray, np.ndarray]:
    """The rows so far: pixels `(N, rows, W, C)` and bits `(N, rows, W)`."""
    channels, _, width = writing["shape"]
    shape = writing["count"], width
    found = [
        [np.frombuffer(base64.b64decode(row[key]), np.uint8) for row in writing["rows"]] for key in ("pixels", "bits")
    ]
    drawn, bits = found
    return np.stack([r.reshape(*shape, channels) for r in drawn], 1), np.stack([r.reshape(shape) for r in bits], 1)


def end(steps) -> autoregressive.Writing:
    *_, last = steps
    return last


# -- what is refused, and at once ----------------------------------------------------------------------------------------


@needs_a_writer
@pytest.mark.parametrize("value", [0, 17])
def test_how_many(value):
    refused(lambda: autoregressive.sample_rows(NAME, n=value), 1, 16)
    refused(lambda: autoregressive.complete_rows(NAME, pad(NAME), n=value), 1, 16)


@needs_a_writer
@pytest.mark.parametrize("value", [-1, 2**31])
def test_seeds(value):
    refused(lambda: autoregressive.sample_rows(NAME, seed=value), 0, 2**31 - 1)
    refused(lambda: autoregressive.complete_rows(NAME, pad(NAME), seed=value), 0, 2**31 - 1)


@needs_a_writer
@pytest.mark.parametrize("value", [-0.01, 2.01])
def test_temperatures(value):
    refused(lambda: autoregressive.sample_rows(NAME, temperature=value), "temperature", "from 0 to 2")
    refused(lambda: autoregressive.complete_rows(NAME, pad(NAME), temperature=value), "temperature", "from 0 to 2")


@needs_a_writer
@pytest.mark.parametrize("label", ["unicorn", 10**6])
def test_classes(label):
    refused(lambda: autoregressive.sample_rows(NAME, label=label))
    refused(lambda: autoregressive.complete_rows(NAME, pad(NAME), label=label))


@needs_a_writer
@pytest.mark.parametrize("value", [None, {"pixels": "AAAA"}])
def test_pictures_that_are_none(value):
    for call in (
        lambda: autoregressive.complete_rows(NAME, value),
        lambda: autoregressive.surprise_map(NAME, value),
        lambda: autoregressive.pixel_distribution(NAME, value, 0, 0),
    ):
        refused(call, "picture")


@needs_a_writer
@pytest.mark.parametrize("mask", ["AAAA", "no base64"])
def test_masks_of_another_shape(mask):
    _, height, width = core.describe(NAME)["shape"]
    refused(lambda: autoregressive.complete_rows(NAME, pad(NAME) | {"mask": mask}), "mask", f"{height}x{width}")


@needs_a_writer
@pytest.mark.parametrize("value", [-1, 28])
def test_places_outside(value):
    _, height, width = core.describe(NAME)["shape"]
    refused(lambda: autoregressive.pixel_distribution(NAME, pad(NAME), value, 0), "column", 0, width - 1)
    refused(lambda: autoregressive.pixel_distribution(NAME, pad(NAME), 0, value), "row", 0, height - 1)


@pytest.mark.skipif("vae-mnist" not in checkpoint.bundled(), reason="no VAE is bundled")
def test_models_that_do_not_write():
    vae = "vae-mnist"
    for call in (
        lambda: autoregressive.sample_rows(vae),
        lambda: autoregressive.complete_rows(vae, pad(vae)),
        lambda: autoregressive.surprise_map(vae, pad(vae)),
        lambda: autoregressive.pixel_distribution(vae, pad(vae), 0, 0),
    ):
        refused(call, "VAE", "lacks the ability WritesRows")


# -- writing -------------------------------------------------------------------------------------------------------------


@every_writer
def test_rows_of_samples(name):
    """One state per row, each with all before it; together they are what `sample` gives."""
    states = list(autoregressive.sample_rows(name, n=3, seed=4, label=1, temperature=0.8))
    _, height, _ = core.describe(name)["shape"]
    assert [len(state["rows"]) for state in states] == list(range(1, height + 1))
    assert all(after["rows"][: len(before["rows"])] == before["rows"] for before, after in itertools.pairwise(states))
    drawn, bits = unpacked(states[-1])
    expected = to_uint8(operations.sample(load_model(name), 3, 4, 1, temperature=0.8)).movedim(1, 3).numpy()
    assert np.array_equal(drawn, expected)
    assert bits.max() < UNKNOWN
    assert bits.max() > 0


@needs_a_writer
def test_runs_differ_but_not_their_pictures():
    first, second = (end(autoregressive.sample_rows(NAME, n=2, seed=9)) for _ in range(2))
    assert first["run"] < second["run"]
    assert first["rows"] == second["rows"]
    assert first["info"] == second["info"]
    assert first["info"]["seed"] == "9"
    assert first["info"]["model"] == NAME
    assert first["rows"] != end(autoregressive.sample_rows(NAME, n=2, seed=10))["rows"]


LATER = "from genmodels.wrappers import autoregressive; print(next(autoregressive.sample_rows({name!r}, n=1))['run'])"


@needs_a_writer
def test_a_later_server_has_later_runs():
    """A page that outlives its server must not take the new one's run for its own."""
    before = next(autoregressive.sample_rows(NAME, n=1))["run"]
    assert int(python("-c", LATER.format(name=NAME)).stdout) > before


@needs_a_writer
def test_who_stops_asking_stops_the_work(monkeypatch):
    """Only those rows are computed that were asked for, and the next visitor need not wait for the rest."""
    rows, write_row = [], pixelcnn.Writer.write_row

    def counted(self, row, *rest):
        rows.append(row)
        return write_row(self, row, *rest)

    monkeypatch.setattr(pixelcnn.Writer, "write_row", counted)
    steps = autoregressive.sample_rows(NAME, n=1)
    assert rows == []
    next(steps), next(steps)
    assert rows == [0, 1]
    other = threading.Thread(target=lambda: autoregressive.pixel_distribution(NAME, pad(NAME), 0, 0), daemon=True)
    other.start()
    other.join(60)
    assert not other.is_alive(), "between two rows others take their turn"
    steps.close()
    assert list(steps) == []
    assert rows == [0, 1]


def test_steps_are_taken_without_gradients():
    weight = torch.ones(1, requires_grad=True)

    def steps():
        for i in range(3):
            yield (weight * i).requires_grad, torch.is_inference_mode_enabled()

    assert list(locked_steps(steps())) == [(False, True)] * 3
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (3, 2), (7, 3), (8, 4), (16, 4)])
def test_sheets_without_holes(n, columns):
    assert columns_for(n) == columns


# -- finishing -----------------------------------------------------------------------------------------------------------


@every_writer
def test_what_is_given_stays(name):
    """Whatever the mask is: the given pixels are kept to the last level, and of them nothing is said about bits."""
    _, height, width = core.describe(name)["shape"]
    hidden = np.random.default_rng(3).random((height, width)) < 0.5
    picture = masked(name, hidden, pad(name))
    writing = end(autoregressive.complete_rows(name, picture, n=3))
    drawn, bits = unpacked(writing)
    original = pixels(picture)
    assert np.array_equal(drawn[:, ~hidden], np.broadcast_to(original[~hidden], drawn[:, ~hidden].shape))
    assert (drawn[:, hidden] != original[hidden]).any(-1).mean() > 0.5, "the others were written anew"
    assert np.array_equal(bits == UNKNOWN, np.broadcast_to(~hidden, bits.shape))
    assert writing["start"] == picture["pixels"]
    assert writing["mask"] == picture["mask"]
    assert writing["info"]["given_pixels"] == str((~hidden).sum())


@needs_a_writer
def test_all_given():
    picture = pad(NAME)
    drawn, bits = unpacked(end(autoregressive.complete_rows(NAME, picture, n=2)))
    assert all(np.array_equal(one, pixels(picture)) for one in drawn)
    assert (bits == UNKNOWN).all()


@needs_a_writer
def test_none_given():
    """Then it is the same as to write, and the picture says nothing."""
    free = end(autoregressive.sample_rows(NAME, n=4, seed=2))
    assert (
        end(autoregressive.complete_rows(NAME, masked(NAME, everything(NAME)), n=4, seed=2, label="balanced"))["rows"]
        == free["rows"]
    )
    assert (
        end(autoregressive.complete_rows(NAME, masked(NAME, everything(NAME), pad(NAME)), 4, 2, "balanced"))["rows"]
        == free["rows"]
    )


@needs_a_writer
def test_only_what_comes_before_informs():
    """A given pixel changes nothing above it, nor to its left in the same row."""
    _, height, width = core.describe(NAME)["shape"]
    hidden = everything(NAME)
    row, column = height // 2, width // 2
    hidden[row, column] = False
    drawn = []
    for level in (0, 255):
        picture = pad(NAME)
        array = pixels(picture).copy()
        array[row, column] = level
        drawn.append(
            unpacked(
                end(
                    autoregressive.complete_rows(
                        NAME, masked(NAME, hidden, pictures.to_pad(array.transpose(2, 0, 1))), n=8
                    )
                )
            )[0]
        )
    before, after = (d.reshape(8, height * width, -1) for d in drawn)
    place = row * width + column
    assert np.array_equal(before[:, :place], after[:, :place])
    assert not np.array_equal(before[:, place + 1 :], after[:, place + 1 :])


@needs_a_writer
def test_the_class_that_it_is_told():
    half = pictures.top_half(examples.own_pictures(NAME, 1)[0][1])
    classes = core.describe(NAME)["classes"]
    written = {
        label: end(autoregressive.complete_rows(NAME, half, 4, 0, label)) for label in (None, "balanced", *classes[:2])
    }
    assert len({str(writing["rows"]) for writing in written.values()}) == 4
    assert [writing["info"]["class"] for writing in written.values()] == [
        "no class named", "every class in turn", *classes[:2],
    ]  # fmt: skip
    balanced, first = unpacked(written["balanced"])[0], unpacked(written[classes[0]])[0]
    assert np.array_equal(balanced[0], first[0]), "the first in turn is the first class"


@needs_a_writer
def test_the_lower_half_is_hidden():
    picture = pictures.top_half(pad(NAME))
    _, height, width = picture["shape"]
    hidden = np.frombuffer(base64.b64decode(picture["mask"]), np.uint8).reshape(height, width)
    assert not hidden[: height // 2].any()
    assert hidden[height // 2 :].all()


# -- what it expects -----------------------------------------------------------------------------------------------------


@every_writer
def test_surprises_add_up_to_bits_per_dim(name):
    picture = examples.own_pictures(name, 1)[0][1]
    found = autoregressive.surprise_map(name, picture)
    channels, height, width = found["shape"]
    bits = np.frombuffer(base64.b64decode(found["bits"]), np.uint8).reshape(height, width) / 10
    assert found["name"] == name
    assert found["pixels"] == picture["pixels"]
    assert bits.mean() / channels == pytest.approx(
        float(operations.bits_per_dim(load_model(name), torch.from_numpy(pixels(picture).copy()).movedim(2, 0)[None] / 127.5 - 1)),
        abs=0.05,
    )  # fmt: skip
    x, y = width // 2, height // 2
    exact = sum(channel["bits"] for channel in autoregressive.pixel_distribution(name, picture, x, y))
    assert bits[y, x] == pytest.approx(min(exact, 25.4), abs=0.051)


@every_writer
def test_a_distribution_of_every_level(name):
    picture = examples.own_pictures(name, 1)[0][1]
    _, height, width = core.describe(name)["shape"]
    for x, y in ((0, 0), (width - 1, height - 1), (width // 2, height // 3)):
        for k, channel in enumerate(autoregressive.pixel_distribution(name, picture, x, y)):
            p = np.array(channel["probabilities"])
            assert len(p) == 256
            assert p.sum() == pytest.approx(1, abs=3e-4)
            assert channel["level"] == pixels(picture)[y, x, k]
            assert 2 ** -channel["bits"] == pytest.approx(p[channel["level"]], abs=1e-6)
            assert channel["entropy"] == pytest.approx(-(p[p > 0] * np.log2(p[p > 0])).sum(), abs=0.02)


@every_writer
def test_what_it_expects_depends_on_what_comes_before(name):
    _, height, width = core.describe(name)["shape"]
    x, y = width // 2, height // 2
    array = pixels(examples.own_pictures(name, 1)[0][1]).copy()

    def expected(row: int, column: int) -> list[list[float]]:
        changed = array.copy()
        changed[row, column] = 255 - changed[row, column]
        found = autoregressive.pixel_distribution(name, pictures.to_pad(changed.transpose(2, 0, 1)), x, y)
        return [channel["probabilities"] for channel in found]

    plain = [
        channel["probabilities"]
        for channel in autoregressive.pixel_distribution(name, pictures.to_pad(array.transpose(2, 0, 1)), x, y)
    ]
    assert expected(y, x + 1) == expected(y + 1, x) == expected(height - 1, 0) == plain
    assert expected(y, x)[0] == plain[0], "nor does it know the pixel itself"
    assert expected(y, x - 1) != plain
    assert expected(y - 1, x) != plain
