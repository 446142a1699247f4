"""Data sets, and the only place beside the wrappers where uint8 arrays and PIL images meet the models' tensors."""

import functools
import hashlib
import io
import math
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from genmodels import depth
from genmodels.folders import LeftOut, is_missing, list_folder, summary
from genmodels.orientation import upright

if TYPE_CHECKING:
    from datasets import Dataset

DIGITS = tuple("0123456789")
GARMENTS = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
SPECIES = (
    "deep dwarf", "deep elf", "demigod", "demonspawn", "draconian", "dwarf", "elf", "gargoyle", "ghoul",
    "gnome", "halfling", "human", "kobold", "minotaur", "mummy", "orc", "tengu", "vampire",
)  # fmt: skip
ALPHABETS = (
    "Balinese", "Early Aramaic", "Greek", "Japanese (katakana)", "Korean", "Latin", "Sanskrit", "Tagalog",
)  # fmt: skip


@dataclass(frozen=True)
class DatasetInfo:
    """A data set we know: how to call it, where it is, what its pictures are."""

    title: str
    shape: tuple[int, int, int]  # (C, H, W)
    classes: tuple[str, ...]
    background: int  # the grey level of empty canvas, 0..255
    hub: str | None = None  # repo id on the Hugging Face Hub, or None if it is only read from GENMODELS_DATA
    attributes: tuple[str, ...] = ()  # text columns beside the label
    novel: str | None = None  # a third split, whose combinations of attributes "train" and "test" do not have


DATASETS: dict[str, DatasetInfo] = {
    "mnist": DatasetInfo("Digits", (1, 28, 28), DIGITS, 0, "ylecun/mnist"),
    "fashion-mnist": DatasetInfo("Fashion", (1, 28, 28), GARMENTS, 0, "zalando-datasets/fashion_mnist"),
    "heroes": DatasetInfo(
        "Heroes",
        (3, 32, 32),
        SPECIES,
        255,
        attributes=("species", "body", "cloak", "head", "weapon", "shield"),
        novel="compositional",
    ),
    "omniglot": DatasetInfo("Letters", (1, 28, 28), ALPHABETS, 0),
}
DEFAULT_SHAPE = (3, 32, 32)
MAX_PIXELS = 64_000_000
#: Formats that Pillow recognises but does not decode itself (EPS is a program, which Ghostscript would run).
NOT_DECODED = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
#: Endings of pictures that Pillow, or an older one, may not open: in a folder they are named, and not taken for side files.
OTHER_ENDINGS = (".avif", ".heic", ".heif", ".jxl")


class Images(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A data set in memory: `pixels` uint8 `(N, C, H, W)`, `labels` int64 `(N,)`, the class names.

    With attributes (name -> names of its values), labels are `(N, A)`: one column per attribute, the class first.
    With captions, one per image ("" = nothing is said of it), labels are -1 until a model that reads them turns them
    into numbers. left_out: what the source holds besides, but is no part of the data set, and why.
    """

    def __init__(
        self,
        name: str,
        pixels: Tensor,
        labels: Tensor,
        classes: tuple[str, ...],
        attributes: dict[str, tuple[str, ...]] | None = None,
        captions: tuple[str, ...] = (),
        left_out: tuple[LeftOut, ...] = (),
    ) -> None:
        self.name, self.pixels, self.labels, self.classes = name, pixels, labels, classes
        self.attributes, self.captions, self.left_out = attributes or {}, captions, left_out

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int | Tensor | slice) -> tuple[Tensor, Tensor]:
        """Images float32 in [-1, 1] and labels; of one index, a slice or a tensor of indices."""
        return to_float(self.pixels[index]), self.labels[index]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order, the last batch as short as it comes."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def content_hash(self) -> str:
        """Of the pixels and labels: a folder of pictures may change and keep its name, or move and stay the same."""
        digest = hashlib.sha256(self.pixels.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()


def to_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 [-1, 1]"""
    return pixels.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """float [-1, 1] -> the nearest uint8 0..255"""
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def tile(pixels: Tensor, columns: int | None = None, gap: int = 2, scale: int = 1) -> Image.Image:
    """`tile_pixels` as a PIL picture, each pixel `scale` screen pixels wide."""
    return to_picture(tile_pixels(pixels, columns, gap), scale)


def tile_pixels(pixels: Tensor, columns: int | None = None, gap: int = 2, paper: int | None = None) -> Tensor:
    """uint8 `(N, C, H, W)` as one picture `(C, H', W')`, row by row; by default near-square.

    The gaps are of the grey level `paper`; by default black, or white where the pictures' own corners are light.
    """
    n, channels, height, width = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    if paper is None:
        paper = 255 if pixels[:, :, 0, 0].float().mean() > 127 else 0
    sheet = torch.full((channels, rows * (height + gap) - gap, columns * (width + gap) - gap), paper, dtype=torch.uint8)
    for i, image in enumerate(pixels.cpu()):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    return sheet


def cut(sheet: np.ndarray, shape: tuple[int, int, int], gap: int = 2) -> np.ndarray:
    """A sheet as `tile` makes it, uint8 `(H', W'[, C])`, as pictures `(N, C, H, W)`, row by row, the empty places at its end too."""
    channels, height, width = shape
    high, wide = ((side + gap) // (size + gap) for side, size in zip(sheet.shape, (height, width), strict=False))
    array = np.zeros((high * (height + gap), wide * (width + gap), channels), np.uint8)
    used = sheet.reshape(*sheet.shape[:2], channels)[: len(array), : array.shape[1]]
    array[: len(used), : used.shape[1]] = used
    tiles = array.reshape(high, height + gap, wide, width + gap, channels)[:, :height, :, :width]
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3).reshape(high * wide, channels, height, width))


def to_picture(pixels: Tensor, scale: int = 1) -> Image.Image:
    """uint8 `(C, H, W)` as a PIL picture, enlarged pixel by pixel."""
    array = pixels.cpu().numpy().transpose(1, 2, 0)
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else np.ascontiguousarray(array))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST) if scale > 1 else image


def to_png(pixels: Tensor) -> bytes:
    """uint8 `(C, H, W)` as the bytes of a PNG file."""
    file = io.BytesIO()
    to_picture(pixels).save(file, "png")
    return file.getvalue()


@functools.cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the file formats that are read."""
    Image.init()
    return tuple(name for name in Image.ID if name not in NOT_DECODED)


def endings() -> set[str]:
    """How names of picture files end, in lower case: ".png", …"""
    return {ending for ending, name in Image.registered_extensions().items() if name in formats()} | {*OTHER_ENDINGS}


def read_pixels(
    file: str | os.PathLike[str] | BinaryIO, shape: tuple[int, int, int], background: int = 255
) -> np.ndarray:
    """A picture's file as uint8 `(C, H, W)`, see `fit_picture`. Raises ValueError that says why it can't be read."""
    try:
        if not isinstance(file, str | os.PathLike):
            return _read(file, shape, background)
        with open(file, "rb") as opened:
            return _read(opened, shape, background)
    except UnidentifiedImageError as error:
        raise ValueError("no picture in a format that is known here") from error
    except TooManyPixels as error:
        raise TooManyPixels(str(error).rstrip(".")) from error  # as the others: a reason, no sentence
    except Image.DecompressionBombError as error:
        raise TooManyPixels(
            f"The picture is far too large; at most {MAX_PIXELS // 10**6} megapixels are allowed"
        ) from error
    except Exception as error:  # damaged files make Pillow raise whatever comes: struct.error, KeyError, zlib.error …
        raise ValueError(getattr(error, "strerror", None) or reason(error).rstrip(".")) from error


def _read(file: BinaryIO, shape: tuple[int, int, int], background: int) -> np.ndarray:
    with Image.open(file, formats=formats()) as image:
        _check_size(image)
        return fit_picture(depth.colours(image, file), shape, background)


def fit_picture(image: Image.Image, shape: tuple[int, int, int], background: int = 255) -> np.ndarray:
    """Any PIL picture as uint8 `(C, H, W)`: the first frame, upright, alpha over `background`, resized, centre-cropped.

    Raises ValueError for pictures of more than 64 megapixels.
    """
    _check_size(image)
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    image = upright(image)
    if image.mode == mode and image.size == (width, height) and not image.has_transparency_data:
        return np.array(image).reshape(height, width, channels).transpose(2, 0, 1)  # the usual case, worth a short cut
    image = _eight_bit(image, background).convert(mode)
    resample = Image.Resampling.BOX if min(image.size) > 4 * max(height, width) else Image.Resampling.LANCZOS
    image = ImageOps.fit(image, (width, height), resample)
    return np.array(image).reshape(height, width, channels).transpose(2, 0, 1)


class TooManyPixels(ValueError):
    """A picture of more than 64 megapixels, of whatever format."""


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise TooManyPixels(
            f"The picture has {image.width * image.height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} are allowed."
        )


def _eight_bit(image: Image.Image, background: int) -> Image.Image:
    """16-bit and float modes scaled to 8 bits (see `depth`); transparency laid over the background."""
    if image.mode.startswith("I") or image.mode == "F":
        return depth.grey(image)
    if image.mode == "LAB":  # Pillow converts it to RGB only
        return image.convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, (background,) * 3 + (255,))
        return Image.alpha_composite(canvas, image)
    return image


def load_dataset(
    name: str,
    split: str = "train",
    shape: tuple[int, int, int] | None = None,
    *,
    attributes: bool = False,
    captions: bool = False,
    strict: bool = False,
    seed: int = 0,
) -> Images:
    """A data set by name: one of DATASETS, a folder of images (see `folders`), or a Hub id ("user/repo").

    Pictures are resized and centre-cropped to `shape` (C, H, W), by default the data set's own (32x32 RGB for folders
    and Hub data sets). With GENMODELS_DATA set, DATASETS are read from `$GENMODELS_DATA/<name>/<split>-*.parquet`
    without touching the network. A source without a test split has a tenth of its images, evenly spread, held out as
    "test"; what can't be read counts there, so that a damaged file moves no other one to another split.

    attributes: give all attributes of every image instead of its class alone. captions: what the column "caption" or
    "text" says of it (see `Images`); of several captions, `seed` draws one.
    Pictures that can't be read are left out and named in `Images.left_out`; strict: refuse them instead.
    Raises ValueError that says what was not found and what exists, or that no picture can be read.

    >>> import genmodels
    >>> from PIL import Image
    >>> for grey in range(10):
    ...     Image.new("L", (40, 30), grey).save(f"{grey}.png")
    >>> images = genmodels.load_dataset(".", shape=(1, 28, 28))
    >>> len(images), len(genmodels.load_dataset(".", "test"))
    (9, 1)
    >>> x, labels = images[:4]
    >>> x.shape
    torch.Size([4, 1, 28, 28])
    """
    info = DATASETS.get(name)
    tables, left_out = (_known_tables(name, split), ()) if info else _foreign_tables(name, split)
    for table in tables:
        images, table = _decode(name, table, shape or (info.shape if info else DEFAULT_SHAPE), info)
        if len(images):
            break
    else:
        raise ValueError(f"No picture of {name} can be read: {summary(images.left_out) or 'there is none'}.")
    images.left_out = (*left_out, *images.left_out)
    pictures = [entry for entry in images.left_out if not entry.path.endswith("/")]
    if strict and pictures:
        raise ValueError(f"{len(pictures)} of the pictures of {name} would be left out: {summary(pictures)}.")
    if captions:
        return _with_captions(images, table, split, seed)
    return _with_attributes(images, table, info.attributes if info else ()) if attributes else images


def _with_captions(images: Images, table: "Dataset", split: str, seed: int) -> Images:
    column = next((c for c in ("caption", "text") if c in table.features), None)
    if column is None:
        raise ValueError(
            f"The data set {images.name!r} has no captions: it has no column 'caption' or 'text', "
            f"but {', '.join(table.features)}."
        )
    captions = tuple(_one_caption(value, seed) for value in table[column][:])
    if split == "train" and not any(captions):
        raise ValueError(f"The data set {images.name!r} has no captions: its column {column!r} is empty.")
    labels = torch.full((len(images),), -1)
    return Images(images.name, images.pixels, labels, (), captions=captions, left_out=images.left_out)


def _one_caption(value: Any, seed: int) -> str:
    """The caption, or one of several: the same one whenever the seed and the captions are the same; "" if none is given."""
    given = [str(text) for text in (value if isinstance(value, list) else [value]) if not is_missing(text)]
    return random.Random(f"{seed} {given}").choice(given) if len(given) > 1 else "".join(given)


def _with_attributes(images: Images, table: "Dataset", columns: tuple[str, ...]) -> Images:
    """The images with all attributes as labels; a data set that names none has one, its class.

    An attribute's values are those of the training split in alphabetical order ("" = none); others have label -1.
    """
    if not columns:
        images.labels, images.attributes = images.labels.unsqueeze(1), {"class": images.classes}
        return images
    train, *_ = _known_tables(images.name, "train")
    images.attributes = {column: tuple(sorted(set(train[column][:]))) for column in columns}
    labels = []
    for column, known in images.attributes.items():
        index = {value: i for i, value in enumerate(known)}
        labels.append(torch.tensor([index.get(value, -1) for value in table[column][:]]))
    images.labels = torch.stack(labels, 1)
    return images


def _known_tables(name: str, split: str) -> list["Dataset"]:
    """The tables to read a split of one of DATASETS from, as `_foreign_tables`."""
    import datasets

    root = os.environ.get("GENMODELS_DATA")
    if root:
        files = sorted(Path(root, name).glob(f"{split}-*.parquet"))
        if not files:
            raise ValueError(f"GENMODELS_DATA is {root}, but there is no {name}/{split}-*.parquet in it.")
        return [datasets.load_dataset("parquet", data_files=[str(file) for file in files], split="train")]
    hub = DATASETS[name].hub
    if hub is None:
        raise ValueError(
            f"The data set {name!r} is not on the Hub: set GENMODELS_DATA to a folder with {name}/{split}-*.parquet."
        )
    return _from_hub(hub, split)


def _foreign_tables(name: str, split: str) -> tuple[list["Dataset"], tuple[LeftOut, ...]]:
    """The tables to read a split from, each only if nothing of the one before can be read; what a folder leaves out."""
    if name and Path(name).is_dir():  # Path("") is the current folder
        return _folder_tables(name, split)
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return _from_hub(name, split), ()
    raise ValueError(
        f"There is no data set {name!r}; the data sets are {', '.join(DATASETS)}, "
        "or a folder of images, or a Hub id such as user/repo."
    )


def _folder_tables(name: str, split: str) -> tuple[list["Dataset"], tuple[LeftOut, ...]]:
    """The pictures of a folder as tables of paths, with the columns "label" and "caption" if it has them."""
    import datasets

    listing = list_folder(Path(name), endings())
    features = {"image": datasets.Image()}
    if listing.classes:
        features["label"] = datasets.ClassLabel(names=list(listing.classes))
    if listing.captions is not None:
        features["caption"] = datasets.List(datasets.Value("string"))

    def table(labels: dict[str, int]) -> "Dataset":
        columns = {
            "image": [str(Path(name, path)) for path in labels],
            "label": list(labels.values()),
            "caption": [(listing.captions or {}).get(path, []) for path in labels],
        }
        return datasets.Dataset.from_dict({key: columns[key] for key in features}, datasets.Features(features))

    if not listing.splits["train"]:
        besides = f"; it leaves out {summary(listing.left_out)}" if listing.left_out else ""
        raise ValueError(f"The folder {name} holds no images to train on{besides}.")
    whole = table(listing.splits["train"])
    tables = [table(listing.splits[split])] if "test" in listing.splits else _held_out(whole, split)
    return tables, tuple(listing.left_out)


def _from_hub(repo: str, split: str) -> list["Dataset"]:
    import datasets

    try:
        if "test" in datasets.get_dataset_split_names(repo):
            return [datasets.load_dataset(repo, split=split)]
        return _held_out(datasets.load_dataset(repo, split="train"), split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"The data set {repo!r} could not be read from the Hub: {reason(error)}") from error


def _held_out(table: "Dataset", split: str) -> list["Dataset"]:
    """ "test": every tenth image, at least one; "train": the others; then the whole table, should none of these be sound.

    So a single image is both.
    """
    if len(table) < 2:
        return [table]
    period = min(10, len(table))
    return [table.select([i for i in range(len(table)) if (i % period == period - 1) == (split == "test")]), table]


def _decode(
    name: str, table: "Dataset", shape: tuple[int, int, int], info: DatasetInfo | None
) -> tuple[Images, "Dataset"]:
    """A `datasets` table with an image column as Images in memory, and the table without the rows that can't be read."""
    import datasets

    features = table.features
    image_key = next((k for k, f in features.items() if isinstance(f, datasets.Image)), None)
    if image_key is None:
        raise ValueError(f"The data set {name!r} has no image column; its columns are {', '.join(features)}.")
    label_key = "label" if "label" in features else None
    label_key = label_key or next((k for k, f in features.items() if isinstance(f, datasets.ClassLabel)), None)
    classes, background = (info.classes, info.background) if info else ((), 255)
    if info is None:
        label = features[label_key] if label_key else None
        classes = tuple(label.names) if isinstance(label, datasets.ClassLabel) else ()
        label_key = label_key if classes else None
    pixels = np.empty((len(table), *shape), dtype=np.uint8)
    encoded = table.select_columns(image_key).cast_column(image_key, datasets.Image(decode=False))
    rows = (row for batch in encoded.iter(1000) for row in batch[image_key])  # far faster than row by row
    kept: list[int] = []
    left_out: list[LeftOut] = []
    for i, row in enumerate(rows):
        try:
            pixels[len(kept)] = _pixels(row, shape, background)
            kept.append(i)
        except ValueError as error:
            left_out.append(LeftOut(_called(row, i, name), str(error)))
    table = table.select(kept) if left_out else table
    labels = torch.tensor(table[label_key][:]) if label_key else torch.full((len(table),), -1)
    return Images(name, torch.from_numpy(pixels[: len(kept)]), labels.long(), classes, left_out=tuple(left_out)), table


def _pixels(row: dict[str, Any] | None, shape: tuple[int, int, int], background: int) -> np.ndarray:
    """The picture of a row {"bytes", "path"} of an undecoded image column. Raises ValueError that says why not."""
    if row is None:
        raise ValueError("empty")
    return read_pixels(row["path"] if row["bytes"] is None else io.BytesIO(row["bytes"]), shape, background)


def _called(row: dict[str, Any] | None, index: int, name: str) -> str:
    """What to call the picture of a row: its path in the folder, or its number and the file's name if it has one."""
    if row is None or not row["path"]:
        return f"image {index}"
    path = Path(row["path"])
    if row["bytes"] is None and path.is_relative_to(name):
        return path.relative_to(name).as_posix()
    return f"image {index} ({row['path']})"


def reason(error: Exception) -> str:
    """The first line of what an exception says, or its kind: other libraries' errors can be pages long, or empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
