"""The recorder of a simulated ECG: what disturbs it, what its filters pass, how it writes numbers."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
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
    slow = 0.75 * _coloured(rng, samples, 0.03, 0.5, 2.0)
    wander = recording.baseline_mv * (slow + 0.9 * breath * rng.normal(size=(9, 1)))
    motion = 1e-3 * recording.motion_uv * _coloured(rng, samples, 0.6, 9.0, 1.5)
    muscle = 1e-3 * recording.muscle_uv * _muscle(rng, samples)
    return _joined(0.85 * (wander + motion + muscle)) + _mains(recording, samples, rng)


def _joined(electrodes: np.ndarray) -> np.ndarray:
    """(9, T) at the right arm, left arm, left leg, V1 to V6 -> (8, T) in leads I, II, V1 to V6."""
    right, left, foot, chest = electrodes[0], electrodes[1], electrodes[2], electrodes[3:]
    return np.concatenate([[left - right, foot - right], chest - (right + left + foot) / 3])


def _coloured(rng: np.random.Generator, samples: int, low_hz: float, high_hz: float, slope: float) -> np.ndarray:
    """(9, T) of RMS 1: Gaussian noise, power falling as frequency to the power of -slope from `low_hz` on.

    Above `high_hz` it falls steeply, with no edge.
    """
    hz = np.fft.rfftfreq(samples, 1 / SAMPLING_RATE_HZ)
    shape = np.maximum(hz, low_hz) ** (-slope / 2) / (1 + (hz / high_hz) ** 4)
    shape[hz < low_hz] *= (hz[hz < low_hz] / low_hz) ** 2
    parts = rng.normal(size=(9, len(hz))) + 1j * rng.normal(size=(9, len(hz)))
    noise = np.fft.irfft(shape * parts, samples)
    return noise / noise.std(axis=1, keepdims=True)


def _muscle(rng: np.random.Generator, samples: int) -> np.ndarray:
    """(9, T) of RMS 1: power rises to about 40 Hz and falls slowly; its strength comes and goes within seconds."""
    hz = np.fft.rfftfreq(samples, 1 / SAMPLING_RATE_HZ)
    shape = (hz / 25) / np.sqrt(1 + (hz / 25) ** 2) / np.sqrt(1 + (hz / 60) ** 2)
    parts = rng.normal(size=(9, len(hz))) + 1j * rng.normal(size=(9, len(hz)))
    noise = np.fft.irfft(shape * parts, samples)
    strength = np.exp(0.35 * gaussian_filter1d(rng.normal(size=samples), 300) * np.sqrt(2 * np.sqrt(np.pi) * 300))
    noise *= strength
    return noise / noise.std(axis=1, keepdims=True)


def _mains(recording: Recording, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(8, T) mV: hum of its own strength and phase in each lead, with a little of its third harmonic."""
    seconds = np.arange(samples) / SAMPLING_RATE_HZ
    phase, level = rng.uniform(0, 2 * np.pi, size=(8, 1)), rng.uniform(0.5, 1.5, size=(8, 1))
    if not recording.mains_hz:
        return np.zeros((8, samples))
    turns = 2 * np.pi * recording.mains_hz * seconds + phase
    hum = np.sin(turns) + 0.15 * np.sin(3 * turns + 1.0)
    return np.sqrt(2) * 1e-3 * recording.mains_uv * level * hum


def filtered(recording: Recording, leads: np.ndarray) -> np.ndarray:
    """(8, T) through the recorder's filters. A slow high pass acts forwards only, as analogue ones do."""
    if recording.low_pass_hz:
        low = butter(2, TWICE * recording.low_pass_hz, "lowpass", fs=SAMPLING_RATE_HZ, output="sos")
        leads = sosfiltfilt(low, leads, axis=1, padtype=None)
    start = leads[:, :EDGE_SAMPLES].mean(axis=1, keepdims=True)
    if recording.high_pass_hz < PHASELESS_HZ:
        high = butter(1, recording.high_pass_hz, "highpass", fs=SAMPLING_RATE_HZ, output="sos")
        return sosfilt(high, leads - start, axis=1)
    high = butter(1, recording.high_pass_hz, "highpass", fs=SAMPLING_RATE_HZ, output="sos")
    return sosfiltfilt(high, leads - start, axis=1, padtype="even", padlen=EDGE_SAMPLES)


def twelve_leads(counts: np.ndarray) -> np.ndarray:
    """(8, T) whole counts of I, II, V1..V6 -> (12, T), rounded as a CardioSoft recorder does: III = II - I exactly."""
    one, two, chest = counts[0], counts[1], counts[2:]
    three = two - one
    augmented = [np.ceil(-(one + two) / 2), np.ceil((one - three) / 2), np.ceil((two + three) / 2)]
    return np.concatenate([[one, two, three], augmented, chest])
