"""**Mixture of Gaussians.** The oldest generative model of all: every picture is one of a few mean pictures, drawn at
random, with noise on every pixel. A class has mean pictures of its own; one more set of them stands for "no class".

Objective, to be minimised: minus the log-likelihood of the pictures, with K components per class,

    - log p(x|class) = - log sum_k w_k N(x; mean_k, std_k^2)

It has no idea of strokes or shapes: pixels are independent given the component, so samples look like noisy averages.

Paper: Pearson 1894 (Philosophical Transactions A 185).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from typing_extensions import Self

from genmodels.models.base import Knob, Model, ModelConfig, TrainConfig, draw_normal


@dataclass(frozen=True)
class MixtureConfig(ModelConfig):
    components: int = 4  # per class

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, components=2)


class Mixture(Model):
    Config = MixtureConfig
    config: MixtureConfig
    likelihood_is_bound = False
    knobs: ClassVar[dict[str, Knob]] = {"noise": Knob("The noise", 0, 3)}
    component_texts: ClassVar[tuple[str, ...]] = ("mixture.json",)

    def __init__(self, config: MixtureConfig) -> None:
        super().__init__(config)
        rows, k, pixels = config.num_classes + 1, config.components, math.prod(config.image_shape)
        self.logits = nn.Parameter(torch.zeros(rows, k))
        self.means = nn.Parameter(0.1 * torch.randn(rows, k, pixels))
        self.log_stds = nn.Parameter(torch.zeros(rows, k, pixels))

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """Minus the mean log-density, of each picture with its class and, as often, without."""
        nothing = self._log_density(x, None)
        return {"loss": -(self._log_density(x, labels) + nothing).mean() / 2}

    def _log_density(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """log p(x|class) `(B,)`"""
        row = self._labels(labels, len(x), x.device)
        log_std = self.log_stds[row].clamp(-3, 1)
        z = (x.flatten(1).unsqueeze(1) - self.means[row]) / log_std.exp()
        each = (-0.5 * (z.square() + math.log(2 * math.pi)) - log_std).sum(2)
        return torch.logsumexp(self.logits[row].log_softmax(1) + each, 1)

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x) `(B,)` in nats of the 8-bit image: the density times the width of a grey level's bin."""
        return self._log_density(x, labels) + math.prod(self.image_shape) * math.log(2 / 255)

    def sample(self, labels: Tensor, *, generators: Sequence[Generator], noise: float = 1.0) -> Tensor:
        """A component's mean picture and its noise, of which there may be more or less."""
        row = self._labels(labels, len(labels), labels.device)
        shares = self.logits[row].softmax(1).cpu()
        chosen = torch.cat([torch.multinomial(p, 1, generator=g) for p, g in zip(shares, generators, strict=True)])
        eps = noise * draw_normal((self.means.shape[2],), generators, labels.device)
        chosen = chosen.to(labels.device)
        return (self.means[row, chosen] + self.log_stds[row, chosen].exp() * eps).view(-1, *self.image_shape)

    def side_texts(self) -> dict[str, str]:
        """The shares of the components, for whoever draws without this library."""
        return {"mixture.json": json.dumps(self.logits.softmax(1).tolist())}

    recipe = TrainConfig(steps=300, batch_size=32, learning_rate=0.05, ema_decay=0.9)
