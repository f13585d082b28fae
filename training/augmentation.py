"""ECG augmentation that leaves the heart the same. Images are never flipped: a mirrored heart is another heart."""

import torch
from torch import Generator, Tensor


def augment_ecg(signal: Tensor, lead_mask: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Shift in time, weak noise, lost leads.

    Voltages are NOT rescaled beyond 2 %: they tell the mass of the heart.

    Args:
        signal: (batch, leads, samples) mV; lead_mask: (batch, leads) bool.

    Returns:
        new tensors of the same shapes.
    """
    batch, leads, samples = signal.shape
    shift = torch.randint(samples, (batch, 1), generator=generator)  # (B, 1)
    places = (torch.arange(samples) + shift) % samples  # (B, T)
    signal = signal.gather(2, places.unsqueeze(1).expand(-1, leads, -1))  # (B, leads, T)
    gain = 1 + 0.02 * torch.randn(batch, 1, 1, generator=generator)  # (B, 1, 1)
    sigma = 0.02 * torch.rand(batch, 1, 1, generator=generator)  # (B, 1, 1) mV
    signal = gain * signal + sigma * torch.randn(signal.shape, generator=generator)
    lost = torch.rand(batch, 1, generator=generator) * 0.1  # (B, 1) up to a tenth of the leads
    return signal, lead_mask & (torch.rand(batch, leads, generator=generator) >= lost)
