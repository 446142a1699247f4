"""The way back into a generator with styles: which styles give a picture that is there already?

A GAN has no encoder, so its styles are searched for (GAN inversion): first among many that are drawn, then by gradient
descent from the closest of them through the generator. With one style w for all layers the result is a picture
that the generator might have drawn itself. With a style per layer, w+, it comes closer to what it never draws.

In the world this is how a photograph is edited by a GAN: what has styles can be mixed, walked from, made more typical.

Papers: Karras et al. 2020 (StyleGAN2, arXiv 1912.04958, appendix D); w+: Abdal et al. 2019 (Image2StyleGAN, arXiv
1904.03189); what it is for: Xia et al. 2023 (a survey of GAN inversion, arXiv 2101.05278).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import metrics
from genmodels.models.base import seeded
from genmodels.operations import as_labels
from genmodels.protocols import HasStyles

CANDIDATES = 256  # styles that are drawn: a tenth of a second
#: How many of them go on from which share of the steps: the closest at first is often not the one that gets closest.
STARTS = {0.0: 8, 0.2: 2, 0.4: 1}
STEPS = 300
RATE = 0.2  # of the descent, at its height
BETAS = 0.9, 0.99
WARMUP = 0.05  # of the steps, in which the rate rises; then it falls, by half a cosine
MOST_STEPS = 2000


class Projection(NamedTuple):
    """step: of the descent, 0 = the closest one drawn. styles `(B, num_layers, D)` and their images `(B, C, H, W)`."""

    step: int
    styles: Tensor
    images: Tensor


def project(
    model: HasStyles,
    x: Tensor,
    label: int | None = None,
    *,
    each_layer: bool = True,
    seed: int = 0,
    steps: int = STEPS,
) -> Iterator[Projection]:
    """Styles whose images come closer and closer to x `(B, C, H, W)`, by the squared error of pixels; the last is the result.

    label: the class of the styles that are drawn to begin with, None = all in turn; the seed picks those. each_layer: a style
    per layer (w+), or one for all (w). Every image is sought by itself. Raises ValueError for images of another shape, a class that isn't
    there, or steps that are not from 0 to MOST_STEPS.

    >>> import genmodels
    >>> from genmodels.projection import project
    >>> from genmodels.real_images import real_images
    >>> x, _ = real_images("mnist")[:1]
    >>> drawn, *_, found = project(genmodels.load("gan-mnist"), x, steps=20)
    >>> bool((found.images - x).square().mean() < (drawn.images - x).square().mean() / 2)
    True
    """
    if tuple(x.shape[1:]) != tuple(model.image_shape):
        raise ValueError(f"The images must be {tuple(model.image_shape)} each, not {tuple(x.shape[1:])}.")
    if not 0 <= steps <= MOST_STEPS:
        raise ValueError(f"steps must be from 0 to {MOST_STEPS}, not {steps}.")
    labels = as_labels(model, CANDIDATES, "balanced" if label is None else label)
    descent, x = _start(model, x, labels, seed, each_layer)
    left = {math.ceil(share * steps): count for share, count in STARTS.items()}
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / (WARMUP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))
        yield Projection(step, *_step(model, x, descent, rate, left.get(step + 1)))
    yield Projection(steps, *_step(model, x, descent))


class _Adam:
    """Styles `(B, starts, num_layers or 1, D)` that go downhill, of which some may be left out on the way (Kingma & Ba 2015,
    arXiv 1412.6980)."""

    def __init__(self, styles: Tensor) -> None:
        self.styles, self.steps = styles, 0
        self.mean, self.square = torch.zeros_like(styles), torch.zeros_like(styles)

    def step(self, gradient: Tensor, rate: float) -> None:
        self.steps += 1
        self.mean = torch.lerp(gradient, self.mean, BETAS[0])
        self.square = torch.lerp(gradient.square(), self.square, BETAS[1])
        mean, square = (m / (1 - beta**self.steps) for m, beta in zip((self.mean, self.square), BETAS, strict=True))
        self.styles = self.styles - rate * mean / (square.sqrt() + 1e-8)

    def keep(self, which: Tensor) -> None:
        """Leave these `(B, left)` of each image's styles."""
        rows = torch.arange(len(which), device=which.device).unsqueeze(1)
        self.styles, self.mean, self.square = (values[rows, which] for values in (self.styles, self.mean, self.square))


@torch.inference_mode(False)
def _start(model: HasStyles, x: Tensor, labels: Tensor, seed: int, each_layer: bool) -> tuple[_Adam, Tensor]:
    """What goes downhill: those drawn that come closest to each image; and x, to learn from."""
    x = x.detach().clone()
    with torch.no_grad():
        codes = model.sample_codes(labels, generators=seeded(range(seed, seed + len(labels))))
        drawn = model.styles(codes, labels)
        made = model.synthesize(drawn)
        errors = torch.stack([metrics.mean_squared_error(made, one) for one in x])
    closest = errors.argsort(1)[:, : STARTS[0.0]]
    return _Adam(drawn[closest, : None if each_layer else 1].clone()), x


@torch.inference_mode(False)
@torch.enable_grad()
def _step(
    model: HasStyles, x: Tensor, descent: _Adam, rate: float = 0.0, left: int | None = None
) -> tuple[Tensor, Tensor]:
    """The best styles of each image, and what they give; then a step at this rate, after which only so many are left."""
    styles = descent.styles.detach().requires_grad_()
    every = styles.expand(-1, -1, model.num_layers, -1)
    images = model.synthesize(every.flatten(0, 1)).unflatten(0, every.shape[:2])
    errors = (images - x.unsqueeze(1)).square().flatten(2).mean(2)
    best = torch.arange(len(x), device=x.device), errors.argmin(1)
    found = every[best].detach().clone(), images[best].detach()
    if rate:
        (gradient,) = torch.autograd.grad(errors.sum(), styles)  # none for the model's weights
        with torch.no_grad():
            descent.step(gradient, rate)
    if left:
        descent.keep(errors.argsort(1)[:, :left])
    return found
