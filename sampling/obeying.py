"""What a segmenter finds on a heart, in the numbers of its code."""

import numpy as np

from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner

from .measured_phenotypes import measured_phenotypes
from .segmentation import SliceSegmenter, segment


def in_sds(
    segmenter: SliceSegmenter,
    heart: np.ndarray,
    geometry: GridGeometry,
    conditioner: HeartConditioner,
    names: tuple[str, ...],
) -> np.ndarray:
    """(P,) phenotypes `names` of a heart (slices, phases, height, width) in the cohort's SDs; NaN where unknown."""
    found = measured_phenotypes(segment(segmenter, heart)[0], geometry)
    about = conditioner.config
    where = [about.phenotypes.index(name) for name in names]
    mean, std = (np.array(values)[where] for values in (about.phenotype_mean, about.phenotype_std))
    return (found[[PHENOTYPES.index(name) for name in names]] - mean) / std
