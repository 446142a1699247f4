"""**Variational autoencoder.** A picture x is explained by a short code z that we never see. The decoder p(x|z) draws
pictures from codes; the encoder q(z|x) guesses which codes could have drawn x: not one point, but a Gaussian cloud.
Training squeezes these clouds towards a prior p(z), so that a code drawn from the prior decodes to a new picture.

Objective, to be maximised, in nats per image (the evidence lower bound):

    log p(x) >= E_q[ log p(x|z) ] - beta * KL( q(z|x) || p(z) )

The first term asks for faithful reconstruction, the second charges for every bit that the code spends on x. Both are
sums over pixels and latents, never means. p(x|z) is a mixture of logistic distributions per pixel, discretised to the
256 grey levels, so the bound is comparable in bits/dim with every other family. The prior is N(0, I), optionally
bent by a few coupling layers to the shape that the codes really have; these can also be tuned by themselves, once encoder
and decoder are trained (objective "prior"): that takes minutes, and samples come closer to real pictures. With noise_std the
encoder learns from noisy pictures to explain clean ones, so that decode(encode(x)) cleans, too. What the app shows as a
sample is the mean of p(x|z).

In the real world: points of the cloud propose new molecules (Gómez-Bombarelli et al. 2018, arXiv 1610.02415); Stable Diffusion
draws in the codes of a VAE rather than in pixels (Rombach et al. 2022, arXiv 2112.10752).

Papers: Kingma & Welling 2014 (arXiv 1312.6114); beta: Higgins et al. 2017; discretised logistics: Salimans et al. 2017
(arXiv 1701.05517); learned prior: Chen et al. 2017 (arXiv 1611.02731), by itself: Dai & Wipf 2019 (arXiv 1903.05789); the importance-weighted bound: Burda et al. 2016
(arXiv 1509.00519); noise on what the encoder sees: Im et al. 2017 (arXiv 1511.06406).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import Self

from genmodels.models.base import (
    NOISE,
    TEMPERATURE,
    Knob,
    Model,
    ModelConfig,
    ModuleList,
    NoiseConfig,
    TrainConfig,
    check_halves_twice,
    start_at_zero,
)

LOG_2PI = math.log(2 * math.pi)
OBJECTIVES = ("elbo", "prior")


class Residual(nn.Module):
    """x + conv(act(conv(act(x)))), starting as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        start_at_zero(self.last)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(F.silu(self.first(F.silu(h))))


def dense(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with `layers` hidden ones: a code of two numbers needs them to fold its plane."""
    widths = [inputs, *[hidden] * layers]
    steps = [step for a, b in itertools.pairwise(widths) for step in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*steps, nn.Linear(widths[-1], outputs))


class Encoder(nn.Module):
    """Image and class -> `outputs` numbers. Works at half and quarter resolution, where a CPU is fast."""

    def __init__(self, config: "VAEConfig", outputs: int) -> None:
        super().__init__()
        channels, height, width = config.image_shape
        fine, coarse = config.widths
        self.label = nn.Embedding(config.num_classes + 1, fine)
        self.stem = nn.Conv2d(4 * channels, fine, 3, padding=1)
        self.fine = nn.Sequential(*[Residual(fine) for _ in range(config.blocks)])
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*[Residual(coarse) for _ in range(config.blocks)])
        self.head = dense(coarse * (height // 4) * (width // 4), config.dense_width, config.dense_layers, outputs)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.stem(F.pixel_unshuffle(x, 2)) + self.label(labels)[:, :, None, None]
        h = self.coarse(self.down(self.fine(h)))
        return self.head(F.silu(h).flatten(1))


class Decoder(nn.Module):
    """Code and class -> `outputs` numbers per pixel; the encoder backwards."""

    def __init__(self, config: "VAEConfig", outputs: int) -> None:
        super().__init__()
        _, height, width = config.image_shape
        fine, coarse = config.widths
        self.start_shape = (coarse, height // 4, width // 4)
        self.label = nn.Embedding(config.num_classes + 1, coarse)
        inputs = config.latent_dim + coarse
        self.stem = dense(inputs, config.dense_width, config.dense_layers, math.prod(self.start_shape))
        self.coarse = nn.Sequential(*[Residual(coarse) for _ in range(config.blocks)])
        self.up = nn.Conv2d(coarse, 4 * fine, 1)
        self.fine = nn.Sequential(*[Residual(fine) for _ in range(config.blocks)])
        self.head = nn.Conv2d(fine, 4 * outputs, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        label = self.label(labels) if labels.ndim == 1 else labels @ self.label.weight
        h = self.stem(torch.cat([z, label], 1)).unflatten(1, self.start_shape)
        h = self.fine(F.pixel_shuffle(self.up(self.coarse(h)), 2))
        return F.pixel_shuffle(self.head(F.silu(h)), 2)


class Coupling(nn.Module):
    """One invertible step of the learned prior: half of the code scales and shifts the other half, given the class."""

    def __init__(self, config: "VAEConfig", flip: bool) -> None:
        super().__init__()
        self.flip = flip
        half = config.latent_dim // 2
        kept, moved = (config.latent_dim - half, half) if flip else (half, config.latent_dim - half)
        self.label = nn.Embedding(config.num_classes + 1, config.prior_width)
        self.first = nn.Linear(kept, config.prior_width)
        self.second = nn.Linear(config.prior_width, config.prior_width)
        self.last = nn.Linear(config.prior_width, 2 * moved)
        start_at_zero(self.last)

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        half = z.shape[1] // 2
        return (z[:, half:], z[:, :half]) if self.flip else (z[:, :half], z[:, half:])

    def _join(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([moved, kept] if self.flip else [kept, moved], 1)

    def _scale_shift(self, kept: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        h = F.silu(self.first(kept) + self.label(labels))
        log_scale, shift = self.last(F.silu(self.second(h))).float().chunk(2, 1)
        return 2 * torch.tanh(log_scale / 2), shift

    def to_noise(self, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """z -> (u, log |det du/dz| `(B,)`)"""
        kept, moved = self._split(z)
        log_scale, shift = self._scale_shift(kept, labels)
        return self._join(kept, moved * log_scale.exp() + shift), log_scale.sum(1)

    def from_noise(self, u: Tensor, labels: Tensor) -> Tensor:
        kept, moved = self._split(u)
        log_scale, shift = self._scale_shift(kept, labels)
        return self._join(kept, (moved - shift) * (-log_scale).exp())


@dataclass(frozen=True)
class VAEConfig(NoiseConfig):
    latent_dim: int = 32
    widths: tuple[int, int] = (32, 64)  # channels at half and at quarter resolution
    blocks: int = 1  # residual blocks at each resolution
    dense_layers: int = 0  # hidden layers between code and feature maps
    dense_width: int = 256
    mixtures: int = 3  # logistic components per pixel
    beta: float = 1.0
    kl_warmup: float = 0.1  # share of the run in which beta rises from 0
    prior_layers: int = 4  # couplings of the learned prior; 0 = N(0, I)
    prior_width: int = 128
    label_dropout: float = 0.1  # how often training hides the class, so that "no class" (-1) works too
    noise_std: float = 0.0  # of the most noise that is on what the encoder sees in training: above 0, it cleans
    objective: str = "elbo"  # or "prior": of a trained model, the prior alone is tuned to the codes

    not_inherited: ClassVar[tuple[str, ...]] = ("objective",)

    def __post_init__(self) -> None:
        super().__post_init__()
        NOISE.check("noise_std", self.noise_std)
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {self.objective!r}")
        if self.objective == "prior" and not self.prior_layers:
            raise ValueError("prior_layers must be at least 1 for the objective 'prior': N(0, I) has nothing to learn")

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, latent_dim=4, widths=(4, 8), prior_layers=2, prior_width=8)


class VAE(Model):
    Config = VAEConfig
    config: VAEConfig
    likelihood_is_bound = True
    knobs: ClassVar[dict[str, Knob]] = {"temperature": TEMPERATURE}

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        check_halves_twice(config.image_shape)
        channels = config.image_shape[0]
        self.encoder = Encoder(config, 2 * config.latent_dim)
        self.decoder = Decoder(config, config.mixtures * (1 + 2 * channels))
        self.prior = ModuleList(Coupling(config, flip=i % 2 == 1) for i in range(config.prior_layers))
        nn.init.normal_(self.decoder.head.weight, std=0.01)
        # The components start spread over the grey levels, so that they specialise.
        spread = torch.linspace(-1, 1, config.mixtures) if config.mixtures > 1 else torch.zeros(1)
        self.spread = nn.Buffer(spread, persistent=False)
        self._is_trained = False  # and so has codes that a prior can be tuned to

    # -- the objective ------------------------------------------------------------------------------------------

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Who learns: all weights, or those of the prior alone."""
        return {"model": list((self.prior if self.config.objective == "prior" else self).parameters())}

    def weights_from(self, weights: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """A prior of another size begins anew, as N(0, I)."""
        new = {key: weight for key, weight in self.state_dict().items() if key.startswith("prior.")}
        if {key: w.shape for key, w in new.items()} == {
            key: w.shape for key, w in weights.items() if key.startswith("prior.")
        }:
            return weights
        return {key: weight for key, weight in weights.items() if not key.startswith("prior.")} | new

    def start_from_here(self) -> None:
        self._is_trained = True

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """The negative evidence lower bound in nats per image, averaged over the batch, and its two terms.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        labels = self._labels_to_learn(labels, x, self.config.label_dropout)
        if self.config.objective == "prior" and self.training:
            return self._prior_terms(x, labels)
        mean, log_std = self._posterior(self._with_noise(x), labels)
        z = mean + log_std.exp() * torch.randn_like(mean)
        reconstruction = -self._log_pixels(self.decoder(z, labels), x).mean()
        kl = self._kl(mean, log_std, z, labels).mean()
        beta = self.config.beta * min(1.0, self.progress / self.config.kl_warmup if self.config.kl_warmup else 1.0)
        bits = (reconstruction + kl) / (math.log(2) * math.prod(self.image_shape))
        return {
            "loss": reconstruction + beta * kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "bits_per_dim_bound": bits.detach(),
        }

    def _with_noise(self, x: Tensor) -> Tensor:
        """In training, each picture with normal noise of another strength, little on most: clean ones are what counts.

        What is guessed from a noisy picture bounds log p(x), too.
        """
        if not (self.training and self.config.noise_std):
            return x
        strengths = self.config.noise_std * torch.rand(len(x), 1, 1, 1, device=x.device) ** 3
        return x + strengths * torch.randn_like(x)

    def _prior_terms(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """KL( q(z|x) || p(z) ) in nats per image, of which the prior alone learns: codes of real pictures become likely."""
        if not self._is_trained:
            raise ValueError("The prior alone learns from the codes of a trained model: name it with --start.")
        with torch.no_grad():
            mean, log_std = self._posterior(x, labels)
        z = mean + log_std.exp() * torch.randn_like(mean)
        kl = self._kl(mean, log_std, z, labels).mean()
        return {"loss": kl, "kl": kl.detach()}

    def _labels(self, labels: Tensor | None, n: int, device: torch.device) -> Tensor:
        """As for every family; blends of classes, weights `(B, num_classes + 1)`, stay as they are."""
        if labels is not None and labels.ndim == 2 and self.config.num_classes:
            return labels
        return super()._labels(labels, n, device)

    def _posterior(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation `(B, D)` of q(z|x)."""
        mean, log_std = self.encoder(x, labels).float().chunk(2, 1)
        return mean, log_std.clamp(-6, 3)

    def _log_prior(self, z: Tensor, labels: Tensor) -> Tensor:
        """log p(z|class) `(B,)`"""
        total = torch.zeros(z.shape[0], device=z.device)
        for layer in self.prior:
            z, log_det = layer.to_noise(z, labels)
            total = total + log_det
        return total + log_normal(z, torch.zeros_like(z), torch.zeros_like(z))

    def _kl(self, mean: Tensor, log_std: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        """KL(q || p) `(B,)`: in closed form for the N(0, I) prior, from the sample z for a learned one."""
        if not self.prior:
            return 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
        return log_normal(z, mean, log_std) - self._log_prior(z, labels)

    def _mixture(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decoder outputs -> log weights (B, K, 1, H, W), means and log scales (B, K, C, H, W).

        A component is shared by the colour channels of a pixel, which are independent given the component.
        """
        k, channels = self.config.mixtures, self.image_shape[0]
        logits, means, log_scales = outputs.float().split([k, k * channels, k * channels], 1)
        means = means.unflatten(1, (k, channels)) + self.spread.view(1, k, 1, 1, 1)
        log_scales = (log_scales.unflatten(1, (k, channels)) - 2).clamp(-7, 5)
        return logits.log_softmax(1).unsqueeze(2), means, log_scales

    def _log_pixels(self, outputs: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) `(B,)` of the 8-bit image that x stands for."""
        log_weights, means, log_scales = self._mixture(outputs)
        components = discretized_logistic(x.unsqueeze(1), means, log_scales).sum(2, keepdim=True)
        return torch.logsumexp(log_weights + components, 1).flatten(1).sum(1)

    def _mean_pixels(self, z: Tensor, labels: Tensor) -> Tensor:
        log_weights, means, _ = self._mixture(self.decoder(z, labels))
        return (log_weights.exp() * means.clamp(-1, 1)).sum(1)

    # -- what it can do -----------------------------------------------------------------------------------------

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of q(z|x): codes `(B, D)`."""
        return self.posterior(x, labels)[0]

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z|x), each `(B, D)`."""
        return self._posterior(x, self._labels(labels, x.shape[0], x.device))

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z): images in [-1, 1]."""
        return self._mean_pixels(z, self._labels(labels, z.shape[0], z.device))

    def decode_blend(self, z: Tensor, weights: Tensor) -> Tensor:
        """The same between classes: weights `(B, num_classes + 1)`, the last of "no class", blend their embeddings."""
        return self._mean_pixels(z, weights)

    def sample(self, labels: Tensor, *, generators: Sequence[Generator], temperature: float | None = None) -> Tensor:
        """Means of p(x|z) for codes drawn from the prior; `temperature` scales the noise they are made of. None: the config's."""
        return self.decode(self.sample_codes(labels, generators=generators, temperature=temperature), labels)

    def sample_codes(
        self, labels: Tensor, *, generators: Sequence[Generator], temperature: float | None = None
    ) -> Tensor:
        """Codes `(B, D)` drawn from the prior p(z|class)."""
        shape = (self.config.latent_dim,)
        return self.codes_of(self.config.noise(shape, generators, labels.device, temperature), labels)

    def codes_of(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The codes `(B, D)` that the prior makes of standard normal noise `(B, D)`."""
        z, labels = noise, self._labels(labels, noise.shape[0], noise.device)
        for layer in reversed(self.prior):
            z = layer.from_noise(z, labels)
        return z

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None, *, samples: int = 1) -> Tensor:
        """A lower bound of log p(x) `(B,)` in nats of the 8-bit image, importance-weighted with `samples` codes per image.

        With one sample it is an estimate of the evidence lower bound; it rises to log p(x) as samples grow.
        """
        labels = self._labels(labels, x.shape[0], x.device)
        mean, log_std = (p.repeat(samples, 1) for p in self._posterior(x, labels))
        labels = labels.repeat(samples)
        z = mean + log_std.exp() * torch.randn_like(mean)
        log_p = self._log_pixels(self.decoder(z, labels), x.repeat(samples, 1, 1, 1)) + self._log_prior(z, labels)
        log_weights = (log_p - log_normal(z, mean, log_std)).view(samples, x.shape[0])
        return torch.logsumexp(log_weights, 0) - math.log(samples)

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(
        steps=40_000,
        batch_size=32,  # on two cores many small steps beat few large ones, by far
        learning_rate=2e-3,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        max_grad_norm=1000.0,
        ema_decay=0.999,
    )


def log_normal(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(z; mean, std^2), summed over the latents: `(B,)`."""
    return (-0.5 * ((z - mean) / log_std.exp()).square() - log_std - 0.5 * LOG_2PI).sum(1)


def discretized_logistic(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log probability, elementwise, of the grey level x in {-1, -1 + 2/255, ..., 1} under a discretised logistic.

    A level's probability is that of its bin (x - 1/255, x + 1/255); the two outermost bins reach to infinity.
    sigmoid(a) - sigmoid(b) = sigmoid(a) * sigmoid(-b) * (1 - exp(b - a)) keeps it stable far out in the tails.
    """
    bin_width = torch.exp(-log_scale) * (2 / 255)
    centred = (x - mean) * torch.exp(-log_scale)
    below_top = F.logsigmoid(centred + bin_width / 2)
    above_bottom = F.logsigmoid(bin_width / 2 - centred)
    inside = below_top + above_bottom + torch.log(-torch.expm1(-bin_width))
    return torch.where(x < -0.999, below_top, torch.where(x > 0.999, above_bottom, inside))
