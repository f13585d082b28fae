"""The calibration of a pipeline's intervals: one factor a phenotype, fitted on validation people, kept beside it.

A factor multiplies widths on the phenotype's scale (evaluation.scale). Files of before 27 November 2026 were fitted in
plain units. They are still read, though a ratio of widths differs somewhat between the two; "scale" tells them apart.
"""

import json
from pathlib import Path

import numpy as np

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from sampling.ranges import SMALLEST, all_within

from .certainty import fit_spread
from .scale import on_scale

NAME = "calibration.json"
SCALE = {"scale": "logarithm of amounts, logit of fractions"}
LARGEST_FACTOR = 100.0  # of an interval's width; a pipeline that needs more says nothing of the patient
FIT_AGAIN = "fit it again: evaluate_samples.py --split validation --calibrate"


def read_calibration(pipeline: Path) -> np.ndarray | None:
    """Factors (K,) in the order of PHENOTYPES (evaluation.certainty.fit_spread); None if none was fitted.

    A phenotype that was not known when the factors were fitted has the factor 1.

    Raises:
        InputError: the file is damaged, or holds a factor that is not a number in (0, LARGEST_FACTOR].
    """
    path = pipeline / NAME
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        factors = [stored.get(name, 1) for name in PHENOTYPES]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(path, "is damaged", FIT_AGAIN) from error
    if not all_within(factors, SMALLEST, LARGEST_FACTOR):
        raise InputError(path, "is damaged: a factor is no number above 0, or too large", FIT_AGAIN)
    return np.array(factors, dtype=float)


def write_calibration(pipeline: Path, factors: np.ndarray) -> None:
    """Keep factors (K,) in a pipeline's folder, by the names of PHENOTYPES.

    Raises:
        InputError: a factor that `read_calibration` would refuse; nothing is written then.
    """
    if not all_within(factors.tolist(), SMALLEST, LARGEST_FACTOR):
        remedy = "train longer, or give more validation people"
        raise InputError(pipeline, "has intervals that no sound factor makes true", remedy)
    write_json(pipeline / NAME, dict(zip(PHENOTYPES, factors.tolist(), strict=True)) | SCALE)


def calibrate(pipeline: Path, samples: np.ndarray, truth: np.ndarray) -> None:
    """Fit the factors of the intervals' widths on validation people, and keep them with the pipeline.

    Args:
        samples: (n, m, K) phenotypes of m hearts each. truth: (n, K).
    """
    factors = fit_spread(on_scale(samples), on_scale(truth))
    write_calibration(pipeline, factors)
    said = ", ".join(f"{name} {factor:.2f}" for name, factor in zip(PHENOTYPES, factors, strict=True))
    print(f"fitted on {len(truth)} validation people; the intervals' widths are multiplied by: {said}")
