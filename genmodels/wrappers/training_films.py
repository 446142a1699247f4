"""Films of training: the same latents at many steps, as a checkpoint holds them."""

from genmodels import checkpoint
from genmodels.wrappers.core import check_name
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
