"""Files that are whole, or as they were before: whatever stops us while we write (a kill, a full disk, a power cut)."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from genmodels.data import reason

Stamp = tuple[int, int, int]


def json_writer(values: Mapping[str, Any]) -> Callable[[Path], int]:
    return text_writer(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def text_writer(text: str) -> Callable[[Path], int]:
    return lambda path: path.write_text(text, encoding="utf-8")


def write_json(folder: str | os.PathLike[str], name: str, values: Mapping[str, Any]) -> None:
    """One file of JSON in a folder."""
    write_files(Path(folder), {name: json_writer(values)})


def write_files(folder: Path, files: Mapping[str, Callable[[Path], Any]]) -> None:
    """Write all files into a temporary folder beside their place, then rename each: all of them, or none."""
    aside = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
        for name, write in files.items():
            (aside / name).parent.mkdir(exist_ok=True)
            write(aside / name)
            sync(aside / name)  # a file that takes another's name before it is on the disk is empty after a power cut
        for name in files:
            (folder / name).parent.mkdir(exist_ok=True)
            os.chmod(aside / name, 0o644)
            take_place(aside / name, folder / name)
    except (OSError, SafetensorError) as error:
        raise save_error(folder, error) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def take_place(aside: Path, final: Path) -> None:
    """What was written aside, and is on the disk itself (see `sync`), gets its name; and the name is on the disk, too."""
    os.replace(aside, final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Returns when a file, or the names in a folder, are on the disk itself, where a power cut leaves them."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_error(folder: Path, error: Exception, kept: str = "What was there before is unchanged.") -> OSError:
    """What to raise where saving failed: one sentence with the reason, and one that says what is `kept`."""
    code = getattr(error, "errno", None)
    full = code == errno.ENOSPC or "No space left" in str(error)
    why = "the disk is full" if full else getattr(error, "strerror", None) or reason(error)
    return OSError(code or errno.EIO, f"Saving to {folder} failed: {why}. {kept}")


def stamp(file: str | os.PathLike[str]) -> Stamp:
    """What tells whether a file is still the one that was read: of one that took its place the number is another."""
    facts = os.stat(file)
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def tensor_writer(tensors: Mapping[str, Tensor], half: bool) -> Callable[[Path], None]:
    """Writes tensors as safetensors, floats in float16 if `half`."""

    def stored(t: Tensor) -> Tensor:
        t = t.detach().cpu().contiguous()
        return t.half() if half and t.is_floating_point() else t

    contents = {key: stored(tensor) for key, tensor in tensors.items()}
    return lambda path: safetensors.torch.save_file(
        contents, path, metadata={"format": "pt"}
    )  # transformers asks for it


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file. Raises ValueError that names it if they can't be read."""
    try:
        return safetensors.torch.load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file} can't be read as safetensors: {error}") from error
