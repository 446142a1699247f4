"""The pictures that a checkpoint keeps of its own work (samples.png), without loading its model."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from genmodels import checkpoint
from genmodels.data import cut
from genmodels.wrappers.core import describe
from genmodels.wrappers.section import Answer, packed
from genmodels.wrappers.state import State

COUNT = 8


def pictures(name: str, n: int = COUNT) -> dict[str, Any] | None:
    """The first n pictures of a model's samples.png, for the browser; None if it keeps none."""
    file = checkpoint.find(name) / "samples.png"
    channels, height, width = describe(name)["shape"]
    return _first(file, file.stat().st_mtime_ns, (channels, height, width), n) if file.is_file() else None


@functools.lru_cache(maxsize=64)
def _first(file: Path, changed: int, shape: tuple[int, int, int], n: int) -> dict[str, Any]:
    with Image.open(file) as sheet:
        pixels = cut(np.asarray(sheet.convert("L" if shape[0] == 1 else "RGB")), shape)
    return packed(torch.from_numpy(pixels[:n]))


def samples(state: State) -> Answer:
    """samples: some of the pictures that the model's checkpoint keeps."""
    found = pictures(state.model)
    if found is None:
        raise ValueError(f"The model {state.model!r} keeps no pictures of its own.")
    return {"samples": found}
