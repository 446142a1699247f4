"""**Normalizing flow.** A chain of invertible layers turns a picture into noise of the same size. Run forwards, it tells
how likely the picture is; run backwards, it makes a picture out of noise. Nothing is lost on the way: every picture has
exactly one code z, and the code gives exactly that picture back.

Objective, to be maximised, in nats per image (the change of variables):

    log p(y) = log N(z; 0, I) + log |det dz/dy|,    z = f(y)

f is a chain of couplings. Each bends the values of some pixels along monotonic curves, which the other pixels choose; as
these stay what they are, the curves can be chosen again and undone, and log |det| is the sum of the log slopes. In every
2x2 square three pixels take their turn and are finished; the fourth ones make up a picture of half the size, with which
the game begins anew. So, backwards, a coarse picture comes first, and finer and finer pixels between what is there.

Pixels are whole numbers v, densities are of real ones: y = (v + u) / 256 with noise u between 0 and 1, which is drawn
from a learned q(u|v) (variational dequantisation): log P(v) >= E_q[ log p(y) - log q(u|v) ] - dimensions * log 256.

In the real world: noise becomes speech faster than it is spoken (Prenger et al. 2019, WaveGlow, arXiv 1811.00002); parts that are
unlikely are sorted out, though no faulty one was ever seen (Rudolph et al. 2021, arXiv 2008.12577).

As an option (`noise_std`), pictures are learnt with a little normal noise on them, which leaves nothing to hair-thin curves; a sample
is then cleaned by one step along the gradient of log p(y), which flows know exactly. Likelihoods stay those of noisy pictures.

A class can be heeded more than was learnt, as diffusion does it ("guidance"): the curves of a sample are bent further in the
direction in which the class bends them, curves_none + guidance_scale (curves_class - curves_none).

Papers: Dinh et al. 2017 (RealNVP, arXiv 1605.08803); activation normalisation: Kingma & Dhariwal 2018 (Glow, arXiv
1807.03039); spline couplings: Durkan et al. 2019 (arXiv 1906.04032); variational dequantisation: Ho et al. 2019 (Flow++,
arXiv 1902.00275); its bound tightened by importance sampling: Burda et al. 2016 (arXiv 1509.00519); pixels from coarse to
fine: Reed et al. 2017 (arXiv 1703.03664); noise and the step that removes it: Zhai et al. 2024 (TarFlow, arXiv 2412.06329),
as is guidance, after Ho & Salimans 2022 (arXiv 2207.12598).
"""

# A long file: the curves, the couplings made of them and the ways there and back are one idea, read from top to bottom.

import collections.abc
import copy
import itertools
import math
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import Self

from genmodels.models.base import (
    GUIDANCE,
    NOISE,
    TEMPERATURE,
    GuidanceConfig,
    Knob,
    Model,
    ModuleDict,
    ModuleList,
    NoiseConfig,
    TrainConfig,
    TrainingDiverged,
    refuse_other_than_images,
    start_at_zero,
)

LOG_2PI = math.log(2 * math.pi)
BOUND = 6.0  # the splines bend between -BOUND and BOUND; beyond, they are straight lines
MIN_WIDTH, MIN_HEIGHT = 1e-3, 1e-2  # of an arc, as shares of 2 * BOUND; they keep slopes, and so the inverse, in bounds
LOGIT_MARGIN = 1e-3  # keeps intensities away from 0 and 1, whose logits are infinite
#: Pixels of a 2x2 square, (row, column), in the order in which they become noise. The last picture's pixels are (0, 0).
CORNERS = {"right": (0, 1), "below": (1, 0), "diagonal": (1, 1)}


class NonFiniteJacobian(TrainingDiverged):
    """The log determinant of a layer became NaN or infinite during training."""


# -- monotonic curves --------------------------------------------------------------------------------------------------


class Arc(NamedTuple):
    """The piece of a curve on which a value lies: a rational-quadratic arc between two knots."""

    left: Tensor
    bottom: Tensor
    width: Tensor
    height: Tensor
    slope_left: Tensor
    slope_right: Tensor


def find_arc(value: Tensor, parameters: Tensor, *, by_height: bool) -> Arc:
    """The arc of each value `(...)` on the curves with `parameters` `(..., 3 K + 1)`: K widths, K heights, K + 1 slopes.

    The slope at a knot is the harmonic mean of those of the chords on both sides, times a bounded factor: independent
    slopes could make a curve so flat between two knots that float32 could not invert it.
    """
    bins = parameters.shape[-1] // 3
    # numbers of a curve lie far apart, those of neighbouring values side by side: a softmax is five times as fast so
    widths, heights, bends = parameters.movedim(-1, 0).contiguous().split([bins, bins, bins + 1])
    widths = 2 * BOUND * (MIN_WIDTH + (1 - MIN_WIDTH * bins) * widths.softmax(0))
    heights = 2 * BOUND * (MIN_HEIGHT + (1 - MIN_HEIGHT * bins) * heights.softmax(0))
    rights, tops = widths.cumsum(0) - BOUND, heights.cumsum(0) - BOUND
    index = (value >= (tops if by_height else rights)[:-1]).sum(0, keepdim=True)
    right, top = (p.gather(0, index).squeeze(0) for p in (rights, tops))
    three = torch.cat([index - 1, index, index + 1]).clamp(0, bins - 1)  # the arc between its neighbours
    width, height = widths.gather(0, three), heights.gather(0, three)
    inverse_chords = width / height
    between = (inverse_chords[1:] + inverse_chords[:-1]) / 2
    slopes = bends.gather(0, torch.cat([index, index + 1])).tanh().exp() / between
    return Arc(right - width[1], top - height[1], width[1], height[1], *slopes.unbind())


def spline(x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Monotonic curves through x, elementwise -> (y, log dy/dx): rational-quadratic splines (Durkan et al. 2019).

    x: float32 `(...)`; parameters: `(..., 3 K + 1)`, any numbers; all 0 is the identity. Outside [-BOUND, BOUND] a curve
    goes on straight.
    """
    inside = x.clamp(-BOUND, BOUND)
    arc = find_arc(inside, parameters, by_height=False)
    t = ((inside - arc.left) / arc.width).clamp(0, 1)
    chord = arc.height / arc.width
    mix = t * (1 - t)
    denominator = chord + (arc.slope_left + arc.slope_right - 2 * chord) * mix
    y = arc.bottom + arc.height * (chord * t.square() + arc.slope_left * mix) / denominator
    numerator = arc.slope_right * t.square() + 2 * chord * mix + arc.slope_left * (1 - t).square()
    log_slope = 2 * chord.log() + numerator.log() - 2 * denominator.log()
    end_slope = torch.where(x < 0, arc.slope_left, arc.slope_right)
    log_slope = torch.where(x == inside, log_slope, end_slope.log())
    return y + (x - inside) * end_slope, log_slope


def inverse_spline(y: Tensor, parameters: Tensor) -> Tensor:
    """The x that `spline` bends to y: the root of a quadratic equation on each arc."""
    inside = y.clamp(-BOUND, BOUND)
    arc = find_arc(inside, parameters, by_height=True)
    chord = arc.height / arc.width
    rise = inside - arc.bottom
    curvature = rise * (arc.slope_left + arc.slope_right - 2 * chord)
    a = arc.height * (chord - arc.slope_left) + curvature
    b = arc.height * arc.slope_left - curvature
    c = chord * rise
    # This form of the root loses no digits where a is small.
    t = (2 * c / (b + (b.square() + 4 * a * c).clamp(min=0).sqrt())).clamp(0, 1)
    end_slope = torch.where(y < 0, arc.slope_left, arc.slope_right)
    return arc.left + t * arc.width + (y - inside) / end_slope


# -- networks that choose the curves -------------------------------------------------------------------------------------


class Residual(nn.Module):
    """h + conv(act(conv(act(h)))), starting as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        start_at_zero(self.last)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(F.silu(self.first(F.silu(h))))


class Features(nn.Module):
    """Feature maps and class -> `width` feature maps of the same size."""

    def __init__(self, inputs: int, width: int, blocks: int, num_classes: int) -> None:
        super().__init__()
        self.label = nn.Embedding(num_classes + 1, width)
        self.stem = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(blocks)])

    def forward(self, h: Tensor, labels: Tensor) -> Tensor:
        return self.blocks(self.stem(h) + self.label(labels)[:, :, None, None])


class ChannelHead(nn.Module):
    """Features and the colour channels before this one -> `outputs` numbers per pixel `(B, H, W, outputs)`, at first 0."""

    def __init__(self, width: int, channel: int, outputs: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(channel, width, 1) if channel else None
        self.last = nn.Conv2d(width, outputs, 1)
        start_at_zero(self.last)

    def forward(self, h: Tensor, channels: Sequence[Tensor]) -> Tensor:
        h = h.permute(0, 2, 3, 1)
        if self.before is not None:
            h = h + per_pixel(self.before, torch.stack(list(channels), -1))
        return precise(per_pixel(self.last, F.silu(h)))


def per_pixel(conv: nn.Conv2d, h: Tensor) -> Tensor:
    """A 1x1 convolution of `(B, H, W, C)`, as the matrix product that it is: layers of one or two channels keep their layout so."""
    return F.linear(h, conv.weight.flatten(1), conv.bias)


def asked(labels: Tensor, none: int, scale: float | Tensor) -> list[Tensor]:
    """The labels for which `guided` needs the curves: the classes and `none`, but at 1 and 0, where one of them is all that counts."""
    nothing = torch.full_like(labels, none)
    if not isinstance(scale, Tensor) and scale in (0, 1):  # a graph is to hold for any
        return [labels if scale else nothing]
    return [labels, nothing]


def guided(curves: Sequence[Tensor], scale: float | Tensor) -> Tensor:
    """Curves bent `scale` times as far as the class bends them, from those of the labels that were `asked`."""
    if len(curves) == 1:
        return curves[0]
    told, untold = curves
    return untold + scale * (told - untold)


def precise(h: Tensor) -> Tensor:
    """At least in float32, which the curves need; float64 stays what it is."""
    return h if h.dtype == torch.float64 else h.float()


# -- the layers, each invertible --------------------------------------------------------------------------------------
# They keep the state in the picture's own layout `(B, C, H, W)`, so that it can be looked at after every layer.


class ActNorm(nn.Module):
    """Scale and shift per colour channel; the first training batch comes out with mean 0 and variance 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_std = nn.Parameter(torch.zeros(channels, 1, 1))
        self.initialised = nn.Buffer(torch.tensor(False))

    def to_noise(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y `(B, C, H, W)` -> (z, log |det dz/dy| `(B,)`)"""
        if self.training and not self.initialised:
            self._initialise(y.detach())
        log_det = -self.log_std.sum() * y[0, 0].numel()
        return (y - self.mean) * (-self.log_std).exp(), log_det.expand(y.shape[0])

    def from_noise(self, z: Tensor) -> Tensor:
        return z * self.log_std.exp() + self.mean

    @torch.no_grad()
    def _initialise(self, y: Tensor) -> None:
        moments = torch.stack([y.mean((0, 2, 3)), y.square().mean((0, 2, 3))])
        if torch.distributed.is_available() and torch.distributed.is_initialized():  # the same in all processes
            torch.distributed.all_reduce(moments)
            moments /= torch.distributed.get_world_size()
        mean, second = moments
        self.mean.copy_(mean.view_as(self.mean))
        self.log_std.copy_(0.5 * (second - mean.square()).clamp(min=1e-4).log().view_as(self.log_std))
        self.initialised.fill_(True)


class Coupling(nn.Module):
    """In every 2x2 square of the picture that is left at this scale, one pixel moves; the other three choose its curve.

    With colours, the curve of a channel also depends on the channels before it in the same pixel.
    """

    def __init__(self, config: "FlowConfig", scale: int, corner: tuple[int, int]) -> None:
        super().__init__()
        channels = config.image_shape[0]
        self.none = config.num_classes  # the label of "no class"
        self.lattice = lattice(corner, scale + 1)
        self.others = [lattice(other, scale + 1) for other in ((0, 0), *CORNERS.values()) if other != corner]
        self.features = Features(3 * channels, config.widths[scale], config.blocks[scale], config.num_classes)
        outputs = 3 * config.bins + 1
        self.heads = ModuleList(ChannelHead(config.widths[scale], c, outputs) for c in range(channels))

    def _features(self, state: Tensor, labels: Tensor) -> Tensor:
        return self.features(torch.cat([state[other] for other in self.others], 1), labels)

    def to_noise(self, y: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """y `(B, C, H, W)` -> (z, log |det dz/dy| `(B,)`)"""
        h = self._features(y, labels)
        channels = y[self.lattice].unbind(1)
        bent = [spline(x, head(h, channels[:c])) for c, (x, head) in enumerate(zip(channels, self.heads, strict=True))]
        values, log_slopes = (torch.stack(parts, 1) for parts in zip(*bent, strict=True))
        return replaced(y, self.lattice, values), log_slopes.flatten(1).sum(1)

    def from_noise(self, z: Tensor, labels: Tensor, guidance_scale: float | Tensor = 1.0) -> Tensor:
        features = [self._features(z, label) for label in asked(labels, self.none, guidance_scale)]
        channels: list[Tensor] = []
        for value, head in zip(z[self.lattice].unbind(1), self.heads, strict=True):
            curves = guided([head(h, channels) for h in features], guidance_scale)
            channels.append(inverse_spline(value, curves))
        return replaced(z, self.lattice, torch.stack(channels, 1))


class CoarseCoupling(nn.Module):
    """In the smallest picture, the white or the black fields of a chessboard move; the others choose their curves."""

    def __init__(self, config: "FlowConfig", colour: int) -> None:
        super().__init__()
        self.none = config.num_classes
        self.lattice = lattice((0, 0), config.scales)
        channels, height, width = (config.image_shape[0], *(side >> config.scales for side in config.image_shape[1:]))
        board = [sum(place) % 2 for place in itertools.product(range(channels), range(height), range(width))]
        self.moving = nn.Buffer(torch.tensor([i for i, c in enumerate(board) if c == colour]), persistent=False)
        self.staying = nn.Buffer(torch.tensor([float(c != colour) for c in board]), persistent=False)
        hidden = config.coarse_width
        self.label = nn.Embedding(config.num_classes + 1, hidden)
        self.first = nn.Linear(len(board), hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, len(self.moving) * (3 * config.bins + 1))
        start_at_zero(self.last)

    def _curves(self, fields: Tensor, labels: Tensor) -> Tensor:
        h = self.first(fields * self.staying) + self.label(labels)
        h = h + self.second(F.silu(h))
        return precise(self.last(F.silu(h))).unflatten(1, (len(self.moving), -1))

    def _replaced(self, state: Tensor, fields: Tensor, values: Tensor) -> Tensor:
        fields = fields.index_copy(1, self.moving, values)
        return replaced(state, self.lattice, fields.view_as(state[self.lattice]))

    def to_noise(self, y: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """y `(B, C, H, W)` -> (z, log |det dz/dy| `(B,)`)"""
        fields = y[self.lattice].flatten(1)
        values, log_slopes = spline(fields[:, self.moving], self._curves(fields, labels))
        return self._replaced(y, fields, values), log_slopes.sum(1)

    def from_noise(self, z: Tensor, labels: Tensor, guidance_scale: float | Tensor = 1.0) -> Tensor:
        fields = z[self.lattice].flatten(1)
        each = [self._curves(fields, label) for label in asked(labels, self.none, guidance_scale)]
        return self._replaced(z, fields, inverse_spline(fields[:, self.moving], guided(each, guidance_scale)))


Lattice = tuple[EllipsisType, slice, slice]


def lattice(corner: tuple[int, int], scale: int) -> Lattice:
    """The index of every 2^scale-th pixel of a picture, in both directions, from the corner of the square of that size."""
    step = 2**scale
    row, column = (place * step // 2 for place in corner)
    return ..., slice(row, None, step), slice(column, None, step)


def replaced(state: Tensor, part: Lattice, values: Tensor) -> Tensor:
    """A copy of the state with new values in one part."""
    state = state.clone()
    state[part] = values
    return state


class Dequantizer(nn.Module):
    """q(u|v): where in its bin each pixel's real value lies, u = sigmoid(shift + scale * eps), eps logistic.

    It starts as the uniform distribution, shift 0 and scale 1 everywhere.
    """

    def __init__(self, config: "FlowConfig") -> None:
        super().__init__()
        channels = 4 * config.image_shape[0]
        self.features = Features(channels, config.dequantizer_width, config.dequantizer_blocks, config.num_classes)
        self.last = nn.Conv2d(config.dequantizer_width, 2 * channels, 3, padding=1)
        start_at_zero(self.last)

    def forward(self, x: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Image in [-1, 1] and `noise`, uniform on (0, 1), of the same shape -> (u, log q(u|v) `(B,)`)."""
        h = precise(self.last(F.silu(self.features(F.pixel_unshuffle(x, 2), labels))))
        shift, log_scale = (F.pixel_shuffle(part, 2) for part in h.chunk(2, 1))
        eps = torch.logit(noise, 1e-6)
        logit_u = shift + log_scale.exp() * eps
        # the density of a logistic at eps is sigmoid(eps) sigmoid(-eps); du/deps = u (1 - u) scale
        log_q = log_bump(eps) - log_scale - log_bump(logit_u)
        return logit_u.sigmoid(), log_q.flatten(1).sum(1)


def log_bump(logit: Tensor) -> Tensor:
    """log(p (1 - p)) for the probability p = sigmoid(logit), exact in both tails."""
    return F.logsigmoid(logit) + F.logsigmoid(-logit)


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlowConfig(GuidanceConfig, NoiseConfig):
    grey_levels: int = 256
    scales: int = 2  # how often the picture is halved before the coarse couplings take it on as a whole
    widths: tuple[int, ...] = (48, 80)  # channels of the couplings' networks, from the finest scale on
    blocks: tuple[int, ...] = (1, 1)  # their residual blocks
    bins: int = 12  # arcs of a spline
    coarse_couplings: int = 4
    coarse_width: int = 96
    dequantizer_width: int = 32
    dequantizer_blocks: int = 1
    label_dropout: float = 0.1  # how often training hides the class, so that "no class" (-1) works too
    noise_std: float = 0.0  # of normal noise on pictures of training, in [-1, 1]: above 0, samples are cleaned of it

    def __post_init__(self) -> None:
        super().__post_init__()
        NOISE.check("noise_std", self.noise_std)

    @classmethod
    def tiny(cls) -> Self:
        return cls(image_shape=(1, 8, 8), num_classes=3, widths=(8, 8), bins=4, coarse_width=8, dequantizer_width=8)


class Flow(Model):
    """Codes z are noise `(B, C, H, W)`, laid out like the picture: z at a pixel is what that pixel became."""

    Config = FlowConfig
    config: FlowConfig
    likelihood_is_bound = True  # of the 8-bit image; the density of the dequantised one is exact
    knobs: ClassVar[dict[str, Knob]] = {"temperature": TEMPERATURE, "guidance_scale": GUIDANCE}
    #: Of all flows the one that computed in another precision last, its state, and its copy; see _in.
    _precise: "ClassVar[tuple[weakref.ref[Flow], object, Flow] | None]" = None

    def __init__(self, config: FlowConfig) -> None:
        super().__init__(config)
        channels, height, width = config.image_shape
        square = 2**config.scales
        if height % square or width % square or config.scales < 1:
            raise ValueError(
                f"image_shape: height and width must be multiples of {square} (2**scales), not {height} and {width}"
            )
        if not len(config.widths) == len(config.blocks) == config.scales:
            raise ValueError(f"widths and blocks need one number for each of the {config.scales} scales")
        if config.grey_levels < 2:
            raise ValueError(f"grey_levels must be at least 2, not {config.grey_levels}")
        self.dequantizer = Dequantizer(config)
        self.norm = ActNorm(channels)
        layers: dict[str, Coupling | CoarseCoupling] = {
            f"scale{scale}_{name}": Coupling(config, scale, corner)
            for scale in range(config.scales)
            for name, corner in CORNERS.items()
        }
        fields = channels * (height // square) * (width // square)
        for i in range(min(config.coarse_couplings, fields)):
            layers[f"coarse{i}"] = CoarseCoupling(config, colour=i % 2)
        self.layers = ModuleDict(layers)
        if config.noise_std:
            self.likelihood_note = f"of the noisy pictures (sigma = {config.noise_std:g}) that samples are cleaned from"

    # -- the objective ------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """Minus the bound of log P(x) in nats per image, averaged over the batch, and its terms; with `noise_std`, in training,
        minus the log density of noisy pictures.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        Raises NonFiniteJacobian naming the layer whose log determinant is NaN or infinite, in training.
        """
        labels = self._labels_to_learn(labels, x, self.config.label_dropout)
        log_density, log_q = self._bound_terms(x, labels)
        loss = (log_q - log_density).mean()
        bits = "bits_per_dim_noisy" if self.training and self.config.noise_std else "bits_per_dim_bound"
        return {
            "loss": loss,
            "log_density": log_density.mean().detach(),
            "dequantization": log_q.mean().detach(),
            bits: loss.detach() / (math.log(2) * math.prod(self.image_shape)),
        }

    def _bound_terms(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """log p(v + u) and log q(u|v), each `(B,)`, for one draw of u; their difference is on average below log P(v)."""
        u, log_q = self.dequantizer(x, labels, torch.rand_like(x))
        y = self._levels(x) + u
        if self.training and self.config.noise_std:
            y = y + self.config.noise_std * self._half_range * torch.randn_like(y)
        state, log_det = self._to_state(y)
        z, log_dets = self._to_noise(state, labels)
        log_dets = {"norm": log_det} | log_dets
        if self.training:
            refuse_non_finite(log_dets)
        return log_normal(z) + torch.stack(list(log_dets.values())).sum(0), log_q

    # -- pixels and states ----------------------------------------------------------------------------------------

    @property
    def _half_range(self) -> float:
        """Grey levels from the middle to black or white."""
        return (self.config.grey_levels - 1) / 2

    def _levels(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] -> the nearest whole grey levels 0, 1, ..., as floats."""
        return ((precise(x) + 1) * self._half_range).round()

    def _to_state(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Real-valued levels v + u -> (normalised logits of the intensity, log |det| `(B,)`)

        Of a model of noisy pictures, which go beyond black and white, the intensity itself is normalised.
        """
        if self.config.noise_std:
            state, log_det = self.norm.to_noise((levels - 0.5) / self._half_range - 1)
            return state, log_det - math.log(self._half_range) * levels[0].numel()
        scale = (1 - 2 * LOGIT_MARGIN) / self.config.grey_levels
        logits = (LOGIT_MARGIN + scale * levels).logit()
        state, log_det = self.norm.to_noise(logits)
        log_slopes = math.log(scale) - log_bump(logits)  # d logit(p) / dp = 1 / (p (1 - p))
        return state, log_det + log_slopes.flatten(1).sum(1)

    def _to_image(self, state: Tensor) -> Tensor:
        """Normalised logits -> images in [-1, 1]; the middle of a grey level's bin becomes that level."""
        if self.config.noise_std:
            return self.norm.from_noise(state).clamp(-1, 1).float()
        scale = (1 - 2 * LOGIT_MARGIN) / self.config.grey_levels
        levels = (self.norm.from_noise(state).sigmoid() - LOGIT_MARGIN) / scale - 0.5
        return (levels * (1 / self._half_range) - 1).clamp(-1, 1).float()

    def _frame(self, state: Tensor, depth: int) -> Tensor:
        """The state after the first `depth` layers as images in [-1, 1]: pixels, and where they are noise by now, z / 3."""
        noisy = torch.zeros(self.image_shape, dtype=torch.bool, device=state.device)
        for layer in list(self.layers.values())[:depth]:
            noisy[layer.lattice] = True
        return torch.where(noisy, (state / 3).clamp(-1, 1).float(), self._to_image(state))

    # -- what it can do -----------------------------------------------------------------------------------------

    @property
    def layer_names(self) -> list[str]:
        """Of the layers between the frames of `encode_steps`, from the picture to noise."""
        return list(self.layers)

    def encode(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator] | None = None,
        noise: Tensor | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Tensor:
        """The code z `(B, C, H, W)` of images, rounded to the nearest grey levels; in float64 `decode` gives these back.

        Without generators, u is 1/2: the code of the middle of each level's bin. Such codes are more regular than noise,
        above all where the picture is flat; with one generator per image, u is drawn from q(u|v), and z looks like N(0, I).
        noise: what the generators would draw, uniform on (0, 1), of x's shape. Raises ValueError for x outside [-1, 1] or NaN.
        """
        model, labels = self._in(dtype), self._labels(labels, x.shape[0], x.device)
        noise = drawn_uniform(x, generators) if noise is None else noise
        return model._states(model._dequantized(x, labels, noise), labels)[-1]

    def encode_steps(
        self, x: Tensor, labels: Tensor | None = None, *, generators: Sequence[Generator] | None = None
    ) -> Iterator[Tensor]:
        """What each layer does to images in `encode`: `x`, then the state after each of `layer_names`, down to noise.

        Every frame is `(B, C, H, W)` in [-1, 1], in the picture's own layout: pixels that are noise by now show z / 3.
        """
        model, labels = self._in(torch.float64), self._labels(labels, x.shape[0], x.device)
        start = model._dequantized(x, labels, drawn_uniform(x, generators))
        for depth, state in enumerate(model._states(start, labels)):
            yield model._frame(state, depth)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images in [-1, 1] from codes `(B, C, H, W)`, computed in the precision of z.

        In float64, that of `encode`, every grey level comes back. Float32 is faster, and enough for noise; but a picture
        unlike those of the training is stretched so much on its way to z that rounding errors cost it grey levels.
        """
        model = self._in(z.dtype)
        *_, state = model._states_back(z, self._labels(labels, z.shape[0], z.device))
        return model._to_image(state)

    def decode_steps(
        self, z: Tensor, labels: Tensor | None = None, *, guidance_scale: float | Tensor = 1.0
    ) -> Iterator[Tensor]:
        """The frames of `encode_steps` backwards: noise, then one frame per layer undone; the last one is `decode(z)`, where no
        guidance leads elsewhere."""
        labels = self._labels(labels, z.shape[0], z.device)
        yield from self._in(z.dtype)._frames_back(z, labels, guidance_scale)

    def sample(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Tensor:
        """Images from noise z ~ N(0, temperature^2); below 1 they are more typical and less varied. None: the config's.

        guidance_scale: 0 ignores the class, 1 samples what was learnt, more makes the class clearer. Where it is neither 0 nor 1,
        all scales but the finest, whose pixels are nearly sure from those around them, ask their networks twice.
        """
        noise, labels, scale = self._start(labels, generators, temperature, guidance_scale)
        *_, state = self._states_back(noise, labels, scale)
        return self._to_image(self._denoised(state, labels))

    def sample_steps(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        temperature: float | None = None,
        guidance_scale: float | None = None,
    ) -> Iterator[Tensor]:
        """`sample`, one frame per layer as in `decode_steps`, and of a model of noisy pictures one more: without the noise."""
        noise, labels, scale = self._start(labels, generators, temperature, guidance_scale)
        state = yield from self._frames_back(noise, labels, scale)
        if self.config.noise_std:
            yield self._to_image(self._denoised(state, labels))

    def _start(
        self, labels: Tensor, generators: Sequence[Generator], temperature: float | None, scale: float | None
    ) -> tuple[Tensor, Tensor, float]:
        """Noise, labels as the layers take them, and the guidance: 1 where no class is told, as there is nothing to go by."""
        noise = self.config.noise(self.image_shape, generators, labels.device, temperature)
        labels = self._labels(labels, noise.shape[0], noise.device)
        scale = self.config.guidance_scale if scale is None else scale
        return noise, labels, scale if bool((labels < self.config.num_classes).any()) else 1.0

    def _denoised(self, state: Tensor, labels: Tensor) -> Tensor:
        """What a noisy picture is on average without the noise: y + noise_std^2 * grad log p(y) (Tweedie's formula).

        That holds wherever p is the density of pictures with such noise on them, as `noise_std` has taught it; in the unit
        of the states, which `norm` chose. The state itself where there is no such noise.
        """
        if not self.config.noise_std:
            return state
        with torch.inference_mode(False), torch.enable_grad():
            y = state.clone().requires_grad_(True)
            z, log_dets = self._to_noise(y, labels.clone())
            log_p = log_normal(z) + torch.stack(list(log_dets.values())).sum(0)
            (score,) = torch.autograd.grad(log_p.sum(), y)
        return state + (self.config.noise_std * (-self.norm.log_std.detach()).exp()).square() * score

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None, *, samples: int = 1) -> Tensor:
        """A lower bound of log P(x) `(B,)` in nats of the 8-bit image, importance-weighted with `samples` draws of u each.

        P is what the chain makes of noise, rounded: of a model with `noise_std` the noisy picture, of which a sample is then
        cleaned. Of cleaned ones nobody knows the likelihood.

        The density of every dequantised image is exact. One draw of u per image gives an estimate of the bound that is
        trained; the mean of many importance weights p(v + u) / q(u|v) rises to P(x) itself. x is rounded to the nearest
        grey levels. Raises ValueError for x outside [-1, 1] or NaN.
        """
        refuse_other_than_images(x)
        labels = self._labels(labels, x.shape[0], x.device)
        log_density, log_q = self._bound_terms(x.repeat(samples, 1, 1, 1), labels.repeat(samples))
        return torch.logsumexp((log_density - log_q).view(samples, x.shape[0]), 0) - math.log(samples)

    # -- the chain ------------------------------------------------------------------------------------------------

    def _in(self, dtype: torch.dtype) -> "Flow":
        """This model, or a copy of it that computes in `dtype`, which is kept until the weights change or another flow is asked."""
        if self.norm.mean.dtype == dtype:
            return self
        tensors = itertools.chain(self.parameters(), self.buffers())
        # what was made in inference mode counts no versions, and is not trained
        state = dtype, *((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
        kept = Flow._precise
        if kept is None or kept[0]() is not self or kept[1] != state:
            Flow._precise = None  # before there are two
            Flow._precise = kept = weakref.ref(self), state, copy.deepcopy(self).to(dtype)
        return kept[2]

    def _dequantized(self, x: Tensor, labels: Tensor, noise: Tensor | None) -> Tensor:
        """The state that the chain starts from, with u = 1/2 or drawn."""
        refuse_other_than_images(x)
        x = x.to(self.norm.mean)
        u = torch.full_like(x, 0.5)
        if noise is not None:
            u, _ = self.dequantizer(x, labels, noise.to(x))
            u = u.clamp(0.05, 0.95)  # off the edges, so that the level survives rounding errors
        return self._to_state(self._levels(x) + u)[0]

    def _states(self, state: Tensor, labels: Tensor) -> list[Tensor]:
        """The state and what it is after each layer, down to noise."""
        states = [state]
        for layer in self.layers.values():
            states.append(layer.to_noise(states[-1], labels)[0])
        return states

    def _to_noise(self, state: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The noise that a state becomes, and log |det| `(B,)` of each layer by its name."""
        log_dets = {}
        for name, layer in self.layers.items():
            state, log_dets[name] = layer.to_noise(state, labels)
        return state, log_dets

    def _frames_back(
        self, z: Tensor, labels: Tensor, guidance_scale: float | Tensor
    ) -> collections.abc.Generator[Tensor, None, Tensor]:
        """What z and the states on its way back look like; returned is the last of these."""
        state = z
        for done, state in enumerate(self._states_back(z, labels, guidance_scale)):
            yield self._frame(state, len(self.layers) - done)
        return state

    def _states_back(self, z: Tensor, labels: Tensor, guidance_scale: float | Tensor = 1.0) -> Iterator[Tensor]:
        """z and the states on its way back. The finest scale isn't guided: it costs the most, and knows the least of the class."""
        yield z
        for name, layer in reversed(list(self.layers.items())):
            z = layer.from_noise(z, labels, 1.0 if name.startswith("scale0_") else guidance_scale)
            yield z

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(
        steps=80_000,
        batch_size=32,  # on a CPU this learns more per minute than 16, in float32 and in bf16
        learning_rate=3e-3,
        betas=(0.9, 0.99),
        weight_decay=0.1,
        muon=0.02,
        max_grad_norm=1000.0,
        ema_decay=0.999,
    )


def drawn_uniform(x: Tensor, generators: Sequence[Generator] | None) -> Tensor | None:
    """Noise of the shape of x, uniform on (0, 1), one generator per image; None without generators."""
    if generators is None:
        return None
    return torch.stack([torch.rand(x.shape[1:], generator=g, device=g.device) for g in generators])


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) `(B,)`"""
    return -0.5 * (z.square() + LOG_2PI).flatten(1).sum(1)


def refuse_non_finite(log_dets: dict[str, Tensor]) -> None:
    """Raises NonFiniteJacobian naming the first layer whose log determinants `(B,)` aren't all finite."""
    finite = torch.stack(list(log_dets.values())).isfinite().all(1)
    if not finite.all():
        name = next(name for name, fine in zip(log_dets, finite.tolist(), strict=True) if not fine)
        raise NonFiniteJacobian(f"The Jacobian of the layer {name} is not finite.")
