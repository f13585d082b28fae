"""Losses and their inputs: heart codes from the condition, and rectified flow of codes and of hearts."""

import torch
from torch import Generator, Tensor

from models.conditioning import PERSON_FIELDS

FIELD_DROPOUT = 0.3  # probability; without it a heart of whom a further field is not known would be drawn worse


def dropped(batch: int, probability: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Independent dropping of ECG and person, for classifier-free guidance (Ho & Salimans 2022, algorithm 1).

    Returns:
        ecg_present, person_present: (batch,) bool.
    """
    keep = torch.rand(2, batch, generator=generator) >= probability  # (2, B)
    return keep[0], keep[1]


def without_some_fields(person: Tensor, generator: Generator) -> Tensor:
    """People (batch, 4 + F) with some of their further fields unknown, each dropped for itself.

    Without further fields nothing is drawn.
    """
    standard, further = person[:, : len(PERSON_FIELDS)], person[:, len(PERSON_FIELDS) :]
    if not further.shape[1]:
        return person
    kept = torch.rand(further.shape, generator=generator) >= FIELD_DROPOUT  # (B, F)
    return torch.cat([standard, torch.where(kept, further, torch.nan)], dim=1)


def interpolated(latents: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Rectified flow (Liu 2022, equation 1): the point at `sigma` between data and noise, and its velocity."""
    s = sigma.view(-1, *[1] * (latents.dim() - 1))
    return (1 - s) * latents + s * noise, noise - latents


def stratified_sigma(batch: int, generator: Generator) -> Tensor:
    """(batch,) uniform in [0, 1), one in each of `batch` equal parts in random order: less noise in the mean."""
    return (torch.randperm(batch, generator=generator) + torch.rand(batch, generator=generator)) / batch


def heart_window(size: tuple[int, int]) -> Tensor:
    """Weight of each pixel or latent cell (height, width), mean 1. The middle weighs most: the heart is there."""
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
