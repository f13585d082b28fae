"""The recorder of a simulated ECG: what disturbs it, what its filters pass, how it writes numbers."""

import numpy as np
from scipy.signal import butter, sosfilt, sosfiltfilt

from phantom.recording import Recording

SAMPLING_RATE_HZ = 500.0
MS_PER_SAMPLE = 2.0
STRIP_SAMPLES = 5000
RESOLUTION_MV = 0.005
EDGE_SAMPLES = 500  # rendered to either side of the strip, so that no filter starts inside it
TWICE = 1.25  # a filter run forwards and backwards passes 71 % (-3 dB) at its nominal frequency if set to this much
PHASELESS_HZ = 0.3  # high passes above this shift no phase in a real recorder, for they would bend the ST segment


def disturbance(recording: Recording, breath: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(8, T) mV: what reaches leads I, II, V1 to V6 besides the heart.

    It arises at the nine electrodes and meets in the leads as they are wired, so that the limbs' noise is in all of
    them. RMS are those of a chest lead, about.

    Args:
        breath: (T,) from -1 to 1; the baseline partly follows it.
    """
    samples = len(breath)
    hz = np.fft.rfftfreq(samples, 1 / SAMPLING_RATE_HZ)
    slow = (0.75 * recording.baseline_mv) ** 2 * _band(hz, 0.03, 0.5, 2.0)
    slow += (1e-3 * recording.motion_uv) ** 2 * _band(hz, 0.6, 9.0, 1.5)
    muscle = (1e-3 * recording.muscle_uv) ** 2 * _muscle_band(hz)
    strength = np.exp(0.35 * wandering(rng, samples, 1.2))
    noise = _gaussian(rng, slow, samples) + strength * _gaussian(rng, muscle, samples)
    noise += 0.9 * recording.baseline_mv * rng.normal(size=(9, 1)) * breath
    return joined(0.85 * noise) + _mains(recording, samples, rng)


def wandering(rng: np.random.Generator, samples: int, every_s: float) -> np.ndarray:
    """(T,) of SD 1, about: a number that drifts to another every so many seconds."""
    knots = np.arange(0, samples + 2 * every_s * SAMPLING_RATE_HZ, every_s * SAMPLING_RATE_HZ)
    return 1.2 * np.interp(np.arange(samples), knots, rng.normal(size=len(knots)))


def joined(electrodes: np.ndarray) -> np.ndarray:
    """(9, T) at the right arm, left arm, left leg, V1 to V6 -> (8, T) in leads I, II, V1 to V6."""
    right, left, foot, chest = electrodes[0], electrodes[1], electrodes[2], electrodes[3:]
    return np.concatenate([[left - right, foot - right], chest - (right + left + foot) / 3])


def _gaussian(rng: np.random.Generator, power: np.ndarray, samples: int) -> np.ndarray:
    """(9, T): Gaussian noise, independent at each electrode; `power` holds each frequency's part of the variance."""
    heard = int(np.flatnonzero(power > 1e-6 * power.max(initial=1e-30))[-1]) + 1 if power.any() else 1
    parts = rng.normal(size=(9, heard, 2)).view(complex)[:, :, 0] * np.sqrt(power[:heard])
    return np.fft.irfft(parts, samples) * (samples / 2)


def _band(hz: np.ndarray, low_hz: float, high_hz: float, slope: float) -> np.ndarray:
    """Shares of the variance: falling as frequency to the power of -slope from `low_hz` on, steeply past `high_hz`."""
    power = np.maximum(hz, low_hz) ** -slope / (1 + (hz / high_hz) ** 4) ** 2
    power[hz < low_hz] *= (hz[hz < low_hz] / low_hz) ** 4
    return power / power.sum()


def _muscle_band(hz: np.ndarray) -> np.ndarray:
    """Shares of the variance: rising to about 40 Hz and falling slowly, as the surface electromyogram does."""
    power = (hz / 25) ** 2 / (1 + (hz / 25) ** 2) / (1 + (hz / 45) ** 2)
    return power / power.sum()


def _mains(recording: Recording, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(8, T) mV: hum of its own strength and phase in each lead, with a little of its third harmonic."""
    seconds = np.arange(samples) / SAMPLING_RATE_HZ
    phase, level = rng.uniform(0, 2 * np.pi, size=(8, 1)), rng.uniform(0.5, 1.5, size=(8, 1))
    if not recording.mains_hz:
        return np.zeros((8, 1))
    turns = 2 * np.pi * recording.mains_hz * seconds + phase
    hum = np.sin(turns) + 0.15 * np.sin(3 * turns + 1.0)
    return np.sqrt(2) * 1e-3 * recording.mains_uv * level * hum


def filtered(recording: Recording, leads: np.ndarray) -> np.ndarray:
    """(8, T) through the recorder's filters. A slow high pass acts forwards only, as analogue ones do."""
    if recording.low_pass_hz:
        low = butter(2, TWICE * recording.low_pass_hz, "lowpass", fs=SAMPLING_RATE_HZ, output="sos")
        leads = sosfiltfilt(low, leads, axis=1, padtype=None)
    start = leads[:, :EDGE_SAMPLES].mean(axis=1, keepdims=True)
    high = butter(1, recording.high_pass_hz, "highpass", fs=SAMPLING_RATE_HZ, output="sos")
    if recording.high_pass_hz < PHASELESS_HZ:
        return sosfilt(high, leads - start, axis=1)
    return sosfiltfilt(high, leads - start, axis=1, padtype="even", padlen=EDGE_SAMPLES)


def twelve_leads(counts: np.ndarray) -> np.ndarray:
    """(8, T) whole counts of I, II, V1..V6 -> (12, T), rounded as a CardioSoft recorder does: III = II - I exactly."""
    one, two, chest = counts[0], counts[1], counts[2:]
    three = two - one
    augmented = [np.ceil(-(one + two) / 2), np.ceil((one - three) / 2), np.ceil((two + three) / 2)]
    return np.concatenate([[one, two, three], augmented, chest])
