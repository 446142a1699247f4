"""How many bytes for how good a picture? Codes of models and exact likelihoods against PNG, JPEG and WebP."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genmodels import checkpoint, compression, metrics, operations
from genmodels.compression import QUALITIES, Quantiser
from genmodels.data import DATASETS, Images, tile_pixels, to_float
from genmodels.experiments import Column, Experiment, Lab, Plot, Row, Settings, Unit
from genmodels.experiments.common import DRAWN_AT_ONCE, able_models, part, rounded, shuffled, split
from genmodels.models.base import Model
from genmodels.protocols import Decodes, Encodes, HasLikelihood, WritesRows, abilities_of
from genmodels.registry import get_family

LOSSLESS = "Lossless: every pixel comes back."
FILE, SHEET = "a file each", "one file of all"
CELL = 32  # pixels of a picture's place in a sheet: whole blocks of JPEG and WebP
FORMATS = "formats"


@dataclass(frozen=True)
class CompressSettings(Settings):
    pictures: int = 200
    coded: int = 4  # of them by range coding, to see what it adds to the ideal
    known: int = 1000  # training pictures, whose codes say between which ends numbers are rounded
    bits: tuple[int, ...] = (1, 2, 3, 4, 6, 8)  # of a number of a code
    seed: int = 0


def units(s: CompressSettings) -> Iterator[Unit]:
    for data, models in able_models(can_compress):
        yield Unit(f"{data}-formats", FORMATS, data, partial(of_formats, s, data), (), cost=0.2)
        for name, family in models:
            yield Unit(name, family, data, partial(of_model, s, data, name, family), (name,), cost=1.0)


def can_compress(family: str) -> bool:
    able = abilities_of(get_family(family))
    return HasLikelihood in able or (Encodes in able and Decodes in able)


@functools.lru_cache(maxsize=8)
def some(data: str, name: str, n: int, seed: int) -> Images:
    images = split(data, name)
    return part(images, shuffled(len(images), seed)[:n])


# -- what everybody has --------------------------------------------------------------------------------------------------


def of_formats(s: CompressSettings, data: str, lab: Lab) -> list[Row]:
    """PNG, JPEG and WebP, with a file for each picture, and with one for a sheet of all, whose head then counts for nothing."""
    pixels = some(data, "test", s.pictures, s.seed).pixels
    channels, dims = pixels.shape[1], math.prod(pixels.shape[1:])
    sheet = tile_pixels(_in_cells(pixels, DATASETS[data].background), gap=0)
    inside = (
        tile_pixels(_in_cells(torch.full_like(pixels, 1), 0), gap=0) > 0
    )  # what lies between pictures is no error of theirs
    told: list[tuple[str, str, str, dict[str, Any]]] = [
        ("PNG", "png", "lossless", compression.LOSSLESS["png"]),
        ("WebP lossless", "webp", "lossless", compression.LOSSLESS["webp"]),
        *(("JPEG", "jpeg", f"quality {q}", {"quality": q}) for q in QUALITIES),
        *(("WebP", "webp", f"quality {q}", {"quality": q}) for q in QUALITIES),
    ]
    rows = []
    for i, (title, kind, setting, options) in enumerate(told):
        lab.report(i / len(told))
        for place, originals, counts in (
            (FILE, list(pixels), torch.ones_like(pixels[0]) > 0),
            (SHEET, [sheet], inside),
        ):
            files = [compression.as_file(picture, kind, **options) for picture in originals]
            errors = [
                to_float(compression.from_file(f, channels)) - to_float(o)
                for f, o in zip(files, originals, strict=True)
            ]
            error = sum(float(each[counts].square().sum()) for each in errors) / (len(pixels) * dims)
            about = {"data": data, "family": FORMATS, "coder": f"{title}, {place}", "setting": setting}
            rows.append(about | _figures(sum(map(len, files)) / len(pixels), dims, error or None, len(pixels)))
    return rounded(rows)


def _in_cells(pixels: Tensor, background: int) -> Tensor:
    """Pictures with a margin, so that each fills whole blocks."""
    n, channels, height, width = pixels.shape
    cells = torch.full(
        (n, channels, -(-height // CELL) * CELL, -(-width // CELL) * CELL), background, dtype=torch.uint8
    )
    cells[:, :, :height, :width] = pixels
    return cells


# -- models --------------------------------------------------------------------------------------------------------------


def of_model(s: CompressSettings, data: str, name: str, family: str, lab: Lab) -> list[Row]:
    """By its code, if that is shorter than a picture, with so many bits for each number; by its likelihood, if it has one."""
    model = checkpoint.load(name, device="cpu")
    images = some(data, "test", s.pictures, s.seed)
    x = to_float(images.pixels)
    about = {"data": data, "family": family}
    name = name.removesuffix(f"-{data}")
    rows: list[Row] = []
    if operations.compresses(model):
        rows += [about | row for row in by_code(s, model, name, x, some(data, "train", s.known, s.seed))]
    if isinstance(model, HasLikelihood):
        rows += [about | row for row in by_likelihood(s, model, name, x, lab)]
    return rounded(rows)


@torch.no_grad()
def by_code(s: CompressSettings, model: Model, name: str, x: Tensor, known: Images) -> Iterator[Row]:
    assert isinstance(model, Encodes)
    codes = torch.cat([model.encode(some).flatten(1) for some, _ in known.batches(DRAWN_AT_ONCE)])
    for bits in s.bits:
        quantiser = Quantiser.of(codes, bits)
        again = torch.cat([compression.through_code(model, few, quantiser) for few in x.split(DRAWN_AT_ONCE)])
        error = float(metrics.mean_squared_error(again, x).mean())
        about = {"coder": f"code of {name}", "setting": f"{bits} bit{'s' if bits > 1 else ''} a number"}
        yield about | _figures(quantiser.size, x[0].numel(), error, len(x))


def by_likelihood(s: CompressSettings, model: HasLikelihood, name: str, x: Tensor, lab: Lab) -> Iterator[Row]:
    """The length of an ideal code of all pictures; and of a few of them that, and what range coding takes for them."""
    dims = x[0].numel()
    bits = []
    for i, few in enumerate(parts := x.split(DRAWN_AT_ONCE)):
        lab.report(0.5 * i / len(parts))
        bits.append(operations.bits_per_dim(model, few))
    ideal = torch.cat(bits) * dims / 8
    bound = ", a bound" if model.likelihood_is_bound else ""
    coder = f"likelihood of {name}"
    yield {"coder": coder, "setting": f"ideal{bound}"} | _figures(float(ideal.mean()), dims, None, len(x))
    if not isinstance(model, WritesRows):
        return
    sizes = []
    for i in range(min(s.coded, len(x))):
        lab.report(0.5 + 0.5 * i / s.coded)
        packed = compression.to_bytes(model, x[i : i + 1])
        if not torch.equal(compression.from_bytes(model, packed), x[i : i + 1]):
            raise RuntimeError(f"{name} did not give picture {i} back.")
        sizes.append(len(packed))
    yield {"coder": coder, "setting": "range coder"} | _figures(sum(sizes) / len(sizes), dims, None, len(sizes))
    these = float(ideal[: len(sizes)].mean())
    yield {"coder": coder, "setting": "ideal, of the same pictures"} | _figures(these, dims, None, len(sizes))


def _figures(size: float, dims: int, error: float | None, n: int) -> Row:
    """error: the mean square of the difference of images in [-1, 1]; None: there is none."""
    quality = {"psnr": None, "psnr_why": LOSSLESS} if error is None else {"psnr": metrics.psnr(error)}
    return {"bytes": size, "bits_per_dim": 8 * size / dims, **quality, "n": n}


def protocol(s: CompressSettings) -> str:
    return (
        f"{s.pictures} test pictures, bytes for each; PSNR of the mean squared error of all. A code's numbers are rounded to 2^bits steps between the ends that they "
        f"have among {s.known} training pictures (5 % more on both sides) and packed without gaps; no class is told. An ideal code takes minus the logarithm of the likelihood, of a VAE or a flow a bound from one draw, which "
        f"bits-back coding would reach; {s.coded} pictures are really coded by a range coder (constriction, 32-bit words), decoded and compared. Weights, like a format's tables, count for nothing. "
        f"JPEG, WebP and PNG by Pillow: a file for each picture, most of which is its head, and one sheet of all in places of {CELL}x{CELL}, where it counts for nothing."
    )


def reading(rows: list[Row]) -> str:
    """For each data set: what a code takes, what the smallest format that is as good does, and what lossless coding does."""
    said = [words for data in dict.fromkeys(row["data"] for row in rows) if (words := _of_data(data, rows))]
    return f"{'; '.join(said)}." if said else "Nothing has been compared yet."


def _of_data(data: str, rows: Sequence[Row]) -> str:
    here = [row for row in rows if row["data"] == data]
    codes = [row for row in here if row["coder"].startswith("code of") and row["setting"].startswith("4 bits")]
    exact = [row for row in here if row["setting"] == "ideal"]
    real = {
        row["setting"]: row["bytes"] for row in here if "range coder" in row["setting"] or "the same" in row["setting"]
    }
    formats = [row for row in here if row["family"] == FORMATS]
    if not codes or not formats:
        return ""
    best = max(codes, key=lambda row: row["psnr"])
    alike = [row for row in formats if row["psnr"] is not None and row["psnr"] >= best["psnr"]]
    said = f"{data}: {best['coder'].removeprefix('code of ')} needs {best['bytes']:.0f} bytes for {best['psnr']:.1f} dB"
    if alike:
        least = min(alike, key=lambda row: row["bytes"])
        said += f", {least['coder']} {least['bytes']:.0f} for as much"
    if exact:
        least = min(exact, key=lambda row: row["bytes"])
        png = min(row["bytes"] for row in formats if row["psnr"] is None)
        said += f"; without loss {least['coder'].removeprefix('likelihood of ')} {least['bytes']:.0f}, the best format {png:.0f}"
        if len(real) == 2:
            said += f" (range coding adds {real['range coder'] - real['ideal, of the same pictures']:.1f})"
    return said


EXPERIMENT = Experiment(
    name="compress",
    title="In few bytes",
    settings=CompressSettings,
    units=units,
    protocol=protocol,
    reading=reading,
    columns=(
        Column("data", "Pictures"),
        Column("family", "Family"),
        Column("coder", "Coder"),
        Column("setting", "Setting"),
        Column("bytes", "Bytes a picture", "", 1),
        Column("bits_per_dim", "Bits per dimension", "", 3),
        Column("psnr", "PSNR", "dB", 1),
        Column("n", "Pictures coded"),
    ),
    plots=(Plot("PSNR by bytes a picture", "bytes", "psnr", ("coder",), "data", log_x=True),),
)
