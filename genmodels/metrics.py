"""Metrics: pure functions from tensors to numbers."""

import math

import torch
from torch import Tensor


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Per image `(B,)`, of images in [-1, 1]."""
    return (x - y).square().flatten(1).mean(1)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error between images in [-1, 1] (peak to peak 2)."""
    return math.inf if mse == 0 else 10 * math.log10(4 / mse)


def bits_per_dim(nats: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Log-likelihoods in nats per image -> bits per dimension (sub-pixel) of an image of `shape` (C, H, W)."""
    return -nats / (math.log(2) * math.prod(shape))


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log 1/K sum_k w_k over dim 0: the bound of Burda et al. 2016 (arXiv 1509.00519), from K log-weights per image."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))
