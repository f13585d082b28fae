"""Do the slices of a generated heart belong to one heart? Measured on label maps, generated and real alike.

From slice to slice the centre of a real LV follows a line, its cavity narrows smoothly, and the RV stays on one side.
From ED to ES the wall thickens and keeps its volume. Slices drawn one by one break that, though each looks right. No
number here is good or bad by itself: real hearts show how much is natural.
"""

import numpy as np

from cohort.cine import Label

MEASURES = (
    "centre_shift_mm",
    "area_second_difference_mm2",
    "rv_angle_shift_deg",
    "phase_centre_shift_mm",
    "myocardial_volume_change_percent",
)
LEFT_VENTRICLE = (Label.LV_CAVITY, Label.LV_MYOCARDIUM)
FEWEST_PIXELS = 10  # a structure smaller than this has no centre to speak of


def coherence_of(labels: np.ndarray, pixel_mm: float, mask: np.ndarray) -> dict[str, float]:
    """MEASURES of one heart. Neighbours are acquired slices next to each other, in the same phase.

    - centre_shift_mm: mean move of the LV's centre (cavity and wall) between neighbours, less the heart's own mean
      move. So an axis tilted against the stack does not count.
    - area_second_difference_mm2: mean |a - 2 b + c| of the LV cavity's areas in three neighbours. It runs from the
      first to the last slice that shows the LV; a slice in between that lost the LV counts with area 0.
    - rv_angle_shift_deg: mean change between neighbours of the direction from the LV's centre to the RV's.
    - phase_centre_shift_mm: mean distance of the LV's centres at ED and at ES in one slice.
    - myocardial_volume_change_percent: |wall volume at ES - at ED| of ED, over the slices acquired in both phases.

    Args:
        labels: (slices, phases, height, width) of `Label`; phase 0 is ED, ES the smallest LV cavity of the others.
        mask: (slices, phases), True where the slice was acquired.

    Returns:
        MEASURES by name; NaN where the heart does not show enough of itself to measure.
    """
    acquired = np.where(mask[..., None, None], labels, Label.BACKGROUND)
    lv, rv = centres(acquired, LEFT_VENTRICLE), centres(acquired, (Label.RV_CAVITY,))  # (S, P, 2) each
    shift = np.diff(lv, axis=0)  # (S - 1, P, 2)
    towards_rv = np.degrees(np.arctan2(*np.moveaxis(rv - lv, -1, 0)))  # (S, P)
    turn = (np.diff(towards_rv, axis=0) + 180) % 360 - 180  # (S - 1, P)
    measured = (
        _mean(np.linalg.norm(shift - _own_shift(shift), axis=-1)) * pixel_mm,
        _mean(np.abs(np.diff(_cavity_areas(acquired, mask), n=2, axis=0))) * pixel_mm**2,
        _mean(np.abs(turn)),
        *_ed_against_es(acquired, lv, mask, pixel_mm),
    )
    return dict(zip(MEASURES, measured, strict=True))


def coherence_row(labels: np.ndarray, pixel_mm: float, mask: np.ndarray) -> np.ndarray:
    """`coherence_of` as numbers: (5,) in the order of MEASURES."""
    return np.array(list(coherence_of(labels, pixel_mm, mask).values()))


def coherence(generated: np.ndarray, real: np.ndarray) -> dict[str, dict[str, float]]:
    """Medians over hearts of every measure, generated beside real, and how many hearts could be measured.

    Args:
        generated: (n, 5) rows of `coherence_row`; real: (m, 5).

    Returns:
        For each of MEASURES: generated, real, n_generated, n_real; the median is NaN where no heart could be measured.
    """
    report = {}
    for name, *sides in zip(MEASURES, generated.T, real.T, strict=True):
        known = [side[np.isfinite(side)] for side in sides]
        medians = (float(np.median(side)) if len(side) else float("nan") for side in known)
        report[name] = dict(
            zip(("generated", "real", "n_generated", "n_real"), (*medians, *map(len, known)), strict=True)
        )
    return report


def centres(labels: np.ndarray, parts: tuple[int, ...]) -> np.ndarray:
    """Mean (row, column) in pixels of all pixels of some labels, per slice: (..., height, width) -> (..., 2).

    NaN where a slice has fewer than FEWEST_PIXELS of them.
    """
    there = np.isin(labels, parts)
    count = there.sum(axis=(-2, -1))
    row, column = (np.arange(side) for side in labels.shape[-2:])
    sums = (there.sum(axis=-1) @ row, there.sum(axis=-2) @ column)
    return np.stack(sums, axis=-1) / np.where(count < FEWEST_PIXELS, np.nan, count)[..., None]


def _own_shift(shift: np.ndarray) -> np.ndarray:
    """Mean shift (phases, 2) between neighbours of (slices - 1, phases, 2); NaN for a phase with fewer than two."""
    n = np.isfinite(shift).sum(axis=0)
    return np.nansum(shift, axis=0) / np.where(n < 2, np.nan, n)


def _cavity_areas(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels of LV cavity (slices, phases), from the first to the last slice that shows the LV; NaN elsewhere."""
    shown = np.isin(labels, LEFT_VENTRICLE).sum(axis=(2, 3)) >= FEWEST_PIXELS
    begun, not_over = (np.logical_or.accumulate(side, axis=0) for side in (shown, shown[::-1]))
    area = (labels == Label.LV_CAVITY).sum(axis=(2, 3))
    return np.where(mask & begun & not_over[::-1], area, np.nan)


def _ed_against_es(labels: np.ndarray, lv: np.ndarray, mask: np.ndarray, pixel_mm: float) -> tuple[float, float]:
    """Shift of the LV's centres in mm and change of the wall's volume in %, from ED to ES; NaN with one phase only.

    Args:
        lv: (slices, phases, 2) pixels, the LV's centres.
    """
    if labels.shape[1] < 2:
        return float("nan"), float("nan")
    cavity = (labels == Label.LV_CAVITY).sum(axis=(0, 2, 3))
    phases = [0, 1 + int(cavity[1:].argmin())]
    both = labels[mask[:, phases].all(axis=1)][:, phases]
    ed, es = (both == Label.LV_MYOCARDIUM).sum(axis=(0, 2, 3)).tolist()
    moved = np.linalg.norm(lv[:, phases[1]] - lv[:, 0], axis=-1)
    return _mean(moved) * pixel_mm, 100 * abs(es - ed) / ed if ed else float("nan")


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are known; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
