"""From hearts to numbers by one segmenter, the same for true and generated hearts."""

import io
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from cohort.disk import write_bytes
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.intensity import as_grey_levels
from cohort.phenotypes import PHENOTYPES, sector_thickness_mm
from sampling.measured_phenotypes import measured_phenotypes
from sampling.segmentation import SliceSegmenter, segment

from .coherence import MEASURES, coherence_row
from .implausible_hearts import KINDS, implausible_row
from .labels import quality_faults

TERRITORIES = {"anterior": 115.0, "inferior": 268.0, "lateral": 352.0}  # degrees, as sector_thickness_mm counts them
KEPT_HEARTS = 2  # of each patient, for numbers that need pixels
MEASURE_AGAIN = "delete it; the same command measures this patient again"


@dataclass(frozen=True, eq=False)
class Measured:
    """n patients, m hearts each.

    Attributes:
        phenotypes: (n, m, K) PHENOTYPES. territories: (n, m, 3) mm of ED wall in TERRITORIES.
        features: (n, m, slices, phases, F) float16 of the segmenter. coherence: (n, m, 5) of evaluation.coherence.
        faulty: (n, m) bool, the segmentation fails the quality rule (evaluation.labels.quality_faults).
        hearts: (n, at most KEPT_HEARTS, slices, phases, height, width) uint8, 255 for intensity 1.
        spread: (n, slices, phases, height, width) float16, SD of the m hearts' intensities; 0 of one heart.
        implausible: (n, m, 4) of `implausible_hearts.implausible_row`.
        told: (n, m, K) PHENOTYPES that each heart's code told it; NaN where no code did.
    """

    phenotypes: np.ndarray
    territories: np.ndarray
    features: np.ndarray
    coherence: np.ndarray
    faulty: np.ndarray
    hearts: np.ndarray
    spread: np.ndarray
    implausible: np.ndarray
    told: np.ndarray

    def first(self, people: int, samples: int | None = None) -> "Measured":
        """The first `people`, with their first `samples` hearts; spread stays that of all hearts."""
        kept = {f.name: getattr(self, f.name)[:people] for f in fields(self)}
        return Measured(**{name: a if name == "spread" else a[:, :samples] for name, a in kept.items()})


def measured(
    segmenter: SliceSegmenter,
    hearts: np.ndarray,
    geometry: GridGeometry,
    mask: np.ndarray,
    labels: np.ndarray | None = None,
    told: np.ndarray | None = None,
    acquired: np.ndarray | None = None,
) -> Measured:
    """Everything measured on one patient's hearts: n = 1.

    Args:
        hearts: (m, slices, phases, height, width) in [0, 1].
        mask: (slices, phases), True where the patient's true heart was acquired: coherence looks at these slices.
        labels: (m, slices, phases, height, width) of another segmenter, in place of the segmenter's own.
        told: (m, K) PHENOTYPES of the hearts' codes, or None.
        acquired: (slices, phases) of these hearts, where it is not the whole grid.
    """
    own_maps, features = zip(*(segment(segmenter, heart) for heart in hearts), strict=True)
    maps = own_maps if labels is None else labels
    parts = {
        "phenotypes": [measured_phenotypes(label_map, geometry) for label_map in maps],
        "territories": [sector_thickness_mm(m[:, 0], geometry.pixel_mm, tuple(TERRITORIES.values())) for m in maps],
        "features": np.stack(features).astype(np.float16),
        "coherence": [coherence_row(label_map, geometry.pixel_mm, mask) for label_map in maps],
        "faulty": [bool(quality_faults(label_map, mask)) for label_map in maps],
        "hearts": as_grey_levels(hearts[:KEPT_HEARTS]),
        "spread": hearts.std(axis=0).astype(np.float16),
        "implausible": [implausible_row(label_map, geometry, acquired) for label_map in maps],
        "told": np.full((len(hearts), len(PHENOTYPES)), np.nan) if told is None else told,
    }
    return Measured(**{name: np.asarray(part)[None] for name, part in parts.items()})


def save_measured(path: Path, measurements: Measured, given: str = "") -> None:
    """Write one patient's measurements, whole or not at all.

    Args:
        given: names what the hearts were made from (`sampling.patients.Patient.sha256`).

    Raises:
        InputError: a measurement is no number.
    """
    if fault := _fault_of(vars(measurements)):
        raise InputError(path, f"will not be written: {fault}", "look at the segmenter and at the hearts")
    content = io.BytesIO()
    np.savez(content, **vars(measurements), given=np.array(given))
    write_bytes(path, content.getvalue())


def is_measured(path: Path, given: str = "") -> bool:
    """Whether a file holds whole measurements of hearts that were made from the same."""
    try:
        return str(_stored(path)["given"]) == given
    except InputError:
        return False


def load_measured(paths: list[Path]) -> Measured:
    """Measurements of several patients, in the order of the paths.

    Raises:
        InputError: a file is absent or damaged.
    """
    rows = [_stored(path) for path in paths]
    return Measured(**{f.name: np.concatenate([row[f.name] for row in rows]) for f in fields(Measured)})


def _stored(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            row = {name: arrays[name] for name in arrays.files}
        fault = _fault_of(row) if "given" in row else "it does not say what was measured"
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(path, "is absent or damaged", MEASURE_AGAIN) from error
    if fault:
        raise InputError(path, f"is damaged: {fault}", MEASURE_AGAIN)
    return row


def _fault_of(row: dict[str, np.ndarray]) -> str:
    """What is wrong with one patient's measurements; empty where they are sound.

    A phenotype, a wall or a coherence may be unknown (NaN). Nothing may be infinite.
    """
    absent = [f.name for f in fields(Measured) if f.name not in row]
    if absent:
        return f"{absent[0]} is absent"
    samples = row["phenotypes"].shape[1:2]
    image = row["spread"].shape[1:]
    shapes = {
        "phenotypes": (1, *samples, len(PHENOTYPES)),
        "territories": (1, *samples, len(TERRITORIES)),
        "features": (1, *samples, *image[:2], *row["features"].shape[4:5]),
        "coherence": (1, *samples, len(MEASURES)),
        "faulty": (1, *samples),
        "hearts": (1, *(min(count, KEPT_HEARTS) for count in samples), *image),
        "spread": (1, *image),
        "implausible": (1, *samples, len(KINDS)),
        "told": (1, *samples, len(PHENOTYPES)),
    }
    for name, shape in shapes.items():
        if row[name].shape != shape:
            return f"{name} has the shape {row[name].shape}, not {shape}"
    for name in ("features", "spread"):
        if not np.isfinite(row[name]).all():
            return f"{name} are not all finite"
    for name in ("phenotypes", "territories", "coherence", "implausible", "told"):
        if np.isinf(row[name]).any():
            return f"{name} are infinite"
    return ""
