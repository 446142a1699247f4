"""Films of training: the same latents at many steps, as a checkpoint holds them."""

import base64
from pathlib import Path

from genmodels import checkpoint
from genmodels.wrappers.core import check_name, describe
from genmodels.wrappers.section import Answer
from genmodels.wrappers.state import State
from genmodels.wrappers.types import TrainingFilm

#: What the run was -> the files of its film, without their endings.
FILMS = {"healthy": "film", "collapsed": "collapse"}


def films(name: str) -> list[TrainingFilm]:
    """Films of training, the same latents at many steps: those that a checkpoint holds, the healthy run first; [] if it has none."""
    check_name(name)
    folder = checkpoint.find(name)
    found: list[TrainingFilm] = []
    for run, stem in FILMS.items():
        sheet, account = folder / f"{stem}.webp", checkpoint.read_json(folder, f"{stem}.json")
        if account and sheet.is_file():
            film: TrainingFilm = {
                "run": run,
                "sheet": str(sheet.resolve()),
                "columns": account["columns"],
                "frame_size": account["frame_size"],
                "num_classes": account["num_classes"],
                "frames": account["frames"],
            }
            found.append(film)
    return found


# -- as a section ------------------------------------------------------------------------------------------------------

TITLES = {"healthy": "trained as it should be", "collapsed": "spoilt, without gradient penalties, steps too large"}


def show(state: State) -> Answer:
    """films: as `films`, each with its title and, in place of its path, the sheet as base64 of a WebP: frames as pixels
    would be ten times as many bytes."""
    found = films(state.model)
    if not found:
        raise ValueError(f"The model {state.model!r} keeps no film of its training.")
    data = describe(state.model)["title"]
    return {
        "films": [film | {"title": f"{data}, {TITLES[film['run']]}", "sheet": _bytes(film["sheet"])} for film in found]
    }


def _bytes(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()
