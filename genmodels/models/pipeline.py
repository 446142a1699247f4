"""Sampling of a diffusion checkpoint with diffusers alone. A copy of this file lies in every such checkpoint's folder.

Notation: a noisy picture is x_t = alpha x + sigma eps with alpha^2 + sigma^2 = 1; the network predicts the velocity
v = alpha eps - sigma x, from which the clean picture is x = alpha x_t - sigma v. Steps t are 0..999, noise grows with t.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import diffusers
import torch
from torch import Generator, Tensor

TRAIN_STEPS = 1000
#: The noise schedule that the networks are trained on: alpha = cos(t pi / 2) but for rounding (Nichol & Dhariwal 2021).
SCHEDULE = {"num_train_timesteps": TRAIN_STEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
TRAILING = {"timestep_spacing": "trailing"}  # begin at the noisiest step, where nothing of the picture is left
#: What the visitor may swap: name -> (diffusers class, its options beside the noise schedule).
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
    "lcm": ("LCMScheduler", {"original_inference_steps": TRAIN_STEPS}),
}
#: (x_t in the scale that the network sees, its step t) -> the predicted velocity
Predict = Callable[[Tensor, float], Tensor]


class Step(NamedTuple):
    """One step of sampling: the noisy picture that it leaves, and the clean one that the network saw in the former."""

    noisy: Tensor
    clean: Tensor


def make_scheduler(name: str) -> Any:
    """A diffusers scheduler by the name of SCHEDULERS, for this noise schedule; ValueError that lists the names."""
    if name not in SCHEDULERS:
        raise ValueError(f"There is no scheduler {name[:40]!r}; the schedulers are {', '.join(SCHEDULERS)}.")
    kind, options = SCHEDULERS[name]
    # iPNDM is made for alpha = cos(t pi / 2) and velocities, and takes no schedule
    return getattr(diffusers, kind)(**({} if kind == "IPNDMScheduler" else SCHEDULE), **options)


def angles() -> Tensor:
    """atan(sigma / alpha) at every training step `(1000,)`, float64, rising from about 0 to about pi / 2."""
    alpha_bar = diffusers.DDPMScheduler(**SCHEDULE).alphas_cumprod.double()
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


def denoise(
    predict: Predict,
    scheduler: Any,
    noise: Tensor,
    num_inference_steps: int,
    *,
    generators: Sequence[Generator],
    eta: float = 0.0,
    edit: Callable[[Tensor], Tensor] = lambda clean: clean,
) -> Iterator[Step]:
    """From noise `(B, C, H, W)` to pictures, step by step, by any of the schedulers.

    edit: applied to every prediction of the clean picture, which is clipped to [-1, 1] in any case.
    eta: how much fresh noise DDIM adds (0 none, 1 as much as DDPM); the others don't know it.
    """
    set_steps(scheduler, num_inference_steps)
    table = angles()
    x = noise * scheduler.init_noise_sigma
    extra: dict[str, Any] = {}
    if isinstance(scheduler, diffusers.DDIMScheduler):
        extra = {"eta": eta, "generator": list(generators)}
    elif isinstance(scheduler, (diffusers.DDPMScheduler, diffusers.LCMScheduler)):
        extra = {"generator": list(generators)}
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        step, angle = noise_level(scheduler, t, table)
        alpha, sigma = torch.tensor(angle).cos().item(), torch.tensor(angle).sin().item()
        clean = edit((alpha * scaled - sigma * predict(scaled, step)).clamp(-1, 1))
        velocity = (alpha * scaled - clean) / sigma
        x = scheduler.step(velocity, t, x, **extra).prev_sample
        yield Step(x, clean)


def set_steps(scheduler: Any, num_inference_steps: int) -> None:
    if isinstance(scheduler, diffusers.IPNDMScheduler):
        # its own steps begin where alpha = 0, and there it takes the clean picture to be 0: begin a little below
        sigmas = torch.linspace(angles()[-1].item(), 0, num_inference_steps + 1, dtype=torch.float64).sin()
        scheduler.register_to_config(trained_betas=sigmas.tolist())
    scheduler.set_timesteps(num_inference_steps)


def noise_level(scheduler: Any, t: Tensor, table: Tensor) -> tuple[float, float]:
    """(training step, angle) of a scheduler's own step t; both may lie between two training steps."""
    if isinstance(scheduler, diffusers.IPNDMScheduler):
        angle = float(t) * torch.pi / 2
        right = int(torch.searchsorted(table, angle).clamp(1, TRAIN_STEPS - 1))
        low, high = float(table[right - 1]), float(table[right])
        return min(max(right - 1 + (angle - low) / (high - low), 0.0), TRAIN_STEPS - 1.0), angle
    left = min(int(t), TRAIN_STEPS - 2)
    share = float(t) - left
    return float(t), float((1 - share) * table[left] + share * table[left + 1])
