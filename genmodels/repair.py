"""Damage as old pictures have it, and what mends it: filters that know nothing of pictures, and models that do.

Where the damage is, is told: the pixels beside it stay as they are. In the world it is marked by hand or found by a detector of
its own, as for old photographs (Wan et al. 2020, arXiv 2004.09484); the filling in of what is missing is called inpainting
(Bertalmio et al. 2000), and where every second pixel is missing, super-resolution.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from genmodels.models.base import ERASED, draw_normal, seeded
from genmodels.operations import as_labels, reconstruct, require
from genmodels.protocols import AnyModel, Completes, Denoises, Reconstructs, WritesRows

SCRATCHES, BLOCKS = 8, 5  # as many at full strength
SCRATCH = 0.75  # half its width in pixels
SLANT = 0.6  # radians at most, from upright
BLOCK = 5  # a fifth of the picture wide and high
ROUNDS = 8  # of a bottleneck, each with the given pixels put back


class Damaged(NamedTuple):
    """What is left. seen: images `(B, C, H, W)`, grey where a pixel is gone. given `(B, 1, H, W)`: where it isn't. sigma: the
    standard deviation of the noise that lies on all pixels, 0 for none."""

    seen: Tensor
    given: Tensor
    sigma: float


# -- damage ------------------------------------------------------------------------------------------------------------


def _scratched(size: tuple[int, int], strength: float, dice: Generator) -> Tensor:
    """Lines from edge to edge, as a projector leaves them on film."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in size), indexing="ij")
    gone = torch.zeros(size, dtype=torch.bool)
    for _ in range(math.ceil(SCRATCHES * strength)):
        at, turn, wide = torch.rand(3, generator=dice).tolist()
        angle = SLANT * (2 * turn - 1)
        distance = (columns - at * size[1]) * math.cos(angle) - (rows - size[0] / 2) * math.sin(angle)
        gone |= distance.abs() < SCRATCH * (0.5 + wide)
    return gone


def _blocked(size: tuple[int, int], strength: float, dice: Generator) -> Tensor:
    """Squares that are gone, as after a lost packet or a torn corner."""
    gone, side = torch.zeros(size, dtype=torch.bool), max(1, size[0] // BLOCK)
    for _ in range(math.ceil(BLOCKS * strength)):
        top, left = (int(torch.randint(n - side + 1, (), generator=dice)) for n in size)
        gone[top : top + side, left : left + side] = True
    return gone


def _halved(size: tuple[int, int], strength: float, dice: Generator) -> Tensor:
    """All but every second pixel of every second row."""
    gone = torch.ones(size, dtype=torch.bool)
    gone[::2, ::2] = False
    return gone


def _whole(size: tuple[int, int], strength: float, dice: Generator) -> Tensor:
    return torch.zeros(size, dtype=torch.bool)


NOISE, HALF = "noise", "half"
#: Which pixels are gone, by the kind of damage.
DAMAGES: dict[str, Callable[[tuple[int, int], float, Generator], Tensor]] = {
    "scratches": _scratched,
    "blocks": _blocked,
    NOISE: _whole,
    HALF: _halved,
}


def damage(x: Tensor, kind: str, strength: float, seeds: Sequence[int]) -> Damaged:
    """Images `(B, C, H, W)` damaged in one of the ways of `DAMAGES`; that of image i depends on seeds[i] alone.

    strength: from 0, nothing, to 1; for noise its standard deviation; half resolution has only one. Raises ValueError for another kind.

    >>> import torch
    >>> left = damage(torch.ones(1, 1, 28, 28), "half", 0.5, [0])
    >>> int(left.given.sum()), bool((left.seen[left.given] == 1).all())
    (196, True)
    """
    if kind not in DAMAGES:
        raise ValueError(f"There is no damage {kind!r}; there are {', '.join(DAMAGES)}.")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be from 0 to 1, not {strength}.")
    size = (x.shape[2], x.shape[3])
    gone = torch.stack([DAMAGES[kind](size, strength, dice) for dice in seeded(seeds)]).unsqueeze(1).to(x.device)
    sigma = strength if kind == NOISE else 0.0
    noise = sigma * draw_normal(x.shape[1:], seeded(seeds), x.device) if sigma else 0.0
    return Damaged(torch.where(gone, ERASED, x + noise), ~gone, sigma)


def _put_back(damaged: Damaged, x: Tensor) -> Tensor:
    """x with the given pixels as they are, where no noise lies on them."""
    return x if damaged.sigma else torch.where(damaged.given, damaged.seen, x)


# -- without a model ---------------------------------------------------------------------------------------------------


def filtered(damaged: Damaged) -> Tensor:
    """By a median filter: of the 3x3 pixels around each that is noisy, or of those around each missing one that are there, from
    the edge of a hole to its middle."""
    if damaged.sigma:
        return _medians(F.pad(damaged.seen, [1] * 4, mode="reflect")).clamp(-1, 1)
    x = torch.where(damaged.given, damaged.seen, math.nan)
    for _ in range(max(x.shape[2:])):  # a pixel further in each time
        if not x.isnan().any():
            break
        x = torch.where(x.isnan(), _medians(F.pad(x, [1] * 4, value=math.nan)), x)
    return x.nan_to_num(ERASED)  # where nothing is given at all


def _medians(padded: Tensor) -> Tensor:
    """Of each 3x3 neighbourhood, of the numbers in it: `(B, C, H + 2, W + 2)` -> `(B, C, H, W)`."""
    height, width = padded.shape[2] - 2, padded.shape[3] - 2
    near = F.unfold(padded, 3).unflatten(1, (padded.shape[1], 9))
    return near.nanmedian(2).values.unflatten(2, (height, width))


def enlarged(damaged: Damaged) -> Tensor:
    """A picture of which every second pixel is given, by bicubic interpolation (Keys 1981) between these."""
    _, _, height, width = damaged.seen.shape
    small = damaged.seen[:, :, ::2, ::2]
    between = [2 * n - 1 for n in small.shape[2:]]  # from the first given pixel to the last
    x = F.interpolate(small, size=between, mode="bicubic", align_corners=True)
    x = F.pad(x, [0, width - between[1], 0, height - between[0]], mode="replicate")
    return _put_back(damaged, x.clamp(-1, 1))


def by_hand(damaged: Damaged, kind: str) -> Tensor:
    """What is usual without a model: `enlarged` for half resolution, else `filtered`."""
    return enlarged(damaged) if kind == HALF else filtered(damaged)


# -- by a model --------------------------------------------------------------------------------------------------------


def mend(model: AnyModel, damaged: Damaged, kind: str, seeds: Sequence[int]) -> Iterator[Tensor]:
    """The images on the way back to whole ones, the last of them the result, by what the model can do; it is told no class.

    What completes pictures fills in what is gone, and where it denoises, too, takes the noise away. What only reconstructs begins with
    `by_hand`, and passes that through its code again and again. Given pixels stay as they are unless noise lies on them. Raises
    ValueError for what can do neither, or has no means against noise.

    >>> import genmodels
    >>> from genmodels.real_images import real_images
    >>> x, _ = real_images("mnist")[:1]
    >>> left = damage(x, "blocks", 0.5, [0])
    >>> *_, whole = mend(genmodels.load("ae-mnist"), left, "blocks", [0])
    >>> bool((whole - x).square().mean() < (left.seen - x).square().mean())
    True
    """
    labels, generators = as_labels(model, len(seeds), None), seeded(seeds)
    if isinstance(model, Denoises):
        if damaged.sigma:
            yield model.denoise(damaged.seen, damaged.sigma, labels).clamp(-1, 1)
            return
        for step in model.complete_steps(damaged.seen, damaged.given, labels, generators=generators):
            yield _put_back(damaged, step.clean.clamp(-1, 1))
    elif isinstance(model, Completes):
        if damaged.sigma:
            raise ValueError("It writes pixels that are missing, and corrects none that are there.")
        if isinstance(model, WritesRows):
            for images, _ in model.write(damaged.seen, damaged.given, labels, generators=generators):
                yield images
        else:
            yield model.complete(damaged.seen, damaged.given, labels, generators=generators)
    else:
        model, x = require(model, Reconstructs), by_hand(damaged, kind)
        if damaged.sigma:
            yield reconstruct(model, damaged.seen.clamp(-1, 1))
            return
        for _ in range(ROUNDS):
            x = _put_back(damaged, reconstruct(model, x))
            yield x
