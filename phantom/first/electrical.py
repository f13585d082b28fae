"""The electrocardiogram of a drawn heart: activation, heart vector, torso, ten seconds at the electrodes.

Everything is deterministic in the `Heart`; the noise comes from `default_rng(heart.noise_seed)`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from cohort.leads import ECG
from cohort.person import Person
from phantom.first.anatomy import WallLattice, wall_lattice
from phantom.first.heart import Heart

SAMPLING_RATE_HZ = 500.0
MS_PER_SAMPLE = 2.0
STRIP_SAMPLES = 5000
MEDIAN_SAMPLES = 600
RESOLUTION_MV = 0.005
Q_ONSET_SAMPLE = 200  # of the QRS onset in every single-beat array, and in the medians
LATTICE_STEP_MM = 5.0

# ---- The heart: Durrer 1970 ----------------------------------------------------------------------------------------
# Durrer et al., "Total excitation of the isolated human heart", Circulation 41:899, 1970: the left ventricle starts at
# the septum, on the anterior wall beside it and on the posterior wall beside it; the right ventricle 5-10 ms later. The
# exact places were searched for within that description, until the drawn normals had normal ECGs and inferior scars
# their Q waves.
# (Angle round the long axis from lateral over anterior, degrees; fraction of the way from base to apex; time, ms.)
LV_SITES = ((143.0, 0.43, 0.0), (100.0, 0.45, 0.0), (-101.0, 0.30, 10.0))
RV_SITE = (169.0, 0.31, 10.5)
ECTOPIC_SITE = (130.0, 0.10)  # the outflow tract of the right ventricle, the commonest origin
# How far into the wall the fast layer of Purkinje fibres reaches: a quarter of the left, most of the thin right one.
LEFT_LAYER, FAST_LAYER_MM = 0.25, 2.5
# Without its Purkinje network a ventricle conducts along its muscle fibres only (Durrer 1970: 0.6-0.9 mm/ms).
MUSCLE_SPEED_MM_MS = 0.65
# Late sites recover early: the slope of APD on activation time (Franz et al., Circulation 75:379, 1987, found -1.3).
APD_PER_ACTIVATION = -1.33
LV_WALL_MM = 10.0  # over which the drawn transmural difference of APD is reached
# How far the action potentials have followed a lasting block (Rosenbaum et al., Am J Cardiol 50:213, 1982).
CARDIAC_MEMORY = 0.5
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
RAS_TO_XYZ = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
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
class ExcitableTissue:
    """The excitable part of a wall lattice, as N cells.

    Attributes:
        cell: (nx, ny, nz) int, the number of the cell, -1 where nothing is excitable.
        ventricle: (N,) 1 left with the septum, 2 right. septum: (N,) bool. depth: (N,) 0 endocardium to 1 epicardium.
        position_mm: (N, 3) heart coordinates u, v, w.
        face_mm2: (N, 3) net area of a cell's conducting faces, Dower's axes X Y Z.
        links: pairs of cells that touch by face, edge or corner: (first, second, distance_mm).
        rv_wall_mm: thickness of the right ventricle's wall.
    """

    cell: np.ndarray
    ventricle: np.ndarray
    septum: np.ndarray
    depth: np.ndarray
    position_mm: np.ndarray
    face_mm2: np.ndarray
    links: tuple[np.ndarray, np.ndarray, np.ndarray]
    rv_wall_mm: float


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
    rng = np.random.default_rng(heart.noise_seed)
    tissue = excitable_tissue(wall_lattice(heart, LATTICE_STEP_MM), heart.rv_wall_mm)
    sources = beat_sources(heart, tissue)
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


def excitable_tissue(lattice: WallLattice, rv_wall_mm: float) -> ExcitableTissue:
    """Number the cells that conduct (a scar does not) and list which of them touch."""
    alive = (lattice.mask > 0) & ~lattice.scar
    cell = np.full(alive.shape, -1)
    cell[alive] = np.arange(np.count_nonzero(alive))
    return ExcitableTissue(
        cell=cell,
        ventricle=lattice.mask[alive],
        septum=lattice.septum[alive],
        depth=lattice.depth[alive].astype(float),
        position_mm=lattice.heart_coordinates[alive].astype(float),
        face_mm2=_net_faces(np.where(alive, lattice.fill, 0.0), lattice.step_mm)[alive] @ RAS_TO_XYZ.T,
        links=_links(cell, lattice.step_mm),
        rv_wall_mm=rv_wall_mm,
    )


def _net_faces(fill: np.ndarray, step_mm: float) -> np.ndarray:
    """g (nx, ny, nz, 3), body axes, such that sum_i Vm_i g_i = -sum over faces of (jump in Vm) x (conducting area).

    The face between two cells conducts over the smaller of their fills; a face to nowhere does not, so that a uniform
    Vm gives no vector. This is the discrete -integral of grad Vm (Gima & Rudy, Circ Res 90:889, 2002, without 1/r).
    """
    net = np.zeros((*fill.shape, 3))
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        face = np.minimum(fill[tuple(low)], fill[tuple(high)]) * step_mm**2
        net[(*low, axis)] += face
        net[(*high, axis)] -= face
    return net


def _links(cell: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of touching cells once: 13 of the 26 neighbours, the other 13 being their mirror images."""
    flat = np.pad(cell, 1, constant_values=-1)
    strides = np.array([flat.shape[1] * flat.shape[2], flat.shape[2], 1])
    flat = flat.ravel()
    here = np.flatnonzero(flat >= 0)
    offsets = [np.array(o) - 1 for o in np.ndindex(3, 3, 3) if o > (1, 1, 1)]
    there = here + np.array([[o @ strides] for o in offsets])
    distance = np.broadcast_to([[step_mm * np.linalg.norm(o)] for o in offsets], there.shape)
    kept = flat[there] >= 0
    first = np.broadcast_to(flat[here], there.shape)
    return first[kept], flat[there][kept], distance[kept]


def _nearest_cell(tissue: ExcitableTissue, ventricle: int, angle_deg: float, fraction: float) -> int:
    """The endocardial cell of a ventricle nearest to a direction round the long axis at a fraction of its length."""
    u, v, w = tissue.position_mm.T
    left = tissue.ventricle == 1
    base, apex = w[left].min(), w[left].max()
    candidates = np.flatnonzero(tissue.ventricle == ventricle)
    candidates = candidates[tissue.depth[candidates] <= max(0.4, np.quantile(tissue.depth[candidates], 0.2))]
    direction = np.exp(1j * np.radians(angle_deg))
    off_direction = 25.0 * np.abs(np.exp(1j * np.arctan2(v, u)) - direction)
    off_level = w - (base + fraction * (apex - base))
    return int(candidates[np.argmin(np.hypot(off_direction, off_level)[candidates])])


def activation_times(
    tissue: ExcitableTissue,
    sites: list[tuple[int, float]],
    endocardial_speed_mm_ms: tuple[float, float],
    transmural_speed_mm_ms: float,
) -> np.ndarray:
    """(N,) ms: earliest arrival at each cell from any (cell, start ms) of `sites`, by Dijkstra over touching cells.

    Args:
        endocardial_speed_mm_ms: of the left and of the right ventricle.
    """
    speed = _conduction_speed(tissue, endocardial_speed_mm_ms, transmural_speed_mm_ms)
    first, second, distance = tissue.links
    travel = distance * 0.5 * (1 / speed[first] + 1 / speed[second])
    start = len(
        speed
    )  # one more cell, joined to the sites by their start times; the first of them 1, for 0 means no link
    cells, times = (np.array(x) for x in zip(*sites, strict=True))
    times = times - times.min() + 1.0
    rows = np.concatenate([first, np.full(len(cells), start)])
    graph = coo_array((np.concatenate([travel, times]), (rows, np.concatenate([second, cells]))), (start + 1,) * 2)
    arrival = dijkstra(graph.tocsr(), directed=False, indices=start)[:start]
    return np.where(np.isfinite(arrival), arrival, np.nanmax(arrival[np.isfinite(arrival)])) - arrival.min()


def _conduction_speed(
    tissue: ExcitableTissue, endocardial_speed_mm_ms: tuple[float, float], transmural_speed_mm_ms: float
) -> np.ndarray:
    """(N,) mm/ms: the endocardial speed of its ventricle, falling off to the transmural speed with depth."""
    left, right = (speed - transmural_speed_mm_ms for speed in endocardial_speed_mm_ms)
    from_left = left * np.exp(-((tissue.depth / LEFT_LAYER) ** 2))
    from_right = right * np.exp(-((tissue.depth * tissue.rv_wall_mm / FAST_LAYER_MM) ** 2))
    right_of_septum = right * np.exp(-(((1 - tissue.depth) / LEFT_LAYER) ** 2))
    gain = np.where(
        tissue.septum, np.maximum(from_left, right_of_septum), from_left
    )  # it has an endocardium either side
    return transmural_speed_mm_ms + np.where(tissue.ventricle == 2, from_right, gain)


def beat_sources(heart: Heart, tissue: ExcitableTissue) -> Sources:
    """The conducted beat. Where a bundle is blocked its ventricle starts late and spreads without its Purkinje network.

    The action potentials belong to the tissue, not to the beat: they are shorter at the epicardium and, mostly, where
    the heart WITH both bundles is activated late. Hence T is upright in health and discordant in bundle branch block.
    """
    healthy = _conducted_activation(heart, tissue, lv_delay_ms=0.0, rv_delay_ms=0.0)
    blocked = heart.lv_delay_ms > 0 or heart.rv_delay_ms > 0
    activation = _conducted_activation(heart, tissue, heart.lv_delay_ms, heart.rv_delay_ms) if blocked else healthy
    shorter = heart.apd_transmural_ms * np.where(tissue.ventricle == 2, heart.rv_wall_mm / LV_WALL_MM, 1.0)
    remembered = (1 - CARDIAC_MEMORY) * (healthy - healthy.mean()) + CARDIAC_MEMORY * (activation - activation.mean())
    apd = heart.apd_ms - shorter * tissue.depth + APD_PER_ACTIVATION * remembered
    return Sources(activation, apd, _face_mv(heart, tissue))


def _conducted_activation(heart: Heart, tissue: ExcitableTissue, lv_delay_ms: float, rv_delay_ms: float) -> np.ndarray:
    plan = [(1, lv_delay_ms, *site) for site in LV_SITES] + [(2, rv_delay_ms, *RV_SITE)]
    sites = [
        (_nearest_cell(tissue, ventricle, angle + shift_deg, level), delay + ms + shift_ms)
        for (ventricle, delay, angle, level, ms), (shift_deg, shift_ms) in zip(
            plan, heart.early_site_shift, strict=True
        )
    ]
    speeds = tuple(
        MUSCLE_SPEED_MM_MS if delay > 0 else heart.endocardial_speed_mm_ms for delay in (lv_delay_ms, rv_delay_ms)
    )
    return activation_times(tissue, sites, speeds, heart.transmural_speed_mm_ms)


def _ectopic_sources(heart: Heart, tissue: ExcitableTissue, conducted: Sources) -> Sources:
    origin = (_nearest_cell(tissue, 2, *ECTOPIC_SITE), 0.0)
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
    electrodes = _electrodes_mm(heart.chest_width_mm, heart.chest_depth_mm, np.array(heart.electrode_shift_mm))
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
        breath = 2 * np.pi * heart.respiratory_rate_hz * mean_ms / 1000 * np.arange(intervals)
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
    tilt = RESPIRATORY_TILT_RAD * np.sin(2 * np.pi * heart.respiratory_rate_hz * _seconds() + rng.uniform(0, 2 * np.pi))
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
    wander = heart.baseline_mv * _band_noise(rng, 0.05, 0.6, 2.0)
    phase, level = rng.uniform(0, 2 * np.pi, size=(len(DOWER), 1)), rng.uniform(0.5, 1.5, size=(len(DOWER), 1))
    mains = np.sqrt(2) * 1e-3 * heart.mains_uv * level * np.sin(2 * np.pi * 50.0 * _seconds() + phase)
    return wander + mains + 1e-3 * heart.muscle_uv * _band_noise(rng, 15.0, 150.0, 0.5)


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
