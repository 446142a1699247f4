"""What a checkpoint says of the computer that it was made on: names, no paths."""

import os
import re
from pathlib import Path, PureWindowsPath

from genmodels.data import DATASETS

#: An absolute path of two parts or more, as it stands in a text; addresses such as https://host/path are none.
PATH = re.compile(
    r"""(?<![\w:/\\.~<-])(?:/[^\s/\\?'"`<>|:;,()\[\]{}]+){2,}"""  # /home/anna/pictures, but no question of a page, /compare/?model=a/b
    r"""|(?<!\w)[A-Za-z]:(?:[/\\]+[^\s/\\'"`<>|:;,()\[\]{}]+){2,}"""  # C:\Users\anna, or its backslashes doubled
    r"""|(?<!\w)file://[^\s'"`<>]+"""
)
HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


def is_named(data: str) -> bool:
    """Whether a data set is found by this name anywhere: one that we know, or one of the Hub."""
    return data in DATASETS or HUB_ID.fullmatch(data) is not None


def data_label(data: str) -> str:
    """What a checkpoint calls its data: a folder by its own name, without the path to it; others as they are called.

    A folder that is called like a data set that we know is told apart from it.
    """
    if is_named(data):
        return data
    label = PureWindowsPath(data).name  # it takes / and \ for separators
    return f"{label} (folder)" if label in DATASETS else label


def start_label(model: str) -> str:
    """What a checkpoint calls the one that it went on from: of a folder its own name, or the run's for `run/checkpoint`."""
    if HUB_ID.fullmatch(model):
        return model
    path = PureWindowsPath(model)
    return path.parent.name if path.name == "checkpoint" and path.parent.name else path.name


def absolute(data: str) -> str:
    """A data set's name that holds in any working folder: that of a folder of pictures is its absolute path."""
    folder = Path(data).expanduser()
    return os.path.abspath(folder) if data and data not in DATASETS and folder.is_dir() else data


def without_paths(text: str) -> str:
    """The text with the last part of every absolute path in place of the path."""
    return PATH.sub(lambda found: PureWindowsPath(found[0]).name, text)
