"""How thick the drawn wall of the LV is in its quarters: the truth that a label map approaches."""

import numpy as np

from cohort.phenotypes import WALL_SECTOR, WALLS
from phantom.anatomy import BASE_RATIO, PHI, THETA, left_ventricle
from phantom.heart import Heart

LENGTH = 1 + BASE_RATIO  # from base to apex, in half-lengths
MIDDLE_THIRD = (LENGTH / 3 - BASE_RATIO, 2 * LENGTH / 3 - BASE_RATIO)


def drawn_walls(heart: Heart) -> dict[str, float]:
    """Mean thickness of each of `cohort.phenotypes.WALLS` at end-diastole, mm, over the middle third of the LV.

    It is counted across the wall. Label maps show some 0.1 to 0.2 mm more, for their pixels are coarse.
    """
    geometry = left_ventricle(heart)
    _, _, across, _ = np.moveaxis(geometry.tables, -1, 0)  # (48, 33) squeezed mm per mm across the endocardium
    thickness = (geometry.epicardium - geometry.endocardium) / across  # (48, 33) mm
    along = np.cos(PHI) * geometry.endocardium / geometry.radius  # (48, 33) half-lengths towards the apex
    middle = (MIDDLE_THIRD[0] <= along) & (along <= MIDDLE_THIRD[1])
    return {name: float(np.average(thickness, weights=middle * _sector(deg))) for name, deg in WALLS.items()}


def _sector(direction_deg: float) -> np.ndarray:
    """(48, 33) how much each direction counts: 0 outside of the quarter, else its length round the axis."""
    beside = np.abs((THETA - np.radians(direction_deg) + np.pi) % (2 * np.pi) - np.pi)  # (48,) radians
    return (beside <= WALL_SECTOR / 2 + 1e-9)[:, None] * np.sin(PHI)
