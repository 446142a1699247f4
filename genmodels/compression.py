"""Pictures in few bytes: codes that are rounded and packed, pixels by an exact likelihood, and the formats that everybody has.

In the world outside: learned codecs for pictures, lossy ones that round a network's code (Ballé et al. 2017, arXiv 1611.01704; JPEG AI, ISO/IEC
6048) and lossless ones that feed a model's probabilities to an arithmetic coder (Witten, Neal & Cleary 1987, doi 10.1145/214762.214771).
The weights count for nothing here: both sides have them, as they have the tables of a format.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels.data import to_float, to_picture, to_uint8
from genmodels.operations import device_of, require
from genmodels.protocols import AnyModel, Reconstructs, WritesRows

MARGIN = 0.05  # of a number's range among known pictures: as much is added on both sides
#: What each coder of a picture's file is told, from the smallest file to the largest.
QUALITIES = (1, 5, 10, 20, 35, 50, 65, 80, 90, 95)


# -- codes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantiser:
    """Codes `(B, D)` as whole numbers of `bits` bits each, evenly between low and high `(D,)`, packed without gaps."""

    low: Tensor
    high: Tensor
    bits: int

    @classmethod
    def of(cls, codes: Tensor, bits: int) -> "Quantiser":
        """For codes like these `(N, D)`. Raises ValueError unless there are 1 to 16 bits."""
        if not 1 <= bits <= 16:
            raise ValueError(f"A number has 1 to 16 bits, not {bits}.")
        low, high = codes.amin(0), codes.amax(0)
        reach = MARGIN * (high - low).clamp(min=1e-6)
        return cls(low - reach, high + reach, bits)

    @property
    def size(self) -> int:
        """Bytes of a code."""
        return math.ceil(len(self.low) * self.bits / 8)

    def pack(self, code: Tensor) -> bytes:
        """A code `(D,)` as bytes; what lies outside goes to the nearest end.

        >>> quantiser = Quantiser(torch.zeros(3), torch.ones(3), bits=4)
        >>> packed = quantiser.pack(torch.tensor([0.0, 0.2, 1.0]))
        >>> packed.hex(), quantiser.unpack(packed).tolist() == torch.tensor([0.0, 0.2, 1.0]).tolist()
        ('03f0', True)
        """
        top = 2**self.bits - 1
        steps = ((code - self.low) / (self.high - self.low) * top).round().clamp(0, top).to(torch.int64).cpu().numpy()
        digits = (steps[:, None] >> np.arange(self.bits)[::-1]) & 1
        return np.packbits(digits.astype(np.uint8)).tobytes()

    def unpack(self, packed: bytes) -> Tensor:
        """The code `(D,)` that bytes stand for, as near as its steps are. Raises ValueError for another number of bytes."""
        if len(packed) != self.size:
            raise ValueError(f"This code has {self.size} bytes, not {len(packed)}.")
        digits = np.unpackbits(np.frombuffer(packed, np.uint8))[: len(self.low) * self.bits].reshape(-1, self.bits)
        steps = torch.from_numpy(digits.astype(np.int64) @ (1 << np.arange(self.bits)[::-1])).to(self.low)
        return self.low + steps / (2**self.bits - 1) * (self.high - self.low)


@torch.no_grad()
def through_code(model: AnyModel, x: Tensor, quantiser: Quantiser) -> Tensor:
    """Images `(B, C, H, W)`, encoded, packed, unpacked and decoded."""
    model = require(model, Reconstructs)
    codes = [quantiser.unpack(quantiser.pack(code)) for code in model.encode(x).flatten(1)]
    return model.decode(torch.stack(codes).to(x)).clamp(-1, 1)


# -- pixels, by their probabilities ------------------------------------------------------------------------------------


def to_bytes(model: AnyModel, x: Tensor) -> bytes:
    """An image `(1, C, H, W)` by range coding, each level by the probability that the model gives it after those before.

    Lossless. Raises ValueError for a model that gives none, and where the package constriction is missing.
    """
    model, coding = require(model, WritesRows), _constriction()
    levels = to_uint8(x).long()
    encoder = coding.stream.queue.RangeEncoder()
    for c, row, column, odds in model.probabilities_in_turn(levels.clone()):
        encoder.encode(int(levels[0, c, row, column]), _categorical(coding, odds))
    return encoder.get_compressed().tobytes()


def from_bytes(model: AnyModel, packed: bytes) -> Tensor:
    """The image `(1, C, H, W)` that `to_bytes` packed, by the same model on a machine that rounds alike."""
    model, coding = require(model, WritesRows), _constriction()
    if len(packed) % 4:
        raise ValueError(f"A range code is made of words of 4 bytes; {len(packed)} bytes are none.")
    decoder = coding.stream.queue.RangeDecoder(np.frombuffer(packed, np.uint32))
    levels = torch.zeros(1, *model.image_shape, dtype=torch.long, device=device_of(model))
    for c, row, column, odds in model.probabilities_in_turn(levels):
        levels[0, c, row, column] = int(decoder.decode(_categorical(coding, odds)))
    return to_float(levels.to(torch.uint8))


def _constriction() -> Any:
    try:
        import constriction  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ValueError("Range coding needs the package constriction: pip install 'genmodels[compress]'.") from error
    return constriction


def _categorical(coding: Any, odds: Tensor) -> Any:
    return coding.stream.model.Categorical(odds[0].cpu().numpy(), perfect=False)


# -- files -------------------------------------------------------------------------------------------------------------


def as_file(pixels: Tensor, kind: str, **options: Any) -> bytes:
    """A picture, uint8 `(C, H, W)`, as a file of a kind that Pillow writes: "png", "jpeg", "webp"."""
    file = io.BytesIO()
    to_picture(pixels).save(file, kind, **options)
    return file.getvalue()


def from_file(content: bytes, channels: int) -> Tensor:
    """The picture of a file, uint8 `(C, H, W)`."""
    with Image.open(io.BytesIO(content)) as image:
        array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return torch.from_numpy(array.reshape(*array.shape[:2], channels).transpose(2, 0, 1).copy())


#: What `as_file` is told so that the file is small, and nothing is lost.
LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {"optimize": True},
    "webp": {"lossless": True, "quality": 100, "method": 6, "exact": True},
}
