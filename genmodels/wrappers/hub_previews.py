"""What a pipeline of diffusers lets us hear of its steps, and how a picture looks halfway."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

#: How large the latent picture of a preview is at most: on a CPU the decoder costs as much as several steps would.
PREVIEW_SIDES = {"cpu": 12}
PREVIEW_SIDE = 32


def callback(pipeline: Any, after_step: Callable[[Any, int, Tensor | None], None]) -> dict[str, Any]:
    """A pipeline's arguments for hearing of each step; older ones know another form."""
    known = inspect.signature(pipeline.__call__).parameters
    if "callback_on_step_end" in known:

        def on_step_end(pipe: Any, step: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            after_step(pipe, step, tensors.get("latents"))
            return tensors

        return {"callback_on_step_end": on_step_end}
    if "callback" in known:
        return {"callback": lambda step, timestep, latents: after_step(pipeline, step, latents), "callback_steps": 1}
    return {}


@torch.no_grad()
def preview(pipeline: Any, latents: Tensor, height: int, width: int) -> Image.Image | None:
    """Latents averaged down and decoded by the pipeline's own VAE: a small picture, and less noisy than its latents.

    None where the latents are of another form than `(B, C, H, W)` of an AutoencoderKL, perhaps packed as Flux does it.
    """
    vae: Any = getattr(pipeline, "vae", None)
    scaling = getattr(getattr(vae, "config", None), "scaling_factor", None)
    unpack = getattr(pipeline, "_unpack_latents", None)
    if latents.ndim == 3 and unpack and list(inspect.signature(unpack).parameters)[1:3] == ["height", "width"]:
        latents = unpack(latents, height, width, pipeline.vae_scale_factor)
    if not scaling or latents.ndim != 4 or latents.shape[1] != getattr(vae.config, "latent_channels", None):
        return None
    side = PREVIEW_SIDES.get(latents.device.type, PREVIEW_SIDE) / max(latents.shape[-2:])
    small = nn.functional.interpolate(latents[:1].float(), scale_factor=min(1.0, side), mode="area")
    small = small / scaling + (getattr(vae.config, "shift_factor", None) or 0)
    # some decoders overflow in float16; autocast needs no second copy of them
    half = vae.dtype == torch.float16
    with torch.autocast(latents.device.type, torch.bfloat16, enabled=half):
        decoded = vae.decode(small if half else small.to(vae.dtype), return_dict=False)[0]
    return pipeline.image_processor.postprocess(decoded.float(), output_type="pil")[0]
