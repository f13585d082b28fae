import torch

from training.augmentation import augment_ecg
from training.order import keyed_generator


def strips(batch=8):
    time = torch.arange(500) / 250
    beat = torch.exp(-((time % 1 - 0.3) ** 2) / 2e-4)  # one R wave a second
    return torch.linspace(0.3, 2.0, 12)[None, :, None] * beat.expand(batch, 12, -1)


def test_shapes_stay_and_an_absent_lead_stays_absent():
    mask = torch.rand(8, 12, generator=keyed_generator("mask")) > 0.4
    signal, kept = augment_ecg(strips(), mask, keyed_generator(0))
    assert signal.shape == (8, 12, 500) and kept.shape == mask.shape and kept.dtype == torch.bool
    assert not (kept & ~mask).any()
    assert signal.isfinite().all()


def test_at_most_a_tenth_of_the_leads_is_lost_on_average():
    mask = torch.ones(4000, 12, dtype=torch.bool)
    _, kept = augment_ecg(torch.zeros(4000, 12, 1), mask, keyed_generator(0))
    assert 0.03 < 1 - kept.float().mean() < 0.07


def test_amplitude_survives_because_it_tells_of_mass():
    strip = strips(64)
    signal, _ = augment_ecg(strip, torch.ones(64, 12, dtype=torch.bool), keyed_generator(0))
    ratio = signal.amax(dim=2)[:, -1] / strip.amax(dim=2)[:, -1]
    assert (ratio - 1).abs().max() < 0.15 and (ratio - 1).abs().mean() < 0.06


def test_leads_are_shifted_together_and_people_apart():
    strip = strips(16)
    signal, _ = augment_ecg(strip, torch.ones(16, 12, dtype=torch.bool), keyed_generator(0))
    peak = signal[:, :, :250].argmax(dim=2)  # the beat repeats every 250 samples
    assert ((peak[:, 4:] - peak[:, -1:]).abs() <= 1).all()
    assert len(set(peak[:, -1].tolist())) > 8


def test_the_given_signal_is_left_alone():
    strip, mask = strips(), torch.ones(8, 12, dtype=torch.bool)
    augment_ecg(strip, mask, keyed_generator(0))
    assert torch.equal(strip, strips()) and mask.all()
