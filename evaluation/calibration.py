"""The calibration of a pipeline's intervals: one factor a phenotype, fitted on validation people, kept beside it.

A factor multiplies the width of the heart codes' interval, on the phenotype's scale (evaluation.scale). The file says
that it is of codes. Earlier files were fitted on few drawn hearts, and say nothing of the kind. They are passed over,
with a sentence: the codes' own intervals nearly hold, and those factors are of something else.
"""

import json
from pathlib import Path

import numpy as np

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.phenotypes import LABELS, PHENOTYPES
from sampling.phenotype_table import BY_CODES
from sampling.ranges import SMALLEST, all_within

from .certainty import fit_spread
from .scale import on_scale

NAME = "calibration.json"
SCALE = {"of": BY_CODES, "scale": "logarithm of amounts, logit of fractions"}
LARGEST_FACTOR = 100.0  # of an interval's width; a pipeline that needs more says nothing of the patient
FIT_AGAIN = "fit it again: evaluate_samples.py --split validation --calibrate"


def read_calibration(pipeline: Path) -> np.ndarray | None:
    """Factors (K,) in the order of PHENOTYPES (evaluation.certainty.fit_spread); None if none was fitted on codes.

    A phenotype that was not known when the factors were fitted has the factor 1.

    Raises:
        InputError: the file is damaged, or holds a factor that is not a number in (0, LARGEST_FACTOR].
    """
    stored = _stored(pipeline / NAME)
    if stored is None:
        return None
    factors = [stored.get(name, 1) for name in PHENOTYPES]
    if not all_within(factors, SMALLEST, LARGEST_FACTOR):
        raise InputError(pipeline / NAME, "is damaged: a factor is no number above 0, or too large", FIT_AGAIN)
    return np.array(factors, dtype=float) if stored.get("of") == BY_CODES else None


def why_passed_over(pipeline: Path) -> str:
    """Why a calibration that lies there is not applied, in one sentence; empty where it is, or none lies there.

    Raises:
        InputError: the file is damaged.
    """
    stored = _stored(pipeline / NAME)
    if stored is None or stored.get("of") == BY_CODES:
        return ""
    return (
        f"{pipeline / NAME} was fitted on drawn hearts and is not applied: heart codes tell the intervals. {FIT_AGAIN}"
    )


def _stored(path: Path) -> dict | None:
    """What a file of factors holds; None where there is none."""
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "is damaged", FIT_AGAIN) from error
    if not isinstance(stored, dict):
        raise InputError(path, "is damaged", FIT_AGAIN)
    return stored


def write_calibration(pipeline: Path, factors: np.ndarray) -> None:
    """Keep factors (K,) in a pipeline's folder, by the names of PHENOTYPES.

    Raises:
        InputError: a factor that `read_calibration` would refuse; nothing is written then.
    """
    if not all_within(factors.tolist(), SMALLEST, LARGEST_FACTOR):
        remedy = "train longer, or give more validation people"
        raise InputError(pipeline, "has intervals that no sound factor makes true", remedy)
    write_json(pipeline / NAME, dict(zip(PHENOTYPES, factors.tolist(), strict=True)) | SCALE)


def calibrate(pipeline: Path, codes: np.ndarray, truth: np.ndarray) -> None:
    """Fit the factors of the intervals' widths on validation people, and keep them with the pipeline.

    Args:
        codes: (n, m, K) phenotypes that m heart codes of each tell. truth: (n, K).
    """
    factors = fit_spread(on_scale(codes), on_scale(truth))
    write_calibration(pipeline, factors)
    said = ", ".join(f"{name} {factor:.2f}" for name, factor in zip(LABELS.values(), factors, strict=True))
    print(f"fitted on {len(truth)} validation people; the intervals' widths are multiplied by: {said}")
