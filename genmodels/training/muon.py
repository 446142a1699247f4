"""Muon: hidden matrices move by their momentum, made orthogonal, so that no direction of it drowns in the others.

After Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), in float32: torch's own takes 2-D weights only and
computes in bfloat16, which takes twice as long on a processor without bfloat16 units. Kernels of convolutions count as
matrices, (out, in x height x width). All other weights are AdamW's.

Every step is equally long, however small the gradient, so over thousands of steps the weights of a network without
normalisation grow until it learns no more: such recipes need a weight decay (0.1; Liu et al. 2025, arXiv 2502.16982).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from genmodels.models.base import Model

MOMENTUM, ITERATIONS = 0.95, 4
#: Of the quintic whose repetition drives all singular values near 1: the steepest at 0 that stays in bounds.
A, B, C = 3.4445, -4.7750, 2.0315
SMALLEST = 8  # rows and columns: a smaller matrix has no directions to speak of


def hidden_weights(model: Model) -> list[Tensor]:
    """The weights of linear and convolutional layers that are large enough, but for those of output layers."""
    outputs = {id(layer) for layer in model.output_layers()}
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, _ConvNd)) and id(m) not in outputs]
    weights = [layer.weight for layer in layers]
    return [w for w in weights if min(len(w), w[0].numel()) >= SMALLEST]


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with a key "muon": the ratio of their learning rate to the group's "lr".

    >>> from torch import nn
    >>> layer = nn.Linear(16, 16)
    >>> optimizer = Muon([{"params": [layer.weight], "muon": 5.0}, {"params": [layer.bias]}], lr=4e-3)
    >>> layer(torch.ones(1, 16)).sum().backward(); optimizer.step()
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all weights. Gradients of matrices are used up: AdamW passes over what has none."""
        if closure is not None:
            raise ValueError("A closure is not supported.")
        for group in self.param_groups:
            for weight in group["params"] if group.get("muon") else ():
                if weight.grad is not None:
                    rate = group["lr"] * group["muon"]
                    weight.mul_(1 - rate * group["weight_decay"])
                    self._move(weight, weight.grad, rate)
                    weight.grad = None
        return super().step()

    def _move(self, weight: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            # AdamW looks for `step` when a saved state is loaded
            state.update(step=torch.tensor(0.0), momentum=torch.zeros_like(weight))
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
        rows, columns = ahead.shape
        weight.sub_(orthogonalized(ahead).view_as(weight), alpha=rate * max(1, rows / columns) ** 0.5)


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix `(R, C)` with the same singular vectors, and all singular values between about 0.7 and 1.2 that were not tiny."""
    x = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x if len(matrix) <= matrix.shape[1] else x.T
