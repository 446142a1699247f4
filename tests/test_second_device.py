"""The app where there is a GPU, on devices that exist without one: each section answers there what it answers on the CPU."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from helpers import forget, others_slow, unpacked
from second_device import second_devices

from genmodels import checkpoint, device
from genmodels.tabs import page

pytestmark = pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")
#: Those that compute; one that measures is another one each time, and one asks the Hub.
SECTIONS = {
    key: section
    for key, section in page.sections().items()
    if section.is_ready and section.lane == "cpu" and not key.startswith("compare.") and ".hub" not in key
}
#: They ask for gradients, which torch computes on no device of this kind; on a GPU test_gpu.py asks them.
BY_GRADIENT = {"pixelcnn.field"}
MS = re.compile(r"[\d.]+ ms")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.device]]:
    """Two devices, of which the first one is busy."""
    with second_devices(2) as devices:
        forget()
        monkeypatch.setattr(device, "devices", lambda: tuple(devices))
        monkeypatch.setitem(device._users, devices[0], 1)
        yield devices
    forget()


def answered(key: str) -> dict[str, Any]:
    """Of a work section the last answer, which is complete: how many come before depends on the time they take."""
    section = SECTIONS[key]
    answer = section.answer(section.parse({}))
    return list(answer)[-1] if section.work else answer


def same(found: Any, expected: Any, where: str = "") -> None:
    """Up to rounding, but for times."""
    if isinstance(expected, dict) and "pixels" in expected and "shape" in expected:
        assert abs(unpacked(found).astype(int) - unpacked(expected)).max() <= 1, where
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in (key for key in expected if not key.startswith("ms") and key != "progress"):
            same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-3, rel=1e-3), where
    elif isinstance(expected, str):
        assert MS.sub("", found) == MS.sub("", expected), where
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    "key", others_slow([key for key in SECTIONS if key not in BY_GRADIENT], lambda key: key.partition(".")[0])
)
def test_a_section_answers_there_what_it_answers_on_the_cpu(key: str, request: pytest.FixtureRequest):
    """On the device that is less busy, and all of it: what is mixed with another device's tensors fails."""
    forget()
    expected = answered(key)
    elsewhere = request.getfixturevalue("elsewhere")
    assert device.here() == elsewhere[0]
    same(answered(key), expected)
