"""Sampling of a diffusion checkpoint with diffusers alone. A copy of this file lies in every such checkpoint's folder:

    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    pipe(class_labels=[3, 3, 7]).images    # or, for a model of captions, pipe(prompt="an elf in a red robe")

Notation: a noisy picture is x_t = alpha x + sigma eps with alpha^2 + sigma^2 = 1, so (alpha, sigma) is the cosine and
sine of an angle; the network predicts the velocity v = alpha eps - sigma x, which gives the clean picture
x = alpha x_t - sigma v. Training steps t are 0..999, noise grows with t.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import diffusers
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

TRAIN_STEPS, MAX_GUIDANCE = 1000, 20.0
EVERYWHERE = (0.0, 1.0)
EVEN = (1.0, 1.0)  # of step_ends: all steps of one size
HEUN_FIRST = 985
#: The noise schedule that the networks are trained on: alpha = cos(t pi / 2) but for rounding (Nichol & Dhariwal 2021).
SCHEDULE = {"num_train_timesteps": TRAIN_STEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
TRAILING = {"timestep_spacing": "trailing"}  # begin at the noisiest step, where nothing of the picture is left
#: What may be swapped: name -> (diffusers class, its options beside the noise schedule).
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMScheduler", TRAILING | {"clip_sample": False}),
    "ddim": ("DDIMScheduler", TRAILING | {"clip_sample": False}),
    "euler": ("EulerDiscreteScheduler", TRAILING),
    "heun": ("HeunDiscreteScheduler", TRAILING),
    "dpm++2m": ("DPMSolverMultistepScheduler", TRAILING | {"solver_order": 2}),
    "dpm++3m": ("DPMSolverMultistepScheduler", TRAILING | {"solver_order": 3}),
    "unipc": ("UniPCMultistepScheduler", TRAILING | {"solver_order": 3}),
    "deis": ("DEISMultistepScheduler", TRAILING | {"solver_order": 3}),
    "ipndm": ("IPNDMScheduler", {}),
}
#: (x_t as the network sees it, its training step t, also between two, or one per picture) -> the predicted velocity
Predict = Callable[[Tensor, float | Tensor], Tensor]
#: What the network is told of the pictures' contents: its keyword arguments, one row per picture.
Condition = dict[str, Tensor]


class Step(NamedTuple):
    """A moment of sampling: the noisy picture, alpha x + sigma eps, and the clean one that the network sees in it."""

    noisy: Tensor
    clean: Tensor
    sigma: float


def check_scheduler(name: str) -> None:
    """Raises ValueError that lists the schedulers if there is none of that name."""
    if name not in SCHEDULERS:
        raise ValueError(f"There is no scheduler {name[:40]!r}; the schedulers are {', '.join(SCHEDULERS)}.")


def make_scheduler(name: str) -> Any:
    """A diffusers scheduler by its name in SCHEDULERS, for this noise schedule."""
    check_scheduler(name)
    return copy.deepcopy(_scheduler(name))


@functools.cache
def _scheduler(name: str) -> Any:
    """To be copied: making one takes longer than a step of a small network."""
    kind, options = SCHEDULERS[name]
    # iPNDM is made for alpha = cos(t pi / 2) and velocities: it has no such settings
    return getattr(diffusers, kind)(**({} if kind == "IPNDMScheduler" else SCHEDULE), **options)


@functools.lru_cache(maxsize=1)
def angles() -> Tensor:
    """atan(sigma / alpha) at every training step `(1000,)`, float64, rising from about 0 to about pi / 2."""
    t = torch.arange(TRAIN_STEPS + 1, dtype=torch.float64, device="cpu") / TRAIN_STEPS
    curve = ((t + 0.008) / 1.008 * math.pi / 2).cos().square()
    kept = 1 - (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
    alpha_bar = kept.cumprod(0)
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


@functools.lru_cache(maxsize=16)
def levels(step_ends: tuple[float, float]) -> Tensor:
    """`angles()` for steps of other sizes `(1000,)`: along a cubic curve, on which the first ones at the clean and at the noisy
    end are `step_ends` times as large as even ones. (1, 1) is the schedule as it is.

    In nearly pure noise it is decided what a picture shows, in the last of it how sharp it is: with shorter steps there and
    longer ones between, fewer are enough (Lee et al. 2024, arXiv 2407.12173).
    """
    clean, noisy = step_ends
    u = torch.arange(1, TRAIN_STEPS + 1, dtype=torch.float64, device="cpu") / TRAIN_STEPS
    share = u.square() * (3 - 2 * u) + clean * u * (1 - u).square() - noisy * u.square() * (1 - u)
    return _between(TRAIN_STEPS * share - 1)


def _between(t: Tensor) -> Tensor:
    """The angles of training steps, also between two."""
    table = angles()
    left = t.clamp(0, TRAIN_STEPS - 2).long()
    share = (t - left).clamp(0, 1)
    return (1 - share) * table[left] + share * table[left + 1]


# -- the network -------------------------------------------------------------------------------------------------------


def velocity(unet: nn.Module, patch_size: int, noisy: Tensor, t: Tensor, condition: Condition) -> Tensor:
    """The network's velocity for pictures `(B, C, H, W)` at training steps t `(B,)`; it sees a square of pixels as one.

    A sketch `(B, 2, H, W)` in the condition, see `sketched`, is seen beside the picture, as more channels of it.
    Only the network computes in its own precision, which may be half: pictures stay in theirs. Inside, the channels of a
    place lie side by side in memory: convolutions are up to a sixth faster so.
    """
    dtype = next(unet.parameters()).dtype
    seen = torch.cat([noisy, condition["sketch"]], 1) if "sketch" in condition else noisy
    patches = F.pixel_unshuffle(seen, patch_size).to(dtype, memory_format=torch.channels_last)
    told = {k: v.to(dtype) if v.is_floating_point() else v for k, v in condition.items() if k != "sketch"}
    return F.pixel_shuffle(unet(patches, t, **told).sample, patch_size).to(noisy.dtype).contiguous()


def text_condition(text_encoder: nn.Module, tokens: Tensor, pad: int = 0) -> Condition:
    """What captions `(B, L)` of token numbers tell the network: every word's vector, and the mean of all words."""
    mask = tokens != pad
    words = text_encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
    mean = (words * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return {"encoder_hidden_states": words, "encoder_attention_mask": mask, "class_labels": mean}


def sketched(sketch: Tensor | None, x: Tensor) -> Condition:
    """What a sketch `(1 or B, 1, H, W)`, 0 = paper, 1 = ink, tells the network of pictures like x: `(B, 2, H, W)`, its ink,
    and whether there is a sketch at all. One without ink says nothing, as None does.

    Raises ValueError for a sketch of another shape.
    """
    n, _, height, width = x.shape
    if sketch is None:
        return {"sketch": x.new_zeros((n, 2, height, width))}
    if sketch.shape[1:] != (1, height, width) or len(sketch) not in (1, n):
        raise ValueError(f"A sketch must have the shape {(n, 1, height, width)}, not {tuple(sketch.shape)}.")
    ink = sketch.to(x).clamp(0, 1).expand(n, -1, -1, -1)
    given = (ink.amax((1, 2, 3), keepdim=True) > 0).to(x).expand_as(ink)
    return {"sketch": torch.cat([ink, given], 1)}


def guided(
    unet: nn.Module,
    patch_size: int,
    conditions: Sequence[Condition],
    scales: Sequence[float],
    interval: Sequence[float] = EVERYWHERE,
) -> Predict:
    """Classifier-free guidance: the velocity under the first condition, which tells least, and for each further one its
    scale times what it changes. So at scale 0 it isn't heeded, at 1 as was learnt, above 1 more than that.

    interval: more only where the share of the training steps lies between these two, as with much noise guidance costs variety
    (Kynkäänniemi et al. 2024, arXiv 2404.07724).
    """
    more, learnt = (
        _guided(unet, patch_size, conditions, some) for some in (scales, [min(scale, 1.0) for scale in scales])
    )
    low, high = (TRAIN_STEPS * share for share in interval)

    def predict(noisy: Tensor, t: float | Tensor) -> Tensor:
        at = torch.as_tensor(t)
        within = (low <= at) & (at < high)
        if within.all():
            return more(noisy, t)
        if not within.any():
            return learnt(noisy, t)
        return torch.where(within.to(noisy.device).view(-1, 1, 1, 1), more(noisy, t), learnt(noisy, t))

    return predict


def _guided(unet: nn.Module, patch_size: int, conditions: Sequence[Condition], scales: Sequence[float]) -> Predict:
    """`guided` everywhere. Each condition asks the network once; those that cancel out don't."""
    steps_up = zip(conditions, (1.0, *scales), (*scales, 0.0), strict=True)
    chain = [(condition, scale) for condition, scale, further in steps_up if scale != further][::-1]
    together = {key: torch.cat([condition[key] for condition, _ in chain]) for key in conditions[0]}

    def predict(noisy: Tensor, t: float | Tensor) -> Tensor:
        steps, k = torch.as_tensor(t, device=noisy.device).expand(len(noisy)), len(chain)
        *more, v = velocity(unet, patch_size, noisy.repeat(k, 1, 1, 1), steps.repeat(k), together).chunk(k)
        below = v
        for (_, scale), above in zip(chain[-2::-1], more[::-1], strict=True):
            v, below = v + scale * (above - below), above
        return v

    return predict


def check(
    num_inference_steps: int, guidance_scale: float, eta: float, strength: float = 1.0, sketch_scale: float = 1.0
) -> None:
    """Raises ValueError, in one sentence with the range, for what sampling can't be asked for."""
    if not 1 <= num_inference_steps <= TRAIN_STEPS:
        raise ValueError(f"num_inference_steps must be from 1 to {TRAIN_STEPS}, not {num_inference_steps}.")
    if not 0 <= guidance_scale <= MAX_GUIDANCE:  # NaN compares as False
        raise ValueError(f"guidance_scale must be from 0 to {MAX_GUIDANCE:g}, not {guidance_scale}.")
    if not 0 <= sketch_scale <= MAX_GUIDANCE:
        raise ValueError(f"sketch_scale must be from 0 to {MAX_GUIDANCE:g}, not {sketch_scale}.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 to 1, not {eta}.")
    if not 0 < strength <= 1:
        raise ValueError(f"strength must be above 0 and at most 1, not {strength}.")


# -- the steps ---------------------------------------------------------------------------------------------------------


def denoise(
    predict: Predict,
    scheduler: Any,
    start: Callable[[float, float], Tensor],
    num_inference_steps: int,
    *,
    generator: Generator | Sequence[Generator] | None,
    strength: float = 1.0,
    eta: float = 0.0,
    step_ends: Sequence[float] = EVEN,
    edit: Callable[[Tensor], Tensor] = lambda clean: clean,
) -> Iterator[Step]:
    """From noisy pictures to clean ones, by any of the schedulers: one Step before each, and the result (sigma 0).

    start: (alpha, sigma) -> the pictures to begin with; strength: how far from the clean end that is, 1 = pure noise.
    eta: how much fresh noise DDIM adds (0 none, 1 as much as DDPM); the others don't know it. step_ends: see `levels`.
    edit: applied to every prediction of the clean picture, which is clipped to [-1, 1] in any case.
    """
    scheduler, steps = begin(scheduler, num_inference_steps, strength, step_ends)
    extra: dict[str, Any] = {}
    if isinstance(scheduler, (diffusers.DDIMScheduler, diffusers.DDPMScheduler)):
        extra["generator"] = list(generator) if isinstance(generator, Sequence) else generator
    if isinstance(scheduler, diffusers.DDIMScheduler):
        extra["eta"] = eta
    x: Any = None
    for t in steps:
        step, angle = noise_level(scheduler, t)
        alpha, sigma = math.cos(angle), math.sin(angle)
        if x is None:
            noisy = start(alpha, sigma)
            x = noisy / scheduler.scale_model_input(torch.ones(()), t)  # some schedulers count in x / alpha
        else:
            noisy = scheduler.scale_model_input(x, t)
        clean = edit((alpha * noisy - sigma * predict(noisy, step)).clamp(-1, 1))
        yield Step(noisy, clean, sigma)
        x = scheduler.step((alpha * noisy - clean) / sigma, t, x, **extra).prev_sample
    x = edit(x.clamp(-1, 1))
    yield Step(x, x, 0.0)


def begin(
    scheduler: Any, num_inference_steps: int, strength: float, step_ends: Sequence[float] = EVEN
) -> tuple[Any, Tensor]:
    """The scheduler, ready, and its own steps: as many as asked for, from the share `strength` of all noise on.

    step_ends counts from pure noise on; iPNDM and Heun, which begin a little below, take even steps in any case.
    """
    length = max(1, round(strength * TRAIN_STEPS))  # of the noise schedule that is used, from the clean end
    steps = min(num_inference_steps, length)
    if isinstance(scheduler, diffusers.IPNDMScheduler):
        # its own steps begin where alpha = 0, and there it takes the clean picture to be 0: begin a little below
        sigmas = torch.linspace(float(angles()[length - 1]), 0, steps + 1, dtype=torch.float64).sin()
        scheduler.register_to_config(trained_betas=sigmas.tolist())
    elif length < TRAIN_STEPS:
        part = {"num_train_timesteps": length, "trained_betas": scheduler.betas[:length].tolist()}
        scheduler = type(scheduler).from_config(scheduler.config, **part)
    elif tuple(step_ends) != EVEN and not isinstance(scheduler, diffusers.HeunDiscreteScheduler):
        scheduler = _with_levels(scheduler, levels((step_ends[0], step_ends[1])))
    if isinstance(scheduler, diffusers.HeunDiscreteScheduler):
        # where alpha is almost 0, its second order would multiply small errors: begin a little below, too
        first = min(HEUN_FIRST, length - 1)
        scheduler.set_timesteps(timesteps=torch.linspace(first, 0, steps + 1)[:-1].round().int().tolist())
    else:
        scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # else it looks for its first step, and finds the second where two are alike
    return scheduler, scheduler.timesteps


def _with_levels(scheduler: Any, table: Tensor) -> Any:
    """The scheduler with another schedule: its steps 0, 1, … have the angles of the table."""
    kept = table.cos().square()
    betas = 1 - kept / torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
    scheduler = type(scheduler).from_config(scheduler.config, trained_betas=betas.tolist())
    scheduler.levels = table
    return scheduler


def noise_level(scheduler: Any, t: Tensor) -> tuple[float, float]:
    """(training step, angle) of a scheduler's own step t; both may lie between two training steps."""
    if hasattr(scheduler, "levels"):
        angle = float(scheduler.levels[int(t)])
        return step_of(angle), angle
    if isinstance(scheduler, diffusers.IPNDMScheduler):
        angle = float(t) * math.pi / 2
        return step_of(angle), angle
    return float(t), float(_between(t.detach().cpu().double()))


def step_of(angle: float) -> float:
    """The training step, between two as it may be, whose noise level is nearest to the angle."""
    table = angles()
    right = int(torch.searchsorted(table, angle).clamp(1, TRAIN_STEPS - 1))
    low, high = float(table[right - 1]), float(table[right])
    return min(max(right - 1 + (angle - low) / (high - low), 0.0), TRAIN_STEPS - 1.0)


# -- the pipeline ------------------------------------------------------------------------------------------------------


class PatchDiffusionPipeline(diffusers.DiffusionPipeline):
    """Small pictures of a class, or of a caption if there is a text encoder. Its scheduler can be swapped for any other
    of SCHEDULERS, e.g. `pipe.scheduler = HeunDiscreteScheduler.from_config(pipe.scheduler.config)`."""

    model_cpu_offload_seq = "text_encoder->unet"
    _optional_components = ["text_encoder", "tokenizer"]  # noqa: RUF012  a list, as diffusers has it

    def __init__(
        self,
        unet: nn.Module,
        scheduler: Any,
        text_encoder: nn.Module | None = None,
        tokenizer: Any = None,
        patch_size: int = 2,
        num_inference_steps: int = 8,
        guidance_scale: float = 1.5,
        sketch_scale: float = 1.5,
        guidance_interval: Sequence[float] = EVERYWHERE,
        step_ends: Sequence[float] = EVEN,
    ) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, text_encoder=text_encoder, tokenizer=tokenizer)
        self.register_to_config(
            patch_size=patch_size, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            sketch_scale=sketch_scale, guidance_interval=list(guidance_interval), step_ends=list(step_ends),
        )  # fmt: skip

    @torch.no_grad()
    def __call__(
        self,
        class_labels: int | Sequence[int] | None = None,
        prompt: str | Sequence[str] | None = None,
        *,
        num_images: int = 1,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        sketch: Tensor | None = None,
        sketch_scale: float | None = None,
        eta: float = 0.0,
        generator: Generator | Sequence[Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Pictures, one per class or caption; `num_images` without either, or of a single one.

        sketch: for a model that follows sketches, `(1 or B, 1, H, W)`, 0 = paper, 1 = ink; sketch_scale: how closely.
        generator: one for all pictures, or a list of one per picture. output_type: "pil", "np" `(B, H, W, C)` in [0, 1],
        or "pt" `(B, C, H, W)` in [-1, 1]. Raises ValueError for numbers out of range.
        """
        told = prompt if self.text_encoder is not None else class_labels
        given: Sequence[int | str | None] = (
            [told] * num_images if told is None or isinstance(told, (int, str)) else list(told)
        )
        steps = self.config.num_inference_steps if num_inference_steps is None else num_inference_steps
        scale = self.config.guidance_scale if guidance_scale is None else guidance_scale
        closely = self.config.sketch_scale if sketch_scale is None else sketch_scale
        check(steps, scale, eta, sketch_scale=closely)
        told_more = [self._condition(values) for values in ([None] * len(given), given)]
        scales, noise = [scale], self._noise(len(given), generator)
        if self._follows_sketches:
            told_more = [condition | sketched(None, noise) for condition in told_more]
        if sketch is not None:
            told_more, scales = [*told_more, told_more[-1] | sketched(sketch, noise)], [scale, closely]
        predict = guided(self.unet, self.config.patch_size, told_more, scales, self.config.guidance_interval)
        moments = denoise(
            predict, self.scheduler, lambda _, sigma: noise, steps,
            generator=generator, eta=eta, step_ends=self.config.step_ends,
        )  # fmt: skip
        for moment in self.progress_bar(moments):
            images = moment.clean
        if output_type != "pt":
            images = (images / 2 + 0.5).permute(0, 2, 3, 1).cpu().numpy()
            images = self.numpy_to_pil(images) if output_type == "pil" else images
        return diffusers.ImagePipelineOutput(images=images) if return_dict else (images,)

    @property
    def _follows_sketches(self) -> bool:
        return self.unet.config.in_channels != self.unet.config.out_channels

    def _noise(self, n: int, generator: Generator | Sequence[Generator] | None) -> Tensor:
        from diffusers.utils.torch_utils import randn_tensor

        p, size = self.config.patch_size, self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        shape = (n, self.unet.config.out_channels // p**2, height * p, width * p)
        generator = list(generator) if isinstance(generator, Sequence) else generator
        # in float32 whatever the network's precision: a seed gives the same picture in each, up to rounding
        return randn_tensor(shape, generator=generator, device=self._execution_device, dtype=torch.float32)

    def _condition(self, given: Sequence[int | str | None]) -> Condition:
        device = self._execution_device
        if self.text_encoder is None:
            none = self.unet.config.num_class_embeds - 1
            if wrong := [c for c in given if not (c is None or (isinstance(c, int) and -1 <= c < none))]:
                raise ValueError(f"There is no class {wrong[0]!r}; the classes are 0 to {none - 1}.")
            labels = [c if isinstance(c, int) and c >= 0 else none for c in given]
            return {"class_labels": torch.tensor(labels, device=device)}
        length = self.text_encoder.config.max_position_embeddings
        tokens = self.tokenizer(
            [text or "" for text in given],
            padding="max_length",
            truncation=True,
            max_length=length,
            return_tensors="pt",
        ).input_ids.to(device)
        return text_condition(self.text_encoder, tokens, self.tokenizer.pad_token_id)
