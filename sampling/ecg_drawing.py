"""The twelve leads on ECG paper, in millimetres: 25 mm are a second, 10 mm a millivolt."""

from dataclasses import dataclass

import numpy as np

from cohort.leads import LEADS
from cohort.rhythm import StripBeats

MM_PER_S, MM_PER_MV = 25.0, 10.0
COLUMNS = 2  # of six leads, each of half the strip: lead by lead, at the same speed as on paper
EDGE_MM = 15.0  # left of the first column, for the lead's name and the pulse of 1 mV
GAP_MM = 8.0  # left of a further column, for the name alone
PULSE_MV = 1.05  # every row has room for the pulse
HIGHEST_ROW_MM, BETWEEN_MM = 90.0, 3.0
FOOT_MM = 9.0  # below the rhythm strip, for the marks of its beats and the scale in words
RHYTHM_LEAD = "II"  # or the first lead that is there


@dataclass(frozen=True)
class LeadDrawing:
    """One lead, or a part of it, in the millimetres of the sheet.

    Attributes:
        name: of the lead. left, middle: where its first sample and its 0 mV lie. begins_row: whether it is leftmost.
        path: an SVG path; empty where the lead is absent or flat.
    """

    name: str
    left: float
    middle: float
    begins_row: bool
    path: str


@dataclass(frozen=True)
class ECGDrawing:
    """A sheet of ECG paper.

    Attributes:
        width, height: mm. leads: twelve, and the rhythm strip last. absent: leads that the network was not given.
        peaks: (x in mm, whether the beat was used) on the rhythm strip. strip_top: where that begins.
        seconds: of the recording.
    """

    width: float
    height: float
    leads: list[LeadDrawing]
    absent: list[str]
    peaks: list[tuple[float, bool]]
    strip_top: float
    seconds: float

    def x_of(self, second: float) -> float:
        """Where a second lies on the rhythm strip, mm."""
        return EDGE_MM + MM_PER_S * second

    def column_x_of(self, second: float) -> float:
        """Where it lies in the columns above, mm."""
        half = self.seconds / COLUMNS
        column = min(int(second // half), COLUMNS - 1)
        return EDGE_MM + column * (MM_PER_S * half + GAP_MM) + MM_PER_S * (second - column * half)


def ecg_drawing(signal: np.ndarray, lead_mask: np.ndarray, rate: float, beats: StripBeats | None) -> ECGDrawing:
    """Draw twelve leads in two columns, and one of them whole below.

    Args:
        signal: (12, T) mV. lead_mask: (12,) bool, False where a lead is absent or flat. rate: Hz.
        beats: of the strip, or None.
    """
    seconds = signal.shape[1] / rate
    part = signal.shape[1] // COLUMNS
    rows = len(LEADS) // COLUMNS
    column_mm = MM_PER_S * seconds / COLUMNS + GAP_MM
    leads, top = [], 0.0
    for row in range(rows):
        numbers = [row + column * rows for column in range(COLUMNS)]
        middle, height = _row(signal[numbers])
        for column, number in enumerate(numbers):
            left = EDGE_MM + column * column_mm
            shown = signal[number, column * part : (column + 1) * part]
            path = _path(shown, rate, left, top + middle) if lead_mask[number] else ""
            leads.append(LeadDrawing(LEADS[number], left, top + middle, column == 0, path))
        top += height
    strip_top = top + BETWEEN_MM
    chosen = _rhythm_lead(lead_mask)
    middle, height = _row(signal[[chosen]])
    path = _path(signal[chosen], rate, EDGE_MM, strip_top + middle) if lead_mask[chosen] else ""
    leads.append(LeadDrawing(LEADS[chosen], EDGE_MM, strip_top + middle, True, path))
    peaks = [] if beats is None else zip(beats.peaks_s, beats.used, strict=True)
    return ECGDrawing(
        EDGE_MM + COLUMNS * column_mm - GAP_MM + 2,
        strip_top + height + FOOT_MM,
        leads,
        [name for name, there in zip(LEADS, lead_mask, strict=True) if not there],
        [(round(EDGE_MM + MM_PER_S * float(at), 2), bool(used)) for at, used in peaks],
        strip_top,
        seconds,
    )


def shown_beat(beats: StripBeats | None, rr_s: float | None) -> tuple[float, float] | None:
    """Beginning and end, s, of the used beat whose length is nearest to that of the film; None without one."""
    if beats is None or rr_s is None:
        return None
    lengths = np.where(beats.used_intervals, np.abs(beats.intervals_s - rr_s), np.inf)
    first = int(lengths.argmin())
    return float(beats.peaks_s[first]), float(beats.peaks_s[first + 1])


def _rhythm_lead(lead_mask: np.ndarray) -> int:
    wanted = LEADS.index(RHYTHM_LEAD)
    return wanted if lead_mask[wanted] or not lead_mask.any() else int(np.argmax(lead_mask))


def _row(signal: np.ndarray) -> tuple[float, float]:
    """Where 0 mV lies in a row, and its height, mm; a row has room for all that people's hearts show."""
    up, down = MM_PER_MV * max(float(signal.max()), PULSE_MV), MM_PER_MV * max(float(-signal.min()), 0.3)
    height = min(up + down, HIGHEST_ROW_MM)
    return height * up / (up + down) + BETWEEN_MM / 2, height + BETWEEN_MM


def _path(millivolts: np.ndarray, rate: float, left: float, middle: float) -> str:
    x = left + np.arange(len(millivolts)) / rate * MM_PER_S
    y = middle - MM_PER_MV * millivolts.astype(float)
    points = " ".join(f"{a:.1f},{b:.2f}" for a, b in zip(x, y, strict=True))
    return f"M{points}"
