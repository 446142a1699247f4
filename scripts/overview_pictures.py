"""Make the pictures of the overview's cards: real output of the bundled models, a still and a film of each family.

    python scripts/overview_pictures.py [family ...]     # into genmodels/web/pictures, some seconds each

Each is a sheet of 6 by 2 pictures at their own size (the page enlarges them), as WebP: `<family>.webp` moves and
`<family>-still.webp` is one of its frames. `overview-still.webp` shows two pictures of each still, at twice their size.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genmodels import operations
from genmodels.data import tile_pixels, to_uint8
from genmodels.models.base import draw_normal, seeded
from genmodels.protocols import BlendsClasses, Decodes, Denoises, HasStyles, ShowsLayers, WritesRows
from genmodels.wrappers.core import get_model
from genmodels.wrappers.examples import known_images

PICTURES = Path(__file__).resolve().parent.parent / "genmodels/web/pictures"
COLUMNS, N = 6, 12
CLASSES = torch.tensor([0, 2, 3, 5, 8, 9, 4, 7, 6, 1, 3, 8])
LIMIT = 100_000  # bytes of a film
FRAME, HOLD = 90, 1400  # milliseconds, of the last frame too


def autoencoder() -> list[Tensor]:
    """Digits under more and more noise, and below what is rebuilt of them."""
    model = get_model("ae-mnist", Decodes)
    images = known_images("ae-mnist")
    assert images is not None
    x = images[CLASSES[:COLUMNS]][0]
    damaged = [
        operations.corrupt(x, sigma, range(COLUMNS)).clamp(-1, 1) for sigma in torch.linspace(0, 0.7, 8).tolist()
    ]
    return [torch.cat([bad, operations.reconstruct(model, bad)]) for bad in damaged]


def vae() -> list[Tensor]:
    """Codes that walk through the cloud and back to where they began, decoded as a digit each."""
    model = get_model("vae-mnist", BlendsClasses)
    stops = [model.sample_codes(CLASSES, generators=seeded(range(i, i + N)), temperature=0.8) for i in (0, 100, 200)]
    legs = zip(stops, [*stops[1:], stops[0]], strict=True)
    return [model.decode(torch.lerp(a, b, t), CLASSES) for a, b in legs for t in torch.linspace(0, 1, 9)[:-1]]


def gan() -> list[Tensor]:
    """The same walk for heroes, through the noise of a generator."""
    model = get_model("gan-heroes", HasStyles)
    labels = torch.arange(N) * model.num_classes // N
    a, b = (model.sample_codes(labels, generators=seeded(range(i, i + N))) for i in (0, 100))
    turns = torch.linspace(0, 2 * torch.pi, 15)[:-1]
    return [model.synthesize(model.styles(a * t.cos() + b * t.sin(), labels, 0.9)) for t in turns]


def flow() -> list[Tensor]:
    """Noise that becomes garments, layer by layer."""
    model = get_model("flow-fashion-mnist", ShowsLayers)
    z = 0.7 * draw_normal(model.image_shape, seeded(range(20, 20 + N)), "cpu")
    return list(model.decode_steps(z, torch.arange(N) % 10))


def pixelcnn() -> list[Tensor]:
    """Digits, written row by row."""
    model = get_model("pixelcnn-mnist", WritesRows)
    blank = torch.full((N, *model.image_shape), -1.0)
    given = torch.zeros_like(blank[:, :1], dtype=torch.bool)
    rows = model.write(blank, given, CLASSES, generators=seeded(range(N)), temperature=0.9)
    frames = []
    for i, (images, _) in enumerate(rows, 1):
        images = images.clone()
        images[:, :, i:] = -0.5  # not yet written
        frames.append(images)
    return frames[3::2] if len(frames) % 2 == 0 else [*frames[3::2], frames[-1]]


def diffusion() -> list[Tensor]:
    """Heroes that come out of noise."""
    model = get_model("diffusion-heroes", Denoises)
    labels = torch.arange(N) * model.num_classes // N
    steps = list(model.trajectory(labels, generators=seeded(range(N)), num_inference_steps=10))
    noisy = [step.noisy.clamp(-1, 1) for step in steps if step.sigma > 0]
    return [*noisy[2:], steps[-1].clean]


#: What is filmed of each, and which frame is the still.
FILMS: dict[str, tuple[Callable[[], list[Tensor]], int]] = {
    "autoencoder": (autoencoder, 4),
    "vae": (vae, 0),
    "gan": (gan, 0),
    "flow": (flow, -1),
    "pixelcnn": (pixelcnn, -6),
    "diffusion": (diffusion, -4),
}


def frame(images: Tensor) -> Image.Image:
    """Images `(12, C, H, W)` as one sheet, of 64 levels: nobody sees more, and noise takes fewer bytes."""
    pixels = tile_pixels(to_uint8(images), COLUMNS, paper=255 if images.shape[1] == 3 else 0)
    array = np.asarray(pixels).transpose(1, 2, 0) // 4 * 4
    return Image.fromarray(array.squeeze() if array.shape[2] == 1 else array).convert("RGB")


def of_all() -> Image.Image:
    """Two pictures of each family's still, one above the other; small ones get a margin of their own paper."""
    cell, gap = 64, 4
    sheet = Image.new("RGB", (COLUMNS * (cell + gap) - gap, 2 * cell + gap), "white")
    for column, family in enumerate(FILMS):
        still = Image.open(PICTURES / f"{family}-still.webp")
        side = still.height // 2 - 1
        for row in range(2):
            x, y = column * (side + 2), row * (side + 2)
            tile = still.crop((x, y, x + side, y + side)).resize((2 * side, 2 * side), Image.Resampling.NEAREST)
            square = Image.new("RGB", (cell, cell), tile.getpixel((0, 0)))
            square.paste(tile, 2 * ((cell - 2 * side) // 2,))
            sheet.paste(square, (column * (cell + gap), row * (cell + gap)))
    return sheet


def main(families: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for family in families or FILMS:
        make, still = FILMS[family]
        with torch.inference_mode():
            frames = [frame(images) for images in make()]
        file = PICTURES / f"{family}.webp"
        loops = family in ("vae", "gan")
        waits = [FRAME] * (len(frames) - 1) + [FRAME if loops else HOLD]
        ways: list[dict[str, Any]] = [{"lossless": True}, *({"quality": q} for q in (90, 80, 70, 60, 50))]
        for options in ways:
            frames[0].save(file, save_all=True, append_images=frames[1:], duration=waits, loop=0, method=6, **options)
            if file.stat().st_size < LIMIT:
                break
        frames[still].save(file.with_stem(f"{family}-still"), lossless=True, method=6)
        print(f"{file.name}: {len(frames)} frames, {file.stat().st_size:,} bytes, {options}")
        print(f"{family}-still.webp: {file.with_stem(f'{family}-still').stat().st_size:,} bytes")
    of_all().save(PICTURES / "overview-still.webp", lossless=True, method=6)


if __name__ == "__main__":
    main(sys.argv[1:])
