"""How a heart beats, measured on the label maps of a cine: its volume's curve, and numbers of its motion.

Times are shares of the cycle from ED, and rates are stroke volumes a cycle. So a number tells of the heart, and the
heart rate makes milliseconds and mL/s of it. What is measured here is what `phantom.truth` knows of a phantom.
"""

from dataclasses import dataclass

import numpy as np

from .beat_clock import ES_PLACE, LONGEST_SYSTOLE, SHORTEST_SYSTOLE, time_of
from .cine import Label
from .phenotypes import WALL_SECTOR, WALLS, volume_ml
from .volume_curve import volume_curve

QUARTERS = {name.removeprefix("wall_"): np.radians(degrees) for name, degrees in WALLS.items()}  # direction
NUMBERS = (
    *("ES_share", "peak_ejection", "peak_filling", "atrial_share", "dyssynchrony"),
    *(f"thickening_{quarter}" for quarter in QUARTERS),
    *(f"peak_{quarter}" for quarter in QUARTERS),
)
DOES_NOT_CLOSE = 0.2  # of the stroke volume that may be lacking in the last frame. Phantoms: 0.18 at most of 150
SECTORS = 12  # round the long axis, whose peaks are compared
STILL = 0.02  # of its thickness: a wall that changes less, a scar, has no peak
FARTHEST_PEAK = 0.12  # of the cycle from the middle sector's: a sector beyond is a scar that its neighbours pull at
HARMONICS = 4  # of the beat: the top of a wall that keeps its thickness is no sharper


@dataclass(frozen=True, eq=False)
class MeasuredBeat:
    """One beat.

    Attributes:
        volume_ml: (frames,) of the LV; frame 0 is ED.
        inside: (frames,) share of the stroke volume still inside, (V - ESV) / SV, of the curve's smooth course.
        es: when ejection is over, share of what the frames span; of a beat that closes it is ES_share.
        closes: whether the last frame leads back to the first. Prospective gating leaves out the end of the cycle.
        numbers: NUMBERS by name. NaN where unknown: of a beat that does not close, all that needs the whole cycle.
    """

    volume_ml: np.ndarray
    inside: np.ndarray
    es: float
    closes: bool
    numbers: dict[str, float]


def measured_beat(labels: np.ndarray, pixel_mm: float, step_mm: float) -> MeasuredBeat | None:
    """The beat of label maps (slices, frames, height, width) spread evenly over the cycle, from ED on.

    None where it cannot be measured: too few frames, one without LV, an LV that does not move or is largest elsewhere.

    NUMBERS are those of `beat_of`.
    """
    return beat_of(volume_ml(labels, Label.LV_CAVITY, pixel_mm**2 * step_mm), sector_thickness(labels))


def beat_of(volume: np.ndarray, thickness: np.ndarray) -> MeasuredBeat | None:
    """The beat of an LV's volumes (frames,) in mL and its wall's thickness (frames, SECTORS); None as `measured_beat`.

    NUMBERS: ES_share, peak_ejection and peak_filling (stroke volumes a cycle) and atrial_share are those of
    `cohort.volume_curve`. thickening_<quarter>, in percent of the wall's thickness at ED, from ED to ES.
    peak_<quarter>, when that quarter is thickest. dyssynchrony, the SD of when SECTORS are.
    """
    curve = volume_curve(volume)
    if curve.slope_ml is None or curve.volume_ml.min() <= 0 or curve.ed != 0 or curve.stroke_ml <= 0:
        return None
    inside = (curve.smooth_ml - curve.smooth_ml[curve.es]) / curve.stroke_ml
    closes = bool(curve.closed and 1 - inside[-1] <= DOES_NOT_CLOSE)
    es = curve.end_of_ejection
    if not SHORTEST_SYSTOLE <= es <= LONGEST_SYSTOLE:
        return None
    numbers = dict.fromkeys(NUMBERS, float("nan"))
    at_es = at_moments(thickness, es)
    for quarter, direction in QUARTERS.items():
        within = sectors_of(direction)
        before = thickness[0, within].mean()
        numbers[f"thickening_{quarter}"] = thickening(float(before), float(at_es[within].mean()))
        if closes:
            numbers[f"peak_{quarter}"] = time_to_peak(thickness[:, within].mean(axis=1))
    if closes:
        numbers |= {
            "ES_share": es,
            "peak_ejection": curve.peak_ejection_ml / curve.stroke_ml,
            "peak_filling": curve.peak_filling_ml / curve.stroke_ml,
            "atrial_share": float("nan") if curve.atrial_share is None else curve.atrial_share,
            "dyssynchrony": _spread_of_peaks(thickness),
        }
    return MeasuredBeat(curve.volume_ml, inside, es, closes, numbers)


def thickening(before: float, after: float) -> float:
    """By how many percent a wall thickens, from ED to ES; NaN of a wall that has no thickness at ED."""
    return 100 * (after / before - 1) if before > 0 else float("nan")


def curve_on_clock(inside: np.ndarray, es: float, points: int) -> np.ndarray:
    """(points,) share of the stroke volume still inside, at places spread evenly over the beat's clock.

    It is 1 at ED and 0 at ES, which must be one of the points.

    Args:
        inside: (frames,) of a beat that closes. es: when its ejection is over.
    """
    curve = at_moments(inside, time_of(np.arange(points) / points, es))
    curve[0], curve[round(ES_PLACE * points)] = 1, 0
    return curve


def at_moments(series: np.ndarray, times: np.ndarray | float) -> np.ndarray:
    """A periodic series (frames, ...) at moments, shares of the cycle: linear between frames."""
    moments = np.asarray(times) % 1 * len(series)
    before = np.floor(moments).astype(int) % len(series)
    share = (moments - np.floor(moments)).reshape(np.shape(moments) + (1,) * (series.ndim - 1))
    return (1 - share) * series[before] + share * series[(before + 1) % len(series)]


def time_to_peak(values: np.ndarray) -> float:
    """When a periodic series is largest, of its first HARMONICS, share of the cycle; NaN where it hardly changes."""
    values = np.fft.irfft(np.fft.rfft(values)[: HARMONICS + 1], len(values))
    if not np.ptp(values) >= STILL * values.mean():
        return float("nan")
    k = int(values.argmax())
    before, top, after = values[k - 1], values[k], values[(k + 1) % len(values)]
    return float((k + 0.5 * (before - after) / (before - 2 * top + after)) / len(values))


def _spread_of_peaks(thickness: np.ndarray) -> float:
    """SD of the sectors' times to peak, share of the cycle; NaN where none has a peak, or none is near the median."""
    peaks = np.array([time_to_peak(sector) for sector in thickness.T])
    peaks = peaks[np.isfinite(peaks)]
    near = peaks[np.abs(peaks - np.median(peaks)) < FARTHEST_PEAK] if len(peaks) else peaks
    return float(near.std()) if len(near) else float("nan")


def sectors_of(direction: float) -> np.ndarray:
    """Numbers of the SECTORS that lie in the quarter about a direction, in radians from the lateral wall."""
    middles = (np.arange(SECTORS) + 0.5) * 2 * np.pi / SECTORS
    away = np.abs((middles - direction + np.pi) % (2 * np.pi) - np.pi)
    return np.flatnonzero(away <= WALL_SECTOR / 2)


def sector_thickness(labels: np.ndarray) -> np.ndarray:
    """(frames, SECTORS) pixels: thickness of the wall round the long axis, mean over the middle of the LV.

    The slices are the middle third of those that show LV and RV in every frame. The septum is where the RV is at ED.
    Each sector is a part of a ring, as in `cohort.phenotypes.sector_thickness_mm`. NaN where no such slice is.
    """
    parts = (Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY)
    shown = [s for s in labels if all((s == int(part)).any(axis=(1, 2)).all() for part in parts)]
    third = len(shown) // 3
    middle = shown[third : len(shown) - third]
    if not middle:
        return np.full((labels.shape[1], SECTORS), np.nan)
    return np.mean([_ring(slice_) for slice_ in middle], axis=0)


def _ring(slice_: np.ndarray) -> np.ndarray:
    """(frames, SECTORS) of one slice (frames, height, width)."""
    septum = _centre(slice_[0] == int(Label.RV_CAVITY)) - _centre(slice_[0] == int(Label.LV_CAVITY))
    turn = np.arctan2(-septum[0], septum[1]) - np.pi  # of the lateral wall; rows count downwards
    return np.stack([_ring_of(frame, turn) for frame in slice_])


def _ring_of(frame: np.ndarray, turn: float) -> np.ndarray:
    heart = (frame == int(Label.LV_CAVITY)) | (frame == int(Label.LV_MYOCARDIUM))
    rows, columns = np.nonzero(heart)
    centre = _centre(frame == int(Label.LV_CAVITY))
    angle = np.arctan2(centre[0] - rows, columns - centre[1]) - turn
    sector = (angle % (2 * np.pi) * SECTORS / (2 * np.pi)).astype(int) % SECTORS
    cavity = frame[rows, columns] == int(Label.LV_CAVITY)
    inner = np.bincount(sector[cavity], minlength=SECTORS)
    both = np.bincount(sector, minlength=SECTORS)
    return np.sqrt(SECTORS / np.pi * both) - np.sqrt(SECTORS / np.pi * inner)


def _centre(shape: np.ndarray) -> np.ndarray:
    return np.argwhere(shape).mean(axis=0)
