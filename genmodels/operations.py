"""What can be done with any model that has the abilities for it, on tensors. Images are (B, C, H, W) in [-1, 1]."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeGuard, TypeVar, get_type_hints

import torch
from torch import Tensor

from genmodels import metrics
from genmodels.models.base import ERASED, checked, draw_normal, seeded
from genmodels.protocols import (
    ABILITIES,
    AnyModel,
    FollowsSketches,
    HasLikelihood,
    ReadsCaptions,
    Reconstructs,
    Samples,
    SamplesStepwise,
    abilities,
)

A = TypeVar("A", bound=AnyModel)


def require(model: AnyModel, ability: type[A]) -> A:
    """The same model, known to have an ability. Raises ValueError naming the ability, or the part of it, that it lacks."""
    if not isinstance(model, ability):
        raise ValueError(
            f"This {type(model).__name__} can't do that: it lacks the ability {_lacking(model, ability)} "
            f"(it has {', '.join(abilities(model)) or 'none'})."
        )
    return model


def _lacking(model: AnyModel, ability: type[AnyModel]) -> str:
    """The ability, or the first of its parts if it is no more than these, as Reconstructs is."""
    parts = (part for part in ability.__mro__ if part in ABILITIES.values() and not isinstance(model, part))
    return next(parts, ability).__name__


def device_of(model: AnyModel) -> torch.device:
    return next(model.parameters()).device


def as_labels(model: AnyModel, n: int, label: int | Sequence[int] | str | None) -> Tensor:
    """Labels `(n,)` on the model's device: None = no class, an int = that class, "balanced" = every class in turn, or n ints.

    A model without classes has only None. Raises ValueError with the allowed range.
    """
    return _labels(model, n, label).to(device_of(model))


def _labels(model: AnyModel, n: int, label: int | Sequence[int] | str | None) -> Tensor:
    if isinstance(label, str):
        if label != "balanced":
            raise ValueError(f"label must be a class number, 'balanced' or None, not {label!r}.")
        return torch.arange(n) % model.num_classes if model.num_classes else torch.full((n,), -1)
    if label is None:
        return torch.full((n,), -1)
    labels = (
        torch.as_tensor(label, dtype=torch.long).reshape(-1).expand(n)
        if isinstance(label, int)
        else torch.tensor(label)
    )
    if len(labels) != n:
        raise ValueError(f"There are {len(labels)} labels for {n} images.")
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high >= model.num_classes:
        wrong = low if low < -1 else high
        if not model.num_classes:
            raise ValueError("This model has no classes: the label must be None.")
        raise ValueError(f"There is no class {wrong}; the classes are 0 to {model.num_classes - 1}.")
    return labels


def as_tokens(model: AnyModel, n: int, captions: Sequence[str]) -> Tensor:
    """Captions as labels `(n, L)`. Raises ValueError for a model that reads none, and for another number of them."""
    if not reads_captions(model):
        raise ValueError(f"This {type(model).__name__} was not trained on captions.")
    if len(captions) != n:
        raise ValueError(f"There are {len(captions)} captions for {n} images.")
    return model.tokenize(captions).to(device_of(model))


def reads_captions(model: AnyModel) -> TypeGuard[ReadsCaptions]:
    """Whether the model was trained on captions instead of classes."""
    return isinstance(model, ReadsCaptions) and bool(model.vocabulary)


def follows_sketches(model: AnyModel) -> TypeGuard[FollowsSketches]:
    """Whether the model was trained to follow sketches."""
    return isinstance(model, FollowsSketches) and model.follows_sketches


@torch.no_grad()
def sample(
    model: AnyModel,
    n: int = 16,
    seed: int = 0,
    label: int | Sequence[int] | str | None = "balanced",
    batch_size: int = 128,
    *,
    captions: Sequence[str] | None = None,
    **knobs: Any,
) -> Tensor:
    """n new images `(n, C, H, W)`; image i uses seed + i and depends on nothing else.

    label: "balanced" = every class in turn, None = no class, an int, or n ints. captions: n of them instead, for a
    model that reads them. knobs: the family's own, such as temperature. Raises ValueError if the model can't sample, a class or knob doesn't exist, or a number is out of range.

    >>> import genmodels, torch
    >>> model = genmodels.load("vae-mnist")
    >>> x = genmodels.sample(model, n=4, seed=7, label=3, temperature=0.8)
    >>> x.shape
    torch.Size([4, 1, 28, 28])
    >>> alone = genmodels.sample(model, n=1, seed=9, label=3, temperature=0.8)
    >>> torch.allclose(alone[0], x[2], atol=1e-5)
    True
    """
    model, labels, knobs = _asked(model, n, seed, label, captions, knobs)
    images = [
        model.sample(
            labels[i : i + batch_size], generators=seeded(range(seed + i, seed + min(i + batch_size, n))), **knobs
        )
        for i in range(0, n, batch_size)
    ]
    return torch.cat(images).clamp(-1, 1)


def sample_steps(
    model: AnyModel,
    n: int = 16,
    seed: int = 0,
    label: int | Sequence[int] | str | None = "balanced",
    *,
    captions: Sequence[str] | None = None,
    **knobs: Any,
) -> Iterator[Tensor]:
    """`sample`, all at once and step by step: what is there after each step of a model that takes many; the last one is the
    result. Arguments and errors as there.

    >>> import genmodels
    >>> from genmodels import operations
    >>> steps = list(operations.sample_steps(genmodels.load("diffusion-mnist-fast"), n=2))
    >>> len(steps), steps[-1].shape
    (4, torch.Size([2, 1, 28, 28]))
    """
    model, labels, knobs = _asked(model, n, seed, label, captions, knobs)
    generators = seeded(range(seed, seed + n))
    if isinstance(model, SamplesStepwise):
        steps = model.sample_steps(labels, generators=generators, **knobs)
    else:
        steps = iter([model.sample(labels, generators=generators, **knobs)])
    return (images.clamp(-1, 1) for images in steps)


def _asked(
    model: AnyModel,
    n: int,
    seed: int,
    label: int | Sequence[int] | str | None,
    captions: Sequence[str] | None,
    knobs: dict[str, Any],
) -> tuple[Samples, Tensor, dict[str, Any]]:
    """The model, its labels or tokens, and its knobs, checked."""
    model = require(model, Samples)
    if n < 1 or not 0 <= seed < 2**63 - n:
        raise ValueError(f"n must be at least 1, the seed from 0 to 2**63 - 1 - n; not {n} and {seed}.")
    knobs = _checked_knobs(model, knobs)
    return model, as_labels(model, n, label) if captions is None else as_tokens(model, n, captions), knobs


def _checked_knobs(model: Samples, knobs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the family's own `sample`; ValueError for an unknown one or a value of the wrong type."""
    known = {
        key: hint for key, hint in get_type_hints(model.sample).items() if key not in ("labels", "generators", "return")
    }
    if unknown := knobs.keys() - known.keys():
        raise no_knob(min(unknown), known)
    return {key: checked(key, value, known[key]) for key, value in knobs.items()}


def no_knob(key: str, known: Iterable[str]) -> ValueError:
    """What to raise where a model has no such knob, but the `known` ones."""
    return ValueError(f"There is no knob {key!r}; this model has {', '.join(sorted(known)) or 'none'}.")


@torch.no_grad()
def reconstruct(model: AnyModel, x: Tensor, labels: Tensor | None = None) -> Tensor:
    """decode(encode(x)), images `(B, C, H, W)`. Raises ValueError if the model can't do both.

    >>> import genmodels
    >>> from genmodels.real_images import real_images
    >>> x, _ = real_images("mnist")[:8]
    >>> again = genmodels.reconstruct(genmodels.load("ae-mnist"), x)
    >>> bool((again - x).abs().mean() < 0.1)
    True
    """
    model = require(model, Reconstructs)
    return model.decode(model.encode(x, labels), labels).clamp(-1, 1)


@torch.no_grad()
def compresses(model: AnyModel) -> bool:
    """Whether images pass through fewer numbers than they have themselves, so that `reconstruct` loses something."""
    if not isinstance(model, Reconstructs):
        return False
    blank = torch.zeros(1, *model.image_shape, device=device_of(model))
    return model.encode(blank).numel() < math.prod(model.image_shape)


@torch.no_grad()
def bits_per_dim(model: AnyModel, x: Tensor, labels: Tensor | None = None, *, seed: int = 0) -> Tensor:
    """bits/dim of 8-bit images `(B,)`, exact or an upper bound estimated from one draw, which the seed makes repeatable."""
    model = require(model, HasLikelihood)
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        torch.manual_seed(seed)
        nats = model.log_likelihood(x, labels)
    return metrics.bits_per_dim(nats, model.image_shape)


@torch.no_grad()
def interpolate(model: AnyModel, a: Tensor, b: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
    """Images `(T, C, H, W)` decoded on the straight line between the codes of two images `(C, H, W)`, at t `(T,)`.

    >>> import genmodels, torch
    >>> model = genmodels.load("ae-mnist")
    >>> a, b = genmodels.sample(genmodels.load("gan-mnist"), n=2)
    >>> genmodels.interpolate(model, a, b, torch.linspace(0, 1, 5)).shape
    torch.Size([5, 1, 28, 28])
    """
    model = require(model, Reconstructs)
    za, zb = model.encode(torch.stack([a, b]), labels)
    t = t.to(za).reshape(-1, *[1] * za.ndim)
    return model.decode(za + t * (zb - za), None).clamp(-1, 1)


def corrupt(x: Tensor, sigma: float, seeds: Sequence[int], hidden: Tensor | None = None) -> Tensor:
    """x with the pixels where `hidden` (B, 1, H, W) is True erased to grey, then noise of standard deviation sigma.

    The noise of image i depends on seeds[i] alone.

    >>> import genmodels, torch
    >>> x = torch.zeros(2, 1, 28, 28)
    >>> round(float(genmodels.corrupt(x, 0.5, seeds=[0, 1]).std()), 1)
    0.5
    """
    if hidden is not None:
        x = torch.where(hidden, ERASED, x)
    if sigma == 0:
        return x
    return x + sigma * draw_normal(x.shape[1:], seeded(seeds), x.device)


@torch.no_grad()
def anomaly_score(model: AnyModel, x: Tensor, labels: Tensor | None = None) -> Tensor:
    """How badly the model reproduces each image `(B,)`: root mean squared error in grey levels (0..255).

    >>> import genmodels, torch
    >>> digit = genmodels.sample(genmodels.load("gan-mnist"), n=1)
    >>> noise = genmodels.corrupt(torch.zeros_like(digit), 0.5, seeds=[0])
    >>> scores = genmodels.anomaly_score(genmodels.load("ae-mnist"), torch.cat([digit, noise]))
    >>> bool(scores[0] < scores[1])
    True
    """
    return root_mean_squared_error(reconstruct(model, x, labels), x)


def root_mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Between images `(B, C, H, W)`, in grey levels (0..255): `(B,)`."""
    return metrics.mean_squared_error(x, y).sqrt() * 127.5
