"""Intensities: from 0 to 1 where hearts are computed, in 256 grey levels where they are stored and drawn."""

import numpy as np

WHITE = 255


def as_grey_levels(unit: np.ndarray) -> np.ndarray:
    """Intensities from 0 to 1 as uint8, to the nearest level; what lies beyond is clipped."""
    return np.round(WHITE * unit.clip(0, 1)).astype(np.uint8)


def as_unit(grey: np.ndarray) -> np.ndarray:
    """Grey levels (uint8) as float32 from 0 to 1."""
    return grey.astype(np.float32) / WHITE
