"""What the PixelCNN tab stands on: writing row by row, finishing a picture, what is expected of each pixel."""

import base64

import numpy as np
import pytest
import torch
from test_wrappers import pad, pixels, refused

from genmodels import operations
from genmodels.wrappers import autoregressive, core, examples, pictures
from genmodels.wrappers.core import load_model, locked_steps
from genmodels.wrappers.latents import PictureState

WRITERS = core.available("pixelcnn")
#: One of grey pictures, one of coloured ones.
every_writer = pytest.mark.parametrize("name", {core.describe(name)["shape"][0]: name for name in WRITERS}.values())
needs_a_writer = pytest.mark.skipif(not WRITERS, reason="no PixelCNN is bundled")
NAME = WRITERS[0] if WRITERS else ""


# -- what is refused, and at once ----------------------------------------------------------------------------------------


@needs_a_writer
@pytest.mark.parametrize("value", [-1, 28])
def test_places_outside(value):
    _, height, width = core.describe(NAME)["shape"]
    refused(lambda: autoregressive.pixel_distribution(NAME, pad(NAME), value, 0), "column", 0, width - 1)
    refused(lambda: autoregressive.pixel_distribution(NAME, pad(NAME), 0, value), "row", 0, height - 1)


# -- writing -------------------------------------------------------------------------------------------------------------


def test_steps_are_taken_without_gradients():
    weight = torch.ones(1, requires_grad=True)

    def steps():
        for i in range(3):
            yield (weight * i).requires_grad, torch.is_inference_mode_enabled()

    assert list(locked_steps(steps())) == [(False, True)] * 3
    assert not torch.is_inference_mode_enabled()


# -- what it expects -----------------------------------------------------------------------------------------------------


@every_writer
def test_surprises_add_up_to_bits_per_dim(name):
    picture = examples.own_pictures(name, 1)[0][1]
    found = autoregressive.surprise(PictureState(name, picture["pixels"]))
    _, channels, height, width = found["picture"]["shape"]
    bits = np.frombuffer(base64.b64decode(found["bits"]), np.uint8).reshape(height, width) / 10
    assert found["picture"]["pixels"] == picture["pixels"]
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
