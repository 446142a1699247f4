"""**Referee.** Not a generative model but the instrument that measures them: a small classifier, trained on the real
pictures of one data set. Its last hidden layer turns a picture into features f(x) in which distance means something
(two sevens are near, a seven and a one are far, however few pixels differ); its outputs say which class, or which
attribute, a picture shows. Every metric of realism and of variety here is computed in these features.

Objective, to be minimised, summed over the attributes a that the data set names (for digits there is one, the class):

    - sum_a log p(label_a | x)        with smoothed labels, on pictures shifted, turned and resized at random

A distance in features is only comparable with distances in the features of the same referee, so every metrics.json
holds the hash of the weights that measured it.

Papers: the idea of judging samples in a classifier's features: Heusel et al. 2017 (arXiv 1706.08500); residual blocks:
He et al. 2016 (arXiv 1512.03385); label smoothing: Szegedy et al. 2016 (arXiv 1512.00567).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

from genmodels.models.base import Model, ModelConfig, TrainConfig, check_halves_twice


@dataclass(frozen=True)
class RefereeConfig(ModelConfig):
    attributes: tuple[int, ...] = (10,)  # how many values each attribute has; the first is the class
    widths: tuple[int, int] = (48, 96)  # channels at half and at quarter resolution
    blocks: int = 2  # residual blocks at each resolution
    feature_dim: int = 128
    dropout: float = 0.2
    smoothing: float = 0.1  # of the labels
    flip: bool = False  # training mirrors half of the pictures
    max_shift: float = 2.0  # pixels
    max_turn: float = 0.15  # radians
    max_zoom: float = 0.1  # share

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, attributes=(3,), widths=(8, 8), blocks=1, feature_dim=8)


class Block(nn.Module):
    """h + norm(conv(act(norm(conv(h))))), then act."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, h: Tensor) -> Tensor:
        return F.silu(h + self.layers(h))


class Referee(Model):
    Config = RefereeConfig
    config: RefereeConfig
    labels_are_attributes = True

    def __init__(self, config: RefereeConfig) -> None:
        super().__init__(config)
        channels, height, width = config.image_shape
        check_halves_twice(config.image_shape)
        if not config.attributes or 0 in config.attributes:
            raise ValueError("attributes: at least one, each with at least one value")
        fine, coarse = config.widths
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(2),  # convolutions at full size are slow on a CPU
            nn.Conv2d(4 * channels, fine, 3, padding=1, bias=False),
            nn.BatchNorm2d(fine),
            nn.SiLU(),
            *[Block(fine) for _ in range(config.blocks)],
            nn.Conv2d(fine, coarse, 2, stride=2, bias=False),
            nn.BatchNorm2d(coarse),
            nn.SiLU(),
            *[Block(coarse) for _ in range(config.blocks)],
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(coarse * math.ceil(height / 8) * math.ceil(width / 8), config.feature_dim),
        )
        self.heads = nn.ModuleList(nn.Linear(config.feature_dim, count) for count in config.attributes)

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """Cross-entropy, summed over the attributes; labels `(B,)` of the first, or `(B, A)` of all, -1 = unknown.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        known = torch.full((len(x), 1), -1, device=x.device) if labels is None else labels.reshape(len(x), -1)
        hidden = F.dropout(
            self.features(self._disturbed(x) if self.training else x), self.config.dropout, self.training
        )
        loss, correct = hidden.new_zeros(()).float(), []
        for head, label in zip(self.heads, known.T, strict=False):
            logits = head(F.silu(hidden)).float()
            total = F.cross_entropy(
                logits, label, ignore_index=-1, reduction="sum", label_smoothing=self.config.smoothing
            )
            count = (label >= 0).sum().clamp(min=1)
            loss = loss + total / count
            correct.append((logits.argmax(1) == label).sum() / count)
        return {"loss": loss, "accuracy": torch.stack(correct).mean()}

    def features(self, x: Tensor) -> Tensor:
        """`(B, feature_dim)` of images `(B, C, H, W)` in [-1, 1]; unbounded, compared by Euclidean distance."""
        return self.trunk(x)

    def classify(self, features: Tensor) -> list[Tensor]:
        """For every attribute the log-probabilities `(B, values)` of its values, from `features`."""
        return [head(F.silu(features)).log_softmax(1) for head in self.heads]

    def _disturbed(self, x: Tensor) -> Tensor:
        """x shifted, turned, zoomed (and mirrored), each image by its own luck; what comes in from outside is the border."""
        c, b, device = self.config, len(x), x.device
        angle, zoom_x, zoom_y, right, down = (2 * torch.rand(5, b, device=device) - 1).unbind()
        angle = c.max_turn * angle
        zoom_x, zoom_y = 1 + c.max_zoom * zoom_x, 1 + c.max_zoom * zoom_y
        if c.flip:
            zoom_x = zoom_x * (2 * torch.randint(0, 2, (b,), device=device) - 1)
        right, down = 2 * c.max_shift / x.shape[3] * right, 2 * c.max_shift / x.shape[2] * down
        rows = [zoom_x * angle.cos(), -zoom_y * angle.sin(), right, zoom_x * angle.sin(), zoom_y * angle.cos(), down]
        grid = F.affine_grid(torch.stack(rows, 1).view(b, 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    recipe = TrainConfig(
        steps=20_000, batch_size=64, learning_rate=2e-3, weight_decay=0.05, betas=(0.9, 0.95), ema_decay=0.998
    )
