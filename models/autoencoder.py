"""Slices <-> latents. The one object that knows the measured mean and spread of the latents."""

import torch
from diffusers import AutoencoderKL, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from einops import rearrange
from torch import Tensor, nn


class SliceAutoencoder(ModelMixin, ConfigMixin):
    """A linear patch code plus a stock AutoencoderKL behind a pixel-unshuffle: f = unshuffle * 2.

    It is cheap: nothing runs at full size. It starts as patch PCA (`start_from_patches`) and is never worse. Both paths
    are added, in the code and in the picture, and trained together.

    Pixels are in [0, 1]. Latents leave `encode` standardised by the statistics MEASURED on the training slices
    (`set_latent_statistics`). Until they are measured, encode and decode refuse.

    Args:
        width: channels of the convolutions.
        latent_channels: channels of the latents.
        unshuffle: side of the pixel block folded into channels.
        latents_mean, latents_std, latents_weight: per latent channel, measured; None before that. The square of the
            weight is the share of the variance the channel has in what `encode` gives.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 32,
        latent_channels: int = 4,
        unshuffle: int = 4,
        latents_mean: tuple[float, ...] | None = None,
        latents_std: tuple[float, ...] | None = None,
        latents_weight: tuple[float, ...] | None = None,
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
        self.linear_encoder = nn.Conv2d(1, latent_channels, 2 * unshuffle, stride=2 * unshuffle)
        self.linear_decoder = nn.ConvTranspose2d(latent_channels, 1, 2 * unshuffle, stride=2 * unshuffle)

    @torch.no_grad()
    def start_from_patches(self, mean: Tensor, basis: Tensor, spread: Tensor) -> None:
        """Start as the best linear code: the convolutional paths are silent until trained.

        Args:
            mean: (f * f,) mean patch of pixels in [0, 1], of which only the mean pixel is used.
            basis: (f * f, latent_channels), orthonormal.
            spread: (latent_channels,) standard deviation of the code, which the raw latents are divided by.
        """
        kernel = (basis / spread).T.reshape(self.linear_encoder.weight.shape)
        self.linear_encoder.weight.copy_(kernel)
        self.linear_encoder.bias.copy_(-(basis / spread).T @ mean.mean().expand_as(mean))
        self.linear_decoder.weight.copy_((basis * spread).T.reshape(self.linear_decoder.weight.shape))
        self.linear_decoder.bias.fill_(float(mean.mean()))  # all pixels of a patch have nearly one mean
        for layer in (self.kl.quant_conv, self.kl.decoder.conv_out):
            layer.weight.zero_()
            layer.bias.zero_()
        self.kl.quant_conv.bias[self.config.latent_channels :] = -6.0  # log variance: almost no noise at first

    @property
    def downsampling(self) -> int:
        """Pixels per latent cell along one side (f)."""
        return 2 * self.config.unshuffle

    def posterior(self, slices: Tensor) -> DiagonalGaussianDistribution:
        """(n, 1, height, width) pixels in [0, 1] -> the raw, unstandardised Gaussian over latents."""
        side = self.config.unshuffle
        folded = rearrange(2 * slices - 1, "n 1 (h a) (w b) -> n (a b) h w", a=side, b=side)  # (N, a*b, H/a, W/b)
        mean, log_variance = self.kl.encode(folded).latent_dist.parameters.chunk(2, dim=1)  # (N, C, H/f, W/f) each
        return DiagonalGaussianDistribution(torch.cat([mean + self.linear_encoder(slices), log_variance], dim=1))

    def pixels(self, raw: Tensor) -> Tensor:
        """Raw latents (n, channels, height / f, width / f) -> (n, 1, height, width), about [0, 1], unclipped."""
        side = self.config.unshuffle
        folded = self.kl.decode(raw).sample  # (N, a*b, H/a, W/b)
        detail = rearrange(folded, "n (a b) h w -> n 1 (h a) (w b)", a=side, b=side) / 2  # (N, 1, H, W)
        return self.linear_decoder(raw) + detail  # (N, 1, H, W)

    def set_latent_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the measured per-channel mean and standard deviation of raw latents in the configuration.

        A channel that carries more of the picture is given more of the latents' variance: the square root of its
        share. So diffusion settles the shape of the heart before its grain. Over all channels the variance is 1.
        """
        contrast = std * self.linear_decoder.weight.detach().flatten(1).norm(dim=1)  # of a typical unit, in pixels
        weight = (contrast / contrast.mean()).sqrt()
        self.register_to_config(
            latents_mean=tuple(mean.tolist()), latents_std=tuple(std.tolist()), latents_weight=tuple(weight.tolist())
        )

    def encode(self, slices: Tensor) -> Tensor:
        """(n, 1, height, width) pixels in [0, 1] -> standardised latents (n, channels, height / f, width / f)."""
        mean, scale = self._statistics(slices)
        return (self.posterior(slices).mode() - mean) / scale  # (N, C, H/f, W/f)

    def decode(self, latents: Tensor) -> Tensor:
        """Standardised latents (n, channels, h, w) -> pixels (n, 1, height, width) clipped to [0, 1]."""
        mean, scale = self._statistics(latents)
        return self.pixels(latents * scale + mean).clamp(0, 1)  # (N, 1, H, W)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale, (1, channels, 1, 1): standardised = (raw - mean) / scale."""
        if self.config.latents_mean is None:
            raise ValueError("the latent mean and std of this autoencoder were never measured")
        mean, std, weight = (
            torch.tensor(values, device=like.device)
            for values in (self.config.latents_mean, self.config.latents_std, self.config.latents_weight)
        )
        return mean.view(1, -1, 1, 1), (std / weight).view(1, -1, 1, 1)
