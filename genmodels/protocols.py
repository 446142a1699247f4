"""Abilities: what a model can do beyond training. A model has a method or lacks it; `isinstance(model, Samples)` asks.

Shapes: images `(B, C, H, W)` float32 in [-1, 1]; labels `(B,)` int64, -1 or None = "no class";
`generators`: one torch.Generator per image, so that an image depends on its own seed alone.
A family's method may take further keywords, with defaults: those of `sample` are its knobs, such as a temperature.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Generator, Tensor, nn
from typing_extensions import get_protocol_members  # in typing since Python 3.13

from genmodels.models.base import Knob, ModelConfig

if TYPE_CHECKING:
    from genmodels.models.pipeline import Predict, Step


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
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model = genmodels.load("gan-mnist")
    >>> model.sample(torch.tensor([3, -1]), generators=seeded([0, 1])).shape
    torch.Size([2, 1, 28, 28])
    """

    def sample(self, labels: Tensor, *, generators: Sequence[Generator]) -> Tensor:
        """New images, one per label."""


@runtime_checkable
class SamplesStepwise(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model = genmodels.load("diffusion-mnist-fast")
    >>> *_, last = model.sample_steps(torch.tensor([3]), generators=seeded([0]))
    >>> torch.allclose(last, model.sample(torch.tensor([3]), generators=seeded([0])), atol=1e-4)
    True
    """

    def sample_steps(self, labels: Tensor, *, generators: Sequence[Generator]) -> Iterator[Tensor]:
        """The partial images on the way to `sample`'s result; the last one is that result."""


@runtime_checkable
class Encodes(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> genmodels.load("ae-mnist").encode(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 32])
    """

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes `(B, D)` (or noise of the image's own size, for a flow)."""


@runtime_checkable
class Decodes(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> genmodels.load("ae-mnist").decode(torch.zeros(2, 32)).shape
    torch.Size([2, 1, 28, 28])
    """

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images from codes."""


@runtime_checkable
class HasLikelihood(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> model = genmodels.load("flow-mnist")
    >>> model.log_likelihood(torch.zeros(2, 1, 28, 28)).shape, model.likelihood_is_bound
    (torch.Size([2]), True)
    """

    #: False: `log_likelihood` is exact. True: it is a lower bound, and is to be shown with a "<=" in bits/dim.
    likelihood_is_bound: bool
    #: Of what it speaks, if not of what `sample` gives; "" = of that.
    likelihood_note: str

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Nats per image `(B,)` of the 8-bit image that `x` stands for."""


@runtime_checkable
class Completes(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model, x = genmodels.load("diffusion-mnist-fast"), torch.zeros(1, 1, 28, 28)
    >>> upper = (torch.arange(28) < 14).view(1, 1, 28, 1).expand_as(x)
    >>> done = model.complete(x, upper, generators=seeded([0]))
    >>> torch.equal(done[upper], x[upper]), torch.equal(done, x)
    (True, False)
    """

    def complete(
        self, x: Tensor, mask: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator]
    ) -> Tensor:
        """`x` with the pixels where `mask` `(B, 1, H, W)` is False filled in; the others stay untouched."""


@runtime_checkable
class Judges(AnyModel, Protocol):
    """
    >>> import genmodels, torch
    >>> model = genmodels.load("gan-mnist")
    >>> digit, noise = genmodels.sample(model, n=1), genmodels.corrupt(torch.zeros(1, 1, 28, 28), 0.5, seeds=[0])
    >>> bool(model.realism(digit) > model.realism(noise))
    True
    """

    def realism(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """A critic's score per image `(B,)`, higher = more like the training data."""

    def critic_features(self, x: Tensor) -> Tensor:
        """What it looks at `(B, D)` before it scores."""


@runtime_checkable
class Classifies(AnyModel, Protocol):
    """
    >>> import genmodels
    >>> from genmodels.real_images import real_images
    >>> referee, (x, labels) = genmodels.load("referee-mnist"), real_images("mnist")[3:6]
    >>> [answers] = referee.classify(referee.features(x))
    >>> answers.argmax(1).tolist(), labels.tolist()
    ([3, 4, 5], [3, 4, 5])
    """

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
    """
    >>> import genmodels, torch
    >>> mean, log_std = genmodels.load("vae-mnist").posterior(torch.zeros(2, 1, 28, 28))
    >>> mean.shape, log_std.shape
    (torch.Size([2, 32]), torch.Size([2, 32]))
    """

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each `(B, D)`, of the codes that `x` may have; `encode` gives the mean."""


@runtime_checkable
class SamplesCodes(Samples, Decodes, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model, labels = genmodels.load("vae-mnist"), torch.tensor([3, 8])
    >>> z = model.sample_codes(labels, generators=seeded([0, 1]))
    >>> torch.equal(model.decode(z, labels), model.sample(labels, generators=seeded([0, 1])))
    True
    """

    def sample_codes(self, labels: Tensor, *, generators: Sequence[Generator]) -> Tensor:
        """Codes `(B, D)` drawn from the prior: those whose `decode` is `sample`'s result, where classes are named."""

    def codes_of(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """What `sample_codes` makes of the standard normal noise `(B, D)` that it draws."""


@runtime_checkable
class BlendsClasses(SamplesCodes, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model = genmodels.load("vae-mnist")
    >>> z = model.sample_codes(torch.tensor([3]), generators=seeded([0]), temperature=0.5)
    >>> between = torch.zeros(1, 11)
    >>> between[0, [3, 8]] = 0.5
    >>> model.decode_blend(z, between).shape
    torch.Size([1, 1, 28, 28])
    """

    def sample_codes(
        self, labels: Tensor, *, generators: Sequence[Generator], temperature: float | None = None
    ) -> Tensor:
        """As in `SamplesCodes`; temperature scales the noise that they are made of. None: the model's own."""

    def decode_blend(self, z: Tensor, weights: Tensor) -> Tensor:
        """`decode` between classes: weights `(B, num_classes + 1)`, which add up to 1; the last is that of "no class"."""


@runtime_checkable
class HasStyles(SamplesCodes, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model, labels = genmodels.load("gan-mnist"), torch.tensor([3, 8])
    >>> w = model.styles(model.sample_codes(labels, generators=seeded([0, 1])), labels)
    >>> w[0, 0] = w[1, 0]  # the coarsest layer of the 3 follows the 8
    >>> model.synthesize(w).shape
    torch.Size([2, 1, 28, 28])
    """

    @property
    def num_layers(self) -> int:
        """How many layers have a style of their own; the first are the coarse ones."""

    def styles(self, z: Tensor, labels: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """Styles `(B, num_layers, D)` of codes, the same for all layers; at truncation_psi = 0 the mean of the class."""

    def synthesize(self, w: Tensor) -> Tensor:
        """Images from styles, which may differ from layer to layer; `decode` is `synthesize(styles(z))`."""


@runtime_checkable
class ShowsLayers(Reconstructs, Samples, SamplesStepwise, Protocol):
    """
    >>> import genmodels, torch
    >>> model = genmodels.load("flow-mnist")
    >>> frames = list(model.encode_steps(torch.zeros(1, 1, 28, 28)))
    >>> len(frames) == len(model.layer_names) + 1
    True
    """

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

    def decode_steps(
        self, z: Tensor, labels: Tensor | None = None, *, guidance_scale: float | Tensor = 1.0
    ) -> Iterator[Tensor]:
        """The same frames backwards, from a code on; the last one is `decode(z)`. Guidance, see `sample`, leads elsewhere."""


@runtime_checkable
class Denoises(Samples, SamplesStepwise, Completes, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model = genmodels.load("diffusion-mnist")
    >>> steps = model.trajectory(torch.tensor([3]), generators=seeded([0]), num_inference_steps=2, scheduler="ddim")
    >>> [round(step.sigma, 2) for step in steps]
    [1.0, 0.71, 0.0]
    """

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

    def denoise(self, noisy: Tensor, sigma: float, labels: Tensor | None = None) -> Tensor:
        """Clean images that fit ones to which Gaussian noise of standard deviation sigma was added."""


@runtime_checkable
class WritesRows(Samples, SamplesStepwise, Completes, HasLikelihood, Protocol):
    """
    >>> import genmodels, torch
    >>> from genmodels.models.base import seeded
    >>> model, x = genmodels.load("pixelcnn-mnist"), torch.zeros(1, 1, 28, 28)
    >>> rows = model.write(x, given=torch.zeros_like(x, dtype=torch.bool), generators=seeded([0]))
    >>> images, bits = next(rows)
    >>> images.shape, bits.shape
    (torch.Size([1, 1, 28, 28]), torch.Size([1, 28, 28]))
    """

    def write(
        self,
        x: Tensor,
        given: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`complete`, row by row from the top: the images so far, and how unsure each pixel was, in bits `(B, H, W)`.

        guidance_scale: how much of the class is heeded, 1 as learnt. None: of it and of the temperature, the model's own.
        """

    def log_probabilities(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Nats of every grey level of every pixel, given the pixels of x before it: `(B, C, H, W, levels)`."""

    def probabilities_in_turn(
        self, levels: Tensor, labels: Tensor | None = None
    ) -> Iterator[tuple[int, int, int, Tensor]]:
        """Channel, row, column and the probabilities `(B, levels)` of each grey level of pictures in turn, which are put into
        `levels` `(B, C, H, W)`, whole numbers, before the next is asked for."""

    def influence(self, x: Tensor, row: int, column: int, labels: Tensor | None = None) -> Tensor:
        """How much each pixel bears on what is expected of the one in `row` and `column`: `(B, H, W)`, 0 where not at all."""

    def sample_naively(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
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


@runtime_checkable
class FollowsSketches(AnyModel, Protocol):
    """Of a family that can be trained with sketches. Whether a model was, it says itself: so it is no ability."""

    @property
    def follows_sketches(self) -> bool: ...

    def draw(self, sketch: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator]) -> Tensor:
        """Images `(B, C, H, W)` that follow sketches `(B, 1, H, W)`, 0 = paper, 1 = ink; see models/sketch.py."""


@runtime_checkable
class Predicts(ReadsCaptions, Protocol):
    """What diffusion models share beside their abilities: the network, told what to see. It is no ability: it shows nothing."""

    def predictor(self, labels: Tensor, guidance_scale: float | None = None) -> "Predict":
        """(noisy pictures `(B, C, H, W)`, their training step) -> the velocity, told the labels; see models/pipeline.py."""


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
    """The names of the protocols that `model` fulfils.

    >>> import genmodels
    >>> genmodels.abilities(genmodels.load("ae-mnist"))
    ['Encodes', 'Decodes']
    """
    return [name for name, protocol in ABILITIES.items() if isinstance(model, protocol)]


def abilities_of(family: type) -> list[type[AnyModel]]:
    """The protocols that the models of a class fulfil, for those who ask before one is loaded."""
    return [protocol for protocol in ABILITIES.values() if all(hasattr(family, name) for name in _own(protocol))]


@functools.cache
def _own(protocol: type[AnyModel]) -> frozenset[str]:
    """What an ability asks for, but for what each model has: that stands in an instance, not in its class."""
    return get_protocol_members(protocol) - get_protocol_members(AnyModel)
