"""The electrocardiogram of a drawn heart: every cell's part in every lead, the beats, the recorder.

Everything is deterministic in the `Heart`; the noise comes from `default_rng([heart.noise_seed, 1])`.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve
from scipy.sparse import csr_array

from cohort.leads import ECG
from cohort.person import Person
from phantom.activation import ExcitableTissue, activation_times, excitation, nearest_cell
from phantom.heart import Heart
from phantom.lead_field import cell_weights, lead_matrix, place_of
from phantom.recorder import (
    EDGE_SAMPLES,
    MS_PER_SAMPLE,
    RESOLUTION_MV,
    SAMPLING_RATE_HZ,
    STRIP_SAMPLES,
    disturbance,
    filtered,
    twelve_leads,
)
from phantom.rhythm import Rhythm, rhythm_of

MEDIAN_SAMPLES = 600
Q_ONSET_SAMPLE = 200  # of the QRS onset in every single-beat array, and in the medians

ECTOPIC_SITE = (130.0, 0.10)  # the outflow tract of the right ventricle, the commonest origin
UPSTROKE_SD_MS = 4.0  # of the front's passage through one lattice cell, step / speed / sqrt(12)
# Phase 3 sets in slowly and ends fast; part of the recovery, the plateau's slope, is slower still.
REPOLARISATION_SD_MS, RECOVERY_TAILS_MS = 28.0, (34.0, 110.0)
# Phase 1 at the epicardium: a notch that is deep after the first time and has filled after the second (Yan 1996).
NOTCH_MS = (7.0, 45.0)
# QT moves with the preceding RR interval with about this power (between Fridericia's 1/3 and no adaptation at once).
APD_RATE_EXPONENT = 0.25

ATRIAL_DIRECTION_XYZ = np.array([[0.45, 0.85, -0.35], [0.75, 0.55, 0.45]])  # right atrium, then left; lead II about 1
ATRIAL_AXIS_DEG = 51.0  # of the two together, which `Heart.p_axis_deg` turns
ATRIAL_RECOVERY = 0.07  # of the P wave's size, opposite to it, and lasting into the ST segment
FIBRILLATION_MV, FIBRILLATION_HZ = 0.05, 6.0
FIBRILLATION_DIRECTION_XYZ = np.array([0.2, 0.6, -0.8])  # largest in V1


@dataclass(frozen=True)
class RenderedECG:
    """What the recorder would write for one heart.

    Attributes:
        ecg: 12 x 5000 samples, mV, float32, in steps of 5 uV, 500 Hz, with the person.
        medians: (12, 600) mV, float32: the median conducted beat of the strip; QRS onset at sample 200.
        measurements: CardioSoft's names (ms, BPM, degrees) -> the truth of the simulation, not a measurement made on
            the strip. Those of the P wave are None in atrial fibrillation.
    """

    ecg: ECG
    medians: np.ndarray
    measurements: dict[str, float | None]


@dataclass(frozen=True)
class Sources:
    """One kind of beat: when each cell is excited, for how long, and what each lead sees of it.

    Attributes:
        activation_ms: (N,) from the onset of the QRS. apd_ms: (N,).
        weight: (N, K) mV per unit of Vm, of K leads. notch: (N,) depth of phase 1, share of the action potential.
        height: (N,) of each action potential against the mean. plateau_slope: share of recovery during the plateau.
    """

    activation_ms: np.ndarray
    apd_ms: np.ndarray
    weight: np.ndarray
    notch: np.ndarray
    height: np.ndarray
    plateau_slope: float

    def excitation(self) -> np.ndarray:
        """(K, 600) mV: of the upstrokes, were they all alike; it ends at zero."""
        return _smooth(np.cumsum(_impulses(self.activation_ms, self.weight), axis=1), UPSTROKE_SD_MS)

    def start(self) -> np.ndarray:
        """(K, 600) mV: of the upstrokes as they are, and of the notch that follows them."""
        steps = np.cumsum(_impulses(self.activation_ms, self._own_weight), axis=1)
        return _smooth(steps - self._notch(), UPSTROKE_SD_MS)

    @property
    def _own_weight(self) -> np.ndarray:
        return self.weight * self.height[:, None]

    def recovery(self) -> np.ndarray:
        """(K, 600) mV: of the ends of the action potentials, were they all alike; it starts and ends at zero."""
        return self.recovered(_impulses(self.activation_ms + self.apd_ms, self.weight))

    def ends(self, apd_factor: float) -> np.ndarray:
        """(K, 600): when each action potential ends, `apd_factor` times as long; its end has no shape yet."""
        return _impulses(self.activation_ms + apd_factor * self.apd_ms, self._own_weight)

    def recovered(self, ends: np.ndarray) -> np.ndarray:
        """(K, T) ends of action potentials -> (K, T) mV: slow along the plateau, faster in phase 3."""
        fast, slow = (np.exp(-np.arange(0, 5 * ms, MS_PER_SAMPLE) / ms) for ms in RECOVERY_TAILS_MS)
        tail = self.plateau_slope * slow / slow.sum()
        tail[: len(fast)] += (1 - self.plateau_slope) * fast / fast.sum()
        reach = np.arange(-4 * REPOLARISATION_SD_MS, 4 * REPOLARISATION_SD_MS + 1, MS_PER_SAMPLE)
        blur = np.exp(-0.5 * (reach / REPOLARISATION_SD_MS) ** 2)
        shape = np.convolve(tail[::-1], blur / blur.sum())
        before = len(tail) - 1 + len(blur) // 2
        return -np.cumsum(fftconvolve(ends, shape[None], axes=1)[:, before : before + ends.shape[1]], axis=1)

    def _notch(self) -> np.ndarray:
        deep, filled = NOTCH_MS
        ms = np.arange(0, 6 * filled, MS_PER_SAMPLE)
        shape = np.exp(-ms / filled) - np.exp(-ms / deep)
        starts = _impulses(self.activation_ms, self.weight * self.notch[:, None])
        return fftconvolve(starts, shape[None], axes=1)[:, :MEDIAN_SAMPLES]


def render_ecg(heart: Heart) -> RenderedECG:
    """The ten-second electrocardiogram of a heart, in some 25 ms of one core; the same heart gives the same bytes."""
    rng = np.random.default_rng([heart.noise_seed, 1])
    sources = beat_sources(heart)
    rhythm = rhythm_of(heart, rng)
    leads = _strip(heart, excitation(heart).tissue, sources, rhythm)
    if heart.rhythm == "af":
        leads += lead_matrix(heart) @ _fibrillation(heart, leads.shape[1], rng)
    leads = filtered(heart.recording, leads + disturbance(heart.recording, rhythm.breath, rng))
    leads = leads[:, EDGE_SAMPLES : EDGE_SAMPLES + STRIP_SAMPLES]
    signal = (twelve_leads(np.rint(leads / RESOLUTION_MV)) * RESOLUTION_MV).astype(np.float32)
    person = Person(heart.sex, heart.age_years, heart.height_cm, heart.weight_kg)
    return RenderedECG(
        ecg=ECG(signal=signal, sampling_rate=SAMPLING_RATE_HZ, person=person),
        medians=_median_beat(signal, rhythm.onsets_ms[~rhythm.ectopic]),
        measurements=_measurements(heart, sources, np.diff(rhythm.onsets_ms)),
    )


# ---- One beat ------------------------------------------------------------------------------------------------------


def beat_sources(heart: Heart) -> Sources:
    """The conducted beat (`phantom.activation.excitation`): K is 16.

    The first eight columns are leads I, II, V1 to V6 in the middle of a breath, the others what a full breath adds.
    """
    beat = excitation(heart)
    middle, full = (cell_weights(heart, beat.tissue, place_of(heart.recording, breath)) for breath in (0.0, 1.0))
    full = (1 - heart.recording.breath_gain) * full
    notch = heart.notch * beat.tissue.depth
    height = 1 + beat.tissue.position_mm @ np.array(heart.plateau_gradient) / 30.0
    weight = np.hstack([middle, full - middle])
    return Sources(beat.activation_ms, beat.apd_ms, weight, notch, height, heart.plateau_slope)


def _ectopic_sources(heart: Heart, tissue: ExcitableTissue, conducted: Sources) -> Sources:
    origin = (nearest_cell(tissue, 2, *ECTOPIC_SITE), 0.0)
    speeds = (heart.endocardial_speed_mm_ms,) * 2
    activation = activation_times(tissue, [origin], speeds, heart.transmural_speed_mm_ms)
    return replace(conducted, activation_ms=activation)


def _impulses(time_ms: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(K, 600): at `time_ms` (N,) after QRS onset each cell's weight (N, K), split over two samples."""
    place = np.clip(Q_ONSET_SAMPLE + time_ms / MS_PER_SAMPLE, 0, MEDIAN_SAMPLES - 2)
    sample = place.astype(int)
    late = place - sample
    parts = np.stack([1 - late, late], axis=1).ravel()
    index = np.stack([sample, sample + 1], axis=1).ravel()
    cells = np.arange(0, len(index) + 1, 2)
    return (csr_array((parts, index, cells), (len(sample), MEDIAN_SAMPLES)).T @ weight).T


def _smooth(beat: np.ndarray, sd_ms: float) -> np.ndarray:
    return gaussian_filter1d(beat, sd_ms / MS_PER_SAMPLE, axis=1, mode="nearest")


def _p_wave(heart: Heart) -> np.ndarray:
    """(3, 600) mV, Dower's axes: two atrial dipoles, the right one first; none in atrial fibrillation."""
    if heart.rhythm == "af":
        return np.zeros((3, MEDIAN_SAMPLES))
    share = ((np.arange(MEDIAN_SAMPLES) - Q_ONSET_SAMPLE) * MS_PER_SAMPLE + heart.pr_ms) / heart.p_duration_ms
    right, left = (np.exp(-0.5 * ((share - middle) / 0.17) ** 2) for middle in (0.38, 0.62))
    recovery = ATRIAL_RECOVERY * np.exp(-0.5 * ((share - 2.2) / 0.7) ** 2)
    turn = np.radians(heart.p_axis_deg - ATRIAL_AXIS_DEG)
    frontal = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    waves = np.stack([right - recovery, left - recovery])
    return heart.p_amplitude_mv * 0.65 * frontal @ ATRIAL_DIRECTION_XYZ.T @ waves


def p_wave(heart: Heart) -> np.ndarray:
    """(8, 600) mV: of the atria, which every lead sees as one dipole."""
    return lead_matrix(heart) @ _p_wave(heart)


# ---- Ten seconds ---------------------------------------------------------------------------------------------------


def _strip(heart: Heart, tissue: ExcitableTissue, sources: Sources, rhythm: Rhythm) -> np.ndarray:
    """(8, T) mV: every beat, its QT adapted to the interval before it, as the breath moves the heart."""
    conducted = sources.start()
    conducted[:8] += p_wave(heart)
    wide = _ectopic_sources(heart, tissue, sources) if rhythm.ectopic.any() else sources
    wide_qrs = wide.start() if rhythm.ectopic.any() else conducted
    samples = STRIP_SAMPLES + 2 * EDGE_SAMPLES
    strip, ends = np.zeros((2, sources.weight.shape[1], samples + 2 * MEDIAN_SAMPLES))
    onsets = rhythm.onsets_ms
    intervals = np.diff(onsets, prepend=onsets[0] - 60_000 / heart.heart_rate_bpm)
    for onset, interval, ectopic, strength in zip(onsets, intervals, rhythm.ectopic, rhythm.strength, strict=True):
        first = MEDIAN_SAMPLES + EDGE_SAMPLES + int(np.rint(onset / MS_PER_SAMPLE)) - Q_ONSET_SAMPLE
        if not 0 <= first <= strip.shape[1] - MEDIAN_SAMPLES:
            continue
        beat = slice(first, first + MEDIAN_SAMPLES)
        factor = (interval * heart.heart_rate_bpm / 60_000) ** APD_RATE_EXPONENT
        excited = strength * (wide_qrs if ectopic else conducted)
        strip[:, beat] += excited
        strip[:, beat.stop :] += excited[:, -1:]  # cells of unlike height do not sum to zero until they recover
        ends[:, beat] += strength * (wide if ectopic else sources).ends(factor)
    strip = (strip + sources.recovered(ends))[:, MEDIAN_SAMPLES : MEDIAN_SAMPLES + samples]
    return strip[:8] + rhythm.breath * strip[8:]


def _fibrillation(heart: Heart, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(3, T) mV: f waves of slowly wandering frequency."""
    wander = gaussian_filter1d(rng.normal(size=samples), 150)
    frequency = FIBRILLATION_HZ * (1 + 0.12 * wander / wander.std())
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLING_RATE_HZ
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase + 1.0)
    return FIBRILLATION_MV * np.outer(FIBRILLATION_DIRECTION_XYZ, wave)


# ---- What a recorder derives ---------------------------------------------------------------------------------------


def _median_beat(signal: np.ndarray, onsets_ms: np.ndarray) -> np.ndarray:
    """(12, 600) mV: median of the conducted beats wholly inside the strip; the PR segment of each is its zero."""
    first = np.rint(onsets_ms / MS_PER_SAMPLE).astype(int) - Q_ONSET_SAMPLE
    first = first[(first >= 0) & (first <= STRIP_SAMPLES - MEDIAN_SAMPLES)]
    beats = np.stack([signal[[0, 1, *range(6, 12)], f : f + MEDIAN_SAMPLES] for f in first])
    beats = beats - beats[:, :, Q_ONSET_SAMPLE - 15 : Q_ONSET_SAMPLE - 5].mean(axis=2, keepdims=True)
    return (twelve_leads(np.rint(np.median(beats, axis=0) / RESOLUTION_MV)) * RESOLUTION_MV).astype(np.float32)


def _frontal_axis_deg(leads: np.ndarray) -> float:
    """Electrical axis of a wave's area: 0 along lead I, 90 towards the foot. `leads` (8, T), I and II first."""
    one, two = leads[:2].sum(axis=1)
    return float(np.degrees(np.arctan2((2 * two - one) / np.sqrt(3), one)))


def _extent(leads: np.ndarray, threshold: float) -> tuple[float, float]:
    """First and last ms at which a wave exceeds a share of its largest size over all leads."""
    size = np.linalg.norm(leads, axis=0)
    above = np.flatnonzero(size > threshold * size.max())
    return float(above[0] * MS_PER_SAMPLE), float(above[-1] * MS_PER_SAMPLE)


def _measurements(heart: Heart, sources: Sources, intervals_ms: np.ndarray) -> dict[str, float | None]:
    """CardioSoft's names for the noise-free beat; onsets and offsets in ms from the start of the median block."""
    qrs, t, p = sources.excitation()[:8], sources.recovery()[:8], p_wave(heart)
    q_onset, q_offset = _extent(qrs, 0.03)
    t_offset = _extent(t, 0.05)[1]
    rr_ms = 60_000 / heart.heart_rate_bpm
    sinus = heart.rhythm != "af"
    p_onset = Q_ONSET_SAMPLE * MS_PER_SAMPLE - heart.pr_ms
    return {
        "VentricularRate": heart.heart_rate_bpm,
        "PQInterval": q_onset - p_onset if sinus else None,
        "PDuration": heart.p_duration_ms if sinus else None,
        "QRSDuration": q_offset - q_onset,
        "QTInterval": t_offset - q_onset,
        "QTCInterval": (t_offset - q_onset) / np.sqrt(rr_ms / 1000),  # Bazett
        "RRInterval": rr_ms,
        "POnset": p_onset if sinus else None,
        "POffset": p_onset + heart.p_duration_ms if sinus else None,
        "QOnset": q_onset,
        "QOffset": q_offset,
        "TOffset": t_offset,
        "PAxis": _frontal_axis_deg(p) if sinus else None,
        "RAxis": _frontal_axis_deg(qrs),
        "TAxis": _frontal_axis_deg(t),
    }
