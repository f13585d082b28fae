"""What the denoiser learns: rectified flow on the slices of hearts, and what the condition alone tells."""

import torch
from torch import Generator, Tensor, nn

TIMESTEPS = 1000  # the scale diffusers' flow schedulers give to sigma in [0, 1]


class HeartDenoiser(nn.Module):
    """Encoder, conditioner and UNet as the one module that Accelerate wraps.

    Args:
        ecg_encoder, conditioner, unet: of models/.
        denoise: models.unet.denoise_heart, handed in so that this room imports no model.
    """

    def __init__(self, ecg_encoder: nn.Module, conditioner: nn.Module, unet: nn.Module, denoise) -> None:
        super().__init__()
        self.ecg_encoder, self.conditioner, self.unet = ecg_encoder, conditioner, unet
        self._denoise = denoise

    def forward(self, batch, noisy: Tensor, sigma: Tensor, ecg_present: Tensor, person_present: Tensor):
        """Predict the velocity and the targets of a batch (cohort.dataset.HeartBatch).

        Args:
            noisy: (batch, slices, channels, height, width); sigma: (batch,) in [0, 1].
            ecg_present, person_present: (batch,) bool, False where the condition is dropped.

        Returns:
            velocity, of the shape of `noisy`, and standardised targets (batch, K) read off the condition.
        """
        tokens, pooled = self.ecg_encoder(batch.ecg, batch.lead_mask)  # (B, N, D), (B, D)
        tokens, summary = self.conditioner(tokens, pooled, batch.person, ecg_present, person_present)  # (B, M, D)
        velocity = self._denoise(
            self.unet, noisy, sigma * TIMESTEPS, batch.level_mm, batch.phase, tokens, summary
        )  # (B, S, C, h, w)
        return velocity, self.conditioner.targets(summary)  # (B, S, C, h, w), (B, K)

    def condition_only(self, batch, ecg_present: Tensor, person_present: Tensor) -> Tensor:
        """The standardised targets (batch, K) without any denoising."""
        tokens, pooled = self.ecg_encoder(batch.ecg, batch.lead_mask)  # (B, N, D), (B, D)
        _, summary = self.conditioner(tokens, pooled, batch.person, ecg_present, person_present)  # (B, D + K)
        return self.conditioner.targets(summary)  # (B, K)


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
