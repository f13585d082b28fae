"""What is learned: the heart code from the condition, and rectified flow of codes and of the slices of hearts."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

TIMESTEPS = 1000  # the scale diffusers' flow schedulers give to sigma in [0, 1]


class ConditionReader(nn.Module):
    """ECG encoder and conditioner as the one module that Accelerate wraps: recordings and persons -> summary.

    Args:
        ecg_encoder, conditioner: of models/.
    """

    def __init__(self, ecg_encoder: nn.Module, conditioner: nn.Module) -> None:
        super().__init__()
        self.ecg_encoder, self.conditioner = ecg_encoder, conditioner

    def forward(
        self, ecg: Tensor, lead_mask: Tensor, person: Tensor, ecg_present: Tensor, person_present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (batch, n, width) and summary (batch, summary_length); arguments as of the parts."""
        tokens, pooled = self.ecg_encoder(ecg, lead_mask)  # (B, N, D), (B, D)
        return self.conditioner(tokens, pooled, person, ecg_present, person_present)  # (B, M, D), (B, D + K)


class HeartDenoiser(nn.Module):
    """The UNet as the one module that Accelerate wraps.

    Args:
        unet: of models/.
        denoise: models.unet.denoise_heart, handed in so that this room imports no model.
    """

    def __init__(self, unet: nn.Module, denoise: Callable[..., Tensor]) -> None:
        super().__init__()
        self.unet, self._denoise = unet, denoise

    def forward(self, noisy: Tensor, sigma: Tensor, batch, tokens: Tensor, told: Tensor) -> Tensor:
        """Predict the velocity of a batch (cohort.dataset.HeartBatch).

        Args:
            noisy: (batch, slices, channels, height, width); sigma: (batch,) in [0, 1].
            tokens: (batch, n, width) and told: (batch, told_length), of HeartConditioner.

        Returns:
            velocity, of the shape of `noisy`.
        """
        return self._denoise(self.unet, noisy, sigma * TIMESTEPS, batch.level_mm, batch.phase, tokens, told)


def dropped(batch: int, probability: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Independent dropping of ECG and person, for classifier-free guidance (Ho & Salimans 2022, algorithm 1).

    Returns:
        ecg_present, person_present: (batch,) bool.
    """
    keep = torch.rand(2, batch, generator=generator) >= probability  # (2, B)
    return keep[0], keep[1]


def interpolated(latents: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Rectified flow (Liu 2022, equation 1): the point at `sigma` between data and noise, and its velocity."""
    s = sigma.view(-1, *[1] * (latents.dim() - 1))
    return (1 - s) * latents + s * noise, noise - latents


def stratified_sigma(batch: int, generator: Generator) -> Tensor:
    """(batch,) uniform in [0, 1), one in each of `batch` equal parts in random order: less noise in the mean."""
    return (torch.randperm(batch, generator=generator) + torch.rand(batch, generator=generator)) / batch


def heart_window(size: tuple[int, int]) -> Tensor:
    """Weight of each pixel or latent cell (height, width), mean 1: the grid is centred on the heart, not on the arm."""
    y, x = (torch.linspace(-1, 1, length) for length in size)
    window = 0.25 + torch.exp(-(y[:, None] ** 2 + x**2) / (2 * 0.5**2))
    return window / window.mean()


def flow_loss(velocity: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the slices that were acquired, the middle of the grid counting most.

    Args:
        velocity, target: (batch, slices, channels, height, width); mask: (batch, slices) bool.
    """
    window = heart_window(target.shape[-2:]).to(target.device)  # (h, w)
    error = ((velocity.float() - target).square() * window).mean(dim=(2, 3, 4))  # (B, S)
    return (error * mask).sum() / mask.sum().clamp(min=1)


def target_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of standardised targets (batch, K) over those that are known (not NaN); 0 if none is."""
    known = ~targets.isnan()
    error = (predicted.float() - targets.nan_to_num()).square()  # (B, K)
    return (error * known).sum() / known.sum().clamp(min=1)


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear warm-up, then a cosine to zero; a function of the global step alone (a resumed run has no state)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = torch.tensor((step - warmup) / max(1, steps - warmup)).clamp(0, 1)
    return peak * float(0.5 * (1 + torch.cos(torch.pi * progress)))
