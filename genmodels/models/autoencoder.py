"""**Denoising autoencoder.** Two networks in a row with a bottleneck between them: the encoder squeezes a picture into a
short code z, the decoder unfolds the code into a picture again. What fits through the bottleneck is what pictures have
in common; what doesn't (noise, a scratch, a missing patch) is left behind. So we train it on damaged pictures and ask
for the clean ones, and it learns where real pictures lie.

Objective, to be minimised, with the damage drawn anew every time (noise of a random strength, erased rectangles):

    | decode(encode(damaged x)) - x |^2        averaged over pixels

There is no distribution over codes here: nothing says which codes are likely, so an autoencoder can clean, compress,
interpolate and notice what is unusual, but it can't invent. That is what the prior of a VAE adds.

In the real world: a camera in a factory finds a fault by what a network of faultless parts cannot rebuild (Bergmann et al. 2019,
arXiv 1807.02011); learned codecs save pictures in fewer bytes than JPEG (Ballé et al. 2017, arXiv 1611.01704).

Papers: Hinton & Salakhutdinov 2006 (Science 313); denoising: Vincent et al. 2010 (JMLR 11); erased patches: Pathak et
al. 2016 (arXiv 1604.07379).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

from genmodels.models.base import ERASED, Model, ModelConfig, TrainConfig, check_halves_twice, start_at_zero


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), starting as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        start_at_zero(self.last)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(F.silu(self.first(F.silu(h))))


@dataclass(frozen=True)
class AutoencoderConfig(ModelConfig):
    latent_dim: int = 32
    widths: tuple[int, int] = (32, 64)  # channels at half and at quarter resolution
    blocks: int = 1  # residual blocks at each resolution
    max_noise: float = 1.0  # training adds Gaussian noise of standard deviation U(0, max_noise)
    erase: float = 0.5  # how often training erases a rectangle

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, latent_dim=8, widths=(4, 8))


class Autoencoder(Model):
    Config = AutoencoderConfig
    config: AutoencoderConfig
    reads_labels = False
    short_name = "ae"

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        channels, height, width = config.image_shape
        check_halves_twice(config.image_shape)
        fine, coarse = config.widths
        coarse_shape = (coarse, height // 4, width // 4)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),  # (C, H, W) -> (4C, H/2, W/2): convolutions at full size are slow on a CPU
            nn.Conv2d(4 * channels, fine, 3, padding=1),
            *[Block(fine) for _ in range(config.blocks)],
            nn.Conv2d(fine, coarse, 2, stride=2),
            *[Block(coarse) for _ in range(config.blocks)],
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(math.prod(coarse_shape), config.latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_dim, math.prod(coarse_shape)),
            nn.Unflatten(1, coarse_shape),
            *[Block(coarse) for _ in range(config.blocks)],
            nn.Conv2d(coarse, 4 * fine, 1),
            nn.PixelShuffle(2),
            *[Block(fine) for _ in range(config.blocks)],
            nn.SiLU(),
            nn.Conv2d(fine, 4 * channels, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """The mean squared error of the cleaned pictures. Labels are ignored: an autoencoder needs none.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        cleaned = self.decode(self.encode(self._damaged(x)))
        return {"loss": F.mse_loss(cleaned.float(), x)}

    def _damaged(self, x: Tensor) -> Tensor:
        """x with, each image by its own luck, a rectangle erased and noise added. Half of the images keep their pixels."""
        b, _, height, width = x.shape
        device = x.device
        size = torch.rand(b, 2, device=device) * 0.4 + 0.1  # of the rectangle, as a share of the image
        corner = torch.rand(b, 2, device=device) * (1 - size)
        rows = torch.arange(height, device=device).add(0.5).div(height).view(1, height, 1)
        columns = torch.arange(width, device=device).add(0.5).div(width).view(1, 1, width)
        top, left = corner[:, 0].view(b, 1, 1), corner[:, 1].view(b, 1, 1)
        bottom, right = top + size[:, 0].view(b, 1, 1), left + size[:, 1].view(b, 1, 1)
        inside = (rows > top) & (rows < bottom) & (columns > left) & (columns < right)
        chosen = torch.rand(b, 1, 1, device=device) < self.config.erase
        x = torch.where((inside & chosen).unsqueeze(1), ERASED, x)
        sigma = self.config.max_noise * (2 * torch.rand(b, 1, 1, 1, device=device) - 1).clamp(min=0)
        return x + sigma * torch.randn_like(x)

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes `(B, latent_dim)`."""
        return self.encoder(x)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images `(B, C, H, W)`, in [-1, 1] but for small overshoots."""
        return self.decoder(z)

    recipe = TrainConfig(steps=40_000, batch_size=32, learning_rate=2e-3, weight_decay=0.01, ema_decay=0.999)
