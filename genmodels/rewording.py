"""Other words for a picture that is there already: only what the words change is to change.

A diffusion model's deterministic solver goes backwards, too: told what a picture shows, from the picture to the noise that it
would be drawn from (inversion, Song et al. 2021). Drawn from there under other words, it keeps what they have in common. But
steps are no curve: drawn under the *same* words, it comes back a little off. What every step misses then is known, so
it is added to the step under the new words (Direct Inversion, Ju et al. 2023). So the same words give the same picture,
but for rounding, and other words change what they say, at twice the cost.

In the world this is how photographs are edited by a sentence: another coat, the same person.

Papers: inversion: Song et al. 2021 (DDIM, arXiv 2010.02502); Ju et al. 2023 (arXiv 2310.01506); what it is for: Hertz et al.
2022 (Prompt-to-Prompt, arXiv 2208.01626), Huang et al. 2024 (a survey of image editing by diffusion, arXiv 2402.17525).
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from genmodels.protocols import Predicts

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step

STEPS, GUIDANCE = 8, 2.0
UNCHANGED = (
    2 * 16 / 255
)  # by how much a pixel may differ, in every channel, that is told to be as it was: 16 of 255 levels


class Inversion(NamedTuple):
    """The way from pictures to noise. noisy: them, `(B, C, H, W)`, and what they are at every noise level; angles: these levels, whose
    cosine and sine are the shares of picture and noise, rising from 0."""

    angles: tuple[float, ...]
    noisy: tuple[Tensor, ...]


def invert(
    model: Predicts, x: Tensor, labels: Tensor, *, strength: float = 1.0, steps: int = STEPS
) -> Iterator[Inversion]:
    """The way of pictures to noise, told what they show (labels), a step further each time; the last is the result.

    strength: where it ends, as a share of all noise. Raises ValueError for what the model can't be asked.
    """
    from genmodels.models import pipeline

    pipeline.check(steps, 1.0, 0.0, strength)
    predict = model.predictor(labels, 1.0)
    top = float(pipeline.angles()[max(1, round(strength * pipeline.TRAIN_STEPS)) - 1])
    way = Inversion((0.0,), (x,))
    for k in range(steps):
        angle, further = way.angles[-1], top * (k + 1) / steps
        v = predict(way.noisy[-1], pipeline.step_of(angle))
        turned = math.cos(further - angle) * way.noisy[-1] + math.sin(further - angle) * v
        way = Inversion((*way.angles, further), (*way.noisy, turned))
        yield way


def reword(
    model: Predicts,
    way: Inversion,
    before: Tensor,
    after: Tensor,
    *,
    guidance_scale: float = GUIDANCE,
    exact: bool = True,
) -> Iterator["Step"]:
    """Pictures whose inversion is known, drawn again under other words: before and after are labels. The last step's are the result.

    exact: with what the steps miss under the words of before; without, it is plain drawing from the same noise.

    >>> import genmodels
    >>> from genmodels.real_images import real_images
    >>> x, _ = real_images("heroes")[:1]
    >>> model = genmodels.load("diffusion-heroes-text")
    >>> words = model.tokenize(["an elf"])
    >>> *_, way = invert(model, x, words, steps=2)
    >>> *_, same = reword(model, way, words, words)
    >>> bool((same.clean - x).abs().max() < 1e-4)
    True
    """
    from genmodels.models.pipeline import Step, step_of

    predict, n = model.predictor(torch.cat([before, after]), guidance_scale), len(way.noisy[0])
    noisy = way.noisy[-1]
    for k in range(len(way.angles) - 1, 0, -1):
        angle, less = way.angles[k], way.angles[k - 1]
        both = torch.cat([way.noisy[k], noisy])
        clean = (math.cos(angle) * both - math.sin(angle) * predict(both, step_of(angle))).clamp(-1, 1)
        yield Step(noisy, clean[n:], math.sin(angle))
        known, noisy = ((math.sin(less) * both + math.sin(angle - less) * clean) / math.sin(angle)).split(n)
        if exact:
            noisy = noisy + (way.noisy[k - 1] - known)
    drawn = noisy.clamp(-1, 1)
    yield Step(drawn, drawn, 0.0)
