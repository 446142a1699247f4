"""The PixelCNN's sections: rows as they are written, what is given stays, what is expected, and what is refused."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from helpers import unpacked

from genmodels import checkpoint, operations
from genmodels.data import to_uint8
from genmodels.models.autoregressive import Writer
from genmodels.protocols import WritesRows, abilities_of
from genmodels.registry import FAMILIES, get_family
from genmodels.tabs import pixelcnn
from genmodels.wrappers import autoregressive, core, examples
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, Section
from genmodels.wrappers.state import NOT_TOLD, Refused

SECTIONS = {section.key: section for section in pixelcnn.TAB.sections}
NAMES = core.available("pixelcnn")
pytestmark = pytest.mark.skipif(not NAMES, reason="no PixelCNN is bundled")
NAME = NAMES[0] if NAMES else ""


def first_of(section: Section) -> dict[str, Any]:
    """What comes first in its state."""
    return {"model": NAME} if section.State.subject == "model" else {"data": core.describe(NAME)["data"]}


def answered(key: str, **state: object) -> Any:
    section = SECTIONS[key]
    return section.answer(section.parse(first_of(section) | state))


def bits_of(answer: Answer) -> np.ndarray:
    """`(N, rows, W)`, in bits, 25.5 where nothing was drawn."""
    n, _, h, w = answer["samples"]["shape"]
    return np.frombuffer(base64.b64decode(answer["bits"]), np.uint8).reshape(n, h, w) / autoregressive.TENTHS


def text(values: np.ndarray) -> str:
    return base64.b64encode(values.astype(np.uint8).tobytes()).decode()


@pytest.mark.parametrize("key", SECTIONS)
def test_default_states_are_answered(key):
    section = SECTIONS[key]
    answer = answered(key)
    answer = next(answer) if section.work else answer
    assert all(view["key"] in answer for view in section.spec()["views"])
    first = first_of(section)
    state = section.parse(first)
    assert section.parse(state.picked(*section.State.kinds()) | first) == state


def test_the_tab_opens_with_watch_it_write():
    assert next(iter(SECTIONS)) == "pixelcnn.write"


# -- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [0.0, 1e9])
def test_rows_come_once_and_the_last_answer_has_them_all(quick, monkeypatch):
    """Whether each is sent by itself, or all but the first wait for the end."""
    monkeypatch.setattr(autoregressive, "QUICK", quick)
    *parts, last = answered("pixelcnn.write", n=2, seed=3)
    height = core.describe(NAME)["shape"][1]
    assert len(parts) == (1 if quick else height - 1)
    assert last["done"]
    assert not any("done" in part for part in parts)
    assert [part["row"] for part in parts] == list(range(len(parts)))
    whole = unpacked(last["samples"])
    for key, of in (("samples", lambda answer: unpacked(answer["samples"])), ("bits", bits_of)):
        joined = np.concatenate([of(part) for part in parts], 1)
        assert np.array_equal(joined, of(last)[:, : joined.shape[1]]), key
    made = operations.sample(core.get_model(NAME, WritesRows), 2, 3, "balanced")
    assert np.array_equal(whole, to_uint8(made).numpy().transpose(0, 2, 3, 1))
    assert last["row"] == 0


def test_a_picture_depends_on_its_own_seed():
    *_, two = answered("pixelcnn.write", n=2, seed=5, label="7")
    *_, one = answered("pixelcnn.write", n=1, seed=6, label="7")
    assert np.array_equal(unpacked(two["samples"])[1], unpacked(one["samples"])[0])


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that are computed from now on."""
    rows, write = [], Writer.write_row
    monkeypatch.setattr(Writer, "write_row", lambda self, row, *rest: rows.append(row) or write(self, row, *rest))
    return rows


@pytest.mark.parametrize("key", ["pixelcnn.write", "pixelcnn.finish"])
def test_who_stops_listening_stops_the_work(key, monkeypatch):
    rows = counted(monkeypatch)
    answers: Iterator[Answer] = answered(key, n=1)
    assert rows == []
    next(answers)
    answers.close()
    assert rows == [0]


# -- finishing --------------------------------------------------------------------------------------------------------


def test_what_is_given_stays():
    *_, last = answered("pixelcnn.finish", n=2)
    given = unpacked({**examples.of_kind(NAME)[0][1], "shape": [1, *core.describe(NAME)["shape"]]})
    half = given.shape[1] // 2
    made = unpacked(last["samples"])
    assert np.array_equal(made[:, :half], given[:, :half].repeat(2, 0))
    assert not np.array_equal(made[0], made[1])
    assert (bits_of(last)[:, :half] == 25.5).all()
    assert (bits_of(last)[:, half:] < 25.5).all()
    assert np.array_equal(unpacked(last["start"]), given)


def test_endings_are_those_of_the_library():
    shape = core.describe(NAME)["shape"]
    covered = np.zeros(shape[1:], bool)
    covered[10:20, 5:15] = True
    *_, last = answered("pixelcnn.finish", n=2, seed=4, hidden=text(covered), temperature=0.5)
    model, x = core.get_model(NAME, WritesRows), from_pad(NAME, examples.of_kind(NAME)[0][1])[0].expand(2, -1, -1, -1)
    mask = torch.from_numpy(~covered).expand(2, 1, -1, -1)
    labels = operations.as_labels(model, 2, None)
    with torch.no_grad():
        made = model.complete(
            x, mask, labels, generators=[torch.Generator().manual_seed(s) for s in (4, 5)], temperature=0.5
        )
    assert np.array_equal(unpacked(last["samples"]), to_uint8(made).numpy().transpose(0, 2, 3, 1))


def test_nothing_hidden_is_nothing_written():
    *_, last = answered("pixelcnn.finish", n=1, hidden="")
    assert "nothing was written" in last["words"]
    assert last["bits_per_pixel"] == 0


# -- what it expects --------------------------------------------------------------------------------------------------


def test_surprises_add_up_to_the_likelihood():
    """Of the map, in tenths, and exactly by the bits/dim."""
    surprises = np.frombuffer(base64.b64decode(answered("pixelcnn.surprise")["bits"]), np.uint8) / 10
    bits = answered("pixelcnn.likelihood")
    assert not bits["is_bound"]
    assert "≤" not in bits["words"]
    assert surprises.mean() == pytest.approx(bits["bits"], abs=0.05)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (14, 10), (27, 27)])
def test_what_is_expected_of_a_pixel(x, y):
    answer = answered("pixelcnn.expect", x=x, y=y)
    (channel,) = answer["channels"]
    assert sum(channel["probabilities"]) == pytest.approx(1, abs=1e-3)
    surprises = np.frombuffer(base64.b64decode(answered("pixelcnn.surprise")["bits"]), np.uint8)
    assert min(channel["bits"], 25.4) == pytest.approx(surprises[28 * y + x] / 10, abs=0.051)
    assert answer["words"].startswith(f"Column {x + 1}, row {y + 1}:")


def test_what_comes_later_informs_nothing():
    shape = core.describe(NAME)["shape"]
    pixels = np.frombuffer(base64.b64decode(examples.of_kind(NAME)[0][1]["pixels"]), np.uint8).copy()
    pixels[14 * shape[2] + 15 :] = 0
    (one,) = answered("pixelcnn.expect", x=14, y=14)["channels"]
    (other,) = answered("pixelcnn.expect", x=14, y=14, picture=text(pixels))["channels"]
    assert one["probabilities"] == other["probabilities"]


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("pixelcnn.write", "n", 17),
        ("pixelcnn.write", "n", 2.5),
        ("pixelcnn.write", "temperature", -0.1),
        ("pixelcnn.write", "label", NOT_TOLD),
        ("pixelcnn.finish", "hidden", "AAAA"),
        ("pixelcnn.finish", "picture", "#99"),
        ("pixelcnn.expect", "x", 28),
        ("pixelcnn.expect", "y", "3"),
        ("pixelcnn.likelihood", "model", "vae-mnist"),
    ],
)
def test_refusals_name_the_field(key, field, value):
    with pytest.raises(Refused) as refused:
        answered(key, **{field: value})
    assert refused.value.field == field
    assert "\n" not in str(refused.value)


# -- three ways to look back -------------------------------------------------------------------------------------------


def test_every_family_that_writes_shows_its_way_or_says_why_not() -> None:
    """The pictures are those of `sample`, with the same seed and class."""
    first, *parts, last = answered("pixelcnn.three", seed=3, label="7")
    families = [family for family in FAMILIES if WritesRows in abilities_of(get_family(family))]
    assert [way["family"] for way in first["ways"]] == [way["family"] for way in last["ways"]] == families
    for i, way in enumerate(last["ways"]):
        if not way["model"]:
            assert f"genmodels train {way['family']} --data mnist" in way["why"]
            continue
        made = operations.sample(core.get_model(way["model"], WritesRows), 1, 3, 7)
        assert np.array_equal(unpacked(way["picture"]), to_uint8(made).numpy().transpose(0, 2, 3, 1))
        rows = [part["row"] for part in parts if part["way"] == i]
        assert rows == sorted(set(rows))
        assert rows[-1] == core.describe(NAME)["shape"][1]
        times = [part["ms"] for part in parts if part["way"] == i]
        assert times == sorted(times)
        assert way["ms"] == times[-1] > 0
    pixelcnn = next(way for way in last["ways"] if way["model"] == "pixelcnn-mnist")
    assert (
        pixelcnn["bits"] == checkpoint.read_json("pixelcnn-mnist", "metrics.json")["metrics"]["bits_per_dim"]["value"]
    )


@pytest.mark.parametrize("name", core.available_of_kin("pixelcnn"))
@pytest.mark.parametrize(("x", "y"), [(0, 0), (9, 0), (5, 11), (27, 27)])
def test_a_field_is_what_bore_on_the_pixel(name, x, y):
    """Nothing from the pixel itself on, and the strongest at the top of the scale."""
    _, height, width = core.describe(name)["shape"]
    answer = answered("pixelcnn.field", model=name, x=x, y=y)
    field = np.frombuffer(base64.b64decode(answer["field"]), np.uint8)
    assert field.size == height * width
    before = y * width + x
    assert not field[before:].any()
    assert np.count_nonzero(field) == answer["reach"]
    if not before:
        assert "nothing stands before it" in answer["words"]
        return
    assert field.max() == 255
    assert 1 <= answer["nine_tenths"] <= answer["reach"] <= before
    assert f"{answer['reach']} of {before}" in answer["words"]


def test_fields_of_no_picture_are_refused():
    for state, said in (
        ({"x": 28}, "column"),
        ({"y": -1}, "row"),
        ({"picture": "no"}, "picture"),
        ({"label": "ten"}, "class"),
    ):
        with pytest.raises(Refused, match=said):
            answered("pixelcnn.field", **state)
