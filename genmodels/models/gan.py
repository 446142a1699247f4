"""**Generative adversarial network.** Two networks play against each other. The generator turns noise z into a picture;
the discriminator (also: critic) sees real and generated pictures and gives each a score D, high for real ones. Each
learns from the other's mistakes, and no pixel is ever compared with a pixel: that is why the pictures are sharp.

Objectives, both to be minimised, over pairs of a real picture x and a generated one G(z) of the same class:

    discriminator:  E[ softplus(D(G(z)) - D(x)) ] + gamma/2 * ( E |grad D(x)|^2 + E |grad D(G(z))|^2 )
    generator:      E[ softplus(D(x) - D(G(z))) ]

The loss is relativistic: what counts is whether the real picture of a pair scores above the generated one. A generator
that always draws the same few pictures has nothing to gain from that (no mode collapse). The gradient penalties R1 and
R2 keep the score smooth around real and generated pictures, so that the game settles instead of circling.

z is first mapped to a style w, which steers every layer of the generator by scale and shift. Moving w towards its mean
(truncation) trades variety for typical pictures; different w in different layers mix the styles of two pictures.

In the real world: small photos are made large and sharp (Ledig et al. 2017, SRGAN, arXiv 1609.04802); generated scans, added to the few
real ones, help to tell lesions apart (Frid-Adar et al. 2018, arXiv 1803.01229).

Papers: Goodfellow et al. 2014 (arXiv 1406.2661); the objective: Huang et al. 2024 (R3GAN, arXiv 2501.05441); R1:
Mescheder et al. 2018 (arXiv 1801.04406); styles and truncation: Karras et al. 2019 (arXiv 1812.04948); projection of
the class: Miyato & Koyama 2018 (arXiv 1802.05637); start without normalisation: Zhang et al. 2019 (arXiv 1901.09321).
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

from genmodels.models.base import Knob, Model, ModelConfig, TrainConfig, check_halves_twice, draw_normal


def activate(h: Tensor) -> Tensor:
    return F.leaky_relu(h, 0.2)


def initialise(module: nn.Module) -> None:
    """Weights that keep the size of what passes through layers followed by `activate`; biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@dataclass(frozen=True)
class GANConfig(ModelConfig):
    latent_dim: int = 64
    style_dim: int = 128
    mapping_layers: int = 2
    generator_widths: tuple[int, int] = (32, 64)  # channels at half and at quarter resolution
    generator_blocks: int = 2  # residual blocks at each resolution
    critic_widths: tuple[int, int] = (32, 64)
    critic_blocks: int = 1
    critic_features: int = 128
    gamma: float = 0.5  # weight of the gradient penalties at the start
    gamma_final: float = 0.1
    penalty_share: float = 0.25  # of a batch, on which the penalties are computed: second derivatives are slow
    label_dropout: float = 0.1  # how often training hides the class, so that "no class" (-1) works too
    style_decay: float = 0.999  # of the running mean of w

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            image_shape=(1, 8, 8), num_classes=3, latent_dim=4, style_dim=8, generator_widths=(4, 8),
            generator_blocks=1, critic_widths=(4, 8), critic_features=8,
        )  # fmt: skip


class StyledResidual(nn.Module):
    """h + conv(act(style(conv(act(h))))), starting as the identity; the style scales and shifts each channel."""

    def __init__(self, width: int, style_dim: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.style = nn.Linear(style_dim, 2 * width)
        self.last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.style(w)[:, :, None, None].chunk(2, 1)
        return h + self.last(activate(self.first(activate(h)) * (1 + scale) + shift))


class Mapping(nn.Module):
    """Noise z and class -> style w."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.label = nn.Embedding(config.num_classes + 1, config.latent_dim)
        widths = [2 * config.latent_dim, *[config.style_dim] * config.mapping_layers]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()  # only the direction of z counts
        h = torch.cat([z, self.label(labels)], 1)
        for layer in self.layers:
            h = activate(layer(h))
        return h


class Synthesis(nn.Module):
    """Styles w, one per layer -> image. Works at quarter and half resolution, where a CPU is fast."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        channels, height, width = config.image_shape
        fine, coarse = config.generator_widths
        self.start_shape = (coarse, height // 4, width // 4)
        self.start = nn.Linear(config.style_dim, math.prod(self.start_shape))
        self.coarse = nn.ModuleList(StyledResidual(coarse, config.style_dim) for _ in range(config.generator_blocks))
        self.up = nn.Conv2d(coarse, 4 * fine, 1)
        self.fine = nn.ModuleList(StyledResidual(fine, config.style_dim) for _ in range(config.generator_blocks))
        self.head = nn.Conv2d(fine, 4 * channels, 3, padding=1)
        initialise(self)
        for block in (*self.coarse, *self.fine):
            nn.init.zeros_(block.last.weight)
        self.num_layers = 1 + len(self.coarse) + len(self.fine)

    def forward(self, w: Tensor) -> Tensor:
        """w `(B, num_layers, style_dim)`, coarse to fine -> images in (-1, 1)."""
        first, *styles = w.unbind(1)
        h = self.start(first).unflatten(1, self.start_shape)
        for block, style in zip(self.coarse, styles, strict=False):
            h = block(h, style)
        h = F.pixel_shuffle(self.up(h), 2)
        for block, style in zip(self.fine, styles[len(self.coarse) :], strict=True):
            h = block(h, style)
        return F.pixel_shuffle(self.head(activate(h)), 2).float().tanh()


class Residual(nn.Module):
    """h + conv(act(conv(act(h)))), starting as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(activate(self.first(activate(h))))


class Critic(nn.Module):
    """Image and class -> score `(B,)`, unbounded; only differences of scores mean something.

    The class enters by projection: the score is the inner product of the picture's features with a direction that
    all classes share plus one of its own.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        channels, height, width = config.image_shape
        fine, coarse = config.critic_widths
        self.stem = nn.Conv2d(4 * channels, fine, 3, padding=1)
        self.fine = nn.Sequential(*[Residual(fine) for _ in range(config.critic_blocks)])
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*[Residual(coarse) for _ in range(config.critic_blocks)])
        self.features = nn.Linear(coarse * (height // 4) * (width // 4), config.critic_features)
        self.score = nn.Linear(config.critic_features, 1, bias=False)  # a bias would cancel in every difference
        self.label = nn.Embedding(config.num_classes + 1, config.critic_features)
        initialise(self)
        for block in (*self.fine, *self.coarse):
            nn.init.zeros_(block.last.weight)

    def describe(self, x: Tensor) -> Tensor:
        """Features `(B, critic_features)`, the last that the class takes no part in."""
        h = self.fine(self.stem(F.pixel_unshuffle(x, 2)))
        h = self.coarse(self.down(h))
        return activate(self.features(activate(h).flatten(1)))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.describe(x)
        projection = (features * self.label(labels)).sum(1) / math.sqrt(features.shape[1])
        return (self.score(features).squeeze(1) + projection).float()


class GAN(Model):
    Config = GANConfig
    config: GANConfig
    #: The critic's weights are a file of their own: whoever only samples need not load them.
    side_modules: ClassVar[tuple[str, ...]] = ("discriminator",)
    knobs: ClassVar[dict[str, Knob]] = {"truncation_psi": Knob("The truncation ψ", 0, 1.5)}

    def __init__(self, config: GANConfig) -> None:
        super().__init__(config)
        check_halves_twice(config.image_shape)
        if not config.mapping_layers:
            raise ValueError("mapping_layers must be at least 1")
        if not 0 < config.penalty_share <= 1:
            raise ValueError(f"penalty_share must be above 0 and at most 1, not {config.penalty_share}")
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        self.discriminator = Critic(config)
        #: Running mean of w for every class, the last row for "no class": where truncation leads to.
        self.w_mean = nn.Buffer(torch.zeros(config.num_classes + 1, config.style_dim))

    @property
    def num_layers(self) -> int:
        """How many layers of the generator have a style of their own; the first are the coarse ones."""
        return self.synthesis.num_layers

    # -- the objective ------------------------------------------------------------------------------------------

    def players(self) -> dict[str, list[nn.Parameter]]:
        generator = [*self.mapping.parameters(), *self.synthesis.parameters()]
        return {"discriminator": list(self.discriminator.parameters()), "generator": generator}

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "discriminator") -> dict[str, Tensor]:
        """The relativistic loss of `player`, averaged over pairs of x and a new picture of the same class; the mean
        scores, and in the discriminator's turn the gradient penalties (squared norms) R1 and R2.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        labels = self._labels_to_learn(labels, x, self.config.label_dropout)
        turns = {"discriminator": self._discriminator_turn, "generator": self._generator_turn}
        return turns[player](x, labels)

    def _discriminator_turn(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            fakes = self.synthesize(self._expand(self._new_styles(labels)))
        real, fake = self.discriminator(torch.cat([x, fakes]), labels.repeat(2)).chunk(2)
        adversarial = F.softplus(fake - real).mean()
        terms = {"adversarial": adversarial, "score_real": real.mean().detach(), "score_fake": fake.mean().detach()}
        terms["pairs_right"] = (real > fake).float().mean()
        gamma = self._gamma()
        if gamma == 0:
            return {"loss": adversarial} | terms
        n = math.ceil(self.config.penalty_share * len(x))
        norms = gradient_norms(self.discriminator, torch.cat([x[:n], fakes[:n]]), labels[:n].repeat(2))
        r1, r2 = (part.mean() for part in norms.chunk(2))
        return {"loss": adversarial + 0.5 * gamma * (r1 + r2)} | terms | {"r1": r1, "r2": r2}

    def _generator_turn(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        w = self._new_styles(labels)
        if self.training:
            self._follow_mean(w, labels)
        fake = self.discriminator(self.synthesize(self._expand(w)), labels)
        with torch.no_grad():
            real = self.discriminator(x, labels)
        return {"loss": F.softplus(real - fake).mean(), "score_fake": fake.mean().detach()}

    def _gamma(self) -> float:
        """The penalties' weight: it falls over the run, by half a cosine, as the pictures come closer to real ones."""
        start, end = self.config.gamma, self.config.gamma_final
        return end + (start - end) * 0.5 * (1 + math.cos(math.pi * self.progress))

    def _new_styles(self, labels: Tensor) -> Tensor:
        return self.mapping(torch.randn(len(labels), self.config.latent_dim, device=labels.device), labels)

    def _expand(self, w: Tensor) -> Tensor:
        """One style for all layers: `(B, D)` -> `(B, num_layers, D)`."""
        return w.unsqueeze(1).expand(-1, self.num_layers, -1)

    @torch.no_grad()
    def _follow_mean(self, w: Tensor, labels: Tensor) -> None:
        """Move w_mean of the classes in this batch towards their mean, each image by a share of 1 - style_decay."""
        member = F.one_hot(labels, len(self.w_mean)).to(self.w_mean)
        counts = member.sum(0).unsqueeze(1)
        means = member.T @ w.to(self.w_mean) / counts.clamp(min=1)
        self.w_mean.lerp_(means, 1 - self.config.style_decay**counts)

    # -- what it can do -----------------------------------------------------------------------------------------

    def sample(self, labels: Tensor, *, generators: Sequence[Generator], truncation_psi: float = 1.0) -> Tensor:
        """New images in [-1, 1]; truncation_psi: 1 = all the variety there is, 0 = the one mean picture of the class.

        Where no class is asked for, one is drawn, all equally likely: the classes' shares are then right by construction,
        which they are not for the style of "no class" that `decode` knows.
        """
        z = self.sample_codes(labels, generators=generators)
        return self.decode(z, self._drawn_classes(labels, generators), truncation_psi)

    def _drawn_classes(self, labels: Tensor, generators: Sequence[Generator]) -> Tensor:
        """`labels` with a class of its generator's choice for every -1; unchanged for a model without classes."""
        if not self.config.num_classes:
            return labels
        drawn = [torch.randint(self.config.num_classes, (), generator=g, device=g.device) for g in generators]
        return torch.where(labels < 0, torch.stack(drawn).to(labels), labels)

    def sample_codes(self, labels: Tensor, *, generators: Sequence[Generator]) -> Tensor:
        """Noise z `(B, latent_dim)`, standard normal."""
        return draw_normal((self.config.latent_dim,), generators, labels.device)

    def codes_of(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The noise itself: what it becomes is up to `styles`."""
        return noise

    def decode(self, z: Tensor, labels: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """Images `(B, C, H, W)` in [-1, 1] from z `(B, latent_dim)`, of which only the direction counts."""
        return self.synthesize(self.styles(z, labels, truncation_psi))

    def styles(self, z: Tensor, labels: Tensor | None = None, truncation_psi: float = 1.0) -> Tensor:
        """w_mean + truncation_psi * (w - w_mean) of z and class, once per layer: `(B, num_layers, style_dim)`."""
        labels = self._labels(labels, z.shape[0], z.device)
        w, mean = self.mapping(z, labels), self.w_mean[labels]
        return self._expand(mean + truncation_psi * (w - mean))

    def synthesize(self, w: Tensor) -> Tensor:
        """Images in [-1, 1] from styles `(B, num_layers, style_dim)`, which may differ from layer to layer."""
        return self.synthesis(w)

    def realism(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The critic's score `(B,)`, higher = more like the training data. Only its rank among other scores means
        something: the objective leaves both its zero and its unit open.
        """
        return self.discriminator(x, self._labels(labels, x.shape[0], x.device))

    def critic_features(self, x: Tensor) -> Tensor:
        """What the critic's score is made of `(B, critic_features)`: Radford et al. 2016 (arXiv 1511.06434) classify by them."""
        return self.discriminator.describe(x)

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(
        steps=40_000,
        warmup=0.2,  # with .05, steps were large too soon in a run of a minute: one in ten turned everything black, for good
        batch_size=32,  # on a CPU an image costs the same in any batch, and many small steps learn more
        learning_rate=1e-3,  # twice that, with weaker penalties, collapsed to one class
        final_learning_rate=1e-4,
        betas=(0.0, 0.99),
        max_grad_norm=1000.0,
        ema_decay=0.998,
    )


def gradient_norms(critic: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """|grad_x critic(x, labels)|^2 `(B,)`, itself differentiable. Summed in float32, also where the critic computes in
    bfloat16.
    """
    x = x.detach().float().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(x, labels).sum(), x, create_graph=True)
    return gradient.float().square().flatten(1).sum(1)
