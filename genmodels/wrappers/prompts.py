"""What a model of captions is told: sentences, their words, and sentences from parts."""

import functools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from genmodels import checkpoint
from genmodels.captions import PARTS, compose
from genmodels.device import here
from genmodels.models import diffusion
from genmodels.protocols import ReadsCaptions
from genmodels.wrappers.core import describe, get_model
from genmodels.wrappers.denoisers import model_config
from genmodels.wrappers.state import Choice, Text, field

MAX_CHARACTERS, MAX_PROMPTS = 400, 8
FIRST_SENTENCE, FIRST_SENTENCES = 2, 4  # seeds of the random parts to begin with


def check_prompt(name: str, prompt: Any) -> str:
    """The prompt, or ValueError that says what is wrong with it: empty, too long, or of unknown words only."""
    config = model_config(name)  # not the model: this is asked where none is loaded
    if not config.vocabulary:
        raise ValueError(f"The model {name!r} knows classes and no words.")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("The sentence is empty: say what to draw.")
    if len(prompt) > MAX_CHARACTERS:
        raise ValueError(f"The sentence has {len(prompt)} characters; at most {MAX_CHARACTERS} are allowed.")
    count, limit = len(re.findall(r"\w+|[^\w\s]+", prompt)), config.text_length - 1
    if count > limit:
        raise ValueError(f"The sentence has {count} words and signs; at most {limit} are allowed.")
    if set(_words(prompt)) <= set(diffusion.unknown_words(config, prompt)):
        raise ValueError(f"The model knows none of these words; it knows, for example: {', '.join(_telling(name))}.")
    return prompt


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _telling(name: str, n: int = 12) -> list[str]:
    """Some of the longer words that a model knows, from all over its vocabulary."""
    words = [word for word in model_config(name).vocabulary if len(word) > 3]
    return words[:: max(1, len(words) // n)][:n]


def prompt_tokens(name: str, prompts: Sequence[Any]) -> Tensor:
    return get_model(name, ReadsCaptions).tokenize([check_prompt(name, prompt) for prompt in prompts]).to(here())


def unknown_words(name: str, prompt: str) -> list[str]:
    """The words of a prompt that the model has never seen in a caption, each once."""
    return diffusion.unknown_words(model_config(name), check_prompt(name, prompt))


@functools.lru_cache(maxsize=16)
def phrases(name: str) -> dict[str, list[str]]:
    """Parts of a sentence, in the words of the model's captions: species, body, cloak, head, weapon, shield -> phrases.

    They are what the referee of the same data tells apart, as far as the model knows the words. "" = without. {} where
    there is no such referee, or where it tells other things apart.
    """
    known, referee = set(model_config(name).vocabulary), f"referee-{describe(name)['data']}"
    if not known or referee not in checkpoint.bundled():
        return {}
    parts = checkpoint.read_config(referee)["data"].get("attributes", {})
    if tuple(parts) != PARTS:
        return {}
    return {part: [phrase for phrase in parts[part] if known.issuperset(_words(phrase))] for part in PARTS}


# -- as fields of states -----------------------------------------------------------------------------------------------


def unknown_text(name: str, prompts: Sequence[str]) -> str:
    """Which words of the prompts the model does not know, as a sentence."""
    if not any(prompt.strip() for prompt in prompts):
        return "Without words it draws what it likes."
    unknown = dict.fromkeys(word for prompt in prompts for word in unknown_words(name, prompt))
    if not unknown:
        return "It knows all these words."
    return f"It has never read **{', '.join(f'“{word}”' for word in unknown)}**, and draws the rest."


def first_parts(name: str) -> dict[str, str]:
    """Parts of a sentence to begin with; {} where there are none."""
    chance = random.Random(FIRST_SENTENCE)
    return {part: chance.choice(offered) for part, offered in phrases(name).items()}


def first_sentences(name: str) -> str:
    """A sentence that grows by a part with every line; "" for a model of classes."""
    if not model_config(name).vocabulary:
        return ""
    chance = random.Random(FIRST_SENTENCES)
    chosen = {part: chance.choice([p for p in offered if p]) for part, offered in phrases(name).items()}
    return "\n".join(compose(**dict(list(chosen.items())[:k])) for k in range(1, len(chosen) + 1))


@dataclass(frozen=True, kw_only=True)
class Part(Choice):
    """A part of a sentence, in the words of the model's captions; "" = without."""

    choices: Any = ()
    part: str = ""

    def check(self, value: Any, model: str) -> str:
        offered = phrases(model).get(self.part, [""])
        if not isinstance(value, str) or value not in offered:
            raise ValueError(
                f"The model knows no {self.part} {value!r:.40}; it knows {', '.join(filter(None, offered))}."
            )
        return value

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"kind": "choice", "part": True}

    def fit(self, model: str) -> dict[str, Any]:
        offered = phrases(model).get(self.part, [""])
        return {"default": first_parts(model).get(self.part, ""), "choices": [p or ["–", ""] for p in offered]}


@dataclass(frozen=True, kw_only=True)
class Sentence(Text):
    """A sentence of the visitor's own; "" = the one of the parts."""

    longest: int = MAX_CHARACTERS

    def check(self, value: Any, model: str) -> str:
        text = super().check(value, model).strip()
        return check_prompt(model, text) if text else ""


@dataclass(frozen=True, kw_only=True)
class Sentences(Text):
    """Several sentences, one per line, for a model of captions; of a model of classes "" means all of its classes."""

    longest: int = MAX_PROMPTS * (MAX_CHARACTERS + 1)

    def check(self, value: Any, model: str) -> str:
        lines = [line.strip() for line in super().check(value, model).splitlines() if line.strip()]
        if not model_config(model).vocabulary:
            if lines:
                raise ValueError(f"The model {model!r} knows classes and no words: leave the sentences empty.")
            return ""
        if not 1 <= len(lines) <= MAX_PROMPTS:
            raise ValueError(f"There must be 1 to {MAX_PROMPTS} sentences, one per line, not {len(lines)}.")
        return "\n".join(check_prompt(model, line) for line in lines)

    def fit(self, model: str) -> dict[str, Any]:
        return super().fit(model) | {"unused": not model_config(model).vocabulary}


def part(name: str, label: str) -> Any:
    return field(Part(label=label, part=name))


def sentence_field(**more: Any) -> Any:
    return field(Sentence(label="Sentence", default="", info="Composed of the parts below, or your own.", **more))


def sentences_field() -> Any:
    return field(Sentences(label="Sentences, one per line", default=first_sentences))
