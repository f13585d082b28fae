"""The phenotypes that a heart shows on its grid, which are what a generated heart can be told to have.

A table's LVEDV is of the whole heart. The grid's slices may cut a large heart off, and no picture on it can obey the
table. On phantoms the grid shows 92 % of a difference in LVEDV.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .checked_array import read_checked, write_checked
from .cine import Label
from .content import fingerprint
from .ecg_cohort import ECGCohort
from .errors import InputError
from .lock import locked
from .phenotypes import PHENOTYPES, phenotypes_of
from .prepared import NO_LABELS, PreparedCohort
from .private import private
from .step_code import code_sha256

MEASURING = ("cohort.phenotypes", "cohort.shown_phenotypes")  # the code whose numbers are kept
FEWEST_PEOPLE = 50  # with a table's number and a label map, to say how the two go together


def with_shown(
    cohort: PreparedCohort, more: ECGCohort | None = None, main: bool = True
) -> tuple[PreparedCohort, ECGCohort | None]:
    """Both cohorts with the phenotypes that the cohort's hearts show on the grid.

    People with a label map have what it shows. A table's numbers of all others are put on the same scale. A line
    through the training people who have both says how. Without enough of those the numbers stay. What a segmenter
    measured (`cohort.measured`) is of the grid already.

    Args:
        main: whether this process writes; the others must wait until it has.

    Raises:
        InputError: what was measured is absent or damaged, and this process does not write.
    """
    shown = _shown(cohort, main)
    known = np.isfinite(shown)
    if not known.any():
        return cohort, more
    told = np.array(cohort.phenotypes)
    lines = _lines(told, shown, cohort.rows("train"))
    ready = known if cohort.measured is None else known | cohort.measured
    phenotypes = np.where(known, shown, np.where(ready, told, _along(lines, told)))
    more = more and replace(more, phenotypes=_along(lines, np.asarray(more.phenotypes)))
    return replace(cohort, phenotypes=phenotypes.astype(np.float32)), more


def _lines(told: np.ndarray, shown: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(K, 2) slope and intercept of shown over told; 1 and 0 where too few have both."""
    lines = np.tile([1.0, 0.0], (told.shape[1], 1))
    for k, (x, y) in enumerate(zip(told[train].T, shown[train].T, strict=True)):
        both = np.isfinite(x) & np.isfinite(y) & (x != y)  # equal: the label map told it, no table
        if both.sum() >= FEWEST_PEOPLE and np.ptp(x[both]) > 0:
            lines[k] = np.polyfit(x[both], y[both], 1)
    return lines


def _along(lines: np.ndarray, told: np.ndarray) -> np.ndarray:
    return (told * lines[:, 0] + lines[:, 1]).astype(np.float32)


def _shown(cohort: PreparedCohort, main: bool) -> np.ndarray:
    """(N, K) PHENOTYPES of the label maps; NaN without one. They are kept beside the arrays, where one may write."""
    if not os.access(cohort.folder, os.W_OK):
        return _measured(cohort)
    decides = {"code": [code_sha256(module) for module in MEASURING]}
    path = cohort.folder / f"shown-phenotypes-{fingerprint(decides, ())}.npy"
    if main and _stored(path, cohort) is None:
        with locked(path), private():
            if _stored(path, cohort) is None:
                write_checked(path, _measured(cohort))
    shown = _stored(path, cohort)
    if shown is None:
        raise InputError(path, "is absent or damaged", "delete it; the same command measures again")
    return shown


def _stored(path: Path, cohort: PreparedCohort) -> np.ndarray | None:
    shown = read_checked(path)
    return shown if shown is not None and shown.shape == cohort.phenotypes.shape else None


def _measured(cohort: PreparedCohort) -> np.ndarray:
    shown = np.full(cohort.phenotypes.shape, np.nan, np.float32)
    labelled = np.flatnonzero(np.asarray(cohort.labels[:, 0, 0, 0, 0]) != NO_LABELS)
    for row in tqdm(labelled, desc="measuring label maps", disable=not len(labelled)):
        labels = np.array(cohort.labels[row])
        labels[~np.asarray(cohort.mask[row])] = Label.BACKGROUND
        step_mm = float(np.linalg.norm(cohort.affine[row][:3, 2]))  # the acquisition's own
        found = phenotypes_of(labels, cohort.preparation.geometry.pixel_mm, step_mm, absent_ml=np.nan)
        shown[row] = [found[name] for name in PHENOTYPES]
    return shown
