"""Hearts that no living heart is like, found on label maps, generated and true alike.

Slices can show only so much, and the limits below respect that. On 120 true phantoms the label maps break none of them.

A stack that begins inside the ventricle shows less of it at ED than at ES, because the base moves. True phantoms cut so
change by up to 21 % in mass, and their stroke volumes differ up to 1.7 times. Those whose base is shown reach 10 % and
1.25 times. So mass and stroke volumes are judged only where the stack reaches above the left ventricle (LV).
"""

import numpy as np
from scipy import ndimage

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.label_quality import FEWEST_PIXELS

KINDS = {  # in words, for a report
    "mass": "the wall's mass differs by more than 15 % between ED and ES",
    "stroke_volumes": "the RV's stroke volume is outside 0.7 to 1.4 of the LV's",
    "open_ring": "in a middle slice the wall does not enclose the cavity",
    "widens_again": "the LV widens again towards the apex",
}
NEEDS_BASE = ("mass", "stroke_volumes")
MASS_CHANGE = 0.15  # of the mass at ED
STROKE_RATIO = (0.7, 1.4)  # RV over LV
GAP_MM = 3.0  # along the cavity's edge; a segmenter's single stray pixel is no gap
WIDER_AGAIN = 0.1  # of the widest slice's area; 0 in label maps of true phantoms
LV = (Label.LV_CAVITY, Label.LV_MYOCARDIUM)


def implausible_kinds(
    labels: np.ndarray, geometry: GridGeometry, acquired: np.ndarray | None = None
) -> dict[str, bool]:
    """KINDS of one heart: True where it is like no living heart, False also where its slices cannot tell.

    Args:
        labels: (slices, phases, height, width) of `Label`; phase 0 is ED, ES the smallest LV cavity.
        geometry: for pixel_mm.
        acquired: (slices, phases) bool; all slices if not given.
    """
    es = int((labels == Label.LV_CAVITY).sum(axis=(0, 2, 3)).argmin())
    ed_es = labels[:, [0, es]]
    shows = base_is_shown(labels, acquired) and labels.shape[1] > 1
    return {
        "mass": shows and _mass_changes(ed_es),
        "stroke_volumes": shows and _stroke_volumes_differ(ed_es),
        "open_ring": any(widest_gap_mm(part, geometry.pixel_mm) > GAP_MM for part in ed_es.swapaxes(0, 1)),
        "widens_again": any(_widens_again(part) for part in ed_es.swapaxes(0, 1)),
    }


def implausible_row(labels: np.ndarray, geometry: GridGeometry, acquired: np.ndarray | None = None) -> np.ndarray:
    """`implausible_kinds` as numbers in the order of KINDS, (4,) of 0 and 1; NaN where the slices cannot tell."""
    kinds, shows = implausible_kinds(labels, geometry, acquired), base_is_shown(labels, acquired)
    return np.array([float(kinds[name]) if shows or name not in NEEDS_BASE else np.nan for name in KINDS])


def base_is_shown(labels: np.ndarray, acquired: np.ndarray | None = None) -> bool:
    """Whether the stack reaches above the LV: its first acquired slice shows no wall at ED.

    Args:
        labels, acquired: as of `implausible_kinds`.
    """
    first = 0 if acquired is None or not acquired[:, 0].any() else int(acquired[:, 0].argmax())
    return int((labels[first, 0] == Label.LV_MYOCARDIUM).sum()) < FEWEST_PIXELS


def widest_gap_mm(labels: np.ndarray, pixel_mm: float) -> float:
    """The widest gap in the ring of the LV's wall, along the cavity's edge; 0 where every ring is closed.

    Looked at is the middle third of the slices that show a cavity (`Label`, (slices, height, width), one phase). Near
    the base the wall ends, and near the apex it is cut slantwise.
    """
    shown = [part for part in labels if (part == Label.LV_CAVITY).sum() >= FEWEST_PIXELS]
    third = len(shown) // 3
    gaps = [_gap_pixels(part) for part in shown[third : len(shown) - third]]
    return max(gaps, default=0) * pixel_mm


def _gap_pixels(slice_: np.ndarray) -> int:
    """Pixels of the widest patch outside the LV that touch its cavity by a side."""
    touched = ndimage.binary_dilation(slice_ == Label.LV_CAVITY) & ~np.isin(slice_, LV)
    patches, count = ndimage.label(touched, np.ones((3, 3)))
    return int(np.bincount(patches.ravel())[1:].max()) if count else 0


def _mass_changes(ed_es: np.ndarray) -> bool:
    """Of (slices, 2, height, width); a heart without a wall is implausible too."""
    ed, es = (ed_es == Label.LV_MYOCARDIUM).sum(axis=(0, 2, 3)).tolist()
    return not abs(es - ed) <= MASS_CHANGE * ed or ed == 0


def _stroke_volumes_differ(ed_es: np.ndarray) -> bool:
    """Of (slices, 2, height, width); a ventricle that ejects nothing is implausible too."""
    lv, rv = (-np.diff((ed_es == part).sum(axis=(0, 2, 3)))[0] for part in (Label.LV_CAVITY, Label.RV_CAVITY))
    return not (lv > 0 and STROKE_RATIO[0] <= rv / lv <= STROKE_RATIO[1])


def _widens_again(labels: np.ndarray) -> bool:
    """Whether cavity, or cavity and wall together, grow again below their widest slice; (slices, height, width)."""
    return any(_regrowth(np.isin(labels, parts).sum(axis=(1, 2))) > WIDER_AGAIN for parts in (LV, LV[:1]))


def _regrowth(area: np.ndarray) -> float:
    """The largest rise of (slices,) areas towards the apex after the widest, as a share of the widest."""
    below = area[int(area.argmax()) :].astype(float)
    rise = (below - np.minimum.accumulate(below)).max()
    return float(rise / below[0]) if below[0] > 0 else 0.0
