"""Faults planted in good recordings, and what the data doctor should say of each."""

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfiltfilt

from cohort.ecg import ECG

RECORDER_HZ = 150.0  # the bandwidth of a diagnostic ECG
FINE_HZ = 32_000.0


def flat_lead(ecg: ECG, rng: np.random.Generator) -> ECG:
    """A chest electrode off from some moment on, for 2 s or more."""
    signal = ecg.signal.copy()
    first = int(rng.integers(0, round(8 * ecg.sampling_rate)))
    signal[rng.integers(6, 12), first:] = 0
    return ECG(signal, ecg.sampling_rate)


def clipped_lead(ecg: ECG, rng: np.random.Generator) -> ECG:
    """A lead of 3 mV, offset included, in an amplifier of 2."""
    signal = ecg.signal.copy()
    lead = rng.integers(6, 12)
    signal[lead] *= 3 / max(0.1, np.abs(signal[lead]).max())
    signal[lead] = np.clip(2 * signal[lead], -2, 2)
    return ECG(signal, ecg.sampling_rate)


def noisy_lead(ecg: ECG, rng: np.random.Generator) -> ECG:
    """Muscle noise of 0.1 to 0.3 mV, from 20 Hz up, on a chest lead."""
    signal = ecg.signal.copy()
    white = rng.normal(size=signal.shape[1])
    highest = min(RECORDER_HZ, 0.45 * ecg.sampling_rate)
    band = sosfiltfilt(butter(2, [20, highest], "bandpass", fs=ecg.sampling_rate, output="sos"), white)
    signal[rng.integers(6, 12)] += (rng.uniform(0.1, 0.3) / band.std() * band).astype(np.float32)
    return ECG(signal, ecg.sampling_rate)


def swapped_arms(ecg: ECG, rng: np.random.Generator | None = None) -> ECG:
    """I upside down, II and III exchanged, aVR and aVL exchanged; Wilson's terminal, so V1 to V6, as they were."""
    one, two, three, avr, avl, avf = ecg.signal[:6]
    return ECG(np.stack([-one, three, two, avl, avr, avf, *ecg.signal[6:]]), ecg.sampling_rate)


def paced(ecg: ECG, rng: np.random.Generator) -> ECG:
    """Pulses of 2 to 5 mV and 0.5 to 2 ms in front of 67 beats a minute. AAMI EC11 asks recorders to mark these."""
    count = ecg.signal.shape[1]
    pulses = np.zeros(round(count / ecg.sampling_rate * FINE_HZ))
    height, width_s = rng.uniform(2, 5), rng.uniform(0.5e-3, 2e-3)
    for moment in np.arange(rng.uniform(0.1, 0.9), count / ecg.sampling_rate, 0.9):
        first = round(moment * FINE_HZ)
        pulses[first : first + round(width_s * FINE_HZ)] = height
    pulses = sosfiltfilt(butter(2, RECORDER_HZ, fs=FINE_HZ, output="sos"), pulses)
    seen = pulses[np.minimum((np.arange(count) / ecg.sampling_rate * FINE_HZ).astype(int), len(pulses) - 1)]
    one, two, *chest = rng.uniform(-1, 1, 8)
    direction = np.array([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *chest])
    direction /= np.abs(direction).max()
    return ECG((ecg.signal + np.outer(direction, seen)).astype(np.float32), ecg.sampling_rate)


ECG_FAULTS: dict[str, Callable[[ECG, np.random.Generator], ECG]] = {
    "ecg_lead_flat": flat_lead,
    "ecg_lead_clipped": clipped_lead,
    "ecg_lead_noisy": noisy_lead,
    "ecg_arms_swapped": swapped_arms,
    "ecg_paced": paced,
}
