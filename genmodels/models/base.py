"""What is true of all families, and nothing else: a config, a training objective, players and a recipe.

Everything that only some families can do (sample, encode, ...) is an ability: see genmodels/protocols.py.
"""

import dataclasses
import math
import sys
import typing
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import Self  # in typing since Python 3.11

M = TypeVar("M", bound=nn.Module)


ERASED = 0.0  # the grey of a pixel that is hidden from a model


@dataclass(frozen=True)
class ModelConfig:
    """Base of the families' configs: frozen, JSON values only, checked on the way in."""

    image_shape: tuple[int, int, int] = (1, 28, 28)
    num_classes: int = 10

    #: Fields that a model which goes on from another one's weights does not take over.
    not_inherited: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def tiny(cls) -> Self:
        """A config small enough for tests: trains a step in milliseconds, on 8x8 pictures."""
        return cls(image_shape=(1, 8, 8), num_classes=3)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The config that `to_json` wrote. Raises ValueError naming the key that is unknown or of the wrong type."""
        hints = typing.get_type_hints(cls)
        fields = {field.name for field in dataclasses.fields(cls)}
        converted = {}
        for key, value in values.items():
            if key not in fields:
                raise ValueError(f"unknown key {key!r}; allowed: {', '.join(sorted(fields))}")
            converted[key] = checked(key, value, hints[key])
        return cls(**converted)

    @classmethod
    def inherited(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of a config as JSON what a model takes over that goes on from those weights."""
        return {key: value for key, value in values.items() if key not in cls.not_inherited}

    def to_json(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}


def checked(key: str, value: Any, hint: Any) -> Any:
    """`value` from JSON as the type `hint` (int, float, bool, str, a tuple of these, or one of these or None), or ValueError naming `key`.

    Numbers must be finite; whole ones count something, so they are not negative.
    """
    if type(None) in typing.get_args(hint):  # `int | None`
        if value is None:
            return None
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    if typing.get_origin(hint) is tuple:
        kinds = [kind for kind in typing.get_args(hint) if kind is not Ellipsis]
        open_ended = Ellipsis in typing.get_args(hint)
        if not isinstance(value, Sequence) or isinstance(value, str) or (not open_ended and len(value) != len(kinds)):
            raise ValueError(f"key {key!r} must be a list like {hint}, not {value!r}")
        return tuple(checked(key, item, kinds[0]) for item in value)
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"key {key!r} must be {getattr(hint, '__name__', hint)}, not {value!r}")
    if (hint is int and not 0 <= value < 2**31) or (hint is float and not abs(value) <= sys.float_info.max):  # nor NaN
        raise ValueError(
            f"key {key!r} must be {'from 0 to 2**31 - 1' if hint is int else 'a finite number'}, not {value!r}"
        )
    return float(value) if hint is float else value


@dataclass(frozen=True)
class TrainConfig:
    """A recipe: the hyperparameters of one training run. `steps` counts optimizer steps of the global batch."""

    steps: int = 10_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.0
    warmup: float = 0.02  # share of the run in which the learning rate rises linearly, before the cosine
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    ema_decay: float = 0.999
    muon: float = 0.0  # learning rate of hidden matrices by Muon, see training/muon.py; 0: AdamW for all weights
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that is of the wrong type or out of its range."""
        for name, hint in typing.get_type_hints(type(self)).items():
            object.__setattr__(self, name, checked(name, getattr(self, name), hint))
        ranges = {"steps": (1, math.inf), "batch_size": (1, math.inf), "warmup": (0, 1), "ema_decay": (0, 1)}
        ranges |= dict.fromkeys(
            ("learning_rate", "final_learning_rate", "weight_decay", "max_grad_norm", "muon"), (0, math.inf)
        )
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                limits = f"{low} or more" if high == math.inf else f"from {low} to {high}"
                raise ValueError(f"key {name!r} must be {limits}, not {getattr(self, name)!r}")


class Knob(NamedTuple):
    """A keyword of a family's `sample` that visitors may set: how a refusal calls it, and the range they have."""

    label: str
    low: float = 0
    high: float = 1
    kind: type = float  # or int, or str: a text has no range, the model itself says what it takes

    def check(self, key: str, value: float) -> None:
        """Raises ValueError for the number that a config has for it, if that is out of range."""
        if not self.low <= value <= self.high:
            raise ValueError(f"key {key!r} must be from {self.low:g} to {self.high:g}, not {value!r}")


TEMPERATURE = Knob("The temperature", 0, 2)
GUIDANCE = Knob("The guidance scale", 0, 20)
NOISE = Knob("The noise of training")  # the standard deviation on pictures in [-1, 1]


@dataclass(frozen=True)
class TemperatureConfig(ModelConfig):
    """Of families whose samples can be more typical, and less varied, than was learnt."""

    temperature: float = 1.0  # where a sample isn't told; 1 is as learnt

    def __post_init__(self) -> None:
        TEMPERATURE.check("temperature", self.temperature)


@dataclass(frozen=True)
class GuidanceConfig(TemperatureConfig):
    """Of families whose samples can heed the class more than was learnt, too."""

    guidance_scale: float = 1.0  # where a sample isn't told; 1 is as learnt

    def __post_init__(self) -> None:
        super().__post_init__()
        GUIDANCE.check("guidance_scale", self.guidance_scale)


@dataclass(frozen=True)
class NoiseConfig(TemperatureConfig):
    """Of families that make samples out of normal noise, which the temperature is multiplied with."""

    def noise(
        self,
        shape: Sequence[int],
        generators: Sequence[torch.Generator],
        device: torch.device,
        temperature: float | None,
    ) -> Tensor:
        """What samples are made of `(len(generators), *shape)`: temperature None is the config's own."""
        scale = self.temperature if temperature is None else temperature
        return scale * draw_normal(shape, generators, device)


class Model(nn.Module):
    """A generative model of images `(B, C, H, W)`, float32 in [-1, 1], with labels `(B,)`, int64, -1 = "no class"."""

    Config: ClassVar[type[ModelConfig]] = ModelConfig
    recipe: ClassVar[TrainConfig] = TrainConfig()
    #: True: trained with labels `(B, A)`, one column per attribute of the data set (`load_dataset(..., attributes=True)`).
    labels_are_attributes: ClassVar[bool] = False
    #: True: may be trained with captions, which its `tokenize` turns into labels; its config has a `vocabulary`.
    reads_captions: ClassVar[bool] = False
    #: Of what `log_likelihood` speaks, if not of what `sample` gives; "" = of that.
    likelihood_note: str = ""
    #: False: it learns nothing from labels, whatever classes the data have.
    reads_labels: ClassVar[bool] = True
    #: What visitors may set of its `sample`, by the keyword there.
    knobs: ClassVar[dict[str, Knob]] = {}
    #: What bundled models are named after, where it isn't the family: "ae" in "ae-mnist".
    short_name: ClassVar[str] = ""
    #: The family that stands for this one, in whose tab it is, where there is room for one of a kind: "" = itself.
    represented_by: ClassVar[str] = ""
    #: True: a checkpoint keeps float16 weights. False: only where that changes no picture by more than a grey level.
    stored_in_half: ClassVar[bool] = False
    #: Submodules that sampling doesn't need: a checkpoint stores each in a file of its own, `<name>.safetensors`.
    side_modules: ClassVar[tuple[str, ...]] = ()
    #: Submodules of other libraries: a checkpoint stores each in the file that its library reads, with that library's keys.
    components: ClassVar[Mapping[str, str]] = {}
    #: The other files that those libraries read, all that `side_texts` may name. Code (.py) among them is never downloaded.
    component_texts: ClassVar[tuple[str, ...]] = ()

    config: ModelConfig  # a family says here which one it has

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        #: Share of the training run that is done, in [0, 1]; the trainer sets it, schedules such as KL warm-up read it.
        self.progress = 1.0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        return self.config.image_shape

    @property
    def num_classes(self) -> int:
        return self.config.num_classes

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Who takes turns in training, each with an optimizer of its own. A GAN returns two."""
        return {"model": list(self.parameters())}

    def output_layers(self) -> list[nn.Module]:
        """Layers whose outputs are no features but the answer, with a row per answer: an optimizer of hidden layers
        (`TrainConfig.muon`) leaves them out."""
        return []

    def _labels(self, labels: Tensor | None, n: int, device: torch.device) -> Tensor:
        """Rows `(n,)` of a label embedding: -1 and None ("no class") are the extra one, without classes the only one."""
        if labels is None or not self.config.num_classes:
            return torch.full((n,), self.config.num_classes, device=device)
        return torch.where(labels < 0, self.config.num_classes, labels)

    def _labels_to_learn(self, labels: Tensor | None, x: Tensor, dropout: float) -> Tensor:
        """The same for the objective: in training the class of so large a share of the images is hidden, so that "no class"
        is learnt, too."""
        labels = self._labels(labels, len(x), x.device)
        if not self.training:
            return labels
        hidden = torch.rand(len(x), device=x.device) < dropout
        return torch.where(hidden, self.config.num_classes, labels)

    def weights_from(self, weights: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """The weights of a model with another config, as this one can begin with; by default as they are."""
        return weights

    def start_from_here(self) -> None:
        """Called where training is about to go on from trained weights (`checkpoint.started`): what learns from them keeps them."""

    def side_texts(self) -> dict[str, str]:
        """Files that other libraries need beside the weights to read a checkpoint of this model: name -> contents."""
        return {}

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """The training objective: scalar terms, of which `loss` is minimised for `player`.

        It is `forward`, and not a method `loss()`, because only `forward` passes through the hooks by which
        DDP averages gradients and accelerate casts to bfloat16.
        """
        raise TypeError(f"{type(self).__name__} is abstract: use a family from genmodels.registry")


class ModuleList(nn.ModuleList, Generic[M]):
    """One of torch, of modules of one class, which the type checker then knows: their methods have types."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[M]) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        def __reversed__(self) -> Iterator[M]: ...


class ModuleDict(nn.ModuleDict, Generic[M]):
    """One of torch, of modules of one class, which the type checker then knows: their methods have types."""

    if TYPE_CHECKING:

        def __init__(self, modules: Mapping[str, M]) -> None: ...
        def items(self) -> ItemsView[str, M]: ...
        def values(self) -> ValuesView[M]: ...


class TrainingDiverged(RuntimeError):
    """Training can't go on: something is NaN or infinite. An objective may raise it in one sentence that names what."""


def check_halves_twice(image_shape: tuple[int, int, int]) -> None:
    """For networks that work at half and at quarter resolution: ValueError unless (C, H, W) can be halved twice."""
    _, height, width = image_shape
    if height % 4 or width % 4:
        raise ValueError(f"image_shape: height and width must be multiples of 4, not {height} and {width}")


def start_at_zero(layer: nn.Module) -> None:
    """Weights and biases 0: what the layer adds is nothing at first, and learnt from there."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per image: picture i depends on seeds[i] alone, whatever the batch, device or process."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def refuse_other_than_images(x: Tensor) -> None:
    """Raises ValueError for values that are NaN or outside [-1, 1] (by more than rounding errors)."""
    if torch.compiler.is_exporting():  # a graph can't ask
        return
    low, high = (float(value) for value in x.aminmax())
    if not (low >= -1.001 and high <= 1.001):  # NaN compares as False
        what = "NaN" if math.isnan(low) else f"values from {low:.4g} to {high:.4g}"
        raise ValueError(f"Images must have values in [-1, 1], not {what}.")


def draw_normal(shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device | str) -> Tensor:
    """Standard normal noise `(len(generators), *shape)`, drawn image by image on the generators' device, then moved."""
    noise = [torch.randn(tuple(shape), generator=g, device=g.device) for g in generators]
    return torch.stack(noise).to(device)
