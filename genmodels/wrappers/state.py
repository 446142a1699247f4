"""The state of a section: a frozen dataclass of JSON values with bounds, checked in one place.

A link, an API call, the text of a downloaded PNG and the page's own controls all speak it, so all of them pass through
`State.parse`. What a state can't say can't be shared: everything that changes a picture is in it.

    @dataclass(frozen=True)
    class Generate(State):
        seed: int = whole("Seed", 0, 0, MAX_SEED)
        temperature: float = real("Temperature", 1.0, 0, 1.5)

    Generate.parse({"model": "vae-mnist", "temperature": 0.7}, models=["vae-mnist"])
"""

import base64
import binascii
import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from typing_extensions import Self

from genmodels.wrappers import examples
from genmodels.wrappers.core import MAX_SEED, check_float, check_int, class_index, describe, shown
from genmodels.wrappers.packing import is_packed, unpacked
from genmodels.wrappers.pictures import NO_PICTURE
from genmodels.wrappers.types import Pad

EACH, NOT_TOLD = "each in turn", "not told"
SHOWN_CLASSES = 30  # by name, where arguments are described
WEIGHTS = re.compile("[0-9a-f]{6,16}")  # the first digits of a hash
#: How labels begin after which no sentence goes on: "the how many must be …".
NO_NOUNS = (
    "As",
    "Begin ",
    "Draw ",
    "Dressed ",
    "Encode ",
    "From ",
    "How ",
    "In ",
    "Its ",
    "On ",
    "Size shows",
    "To ",
    "What ",
    "Who",
)
LONGEST = 200_000  # characters of any value; a drawing of 256x256 pixels in colour would not fit, and none is asked for
#: A bound or a default: a value, or what a model makes of it.
Fitted = Any | Callable[[str], Any]


class Refused(ValueError):
    """A value that a state can't have, in one sentence; `field` is its key."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def fitted(value: Fitted, model: str) -> Any:
    return value(model) if callable(value) else value


# -- what a field may be -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a field may be, and how it is chosen. advanced: behind "More". shown: whether it has a control of its own;
    else an element sets it (a point on a map, a drawing)."""

    label: str
    default: Fitted = None
    info: str = ""
    advanced: bool = False
    shown: bool = True

    @property
    def called(self) -> str:
        """In a sentence: the temperature, or the value of “How many”."""
        label = self.label
        return f"The value of “{label}”" if label.startswith(NO_NOUNS) else f"The {label[:1].lower()}{label[1:]}"

    def check(self, value: Any, model: str) -> Any:
        """The value as its type, or ValueError in one sentence."""
        raise NotImplementedError

    def spec(self) -> dict[str, Any]:
        """For the browser: what doesn't depend on the model."""
        told = {"kind": type(self).__name__.lower(), "label": self.label, "info": self.info}
        return told | {"advanced": self.advanced, "shown": self.shown}

    def fit(self, model: str) -> dict[str, Any]:
        """For the browser: what depends on the model."""
        return {"default": fitted(self.default, model)}

    def allowed(self, models: Sequence[str]) -> str:
        """For who calls by name: what it may be, in words that hold for all these models."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Range(Kind):
    low: Fitted
    high: Fitted
    step: float = 1.0

    def allowed(self, models: Sequence[str]) -> str:
        bounds = [(fitted(self.low, model), fitted(self.high, model)) for model in models]
        return f"From {min(low for low, _ in bounds):g} to {max(high for _, high in bounds):g}."

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"step": self.step}

    def fit(self, model: str) -> dict[str, Any]:
        return super().fit(model) | {"low": fitted(self.low, model), "high": fitted(self.high, model)}


@dataclass(frozen=True, kw_only=True)
class Whole(Range):
    def check(self, value: Any, model: str) -> int:
        return check_int(self.called, value, fitted(self.low, model), fitted(self.high, model))


@dataclass(frozen=True, kw_only=True)
class Real(Range):
    step: float = 0.05

    def check(self, value: Any, model: str) -> float:
        return check_float(self.called, value, fitted(self.low, model), fitted(self.high, model))


@dataclass(frozen=True, kw_only=True)
class Seed(Whole):
    """A whole number that picks the noise; its control has a dice."""


@dataclass(frozen=True, kw_only=True)
class Label(Kind):
    """A class by its name or number. extra: what else may be said, such as EACH (None, "each class in turn") or NOT_TOLD."""

    extra: tuple[str, ...] = ()

    def allowed(self, models: Sequence[str]) -> str:
        classes = dict.fromkeys(name for model in models for name in _classes(model))
        shown = [*self.extra, *list(classes)[:SHOWN_CLASSES]]
        return f"One of {', '.join(shown)}{', …' if len(classes) > SHOWN_CLASSES else ''}, as the model knows it."

    def check(self, value: Any, model: str) -> str:
        classes = _classes(model)
        if isinstance(value, str) and (value in self.extra or value in classes):
            return value
        if not classes and self.extra:
            raise ValueError(f"The model {model!r} knows no classes: leave the class at {self.extra[0]!r}.")
        index = class_index(model, value)
        if index is None:
            raise ValueError(f"Choose a class: {', '.join([*self.extra, *classes])}.")
        return classes[index]

    def fit(self, model: str) -> dict[str, Any]:
        choices = [*self.extra, *_classes(model)]
        return {
            "default": self.default if self.default in choices else choices[0] if choices else "",
            "choices": choices,
        }


@dataclass(frozen=True, kw_only=True)
class Choice(Kind):
    """One of a few values, each with its title."""

    choices: Fitted  # [(title, value)]

    def allowed(self, models: Sequence[str]) -> str:
        offered = dict.fromkeys(str(value[1]) for model in models for value in fitted(self.choices, model))
        return f"One of {', '.join(offered)}."

    def check(self, value: Any, model: str) -> Any:
        return self._among([v for _, v in fitted(self.choices, model)], value)

    def _among(self, offered: Sequence[Any], value: Any) -> Any:
        if isinstance(value, (list, dict)) or value not in offered or isinstance(value, bool):
            raise ValueError(f"{self.called} must be one of {', '.join(map(str, offered))}, not {shown(value)}.")
        return value

    def fit(self, model: str) -> dict[str, Any]:
        return super().fit(model) | {"choices": [list(choice) for choice in fitted(self.choices, model)]}


@dataclass(frozen=True, kw_only=True)
class Choices(Choice):
    """Several of a few values."""

    most: int = 8

    def allowed(self, models: Sequence[str]) -> str:
        return f"A list. {super().allowed(models)}"

    def check(self, value: Any, model: str) -> list[Any]:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= self.most:
            raise ValueError(f"{self.called} must be 1 to {self.most} of those offered, not {shown(value)}.")
        offered = [v for _, v in fitted(self.choices, model)]
        return list(dict.fromkeys(self._among(offered, item) for item in value))


@dataclass(frozen=True, kw_only=True)
class Text(Kind):
    longest: int = 400

    def allowed(self, models: Sequence[str]) -> str:
        return f"At most {self.longest} characters."

    def check(self, value: Any, model: str) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{self.called} must be text, not {shown(value)}.")
        if len(value) > self.longest:
            raise ValueError(f"{self.called} has {len(value)} characters; at most {self.longest} are allowed.")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{self.called} must be text, and has half a character.")
        return value

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"longest": self.longest}


@dataclass(frozen=True, kw_only=True)
class Numbers(Range):
    """A list of numbers, at most as many as the default has."""

    step: float = 0.05

    def allowed(self, models: Sequence[str]) -> str:
        return f"A list of numbers. {super().allowed(models)}"

    def check(self, value: Any, model: str) -> list[float]:
        most = len(fitted(self.default, model))
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= most:
            raise ValueError(f"{self.called} must be a list of 1 to {most} numbers.")
        low, high = fitted(self.low, model), fitted(self.high, model)
        return [check_float(f"Number {i + 1} of “{self.label}”", v, low, high) for i, v in enumerate(value)]


@dataclass(frozen=True, kw_only=True)
class Drawing(Kind):
    """A picture: base64 of its bytes (uint8, H*W*C), or these as links pack them (see packing.py), or "#3" for the fourth
    example of the model's kind, or "#-2" for the second of those of other kinds. tools: what the pad offers beside the pen."""

    tools: tuple[str, ...] = ("pen", "erase")
    shown: bool = False

    def allowed(self, models: Sequence[str]) -> str:
        return 'Base64 of its bytes (uint8, H*W*C), or an example: "#0", "#1", …, of other kinds "#-1", ….'

    def check(self, value: Any, model: str) -> str:
        return _drawn(value, model)

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"tools": list(self.tools)}


def _drawn(value: Any, model: str) -> str:
    """A picture's bytes in base64, or those of the example that is named."""
    if not isinstance(value, str) or not value:
        raise ValueError(NO_PICTURE)
    if value.startswith("#"):
        return _example(value, model)["pixels"]
    shape = describe(model)["shape"]
    return base64_of(value, shape, "picture", f"The picture must have {'x'.join(map(str, shape))} bytes")


@dataclass(frozen=True, kw_only=True)
class Drawings(Kind):
    """Several pictures, each as a Drawing; or none. least, most: how many, if there are any."""

    default: Fitted = lambda model: []
    shown: bool = False
    least: int = 2
    most: int = 50

    def allowed(self, models: Sequence[str]) -> str:
        return f'A list of none or {self.least} to {self.most}, each base64 of its bytes (uint8, H*W*C), or an example: "#0", ….'

    def check(self, value: Any, model: str) -> list[str]:
        if not isinstance(value, (list, tuple)) or (value and not self.least <= len(value) <= self.most):
            given = f", not {len(value)}" if isinstance(value, (list, tuple)) else ""
            raise ValueError(f"Give {self.least} to {self.most} pictures{given}.")
        return [_drawn(one, model) for one in value]

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"most": self.most}


@dataclass(frozen=True, kw_only=True)
class Hidden(Kind):
    """Which pixels are hidden from the model: base64 of one byte per pixel, 1 = hidden, or these as links pack them;
    "" = none; "lower half"."""

    default: Fitted = ""
    shown: bool = False

    def allowed(self, models: Sequence[str]) -> str:
        return 'Base64 of one byte per pixel, 1 = hidden; "" = none; "lower half".'

    def check(self, value: Any, model: str) -> str:
        _, height, width = describe(model)["shape"]
        if value == "":
            return ""
        if value == "lower half":
            return base64.b64encode(bytes(int(i >= height // 2) for i in range(height) for _ in range(width))).decode()
        return base64_of(value, (1, height, width), "mask", f"The mask must have {height}x{width} bytes")


def _classes(model: str) -> list[str]:
    info = describe(model)
    return info["classes"] if info["conditional"] else []


def _example(value: str, model: str) -> Pad:
    """The example that "#3" or "#-2" names."""
    try:
        number = int(value[1:])
    except ValueError:
        number = 10**9
    pads = examples.of_kind(model) if number >= 0 else [*examples.plain_pictures(model), *examples.outliers(model)]
    index = number if number >= 0 else -1 - number
    if index >= len(pads):
        raise ValueError(f"There is no example {shown(value)}: they go from #0 on, those of other kinds from #-1 down.")
    return pads[index][1]


def base64_of(value: Any, shape: Sequence[int], what: str, message: str) -> str:
    """A drawing's base64 of bytes of this shape, however it is told."""
    if isinstance(value, str) and is_packed(value):
        return base64.b64encode(unpacked(value, shape, what)).decode()
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"{message} in base64.") from error
    if size != math.prod(shape):
        raise ValueError(f"{message}, not {size}.")
    return value


# -- fields, as a state declares them ----------------------------------------------------------------------------------


def field(kind: Kind) -> Any:
    """A field of a state that may be what `kind` says."""
    default = None if callable(kind.default) or isinstance(kind.default, list) else kind.default
    return dataclasses.field(default=default, metadata={"kind": kind})


def whole(label: str, default: Fitted, low: Fitted, high: Fitted, **more: Any) -> Any:
    return field(Whole(label=label, default=default, low=low, high=high, **more))


def real(label: str, default: Fitted, low: Fitted, high: Fitted, **more: Any) -> Any:
    return field(Real(label=label, default=default, low=low, high=high, **more))


def seed(label: str = "Seed", default: int = 0, **more: Any) -> Any:
    return field(Seed(label=label, default=default, low=0, high=MAX_SEED, **more))


def class_label(*extra: str, label: str = "Class", **more: Any) -> Any:
    return field(Label(label=label, extra=extra, **({"default": extra[0] if extra else None} | more)))


def choice(label: str, default: Fitted, choices: Fitted, **more: Any) -> Any:
    return field(Choice(label=label, default=default, choices=choices, **more))


def drawing(label: str = "Picture", default: str = "#0", **more: Any) -> Any:
    return field(Drawing(label=label, default=default, **more))


def numbers(label: str, default: Fitted, low: Fitted, high: Fitted, **more: Any) -> Any:
    return field(Numbers(label=label, default=default, low=low, high=high, **more))


def hidden(default: str = "") -> Any:
    return field(Hidden(label="Hidden pixels", default=default))


# -- the state ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """Base of the sections' states; `model` is the first key of each.

    subject: the key that comes first, by which bounds and choices are fitted; see DataState and FreeState for others.
    """

    model: str
    subject: ClassVar[str] = "model"

    @classmethod
    def kinds(cls) -> dict[str, Kind]:
        """key -> what it may be; without `model`."""
        return {f.name: f.metadata["kind"] for f in dataclasses.fields(cls) if f.name != "model"}

    @classmethod
    def parse(cls, values: Any, models: Sequence[str]) -> Self:
        """The state that untrusted JSON describes, what it doesn't say at its default.

        models: those that the section works with; the first one is the default. Raises Refused, a ValueError of one
        sentence that says what is wrong and what is allowed.
        """
        if not isinstance(values, Mapping):
            raise Refused(f"A state is an object of values, not {shown(values)}.", "")
        kinds = cls.kinds()
        keys = [*([cls.subject] if cls.subject else []), *kinds]
        if unknown := [key for key in values if key not in keys]:
            told = f"the keys are {', '.join(keys)}" if keys else "nothing is chosen here"
            raise Refused(f"There is no key {shown(unknown[0])}; {told}.", "")
        model = cls._subject(values, models)
        return cls(model, **{key: cls._checked(key, kind, values, model) for key, kind in kinds.items()})

    @classmethod
    def _subject(cls, values: Mapping[str, Any], models: Sequence[str]) -> str:
        """The model that the other values are fitted to."""
        offered = cls.subjects(models)
        if not offered:
            raise Refused("No model for this is installed.", cls.subject)
        value = values.get(cls.subject)
        if value is None:
            value = next(iter(offered))
        if isinstance(value, str) and value not in offered:
            name, _, weights = value.partition("@")  # as a link says it; see on_record.other_weights
            value = name if WEIGHTS.fullmatch(weights) else value
        if not isinstance(value, str) or value not in offered:
            what = {"model": "model", "data": "data set"}[cls.subject]
            raise Refused(f"There is no {what} {shown(value)} here; the {what}s are {', '.join(offered)}.", cls.subject)
        return offered[value]

    @classmethod
    def subjects(cls, models: Sequence[str]) -> dict[str, str]:
        """What the first key may be, and the model to which the other values are fitted then."""
        return {name: name for name in models}

    @classmethod
    def _checked(cls, key: str, kind: Kind, values: Mapping[str, Any], model: str) -> Any:
        value = values.get(key)
        if value is None:
            value = kind.fit(model)["default"]
        try:
            if isinstance(value, str) and len(value) > LONGEST:
                raise ValueError(f"{kind.called} is too long: at most {LONGEST} characters are allowed.")
            return kind.check(value, model)
        except ValueError as error:
            raise Refused(str(error), key) from error

    def picked(self, *keys: str) -> dict[str, Any]:
        """Some of the values, by their keys."""
        return {key: getattr(self, key) for key in keys}

    @property
    def pad(self) -> Pad:
        """The drawing with its hidden pixels, for wrappers that take a pad."""
        return self.pad_of("picture", "hidden")

    def pad_of(self, picture: str, mask: str = "") -> Pad:
        pixels = getattr(self, picture)
        return {
            "pixels": pixels,
            "mask": getattr(self, mask, "") if mask else "",
            "shape": describe(self.model)["shape"],
        }


@dataclass(frozen=True)
class DataState(State):
    """Of sections that put several models of one data set side by side: `data` is the first key, and `model` the first of
    the section's models for it, to which the other values are fitted."""

    subject: ClassVar[str] = "data"

    @property
    def data(self) -> str:
        return describe(self.model)["data"]

    @classmethod
    def subjects(cls, models: Sequence[str]) -> dict[str, str]:
        first: dict[str, str] = {}
        for name in models:
            first.setdefault(describe(name)["data"], name)
        return first


@dataclass(frozen=True)
class FreeState(State):
    """Of sections without a model: what a file says, say. `model` is "", and no key of theirs."""

    model: str = ""
    subject: ClassVar[str] = ""

    @classmethod
    def _subject(cls, values: Mapping[str, Any], models: Sequence[str]) -> str:
        return ""

    @classmethod
    def subjects(cls, models: Sequence[str]) -> dict[str, str]:
        return {"": ""}


def class_of(label: str) -> str | None:
    """What a class field means to the wrappers where EACH and NOT_TOLD are the same: None."""
    return None if label in (EACH, NOT_TOLD) else label


def told_class(label: str) -> str | None:
    """What a class field means where each in turn and not told differ: "balanced", None, or a class."""
    return {NOT_TOLD: None, EACH: "balanced"}.get(label, label)
