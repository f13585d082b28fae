"""Slices <-> latents. The one object that knows the measured mean and spread of the latents."""

import torch
from diffusers import AutoencoderKL, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from einops import rearrange
from torch import Tensor


class SliceAutoencoder(ModelMixin, ConfigMixin):
    """A pixel-unshuffle in front of a stock AutoencoderKL: f = unshuffle * 2, cheap because nothing runs at full size.

    Pixels are in [0, 1]. Latents leave `encode` standardised by the statistics MEASURED on the training slices
    (`set_latent_statistics`); until they are measured, encode and decode refuse.

    Args:
        width: channels of the convolutions.
        latent_channels: channels of the latents.
        unshuffle: side of the pixel block folded into channels.
        latents_mean, latents_std: per latent channel, measured; None before that.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 32,
        latent_channels: int = 4,
        unshuffle: int = 4,
        latents_mean: tuple[float, ...] | None = None,
        latents_std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.kl = AutoencoderKL(
            in_channels=unshuffle**2,
            out_channels=unshuffle**2,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(width, 2 * width),
            latent_channels=latent_channels,
            layers_per_block=1,
            norm_num_groups=8,
            mid_block_add_attention=False,
        )

    @property
    def downsampling(self) -> int:
        """Pixels per latent cell along one side (f)."""
        return 2 * self.config.unshuffle

    def posterior(self, slices: Tensor) -> DiagonalGaussianDistribution:
        """(n, 1, height, width) pixels in [0, 1] -> the raw, unstandardised Gaussian over latents."""
        side = self.config.unshuffle
        folded = rearrange(2 * slices - 1, "n 1 (h a) (w b) -> n (a b) h w", a=side, b=side)  # (N, a*b, H/a, W/b)
        return self.kl.encode(folded).latent_dist  # (N, C, H/f, W/f)

    def pixels(self, raw: Tensor) -> Tensor:
        """Raw latents (n, channels, height / f, width / f) -> (n, 1, height, width), about [0, 1], unclipped."""
        side = self.config.unshuffle
        folded = self.kl.decode(raw).sample  # (N, a*b, H/a, W/b)
        return rearrange(folded, "n (a b) h w -> n 1 (h a) (w b)", a=side, b=side) / 2 + 0.5  # (N, 1, H, W)

    def set_latent_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the measured per-channel mean and standard deviation of raw latents in the configuration."""
        self.register_to_config(latents_mean=tuple(mean.tolist()), latents_std=tuple(std.tolist()))

    def encode(self, slices: Tensor) -> Tensor:
        """(n, 1, height, width) pixels in [0, 1] -> standardised latents (n, channels, height / f, width / f)."""
        mean, std = self._statistics(slices)
        return (self.posterior(slices).mode() - mean) / std  # (N, C, H/f, W/f)

    def decode(self, latents: Tensor) -> Tensor:
        """Standardised latents (n, channels, h, w) -> pixels (n, 1, height, width) clipped to [0, 1]."""
        mean, std = self._statistics(latents)
        return self.pixels(latents * std + mean).clamp(0, 1)  # (N, 1, H, W)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.latents_mean is None:
            raise ValueError("the latent mean and std of this autoencoder were never measured")
        mean, std = (torch.tensor(s, device=like.device) for s in (self.config.latents_mean, self.config.latents_std))
        return mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)
