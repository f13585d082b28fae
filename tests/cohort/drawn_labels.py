"""A drawn label map on the heart grid, in ukbb_cardiac's numbers and in ACDC's."""

import numpy as np

from cohort.cine import Label
from cohort.heart_grid import GridGeometry

GEOMETRY = GridGeometry()
LV, WALL, RV = Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY


def drawn_heart(slices=range(1, 9), geometry=GEOMETRY) -> np.ndarray:
    """A ring with its cavity, smaller at ES and towards the apex, and a crescent beside it: ukbb labels."""
    labels = np.zeros(geometry.shape, np.uint8)
    y, x = np.indices((geometry.height, geometry.width))
    for slice_ in slices:
        for phase in range(geometry.phases):
            outer = 20 - slice_ - 2 * phase
            inner = outer - 5 - phase
            from_lv = np.hypot(y - 48, x - 52)
            labels[slice_, phase][np.hypot(y - 48, x - 40) < outer] = RV
            labels[slice_, phase][from_lv < outer] = WALL
            labels[slice_, phase][from_lv < inner] = LV
    return labels


def as_acdc(labels: np.ndarray) -> np.ndarray:
    return np.array([0, 3, 2, 1], np.uint8)[labels]
