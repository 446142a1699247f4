"""Checkpoints: a folder is a model. Save, find (bundled name, folder or Hub repo), load.

config.json                {"format": 1, "family": "vae", "config": {...}, "data": {"name", "shape", "classes"}}
                           of data that lie in a folder the name alone, no path to it; see `trained_on`
model.safetensors          the weights, EMA if EMA was used; strict keys
discriminator.safetensors  a GAN's critic: weights that sampling doesn't need, see Model.side_modules
calibration.safetensors    optional: what the app shows of the test split (scores, codes), see evaluation.calibration
training.json metrics.json README.md samples.png

A diffusion checkpoint is a diffusers pipeline too, and keeps its weights where diffusers looks for them:
model_index.json, unet/, scheduler/, ...    what DiffusionPipeline.from_pretrained reads, see Model.components
pipeline.py                                 the pipeline's code, which this library writes and pushes, but never reads

film.webp, film.json, collapse.webp, collapse.json    optional: training filmed, see scripts/train_film.py
"""

import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from genmodels.data import reason
from genmodels.files import Stamp, json_writer, read_tensors, stamp, tensor_writer, text_writer, write_files
from genmodels.models.base import Model
from genmodels.places import data_label, is_named, start_label
from genmodels.registry import family_of, get_family

Source = str | os.PathLike[str]  # a bundled name, a folder, or a Hub repo "user/repo"

FORMAT = 1
CONFIG, WEIGHTS, CALIBRATION = "config.json", "model.safetensors", "calibration.safetensors"
FILMS = ("film.webp", "film.json", "collapse.webp", "collapse.json")
CODE = ".py"
#: Beside a run's `checkpoint/`, so that it is never shared with it: where the data are on this computer.
DATA_PLACE = "data.json"


def _bundled_roots() -> list[Path]:
    """In a checkout the bundled models lie beside the package; installed, they are a package of their own, without code."""
    checkout = Path(__file__).parent.parent / "checkpoints"
    if (checkout / "pyproject.toml").is_file():
        return [checkout]
    spec = find_spec("genmodels_checkpoints")
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []


BUNDLED = _bundled_roots()
OWN = "GENMODELS_CHECKPOINTS"
#: Those of the Hub that belong to the app's models while it runs: name -> folder. See wrappers/hub_checkpoints.py.
JOINED: dict[str, Path] = {}
LOOK = 0.5  # seconds
NO_MODELS = "none (pip install genmodels-checkpoints)"


# -- which files, and where ---------------------------------------------------------------------------------------------


def weight_files(family: type[Model]) -> list[str]:
    """Where the checkpoints of a family keep weights: those of side modules and components in files of their own."""
    return [WEIGHTS, *map(_side_file, family.side_modules), *family.components.values()]


def files_of(family: type[Model]) -> list[str]:
    """All files that the checkpoints of a family may have; others in the folder are neither pushed nor downloaded."""
    about = (CALIBRATION, "training.json", "metrics.json", "README.md", "samples.png", *FILMS)
    return [*weight_files(family), *about, *family.component_texts, CONFIG]  # which makes the folder a checkpoint: last


def _side_file(module: str) -> str:
    return f"{module}.safetensors"


def bundled() -> dict[str, Path]:
    """The models that come with the package, and those of one's own that are named to it (see `own`): name -> folder.

    >>> import genmodels
    >>> "vae-mnist" in genmodels.bundled()
    True
    """
    return packaged() | own() | JOINED


def packaged() -> dict[str, Path]:
    """The models that come with the package: name -> folder."""
    return {name: folder for root in BUNDLED for name, folder in _inside(root).items()}


def own() -> dict[str, Path]:
    """The models of one's own that the environment variable GENMODELS_CHECKPOINTS names: name -> folder.

    It holds folders, several as in PATH: of a checkpoint, of a run with its `checkpoint`, or of several of these. A model is
    called like its folder, or like its run; a name that is taken gets "own-" in front. Raises ValueError for a folder without one.
    """
    found: dict[str, Path] = {}
    for place in filter(None, os.environ.get(OWN, "").split(os.pathsep)):
        folder = Path(place).expanduser().absolute()
        below = sorted(folder.iterdir()) if folder.is_dir() else []
        folders = [_checkpoint_in(folder)] if _checkpoint_in(folder) else [_checkpoint_in(each) for each in below]
        if not any(folders):
            raise ValueError(f"{OWN} names the folder {place!r}, which holds no checkpoint (no {CONFIG}).")
        for each in filter(None, folders):
            name = start_label(str(each))
            taken = name in found or any((root / name / CONFIG).is_file() for root in BUNDLED)
            found[f"own-{name}" if taken else name] = each
    return found


def _checkpoint_in(folder: Path) -> Path | None:
    """The folder, or that of its run's checkpoint; None if it is neither."""
    return next((each for each in (folder, folder / "checkpoint") if (each / CONFIG).is_file()), None)


def _inside(root: Path) -> dict[str, Path]:
    names = sorted(os.listdir(root)) if root.is_dir() else []
    return {name: root / name for name in names if os.path.isfile(os.path.join(root, name, CONFIG))}


def bundled_folder(name: str) -> Path | None:
    """The folder of one bundled model, without a look into the others; None if there is none of that name."""
    folders = [root / name for root in reversed(BUNDLED) if root.is_dir() and name in os.listdir(root)]
    found = next((folder for folder in folders if (folder / CONFIG).is_file()), None)
    return found or own().get(name) or JOINED.get(name)


def configs() -> dict[str, dict[str, Any]]:
    """What the bundled models that can be read say of themselves: name -> config.json; `unreadable` has the others.

    They are kept while their files don't change: to read, not to write into.
    """
    return {name: config for name, config in _all_configs().items() if isinstance(config, dict)}


def unreadable() -> dict[str, str]:
    """The bundled models whose config.json can't be read: name -> why, in one sentence."""
    return {name: config for name, config in _all_configs().items() if isinstance(config, str)}


def _all_configs() -> dict[str, dict[str, Any] | str]:
    """As they were LOOK seconds ago, at most, if no checkpoint came or went: a page asks a hundred times in a second."""
    global _looked
    places = (*map(str, BUNDLED), os.environ.get(OWN, ""), *JOINED)
    which = places, [stamp(root) for root in BUNDLED if root.is_dir()]
    if _looked is None or _looked.which != which or time.monotonic() - _looked.at > LOOK:
        _looked = _Look(which, time.monotonic(), _read_configs())
    return _looked.found


class _Look(NamedTuple):
    """What was found when, in which folders."""

    which: Any
    at: float
    found: dict[str, dict[str, Any] | str]


_looked: _Look | None = None


def _read_configs() -> dict[str, dict[str, Any] | str]:
    found: dict[str, dict[str, Any] | str] = {}
    for name, folder in bundled().items():
        try:
            found[name] = _kept_config(folder, stamp(os.path.join(folder, CONFIG)))
        except (OSError, ValueError) as error:
            found[name] = str(error)
    return found


@functools.lru_cache(maxsize=256)
def _kept_config(folder: Path, stamp: Stamp) -> dict[str, Any]:
    return Checkpoint(folder).config


def find(source: Source) -> Path:
    """The folder of a bundled name, of a folder, or of a Hub repo "user/repo" (downloaded: see `_download`).

    Raises ValueError in one sentence that says what was missing and what exists.
    """
    name = str(source)
    if folder := bundled_folder(name):
        return folder
    if Path(name, CONFIG).is_file():
        return Path(name)
    if _is_repo(name):
        return _download(name)
    known = ", ".join(bundled()) or NO_MODELS
    if "/" in name or Path(name).exists():
        raise ValueError(f"There is no checkpoint at {name!r} (no {CONFIG}); bundled are {known}.")
    raise ValueError(f"There is no model {name!r}; bundled are {known}.")


def _is_repo(name: str) -> bool:
    """Whether it can only be a Hub repo: "user/repo", and nothing on the disk."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).exists()


def _download(repo: str) -> Path:
    """A Hub repo's checkpoint, from the cache if the Hub can't be reached; HF_TOKEN is used if it is set.

    First config.json, which names the family, then the files of that family: weights as safetensors, texts, no code.
    """
    folder = _snapshot(repo, [CONFIG])
    if not (folder / CONFIG).is_file():
        raise ValueError(f"The Hub repo {repo!r} is not a genmodels checkpoint: it has no {CONFIG}.")
    names = [name for name in files_of(Checkpoint(folder).family) if not name.endswith(CODE)]
    return _snapshot(repo, names, revision=folder.name)  # a snapshot's folder is called like its commit


def _snapshot(repo: str, names: list[str], revision: str | None = None) -> Path:
    """Where these files of a Hub repo are, those that it has."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=names))
    except (HFValidationError, OSError) as error:
        raise ValueError(f"The model {repo!r} could not be downloaded from the Hub: {reason(error)}") from error


def writable(source: Source, out: Source | None = None) -> Path:
    """The folder to keep in what is found out about a checkpoint: its own or, with `out`, a copy of it there.

    Raises ValueError for a repo of the Hub without `out`: its files are kept for the Hub's library, which takes them
    for those on the Hub. Also where another model lies at `out`.
    """
    if out is None:
        if bundled_folder(str(source)) is None and _is_repo(str(source)):
            raise ValueError(
                f"The model {str(source)!r} is on the Hub: name a folder for a copy of it, `evaluate … --out` (out=…)."
            )
        return find(source)
    original, folder = Checkpoint(find(source)), Path(out)
    if not (folder / CONFIG).is_file():
        copies = {name: functools.partial(shutil.copyfile, original.folder / name) for name in original.files()}
        write_files(folder, copies)
    elif Checkpoint(folder).weights_hash != original.weights_hash:
        raise ValueError(f"There is another model in {folder} than {source}: name an empty folder.")
    return folder


# -- what it says of itself ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """A folder that is a model. What its files say is read when it is first asked for, and once.

    Raises ValueError that names the file, and what is wrong with it.
    """

    folder: Path

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """config.json, checked: {"format", "family", "config", "data"}."""
        return _checked_config(self.folder / CONFIG)

    @functools.cached_property
    def family(self) -> type[Model]:
        try:
            return get_family(self.config["family"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.folder / CONFIG} doesn't describe a model: {error}") from error

    @functools.cached_property
    def weights_hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all weights: which model exactly a figure belongs to."""
        files = [self.folder / name for name in weight_files(self.family)]
        return _digest(tuple((file, stamp(file)) for file in files if file.is_file()))

    def files(self) -> list[str]:
        """Those of the files of its family that it has."""
        return [name for name in files_of(self.family) if (self.folder / name).is_file()]

    def size(self) -> int:
        """Bytes of the weights that sampling needs."""
        needed = set(weight_files(self.family)) - set(map(_side_file, self.family.side_modules))
        return sum((self.folder / name).stat().st_size for name in self.files() if name in needed)

    def read_json(self, name: str) -> dict[str, Any]:
        """A side file such as training.json; {} if there is none."""
        file = self.folder / name
        if not file.is_file():
            return {}
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} can't be read as JSON: {error}") from error
        if not isinstance(values, dict):
            raise ValueError(f"{file} holds no JSON object.")
        return values


@functools.lru_cache(maxsize=256)
def _digest(files: tuple[tuple[Path, Stamp], ...]) -> str:
    digest = hashlib.sha256()
    for file, _ in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _checked_config(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} can't be read as JSON: {error}") from error
    if not isinstance(values, dict) or "family" not in values:
        raise ValueError(f"{file} is not the config of a genmodels checkpoint: it has no key 'family'.")
    if values.get("format") != FORMAT:
        raise ValueError(f"{file} has format {values.get('format')!r}; this version reads format {FORMAT}.")
    for key in ("config", "data"):
        if not isinstance(values.get(key), dict):
            raise ValueError(f"{file} lacks the object {key!r}.")
    values["data"]["name"] = data_label(str(values["data"].get("name", "")))
    return values


def read_config(source: Source) -> dict[str, Any]:
    """config.json of a checkpoint, checked. Raises ValueError naming the file and what is wrong with it."""
    return Checkpoint(find(source)).config


def read_json(source: Source, file: str) -> dict[str, Any]:
    """A side file such as metrics.json; {} if the checkpoint has none, ValueError naming it if it is no JSON."""
    return Checkpoint(find(source)).read_json(file)


def weights_hash(source: Source) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all weights: which model exactly a figure belongs to."""
    return Checkpoint(find(source)).weights_hash


def size(source: Source) -> int:
    """Bytes of the weights that sampling needs."""
    return Checkpoint(find(source)).size()


def trained_on(source: Source) -> str:
    """What `load_dataset` reads a checkpoint's data from: a name, or the folder that its run has read.

    Raises ValueError if that folder isn't here: the checkpoint comes from elsewhere, or one of both was moved.
    """
    folder = find(source)
    name = Checkpoint(folder).config["data"]["name"]
    if is_named(name):
        return name
    place = _data_place(folder.resolve().parent / DATA_PLACE)
    if data_label(place) == name and Path(place).is_dir():
        return place
    called = f" (folder {name!r})" if name else ""
    raise ValueError(
        f"The pictures that {folder.name} was trained on{called} are not here: name them with --data (data=…)."
    )


def _data_place(file: Path) -> str:
    """The folder that a run has noted; "" if there is no such note."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["place"]) if file.is_file() else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} can't be read as the note of a data set's place: {error}") from error


# -- loading ------------------------------------------------------------------------------------------------------------


def outline(source: Source) -> Model:
    """The model of a checkpoint without its weights, on the meta device: its shapes, within milliseconds."""
    found = Checkpoint(find(source))
    family = found.family
    try:
        # Shapes without memory: the weights must fit before a model is built.
        with torch.device("meta"), _Undrawn():
            return family(family.Config.from_json(found.config["config"]))
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{found.folder / CONFIG} doesn't describe a model: {error}") from error


def load(source: Source, *, device: torch.device | str | None = None) -> Model:
    """The model of a bundled name, a folder or a Hub repo "user/repo", in evaluation mode, float32.

    `device`: by default the one that accelerate picks. Raises ValueError naming file and key where the checkpoint is
    corrupt, foreign, incomplete or of wrong shapes; then nothing is loaded.

    >>> import genmodels
    >>> model = genmodels.load("vae-mnist")
    >>> model.image_shape, model.num_classes, model.config.latent_dim
    ((1, 28, 28), 10, 32)
    """
    folder = find(source)  # once: for a Hub repo it asks the Hub
    outlined = outline(folder)
    family, wanted = type(outlined), outlined.state_dict()
    weights: dict[str, Tensor] = {}
    for name, keys in _keys_by_file(family, wanted).items():
        tensors = read_tensors(folder / name)
        _check_fit(folder / name, tensors, {stored: wanted[key] for stored, key in keys.items()})
        weights |= {key: tensors[stored] for stored, key in keys.items()}
    with _Undrawn():
        model = family(outlined.config)
    model.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
    if device is None:
        from genmodels.device import device as accelerate_device

        device = accelerate_device()
    return model.eval().requires_grad_(False).to(device)


def started(source: Source, family: str, changes: Mapping[str, Any]) -> Model:
    """A model to train further: a checkpoint's weights, and its config with `changes`, on the CPU.

    What a family does where the change adds to what it is told, its `weights_from` says. Raises ValueError if the checkpoint is of another family, or a change alters the shape of its weights.
    """
    values = read_config(source)
    if values["family"] != family:
        raise ValueError(f"The model {str(source)!r} is a {values['family']}, not a {family}.")
    cls = get_family(family)
    model = cls(cls.Config.from_json(cls.Config.inherited(values["config"]) | dict(changes)))
    start = load(source, device="cpu")
    try:
        model.load_state_dict(model.weights_from(start.state_dict(), start.config))
    except RuntimeError as error:
        raise ValueError(f"The weights of {str(source)!r} don't fit after the changes {', '.join(changes)}.") from error
    model.start_from_here()
    return model


class _Undrawn(TorchFunctionMode):
    """Leaves out the first weights of a model, which nobody reads, and on the meta device their arithmetic, too: it would
    import half of torch, and sympy."""

    DRAWS = (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_, Tensor.normal_, Tensor.uniform_)
    COUNTS = (torch.arange, torch.linspace)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if func in self.DRAWS:
            return options.get("tensor", args[0] if args else None)
        if func in self.COUNTS and "device" not in options and torch.get_default_device().type == "meta":
            return func(*args, **options, device="cpu").to("meta")
        return func(*args, **options)


def _keys_by_file(family: type[Model], keys: Iterable[str]) -> dict[str, dict[str, str]]:
    """Which file holds which keys of the state dict: file -> {key in the file: key in the state dict}.

    One file per side module, one per component (there without the component's own name), model.safetensors all the rest.
    """
    files: dict[str, dict[str, str]] = {}
    for key in keys:
        module, _, inner = key.partition(".")
        file, stored = WEIGHTS, key
        if module in family.side_modules:
            file = _side_file(module)
        elif module in family.components:
            file, stored = family.components[module], inner
        files.setdefault(file, {})[stored] = key
    return files


def load_calibration(source: Source) -> dict[str, Tensor]:
    """The tensors of calibration.safetensors; {} if the checkpoint has none."""
    file = find(source) / CALIBRATION
    return (
        {key: t.float() if t.is_floating_point() else t for key, t in read_tensors(file).items()}
        if file.exists()
        else {}
    )


def _check_fit(file: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Strict: the same keys with the same shapes, or ValueError naming the first that is off."""
    if missing := sorted(wanted.keys() - found.keys()):
        raise ValueError(f"{file} lacks the key {missing[0]!r} ({len(missing)} missing).")
    if surplus := sorted(found.keys() - wanted.keys()):
        raise ValueError(f"{file} has the unknown key {surplus[0]!r} ({len(surplus)} surplus).")
    for key, tensor in wanted.items():
        if found[key].shape != tensor.shape:
            raise ValueError(
                f"{file}: key {key!r} has shape {list(found[key].shape)}, the config asks for {list(tensor.shape)}."
            )


# -- saving -------------------------------------------------------------------------------------------------------------


def save(
    model: Model,
    folder: Source,
    *,
    data: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    calibration: Mapping[str, Tensor] | None = None,
    half: bool = False,
) -> Path:
    """Write a checkpoint; `load(folder)` gives the model back. Other files already in the folder stay.

    data: {"name", "shape", "classes"} of the training set; of a name that is a path the last part is kept, and so of
    the checkpoint that `training` started from. half: store float16 weights (half the size).
    All files are written aside first and then renamed: a full disk or a read-only folder raises OSError in one
    sentence and leaves the former checkpoint as it was.

    >>> import genmodels
    >>> folder = genmodels.save(genmodels.load("vae-mnist"), "models/mine")
    >>> genmodels.load(folder).config.latent_dim
    32
    """
    folder = Path(folder)
    data = data or {"name": "", "shape": list(model.image_shape), "classes": []}
    config = {
        "format": FORMAT,
        "family": family_of(model),
        "config": model.config.to_json(),
        "data": {**data, "name": data_label(data["name"])},
    }
    weights = model.state_dict()
    files: dict[str, Callable[[Path], Any]] = {
        name: tensor_writer({stored: weights[key] for stored, key in keys.items()}, half)
        for name, keys in _keys_by_file(type(model), weights).items()
    }
    files |= {name: text_writer(text) for name, text in model.side_texts().items()}
    if calibration is not None:
        files[CALIBRATION] = tensor_writer(calibration, half=False)
    if training is not None:
        files["training.json"] = json_writer(_without_places(training))
    files[CONFIG] = json_writer(config)  # last: it makes the folder a checkpoint
    write_files(folder, files)
    return folder


def _without_places(training: Mapping[str, Any]) -> dict[str, Any]:
    """training.json with a name in place of the path of every checkpoint that the training went on from."""
    told = dict(training)
    if told.get("start"):
        told["start"] = start_label(told["start"])
    if told.get("before"):
        told["before"] = _without_places(told["before"])
    return told
