"""Films of training: the same latents at many steps, as a checkpoint holds them."""

from typing import Any

from genmodels import checkpoint
from genmodels.wrappers.core import check_name

#: What the run was -> the files of its film, without their endings.
FILMS = {"healthy": "film", "collapsed": "collapse"}


def films(name: str) -> list[dict[str, Any]]:
    """Films of training, the same latents at many steps: those that a checkpoint holds, the healthy run first; [] if it has none.

    Each: run ("healthy" or "collapsed"), sheet (path of a WebP with all frames, row by row), columns (frames per row),
    frame_size (width and height in pixels), num_classes, frames ([{"step", "classes"}], classes = how many are covered).
    """
    check_name(name)
    folder = checkpoint.find(name)
    found = []
    for run, stem in FILMS.items():
        sheet, account = folder / f"{stem}.webp", checkpoint.read_json(folder, f"{stem}.json")
        if account and sheet.is_file():
            found.append({"run": run, "sheet": str(sheet.resolve())} | account)
    return found
