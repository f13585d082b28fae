"""The volume of a ventricle over a heartbeat: its smooth course, end-systole, ejection, filling, the atrium's share.

Frames are spread evenly over the beat. The course is a cubic fitted to neighbouring frames (Savitzky and Golay, Anal
Chem 36:1627, 1964), a fifth of the beat wide. On 40 phantoms' true curves with 1 % of noise it finds the peak rate of
ejection within 5 % and of filling within 9 %, at 25 and at 50 frames.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used: --help need not wait for them

from cohort.phases import end_diastole, end_systole

WIDTH = 0.19  # of the beat, over which the cubic is fitted
NARROWEST = 5  # frames
CUBIC = 3
FEWEST_FRAMES = 10  # of a beat; of fewer, no rate is told
EJECTED = 0.99  # of the stroke volume: ejection ends here, and the LV hardly changes until it fills
OPEN_CYCLE = 2.0  # from the last frame to the first, against the largest step within; beyond it the beat is cut off
TWO_WAVES = 0.1  # of the highest filling rate, by which a wave of filling must stand out
VALLEY = 0.6  # between two waves, the rate over the lower wave's


@dataclass(frozen=True, eq=False)
class VolumeCurve:
    """One ventricle over a beat.

    Attributes:
        volume_ml: (frames,) as counted.
        smooth_ml: (frames,) its smooth course; as counted where there are fewer than FEWEST_FRAMES.
        slope_ml: (frames,) mL a beat; None where there are fewer than FEWEST_FRAMES.
        closed: whether the last frame leads on to the first, as in a beat that was acquired whole.
        ed, es: frames of end-diastole (`end_diastole`) and of the smallest smooth volume after it.
    """

    volume_ml: np.ndarray
    smooth_ml: np.ndarray
    slope_ml: np.ndarray | None
    closed: bool
    ed: int
    es: int

    @property
    def stroke_ml(self) -> float:
        """The smooth course's fall from ED to ES."""
        return float(self.smooth_ml[self.ed] - self.smooth_ml[self.es])

    @property
    def end_of_ejection(self) -> float:
        """Share of the beat from ED to where EJECTED of the stroke volume has left, between two frames."""
        frames = len(self.smooth_ml)
        course = np.roll(self.smooth_ml, -self.ed)
        last = (self.es - self.ed) % frames
        limit = course[0] - EJECTED * (course[0] - course[last])
        below = int(np.flatnonzero(course[: last + 1] <= limit)[0]) if last else 0
        if not below:
            return 0.0
        before, here = course[below - 1], course[below]
        return float((below - 1 + (before - limit) / (before - here)) / frames)

    @property
    def peak_ejection_ml(self) -> float | None:
        """The steepest fall in mL a beat; None without a slope."""
        return None if self.slope_ml is None else float(-self.slope_ml.min())

    @property
    def peak_filling_ml(self) -> float | None:
        """The steepest rise in mL a beat; None without a slope."""
        return None if self.slope_ml is None else float(self.slope_ml.max())

    @property
    def atrial_share(self) -> float | None:
        """Of the stroke volume, what a last wave of filling brings; None where no two waves stand apart."""
        if self.slope_ml is None or not self.closed or self.stroke_ml <= 0:
            return None
        last = (self.es - self.ed) % len(self.smooth_ml)
        filling = np.append(np.roll(self.slope_ml, -self.ed)[last:], self.slope_ml[self.ed])
        waves, _ = scipy.signal.find_peaks(np.append(filling, 0.0), prominence=TWO_WAVES * filling.max())
        if len(waves) < 2:
            return None
        early, late = waves[-2:]
        valley = early + int(filling[early : late + 1].argmin())
        if filling[valley] > VALLEY * min(filling[early], filling[late]):
            return None
        course = np.roll(self.smooth_ml, -self.ed)[last:]
        return float((self.smooth_ml[self.ed] - course[valley]) / self.stroke_ml)


def volume_curve(volume_ml: np.ndarray, lead: "VolumeCurve | None" = None) -> VolumeCurve:
    """The curve of a ventricle's volumes (frames,) in mL, evenly spaced over one beat.

    Args:
        lead: the other ventricle, whose ED and ES are taken. The LV leads the RV.
    """
    volume = np.asarray(volume_ml, float)
    frames = len(volume)
    closed = _is_closed(volume)
    smooth, slope = volume, None
    if frames >= FEWEST_FRAMES:
        width = max(NARROWEST, 2 * int(frames * WIDTH / 2) + 1)
        ends = "wrap" if closed else "interp"
        smooth = scipy.signal.savgol_filter(volume, width, CUBIC, mode=ends)
        slope = scipy.signal.savgol_filter(volume, width, CUBIC, deriv=1, mode=ends) * frames
    ed = end_diastole(volume) if lead is None else lead.ed
    es = end_systole(np.where(volume > 0, smooth.clip(1e-9), 0), ed) if lead is None else lead.es
    return VolumeCurve(volume, smooth, slope, closed, ed, es)


def _is_closed(volume: np.ndarray) -> bool:
    """Whether the step from the last frame to the first is no larger than steps are."""
    steps = np.abs(np.diff(volume))
    return bool(len(steps) < FEWEST_FRAMES - 1 or abs(volume[0] - volume[-1]) <= OPEN_CYCLE * steps.max())
