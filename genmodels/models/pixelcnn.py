"""**PixelCNN.** A picture is written like a text, pixel by pixel, from the top left to the bottom right. A network looks at
all that has been written and says how likely each of the 256 levels is to come next; one of them is drawn, and the
network looks again. Colours come in order too: red, then green given red, then blue given both.

Objective, to be maximised, in nats per image (the chain rule of probability, with nothing left out or bounded):

    log P(v) = sum_i log P(v_i | v_1 .. v_{i-1})

In training all terms are found in one pass, since the picture is known and the network is causal. Two stacks of gated
convolutions see to that: the *vertical* one sees all rows above, the *horizontal* one the pixels to the left, and is told
what the vertical one saw. (A single stack of masked convolutions would have a blind spot to the upper right.) As rows
above may be looked at as a whole, the vertical stack works on `fold` neighbouring pixels at a time, which is faster.

In sampling, pixels must wait for each other. But a new pixel changes nothing that was computed for the old ones: the
sampler keeps the activations that a layer still looks at, so that a pixel costs one column of the network, and a row one row of it.

The objective and the loop that draws pixels are those of all autoregressive models: models/autoregressive.py.

In the real world: a likelihood is a lossless code, as short as the model is good (Delétang et al. 2024, arXiv 2309.10668); and a
PixelCNN writes the codes that another network unfolds into large pictures (Razavi et al. 2019, VQ-VAE-2, arXiv 1906.00446).

Papers: van den Oord et al. 2016 (PixelRNN, arXiv 1601.06759; Gated PixelCNN, arXiv 1606.05328); dilations: Yu & Koltun
2016 (arXiv 1511.07122); gated linear units: Dauphin et al. 2017 (arXiv 1612.08083); the cache: Ramachandran et al. 2017
(Fast PixelCNN++, arXiv 1704.06001).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

from genmodels.models.autoregressive import (
    Autoregressive,
    AutoregressiveConfig,
    Odds,
    Writer,
    above_and_beside,
    check_dilations,
    left_and_own,
)
from genmodels.models.base import ModuleList, TrainConfig

# -- the network -------------------------------------------------------------------------------------------------------


def fold(h: Tensor, pixels: int) -> Tensor:
    """`(B, H, W, C)` -> `(B, H, W / pixels, pixels * C)`: neighbours in a row become channels of one cell."""
    return h.unflatten(2, (-1, pixels)).flatten(3)


def unfold(h: Tensor, pixels: int) -> Tensor:
    """The inverse of `fold`."""
    return h.unflatten(3, (pixels, -1)).flatten(2, 3)


class Vertical(nn.Module):
    """A gated residual block that sees its own row and the one `dilation` above it, to both sides."""

    def __init__(self, width: int, dilation: int, num_classes: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.label = nn.Embedding(num_classes + 1, 2 * width)
        self.gate = nn.Linear(6 * width, 2 * width)
        self.last = nn.Linear(width, width, bias=False)

    def forward(self, h: Tensor, labels: Tensor) -> Tensor:
        """h `(B, dilation + H, W, C)`, with rows above that are only looked at -> `(B, H, W, C)`"""
        gates = self.gate(above_and_beside(h, self.dilation)) + self.label(labels)[:, None, None]
        return h[:, self.dilation :] + self.last(F.glu(gates, -1))


class Horizontal(nn.Module):
    """A gated residual block that sees its own pixel, the one `dilation` to the left, and the vertical stack's `above`."""

    def __init__(self, width: int, vertical_width: int, folded: int, dilation: int, num_classes: int) -> None:
        super().__init__()
        self.dilation, self.folded = dilation, folded
        self.label = nn.Embedding(num_classes + 1, 2 * width)
        self.above = nn.Linear(vertical_width, 2 * width * folded)
        self.gate = nn.Linear(2 * width, 2 * width, bias=False)
        self.last = nn.Linear(width, width, bias=False)

    def forward(self, h: Tensor, above: Tensor, labels: Tensor) -> Tensor:
        gates = self.gate(left_and_own(h, self.dilation)) + self.context(above, labels)
        return h + self.last(F.glu(gates, -1))

    def context(self, above: Tensor, labels: Tensor) -> Tensor:
        """What the rows above and the class add to the gates `(B, H, W, 2 width)`."""
        return unfold(self.above(above), self.folded) + self.label(labels)[:, None, None]


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PixelCNNConfig(AutoregressiveConfig):
    fold: int = 2  # neighbouring pixels that the vertical stack works on at a time
    vertical_width: int = 64
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1, 2, 1)  # of the blocks, in both stacks

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, embedding_dim=4, vertical_width=8, width=8, dilations=(1, 2))


class PixelCNN(Autoregressive):
    """Two stacks of gated convolutions."""

    Config = PixelCNNConfig
    config: PixelCNNConfig

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__(config)
        columns = config.image_shape[2]
        if config.fold < 1 or columns % config.fold:
            raise ValueError(f"fold must divide the width of the pictures, {columns}; {config.fold} does not")
        check_dilations(config.dilations)
        classes, tall, wide = config.num_classes, config.vertical_width, config.width
        self.rows_above = nn.Linear(6 * config.fold * config.embedding_dim, tall)
        self.pixels_left = nn.Linear(2 * config.embedding_dim, wide)
        self.vertical = ModuleList(Vertical(tall, d, classes) for d in config.dilations)
        self.horizontal = ModuleList(Horizontal(wide, tall, config.fold, d, classes) for d in config.dilations)
        self.heads = self._make_heads()

    # -- the features -------------------------------------------------------------------------------------------

    def _features(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Pixels `(B, H, W, embedding_dim)` -> what is known of each from those before it `(B, H, W, width)`."""
        rows = F.pad(fold(pixels, self.config.fold), (0, 0, 0, 0, 2, -1))  # from two above the picture
        above = self.rows_above(above_and_beside(rows, 1))
        h = self.pixels_left(left_and_own(F.pad(pixels, (0, 0, 1, -1)), 1))
        for vertical, horizontal in zip(self.vertical, self.horizontal, strict=True):
            above = vertical(F.pad(above, (0, 0, 0, 0, vertical.dilation, 0)), labels)
            h = horizontal(h, above, labels)
        return h

    def writer(self, levels: Tensor, labels: Tensor, odds: Odds) -> "PixelCNNWriter":
        return PixelCNNWriter(self, levels, labels, odds)

    # -- the recipe ---------------------------------------------------------------------------------------------

    # on a CPU sixteen pictures a step teach as much per minute of float32 as eight, and more of bf16
    recipe = TrainConfig(
        steps=40_000, batch_size=16, learning_rate=4e-3, betas=(0.9, 0.99), weight_decay=0.1, muon=0.02
    )


# -- sampling ------------------------------------------------------------------------------------------------------------


class PixelCNNWriter(Writer[PixelCNN]):
    """A pixel costs one column of the horizontal stack, a row one row of the vertical one."""

    def __init__(self, model: PixelCNN, levels: Tensor, labels: Tensor, odds: Odds) -> None:
        super().__init__(model, levels, labels, odds)
        config, columns = model.config, model.image_shape[2]
        #: the last rows of the vertical blocks' inputs, `dilation` and one
        self.above = [self.zeros(d + 1, columns // config.fold, config.vertical_width) for d in config.dilations]
        self.weights = [(block.gate.weight.T, block.last.weight.T) for block in self.model.horizontal]

    def begin(self, row: int) -> None:
        self.contexts = self._contexts(row)
        self.left = [[self.zeros(self.model.config.width)] * d for d in self.model.config.dilations]

    def features(self, row: int, column: int) -> Tensor:
        """One column of the horizontal stack."""
        h = self.model.pixels_left(self.pixels[:, row + 2, column : column + 2].flatten(1))
        for (gate, last), context, seen in zip(self.weights, self.contexts, self.left, strict=True):
            seen.append(h)
            gates = torch.addmm(context[column], torch.cat([seen[column], h], 1), gate)
            h = torch.addmm(h, F.glu(gates, 1), last)
        return h

    def _contexts(self, row: int) -> list[Sequence[Tensor]]:
        """What the rows above say to each horizontal block about each of the row's pixels `(B, 2 width)`."""
        model = self.model
        above = model.rows_above(above_and_beside(fold(self.pixels[:, row : row + 2, 2:], model.config.fold), 1))
        contexts: list[Sequence[Tensor]] = []
        for b, (vertical, horizontal) in enumerate(zip(model.vertical, model.horizontal, strict=True)):
            self.above[b] = torch.cat([self.above[b][:, 1:], above], 1)
            above = vertical(self.above[b], self.labels)
            contexts.append(horizontal.context(above, self.labels)[:, 0].movedim(1, 0).contiguous().unbind())
        return contexts
