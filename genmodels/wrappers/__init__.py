"""The thin layer between the app and the models: plain values in (name, n, seed, knobs), pictures and tables out.

Everything that a visitor sends passes through here, so everything is checked here: a ValueError is one sentence that
says what was wrong and what is allowed. Pictures come back enlarged pixel by pixel, with their settings in `.info`
(written into the PNG as text). One lock keeps two visitors from computing at once, each with all threads: the second
waits some milliseconds instead of slowing both down many times over.

The functions follow the abilities: `codes` for what encodes and decodes, `sampling` for what samples, `critics` for what judges, and so on.
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
from genmodels.wrappers.critics import deal, judge, marks
from genmodels.wrappers.flows import fades, sample_film, swap_class, there_and_back
from genmodels.wrappers.likelihoods import compared, likelihood
from genmodels.wrappers.measurements import figures, films
from genmodels.wrappers.pictures import Pad, blank, read_picture, thumbnail, to_pad, top_half
from genmodels.wrappers.sampling import sample
from genmodels.wrappers.starters import examples, outliers, own_pictures, plain_pictures
from genmodels.wrappers.styles import loop, style_grid, style_layers
from genmodels.wrappers.writing import MAX_WRITTEN, Writing, expect, expected_at, finish, write

__all__ = [
    "LARGEST", "MAX_SEED", "MAX_WRITTEN", "Pad", "Writing", "about", "autoencode", "available", "between", "blank",
    "compared", "deal", "decode_point", "describe", "examples", "expect", "expected_at", "fades", "figures", "films",
    "finish", "judge", "latent_map", "latents", "likelihood", "locate", "loop", "marks", "outliers", "own_pictures",
    "plain_pictures", "read_picture", "real", "sample", "sample_film", "style_grid", "style_layers", "swap_class",
    "there_and_back", "thumbnail", "to_pad", "top_half", "traversal_strip", "traverse", "variations", "walk", "whole",
    "write",
]  # fmt: skip
