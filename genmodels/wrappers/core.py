"""What every wrapper stands on: models that are loaded once, checks of what a visitor sends, one computation at a time."""

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from genmodels import checkpoint, operations, registry
from genmodels.data import DATASETS
from genmodels.device import AHEAD, at, devices, here, lent, to_fast_layout, turn
from genmodels.lean import import_module as import_module
from genmodels.lean import without as without
from genmodels.memory import give_back as give_back
from genmodels.memory import settle as settle
from genmodels.models.base import Model, ModelConfig
from genmodels.places import without_paths as without_paths
from genmodels.protocols import AnyModel
from genmodels.registry import get_family, title

MAX_IMAGES, MAX_SEED, MAX_FRAMES = 100, 2**31 - 1, 96
MODELS_KEPT = 32  # all that are bundled, and some of one's own
NOT_NAMED = "no class named"
A = TypeVar("A", bound=AnyModel)
P = ParamSpec("P")
R = TypeVar("R")
Step = TypeVar("Step")
_load = threading.Lock()
#: Held by who builds a model: accelerate, by which diffusers and transformers do it, changes nn.Module for all threads meanwhile.
building = threading.Lock()


def load_model(name: str) -> Model:
    """A model on the device where this thread computes (see genmodels/device.py), loaded at first use and kept there."""
    return _on(here())(name)


@functools.cache
def _on(where: torch.device) -> Callable[[str], Model]:
    """The models of one device, by name."""

    @functools.lru_cache(maxsize=MODELS_KEPT)
    def load(name: str) -> Model:
        with building, torch.inference_mode(False):  # so that something can be optimised through them
            model = checkpoint.load(name, device=where)
            to_fast_layout(model)
            return model

    return load


def check_environment() -> None:
    """ValueError in one sentence if an environment variable names a checkpoint or a device that isn't there."""
    checkpoint.own()
    devices()


def get_model(name: str, ability: type[A]) -> A:
    """A bundled model, loaded at first use and kept; ValueError if there is none of that name or it lacks the ability."""
    check_name(name)
    with _load:
        model = load_model(name)
    return operations.require(model, ability)


def load_all(pause: float = 0) -> None:
    """Every model that there is, as far as it can be read: later nobody waits for one, and no more memory is taken.
    pause: seconds between two."""
    for name in checkpoint.bundled():
        with contextlib.suppress(ValueError), _load:
            load_model(name)
        time.sleep(pause)


@functools.lru_cache(maxsize=64)
def config_of(name: str) -> ModelConfig:
    """Read, and not asked of the model: laying out the app needs it, and must not take as long as loading models."""
    check_name(name)
    saved = checkpoint.read_config(name)
    return get_family(saved["family"]).Config.from_json(saved["config"])


@functools.cache
def own_folder() -> Path:
    """Where this process keeps temporary files, apart from those of other users of the machine, until it ends.

    In GRADIO_TEMP_DIR if that is set, so that Gradio may serve them.
    """
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="genmodels-", dir=parent)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def check_name(name: Any) -> None:
    if not isinstance(name, str) or checkpoint.bundled_folder(name) is None:
        known = ", ".join(checkpoint.bundled()) or "not installed"
        raise ValueError(f"There is no model {str(name)[:40]!r}; the models are {known}.")


@functools.lru_cache(maxsize=MODELS_KEPT)
def calibration(name: str) -> dict[str, Tensor]:
    """What the checkpoint keeps of the test split; ValueError if it keeps nothing."""
    tensors = checkpoint.load_calibration(name)
    if not tensors:
        raise ValueError(f"The model {name!r} has no calibration on test images.")
    return tensors


def calibrated(name: str, key: str, what: str) -> Tensor:
    """One tensor of what the checkpoint keeps of the test split; ValueError that says `what` it lacks."""
    tensors = calibration(name)
    if key not in tensors:
        raise ValueError(f"The model {name!r} keeps no {what} of test images.")
    return tensors[key]


def locked(function: Callable[P, R]) -> Callable[P, R]:
    """One computation, in its turn on the least busy device, without gradients."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        with lent() as work, turn(work), torch.inference_mode():
            return function(*args, **kwargs)

    return guarded


def locked_steps(steps: Iterator[Step]) -> Iterator[Step]:
    """`locked` for what takes many steps: each is one computation, so that between two of them others take turns."""
    with lent() as work:
        while True:
            with turn(work), torch.inference_mode():
                step = next(steps, None)
            if step is None:
                return
            yield step


def timed(steps: Iterator[Step]) -> Iterator[tuple[Step, float]]:
    """Each step with the milliseconds that all up to it took, without the time in which others had their turns."""
    ms, start = 0.0, time.perf_counter()
    for step in steps:
        ms += 1000 * (time.perf_counter() - start)
        yield step, ms
        start = time.perf_counter()


def placed(answer: Callable[P, R]) -> Callable[P, R]:
    """All of an answer on one device, the least busy one when it begins; `locked` parts of it take turns there, ahead of others."""

    @functools.wraps(answer)
    def on_one(*args: P.args, **kwargs: P.kwargs) -> R:
        with lent(ahead=AHEAD) as work, at(work):
            return answer(*args, **kwargs)

    return on_one


def placed_steps(
    answer: Callable[P, Iterator[Step]], long: Callable[P, bool] = lambda *_, **__: False
) -> Callable[P, Iterator[Step]]:
    """`placed` for an answer that comes step by step. long: whether it takes seconds even alone, and gives way to what doesn't."""

    @functools.wraps(answer)
    def on_one(*args: P.args, **kwargs: P.kwargs) -> Iterator[Step]:
        with lent(long=long(*args, **kwargs)) as work:
            with at(work):
                steps = iter(answer(*args, **kwargs))
            while True:
                with at(work):
                    step = next(steps, None)
                if step is None:
                    return
                yield step

    return on_one


def check_int(what: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in [low, high], or ValueError with the range. Accepts 3.0 (JSON has no ints), not 3.5 or True."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not low <= value <= high
        or value != int(value)
    ):
        raise ValueError(f"{what} must be a whole number from {low} to {high}, not {shown(value)}.")
    return int(value)


def check_float(what: str, value: Any, low: float, high: float) -> float:
    """`value` as a float in [low, high], or ValueError with the range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # NaN fails too
        raise ValueError(f"{what} must be a number from {low:.10g} to {high:.10g}, not {shown(value)}.")
    return float(value)


def shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 40 else repr(value)[:37] + "…"


def class_index(name: str, label: int | str | None) -> int | None:
    """A class by number or name; None = no particular one. ValueError that lists the classes."""
    classes = describe(name)["classes"]
    if label is None:
        return None
    if not describe(name)["conditional"]:
        raise ValueError(f"The model {name!r} knows no classes: leave the class empty.")
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if isinstance(label, str):
        raise ValueError(f"There is no class {shown(label)}; the classes are {', '.join(classes)}.")
    return check_int("The class", label, 0, len(classes) - 1)


def describe(name: Any) -> dict[str, Any]:
    """What the app shows of a model: names, shape, classes."""
    if not isinstance(name, str):
        check_name(name)
    return _description(name)


@functools.lru_cache(maxsize=64)
def _description(name: str) -> dict[str, Any]:
    check_name(name)  # here, once per model: it looks through all folders, and laying out the app describes a thousand
    config = checkpoint.read_config(name)
    data, settings = config["data"], config["config"]
    known = DATASETS.get(data["name"])
    return {
        "name": name,
        "family": config["family"],
        "kind": title(config["family"]),
        "data": data["name"],
        "title": known.title if known else data["name"],
        "shape": list(data["shape"]),
        "classes": list(data["classes"]),
        "background": known.background if known else 255,
        "latent_dim": settings.get("latent_dim", 0),
        "conditional": bool(settings.get("num_classes")) and get_family(config["family"]).reads_labels,
    }


def available(family: str) -> list[str]:
    """The bundled models of a family that can be read, in the order of the data sets, the general ones before the special
    ones."""
    order = list(DATASETS)
    names = [name for name, config in checkpoint.configs().items() if config["family"] == family]

    def rank(name: str) -> tuple[bool, int, str]:
        data = describe(name)["data"]
        special = name.removesuffix(f"-{data}") not in (family, get_family(family).short_name)
        return special, order.index(data) if data in order else len(order), name

    return sorted(names, key=rank)


def kin(family: str) -> list[str]:
    """A family, then those that it stands for."""
    return registry.kin(family)


def available_of_kin(family: str) -> list[str]:
    """The bundled models of a family, then those of the families that it stands for."""
    return [name for one in kin(family) for name in available(one)]


def own() -> list[str]:
    """The models of one's own that join the bundled ones. Raises ValueError where there is none in a folder that is named."""
    return list(checkpoint.own())


def about(family: str) -> str:
    """The opening text of the family's model file, Markdown."""
    return registry.about(family)


def class_text(name: str, index: int | None) -> dict[str, str]:
    """The class as PNG text."""
    return named_class(describe(name)["classes"] if describe(name)["conditional"] else [], index)


def named_class(classes: Sequence[str], index: int | None) -> dict[str, str]:
    """One of the classes that a model knows as PNG text; None = every one in turn."""
    if index is not None:
        return {"class": classes[index]}
    return {"class": "every class in turn" if classes else "none"}
