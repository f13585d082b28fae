"""The starting noise of a heart: one part shared by all its slices, one part of each slice's own."""

import torch
from torch import Generator, Tensor


def heart_noise(shape: tuple[int, ...], shared: float, generators: list[Generator]) -> Tensor:
    """Unit-variance Gaussian noise for hearts, correlated between the slices of one heart.

    The ECG leaves open how large the heart is and where exactly the right ventricle points. That is one choice per
    heart, not one per slice. A shared part lets it be made once.

    Args:
        shape: (batch, slices, channels, height, width).
        shared: fraction of the variance common to all slices of a heart, 0 to 1.
        generators: one per heart, so that a heart's noise does not depend on its neighbours in the batch.

    Returns:
        float32 noise on the generators' device.
    """
    hearts = []
    for generator in generators:
        draw = torch.randn((1 + shape[1], *shape[2:]), generator=generator, device=generator.device)  # (1 + S, C, h, w)
        hearts.append(shared**0.5 * draw[:1] + (1 - shared) ** 0.5 * draw[1:])
    return torch.stack(hearts)  # (B, S, C, h, w)
