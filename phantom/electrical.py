"""The electrocardiogram of a drawn heart: activation, heart vector, torso, ten seconds at the electrodes.

Everything is deterministic in the `Heart`; the noise comes from `default_rng([heart.noise_seed, 1])`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from cohort.leads import ECG
from cohort.person import Person
from phantom.activation import RAS_TO_XYZ, ExcitableTissue, activation_times, excitation, nearest_cell
from phantom.heart import Heart

SAMPLING_RATE_HZ = 500.0
MS_PER_SAMPLE = 2.0
STRIP_SAMPLES = 5000
MEDIAN_SAMPLES = 600
RESOLUTION_MV = 0.005
Q_ONSET_SAMPLE = 200  # of the QRS onset in every single-beat array, and in the medians

ECTOPIC_SITE = (130.0, 0.10)  # the outflow tract of the right ventricle, the commonest origin
ACTION_POTENTIAL_MV = 100.0
UPSTROKE_SD_MS = 4.0  # of the front's passage through one lattice cell, step / speed / sqrt(12)
REPOLARISATION_SD_MS, REPOLARISATION_TAIL_MS = 28.0, 34.0  # phase 3 sets in slowly and ends fast
# QT moves with the preceding RR interval with about this power (between Fridericia's 1/3 and no adaptation at once).
APD_RATE_EXPONENT = 0.25

# ---- The torso: Dower 1980 -----------------------------------------------------------------------------------------
# Dower, Machado & Osborne, "On deriving the electrocardiogram from vectorcardiographic leads", Clin Cardiol 3:87, 1980.
# Rows I, II, V1..V6; columns X left, Y foot, Z back.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# The chest in which Dower's numbers are taken to hold: the mean of the drawn patients.
REFERENCE_CHEST_MM = (310.0, 220.0)
REFERENCE_CENTRE_MM = np.array([-34.0, 25.0, -17.0])
# V1..V6 round the chest: angle from the breastbone towards the left (degrees), height above V1 (mm).
ELECTRODE_ANGLE_DEG = np.array([-8.0, 8.0, 24.0, 40.0, 62.0, 85.0])
ELECTRODE_HEIGHT_MM = np.array([0.0, 0.0, -12.0, -25.0, -25.0, -25.0])
SHOULDER_TO_HEART_MM = 200.0
# From the equivalent dipole layer (mV mm2) to a Frank lead (mV) in that torso: set once, on the drawn normals.
MV_PER_MV_MM2 = 1.65e-5

ATRIAL_DIRECTION_XYZ = np.array([[0.45, 0.85, -0.35], [0.75, 0.55, 0.45]])  # right atrium, then left; lead II about 1
P_DURATION_MS = 104.0
FIBRILLATION_MV, FIBRILLATION_HZ = 0.05, 6.0
FIBRILLATION_DIRECTION_XYZ = np.array([0.2, 0.6, -0.8])  # largest in V1
RESPIRATORY_TILT_RAD = 0.04


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
    """One kind of beat: when each cell is excited and for how long.

    Attributes:
        activation_ms: (N,) from the onset of the QRS. apd_ms: (N,). face: (N, 3) mV of a Frank lead per unit of Vm.
    """

    activation_ms: np.ndarray
    apd_ms: np.ndarray
    face: np.ndarray

    def depolarisation(self) -> np.ndarray:
        """(3, 600) mV: H of the excitation."""
        return _smooth(_step_histogram(self.activation_ms, self.face), UPSTROKE_SD_MS)

    def repolarisation(self, apd_factor: float = 1.0) -> np.ndarray:
        """(3, 600) mV: H of the recovery, every action potential `apd_factor` times as long."""
        steps = -_step_histogram(self.activation_ms + apd_factor * self.apd_ms, self.face)
        tail = np.exp(-np.arange(0, 5 * REPOLARISATION_TAIL_MS, MS_PER_SAMPLE) / REPOLARISATION_TAIL_MS)
        early = fftconvolve(steps, (tail / tail.sum())[None, ::-1], axes=1)[:, len(tail) - 1 :]
        return _smooth(early, REPOLARISATION_SD_MS)


def render_ecg(heart: Heart) -> RenderedECG:
    """The ten-second electrocardiogram of a heart, in some 20 ms of one core; the same heart gives the same bytes."""
    rng = np.random.default_rng([heart.noise_seed, 1])
    sources = beat_sources(heart)
    tissue = excitation(heart).tissue
    onsets_ms, ectopic = _beat_times(heart, rng)
    vector = _strip_vector(heart, tissue, sources, onsets_ms, ectopic, rng)
    leads = np.einsum("lx,xt->lt", lead_matrix(heart), vector) + _recording_noise(heart, rng)
    counts = _twelve_leads(np.rint(leads / RESOLUTION_MV))
    signal = (counts * RESOLUTION_MV).astype(np.float32)
    person = Person(heart.sex, heart.age_years, heart.height_cm, heart.weight_kg)
    return RenderedECG(
        ecg=ECG(signal=signal, sampling_rate=SAMPLING_RATE_HZ, person=person),
        medians=_median_beat(signal, onsets_ms[~ectopic]),
        measurements=_measurements(heart, sources, np.diff(onsets_ms)),
    )


# ---- Activation and heart vector -----------------------------------------------------------------------------------


def beat_sources(heart: Heart) -> Sources:
    """The conducted beat (`phantom.activation.excitation`) as sources."""
    beat = excitation(heart)
    return Sources(beat.activation_ms, beat.apd_ms, _face_mv(heart, beat.tissue))


def _ectopic_sources(heart: Heart, tissue: ExcitableTissue, conducted: Sources) -> Sources:
    origin = (nearest_cell(tissue, 2, *ECTOPIC_SITE), 0.0)
    speeds = (heart.endocardial_speed_mm_ms,) * 2
    activation = activation_times(tissue, [origin], speeds, heart.transmural_speed_mm_ms)
    return Sources(activation, conducted.apd_ms, conducted.face)


def _face_mv(heart: Heart, tissue: ExcitableTissue) -> np.ndarray:
    return tissue.face_mm2 * (heart.gain * ACTION_POTENTIAL_MV * MV_PER_MV_MM2)


def _step_histogram(time_ms: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(3, 600): unit steps at `time_ms` after QRS onset, each with its weight (3,), split over two samples."""
    place = np.clip(Q_ONSET_SAMPLE + time_ms / MS_PER_SAMPLE, 0, MEDIAN_SAMPLES - 2)
    sample = place.astype(int)
    late = (place - sample)[:, None]
    index = np.concatenate([sample, sample + 1])
    parts = np.concatenate([weight * (1 - late), weight * late])
    return np.cumsum([np.bincount(index, parts[:, axis], MEDIAN_SAMPLES) for axis in range(3)], axis=1)


def _smooth(beat: np.ndarray, sd_ms: float) -> np.ndarray:
    return gaussian_filter1d(beat, sd_ms / MS_PER_SAMPLE, axis=1, mode="nearest")


# ---- Torso ---------------------------------------------------------------------------------------------------------


def _electrodes_mm(chest_width_mm: float, chest_depth_mm: float, shift_mm: np.ndarray) -> np.ndarray:
    """(6, 3) body frame: V1 to V6 on an elliptic chest, each moved by `shift_mm` (6, 2), leftwards and up the skin."""
    angle = np.radians(ELECTRODE_ANGLE_DEG)
    half_width, half_depth = chest_width_mm / 2, chest_depth_mm / 2
    along = np.hypot(half_width * np.cos(angle), half_depth * np.sin(angle))
    angle = angle + shift_mm[:, 0] / along
    height = ELECTRODE_HEIGHT_MM + shift_mm[:, 1]
    return np.stack([-half_width * np.sin(angle), half_depth * np.cos(angle), height], axis=1)


def lead_matrix(heart: Heart) -> np.ndarray:
    """(8, 3): leads I, II, V1 to V6 of a unit heart vector (X left, Y foot, Z back), for this chest and electrodes.

    Dower's row of a chest electrode turns with the direction in which the heart sees that electrode, and grows with
    its distance to the power of -2, both relative to the reference chest. The limbs are far: the width counts little.
    """
    electrodes = _electrodes_mm(
        heart.chest_width_mm, heart.chest_depth_mm, np.array(heart.recording.electrode_shift_mm)
    )
    seen = electrodes - np.array(heart.centre_mm)
    reference = _electrodes_mm(*REFERENCE_CHEST_MM, np.zeros((6, 2))) - REFERENCE_CENTRE_MM
    distance, reference_distance = (np.linalg.norm(x, axis=1, keepdims=True) for x in (seen, reference))
    turn = (seen / distance - reference / reference_distance) @ RAS_TO_XYZ.T
    rows = DOWER.copy()
    length = np.linalg.norm(rows[2:], axis=1, keepdims=True)
    rows[2:] = (rows[2:] + length * turn) * (reference_distance / distance) ** 2
    limb = np.hypot(SHOULDER_TO_HEART_MM, [heart.chest_width_mm / 2, REFERENCE_CHEST_MM[0] / 2])
    rows[:2] *= (limb[1] / limb[0]) ** 2
    return rows


# ---- Ten seconds ---------------------------------------------------------------------------------------------------


def _beat_times(heart: Heart, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """QRS onsets (ms, from before the strip to after it) of mean interval 60 / rate exactly; which are ectopic."""
    mean_ms = 60_000 / heart.heart_rate_bpm
    strip_ms = STRIP_SAMPLES * MS_PER_SAMPLE
    intervals = int(np.ceil(strip_ms / mean_ms)) + 3
    scatter = rng.normal(size=intervals)
    if heart.rhythm == "sinus":  # half of the variance is respiratory sinus arrhythmia
        breath = 2 * np.pi * heart.recording.respiratory_rate_hz * mean_ms / 1000 * np.arange(intervals)
        scatter = np.sqrt(0.5) * scatter + np.sin(breath)
    rr = mean_ms * np.clip(1 + heart.rr_variability * (scatter - scatter.mean()), 0.45, 2.2)
    rr *= mean_ms / rr.mean()
    onsets = rng.uniform(-1.0, 0.0) * mean_ms - mean_ms + np.concatenate([[0.0], np.cumsum(rr)])
    ectopic = np.zeros(len(onsets), dtype=bool)
    inside = np.flatnonzero((onsets > 1.5 * mean_ms) & (onsets < strip_ms - 1.5 * mean_ms))[::2]  # never two in a row
    ectopic[rng.permutation(inside)[: heart.ectopic_beats]] = True
    before = np.flatnonzero(ectopic) - 1
    onsets[ectopic] = onsets[before] + 0.62 * (onsets[ectopic] - onsets[before])  # early; the pause compensates
    return onsets, ectopic


def _strip_vector(
    heart: Heart,
    tissue: ExcitableTissue,
    sources: Sources,
    onsets_ms: np.ndarray,
    ectopic: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(3, 5000) mV: heart vector of every beat, each QT adapted to the interval before it, tilted by the breath."""
    wide = _ectopic_sources(heart, tissue, sources) if ectopic.any() else sources
    conducted = sources.depolarisation() + _p_wave(heart)
    wide_qrs = wide.depolarisation()
    strip = np.zeros((3, STRIP_SAMPLES + 4 * MEDIAN_SAMPLES))
    intervals = np.diff(onsets_ms, prepend=onsets_ms[0] - 60_000 / heart.heart_rate_bpm)
    for onset, interval, is_ectopic in zip(onsets_ms, intervals, ectopic, strict=True):
        factor = (interval * heart.heart_rate_bpm / 60_000) ** APD_RATE_EXPONENT
        beat = (wide_qrs if is_ectopic else conducted) + (wide if is_ectopic else sources).repolarisation(factor)
        first = 2 * MEDIAN_SAMPLES + int(np.rint(onset / MS_PER_SAMPLE)) - Q_ONSET_SAMPLE
        if 0 <= first <= strip.shape[1] - MEDIAN_SAMPLES:
            strip[:, first : first + MEDIAN_SAMPLES] += beat
    strip = strip[:, 2 * MEDIAN_SAMPLES : 2 * MEDIAN_SAMPLES + STRIP_SAMPLES]
    if heart.rhythm == "af":
        strip = strip + _fibrillation(heart, rng)
    tilt = RESPIRATORY_TILT_RAD * np.sin(
        2 * np.pi * heart.recording.respiratory_rate_hz * _seconds() + rng.uniform(0, 2 * np.pi)
    )
    return np.stack([strip[0] - tilt * strip[1], strip[1] + tilt * strip[0], strip[2]])


def _seconds() -> np.ndarray:
    return np.arange(STRIP_SAMPLES) / SAMPLING_RATE_HZ


def _p_wave(heart: Heart) -> np.ndarray:
    """(3, 600) mV: two atrial dipoles, the right one first; none in atrial fibrillation."""
    if heart.rhythm == "af":
        return np.zeros((3, MEDIAN_SAMPLES))
    ms = (np.arange(MEDIAN_SAMPLES) - Q_ONSET_SAMPLE) * MS_PER_SAMPLE + heart.pr_ms
    right, left = (
        np.exp(-0.5 * ((ms - share * P_DURATION_MS) / (0.17 * P_DURATION_MS)) ** 2) for share in (0.38, 0.62)
    )
    return heart.gain * heart.p_amplitude_mv * 0.65 * ATRIAL_DIRECTION_XYZ.T @ np.stack([right, left])


def _fibrillation(heart: Heart, rng: np.random.Generator) -> np.ndarray:
    """(3, 5000) mV: f waves of slowly wandering frequency."""
    wander = gaussian_filter1d(rng.normal(size=STRIP_SAMPLES), 150)
    frequency = FIBRILLATION_HZ * (1 + 0.12 * wander / wander.std())
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLING_RATE_HZ
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase + 1.0)
    return heart.gain * FIBRILLATION_MV * np.outer(FIBRILLATION_DIRECTION_XYZ, wave)


def _band_noise(rng: np.random.Generator, low_hz: float, high_hz: float, slope: float) -> np.ndarray:
    """(8, 5000) of RMS 1 in each lead: Gaussian noise of a band, power falling as frequency to the power of -slope."""
    hz = np.fft.rfftfreq(STRIP_SAMPLES, 1 / SAMPLING_RATE_HZ)
    shape = np.where((hz >= low_hz) & (hz <= high_hz), np.maximum(hz, 1e-9) ** (-slope / 2), 0.0)
    noise = np.fft.irfft(shape * np.fft.rfft(rng.normal(size=(len(DOWER), STRIP_SAMPLES))), STRIP_SAMPLES)
    return noise / noise.std(axis=1, keepdims=True)


def _recording_noise(heart: Heart, rng: np.random.Generator) -> np.ndarray:
    """(8, 5000) mV: baseline wander, mains residue and muscle noise, each with its drawn RMS."""
    wander = heart.recording.baseline_mv * _band_noise(rng, 0.05, 0.6, 2.0)
    phase, level = rng.uniform(0, 2 * np.pi, size=(len(DOWER), 1)), rng.uniform(0.5, 1.5, size=(len(DOWER), 1))
    mains = np.sqrt(2) * 1e-3 * heart.recording.mains_uv * level * np.sin(2 * np.pi * 50.0 * _seconds() + phase)
    return wander + mains + 1e-3 * heart.recording.muscle_uv * _band_noise(rng, 15.0, 150.0, 0.5)


def _twelve_leads(counts: np.ndarray) -> np.ndarray:
    """(8, T) whole counts of I, II, V1..V6 -> (12, T), rounded as a CardioSoft recorder does: III = II - I exactly."""
    one, two, chest = counts[0], counts[1], counts[2:]
    three = two - one
    augmented = [np.ceil(-(one + two) / 2), np.ceil((one - three) / 2), np.ceil((two + three) / 2)]
    return np.concatenate([[one, two, three], augmented, chest])


# ---- What a recorder derives ---------------------------------------------------------------------------------------


def _median_beat(signal: np.ndarray, onsets_ms: np.ndarray) -> np.ndarray:
    """(12, 600) mV: median of the conducted beats wholly inside the strip; the PR segment of each is its zero."""
    first = np.rint(onsets_ms / MS_PER_SAMPLE).astype(int) - Q_ONSET_SAMPLE
    first = first[(first >= 0) & (first <= STRIP_SAMPLES - MEDIAN_SAMPLES)]
    beats = np.stack([signal[[0, 1, *range(6, 12)], f : f + MEDIAN_SAMPLES] for f in first])
    beats = beats - beats[:, :, Q_ONSET_SAMPLE - 15 : Q_ONSET_SAMPLE - 5].mean(axis=2, keepdims=True)
    return (_twelve_leads(np.rint(np.median(beats, axis=0) / RESOLUTION_MV)) * RESOLUTION_MV).astype(np.float32)


def _frontal_axis_deg(limb: np.ndarray, vector: np.ndarray) -> float:
    """Electrical axis of a wave's area: 0 along lead I, 90 towards the foot. `limb` (2, 3) gives leads I and II."""
    one, two = limb @ vector.sum(axis=1)
    return float(np.degrees(np.arctan2((2 * two - one) / np.sqrt(3), one)))


def _extent(vector: np.ndarray, threshold: float) -> tuple[float, float]:
    """First and last ms at which a wave exceeds a share of its largest magnitude."""
    size = np.linalg.norm(vector, axis=0)
    above = np.flatnonzero(size > threshold * size.max())
    return float(above[0] * MS_PER_SAMPLE), float(above[-1] * MS_PER_SAMPLE)


def _measurements(heart: Heart, sources: Sources, intervals_ms: np.ndarray) -> dict[str, float | None]:
    """CardioSoft's names for the noise-free beat; onsets and offsets in ms from the start of the median block."""
    qrs, t, p = sources.depolarisation(), sources.repolarisation(), _p_wave(heart)
    q_onset, q_offset = _extent(qrs, 0.03)
    t_offset = _extent(t, 0.05)[1]
    rr_ms = 60_000 / heart.heart_rate_bpm
    limb = lead_matrix(heart)[:2]
    sinus = heart.rhythm != "af"
    p_onset = Q_ONSET_SAMPLE * MS_PER_SAMPLE - heart.pr_ms
    return {
        "VentricularRate": heart.heart_rate_bpm,
        "PQInterval": q_onset - p_onset if sinus else None,
        "PDuration": P_DURATION_MS if sinus else None,
        "QRSDuration": q_offset - q_onset,
        "QTInterval": t_offset - q_onset,
        "QTCInterval": (t_offset - q_onset) / np.sqrt(rr_ms / 1000),  # Bazett
        "RRInterval": rr_ms,
        "POnset": p_onset if sinus else None,
        "POffset": p_onset + P_DURATION_MS if sinus else None,
        "QOnset": q_onset,
        "QOffset": q_offset,
        "TOffset": t_offset,
        "PAxis": _frontal_axis_deg(limb, p) if sinus else None,
        "RAxis": _frontal_axis_deg(limb, qrs),
        "TAxis": _frontal_axis_deg(limb, t),
    }
