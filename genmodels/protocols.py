"""Abilities: what a model can do beyond training. A model has a method or lacks it; `isinstance(model, Samples)` asks.

Shapes: images `(B, C, H, W)` float32 in [-1, 1]; labels `(B,)` int64, -1 or None = "no class";
`generators`: one torch.Generator per image, so that an image depends on its own seed alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Generator, Tensor


@runtime_checkable
class Samples(Protocol):
    def sample(self, labels: Tensor, *, generators: Sequence[Generator], **knobs: Any) -> Tensor:
        """New images, one per label."""


@runtime_checkable
class SamplesStepwise(Protocol):
    def sample_steps(self, labels: Tensor, *, generators: Sequence[Generator], **knobs: Any) -> Iterator[Tensor]:
        """The partial images on the way to `sample`'s result; the last one is that result."""


@runtime_checkable
class Encodes(Protocol):
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes `(B, D)` (or noise of the image's own size, for a flow)."""


@runtime_checkable
class Decodes(Protocol):
    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images from codes."""


@runtime_checkable
class HasLikelihood(Protocol):
    #: False: `log_likelihood` is exact. True: it is a lower bound, and is to be shown with a "<=" in bits/dim.
    likelihood_is_bound: bool

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Nats per image `(B,)` of the 8-bit image that `x` stands for; a bound also takes `samples`, which tighten it."""


@runtime_checkable
class Completes(Protocol):
    def complete(
        self, x: Tensor, mask: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator]
    ) -> Tensor:
        """`x` with the pixels where `mask` `(B, 1, H, W)` is False filled in; the others stay untouched."""


@runtime_checkable
class Judges(Protocol):
    def realism(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """A critic's score per image `(B,)`, higher = more like the training data."""


@runtime_checkable
class Classifies(Protocol):
    def features(self, x: Tensor) -> Tensor:
        """`(B, D)`: the space in which samples are compared with real images."""

    def classify(self, features: Tensor) -> list[Tensor]:
        """Log-probabilities `(B, values)`, one tensor per attribute, the class first."""


ABILITIES: dict[str, type] = {
    protocol.__name__: protocol
    for protocol in (Samples, SamplesStepwise, Encodes, Decodes, HasLikelihood, Completes, Judges, Classifies)
}


def abilities(model: object) -> list[str]:
    """The names of the protocols that `model` fulfils."""
    return [name for name, protocol in ABILITIES.items() if isinstance(model, protocol)]
