"""What all autoregressive families share: the objective, exact likelihoods, and writing pixel by pixel.

    log P(v) = sum_i log P(v_i | v_1 .. v_{i-1})          in raster order, channel by channel

A family says how far, and along which way, it looks back: how the features of a pixel come from the pixels before it, all
at once when the picture is known (`_features`), and one after the other when it is being written (`writer`).

A class can be heeded more than was learnt, as diffusion does it ("guidance"): log-odds_none + guidance_scale (log-odds_class -
log-odds_none). Each level is drawn a little more for the class, and a picture that is written so strays to another one less often.

Paper: guidance by a class, Ho & Salimans 2022 (arXiv 2207.12598); of odds: Gafni et al. 2022 (arXiv 2203.13131).
"""

import copy
import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from genmodels.models.base import (
    GUIDANCE,
    TEMPERATURE,
    GuidanceConfig,
    Knob,
    Model,
    ModuleList,
    refuse_other_than_images,
    start_at_zero,
)

#: Logits take 0.8 MB per picture and colour: larger batches leave a processor's cache, and are slower.
LIKELIHOOD_BATCH = 16

# -- from levels to features, and from features to odds ------------------------------------------------------------------


def above_and_beside(h: Tensor, distance: int) -> Tensor:
    """`(B, distance + H, W, C)` -> `(B, H, W, 6 C)`: a cell and those `distance` to both sides, in its row and `distance`
    rows above. What lies outside to the sides is 0.

    A linear layer on top of it is a convolution with a 2x3 kernel; in this form, single rows can be convolved too.
    """
    rows, columns = h.shape[1] - distance, h.shape[2]
    h = F.pad(h, (0, 0, distance, distance))
    starts = ((row, column) for row in (0, distance) for column in (0, distance, 2 * distance))
    return torch.cat([h[:, row : row + rows, column : column + columns] for row, column in starts], 3)


def left_and_own(h: Tensor, distance: int) -> Tensor:
    """`(B, H, W, C)` -> `(B, H, W, 2 C)`: the cell `distance` to the left (0 outside), and the cell itself."""
    return torch.cat([F.pad(h, (0, 0, distance, -distance)), h], 3)


class Embedding(nn.Module):
    """Levels `(B, C, ...)` -> `(B, ..., dim)`: the sum of one learned vector per channel's level.

    The vectors start on a smooth curve, so that levels that differ by little mean much the same.
    """

    def __init__(self, channels: int, grey_levels: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(channels, grey_levels, dim))
        if not self.table.is_meta:  # an outline has a shape alone
            level, harmonic = torch.arange(grey_levels)[:, None] / grey_levels, torch.arange(1, dim + 1)
            signs = torch.randn(channels, 1, dim).sign()
            self.table.data = (math.pi * level * harmonic).cos() * signs / math.sqrt(channels)

    def forward(self, levels: Tensor) -> Tensor:
        vectors = (F.embedding(level, table) for level, table in zip(levels.unbind(1), self.table, strict=True))
        return functools.reduce(torch.add, vectors)


class Head(nn.Module):
    """Features of pixels and the levels of their channels before this one -> logits of this channel's level, at first 0.

    A softmax over all levels learns sooner that black and white are special than a mixture of discretised logistics does
    (PixelCNN++, arXiv 1701.05517): on MNIST, 1.06 against 1.20 bits/dim with ten logistics after 300 steps.
    """

    def __init__(self, width: int, channel: int, grey_levels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.before = ModuleList(nn.Embedding(grey_levels, width) for _ in range(channel))
        self.last = nn.Linear(width, grey_levels)
        start_at_zero(self.last)

    def forward(self, h: Tensor, levels: Sequence[Tensor]) -> Tensor:
        hidden = self.hidden(h)
        for table, level in zip(self.before, levels, strict=True):
            hidden = hidden + table(level)
        return self.last(F.silu(hidden))


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AutoregressiveConfig(GuidanceConfig):
    grey_levels: int = 256
    embedding_dim: int = 16
    width: int = 64
    label_dropout: float = 0.1  # how often training hides the class, so that "no class" (-1) works too


def check_dilations(dilations: Sequence[int]) -> None:
    if not dilations or min(dilations) < 1:
        raise ValueError(f"dilations must be one or more numbers from 1, not {list(dilations)}")


class Autoregressive(Model, ABC):
    """Levels are whole numbers `(B, C, H, W)` from 0 to grey_levels - 1; the order is raster order, channel by channel."""

    Config = AutoregressiveConfig
    config: AutoregressiveConfig
    heads: ModuleList[Head]  # which a family makes last, as its network ends with them
    likelihood_is_bound = False
    knobs: ClassVar[dict[str, Knob]] = {"temperature": TEMPERATURE, "guidance_scale": GUIDANCE}

    def __init__(self, config: AutoregressiveConfig) -> None:
        super().__init__(config)
        if config.grey_levels < 2:
            raise ValueError(f"grey_levels must be at least 2, not {config.grey_levels}")
        self.embedding = Embedding(self.image_shape[0], config.grey_levels, config.embedding_dim)

    def _make_heads(self) -> ModuleList[Head]:
        return ModuleList(Head(self.config.width, c, self.config.grey_levels) for c in range(self.image_shape[0]))

    def output_layers(self) -> list[nn.Module]:
        """The logits of the levels."""
        return [head.last for head in self.heads]

    @abstractmethod
    def _features(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """What is known of each pixel from the embedded pixels `(B, H, W, embedding_dim)` before it `(B, H, W, width)`."""

    @abstractmethod
    def writer(self, levels: Tensor, labels: Tensor, odds: "Odds") -> "Writer[Any]":
        """What writes the rows of such levels: `_features`, pixel by pixel, with all remembered that can be."""

    # -- the objective ------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """Minus log P(x) in nats per image, averaged over the batch, and the same in bits/dim.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        labels = self._labels_to_learn(labels, x, self.config.label_dropout)
        levels = self._levels(x)
        loss = -self._log_likelihood(levels, labels).mean()
        return {"loss": loss, "bits_per_dim": loss.detach() / (math.log(2) * math.prod(self.image_shape))}

    def _log_likelihood(self, levels: Tensor, labels: Tensor) -> Tensor:
        """log P of each image `(B,)`"""
        pairs = zip(self._logits(levels, labels), levels.unbind(1), strict=True)
        surprises = (F.cross_entropy(z.flatten(0, 2), v.flatten(), reduction="none") for z, v in pairs)
        return -functools.reduce(torch.add, surprises).view(levels.shape[0], -1).sum(1)

    def _logits(self, levels: Tensor, labels: Tensor) -> list[Tensor]:
        """Logits of every pixel's level, per channel `(B, H, W, grey_levels)`."""
        h, channels = self._features(self.embedding(levels), labels), levels.unbind(1)
        return [head(h, channels[:c]) for c, head in enumerate(self.heads)]

    def _levels(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] -> the nearest levels. Raises ValueError for other values or NaN."""
        refuse_other_than_images(x)
        top = self.config.grey_levels - 1
        return ((x.float() + 1) * (top / 2)).round().clamp(0, top).long()

    def _images(self, levels: Tensor) -> Tensor:
        return levels.float() * (2 / (self.config.grey_levels - 1)) - 1

    def logits_of(self, levels: Tensor, labels: Tensor, c: int, row: int, column: int) -> Tensor:
        """Those of one level `(B, grey_levels)`, given the levels before it."""
        levels = levels[:, :, : row + 1]
        h = self._features(self.embedding(levels), labels)[:, row, column]
        return self.heads[c](h, levels[:, :c, row, column].unbind(1))

    # -- what it can do -----------------------------------------------------------------------------------------

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """log P(x) `(B,)` in nats of the 8-bit image: exact. x is rounded to the nearest levels.

        Raises ValueError for x outside [-1, 1] or NaN.
        """
        labels = self._labels(labels, x.shape[0], x.device)
        parts = zip(self._levels(x).split(LIKELIHOOD_BATCH), labels.split(LIKELIHOOD_BATCH), strict=True)
        return torch.cat([self._log_likelihood(levels, given) for levels, given in parts])

    def log_probabilities(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """log P of every level, of every pixel, given the pixels of x before it: `(B, C, H, W, grey_levels)`, nats."""
        logits = self._logits(self._levels(x), self._labels(labels, x.shape[0], x.device))
        return torch.stack(logits, 1).log_softmax(-1)

    def influence(self, x: Tensor, row: int, column: int, labels: Tensor | None = None) -> Tensor:
        """How much each pixel of x bears on what is expected of the one in `row` and `column`: `(B, H, W)`, 0 or more.

        The norm of the gradient of that pixel's log-probability by each embedded pixel. In float64, so that what is 0 has no
        way there: what lies outside the receptive field.
        """
        with torch.inference_mode(False), torch.enable_grad():
            exact = copy.deepcopy(self).double().requires_grad_(False)
            levels, given = self._levels(x).clone(), self._labels(labels, x.shape[0], x.device).clone()
            pixels = exact.embedding(levels).requires_grad_()
            h, own = exact._features(pixels, given)[:, row, column], levels[:, :, row, column].unbind(1)
            logits = [head(h, own[:c]) for c, head in enumerate(exact.heads)]
            surprises = [F.cross_entropy(z, v, reduction="sum") for z, v in zip(logits, own, strict=True)]
            functools.reduce(torch.add, surprises).backward()
            assert pixels.grad is not None
            return pixels.grad.norm(dim=-1)

    def sample(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Tensor:
        """New images; a temperature below 1 makes likely levels likelier. The smallest, 0, always takes the likeliest.

        guidance_scale: 0 ignores the class, 1 samples what was learnt, more makes the class clearer. All but 0 and 1 ask the network
        twice, which takes up to twice the time; -1 of the labels, no class, is never guided. None: of both, the model's own.
        """
        *_, images = self.sample_steps(
            labels, generators=generators, temperature=temperature, guidance_scale=guidance_scale
        )
        return images

    def sample_steps(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Iterator[Tensor]:
        """`sample`, one frame per row; what is not written yet is grey (0)."""
        x, given = self._blank(labels)
        knobs: Any = {"temperature": temperature, "guidance_scale": guidance_scale}
        for images, _ in self.write(x, given, labels, generators=generators, **knobs):
            yield images

    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Tensor:
        """x with the pixels where `mask` `(B, 1, H, W)` is False written anew, each given those before it in raster order:
        what is given further down or to the right stays, but informs nothing above it.

        Raises ValueError for a mask of another shape or type.
        """
        knobs: Any = {"temperature": temperature, "guidance_scale": guidance_scale}
        *_, (images, _) = self.write(x, mask, labels, generators=generators, **knobs)
        return images

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
        """`complete`, row by row: (images, entropies) so far.

        images: `(B, C, H, W)`, grey (0) where neither written nor given; entropies `(B, H, W)`: of the distributions of
        the levels, also where they were given and not drawn, in bits per pixel; 0 in the rows to come.
        """
        shape = (len(x), 1, *self.image_shape[1:])
        if tuple(given.shape) != shape or given.dtype != torch.bool:
            raise ValueError(f"The mask must be {shape} and bool, not {tuple(given.shape)} and {given.dtype}.")
        labels = self._labels(labels, x.shape[0], x.device)
        uniforms = self._uniforms(generators, x.device)
        odds = self._odds(labels, temperature, guidance_scale)
        writer = self.writer(torch.where(given, self._levels(x), 0), labels, odds)
        entropies = x.new_zeros(shape).squeeze(1)
        shown = given.clone()
        for row in range(self.image_shape[1]):
            entropies[:, row] = writer.write_row(row, given[:, 0, row], uniforms[:, :, row])
            shown[:, :, row] = True
            written = torch.where(shown, self._images(writer.levels), 0)
            yield torch.where(given, x, written), entropies.clone()

    @torch.no_grad()
    def probabilities_in_turn(
        self, levels: Tensor, labels: Tensor | None = None
    ) -> Iterator[tuple[int, int, int, Tensor]]:
        """Channel, row, column and probabilities `(B, grey_levels)` of every level of pictures, in raster order, float64: whoever
        asks for the next has put this one into `levels` `(B, C, H, W)`.

        So a decoder that reads level by level gets to the last bit what an encoder had that knew them all.
        """
        writer = _in_float64(self).writer(levels, self._labels(labels, len(levels), levels.device), Odds())
        for row in range(self.image_shape[1]):
            for c, column, logits in writer.in_turn(row):
                yield c, row, column, logits.softmax(-1)

    def sample_naively(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Iterator[Tensor]:
        """`sample` by one pass of the whole network per level, a frame after each: what the cache saves, and its reference.

        Both compute in float64, for the reason that `Writer` gives, and end with the same images, bit for bit.
        """
        exact, levels = _in_float64(self), self._levels(self._blank(labels)[0])
        given, uniforms = self._labels(labels, len(labels), labels.device), self._uniforms(generators, labels.device)
        channels, height, width = self.image_shape
        odds = self._odds(given, temperature, guidance_scale)
        for row, column, c in itertools.product(range(height), range(width), range(channels)):
            logits = exact._logits(*odds.asked(levels, given, self.config.num_classes))[c][:, row, column]
            levels[:, c, row, column] = draw(odds.of(logits), uniforms[:, c, row, column])
            yield self._images(levels)

    def _odds(self, labels: Tensor, temperature: float | None, scale: float | None) -> "Odds":
        """By which pictures of these labels are drawn: guided with strength 1 where no class is told, as there is nothing to go by."""
        temperature = self.config.temperature if temperature is None else temperature
        scale = self.config.guidance_scale if scale is None else scale
        return Odds(temperature, scale if bool((labels < self.config.num_classes).any()) else 1.0)

    def _uniforms(self, generators: Sequence[Generator], device: torch.device) -> Tensor:
        """A uniform number from [0, 1) for every level that may be drawn `(B, C, H, W)`, float64."""
        drawn = [torch.rand(self.image_shape, generator=g, device=g.device, dtype=torch.float64) for g in generators]
        return torch.stack(drawn).to(device)

    def _blank(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Grey images, and the mask that says that nothing of them is given."""
        x = torch.zeros(len(labels), *self.image_shape, device=labels.device)
        return x, torch.zeros_like(x[:, :1], dtype=torch.bool)


# -- sampling ------------------------------------------------------------------------------------------------------------


class Odds(NamedTuple):
    """What levels are drawn by: a network's logits, made colder and heeding the class more or less."""

    temperature: float = 1.0
    guidance_scale: float = 1.0

    def asked(self, levels: Tensor, labels: Tensor, none: int) -> tuple[Tensor, Tensor]:
        """For which levels `(B, ...)` and labels the network is asked: where that takes both, with the class and then without (`none`)."""
        nothing = torch.full_like(labels, none)
        if self.guidance_scale in (0, 1):
            return levels, labels if self.guidance_scale else nothing
        return torch.cat([levels, levels]), torch.cat([labels, nothing])

    def of(self, logits: Tensor) -> Tensor:
        """Those `(B, levels)` of what was `asked`, from its logits."""
        if self.guidance_scale not in (0, 1):
            told, untold = logits.chunk(2)
            logits = torch.lerp(untold, told, self.guidance_scale)
        return logits if self.temperature == 1 else logits / max(self.temperature, 1e-3)

    @property
    def gain(self) -> float:
        """How many times as large an error of the network's logits is here, at most."""
        return (abs(self.guidance_scale) + abs(1 - self.guidance_scale)) / max(self.temperature, 1e-3)


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """The levels `(...)` at which the cumulative distribution of logits `(..., levels)` passes uniform numbers `(...)`."""
    cumulative = logits.softmax(-1).cumsum(-1)
    passed = torch.searchsorted(cumulative, uniform.unsqueeze(-1) * cumulative[..., -1:], right=True)
    return passed.squeeze(-1).clamp(max=logits.shape[-1] - 1)


def draw_or_doubt(logits: Tensor, uniform: Tensor, reach: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
    """`draw`, and where a limit between two levels may be on the uniform number's other side, if log(c / (1 - c)) of each limit c is
    wrong by error, less than 1; None: nowhere. reach: that of `uniform`, see `reach_of`."""
    cumulative = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    around = torch.addcmul(uniform.unsqueeze(-1), reach, error)
    low, found, high = torch.searchsorted(cumulative, around, right=True).unbind(-1)
    return found.clamp(max=logits.shape[-1] - 1), None if torch.equal(low, high) else low != high


def reach_of(uniform: Tensor) -> Tensor:
    """How far an error of 1 in log(c / (1 - c)) is from uniform numbers `(...)` down, not at all, and up `(..., 3)`."""
    up = uniform * (1 - uniform)
    return torch.stack([-up, torch.zeros_like(up), up], -1)


def by_place(row: Tensor) -> list[Sequence[Tensor]]:
    """Views of a row `(B, C, W, ...)` by column and channel: all at once, which takes a tenth of a call for each."""
    return [column.unbind(1) for column in row.unbind(2)]


A = TypeVar("A", bound=Autoregressive)

#: An error of float32's logits, as a share of the largest one. Twice that was seen, but so seldom that less than one picture in
#: ten million would have another level (96 test pictures of each of four models).
ROUNDING = 1e-6
#: Guidance that makes errors so large, and leaves so many levels in doubt, that float64 is faster from there on.
FAR = 5.0


def _is_quick(model: Autoregressive) -> bool:
    """Whether a network computes in float32, and without any short cut: its rounding errors are known on CPUs."""
    table = model.embedding.table
    if table.dtype != torch.float32 or table.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    return torch.get_float32_matmul_precision() == "highest"


def _in_float64(model: A) -> A:
    return model if model.embedding.table.dtype == torch.float64 else copy.deepcopy(model).double().eval()


class Writer(ABC, Generic[A]):
    """A network's activations for what has been written, and the next row of a batch of pictures.

    What is drawn is what float64 draws: there rounding errors move the limits between two levels by 1e-14 or so, no uniform number
    falls in between, and pictures do not depend on the order in which sums were done, so neither on the batch nor on the cache.
    On a CPU the network computes in float32, in half to two thirds of the time; only where its rounding errors leave a level in doubt, at
    one of 8000 levels or so, float64 decides.
    """

    def __init__(self, model: A, levels: Tensor, labels: Tensor, odds: Odds) -> None:
        """model: one in float64 computes in it, so that not only levels but probabilities are always the same."""
        self.model = model if _is_quick(model) and odds.guidance_scale <= FAR else _in_float64(model)
        self.levels, self.told, self.odds = levels, labels, odds
        self.asked, self.labels = odds.asked(levels, labels, model.config.num_classes)
        _, height, columns = model.image_shape
        #: embedded pixels, with two rows above and two columns to the left of the picture
        self.pixels = self.zeros(height + 2, columns + 2, model.config.embedding_dim)

    def zeros(self, *shape: int) -> Tensor:
        """Of each picture, as often as the network is asked for it."""
        return self.model.embedding.table.new_zeros(len(self.asked), *shape)

    @functools.cached_property
    def exact(self) -> A:
        """The network in float64."""
        return _in_float64(self.model)

    @abstractmethod
    def begin(self, row: int) -> None:
        """All that the rows above say about a row, which is about to be written."""

    @abstractmethod
    def features(self, row: int, column: int) -> Tensor:
        """Those of the next pixel `(B, width)`."""

    def write_row(self, row: int, given: Tensor, uniforms: Tensor) -> Tensor:
        """Draws the levels of the row, but where `given` `(B, W)`, by uniform numbers `(B, C, W)` -> entropies `(B, W)`."""
        logits, some_given = [], given.any(0).tolist()
        # on a CPU calls take most of the time, and one in twenty of that is saved
        with torch.inference_mode() if self.levels.is_cpu else torch.no_grad():
            levels, drawn_by, reach = map(by_place, (self.levels[:, :, row], uniforms, reach_of(uniforms)))
            for c, column, asked in self.in_turn(row):
                level, odds = levels[column][c], self.odds.of(asked)
                drawn = self._drawn((c, row, column), asked, odds, drawn_by[column][c], reach[column][c])
                level.copy_(torch.where(given[:, column], level, drawn) if some_given[column] else drawn)
                logits.append(odds.float())  # an entropy needs no more, and is found ten times as fast
            log_p = torch.stack(logits, 1).log_softmax(-1)  # (B, W C, levels)
            return -(log_p.exp() * log_p).sum(-1).unflatten(1, (given.shape[1], -1)).sum(2) / math.log(2)

    def _drawn(
        self, place: tuple[int, int, int], logits: Tensor, odds: Tensor, uniform: Tensor, reach: Tensor
    ) -> Tensor:
        """The levels `(B,)` that float64 draws in a channel, row and column, from the network's logits and their odds."""
        if odds.dtype == torch.float64:
            return draw(odds, uniform)
        error = torch.linalg.vector_norm(logits, torch.inf) * (ROUNDING * self.odds.gain)
        level, doubt = draw_or_doubt(odds, uniform, reach, error)
        if doubt is not None:
            asked = self.odds.asked(self.levels[doubt], self.told[doubt], self.model.config.num_classes)
            level[doubt] = draw(self.odds.of(self.exact.logits_of(*asked, *place)), uniform[doubt])
        return level

    def in_turn(self, row: int) -> Iterator[tuple[int, int, Tensor]]:
        """Channel, column and the logits that the network is asked for, of every level of the row, in the order of writing: whoever
        asks for the next one has put this one into `levels`."""
        self.begin(row)
        copies = len(self.asked) // len(self.levels)
        pixels = self.pixels.unflatten(0, (copies, -1))
        for column, pixel in enumerate(self.levels[:, :, row].unbind(2)):
            h, before = self.features(row, column), list[Tensor]()
            for c, (head, level) in enumerate(zip(self.model.heads, pixel.unbind(1), strict=True)):
                yield c, column, head(h, before)
                before.append(torch.cat([level] * copies))
            pixels[:, :, row + 2, column + 2] = self.model.embedding(pixel)
