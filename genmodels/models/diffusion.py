"""**Diffusion.** A picture is drowned in noise, a little more at every step t; a network learns to see the picture
through it. To make a new one, start with pure noise and remove, step by step, what the network takes for noise.

Objective, to be minimised, for a noise level drawn at random and noise eps from N(0, I):

    E | v(x_t, t) - (alpha eps - sigma x) |^2,    x_t = alpha x + sigma eps,    alpha^2 + sigma^2 = 1

The network v predicts the velocity, a mixture of noise and picture: where x_t is nearly noise it has to guess the
picture, where x_t is nearly clean the noise. So at every noise level its task is about equally hard, and the predicted
clean picture is alpha x_t - sigma v. alpha falls as a cosine, from 1 to 0.

In training, one class in ten is hidden. So the network can predict with and without the class, and sampling may go
further than the class asks for: v = v_none + guidance_scale (v_class - v_none). The solver that takes the steps
("scheduler") can be chosen freely: all of them follow the same curves, some with fewer steps than others.

Papers: Ho et al. 2020 (DDPM, arXiv 2006.11239); velocity: Salimans & Ho 2022 (arXiv 2202.00512); cosine schedule: Nichol
& Dhariwal 2021 (arXiv 2102.09672); guidance: Ho & Salimans 2022 (arXiv 2207.12598); DDIM: Song et al. 2021 (arXiv
2010.02502); DPM-Solver++: Lu et al. 2022 (arXiv 2211.01095).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from typing_extensions import Self

from genmodels.models.base import Model, ModelConfig, TrainConfig, draw_normal

MAX_STEPS, MAX_GUIDANCE = 1000, 20.0


@dataclass(frozen=True)
class DiffusionConfig(ModelConfig):
    patch_size: int = 2  # the network sees squares of patch_size x patch_size pixels as one, with more channels
    widths: tuple[int, ...] = (64, 128)  # channels of the U-Net, from the finest scale on
    layers: int = 1  # residual blocks per scale
    groups: int = 8  # of the group normalisations
    head_dim: int = 32  # of the attention at the coarsest scale
    label_dropout: float = 0.1  # how often training hides the class, so that "no class" (-1) works too

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, widths=(8, 8), groups=4, head_dim=8)


class Diffusion(Model):
    """`unet` is diffusers' own UNet2DModel; everything in latent pictures of patches `(B, C p^2, H / p, W / p)`."""

    Config = DiffusionConfig

    def __init__(self, config: DiffusionConfig) -> None:
        from diffusers import UNet2DModel

        super().__init__(config)
        channels, height, width = config.image_shape
        multiple = config.patch_size * 2 ** (len(config.widths) - 1)
        if height % multiple or width % multiple:
            raise ValueError(f"image_shape: height and width must be multiples of {multiple}, not {height} and {width}")
        self.unet = UNet2DModel(
            sample_size=(height // config.patch_size, width // config.patch_size),
            in_channels=channels * config.patch_size**2,
            out_channels=channels * config.patch_size**2,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            down_block_types=("DownBlock2D",) * len(config.widths),
            up_block_types=("UpBlock2D",) * len(config.widths),
            norm_num_groups=config.groups,
            attention_head_dim=config.head_dim,
            resnet_time_scale_shift="scale_shift",
            num_class_embeds=config.num_classes + 1,
        )
        from genmodels.models.pipeline import angles

        self.register_buffer("angles", angles().float(), persistent=False)

    # -- the objective ------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """The mean squared error of the predicted velocity, over noise levels, pixels and the batch.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        labels = self._labels(labels, len(x), x.device)
        if self.training:
            hidden = torch.rand(len(x), device=x.device) < self.config.label_dropout
            labels = torch.where(hidden, self.config.num_classes, labels)
        # evenly spread over the batch, which makes the loss less noisy than independent draws (Kingma et al. 2021)
        share = (torch.arange(len(x), device=x.device) + torch.rand(len(x), device=x.device)) / len(x)
        t = (share * len(self.angles)).long()
        eps = torch.randn_like(x)
        alpha, sigma = self.level(t)
        v = self.velocity(alpha * x + sigma * eps, t, labels)
        error = (v.float() - (alpha * eps - sigma * x)).square().flatten(1).mean(1)
        return {"loss": error.mean()}

    def _labels(self, labels: Tensor | None, n: int, device: torch.device) -> Tensor:
        """-1 and None ("no class") become the extra row of the label embedding; without classes that is the only row."""
        if labels is None or not self.config.num_classes:
            return torch.full((n,), self.config.num_classes, device=device)
        return torch.where(labels < 0, self.config.num_classes, labels)

    def level(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma `(B, 1, 1, 1)` of training steps t `(B,)`, whole numbers 0..999."""
        angle = self.angles[t].view(-1, 1, 1, 1)
        return angle.cos(), angle.sin()

    def velocity(self, noisy: Tensor, t: Tensor | float, labels: Tensor) -> Tensor:
        """The network: noisy pictures `(B, C, H, W)`, training steps t (also between two), labels 0..num_classes -> v."""
        patches = F.pixel_unshuffle(noisy, self.config.patch_size)
        return F.pixel_shuffle(self.unet(patches, t, labels).sample, self.config.patch_size)

    # -- what it can do -----------------------------------------------------------------------------------------

    def sample(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        num_inference_steps: int = 10,
        guidance_scale: float = 1.0,
        scheduler: str = "dpm++2m",
        eta: float = 0.0,
    ) -> Tensor:
        """Images from noise in `num_inference_steps` steps of a scheduler of `pipeline.SCHEDULERS`.

        guidance_scale: 0 ignores the class, 1 samples what was learnt, more makes the class clearer and the images less
        varied, at twice the cost. eta: fresh noise per step, for "ddim" only: 0 none, 1 as much as "ddpm".
        """
        *_, (noisy, _) = self._steps(labels, generators, num_inference_steps, guidance_scale, scheduler, eta)
        return noisy.clamp(-1, 1)

    def _steps(
        self,
        labels: Tensor,
        generators: Sequence[Generator],
        num_inference_steps: int,
        guidance_scale: float,
        scheduler: str,
        eta: float,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        from genmodels.models import pipeline

        if not 1 <= num_inference_steps <= MAX_STEPS:
            raise ValueError(f"num_inference_steps must be from 1 to {MAX_STEPS}, not {num_inference_steps}.")
        if not 0 <= guidance_scale <= MAX_GUIDANCE:  # NaN compares as False
            raise ValueError(f"guidance_scale must be from 0 to {MAX_GUIDANCE:g}, not {guidance_scale}.")
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be from 0 to 1, not {eta}.")
        solver = pipeline.make_scheduler(scheduler)
        noise = draw_normal(self.image_shape, generators, labels.device)
        given = self._labels(labels, len(labels), labels.device)

        def predict(noisy: Tensor, t: float) -> Tensor:
            return self.guided(noisy, t, given, guidance_scale)

        yield from pipeline.denoise(predict, solver, noise, num_inference_steps, generators=generators, eta=eta)

    def guided(self, noisy: Tensor, t: float, labels: Tensor, guidance_scale: float) -> Tensor:
        """The velocity with classifier-free guidance; labels are 0..num_classes, the last of which is "no class"."""
        none = torch.full_like(labels, self.config.num_classes)
        if guidance_scale == 1 or torch.equal(labels, none):
            return self.velocity(noisy, t, labels)
        if guidance_scale == 0:
            return self.velocity(noisy, t, none)
        both = self.velocity(torch.cat([noisy, noisy]), t, torch.cat([labels, none]))
        with_class, without = both.chunk(2)
        return without + guidance_scale * (with_class - without)

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(
        steps=8000,
        batch_size=64,
        learning_rate=1e-3,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        max_grad_norm=1.0,
        ema_decay=0.999,
    )
