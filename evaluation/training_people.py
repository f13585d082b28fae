"""The people a pipeline was trained on: what its hearts are compared with, and whom they must not copy."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cohort.intensity import WHITE
from cohort.leakage import is_cohort_of
from cohort.prepared import PreparedCohort
from sampling.patients import Patient, pooled_ecgs, prepared_patients
from sampling.pipeline import ECGToMRIPipeline

from .controls import nearest

MEAN_HEART_PEOPLE = 1000  # at most so many hearts make the mean heart


def was_trained_on(folder: Path, cohort: PreparedCohort) -> bool:
    """Whether a pipeline was trained on this cohort; False if its folder does not say."""
    about = folder / "training.json"
    return about.exists() and is_cohort_of(json.loads(about.read_text()), cohort)


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
