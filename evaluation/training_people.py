"""The people a pipeline was trained on: what its hearts are compared with, and whom they must not copy."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cohort.intensity import WHITE
from cohort.leakage import PARTS, Part, ecgs_that_taught, is_cohort_of, read_training, teachers, who_taught
from cohort.prepared import Preparation, PreparedCohort
from sampling.patients import Patient, pooled_ecgs, prepared_patients
from sampling.pipeline import ECGToMRIPipeline

from .controls import nearest

MEAN_HEART_PEOPLE = 1000  # at most so many hearts make the mean heart


def has_taught(about: dict, cohort: PreparedCohort, *parts: Part) -> np.ndarray:
    """(N,) bool: who of a cohort taught a pipeline, or the one it began with.

    A pipeline from before there were hashes of single people names its cohort as a whole. Then its splits say who.

    Args:
        about: of `read_training`. parts: of those who taught (cohort.leakage.PARTS); all of them if none is named.
    """
    return np.logical_or.reduce([_has_taught(one, cohort, *parts) for one in teachers(about)])


def _has_taught(about: dict, cohort: PreparedCohort, *parts: Part) -> np.ndarray:
    known = who_taught(about, cohort, *parts)
    if known is not None:
        return known
    rows = [cohort.rows(part) for part in ("train", "validation") if part in (parts or PARTS)]
    taught = np.zeros(len(cohort.eid), bool)
    if about and rows and is_cohort_of(about, cohort):
        taught[np.concatenate(rows)] = True
    return taught


def warning_of_withdrawn(folder: Path, ecgs: list[Path], preparation: Preparation) -> str:
    """A sentence where some of these ECGs, of people who withdrew, taught a pipeline; else empty.

    Args:
        folder: the pipeline's. preparation: the pipeline's.

    Raises:
        InputError: what the folder says of those who taught it is damaged.
    """
    count = len(ecgs_that_taught(read_training(folder), ecgs, preparation)) if ecgs else 0
    return f"{count} ECGs of people who withdrew taught {folder}: train it anew without them" if count else ""


@dataclass(frozen=True, eq=False)
class TrainingPeople:
    """Training rows of a prepared cohort."""

    cohort: PreparedCohort
    rows: np.ndarray

    def include(self, cohort: PreparedCohort, rows: np.ndarray) -> bool:
        """Whether one of these rows of a cohort was trained on, as happens in a cohort too small to split."""
        return self.cohort.folder == cohort.folder and bool(set(rows.tolist()) & set(self.rows.tolist()))

    @cached_property
    def mean_heart(self) -> np.ndarray:
        """Mean of up to MEAN_HEART_PEOPLE hearts over their acquired slices: (slices, phases, height, width)."""
        rows = self.rows[:MEAN_HEART_PEOPLE]
        acquired = self.cohort.mask[rows][..., None, None].sum(axis=0)
        parts = (part for part in np.array_split(rows, 20) if len(part))  # few in memory at a time
        total = sum(self.cohort.hearts[part].astype(np.float64).sum(axis=0) for part in parts)
        return total / np.maximum(acquired, 1) / WHITE

    def first(self, people: int) -> "TrainingPeople":
        """The first so many of them."""
        return TrainingPeople(self.cohort, self.rows[:people])

    @property
    def hearts(self) -> tuple[np.ndarray, np.ndarray]:
        """Hearts (N, slices, phases, height, width) uint8, and masks (N, slices, phases)."""
        return self.cohort.hearts[self.rows], self.cohort.mask[self.rows]

    @property
    def patients(self) -> list[Patient]:
        return prepared_patients(self.cohort, self.rows)

    def with_nearest_ecg(self, pipeline: ECGToMRIPipeline, patients: list[Patient]) -> np.ndarray:
        """Rows (n,) of the cohort: for each patient the training person whose encoded ECG is most alike."""
        return self.rows[nearest(pooled_ecgs(pipeline, patients), pooled_ecgs(pipeline, self.patients))]
