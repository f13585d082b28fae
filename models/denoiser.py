"""The denoiser: a stock UNet2DConditionModel whose coarse attention runs over all slices of one heart."""

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.embeddings import get_timestep_embedding
from einops import rearrange
from torch import Tensor

from .places import Places

TIMESTEPS = 1000  # what diffusers' UNets and flow schedulers call sigma = 1
POSITION_FEATURES, PHASE_FEATURES = 16, 8
CELL_FEATURES = 2  # column and row of a latent cell


class HeartAttnProcessor(AttnProcessor2_0):
    """Fold the slices of a heart into one sequence: self-attention sees the whole heart.

    Cross-attention is folded likewise, so a heart's tokens are given once and not once a slice.
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


class HeartDenoiser(ModelMixin, ConfigMixin):
    """Velocity of a heart's latents under rectified flow, all its slices together.

    Convolutions at the fine levels, attention over the heart at the coarsest one. Attention at the finest level would
    cost more than all the rest, for a fifth more operations.

    Args:
        latent_channels, latent_size: of the autoencoder's latents.
        token_width: of the tokens for cross-attention.
        condition_length: of the global condition (HeartConditioner.condition_length).
        widths: channels of each level. layers: residual blocks a level.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int,
        latent_size: tuple[int, int],
        token_width: int,
        condition_length: int,
        widths: tuple[int, ...] = (64, 128),
        layers: int = 1,
    ) -> None:
        super().__init__()
        fine = len(widths) - 1
        self.unet = UNet2DConditionModel(
            sample_size=latent_size,
            in_channels=latent_channels + CELL_FEATURES,
            out_channels=latent_channels,
            block_out_channels=widths,
            layers_per_block=layers,
            down_block_types=("DownBlock2D",) * fine + ("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * fine,
            attention_head_dim=widths[-1] // 32,  # diffusers' name for the number of heads
            cross_attention_dim=token_width,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=POSITION_FEATURES + PHASE_FEATURES + condition_length,
        )
        self.unet.set_attn_processor(HeartAttnProcessor())

    def forward(self, latents: Tensor, sigma: Tensor, places: Places, tokens: Tensor, condition: Tensor) -> Tensor:
        """Predict noise - latents.

        Args:
            latents: (batch, slices, channels, height, width), noisy. A slice is one plane at one phase.
            sigma: (batch,) share of noise, in [0, 1].
            places: of batch x slices planes; of a pose, the position along the long axis is used.
            tokens: (batch, n, token_width). condition: (batch, condition_length), the same for all slices of a heart.

        Returns:
            velocity, of the shape of `latents`.
        """
        slices = latents.shape[1]
        about = torch.cat([place_features(places), condition.float().unsqueeze(1).expand(-1, slices, -1)], dim=-1)
        flat = rearrange(latents, "b s c h w -> (b s) c h w")  # (B*S, C, h, w)
        velocity = self.unet(
            torch.cat([flat, cell_features(flat)], dim=1),  # (B*S, C + 2, h, w)
            (sigma * TIMESTEPS).repeat_interleave(slices),  # (B*S,)
            encoder_hidden_states=tokens,
            class_labels=rearrange(about, "b s d -> (b s) d").to(latents.dtype),
            cross_attention_kwargs={"slices": slices},
        ).sample  # (B*S, C, h, w)
        return rearrange(velocity, "(b s) c h w -> b s c h w", s=slices)  # (B, S, C, h, w)


def place_features(places: Places) -> Tensor:
    """Sine and cosine features of position and phase: (B, S, POSITION_FEATURES + PHASE_FEATURES)."""
    position, angle = places.slice_position_mm / 10, places.phase * 2 * torch.pi  # (B, S)
    features = [
        get_timestep_embedding(position.flatten(), POSITION_FEATURES, downscale_freq_shift=0, max_period=100),
        get_timestep_embedding(angle.flatten(), PHASE_FEATURES, downscale_freq_shift=0, max_period=10),
    ]
    return torch.cat(features, dim=-1).unflatten(0, places.phase.shape)


def cell_features(latents: Tensor) -> Tensor:
    """Column and row of every cell, -1 to 1: (n, C, h, w) -> (n, 2, h, w). The grid is centred on the heart."""
    n, _, height, width = latents.shape
    y, x = (torch.linspace(-1, 1, side, device=latents.device) for side in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy")).to(latents).expand(n, -1, -1, -1)
