"""The optimizer of every family, its learning rate, and the running average of the weights."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from genmodels.models.base import Model, TrainConfig
from genmodels.training.muon import Muon, hidden_weights

M = TypeVar("M", bound=nn.Module)
Parameters = tuple[Tensor, ...] | list[Tensor]  # as torch's AveragedModel hands them over


def learning_rate(recipe: TrainConfig, progress: float) -> float:
    """Linear warm-up over the first `recipe.warmup` of the run, then a half cosine down to the final rate."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress, 1e-3 * recipe.warmup) / recipe.warmup
    done = (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9)
    low, high = recipe.final_learning_rate, recipe.learning_rate
    return low + (high - low) * 0.5 * (1 + math.cos(math.pi * done))


def optimizer_of(model: Model, parameters: list[nn.Parameter], recipe: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, with weight decay on matrices and kernels only; Muon for the hidden ones if the recipe says so."""
    hidden = {id(weight) for weight in hidden_weights(model)} if recipe.muon else set()
    rest = [p for p in parameters if id(p) not in hidden]
    moved = [p for p in parameters if id(p) in hidden]
    decay, ratio = recipe.weight_decay, recipe.muon / max(recipe.learning_rate, 1e-12)
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        {"params": moved, "weight_decay": decay, "muon": ratio},
    ]
    kind = Muon if hidden else torch.optim.AdamW
    return kind([g for g in groups if g["params"]], lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def warm_ema(decay: float) -> Callable[[Parameters, Parameters, Tensor | int], None]:
    """An exponential moving average whose decay rises to `decay`, so that the first steps are soon forgotten."""

    @torch.no_grad()
    def update(averages: Parameters, currents: Parameters, num_averaged: Tensor | int) -> None:
        n = float(num_averaged)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        floats = [(a, c) for a, c in zip(averages, currents, strict=True) if a.is_floating_point()]
        if floats:
            torch._foreach_lerp_([a for a, _ in floats], [c for _, c in floats], weight)
        for a, c in zip(averages, currents, strict=True):
            if not a.is_floating_point():
                a.copy_(c)

    return update


class AveragedWeights(AveragedModel, Generic[M]):
    """`module`: a copy of the model, of which the type checker knows the class, with the average of all its weights so far."""

    module: M

    def __init__(self, model: M, decay: float) -> None:
        super().__init__(model, multi_avg_fn=warm_ema(decay), use_buffers=True)
        self.requires_grad_(False)


def set_frozen(parameters: list[nn.Parameter], frozen: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(not frozen)
