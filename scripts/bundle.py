"""Put a trained checkpoint in the place of a bundled one: choose how it samples, measure it, compare, take it.

PYTHONPATH=. python scripts/bundle.py settle runs/mine/checkpoint --set guidance_scale=1.27 'guidance_interval=[0.0, 0.34]'
python -m genmodels evaluate runs/mine/checkpoint
PYTHONPATH=. python scripts/bundle.py compare runs/mine/checkpoint diffusion-mnist
PYTHONPATH=. python scripts/bundle.py take runs/mine/checkpoint diffusion-mnist
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from genmodels import checkpoint
from genmodels.__main__ import assignments
from genmodels.card import sampling_settings, write_card
from genmodels.data import load_dataset, tile, to_uint8
from genmodels.evaluation.report import Figures, measured, of_model, shown
from genmodels.files import json_writer, text_writer, write_files
from genmodels.training.completion import preview


def settle(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change settings of sampling after training, with all that follows from them: config, samples, side files, card.

    The weights stay. Raises ValueError for what is no setting of sampling, or a value that the family refuses.
    """
    folder = checkpoint.find(folder)
    saved = checkpoint.read_config(folder)
    known = sampling_settings(saved["family"], saved["config"])
    if unknown := changes.keys() - set(known):
        allowed = f"those are {', '.join(known)}" if known else f"a model of the family {saved['family']} has none"
        raise ValueError(f"{min(unknown)!r} is no setting of sampling; {allowed}.")
    model = checkpoint.started(folder, saved["family"], changes)
    data = saved["data"]
    test = load_dataset(data["name"], "test", tuple(data["shape"]), captions=bool(saved["config"].get("vocabulary")))
    files: dict[str, Callable[[Path], Any]] = {name: text_writer(text) for name, text in model.side_texts().items()}
    if (picture := preview(model.eval(), test)) is not None:
        files["samples.png"] = tile(to_uint8(picture)).save
    write_files(folder, files | {checkpoint.CONFIG: json_writer(saved | {"config": model.config.to_json()})})
    write_card(folder)


def compare(folder: Path, name: str) -> str:
    """A table of every figure that the bundled model or this one has.

    Raises ValueError if there is no such bundled model, or this one is of another kind or isn't measured as it is now.
    """
    new, before = _figures(folder, name), measured(name)
    old = of_model(before) if before else {}
    rows = [(key, shown_as(old, key), shown_as(new, key)) for key in [*old, *(key for key in new if key not in old)]]
    return "\n".join(f"{key:34} {before:>16} {after:>16}" for key, before, after in [("", name, "this one"), *rows])


def take(folder: Path, name: str) -> list[str]:
    """Copy a measured checkpoint into a bundled one's place; the experiments that it makes out of date.

    What it went on from is called `name` on its card, unless that is another bundled model. Raises ValueError as `compare` does.
    """
    _figures(folder, name)
    folder = checkpoint.find(folder)
    family = type(checkpoint.outline(folder))
    training = _named(checkpoint.read_json(folder, "training.json"), name)
    target = checkpoint.packaged()[name]
    there = [file for file in checkpoint.files_of(family) if (folder / file).is_file()]
    copies: dict[str, Callable[[Path], Any]] = {file: partial(shutil.copyfile, folder / file) for file in there}
    write_files(target, copies | {"training.json": json_writer(training)})
    write_card(target)
    tables = {file.stem: json.loads(file.read_text("utf-8")) for file in target.parent.glob("experiments/*.json")}
    now = checkpoint.weights_hash(target)
    return sorted(key for key, table in tables.items() if table["weights"].get(name, now) != now)


def shown_as(figures: Figures, key: str) -> str:
    """A figure as tables show it; one of an attribute, whose key says of which, as others of its kind."""
    kind = key.partition(" of ")[0]
    return shown({kind: figures[key]}, kind) if key in figures else "–"


def _figures(folder: Path, name: str) -> Figures:
    """What was measured of a checkpoint that could take the bundled one's place."""
    if name not in checkpoint.packaged():
        raise ValueError(f"There is no bundled model {name!r}; there are {', '.join(checkpoint.packaged())}.")
    kind, wanted = _kind(folder), _kind(name)
    for key, value in kind.items():
        if value != wanted[key]:
            raise ValueError(f"{folder} can't stand for {name}: its {key} is {value}, not {wanted[key]}.")
    report = measured(folder)
    if not report:
        raise ValueError(f"{folder} isn't measured as it is now: python -m genmodels evaluate {folder}")
    return of_model(report)


def _kind(source: Path | str) -> dict[str, Any]:
    """What a checkpoint must have in common with the bundled one whose place it takes."""
    saved = checkpoint.read_config(source)
    data = {key: saved["data"][key] for key in ("shape", "classes")}
    return {"family": saved["family"], "data set": saved["data"]["name"], **data}


def _named(training: dict[str, Any], name: str) -> dict[str, Any]:
    told = dict(training)
    if told.get("start") and told["start"] not in checkpoint.packaged():
        told["start"] = name
    if told.get("before"):
        told["before"] = _named(told["before"], name)
    return told


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["settle", folder, "--set", *changes] if changes:
                settle(Path(folder), assignments(changes))
            case ["compare", folder, name]:
                print(compare(Path(folder), name))
            case ["take", folder, name]:
                for experiment in take(Path(folder), name):
                    print(f"out of date: python -m genmodels experiment {experiment}")
            case _:
                raise ValueError((__doc__ or "").strip())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
