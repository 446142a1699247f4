"""One picture in at most so many bytes: by the codes of models, by their likelihoods, and as files of the usual formats.

What it stands for: learned codecs, see `genmodels/compression.py`; over many pictures, `experiments/compress.py` measures.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels import compression, operations
from genmodels.compression import QUALITIES, Quantiser
from genmodels.data import DATASETS, to_float, to_uint8
from genmodels.protocols import AnyModel, Decodes, Encodes, HasLikelihood, Reconstructs
from genmodels.wrappers import examples, on_record
from genmodels.wrappers.bottleneck import finite_psnr
from genmodels.wrappers.core import available, describe, get_model, locked
from genmodels.wrappers.pictures import from_pad
from genmodels.wrappers.section import Answer, packed
from genmodels.wrappers.state import State, drawing, whole

MOST_BITS = 8  # of a number of a code
WORD = 4  # bytes: what a range coder adds at most


@dataclass(frozen=True)
class BytesState(State):
    picture: str = drawing()
    budget: int = whole("Bytes at most", 32, 4, 1000, step=4)


def coded() -> list[str]:
    """Autoencoders of data of which there are real pictures here: they say between which ends the numbers of a code lie."""
    return [name for name in available("autoencoder") if examples.known_images(name) is not None]


@functools.lru_cache(maxsize=16)
def others(name: str) -> list[str]:
    """The first model of each family for the same data that has codes or a likelihood, this one first."""
    names = on_record.of_data(describe(name)["data"])
    able = [one for one in names if on_record.can(one, HasLikelihood) or _has_codes(one)]
    return [name, *(one for one in on_record.first_of_each(able) if one != name)]


def _has_codes(name: str) -> bool:
    return on_record.can(name, Encodes) and on_record.can(name, Decodes)


@locked
def fit(state: BytesState) -> Answer:
    """gallery: the picture as given, then what each coder makes of it within the budget, with bytes and PSNR; an empty one where
    it needs more. words: who fits, and who doesn't. bytes: of each coder, by its name; None where it needs more."""
    x, _ = from_pad(state.model, state.pad_of("picture"))
    raw = x[0].numel()
    rows: list[tuple[str, int, Tensor | None]] = []
    for name in others(state.model):
        rows += _by_model(name, x, state.picture, state.budget)
    rows += [_by_format(kind, title, to_uint8(x)[0], state.budget) for kind, title in FORMATS.items()]
    empty = torch.full_like(to_uint8(x), DATASETS[describe(state.model)["data"]].background)
    shown, titles = [to_uint8(x)], [["as given", f"{raw} bytes"]]
    for name, size, again in rows:
        shown.append(empty if again is None else to_uint8(again))
        titles.append([name, f"{size} bytes", "too many" if again is None else _quality(again, x)])
    fitting = [(name, finite_psnr(again, x), -size) for name, size, again in rows if again is not None]
    best = max(fitting, key=lambda row: row[1:], default=None)  # of equals the smallest
    return {
        "gallery": {"pictures": packed(torch.cat(shown)), "titles": titles, "marked": [i > 0 and best is not None and rows[i - 1][0] == best[0] for i in range(len(titles))]},
        "words": f"In {state.budget} bytes, of {raw} as it is: **{best[0]}** comes closest, in {-best[2]}." if best else f"Nothing fits into {state.budget} bytes.",
        "bytes": {name: None if again is None else size for name, size, again in rows},
    }  # fmt: skip


def _quality(again: Tensor, x: Tensor) -> str:
    return "lossless" if torch.equal(to_uint8(again), to_uint8(x)) else f"{finite_psnr(again, x):.1f} dB"


def _by_model(name: str, x: Tensor, picture: str, budget: int) -> list[tuple[str, int, Tensor | None]]:
    """A row for its code, if it has a short one: with as many bits for a number as fit; one for its exact likelihood."""
    model = get_model(name, AnyModel)
    rows: list[tuple[str, int, Tensor | None]] = []
    if operations.compresses(model):
        codes = _known_codes(name)
        bits = min(MOST_BITS, 8 * budget // codes.shape[1])
        quantiser = Quantiser.of(codes, max(1, bits))
        rows.append((name, quantiser.size, compression.through_code(model, x, quantiser) if bits else None))
    elif isinstance(model, HasLikelihood):
        size = _ideal(name, picture)
        rows.append((name, size, x if size <= budget else None))
    return rows


@functools.lru_cache(maxsize=16)
def _known_codes(name: str) -> Tensor:
    """Of the real pictures that the package keeps."""
    images = examples.known_images(name)
    model = operations.require(get_model(name, AnyModel), Reconstructs)
    assert images is not None
    return model.encode(images[:][0].to(operations.device_of(model))).flatten(1)


@functools.lru_cache(maxsize=256)
def _ideal(name: str, picture: str) -> int:
    """Bytes of an ideal code by the likelihood, with the word that a range coder adds."""
    x, _ = from_pad(name, {"pixels": picture, "mask": "", "shape": describe(name)["shape"]})
    bits = float(operations.bits_per_dim(get_model(name, HasLikelihood), x)) * x.numel()
    return math.ceil(bits / 8) + WORD


FORMATS = {"png": "PNG", "webp": "WebP", "jpeg": "JPEG"}


def _by_format(kind: str, title: str, pixels: Tensor, budget: int) -> tuple[str, int, Tensor | None]:
    """The best file within the budget; else the smallest."""
    files = _files(kind, pixels.cpu().numpy().tobytes(), tuple(pixels.shape))
    fitting = [file for file in files if len(file) <= budget]
    if not fitting:
        return title, min(map(len, files)), None
    best = max(
        fitting,
        key=lambda file: (
            -float((compression.from_file(file, len(pixels)).float() - pixels.cpu().float()).square().mean())
        ),
    )
    return title, len(best), to_float(compression.from_file(best, len(pixels)))[None].to(pixels.device)


@functools.lru_cache(maxsize=64)
def _files(kind: str, raw: bytes, shape: tuple[int, ...]) -> list[bytes]:
    pixels = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(shape)
    whole = [compression.as_file(pixels, kind, **compression.LOSSLESS[kind])] if kind != "jpeg" else []
    return whole + ([compression.as_file(pixels, kind, quality=q) for q in QUALITIES] if kind != "png" else [])
