"""From hearts to numbers by one segmenter, so that true and generated hearts are measured with the same rod."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES, phenotypes_of, sector_thickness_mm

from .coherence import coherence_row
from .labels import quality_faults
from .segmentation import SliceSegmenter, segment

TERRITORIES = {"anterior": 115.0, "inferior": 268.0, "lateral": 352.0}  # degrees, as sector_thickness_mm counts them
KEPT_HEARTS = 2  # of a patient's, for whatever needs pixels


@dataclass(frozen=True, eq=False)
class Measured:
    """n patients, m hearts each.

    Attributes:
        phenotypes: (n, m, 12) PHENOTYPES. territories: (n, m, 3) mm of ED wall in TERRITORIES.
        features: (n, m, slices, phases, F) float16 of the segmenter. coherence: (n, m, 5) of evaluation.coherence.
        faulty: (n, m) bool, the segmentation fails the quality rule (evaluation.labels.quality_faults).
        hearts: (n, at most KEPT_HEARTS, slices, phases, height, width) uint8, 255 for intensity 1.
        spread: (n, slices, phases, height, width) float16, SD of the m hearts' intensities; 0 of one heart.
    """

    phenotypes: np.ndarray
    territories: np.ndarray
    features: np.ndarray
    coherence: np.ndarray
    faulty: np.ndarray
    hearts: np.ndarray
    spread: np.ndarray

    def first(self, people: int, samples: int | None = None) -> "Measured":
        """The first `people`, and of the numbers of each heart the first `samples`; spread stays that of all."""
        kept = {f.name: getattr(self, f.name)[:people] for f in fields(self)}
        return Measured(**{name: a if name == "spread" else a[:, :samples] for name, a in kept.items()})


def measured(
    segmenter: SliceSegmenter,
    hearts: np.ndarray,
    geometry: GridGeometry,
    mask: np.ndarray,
    labels: np.ndarray | None = None,
) -> Measured:
    """Everything measured on one patient's hearts: n = 1.

    Args:
        hearts: (m, slices, phases, height, width) in [0, 1].
        mask: (slices, phases), True where the patient's true heart was acquired: coherence looks at these slices.
        labels: (m, slices, phases, height, width) of an external segmenter, in place of the segmenter's own.
    """
    found = [segment(segmenter, heart) for heart in hearts]
    maps = [label_map for label_map, _ in found] if labels is None else list(labels)
    parts = {
        "phenotypes": [measured_phenotypes(label_map, geometry) for label_map in maps],
        "territories": [sector_thickness_mm(m[:, 0], geometry.pixel_mm, tuple(TERRITORIES.values())) for m in maps],
        "features": np.stack([features for _, features in found]).astype(np.float16),
        "coherence": [coherence_row(label_map, geometry.pixel_mm, mask) for label_map in maps],
        "faulty": [bool(quality_faults(label_map, mask)) for label_map in maps],
        "hearts": np.round(255 * hearts[:KEPT_HEARTS].clip(0, 1)).astype(np.uint8),
        "spread": hearts.std(axis=0).astype(np.float16),
    }
    return Measured(**{name: np.asarray(part)[None] for name, part in parts.items()})


def measured_phenotypes(labels: np.ndarray, geometry: GridGeometry) -> np.ndarray:
    """(12,) PHENOTYPES of a label map (slices, phases, height, width) on the grid."""
    found = phenotypes_of(labels, geometry.pixel_mm, geometry.slice_step_mm)
    return np.array([found[name] for name in PHENOTYPES])


def save_measured(path: Path, found: Measured) -> None:
    """Write one patient's measurements, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, **vars(found))
    partial.replace(path)


def load_measured(paths: list[Path]) -> Measured:
    """Measurements of several patients, in the order of `paths`."""
    rows = []
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            rows.append({name: arrays[name] for name in arrays.files})
    return Measured(**{f.name: np.concatenate([row[f.name] for row in rows]) for f in fields(Measured)})
