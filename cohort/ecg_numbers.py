"""What a reader measures of an ECG, as one vector: how tall, how steep, how noisy, how fast, and of what shape.

The vector tells whether an ECG is of a usual kind (`models.usual_ecgs`). It is made of the strip a network is given.
"""

import numpy as np

from cohort.leads import ECG, LEADS
from cohort.preprocessing import ecg_input
from cohort.quality import BEAT_HZ, r_peaks

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the other four follow from I and II
ROWS = tuple(LEADS.index(lead) for lead in INDEPENDENT)
BEFORE_S, AFTER_S = 0.28, 0.48  # of a beat about its R peak
P_S, QRS_S, T_S = (-0.28, -0.08), (-0.08, 0.12), (0.12, 0.48)
SHAPE = ((P_S, 0.04), (QRS_S, 0.012), (T_S, 0.04))  # seconds between the samples of a beat's shape
BANDS_HZ = ((1, 4), (4, 10), (10, 25), (25, 45), (45, 65), (65, 90), (90, 120))  # of what beats differ by
FEWEST_BEATS = 3
LEAST_MV, LEAST_NOISE_MV = 0.005, 0.0005  # added before a logarithm: about one step of a recorder, and less
MOST_ALIKE = 0.999  # correlation, before Fisher's transform
PAIRS = (("I", "II"), ("I", "V6"), ("II", "V6"), *zip(INDEPENDENT[2:-1], INDEPENDENT[3:], strict=True))
HEIGHTS = ("strip", "up", "down", "P", "T", "T peak", "steepest", "between beats")
RHYTHM = ("interval", "its variation", "likeness of beats")


def needed_leads() -> np.ndarray:
    """(F, 8) bool: which of INDEPENDENT each number needs, in the order of `ecg_numbers`."""
    each, none = np.eye(len(INDEPENDENT), dtype=bool), np.zeros((len(RHYTHM), len(INDEPENDENT)), bool)
    pairs = np.array([[lead in pair for lead in INDEPENDENT] for pair in PAIRS])
    measured = len(HEIGHTS) + len(BANDS_HZ)
    return np.concatenate([np.tile(each, (measured, 1)), pairs, none, np.repeat(each, len(_SHAPE_AT), axis=0)])


def known_leads(lead_mask: np.ndarray) -> np.ndarray:
    """(..., 8) bool of INDEPENDENT, of (..., 12) bool."""
    return lead_mask[..., list(ROWS)]


def ecg_numbers(signal: np.ndarray, lead_mask: np.ndarray, sampling_rate: float) -> np.ndarray:
    """(F,) float32 numbers; NaN where a lead they need (`needed_leads`) is absent.

    By lead: HEIGHTS and noise in BANDS_HZ, as logarithms of mV. By pair of leads: how alike they are. Of the rhythm:
    RHYTHM. By lead: the shape of the median beat, in units of all leads' RMS. So a scale changes logarithms alone.
    Without three beats the median beat is zero.

    Args:
        signal: (12, T) mV at `sampling_rate`, as `cohort.preprocessing.ecg_input` makes it. lead_mask: (12,) bool.
    """
    strip, known = _at_beat_rate(signal, lead_mask, sampling_rate)
    peaks = r_peaks(strip, known)
    strip, known = strip[list(ROWS)], known_leads(known)  # (8, T), (8,)
    beats = _beats(strip, peaks)  # (n, 8, samples)
    beat = np.median(beats, axis=0) if len(beats) else np.zeros(beats.shape[1:])
    rest = beats - beat
    alike = [_alike(beat[INDEPENDENT.index(one)], beat[INDEPENDENT.index(other)]) for one, other in PAIRS]
    size = np.sqrt(np.mean(beat[known] ** 2)) if known.any() else 0.0
    shape = beat[:, _SHAPE_AT] / (LEAST_MV + size)  # (8, places)
    parts = (_heights(strip, beat, rest).ravel(), _noise(rest).ravel(), alike, _rhythm(peaks, beats), shape.ravel())
    numbers = np.concatenate(parts).astype(np.float32)
    numbers[(needed_leads() & ~known).any(axis=1)] = np.nan
    return numbers


def _at_beat_rate(signal: np.ndarray, lead_mask: np.ndarray, sampling_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The strip at BEAT_HZ, absent leads zero, and which leads are there."""
    there = np.where(lead_mask[:, None], signal, 0).astype(np.float64)
    if sampling_rate == BEAT_HZ:
        return there, lead_mask
    strip, _ = ecg_input(ECG(there, sampling_rate), BEAT_HZ, signal.shape[1] / sampling_rate)
    return strip.astype(np.float64), lead_mask


def _samples(span_s: tuple[float, float]) -> slice:
    first, last = (round((end + BEFORE_S) * BEAT_HZ) for end in span_s)
    return slice(first, last)


def _beats(strip: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """(n, leads, samples) whole beats; none where there are too few."""
    before, after = round(BEFORE_S * BEAT_HZ), round(AFTER_S * BEAT_HZ)
    whole = [peak for peak in peaks if before <= peak <= strip.shape[1] - after]
    if len(whole) < FEWEST_BEATS:
        return np.zeros((0, len(strip), before + after))
    return np.stack([strip[:, peak - before : peak + after] for peak in whole])


def _heights(strip: np.ndarray, beat: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(HEIGHTS, 8) logarithms."""
    p, qrs, t = (beat[:, _samples(span)] for span in (P_S, QRS_S, T_S))
    heights = (
        strip.std(axis=1),
        np.maximum(qrs.max(axis=1), 0),
        np.maximum(-qrs.min(axis=1), 0),
        p.std(axis=1),
        t.std(axis=1),
        np.abs(t).max(axis=1),
        np.abs(np.diff(qrs, axis=1)).max(axis=1),
        np.abs(rest).mean(axis=(0, 2)) if len(rest) else np.zeros(len(beat)),
    )
    return np.log(LEAST_MV + np.stack(heights))


def _noise(rest: np.ndarray) -> np.ndarray:
    """(BANDS_HZ, 8) logarithms of the median beat's RMS deviation from the usual one, band by band."""
    if not len(rest):
        return np.full((len(BANDS_HZ), rest.shape[1]), np.log(LEAST_NOISE_MV))
    samples = rest.shape[2]
    power = np.abs(np.fft.rfft(rest * np.hanning(samples), axis=2)) ** 2 / samples**2  # (n, 8, frequencies)
    hertz = np.fft.rfftfreq(samples, 1 / BEAT_HZ)
    bands = [np.sqrt(power[:, :, (low <= hertz) & (hertz < high)].sum(axis=2)) for low, high in BANDS_HZ]
    return np.log(LEAST_NOISE_MV + np.median(bands, axis=1))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Fisher's transform of how alike two waves are: the cosine between them. 0 where one is flat."""
    product = np.sqrt((one @ one) * (other @ other))
    cosine = float(one @ other) / product if product > 0 else 0.0
    return float(np.arctanh(np.clip(cosine, -MOST_ALIKE, MOST_ALIKE)))


def _rhythm(peaks: np.ndarray, beats: np.ndarray) -> list[float]:
    """RHYTHM: log of the median interval in seconds, log of its variation, how alike beats are to the usual one."""
    intervals = np.diff(peaks) / BEAT_HZ
    if not len(beats):
        return [np.log(10.0), 0.0, 0.0]  # one beat in ten seconds
    flat = beats.reshape(len(beats), -1)
    usual = np.median(flat, axis=0)
    likeness = float(np.median([_alike(beat, usual) for beat in flat]))
    return [float(np.log(np.median(intervals))), float(np.log(0.01 + intervals.std() / intervals.mean())), likeness]


_SHAPE_AT = [  # samples of a beat
    round((BEFORE_S + second) * BEAT_HZ)
    for (first, last), step in SHAPE
    for second in np.arange(first, last - 1e-9, step)
]
