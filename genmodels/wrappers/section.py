"""Sections: ideas that can be touched. A key, two sentences, a state, and a function from the state to an answer.

An answer is made of plain values, never of HTML: {"pictures": …, "numbers": …, "words": …} by the names of the section's
views. A picture is {"pixels": base64 of uint8, "shape": [N, C, H, W]}: N pictures of H*W*C bytes each.
"""

import base64
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import to_uint8
from genmodels.wrappers import apart
from genmodels.wrappers.core import placed, placed_steps
from genmodels.wrappers.recent import Recent
from genmodels.wrappers.state import State as AnyState
from genmodels.wrappers.types import Pad

Answer = dict[str, Any]
HEAVY = "heavy"  # the lane of work that takes seconds even alone
_recent = Recent(16 * 2**20)  # bytes of what touch sections answered of models


class Whole(Answer):
    """The last answer of a work section for those who see no other; `new` is what it says to those who saw them all."""

    def __init__(self, new: Answer, **whole: Any) -> None:
        super().__init__(new | whole)
        self.new = new


class View(NamedTuple):
    """A part of an answer and how it is drawn: the element `gm-<element>`, the answer's key, a title, its options."""

    element: str
    key: str
    title: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012  nobody writes into it


class Use(NamedTuple):
    """What people use it for, one sentence, and who says so: authors and year, and the address without https://."""

    text: str
    source: str
    address: str

    def spec(self) -> dict[str, str]:
        return {"text": self.text, "source": self.source, "address": f"https://{self.address}"}


@dataclass(frozen=True)
class Section:
    """One idea that can be touched.

    key: "vae.map", and the endpoint "vae_map". models: the names that it works with, asked when the page is laid out; of one
    family or of several, or none if the state is a FreeState.
    heavy_from: a key, and its value from which on a work section's answers take seconds, and are of the lane HEAVY.
    answer: of a touch section, one network pass, the whole answer; of a work section an iterator of answers, each with
    what is new, the last one (with "done": True) complete. element: what draws the section if not the general one.
    """

    key: str
    title: str
    text: str
    models: Callable[[], Sequence[str]]
    State: type[AnyState]
    answer: Callable[[Any], Any]
    views: tuple[View, ...] = ()
    element: str = "gm-section"
    work: bool = False
    lane: str = "cpu"
    heavy_from: tuple[str, int] | None = None
    task: str = ""  # what to try, one sentence
    use: Use | None = None  # in the real world
    verb: str = "Generate"  # on the button of a work section
    hidden: bool = False  # asked by another section's element, and not laid out

    def __post_init__(self) -> None:
        placed_answer = placed_steps(self.answer, long=self.takes_long) if self.work else placed(self.answer)
        object.__setattr__(self, "answer", placed_answer)

    def takes_long(self, state: AnyState) -> bool:
        """Whether the answer takes seconds even alone."""
        if self.heavy_from is None:
            return self.lane == HEAVY
        key, value = self.heavy_from
        return bool(getattr(state, key) >= value)

    @property
    def tab(self) -> str:
        return self.key.partition(".")[0]

    @property
    def endpoint(self) -> str:
        return self.key.replace(".", "_").replace("-", "_")

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to show it with, or none is needed."""
        return bool(self.fitted())

    def fitted(self) -> list[str]:
        """The models to which its values may be fitted; [""] if it needs none."""
        return list(self.State.subjects(self.models()).values())

    def beginnings(self) -> list[AnyState]:
        """The states that it begins with, of each subject."""
        key = self.State.subject
        return [self.parse({key: subject} if key else {}) for subject in self.State.subjects(self.models())]

    def parse(self, values: Any) -> AnyState:
        """The state of untrusted values; see `State.parse`."""
        return self.State.parse(values, self.models())

    def at_once(self, state: AnyState) -> Answer:
        """The answer of a touch section, computed where such answers are; that of a model is kept, as it is always the same."""
        if self.State.subject != "model":
            return apart.at_once(self.key, state, self.answer)
        asked = repr((self.key, state, checkpoint.weights_hash(state.model)))
        digest = hashlib.sha256(asked.encode()).digest()  # a drawing is longer than many an answer
        return _recent.answer(digest, lambda: apart.at_once(self.key, state, self.answer))

    def steps(self, state: AnyState) -> Iterator[Answer]:
        """The answers of a work section, computed where work of its lane is."""
        if self.lane not in apart.LANES:
            return self.answer(state)
        return apart.steps(self.key, state, self.answer, self._kinds(state))

    def _kinds(self, state: AnyState) -> tuple[str, ...]:
        """Of which processes one computes the answer; what waits for the Hub keeps what it fetched."""
        if self.takes_long(state):
            return (apart.LONG,)
        return (apart.WORK, apart.MORE) if self.lane == "cpu" else (apart.WORK,)

    def spec(self) -> dict[str, Any]:
        """What the browser lays the section out from: JSON."""
        kinds, models = self.State.kinds(), self.fitted()
        return {
            "key": self.key,
            "title": self.title,
            "text": self.text,
            "task": self.task,
            "use": self.use and self.use.spec(),
            "element": "gm-work" if self.work and self.element == "gm-section" else self.element,
            "work": self.work,
            "lane": self.lane,
            "heavyFrom": self.heavy_from,
            "verb": self.verb,
            "subject": self.State.subject,
            "models": models if self.State.subject else [],
            "fields": {key: kind.spec() for key, kind in kinds.items()},
            "fits": _shared({model: {key: kind.fit(model) for key, kind in kinds.items()} for model in models}),
            "views": [{"element": f"gm-{v.element}", "key": v.key, "title": v.title, **v.options} for v in self.views],
        }

    def function(self) -> Callable[..., Any]:
        """The endpoint's function: `vae_map(model=…, x=…)`, typed by the state, documented by the section."""
        subjects = self.State.subjects(self.models())

        def endpoint(*args: Any, **kwargs: Any) -> Any:
            bound = endpoint.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
            return self.at_once(self.parse(dict(bound.arguments)))

        def endpoint_steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            bound = endpoint_steps.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
            yield from self.steps(self.parse(dict(bound.arguments)))

        function: Any = endpoint_steps if self.work else endpoint
        function.__name__ = self.endpoint
        used = f" In the real world: {self.use.text} ({self.use.source}, {self.use.address})" if self.use else ""
        function.__doc__ = f"{self.title}. {self.text}{used}\n\n{_arguments(self.State, subjects)}"
        subject = self.State.subject
        parameters = [_parameter(subject, str, next(iter(subjects), ""))] if subject else []
        hints = get_type_hints(self.State)
        models = list(subjects.values())
        parameters += [_parameter(key, hints[key], _default(kind, models)) for key, kind in self.State.kinds().items()]
        function.__signature__ = inspect.Signature(parameters, return_annotation=dict)
        function.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": dict}
        return function


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def _default(kind: Any, models: Sequence[str]) -> Any:
    """The default of all these models; None, which stands for the model's own, if they differ."""
    first, *others = [kind.fit(model)["default"] for model in models] or [None]
    return first if all(other == first for other in others) else None


def _arguments(state: type[AnyState], subjects: Mapping[str, str]) -> str:
    """What a docstring says of an endpoint's arguments, each in one line: an MCP tool is described by it."""
    told = {state.subject: f"One of {', '.join(subjects)}."} if state.subject else {}
    for key, kind in state.kinds().items():
        told[key] = " ".join(filter(None, [f"{kind.label}.", kind.info, kind.allowed(list(subjects.values()))]))
    lines = [f"    {key}: {' '.join(words.split())}" for key, words in told.items()]
    return "\n".join(["Args:", *lines]) if lines else ""


def _shared(fits: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is the same for all models once, under "*", and what differs by model: the page is sent to phones."""
    first = next(iter(fits.values()), {})
    same = {key for key, value in first.items() if all(fit[key] == value for fit in fits.values())}
    different = {model: {key: v for key, v in fit.items() if key not in same} for model, fit in fits.items()}
    return {"*": {key: first[key] for key in same}} | {model: fit for model, fit in different.items() if fit}


def share(percent: float) -> str:
    """A percentage that says 0 % and 100 % only where that is exactly so."""
    if 0 < percent < 1:
        return "under 1 %"
    return "over 99 %" if 99 < percent < 100 else f"{percent:.0f} %"


# -- pictures in answers -----------------------------------------------------------------------------------------------


def pictures(x: Tensor) -> dict[str, Any]:
    """Images `(N, C, H, W)` in [-1, 1] for the browser."""
    return packed(to_uint8(x))


def packed(pixels: Tensor) -> dict[str, Any]:
    """uint8 `(N, C, H, W)` for the browser."""
    array = np.ascontiguousarray(pixels.cpu().numpy().transpose(0, 2, 3, 1))
    return {"pixels": base64.b64encode(array.tobytes()).decode(), "shape": list(pixels.shape)}


def from_pads(pads: Sequence[Pad]) -> dict[str, Any]:
    """Pads of one shape as N pictures."""
    raw = b"".join(base64.b64decode(pad["pixels"]) for pad in pads)
    return {"pixels": base64.b64encode(raw).decode(), "shape": [len(pads), *pads[0]["shape"]]}
