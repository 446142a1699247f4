"""Abilities: what a model can do beyond training. A model has a method or lacks it; `isinstance(model, Samples)` asks.

Shapes: images `(B, C, H, W)` float32 in [-1, 1]; labels `(B,)` int64, -1 or None = "no class";
`generators`: one torch.Generator per image, so that an image depends on its own seed alone.
A family's method may take further keywords, with defaults: those of `sample` are its knobs, such as a temperature.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Generator, Tensor, nn
from typing_extensions import get_protocol_members  # in typing since Python 3.13

from genmodels.models.base import Knob, ModelConfig

if TYPE_CHECKING:
    from genmodels.models.pipeline import Step


@runtime_checkable
class AnyModel(Protocol):
    """What every model has, whatever it can do: part of each ability, for the type checker's sake."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""

    @property
    def num_classes(self) -> int: ...

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """What visitors may set of its `sample`."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


# -- one method or two -------------------------------------------------------------------------------------------------


@runtime_checkable
class Samples(AnyModel, Protocol):
    def sample(self, labels: Tensor, *, generators: Sequence[Generator]) -> Tensor:
        """New images, one per label."""


@runtime_checkable
class SamplesStepwise(AnyModel, Protocol):
    def sample_steps(self, labels: Tensor, *, generators: Sequence[Generator]) -> Iterator[Tensor]:
        """The partial images on the way to `sample`'s result; the last one is that result."""


@runtime_checkable
class Encodes(AnyModel, Protocol):
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes `(B, D)` (or noise of the image's own size, for a flow)."""


@runtime_checkable
class Decodes(AnyModel, Protocol):
    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images from codes."""


@runtime_checkable
class HasLikelihood(AnyModel, Protocol):
    #: False: `log_likelihood` is exact. True: it is a lower bound, and is to be shown with a "<=" in bits/dim.
    likelihood_is_bound: bool

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Nats per image `(B,)` of the 8-bit image that `x` stands for."""


@runtime_checkable
class Completes(AnyModel, Protocol):
    def complete(
        self, x: Tensor, mask: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator]
    ) -> Tensor:
        """`x` with the pixels where `mask` `(B, 1, H, W)` is False filled in; the others stay untouched."""


@runtime_checkable
class Judges(AnyModel, Protocol):
    def realism(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """A critic's score per image `(B,)`, higher = more like the training data."""


@runtime_checkable
class Classifies(AnyModel, Protocol):
    def features(self, x: Tensor) -> Tensor:
        """`(B, D)`: the space in which samples are compared with real images."""

    def classify(self, features: Tensor) -> list[Tensor]:
        """Log-probabilities `(B, values)`, one tensor per attribute, the class first."""


# -- what builds on these ----------------------------------------------------------------------------------------------


@runtime_checkable
class Reconstructs(Encodes, Decodes, Protocol):
    """Both in one model; no ability of its own."""


@runtime_checkable
class HasPosterior(Reconstructs, Protocol):
    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each `(B, D)`, of the codes that `x` may have; `encode` gives the mean."""


@runtime_checkable
class SamplesCodes(Samples, Decodes, Protocol):
    def sample_codes(self, labels: Tensor, *, generators: Sequence[Generator]) -> Tensor:
        """Codes `(B, D)` drawn from the prior: those whose `decode` is `sample`'s result, where classes are named."""


@runtime_checkable
class BlendsClasses(SamplesCodes, Protocol):
    def sample_codes(self, labels: Tensor, *, generators: Sequence[Generator], temperature: float = 1.0) -> Tensor:
        """As in `SamplesCodes`; temperature scales the noise that they are made of."""

    def decode_blend(self, z: Tensor, weights: Tensor) -> Tensor:
        """`decode` between classes: weights `(B, num_classes + 1)`, which add up to 1; the last is that of "no class"."""


@runtime_checkable
class HasStyles(SamplesCodes, Protocol):
    @property
    def num_layers(self) -> int:
        """How many layers have a style of their own; the first are the coarse ones."""

    def styles(self, z: Tensor, labels: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """Styles `(B, num_layers, D)` of codes, the same for all layers; at truncation_psi = 0 the mean of the class."""

    def synthesize(self, w: Tensor) -> Tensor:
        """Images from styles, which may differ from layer to layer; `decode` is `synthesize(styles(z))`."""


@runtime_checkable
class ShowsLayers(Reconstructs, Samples, SamplesStepwise, Protocol):
    @property
    def layer_names(self) -> Sequence[str]:
        """Of the layers between the frames of `encode_steps`, from the picture on."""

    def encode(
        self, x: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator] | None = None
    ) -> Tensor:
        """Codes `(B, C, H, W)`; with generators, where in its grey level's bin each pixel lies is drawn."""

    def encode_steps(
        self, x: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator] | None = None
    ) -> Iterator[Tensor]:
        """Frames `(B, C, H, W)` in [-1, 1]: `x`, then what it is after each layer of `encode`; the last one is the code / 3."""

    def decode_steps(self, z: Tensor, labels: Tensor | None = None) -> Iterator[Tensor]:
        """The same frames backwards, from a code on; the last one is `decode(z)`."""


@runtime_checkable
class Denoises(Samples, SamplesStepwise, Completes, Protocol):
    def trajectory(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        start: Tensor | None = None,
        strength: float = 1.0,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Iterator["Step"]:
        """Every step on the way from noise: the noisy images, the clean ones seen in them, and sigma, which falls to 0.

        The last clean images are `sample`'s result. start: images to begin with instead, made noisy to the share
        `strength` of all noise.
        """

    def complete_steps(
        self,
        x: Tensor,
        mask: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
    ) -> Iterator["Step"]:
        """Every step of `complete`, whose result the last clean images are; sigma rises again where a new round begins."""


@runtime_checkable
class WritesRows(Samples, SamplesStepwise, Completes, HasLikelihood, Protocol):
    def write(
        self,
        x: Tensor,
        given: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        temperature: float = 1.0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`complete`, row by row from the top: the images so far, and how unsure each pixel was, in bits `(B, H, W)`."""

    def log_probabilities(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Nats of every grey level of every pixel, given the pixels of x before it: `(B, C, H, W, levels)`."""

    def sample_naively(
        self, labels: Tensor, *, generators: Sequence[Generator], temperature: float = 1.0
    ) -> Iterator[Tensor]:
        """`sample` without remembering anything: the images after each pass of the whole network, the last ones equal."""


class BoundsLikelihood(HasLikelihood, Protocol):
    """What `likelihood_is_bound` tells: so it is no ability."""

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None, *, samples: int = 1) -> Tensor:
        """A bound in nats per image `(B,)`, from so many draws, which tighten it."""


@runtime_checkable
class ReadsCaptions(AnyModel, Protocol):
    """Of a family that can be trained on captions. Whether a model was, its vocabulary tells: so it is no ability."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words that it knows; none if it was trained on classes."""

    def tokenize(self, captions: Sequence[str]) -> Tensor:
        """Captions as labels `(B, L)`."""

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that are not in the vocabulary, each once, in order."""


ABILITIES: dict[str, type[AnyModel]] = {
    protocol.__name__: protocol
    for protocol in (
        Samples,
        SamplesStepwise,
        Encodes,
        Decodes,
        HasLikelihood,
        Completes,
        Judges,
        Classifies,
        HasPosterior,
        SamplesCodes,
        BlendsClasses,
        HasStyles,
        ShowsLayers,
        Denoises,
        WritesRows,
    )
}


def abilities(model: object) -> list[str]:
    """The names of the protocols that `model` fulfils."""
    return [name for name, protocol in ABILITIES.items() if isinstance(model, protocol)]


def abilities_of(family: type) -> list[type[AnyModel]]:
    """The protocols that the models of a class fulfil, for those who ask before one is loaded."""
    return [protocol for protocol in ABILITIES.values() if all(hasattr(family, name) for name in _own(protocol))]


def _own(protocol: type[AnyModel]) -> frozenset[str]:
    """What an ability asks for, but for what each model has: that stands in an instance, not in its class."""
    return get_protocol_members(protocol) - get_protocol_members(AnyModel)
