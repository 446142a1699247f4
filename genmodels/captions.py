"""What is said of a picture in words: sentences from parts, and the parts that a referee sees in a picture."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from genmodels.operations import device_of
from genmodels.protocols import Classifies

PARTS = ("species", "body", "cloak", "head", "weapon", "shield")  # of a sentence about a hero
#: The phrases that each part may have, "" = without.
Phrases = Mapping[str, Sequence[str]]


def compose(
    species: str | None,
    body: str | None = None,
    cloak: str | None = None,
    head: str | None = None,
    weapon: str | None = None,
    shield: str | None = None,
) -> str:
    """A sentence like those of the training set from its parts, "" or None = without. ValueError without a species.

    >>> compose("elf", "a blue robe", "a red cloak", weapon="a trident")
    'an elf in a blue robe with a red cloak, holding a trident'
    """
    if not species:
        raise ValueError("Say who it is: a sentence needs a species.")
    article = "an" if species[0] in "aeiou" else "a"
    on_head = "wearing" if (head or "").startswith(("a ", "an ")) else "with"  # "horns" are not worn
    worn = (
        (f" in {body}" if body else "") + (f" with {cloak}" if cloak else "") + (f", {on_head} {head}" if head else "")
    )
    held = " and ".join(filter(None, (weapon, shield)))
    return f"{article} {species}{worn}" + (f", holding {held}" if held else "")


def parts_of(sentence: str, phrases: Phrases) -> dict[str, str]:
    """The parts of a sentence, whoever wrote it: of each the longest phrase that stands in it, "" if none does.

    >>> parts_of("A deep elf with a red cloak", {"species": ["elf", "deep elf"], "cloak": ["", "a red cloak"], "head": [""]})
    {'species': 'deep elf', 'cloak': 'a red cloak', 'head': ''}
    """

    def longest(offered: Sequence[str]) -> str:
        said = [phrase for phrase in offered if phrase and re.search(rf"\b{re.escape(phrase)}\b", sentence.lower())]
        return max(said, key=len, default="")

    return {part: longest(offered) for part, offered in phrases.items()}


@torch.no_grad()
def read(referee: Classifies, x: Tensor, phrases: Phrases) -> list[dict[str, tuple[str, float]]]:
    """What a referee sees in pictures `(B, C, H, W)` in [-1, 1]: for each its parts, the likeliest phrase with its probability.

    phrases: all that the referee tells apart, in its order.
    """
    answers = [answer.exp().max(1) for answer in referee.classify(referee.features(x.to(device_of(referee))))]
    return [
        {
            part: (offered[int(answer.indices[i])], float(answer.values[i]))
            for (part, offered), answer in zip(phrases.items(), answers, strict=True)
        }
        for i in range(len(x))
    ]
