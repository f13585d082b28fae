"""Phenotypes of hearts whose label map nobody drew: a segmenter draws it, and the map is measured.

UK Biobank hands out no label maps. So a cohort's own people may have to be measured by a segmenter that learned
elsewhere, and every figure made with it says so.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cohort.checked_array import read_checked, write_checked
from cohort.cine import Label
from cohort.content import fingerprint
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.intensity import as_unit
from cohort.lock import locked
from cohort.phenotypes import PHENOTYPES, phenotypes_of
from cohort.prepared import NO_LABELS, PreparedCohort
from cohort.private import private
from cohort.step_code import code_sha256

from .segmentation import TrainedSegmenter, segment

MEASURE_AGAIN = "delete it; the same command measures again"
MEASURING = ("sampling.measured_phenotypes", "models.segmenter")  # the code whose numbers are kept
SEEN = {  # whose hearts taught a segmenter (its `trained_on`) -> words
    "simulated": "a segmenter that learned from simulated hearts only",
    "real": "a segmenter that learned from real hearts",
    None: "a segmenter that does not say what it learned from",
}


def said_of(segmenter: object) -> str:
    """What a segmenter learned from, in words for whoever reads a figure made with it."""
    return SEEN[dict(getattr(segmenter, "config", {})).get("trained_on")]


def measured_phenotypes(labels: np.ndarray, geometry: GridGeometry) -> np.ndarray:
    """(K,) PHENOTYPES of a label map (slices, phases, height, width) on the grid."""
    phenotypes = phenotypes_of(labels, geometry.pixel_mm, geometry.slice_step_mm)
    return np.array([phenotypes[name] for name in PHENOTYPES])


def lacking(cohort: PreparedCohort) -> np.ndarray:
    """(N,) bool: people of whom neither a label map nor a table tells every phenotype."""
    unlabelled = np.asarray(cohort.labels[:, 0, 0, 0, 0]) == NO_LABELS
    return unlabelled & ~np.isfinite(cohort.phenotypes).all(axis=1)


def with_measured(cohort: PreparedCohort, segmenter: TrainedSegmenter, main: bool = True) -> PreparedCohort:
    """The cohort with what a segmenter measures of those whom no label map describes.

    What a table tells stays. Numbers are kept beside the arrays, under a hash of the segmenter and of the code.

    Args:
        main: whether this process writes; the others must wait until it has.

    Returns:
        A cohort whose `measured` (N, K) says what of whom; the same one where nobody lacks anything.

    Raises:
        InputError: what was measured is absent or damaged, and this process does not write.
    """
    who = lacking(cohort)
    if not who.any():
        return cohort
    decides = {"code": [code_sha256(module) for module in MEASURING], "segmenter": segmenter_sha256(segmenter)}
    path = cohort.folder / f"measured-phenotypes-{fingerprint(decides, ())}.npy"
    if main and _stored(path, cohort) is None:
        with locked(path), private():
            if _stored(path, cohort) is None:
                _measure(cohort, segmenter, np.flatnonzero(who), path)
    measured = _stored(path, cohort)
    if measured is None:
        raise InputError(path, "is absent, or holds something else than was measured", MEASURE_AGAIN)
    phenotypes = np.array(cohort.phenotypes)
    unknown = who[:, None] & ~np.isfinite(phenotypes)
    phenotypes[unknown] = measured[unknown]
    return replace(cohort, phenotypes=phenotypes, measured=unknown)


def segmenter_sha256(segmenter: TrainedSegmenter) -> str:
    """One hash of a segmenter's weights and configuration, wherever and in whatever precision it is stored."""
    config = {name: value for name, value in segmenter.config.items() if not name.startswith("_")}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, value in segmenter.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _measure(cohort: PreparedCohort, segmenter: TrainedSegmenter, rows: np.ndarray, path: Path) -> None:
    measured = np.full(cohort.phenotypes.shape, np.nan, np.float32)
    for row in tqdm(rows, desc="measuring hearts"):
        labels, _ = segment(segmenter, as_unit(cohort.hearts[row]))
        labels[~np.asarray(cohort.mask[row])] = Label.BACKGROUND  # nothing was acquired there
        step_mm = float(np.linalg.norm(cohort.affine[row][:3, 2]))  # the acquisition's own
        phenotypes = phenotypes_of(labels, cohort.preparation.geometry.pixel_mm, step_mm, absent_ml=np.nan)
        measured[row] = [phenotypes[name] for name in PHENOTYPES]
    write_checked(path, measured)


def _stored(path: Path, cohort: PreparedCohort) -> np.ndarray | None:
    """What was measured of everybody (N, K); None where it is not there whole."""
    measured = read_checked(path)
    return measured if measured is not None and measured.shape == cohort.phenotypes.shape else None
