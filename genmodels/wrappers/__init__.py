"""The thin layer between the app and the models: plain values in (name, n, seed, knobs), pictures and tables out.

Everything that a visitor sends passes through here, so everything is checked here: a ValueError is one sentence that
says what was wrong and what is allowed. Pictures come back enlarged pixel by pixel, with their settings in `.info`
(written into the PNG as text). One lock keeps two visitors from computing at once, each with all threads: the second
waits some milliseconds instead of slowing both down many times over.

The functions follow the abilities: `codes` for what encodes and decodes, `sampling` for what samples, and so on.
"""

from genmodels.wrappers.codes import (
    autoencode,
    between,
    decode_point,
    latent_map,
    latents,
    locate,
    traversal_strip,
    traverse,
    variations,
    walk,
)  # fmt: skip
from genmodels.wrappers.core import LARGEST, MAX_SEED, about, available, describe, real, whole
from genmodels.wrappers.pictures import Pad, blank, read_picture, thumbnail, to_pad
from genmodels.wrappers.sampling import sample
from genmodels.wrappers.starters import examples, outliers

__all__ = [
    "LARGEST", "MAX_SEED", "Pad", "about", "autoencode", "available", "between", "blank", "decode_point", "describe",
    "examples", "latent_map", "latents", "locate", "outliers", "read_picture", "real", "sample", "thumbnail", "to_pad",
    "traversal_strip", "traverse", "variations", "walk", "whole",
]  # fmt: skip
