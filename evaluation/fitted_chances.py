"""Fitting the calibration of probabilities on validation people: their heart codes beside what their hearts measure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampling.heart_page import person_of
from sampling.patients import Patient
from sampling.pipeline import ECGToMRIPipeline

from .chances import FEWEST_CASES, fit_lines, write_lines
from .drawn_codes import expected_codes, phenotypes_of_codes

DRAWS = 32  # codes with the ECG for each


def calibrate_chances(
    pipeline: ECGToMRIPipeline, folder: Path, patients: Sequence[Patient], truth: np.ndarray, seed: int
) -> str:
    """Fit the lines and keep them in the pipeline's folder; a sentence on them is given back.

    Args:
        truth: (n, K) PHENOTYPES that the patients' hearts measure.
    """
    expected = phenotypes_of_codes(pipeline, expected_codes(pipeline, patients, DRAWS, seed))  # (n, DRAWS, K)
    lines = fit_lines(expected, [person_of(patient.person) for patient in patients], truth)
    write_lines(folder, lines)
    if not lines:
        return f"no condition has {FEWEST_CASES} people with it and as many without: probabilities stay as the codes'"
    told = ", ".join(f"{name} ({line.cases} of {line.people})" for name, line in lines.items())
    return f"probabilities are calibrated on people who have the condition: {told}"
