"""Train a GAN and film it: the pictures of the same 64 latents from the first step to the last.

    python scripts/train_film.py mnist checkpoints/gan-mnist/film.webp --minutes 15
    python scripts/train_film.py mnist checkpoints/gan-mnist/collapse.webp --minutes 5 --collapse

All frames lie on one sheet (a still WebP), row by row, so that a browser can show any of them at once. Beside it lies a
JSON of the same name: how the sheet is cut, and for every frame the step and the number of classes covered. A class is
covered if a referee (a classifier trained on the real pictures) finds it in at least a fifth of its fair share of 500
pictures that were generated without a class, the same 500 latents every time.

--collapse removes what keeps the game stable: no gradient penalties and three times the learning rate. The film ends
early if the weights cease to be numbers.
"""

import argparse
import copy
import dataclasses
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from genmodels import checkpoint, data, operations
from genmodels.models.base import Model
from genmodels.protocols import Classifies
from genmodels.registry import get_family
from genmodels.train import TrainingDiverged, train

FRAMES = 60
FIRST_FRAME = 2e-3  # share of the run at which the second frame is taken; from there on in equal ratios
COLUMNS = 8  # of the sheet
MAX_BYTES = 700_000
JUDGED = 500  # pictures in which the referee looks for the classes
FAIR_SHARE = 0.2  # of 1/num_classes: less, and a class counts as lost
LOG_EVERY = 5  # steps between two looks at the run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set with classes, e.g. mnist")
    parser.add_argument("out", type=Path, help="the film, *.webp")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--collapse", action="store_true", help="a run that is meant to fail")
    parser.add_argument("--referee", help="checkpoint of the referee; by default the bundled referee-<data>")
    options = parser.parse_args()
    images = data.load_dataset(options.data, "train")
    referee = checkpoint.load(options.referee or f"referee-{options.data}")
    operations.require(referee, Classifies)
    frames, account = [], []
    for step, model in snapshots(images, options.minutes, options.collapse):
        frames.append(data.tile(data.to_uint8(operations.sample(model, 64))).convert("RGB"))
        account.append({"step": step, "classes": classes_covered(model, referee)})
        print(account[-1], flush=True)
    film = sheet(frames)
    checkpoint.write_files(options.out.parent, {options.out.name: lambda path: path.write_bytes(film)})
    values = {
        "data": options.data,
        "num_classes": len(images.classes),
        "columns": COLUMNS,
        "frame_size": list(frames[0].size),
        "frames": account,
    }
    checkpoint.write_json(options.out.parent, options.out.with_suffix(".json").name, values)
    print(f"{options.out}: {len(frames)} frames, {len(film) / 1e6:.2f} MB")
    return 0


def snapshots(images: data.Images, minutes: float, collapse: bool) -> Iterator[tuple[int, Model]]:
    """(step, model with averaged weights), first before any training, then denser in the beginning of the run."""
    family = get_family("gan")
    config = family.Config(image_shape=images.shape, num_classes=len(images.classes))
    recipe = family.recipe
    if collapse:
        config = dataclasses.replace(config, gamma=0.0, gamma_final=0.0)
        recipe = dataclasses.replace(recipe, learning_rate=3 * recipe.learning_rate)
    torch.manual_seed(recipe.seed)
    model = family(config)
    averaged = copy.deepcopy(model).eval().requires_grad_(False)
    yield 0, averaged
    due, ratio = FIRST_FRAME, FIRST_FRAME ** (-1 / (FRAMES - 2))
    try:
        for count, row in enumerate(train(model, images, recipe, minutes=minutes, log_every=LOG_EVERY)):
            follow(averaged, model, min(recipe.ema_decay**LOG_EVERY, (1 + count) / (10 + count)))
            if row["progress"] >= due:
                yield row["step"], averaged
                due = min(1.0, due * ratio)
    except TrainingDiverged as error:
        print(f"The film ends here: {error}", file=sys.stderr)


@torch.no_grad()
def follow(averaged: Model, model: Model, decay: float) -> None:
    """Exponential moving average of weights and buffers."""
    for average, current in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        average.lerp_(current.to(average), 1 - decay)


@torch.no_grad()
def classes_covered(model: Model, referee: Model) -> int:
    pictures = operations.sample(model, JUDGED, seed=1000, label=None)
    found = referee.classify(referee.features(pictures))[0].argmax(1).bincount(minlength=model.num_classes)
    return int((found >= FAIR_SHARE * JUDGED / model.num_classes).sum())


def sheet(frames: list[Image.Image]) -> bytes:
    """The frames as one WebP, COLUMNS in a row, in the best quality at which it has at most MAX_BYTES (else the lowest)."""
    width, height = frames[0].size
    whole = Image.new("RGB", (COLUMNS * width, math.ceil(len(frames) / COLUMNS) * height))
    for i, frame in enumerate(frames):
        whole.paste(frame, (i % COLUMNS * width, i // COLUMNS * height))
    for quality in range(80, 0, -10):
        buffer = io.BytesIO()
        whole.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
