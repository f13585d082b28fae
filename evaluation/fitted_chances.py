"""Fitting the calibration of probabilities on validation people: their heart codes beside what their hearts measure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cohort.discovery import find_subjects
from cohort.errors import InputError
from cohort.leakage import ecgs_that_taught, read_training
from cohort.places import CohortPlaces
from cohort.stored_arrays import ABOUT
from sampling.heart_page import person_of
from sampling.patients import Patient
from sampling.pipeline import ECGToMRIPipeline

from .chances import FEWEST_CASES, fit_lines, write_lines
from .drawn_codes import expected_hearts

DRAWS = 32  # codes with the ECG for each


def require_unseen(folder: Path, places: CohortPlaces, pipeline: ECGToMRIPipeline) -> None:
    """Refuse people (InputError) whose ECGs taught the pipeline in a folder, as far as it says who did."""
    if (places.data / ABOUT).exists():
        raise InputError(places.data, "holds arrays that are prepared already", "name the folder of their files")
    ecgs = [Path(subject.ecg) for subject in find_subjects(places) if subject.ecg]
    if taught := ecgs_that_taught(read_training(folder), ecgs, pipeline.preparation):
        fault = f"{len(taught)} of {len(ecgs)} people taught this pipeline"
        raise InputError(places.data, fault, "give others, or --calibrate --split validation")


def calibrate_chances(
    pipeline: ECGToMRIPipeline, folder: Path, patients: Sequence[Patient], truth: np.ndarray, seed: int
) -> str:
    """Fit the lines and keep them in the pipeline's folder; a sentence on them is given back.

    Args:
        truth: (n, K) PHENOTYPES that the patients' hearts measure.
    """
    expected = [one.given for one in expected_hearts(pipeline, patients, DRAWS, seed)]
    lines = fit_lines(expected, [person_of(patient.person) for patient in patients], truth)
    write_lines(folder, lines)
    if not lines:
        return f"no condition has {FEWEST_CASES} people with it and as many without: probabilities stay as the codes'"
    told = ", ".join(f"{name} ({line.cases} of {line.people})" for name, line in lines.items())
    return f"probabilities are calibrated on people who have the condition: {told}"
