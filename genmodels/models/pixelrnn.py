"""**PixelRNN.** A recurrent network reads the picture, pixel by pixel, and remembers: what it needs to know of the pixels so
far is in its state, not in a window. So each pixel is expected from *all* pixels before it, however far away.

Objective, to be maximised, in nats per image:

    log P(v) = sum_i log P(v_i | v_1 .. v_{i-1})

A *Diagonal BiLSTM*: a state is made from that of the pixel to the left and that of the pixel above. All pixels of a diagonal
can then be read at once, and a picture of 28 x 28 takes 55 steps instead of 784. A second LSTM reads the mirror image, from
the right; as it would see pixels that are still to come, it works one row behind. Together they see all that is known:

    left to right:  . . \\ x        right to left, a row behind:  / . . .
                    . \\ x                                          x

In training, the picture is known, and diagonals are skewed into columns. In sampling, the states of the row above are kept:
a pixel costs one step of the first LSTM, and a row one run of the second.

In the real world: a likelihood of each pixel is a lossless code of the picture, as short as the model is good (Delétang et al. 2023,
arXiv 2309.10668); and what a scan has lost is written anew from what stands before it.

The objective and the loop that draws pixels are those of all autoregressive models: models/autoregressive.py.

Papers: van den Oord et al. 2016 (PixelRNN, arXiv 1601.06759); LSTM: Hochreiter & Schmidhuber 1997.
"""

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
    left_and_own,
)
from genmodels.models.base import ModuleList, TrainConfig

# -- the network -------------------------------------------------------------------------------------------------------


def skew(h: Tensor) -> Tensor:
    """`(..., H, W, C)` -> `(..., H, H + W - 1, C)`: each row begins one further to the right than the one above; else 0."""
    rows, columns = h.shape[-3:-1]
    flat = F.pad(h, (0, 0, 0, rows)).flatten(-3, -2)
    return flat[..., : rows * (rows + columns - 1), :].unflatten(-2, (rows, -1))


def unskew(h: Tensor) -> Tensor:
    """The inverse of `skew`."""
    rows, diagonals = h.shape[-3:-1]
    flat = F.pad(h.flatten(-3, -2), (0, 0, 0, rows))
    return flat.unflatten(-2, (rows, diagonals + 1))[..., : diagonals + 1 - rows, :]


def lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Gates `(..., 4 width)` and the former cell -> the new state and cell `(..., width)`."""
    width = cell.shape[-1]
    keep, add, show = gates[..., : 3 * width].sigmoid().chunk(3, -1)
    cell = keep * cell + add * gates[..., 3 * width :].tanh()
    return show * cell.tanh(), cell


def read_diagonals(inputs: Tensor, weights: Tensor) -> Tensor:
    """States `(D, B, H, W, C)` of D LSTMs that read from the top left, from their inputs' part of the gates
    `(D, B, H, W, 4 C)` and the weights `(D, 2 C, 4 C)` of the states to the left and above, which are 0 outside."""
    rows, columns, width = *inputs.shape[2:4], inputs.shape[4] // 4
    state = cell = inputs.new_zeros(*inputs.shape[:2], 1, width)
    states, top = [], 0
    for diagonal, column in enumerate(skew(inputs).unbind(3)):
        # rows `first` to `end` of this diagonal lie in the picture; the former one's began at `top`
        first, end = max(0, diagonal - columns + 1), min(rows, diagonal + 1)
        around = F.pad(state, (0, 0, 1, 1))[:, :, first - top :]
        both = torch.cat([around[:, :, 1:][:, :, : end - first], around[:, :, : end - first]], 3)
        gates = torch.baddbmm(column[:, :, first:end].flatten(1, 2), both.flatten(1, 2), weights)
        left = F.pad(cell, (0, 0, 0, 1))[:, :, first - top :][:, :, : end - first]
        state, cell = lstm(gates.unflatten(1, left.shape[1:3]), left)
        states.append(F.pad(state, (0, 0, first, rows - end)))
        top = first
    return unskew(torch.stack(states, 3))


class Block(nn.Module):
    """A residual Diagonal BiLSTM."""

    def __init__(self, width: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.label = nn.Embedding(num_classes + 1, 8 * width)
        self.from_left = nn.Linear(width, 4 * width)
        self.from_right = nn.Linear(width + embedding_dim, 4 * width)
        self.states = ModuleList(nn.Linear(2 * width, 4 * width, bias=False) for _ in range(2))
        self.last = nn.Linear(2 * width, width, bias=False)
        for layer in (self.from_left, self.from_right):
            nn.init.ones_(layer.bias[:width].data)  # remember, at first

    def forward(self, h: Tensor, pixels: Tensor, labels: Tensor) -> Tensor:
        """h `(B, H, W, width)`, which knows the pixels before, and the embedded pixels themselves -> `(B, H, W, width)`"""
        row_above = F.pad(torch.cat([h, pixels], 3), (0, 0, 0, 0, 1, -1))
        inputs = torch.stack([self.from_left(h), self.from_right(row_above).flip(2)])
        weights = torch.stack([states.weight.T for states in self.states])
        condition = torch.stack(self.label(labels).chunk(2, 1))[:, :, None, None]
        left, right = read_diagonals(inputs + condition, weights)
        return h + self.last(torch.cat([left, right.flip(2)], 3))


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PixelRNNConfig(AutoregressiveConfig):
    blocks: int = 1

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, embedding_dim=4, width=8, blocks=2)


class PixelRNN(Autoregressive):
    """A masked convolution, which looks at the pixels next to each, then Diagonal BiLSTMs."""

    Config = PixelRNNConfig
    config: PixelRNNConfig
    represented_by = "pixelcnn"

    def __init__(self, config: PixelRNNConfig) -> None:
        super().__init__(config)
        if config.blocks < 1:
            raise ValueError(f"blocks must be at least 1, not {config.blocks}")
        self.rows_above = nn.Linear(6 * config.embedding_dim, config.width)
        self.pixels_left = nn.Linear(2 * config.embedding_dim, config.width)
        classes = config.num_classes
        self.blocks = ModuleList(Block(config.width, config.embedding_dim, classes) for _ in range(config.blocks))
        self.heads = self._make_heads()

    def _features(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Pixels `(B, H, W, embedding_dim)` -> what is known of each from those before it `(B, H, W, width)`."""
        h = self.rows_above(above_and_beside(F.pad(pixels, (0, 0, 0, 0, 2, -1)), 1))
        h = h + self.pixels_left(left_and_own(F.pad(pixels, (0, 0, 1, -1)), 1))
        for block in self.blocks:
            h = block(h, pixels, labels)
        return h

    def writer(self, levels: Tensor, labels: Tensor, odds: Odds) -> "PixelRNNWriter":
        return PixelRNNWriter(self, levels, labels, odds)

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(steps=20_000, batch_size=8, learning_rate=4e-3, betas=(0.9, 0.99), weight_decay=0.1, muon=0.02)


# -- sampling ------------------------------------------------------------------------------------------------------------


class PixelRNNWriter(Writer[PixelRNN]):
    """A pixel costs one step of the LSTMs that read from the left, a row one run of those that read from the right."""

    def __init__(self, model: PixelRNN, levels: Tensor, labels: Tensor, odds: Odds) -> None:
        super().__init__(model, levels, labels, odds)
        width, columns = model.config.width, model.image_shape[2]
        self.conditions = [block.label(self.labels).chunk(2, 1) for block in self.model.blocks]
        self.nothing = self.zeros(width)
        #: of the row above, by column: the blocks' inputs, and the states from the left and from the right
        self.inputs, self.left, self.right = (
            [[self.nothing] * columns for _ in self.model.blocks] for _ in ("inputs", "left", "right")
        )

    def begin(self, row: int) -> None:
        rows = self.pixels[:, row : row + 2, 2:]
        self.above = self.model.rows_above(above_and_beside(rows, 1))[:, 0].unbind(1)
        for b, (block, (_, condition)) in enumerate(zip(self.model.blocks, self.conditions, strict=True)):
            state = cell = self.nothing
            seen = torch.cat([torch.stack(self.inputs[b], 1), self.pixels[:, row + 1, 2:]], 2)
            # for the first row all zeros, as in `Block`
            inputs = block.from_right(seen) + condition[:, None]
            for column in reversed(range(len(self.above))):
                both = torch.cat([state, self.right[b][column]], 1)
                state, cell = lstm(inputs[:, column] + block.states[1](both), cell)
                self.right[b][column] = state
        self.cells = [self.nothing for _ in self.model.blocks]

    def features(self, row: int, column: int) -> Tensor:
        h = self.above[column] + self.model.pixels_left(self.pixels[:, row + 2, column : column + 2].flatten(1))
        for b, (block, (condition, _)) in enumerate(zip(self.model.blocks, self.conditions, strict=True)):
            beside = self.left[b][column - 1] if column else self.nothing
            both = torch.cat([beside, self.left[b][column]], 1)
            gates = block.from_left(h) + condition + block.states[0](both)
            self.left[b][column], self.cells[b] = lstm(gates, self.cells[b])
            self.inputs[b][column] = h
            h = h + block.last(torch.cat([self.left[b][column], self.right[b][column]], 1))
        return h
