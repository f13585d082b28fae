"""From hearts to phenotypes by one segmenter, so that true and generated hearts are measured with the same rod."""

from collections.abc import Callable

import numpy as np

from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES, phenotypes_of

from .segmentation import segment


def measured_phenotypes(segmenter: Callable, hearts: np.ndarray, geometry: GridGeometry) -> np.ndarray:
    """PHENOTYPES of hearts (n, slices, phases, height, width) in [0, 1]: (n, 10) in mL, %, g and mm."""
    rows = [phenotypes_of(segment(segmenter, heart), geometry.pixel_mm, geometry.slice_step_mm) for heart in hearts]
    return np.array([[row[name] for name in PHENOTYPES] for row in rows])
