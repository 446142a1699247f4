"""Drawings in few letters, as links carry them: ".d…" or ".p…", made by web/elements/packing.js.

Behind the two letters stands base64url, without padding, of a raw DEFLATE stream (RFC 1951) of the drawing's bytes; of a "p"
each byte is the difference to what its neighbours foretell, by the rule of PNG (Paeth), which makes photos smaller.
"""

import base64
import binascii
import zlib
from collections.abc import Sequence

MARK = "."  # no letter of base64
BROKEN = "The {what} of this link can't be read: the link was cut off or changed."


def is_packed(value: str) -> bool:
    return value.startswith(MARK)


def unpacked(text: str, shape: Sequence[int], what: str = "picture") -> bytes:
    """The bytes (uint8, height, width, channel order) of a packed drawing of this shape (channels, height, width).

    No more than these are ever unpacked, whatever the text holds. Raises ValueError in one sentence, about `what`, if it
    is cut off, changed, or of another size.
    """
    channels, height, width = shape
    count = channels * height * width
    code = text[2:]
    try:
        packed = base64.b64decode(code + "=" * (-len(code) % 4), altchars="-_", validate=True)
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        raw = stream.decompress(packed, count + 1)
    except (ValueError, binascii.Error, zlib.error):
        raise ValueError(BROKEN.format(what=what)) from None
    if text[1:2] not in ("d", "p") or not stream.eof or stream.unused_data or len(raw) != count:
        raise ValueError(BROKEN.format(what=what))
    return raw if text[1] == "d" else _foretold(raw, channels, channels * width)


def _foretold(differences: bytes, step: int, row: int) -> bytes:
    """The bytes of which these are the differences to Paeth's predictor."""
    found = bytearray(differences)
    for i in range(len(found)):
        inside = i % row >= step
        left = found[i - step] if inside else 0
        up = found[i - row] if i >= row else 0
        corner = found[i - row - step] if inside and i >= row else 0
        guess = left + up - corner
        nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
        found[i] = (found[i] + nearest[2]) % 256
    return bytes(found)
