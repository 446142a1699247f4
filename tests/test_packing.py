"""Drawings as links carry them: unpacked whole, or refused in one sentence at no cost."""

import base64
import time
import tracemalloc
import zlib

import numpy as np
import pytest

from genmodels.wrappers.packing import is_packed, unpacked

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 32, 32)]


def letters(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def deflated(raw: bytes, end: bool = True) -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    return stream.compress(raw) + stream.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)


def packed(raw: bytes, way: str = "d") -> str:
    return f".{way}{letters(deflated(raw))}"


def differences(picture: np.ndarray) -> bytes:
    """What PNG's fourth filter makes of a picture (H, W, C), row by row."""
    found = []
    padded = np.pad(picture.astype(int), ((1, 0), (1, 0), (0, 0)))
    for y, x, c in np.ndindex(*picture.shape):
        left, up, corner = (int(padded[y + dy, x + dx, c]) for dy, dx in ((1, 0), (0, 1), (0, 0)))
        guess = left + up - corner
        found.append((int(picture[y, x, c]) - min((left, up, corner), key=lambda v: abs(v - guess))) % 256)
    return bytes(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_packed_comes_back(shape):
    channels, height, width = shape
    picture = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    raw = picture.tobytes()
    assert is_packed(packed(raw))
    assert unpacked(packed(raw), shape) == raw
    assert unpacked(packed(differences(picture), "p"), shape) == raw


RAW = bytes(range(256)) * 3 + bytes(16)
BAD = {
    "nothing": "",
    "no way": ".",
    "no letters": ".d",
    "an unknown way": packed(RAW).replace(".d", ".x"),
    "cut off": packed(RAW)[:-40],
    "without its end": f".d{letters(deflated(RAW, end=False))}",
    "one letter too many": f"{packed(RAW)}A",
    "more behind it": f".d{letters(deflated(RAW) + b'more')}",
    "other letters": f"{packed(RAW)}!!!!",
    "another script": ".dé日本",
    "no stream": f".d{letters(b'no stream at all')}",
    "with a head": f".d{letters(zlib.compress(RAW))}",
    "too small": packed(RAW[:-1]),
    "too large": packed(RAW + b"\0"),
    "empty": packed(b""),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("what", ["picture", "mask"])
def test_what_was_cut_off_or_changed_is_refused(text, what):
    with pytest.raises(ValueError, match="link") as caught:
        unpacked(text, (1, 28, 28), what)
    assert str(caught.value) == f"The {what} of this link can't be read: the link was cut off or changed."


def test_a_bomb_costs_nothing():
    """Forty megabytes in a few letters."""
    bomb = packed(bytes(40_000_000))
    tracemalloc.start()
    begun = time.process_time()
    for way in "dp":
        with pytest.raises(ValueError, match="can't be read"):
            unpacked(bomb.replace(".d", f".{way}"), (3, 32, 32))
    seconds = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert seconds < 0.1
