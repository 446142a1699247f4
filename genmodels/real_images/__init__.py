"""Some hundred real test images of each data set that the bundled models know: for games and examples, without a network.

Each data set is a sheet (lossless WebP, made by `scripts/real_images.py`) and a JSON that says how it is cut, of which
class each picture is and where it stands in the test split, and names source and licence.
"""

import functools
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genmodels.data import DATASETS, Images, cut, fit_picture, to_picture

FOLDER = Path(__file__).parent


@functools.lru_cache(maxsize=16)
def real_images(name: str, shape: tuple[int, int, int] | None = None) -> Images | None:
    """The test images of a data set that are kept here, one of each class in turn; None if there are none of it.

    They are resized to `shape` (C, H, W), by default the data set's own.
    """
    if name not in kept():
        return None
    info = DATASETS[name]
    facts = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    with Image.open(FOLDER / f"{name}.webp") as sheet:
        images = cut(np.asarray(sheet.convert("L" if info.shape[0] == 1 else "RGB")), info.shape, gap=0)
    pixels = torch.from_numpy(images[: len(facts["labels"])])
    if shape is not None and shape != info.shape:
        fitted = [fit_picture(to_picture(image), shape, info.background) for image in pixels]
        pixels = torch.from_numpy(np.stack(fitted))
    return Images(name, pixels, torch.tensor(facts["labels"]), info.classes)


def kept() -> list[str]:
    """The data sets of which there are images here."""
    return [name for name in DATASETS if (FOLDER / f"{name}.json").is_file()]
