"""The denoiser: a stock UNet2DConditionModel whose coarse attention runs over all slices of one heart."""

from typing import NamedTuple

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from einops import rearrange
from torch import Tensor

from .ecg_encoder import sinusoid


class Preset(NamedTuple):
    unet_widths: tuple[int, ...]
    unet_layers: int
    ecg_width: int  # of every token and of the embedding
    ecg_layers: int
    ecg_heads: int
    autoencoder_width: int


PRESETS = {  #      UNet widths    layers  ECG width layers heads  autoencoder
    "nano": Preset((64, 128), 1, 128, 2, 4, 32),  # minutes on a CPU
    "base": Preset((128, 256, 384), 2, 256, 6, 8, 64),  # one GPU
    "large": Preset((192, 384, 768), 3, 512, 12, 8, 96),  # several GPUs
}

LEVEL_FEATURES, PHASE_FEATURES = 16, 8


def preset_for(preset: str, device: str) -> str:
    """The preset asked for; "auto" is nano on a CPU and base on anything faster."""
    return preset if preset != "auto" else "nano" if device == "cpu" else "base"


class HeartAttnProcessor(AttnProcessor2_0):
    """Fold the slices of a heart into one sequence: self-attention sees the whole heart.

    Cross-attention is folded likewise, so that a heart's condition is given once and not once a slice.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        slices: int = 1,
    ) -> Tensor:
        heart = rearrange(hidden_states, "(b s) n c -> b (s n) c", s=slices)  # (B, S*N, C)
        heart = super().__call__(attn, heart, encoder_hidden_states, attention_mask, temb)  # (B, S*N, C)
        return rearrange(heart, "b (s n) c -> (b s) n c", s=slices)  # (B*S, N, C)


def build_unet(preset: Preset, latent_channels: int, latent_size: tuple[int, int], told: int) -> UNet2DConditionModel:
    """A stock UNet: convolutions at the fine levels, attention (joined over the heart) at the coarsest one.

    Attention at the finest level would cost more than all the rest, for a fifth more operations.

    Args:
        latent_channels, latent_size: of the autoencoder's latents.
        told: length of what a heart's slices are told alike (HeartConditioner.told_length).
    """
    channels = preset.unet_widths
    fine = len(channels) - 1
    unet = UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=latent_channels + 2,  # and where each cell lies: column and row
        out_channels=latent_channels,
        block_out_channels=channels,
        layers_per_block=preset.unet_layers,
        down_block_types=("DownBlock2D",) * fine + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * fine,
        attention_head_dim=channels[-1] // 32,  # diffusers' name for the number of heads
        cross_attention_dim=preset.ecg_width,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=LEVEL_FEATURES + PHASE_FEATURES + told,
    )
    return join_slices(unet)


def join_slices(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Give a fresh or loaded UNet the processor that joins the slices of a heart (processors are not saved)."""
    unet.set_attn_processor(HeartAttnProcessor())
    return unet


def coordinates(latents: Tensor) -> Tensor:
    """Column and row of every cell, -1 to 1: (n, C, h, w) -> (n, 2, h, w); place has meaning here."""
    n, _, height, width = latents.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y]).to(latents).expand(n, -1, -1, -1)


def denoise_heart(
    unet: UNet2DConditionModel,
    latents: Tensor,
    timesteps: Tensor,
    level_mm: Tensor,
    phase: Tensor,
    tokens: Tensor,
    told: Tensor,
) -> Tensor:
    """One evaluation of the denoiser on hearts of any number of slices and phases.

    Args:
        latents: (batch, slices, channels, height, width) noisy latents; `slices` counts (level, phase) pairs.
        timesteps: (batch,), 0 to 1000.
        level_mm: (batch, slices) distance of the slice from the heart's centre towards the apex, mm.
        phase: (batch, slices) place in the cycle's frames, ED 0, below 1 (of 2 phases ES is 0.5).
        tokens: (batch, n, width) and told: (batch, told_length), of HeartConditioner.

    Returns:
        prediction of the shape of `latents`.
    """
    slices = latents.shape[1]
    place = torch.cat(
        [
            sinusoid(level_mm / 10, LEVEL_FEATURES, longest=100.0),
            sinusoid(phase * 2 * torch.pi, PHASE_FEATURES, longest=10.0),
            told.float().unsqueeze(1).expand(-1, slices, -1),
        ],
        dim=-1,
    )  # (B, S, L + P + D + K)
    flat = rearrange(latents, "b s c h w -> (b s) c h w")  # (B*S, C, h, w)
    out = unet(
        torch.cat([flat, coordinates(flat)], dim=1),  # (B*S, C + 2, h, w)
        timesteps.repeat_interleave(slices),
        encoder_hidden_states=tokens,
        class_labels=rearrange(place, "b s d -> (b s) d").to(latents.dtype),
        cross_attention_kwargs={"slices": slices},
    ).sample  # (B*S, C, h, w)
    return rearrange(out, "(b s) c h w -> b s c h w", s=slices)  # (B, S, C, h, w)
