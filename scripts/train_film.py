"""Train a GAN and film it: the pictures of the same 64 latents from the first step to the last.

    python scripts/train_film.py mnist checkpoints/gan-mnist/film.webp --minutes 30 --run runs/gan-mnist
    python scripts/train_film.py mnist checkpoints/gan-mnist/collapse.webp --minutes 1.2 --collapse gan-mnist

All frames lie on one sheet (a still WebP), row by row, so that a browser can show any of them at once. Beside it lies a
JSON of the same name: how the sheet is cut, and for every frame the step and the number of classes covered. A class is
covered if a referee (a classifier trained on the real pictures) finds it in at least a fifth of its fair share of 500
pictures that were generated without a class, the same 500 latents every time.

--run keeps the run itself too: its checkpoint is the model that the film ends with.
--collapse goes on with a finished model, but without what keeps the game stable: no gradient penalties, and too high a
learning rate. The film ends early if the weights cease to be numbers.
"""

import argparse
import dataclasses
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from genmodels import checkpoint, data, files, operations, places
from genmodels.models.base import Model, TrainingDiverged
from genmodels.protocols import Classifies
from genmodels.registry import get_family
from genmodels.training.completion import finish
from genmodels.training.loop import train
from genmodels.training.optimization import AveragedWeights
from genmodels.training.record import Row

FRAMES = 60
FIRST_FRAME = 2e-3  # share of the run at which the second frame is taken; from there on in equal ratios
COLUMNS = 8  # of the sheet
MAX_BYTES = 700_000
JUDGED = 500  # pictures in which the referee looks for the classes
FAIR_SHARE = 0.2  # of 1/num_classes: less, and a class counts as lost
LOG_EVERY = 5  # steps between two looks at the run
TOO_FAST = 2.0  # times the recipe's learning rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set with classes, e.g. mnist")
    parser.add_argument("out", type=Path, help="the film, *.webp")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--collapse", metavar="MODEL", help="spoil this trained model")
    parser.add_argument("--rate", type=float, default=TOO_FAST, help="with --collapse: learning rate / the recipe's")
    parser.add_argument("--run", type=Path, help="folder to keep the run and its checkpoint in")
    parser.add_argument("--referee", help="checkpoint of the referee; by default the bundled referee-<data>")
    options = parser.parse_args()
    images = data.load_dataset(options.data, "train")
    referee = operations.require(checkpoint.load(options.referee or f"referee-{options.data}"), Classifies)
    frames, account = [], []
    if options.collapse:
        shots = collapsing(checkpoint.load(options.collapse), images, options.minutes, options.rate)
    else:
        shots = healthy(images, options.minutes, options.run)
    for step, model in shots:
        frames.append(data.tile(data.to_uint8(operations.sample(model, 64))).convert("RGB"))
        account.append({"step": step, "classes": classes_covered(model, referee)})
        print(account[-1], flush=True)
    film = sheet(frames)
    files.write_files(options.out.parent, {options.out.name: lambda path: path.write_bytes(film)})
    values = {
        "data": places.data_label(options.data),
        "num_classes": len(images.classes),
        "columns": COLUMNS,
        "frame_size": list(frames[0].size),
        "frames": account,
    }
    files.write_json(options.out.parent, options.out.with_suffix(".json").name, values)
    print(f"{options.out}: {len(frames)} frames, {len(film) / 1e6:.2f} MB")
    return 0


def healthy(images: data.Images, minutes: float, folder: Path | None) -> Iterator[tuple[int, Model]]:
    """(step, model with averaged weights) of the family's own recipe, from before any training."""
    family = get_family("gan")
    torch.manual_seed(family.recipe.seed)
    model = family(family.Config(image_shape=images.shape, num_classes=len(images.classes)))
    yield from snapshots(model, train(model, images, minutes=minutes, folder=folder, log_every=LOG_EVERY))
    if folder is not None:
        finish(model, folder, data.load_dataset(images.name, "test"))


def collapsing(model: Model, images: data.Images, minutes: float, rate: float) -> Iterator[tuple[int, Model]]:
    """The same for a trained model that goes on without penalties, at `rate` times the recipe's learning rate."""
    model.config = model.Config.from_json(model.config.to_json() | {"gamma": 0.0, "gamma_final": 0.0})
    high = rate * model.recipe.learning_rate
    recipe = dataclasses.replace(model.recipe, learning_rate=high, final_learning_rate=high, warmup=0.0)
    try:
        yield from snapshots(model, train(model, images, recipe, minutes=minutes, log_every=LOG_EVERY))
    except TrainingDiverged as error:
        print(f"The film ends here: {error}", file=sys.stderr)


def snapshots(model: Model, rows: Iterator[Row]) -> Iterator[tuple[int, Model]]:
    """(step, model with averaged weights): before the first row, then denser in the beginning of the run."""
    ema = AveragedWeights(model, model.recipe.ema_decay**LOG_EVERY)
    averaged = ema.module.eval()
    yield 0, averaged
    due, ratio = FIRST_FRAME, FIRST_FRAME ** (-1 / (FRAMES - 2))
    for row in rows:
        if row["step"] % LOG_EVERY and row["progress"] < 1:
            continue  # the first rows come closer together
        ema.update_parameters(model)
        if row["progress"] >= due:
            yield int(row["step"]), averaged
            due = min(1.0, due * ratio)


@torch.no_grad()
def classes_covered(model: Model, referee: Classifies) -> int:
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
