"""A model's samples as a data set: a folder (or a zip) of pictures with classes, captions and a manifest.

What it is for: data augmentation, where pictures are rare, must not be shown, or cost work to label (a survey: Shorten &
Khoshgoftaar 2019, doi 10.1186/s40537-019-0197-0). Whether it helps is another question: see `experiments/augmentation.py`.

    folder/7/00007.png …     a folder for each class; pictures without a class stand at the top
    folder/metadata.jsonl    a row for each picture: file_name, label (the class by name), text (a caption)
    folder/manifest.json     model, hash of its weights, seed, version, the command that makes the same pictures again

`genmodels.load_dataset`, `train --data folder` and the `imagefolder` of 🤗 datasets read it back.
"""

import io
import json
import os
import re
import shlex
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genmodels import checkpoint, operations
from genmodels.data import read_pixels, to_png, to_uint8
from genmodels.files import json_writer, save_error, sync, text_writer, write_files
from genmodels.protocols import AnyModel
from genmodels.version import __version__

MANIFEST, ROWS = "manifest.json", "metadata.jsonl"
BATCH = 32  # pictures between two reports
#: What a folder is called while it is being filled: hidden, so that nobody takes it for a data set.
UNFINISHED = ".{}.unfinished"
MOST = 100_000


class Caption(NamedTuple):
    """What a model of captions is told of a picture, and the class that this names: "" if none."""

    text: str
    label: str = ""


#: What pictures, uint8 `(B, C, H, W)`, of these classes ("" = none) show, in words.
Reader = Callable[[Tensor, Sequence[str]], list[str]]


@dataclass(frozen=True)
class Order:
    """What is to be drawn: picture i has seed `seed + i` and depends on nothing else.

    source: what `checkpoint.load` takes. label, knobs: as in `operations.sample`. captions: instead of a class, one for each picture, for
    a model that reads them. read: how pictures get a caption that were drawn without one; by default they get none.
    Raises ValueError for more than 100,000 pictures, or fewer than one.
    """

    source: str
    n: int
    seed: int = 0
    label: int | str | None = "balanced"
    captions: tuple[Caption, ...] = ()
    knobs: Mapping[str, Any] = field(default_factory=dict)
    read: Reader | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MOST:
            raise ValueError(f"A data set has 1 to {MOST} pictures, not {self.n}.")

    def command(self) -> str:
        parts = ["python", "-m", "genmodels", "sample", self.source, "--n", str(self.n), "--seed", str(self.seed)]
        if self.label is None:
            parts += ["--labels", "none"]
        elif not isinstance(self.label, str):
            parts += ["--label", str(self.label)]
        if self.knobs:
            parts += ["--set", *(f"{key}={value}" for key, value in self.knobs.items())]
        return shlex.join([*parts, "--out", "FOLDER"])

    def manifest(self) -> dict[str, Any]:
        """What the pictures depend on, and nothing else: the same order has the same manifest."""
        config = checkpoint.read_config(self.source)
        return {
            "format": 1,
            "model": Path(self.source).name if Path(self.source).is_dir() else self.source,
            "weights": checkpoint.weights_hash(self.source),
            "family": config["family"],
            "trained_on": config["data"]["name"],
            "pictures": self.n,
            "seed": self.seed,
            "label": self.label,
            "knobs": dict(self.knobs),
            "captions": "told to the model"
            if self.captions
            else "read from the pictures by a classifier"
            if self.read
            else "none",
            "version": __version__,
            "command": self.command(),
        }


class Collection:
    """The pictures of an order, in batches, and what is to be said of each of them."""

    def __init__(self, order: Order, model: AnyModel) -> None:
        """Raises ValueError for a model that can't sample, and for a class that it doesn't have."""
        self.order, self.model = order, model
        config = checkpoint.read_config(order.source)
        names = list(config["data"]["classes"]) or [str(i) for i in range(model.num_classes)]
        if order.captions:
            self.classes = [caption.label for caption in order.captions]
            operations.as_tokens(model, order.n, [caption.text for caption in order.captions])
        else:
            self.labels = operations.as_labels(model, order.n, order.label).tolist()
            self.classes = ["" if label < 0 else names[label] for label in self.labels]
        self.folders = _folders(self.classes)

    def path(self, i: int) -> str:
        return f"{self.folders[self.classes[i]]}{i:05d}.png"

    def draw(self, i: range) -> Tensor:
        """These pictures, uint8 `(B, C, H, W)`."""
        *_, images = self.draw_steps(i)
        return to_uint8(images).cpu()

    def draw_steps(self, i: range) -> Iterator[Tensor]:
        """What there is of these pictures in [-1, 1] after each step of a model that takes many; in the end they themselves."""
        what: dict[str, Any] = {}
        if self.order.captions:
            what["captions"] = [caption.text for caption in self.order.captions[i.start : i.stop]]
        else:
            what["label"] = self.labels[i.start : i.stop]
        return operations.sample_steps(self.model, len(i), self.order.seed + i.start, **what, **self.order.knobs)

    def rows(self, i: range, pixels: Tensor) -> list[dict[str, str]]:
        """The rows of `metadata.jsonl` that say what these pictures are."""
        classes = self.classes[i.start : i.stop]
        texts = [str(self.order.knobs.get("prompt", ""))] * len(i)
        if self.order.captions:
            texts = [caption.text for caption in self.order.captions[i.start : i.stop]]
        elif self.order.read:
            texts = self.order.read(pixels, classes)
        rows = []
        for k, label, text in zip(i, classes, texts, strict=True):
            said = {"label": label, "text": text}
            rows.append({"file_name": self.path(k)} | {key: value for key, value in said.items() if value})
        return rows


def _folders(classes: Iterable[str]) -> dict[str, str]:
    """The folder of each class, with a slash: its name, as far as all systems take it; "" for no class."""
    found: dict[str, str] = {"": ""}
    for name in dict.fromkeys(classes):
        plain = re.sub(r"[^\w .,()+-]", "_", name).strip(" .") or "_" if name else ""
        if f"{plain}/" in found.values():
            plain = f"{plain} {len(found)}"
        found.setdefault(name, f"{plain}/")
    return found


def batches(n: int, size: int = BATCH) -> Iterator[range]:
    return (range(start, min(start + size, n)) for start in range(0, n, size))


# -- as a folder -------------------------------------------------------------------------------------------------------


def write(collection: Collection, out: Path, report: Callable[[int], None] = lambda done: None) -> None:
    """Fill a new folder, all of it or nothing: until it is whole, it is a hidden one beside its place.

    Stopped, the same order goes on where it was. report: is told how many pictures there are. Raises ValueError for a folder that
    isn't empty, and where another order has been left unfinished; OSError where it can't be written.
    """
    n = collection.order.n
    aside = _begun(collection.order, out)
    try:
        missing = [i for i in range(n) if not _is_whole(aside / collection.path(i))]
        done = n - len(missing)
        report(done)
        for few in _runs(missing):
            for i, pixels in zip(few, collection.draw(few), strict=True):
                file = aside / collection.path(i)
                file.parent.mkdir(parents=True, exist_ok=True)
                unnamed = file.with_suffix(".part")
                unnamed.write_bytes(to_png(pixels))
                os.replace(unnamed, file)
            done += len(few)
            report(done)
        rows = [row for few in batches(n) for row in collection.rows(few, _read(collection, aside, few))]
        write_files(aside, {ROWS: text_writer(lines(rows))})
        _finish(aside, out)
    except OSError as error:
        raise save_error(out, error, "What was drawn is kept: the same command goes on with it.") from error


def lines(rows: Iterable[Mapping[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _begun(order: Order, out: Path) -> Path:
    """The hidden folder that is being filled, new or left by the same order."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ValueError(f"{out} is there already, and no folder.")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"The folder {out} is not empty: name a new one, so that two data sets don't mix.")
    aside, manifest = out.parent / UNFINISHED.format(out.name), order.manifest()
    try:
        if aside.is_dir():
            file = aside / MANIFEST
            if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != manifest:
                raise ValueError(f"{aside} holds an unfinished data set of other settings: finish or remove it first.")
        write_files(aside, {MANIFEST: json_writer(manifest)})
    except OSError as error:
        raise save_error(out, error, "Nothing was drawn yet.") from error
    return aside


def _is_whole(file: Path) -> bool:
    """Whether a picture is there; one that a kill has cut short still has its other name."""
    return file.is_file() and file.stat().st_size > 0


def _runs(numbers: Sequence[int]) -> Iterator[range]:
    """Neighbours among rising numbers, at most BATCH at once."""
    start = 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1 or k - start == BATCH:
            yield range(numbers[start], numbers[k - 1] + 1)
            start = k


def _read(collection: Collection, folder: Path, i: range) -> Tensor:
    """Pictures that were written, for those who say in words what they show."""
    if not collection.order.read:
        return torch.empty(0)
    pixels = [torch.from_numpy(read_pixels(folder / collection.path(k), collection.model.image_shape)) for k in i]
    return torch.stack(pixels)


def _finish(aside: Path, out: Path) -> None:
    if out.is_dir():
        out.rmdir()  # an empty one, or it would have been refused
    for folder, _, names in os.walk(aside):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    os.replace(aside, out)
    sync(out.parent)


# -- as a zip ----------------------------------------------------------------------------------------------------------


class Zip:
    """The same as an archive in memory, filled batch by batch."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.rows: list[dict[str, str]] = []
        self._file = io.BytesIO()
        self._archive = zipfile.ZipFile(self._file, "w")

    def _put(self, path: str, content: bytes | str) -> None:
        self._archive.writestr(zipfile.ZipInfo(path), content)  # of no date: the same order is the same archive

    def add(self, i: range) -> Iterator[Tensor | None]:
        """Draw these pictures and put them in. None after each step of a model that takes many; in the end they themselves,
        uint8 `(B, C, H, W)`."""
        for images in self.collection.draw_steps(i):
            last = images
            yield None
        pixels = to_uint8(last).cpu()
        for k, picture in zip(i, pixels, strict=True):
            self._put(self.collection.path(k), to_png(picture))
        self.rows += self.collection.rows(i, pixels)
        yield pixels

    def close(self) -> bytes:
        """The whole archive, with rows and manifest."""
        self._put(ROWS, lines(self.rows))
        self._put(MANIFEST, json.dumps(self.collection.order.manifest(), indent=2, ensure_ascii=False) + "\n")
        self._archive.close()
        return self._file.getvalue()
