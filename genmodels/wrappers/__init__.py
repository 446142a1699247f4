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
from genmodels.wrappers.core import LARGEST, MAX_SEED, about, available, describe, own_folder, real, whole
from genmodels.wrappers.critics import deal, judge, marks
from genmodels.wrappers.denoising import (
    GRID_STEPS,
    MAX_DENOISED,
    SOLVERS,
    Denoising,
    alike,
    class_models,
    compare_solvers,
    compose,
    diffuse,
    fill,
    noised,
    phrases,
    redraw,
    solver_settings,
    takes_few_steps,
    text_models,
    unknown_words,
)
from genmodels.wrappers.flows import fades, sample_film, swap_class, there_and_back
from genmodels.wrappers.likelihoods import compared, likelihood
from genmodels.wrappers.measurements import figures, films
from genmodels.wrappers.pictures import Pad, blank, read_picture, read_upload, thumbnail, to_pad, top_half
from genmodels.wrappers.sampling import sample
from genmodels.wrappers.starters import examples, outliers, own_pictures, plain_pictures, real_pictures
from genmodels.wrappers.styles import loop, style_grid, style_layers
from genmodels.wrappers.writing import MAX_WRITTEN, Writing, expect, expected_at, finish, write

__all__ = [
    "GRID_STEPS", "LARGEST", "MAX_DENOISED", "MAX_SEED", "MAX_WRITTEN", "SOLVERS", "Denoising", "Pad",
    "Writing", "about", "alike", "autoencode", "available", "between", "blank", "class_models", "compare_solvers",
    "compared", "compose", "deal", "decode_point", "describe", "diffuse", "examples", "expect", "expected_at",
    "fades", "figures", "fill", "films", "finish", "judge", "latent_map", "latents", "likelihood", "locate", "loop",
    "marks", "noised", "outliers", "own_folder", "own_pictures", "phrases", "plain_pictures", "read_picture", "read_upload", "real",
    "real_pictures", "redraw", "sample", "sample_film", "solver_settings", "style_grid", "style_layers", "swap_class", "takes_few_steps",
    "text_models", "there_and_back", "thumbnail", "to_pad", "top_half", "traversal_strip", "traverse", "unknown_words", "variations",
    "walk", "whole", "write",
]  # fmt: skip
