"""**WaveNet.** A picture is read as a ribbon: row after row, end to end, like the samples of a sound, and what comes next is
said from what came before. Rows and columns mean nothing to it: the pixel above is just the one a row's length ago.

Objective, to be maximised, in nats per image:

    log P(v) = sum_i log P(v_i | v_1 .. v_{i-1})

Each block is a causal convolution that looks at two places only, its own and the one `dilation` earlier. Dilations double
from block to block, so that ten blocks look back over 898 pixels: a whole digit. (1, 2, 4, 8, then 14, 28, 56 ...: so that
one of these leaps ends just above. At equal time, powers of two cost 0.006 bits/dim more.) A gate decides what passes, tanh(f) *
sigmoid(g); the class (the paper's global condition) is added to every gate, the place in the picture (a local condition)
to the input. All blocks are heard at the end: their *skip* outputs are summed, and the odds are made from the sum.

In sampling, a block needs of the past only what it saw `dilation` pixels ago: a pixel costs one place of the network.

In the real world: it was made for speech, and spoke as Google's Assistant (van den Oord et al. 2017, arXiv 1711.10433).

The objective and the loop that draws pixels are those of all autoregressive models: models/autoregressive.py.

Papers: van den Oord et al. 2016 (WaveNet, arXiv 1609.03499); the cache: Le Paine et al. 2016 (arXiv 1611.09482).
"""

from collections import deque
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

from genmodels.models.autoregressive import Autoregressive, AutoregressiveConfig, Odds, Writer, check_dilations
from genmodels.models.base import ModuleList, TrainConfig, start_at_zero

# -- the network -------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A gated causal convolution with a kernel of two places, `dilation` apart."""

    def __init__(self, width: int, dilation: int, num_classes: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.label = nn.Embedding(num_classes + 1, 2 * width)
        self.gate = nn.Linear(2 * width, 2 * width)
        self.last = nn.Linear(width, 2 * width)

    def forward(self, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """h `(B, N, width)` -> that of the next block, and what this one says at the end."""
        before = F.pad(h, (0, 0, self.dilation, 0))[:, : h.shape[1]]
        residual, skip = self.join(before, h, self.label(labels)[:, None]).chunk(2, -1)
        return h + residual, skip

    def join(self, before: Tensor, h: Tensor, condition: Tensor) -> Tensor:
        """From both places' features `(..., width)`: what is added to h, and what this block says at the end `(..., 2 width)`."""
        filters, gates = (self.gate(torch.cat([before, h], -1)) + condition).chunk(2, -1)
        return self.last(filters.tanh() * gates.sigmoid())


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WaveNetConfig(AutoregressiveConfig):
    width: int = 48
    #: From 14 on half rows, rows, two rows ... of 28 pixels.
    dilations: tuple[int, ...] = (1, 2, 4, 8, 14, 28, 56, 112, 224, 448)

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, embedding_dim=4, width=8, dilations=(1, 2, 4, 8))


class WaveNet(Autoregressive):
    """One-dimensional: N = H * W places, each with its pixel's channels."""

    Config = WaveNetConfig
    config: WaveNetConfig
    represented_by = "pixelcnn"

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__(config)
        check_dilations(config.dilations)
        _, height, columns = config.image_shape
        self.first = nn.Linear(config.embedding_dim, config.width)
        self.row, self.column = nn.Embedding(height, config.width), nn.Embedding(columns, config.width)
        for place in (self.row, self.column):
            start_at_zero(place)
        self.blocks = ModuleList(Block(config.width, d, config.num_classes) for d in config.dilations)
        self.heads = self._make_heads()

    def _features(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Pixels `(B, H, W, embedding_dim)` -> what is known of each from those before it `(B, H, W, width)`."""
        ribbon = F.pad(pixels.flatten(1, 2), (0, 0, 1, -1))  # at each place, the pixel before it
        h, heard = self.first(ribbon) + self._places()[: ribbon.shape[1]], []
        for block in self.blocks:
            h, skip = block(h, labels)
            heard.append(skip)
        return torch.stack(heard).sum(0).unflatten(1, pixels.shape[1:3])

    def _places(self) -> Tensor:
        """What tells the network where in the picture it is `(N, width)`."""
        return (self.row.weight[:, None] + self.column.weight).flatten(0, 1)

    def writer(self, levels: Tensor, labels: Tensor, odds: Odds) -> "WaveNetWriter":
        return WaveNetWriter(self, levels, labels, odds)

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(steps=40_000, batch_size=8, learning_rate=4e-3, betas=(0.9, 0.99), weight_decay=0.1, muon=0.02)


# -- sampling ------------------------------------------------------------------------------------------------------------


class WaveNetWriter(Writer[WaveNet]):
    """A pixel costs one place of each block."""

    def __init__(self, model: WaveNet, levels: Tensor, labels: Tensor, odds: Odds) -> None:
        super().__init__(model, levels, labels, odds)
        self.places = self.model._places()
        self.conditions = [block.label(self.labels) for block in self.model.blocks]
        #: the blocks' inputs at the last places, `dilation` of them
        self.seen = [deque([self.zeros(model.config.width)] * block.dilation) for block in self.model.blocks]

    def begin(self, row: int) -> None:
        """Nothing: a ribbon has no rows."""

    def features(self, row: int, column: int) -> Tensor:
        columns, width = self.model.image_shape[2], self.model.config.width
        before = self.pixels[:, row + 2, column + 1] if column else self.pixels[:, row + 1, columns + 1]
        h = self.model.first(before) + self.places[row * columns + column]
        both = F.pad(h, (0, width))  # the next block's input, and what the blocks have said
        for block, condition, seen in zip(self.model.blocks, self.conditions, self.seen, strict=True):
            h = both[:, :width]
            seen.append(h)
            both = both + block.join(seen.popleft(), h, condition)
        return both[:, width:]
