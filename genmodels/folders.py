"""A folder of pictures as people have them: which files are its pictures, what their classes are, what is left out.

Every folder on the first level is a class, whatever is nested in it; pictures beside class folders are left out. The
first-level folders are splits instead if they are `train` and one or more of TEST_NAMES and no other folder with
pictures stands beside them; then the same holds in each. Hidden folders, runs and checkpoints are left out.
"""

import csv
import json
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

#: What a folder with the pictures to test on is called, in any case; of several, the first that holds pictures serves.
TEST_NAMES = ("test", "validation", "valid", "val")
#: What may be said of the pictures in a folder and below it; their column "file_name" is relative to that folder.
METADATA = ("metadata.csv", "metadata.jsonl")


@dataclass(frozen=True)
class LeftOut:
    """What is no part of a data set, and why: a picture, or a folder, whose path ends in a slash."""

    path: str
    why: str


@dataclass
class Listing:
    """The pictures of a folder: by split ("train" and, if it has one, "test"), the path of each in it -> its label.

    A label is a number of `classes`, or -1 = none. captions: what metadata files say of a path, one text or several;
    None if they have no such column.
    """

    splits: dict[str, dict[str, int]]
    classes: tuple[str, ...]
    captions: dict[str, list[str]] | None
    left_out: list[LeftOut]


@dataclass
class _Folder:
    """What was found in a folder. Paths are relative to the uppermost one, with / in between."""

    path: str = ""
    files: list[str] = field(default_factory=list)
    folders: dict[str, "_Folder"] = field(default_factory=dict)

    def pictures(self) -> list[str]:
        """Its own, and of the folders in it."""
        return [*self.files, *(file for folder in self.folders.values() for file in folder.pictures())]

    def classes(self) -> tuple[str, ...]:
        """The names of the folders in it that hold pictures."""
        return tuple(name for name, folder in self.folders.items() if folder.pictures())


def list_folder(root: Path, endings: Collection[str]) -> Listing:
    """The pictures of a folder, which are the files with one of these endings (".png", …), in any case.

    Two or more class folders say what the classes are, otherwise the column "label" of metadata, if there is one.
    Raises ValueError for a metadata file that can't be read.
    """
    scan = _Scan(root, endings)
    tree = scan.folder("", frozenset())
    said = _said(root, scan.metadata, tree.pictures(), scan.left_out)
    splits = _splits(tree, scan.left_out)
    labelled = any(row["label"] for row in said.values())
    if labelled and len(splits["train"].classes()) < 2:
        labels, classes = _by_metadata(splits, said, scan.left_out)
    else:
        labels, classes = _by_folder(splits, scan.left_out)
        if labelled and _differs(said, labels["train"]):
            scan.leave_out(", ".join(scan.metadata), "its labels differ from the folders, which are the classes")
    if not labels.get("test"):
        labels.pop("test", None)
    captions = None
    if any("caption" in row or "text" in row for row in said.values()):
        captions = {path: _texts(row["caption"] if "caption" in row else row.get("text")) for path, row in said.items()}
    return Listing(labels, classes, captions, scan.left_out)


def summary(left_out: Iterable[LeftOut], few: int = 5) -> str:
    """The first few, with why, and how many more there are, on one line."""
    left_out = list(left_out)
    named = [f"{_printable(entry.path)} ({entry.why})" for entry in left_out[:few]]
    return ", ".join(named) + (f" and {len(left_out) - few} more" if len(left_out) > few else "")


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)


# -- what there is -----------------------------------------------------------------------------------------------------


class _Scan:
    """A walk through a folder that follows links, and notes what it leaves out."""

    def __init__(self, root: Path, endings: Collection[str]) -> None:
        self.root, self.endings = root, endings
        self.metadata: list[str] = []
        self.left_out: list[LeftOut] = []

    def folder(self, path: str, above: frozenset[str]) -> _Folder:
        """What is in the folder at `path`, relative to the root; above: the real paths of the folders that it lies in."""
        found, here = _Folder(path), self.root / path
        try:
            names = sorted(os.listdir(here))
        except OSError as error:
            self.leave_out(f"{path}/", error.strerror or "it can't be listed")
            return found
        above |= {os.path.realpath(here)}
        for name in names:
            self.entry(name, found, above)
        return found

    def entry(self, name: str, inside: _Folder, above: frozenset[str]) -> None:
        path = f"{inside.path}/{name}" if inside.path else name
        full = self.root / path
        if name.encode(errors="replace").decode() != name:
            self.leave_out(path, "its name is not in UTF-8")
        elif os.path.isdir(full):
            if why := _no_class(full, above):
                self.leave_out(f"{path}/", why)
            else:
                inside.folders[name] = self.folder(path, above)
        elif name.startswith("."):
            return  # such as the ._name.png that a Mac writes beside every file on other systems' disks
        elif name in METADATA:
            self.metadata.append(path)
        elif name == "metadata.parquet":
            self.leave_out(path, f"only {' and '.join(METADATA)} are read")
        elif full.suffix.lower() in self.endings:
            if os.path.isfile(full):
                inside.files.append(path)
            else:
                self.leave_out(path, "a link that leads nowhere" if os.path.islink(full) else "no file")

    def leave_out(self, path: str, why: str) -> None:
        self.left_out.append(LeftOut(path, why))


def _no_class(folder: Path, above: frozenset[str]) -> str:
    """Why nothing in a folder is a picture of the data set; "" if that can't be said."""
    if folder.name.startswith("."):
        return "hidden"
    if folder.name == "__MACOSX":
        return "a Mac's side files"
    if os.path.realpath(folder) in above:
        return "a link to a folder that it lies in"
    if _is_checkpoint(folder):
        return "a checkpoint"
    if _is_checkpoint(folder / "checkpoint") or (_holds(folder, "metrics.jsonl") and _holds(folder, "samples.png")):
        return "the folder of a run"
    return ""


def _is_checkpoint(folder: Path) -> bool:
    return _holds(folder, "config.json") and (_holds(folder, "model.safetensors") or _holds(folder, "training.json"))


def _holds(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name)  # not Path.is_file, which raises where the folder may not be read


# -- splits and classes ------------------------------------------------------------------------------------------------


def _splits(tree: _Folder, left_out: list[LeftOut]) -> dict[str, _Folder]:
    """The folders of the splits "train" and, if there is one, "test"; the tree itself is "train" if it has no splits."""
    folders = {name.lower(): folder for name, folder in tree.folders.items()}
    tests = [folders[name] for name in TEST_NAMES if name in folders]
    others = [folder for name, folder in folders.items() if name not in ("train", *TEST_NAMES) and folder.pictures()]
    if "train" not in folders or not tests or others or len(folders) < len(tree.folders):
        return {"train": tree}
    splits = {"train": folders["train"]}
    if test := next((folder for folder in tests if folder.pictures()), None):
        splits["test"] = test
    for folder in tree.folders.values():
        if not folder.pictures():
            left_out.append(LeftOut(f"{folder.path}/", "no pictures in it"))
        elif folder not in splits.values():
            left_out.append(LeftOut(f"{folder.path}/", f"the test split is {splits['test'].path}/"))
    left_out += [LeftOut(path, "in no split") for path in tree.files]
    return splits


Labels = dict[str, dict[str, int]]  # as in `Listing.splits`


def _by_folder(splits: dict[str, _Folder], left_out: list[LeftOut]) -> tuple[Labels, tuple[str, ...]]:
    """Labels by the folders in each split, and the names of the classes, which are those of the training split."""
    classes = splits["train"].classes()
    if not classes:
        return {split: dict.fromkeys(folder.pictures(), -1) for split, folder in splits.items()}, ()
    labels: Labels = {split: {} for split in splits}
    for split, folder in splits.items():
        for name, inner in folder.folders.items():
            if name in classes:
                labels[split] |= dict.fromkeys(inner.pictures(), classes.index(name))
            else:
                why = "there is no such class to train on" if inner.pictures() else "no pictures in it"
                left_out.append(LeftOut(f"{inner.path}/", why))
        left_out += [LeftOut(path, "in no class's folder") for path in folder.files]
    return labels, classes


def _by_metadata(
    splits: dict[str, _Folder], said: dict[str, dict[str, Any]], left_out: list[LeftOut]
) -> tuple[Labels, tuple[str, ...]]:
    """Labels as metadata says them, and the names of the classes, which are those of the training split."""
    named: dict[str, dict[str, str | None]] = {
        split: {path: said[path]["label"] if path in said else None for path in folder.pictures()}
        for split, folder in splits.items()
    }
    names = {name for name in named["train"].values() if name is not None}
    classes = tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))
    number: dict[str | None, int] = {None: -1, **{name: i for i, name in enumerate(classes)}}
    for of in named.values():
        left_out += [
            LeftOut(p, f"there is no class {name!r} to train on") for p, name in of.items() if name not in number
        ]
    return {
        split: {path: number[name] for path, name in of.items() if name in number} for split, of in named.items()
    }, classes


def _differs(said: dict[str, dict[str, Any]], labels: dict[str, int]) -> bool:
    """Whether metadata divides pictures into other classes than their folders do."""
    pairs = {(labels[path], row["label"]) for path, row in said.items() if path in labels}
    return any(len({pair[side] for pair in pairs}) < len(pairs) for side in (0, 1))


# -- metadata ----------------------------------------------------------------------------------------------------------


def _said(root: Path, files: list[str], pictures: list[str], left_out: list[LeftOut]) -> dict[str, dict[str, Any]]:
    """What metadata files say of pictures: the path of each -> its row, in which "label" is a text or None."""
    spelled = {normalize("NFC", path): path for path in pictures}  # systems differ in how they write accents
    said = {}
    for file in files:
        try:
            rows = {str(row["file_name"]).replace("\\", "/"): row for row in _rows(root / file)}
            for name, row in rows.items():
                path = normalize("NFC", posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))
                if path in spelled:
                    said[spelled[path]] = row | {"label": _label(row.get("label"))}
                else:
                    left_out.append(LeftOut(name, f"{file} names it, but it is none of the pictures"))
        except KeyError as error:
            raise ValueError(f"{root / file} has a row without the column 'file_name'.") from error
        except (OSError, ValueError, csv.Error) as error:
            raise ValueError(f"{root / file} can't be read: {str(error).splitlines()[0]}.") from error
    return said


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a metadata file, each as a dictionary of its columns."""
    with open(file, encoding="utf-8-sig", newline="") as lines:  # -sig: spreadsheets put a mark before the text
        if file.suffix == ".csv":
            yield from csv.DictReader(lines)
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _json_object(line, number)


def _json_object(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is no JSON") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is no JSON object")
    return row


def is_missing(value: Any) -> bool:
    """Whether a value of a table says nothing: a null, a NaN, or how these are written as text."""
    return value is None or value != value or str(value).strip() in ("", "None", "null", "nan", "NaN")


def _label(value: Any) -> str | None:
    """A class, given as text or as a number (also 3.0 for 3), as text."""
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise ValueError(f"the label {value!r} is neither a text nor a number")
    return str(value).strip()


def _texts(value: Any) -> list[str]:
    """One caption or several as a list, without those that say nothing."""
    return [str(text).strip() for text in (value if isinstance(value, list) else [value]) if not is_missing(text)]
