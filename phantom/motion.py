"""The beat that follows from the electricity: when each piece of wall pulls, and what volume the walls leave.

Each piece of wall begins to pull a coupling delay after its own activation, and lets go with its own recovery. Their
mean opens the aortic valve once it exceeds the load. It ejects against a load that grows with what has left, and closes
the valve when it falls below that load. Then comes relaxation, early filling, rest, and filling by the atrium, which
starts with the P wave. The right ventricle does the same at a lower load, by its own cells and its own clock.
"""

import functools
from dataclasses import dataclass

import numpy as np

from phantom.activation import Excitation, excitation
from phantom.anatomy import directions, end_diastole, scar_share, squeezed
from phantom.heart import Heart

STEP_MS = 2.0
RISE_MS = 26.0  # of the twitch; a strong heart pulls faster
FALL_MS = 30.0
# In what order force ends: a little by recovery, mostly by activation, for muscle that was stretched pulls longer.
BY_RECOVERY, BY_ACTIVATION = 0.25, 1.4
# From the end of a cell's action potential to half of its force. So mechanical systole ends with the QT interval as
# Boudoulas et al. found it (Am J Cardiol 1981). QS2 - QT is 12 - 0.1 HR ms in men, 29 - 0.1 HR in women.
HOLD_MS = {"male": 161.0, "female": 176.0}
RV_HOLD_MS = 5.0  # the pulmonary valve closes later, against a low pressure
LOAD, LOAD_PER_MMHG, RV_LOAD = 0.45, 0.002, 0.25  # share of the full force that opens the valve
STIFFENING = 0.42  # by how much the load grows until all is ejected
EJECTION_PER_MS = 1 / 45  # rate at which force in excess of the load ejects
EARLY_PEAK = 0.38  # of early filling's duration, its peak flow
ATRIAL_DELAY_MS = 45.0  # from the onset of P to the flow it drives
PRESTRETCH_PER_MS = 0.004  # late muscle is stretched first and shortens more, early muscle less (Prinzen 1999)
SPREAD_DEG = 20.0  # over which neighbouring muscle moves together
BORDER_DELAY_MS = 55.0  # muscle at a scar's border shortens late (post-systolic shortening)


@dataclass(frozen=True)
class Pull:
    """When a piece of wall pulls. Attributes: start_ms and end_ms (...) from the QRS onset; rise_ms of the twitch."""

    start_ms: np.ndarray
    end_ms: np.ndarray
    rise_ms: float

    def at(self, time_ms: np.ndarray | float) -> np.ndarray:
        """Share of the full force, 0 to 1, at a moment (broadcast against the pieces)."""
        risen = np.maximum(time_ms - self.start_ms, 0) / self.rise_ms
        left = 1 / (1 + np.exp(np.clip((time_ms - self.end_ms) / FALL_MS, -50, 50)))
        return (1 - (1 + risen) * np.exp(-risen)) * left


@dataclass(frozen=True)
class VolumeCurve:
    """One ventricle's beat.

    Attributes:
        ejected: (n,) share of the stroke volume that has left, every STEP_MS from the QRS onset to the next.
        opening_ms, closing_ms: of the outflow valve.
    """

    ejected: np.ndarray
    opening_ms: float
    closing_ms: float


@dataclass(frozen=True)
class Beat:
    """How one heart beats.

    Attributes:
        cycle_ms: from QRS to QRS.
        lv, rv: volume curves.
        pull: of the LV wall by direction, (48, 33).
        force: (n,) mean of `pull` over the living wall, every STEP_MS.
        amplitude: (48, 33) inward motion at end-systole against the mean; living muscle.
        scar: (48, 33) share.
    """

    heart: Heart
    cycle_ms: float
    lv: VolumeCurve
    rv: VolumeCurve
    pull: Pull
    force: np.ndarray
    amplitude: np.ndarray
    scar: np.ndarray

    def at(self, series: np.ndarray, phase: float) -> float:
        """A series every STEP_MS at `phase`, share of the cycle; periodic."""
        return float(np.interp(phase % 1 * self.cycle_ms, np.arange(len(series)) * STEP_MS, series, right=series[0]))

    @property
    def end_systole(self) -> float:
        """Share of the cycle at which the aortic valve closes; the LV is smallest there."""
        return self.lv.closing_ms / self.cycle_ms

    def inward(self, phase: float) -> tuple[np.ndarray, float]:
        """(48, 33) inward motion of the living wall, 1 for the mean at end-systole; and the mean force, 0 to 1."""
        force = self.at(self.force, phase)
        apart = self.pull.at(phase % 1 * self.cycle_ms) - force
        ejected = self.at(self.lv.ejected, phase)
        return ejected * self.amplitude + self.heart.discoordination * apart, force


@functools.lru_cache(maxsize=8)
def beat_of(heart: Heart) -> Beat:
    """The beat of a heart, which its activation and recovery decide, its load and its filling."""
    cycle_ms = 60_000 / heart.heart_rate_bpm
    electric = excitation(heart)
    scar = scar_share(heart, directions()[0])
    start, end = _by_direction(heart, electric)
    border = 4 * scar * (1 - scar)
    rise = RISE_MS * np.exp(-0.10 * np.clip(heart.contractility, -4, 3))
    hold = HOLD_MS[heart.sex] + heart.systole_shift_ms
    late = BORDER_DELAY_MS * border
    time = np.arange(0, cycle_ms, STEP_MS)
    weight = _wall_weight() * (1 - scar)
    pull = Pull(start + heart.coupling_ms + late, _end_of_force(start, end, weight) + hold + late, rise)
    force = _mean_force(pull, weight, time)
    right = np.flatnonzero(electric.tissue.ventricle == 2)[::4]
    activation, alike = electric.activation_ms[right], np.ones(len(right))
    rv_end = _end_of_force(activation, activation + electric.apd_ms[right], alike)
    rv_pull = Pull(activation + heart.coupling_ms, rv_end + hold + RV_HOLD_MS, rise)
    rv_force = _mean_force(rv_pull, alike, time)
    load = LOAD + LOAD_PER_MMHG * (heart.systolic_bp_mmhg - 130)
    amplitude = np.clip(1 + PRESTRETCH_PER_MS * (start - np.average(start, weights=weight)), 0.5, 1.5)
    return Beat(
        heart=heart,
        cycle_ms=cycle_ms,
        lv=_volume_curve(heart, force, load, cycle_ms),
        rv=_volume_curve(heart, rv_force, RV_LOAD, cycle_ms),
        pull=pull,
        force=force,
        amplitude=amplitude / np.average(amplitude, weights=weight),
        scar=scar,
    )


@functools.cache
def _wall_weight() -> np.ndarray:
    """(48, 33): how much the motion along each direction counts for the cavity; none beyond the base."""
    n, solid_angle = directions()
    return solid_angle * (n[2] > -0.45) * (1 - n[2] ** 2)


def _by_direction(heart: Heart, electric: Excitation) -> tuple[np.ndarray, np.ndarray]:
    """(48, 33) ms: activation and recovery of the LV wall along each direction, its depth and neighbours averaged."""
    left = electric.tissue.ventricle == 1
    geometry = end_diastole(heart)
    cells, _ = squeezed(geometry, electric.tissue.position_mm[left].T)
    n, _ = directions()
    coarse = n[:, ::4, ::4].reshape(3, -1)  # every 30 and 22.5 degrees: finer tells nothing the spread leaves
    near = np.exp((coarse.T @ cells - 1) / (1 - np.cos(np.radians(SPREAD_DEG))))
    near /= near.sum(axis=1, keepdims=True)
    activation = electric.activation_ms[left]
    both = np.stack([activation, activation + electric.apd_ms[left]], axis=1)
    return tuple(_refined((near @ both)[:, k].reshape(12, 9)) for k in range(2))


def _refined(coarse: np.ndarray) -> np.ndarray:
    """(12, 9) on every fourth direction -> (48, 33), linear between them, periodic round the axis."""
    round_axis = np.concatenate([coarse, coarse[:1]])
    theta, phi = np.arange(48) / 4, np.arange(33) / 4
    rows = np.stack([np.interp(theta, np.arange(13), column) for column in round_axis.T], axis=1)
    return np.stack([np.interp(phi, np.arange(9), row) for row in rows])


def _end_of_force(activation: np.ndarray, recovery: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """When each piece lets go: on average with its recovery, and apart by BY_RECOVERY and BY_ACTIVATION."""
    middle = np.average(recovery, weights=weight)
    apart = BY_RECOVERY * (recovery - middle)
    return middle + apart + BY_ACTIVATION * (activation - np.average(activation, weights=weight))


def _mean_force(pull: Pull, weight: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(n,): the weighted mean of what all pieces pull; every third suffices."""
    some = (slice(None, None, 3),) * weight.ndim
    few = Pull(pull.start_ms[some].ravel()[:, None], pull.end_ms[some].ravel()[:, None], pull.rise_ms)
    return np.average(few.at(time), axis=0, weights=weight[some].ravel())


def _volume_curve(heart: Heart, force: np.ndarray, load: float, cycle_ms: float) -> VolumeCurve:
    """Ejection by the force, then filling. A force too weak for the load opens the valve at four fifths of its peak."""
    strength = min(1.0, force.max() / (load + 0.25))  # a wall out of step adds up to less, and meets a lower pressure
    load = load * strength
    ejected, opening, closing = np.zeros(len(force)), None, None
    for k in range(1, len(force)):
        excess = force[k] - load - STIFFENING * strength * ejected[k - 1]
        if opening is None and excess > 0:
            opening = k
        if opening is not None and excess <= 0 and k > opening + 40:
            closing = k
            break
        ejected[k] = ejected[k - 1] + max(excess, 0) * EJECTION_PER_MS * STEP_MS
    closing = closing or len(force) * 3 // 4
    ejected /= ejected[closing - 1]
    closing_ms = closing * STEP_MS
    time = np.arange(len(force)) * STEP_MS
    filled = _filling(heart, time, closing_ms, cycle_ms)
    return VolumeCurve(np.where(time < closing_ms, ejected, 1 - filled), (opening or 1) * STEP_MS, closing_ms)


def _filling(heart: Heart, time: np.ndarray, closing_ms: float, cycle_ms: float) -> np.ndarray:
    """(n,) share of the stroke volume that has come back.

    A fast heart has no time for all of it: relaxation and early filling shorten alike.
    """
    left = cycle_ms - closing_ms
    needed = heart.relaxation_ms + heart.early_filling_ms
    shorter = min(1.0, (left - 10) / needed)
    opens = closing_ms + heart.relaxation_ms * shorter
    early = _flow((time - opens) / (heart.early_filling_ms * shorter), EARLY_PEAK)
    starts = max(cycle_ms - heart.pr_ms + ATRIAL_DELAY_MS, opens)
    atrial = _flow((time - starts) / (cycle_ms - starts), 0.5)
    return (1 - heart.atrial_share) * early + heart.atrial_share * atrial


def _flow(x: np.ndarray, peak: float) -> np.ndarray:
    """What has flowed by share x of a wave's duration, whose speed rises and falls as a cosine about its peak."""
    x = np.clip(x, 0, 1)
    rising = peak * 0.5 * (x / peak - np.sin(np.pi * np.minimum(x / peak, 1)) / np.pi)
    y = np.clip((x - peak) / (1 - peak), 0, 1)
    falling = 0.5 * peak + (1 - peak) * 0.5 * (y + np.sin(np.pi * y) / np.pi)
    return np.where(x < peak, rising, falling) * 2
