"""Tiny text-to-image pipelines of random weights, built of all the true components: Stable Diffusion and Flux."""

from pathlib import Path
from typing import Any

import torch

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
LENGTH = 16  # tokens of a prompt


def clip() -> dict[str, Any]:
    """A CLIP text encoder and its tokenizer, which knows letters only."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": len(tokens) - 1}
    config = CLIPTextConfig(
        vocab_size=len(tokens), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=LENGTH, **ends,
    )  # fmt: skip
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=LENGTH)
    return {"text_encoder": CLIPTextModel(config), "tokenizer": tokenizer}


def autoencoder(**options: Any) -> Any:
    """It makes eight pixels on a side of each latent one, as large ones do."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 16), layers_per_block=1, norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **options,
    )  # fmt: skip


def stable_diffusion(seed: int = 0) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )  # fmt: skip
    return StableDiffusionPipeline(
        vae=autoencoder(), unet=unet, scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False, **clip(),
    )  # fmt: skip


def flux(seed: int = 0) -> Any:
    """A transformer in place of the U-Net, two text encoders, latents packed into a sequence."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(seed)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -1.0), *((letter, -2.0) for letter in LETTERS)]
    encoder = T5EncoderModel(T5Config(vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=autoencoder(shift_factor=0.1, scaling_factor=0.5),
        text_encoder_2=encoder, tokenizer_2=T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=LENGTH),
        transformer=transformer, **clip(),
    )  # fmt: skip


def save(pipeline: Any, folder: Path, *, half: bool = False, **options: Any) -> None:
    """As a repo holds it; half: float16 weights beside the float32 ones."""
    pipeline.save_pretrained(folder, **options)
    if half:
        pipeline.to(torch.float16).save_pretrained(folder, variant="fp16")
        pipeline.to(torch.float32)
