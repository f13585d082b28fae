"""How a drawn heart moves, in the numbers that a cine would be measured for."""

import functools

import numpy as np

from cohort.beat import SECTORS, beat_of
from cohort.motion_table import motion_row
from cohort.phenotypes import WALL_SECTOR, WALLS
from phantom.anatomy import PHI, THETA, end_diastole
from phantom.beating import left_ventricle_at
from phantom.heart import Heart
from phantom.motion import STEP_MS, Beat
from phantom.motion import beat_of as drawn_beat

MOMENTS = 50  # of the cycle, at which the wall is measured
MIDDLE = (np.radians(60) < PHI) & (np.radians(100) > PHI)  # of the wall, from apex to base
MOSTLY_SCAR = 0.5
STILL = 0.02  # of its thickness: a wall that changes less, a scar, has no peak
HARMONICS = 4  # of the beat: the top of a wall that keeps its thickness is no sharper


def motion_truth(heart: Heart) -> dict[str, float]:
    """The beat in numbers: ms, mL/s, shares and percent.

    Keys:
        ES_share, ES_ms: when the LV is smallest, of the cycle and from the onset of the QRS.
        PEP_ms: from the onset of the QRS to the aortic valve's opening.
        peak_ejection_ml_s, peak_filling_ml_s: the steepest fall and rise of the LV volume.
        atrial_share: of the stroke volume. EA_ratio: early over late peak flow; NaN without an atrial wave.
        thickening_<quarter>_percent: of the middle of the wall from ED to ES, for each of WALLS without "wall_".
        peak_<quarter>_ms: when that quarter is thickest; NaN where it never thickens.
        dyssynchrony_ms: SD of the time to peak thickening of SECTORS sectors, scars left out.
    """
    beat = drawn_beat(heart)
    stroke = heart.lvedv_ml - heart.lvesv_ml
    flow = np.gradient(beat.lv.ejected, STEP_MS / 1000) * stroke
    filling = -flow
    return {
        "ES_share": beat.end_systole,
        "ES_ms": beat.lv.closing_ms,
        "PEP_ms": beat.lv.opening_ms,
        "peak_ejection_ml_s": float(flow.max()),
        "peak_filling_ml_s": float(filling.max()),
        "EA_ratio": _early_over_late(heart, beat, filling),
        **_thickening(heart, beat),
    }


def _early_over_late(heart: Heart, beat: Beat, filling: np.ndarray) -> float:
    if heart.atrial_share == 0:
        return float("nan")
    time = np.arange(len(filling)) * STEP_MS
    late = time > (beat.cycle_ms - heart.pr_ms)
    return float(filling[~late].max() / filling[late].max())


def told_motion(heart: Heart) -> dict[str, float | None]:
    """A row of motion.csv: what a cine of MOMENTS frames, without voxels, would be measured for."""
    phases = np.arange(MOMENTS) / MOMENTS
    beat, stroke = drawn_beat(heart), heart.lvedv_ml - heart.lvesv_ml
    volume = heart.lvedv_ml - stroke * np.array([beat.at(beat.lv.ejected, phase) for phase in phases])
    _, thick = wall_thickness(heart)  # (MOMENTS, directions)
    sectors = thick.reshape(MOMENTS, SECTORS, -1).mean(axis=2)
    return motion_row(beat_of(volume, sectors))


@functools.lru_cache(maxsize=2)
def wall_thickness(heart: Heart) -> tuple[np.ndarray, np.ndarray]:
    """(MOMENTS,) ms and (MOMENTS, 48) mm: thickness of the middle of the LV wall by direction round the axis."""
    phases = np.arange(MOMENTS) / MOMENTS
    moments = [left_ventricle_at(heart, phase) if phase else end_diastole(heart) for phase in phases]
    thick = np.stack([(g.epicardium - g.endocardium)[:, MIDDLE].mean(axis=1) for g in moments])
    return phases * drawn_beat(heart).cycle_ms, thick


def _thickening(heart: Heart, beat: Beat) -> dict[str, float]:
    time, thick = wall_thickness(heart)
    systole = left_ventricle_at(heart, beat.end_systole)
    at_systole = (systole.epicardium - systole.endocardium)[:, MIDDLE].mean(axis=1)
    found = {}
    for name, direction in WALLS.items():
        away = np.abs((THETA - np.radians(direction) + np.pi) % (2 * np.pi) - np.pi)
        inside = away <= WALL_SECTOR / 2 + 1e-9
        quarter, before = thick[:, inside].mean(axis=1), thick[0, inside].mean()
        name = name.removeprefix("wall_")
        found[f"thickening_{name}_percent"] = float(100 * (at_systole[inside].mean() / before - 1))
        found[f"peak_{name}_ms"] = _peak(time, quarter)
    living = beat.scar[:, MIDDLE].mean(axis=1) < MOSTLY_SCAR
    peaks = [_peak(time, thick[:, k]) for k in range(0, len(THETA), len(THETA) // SECTORS) if living[k]]
    return found | {"dyssynchrony_ms": float(np.nanstd(peaks))}


def _peak(time: np.ndarray, values: np.ndarray) -> float:
    """When a periodic series is largest, of its first HARMONICS: the vertex of a parabola through three values.

    NaN where it hardly changes.
    """
    values = np.fft.irfft(np.fft.rfft(values)[: HARMONICS + 1], len(values))
    if np.ptp(values) < STILL * values.mean():
        return float("nan")
    k = int(values.argmax())
    before, top, after = values[k - 1], values[k], values[(k + 1) % len(values)]
    return float(time[k] + (time[1] - time[0]) * 0.5 * (before - after) / (before - 2 * top + after))
