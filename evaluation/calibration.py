"""The calibration of a pipeline's intervals: one factor a phenotype, fitted on validation people, kept beside it."""

import json
from pathlib import Path

import numpy as np

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES

from .certainty import fit_spread

NAME = "calibration.json"


def read_calibration(pipeline: Path) -> np.ndarray | None:
    """Factors (K,) in the order of PHENOTYPES (evaluation.certainty.fit_spread); None if none was fitted.

    A phenotype that was not known when the factors were fitted has the factor 1.

    Raises:
        InputError: the file is damaged.
    """
    path = pipeline / NAME
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text())
        factors = np.array([float(stored.get(name, 1)) for name in PHENOTYPES])
        if not np.isfinite(factors).all():
            raise ValueError("a factor is not finite")
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            path, "is damaged", "fit it again: evaluate_samples.py --split validation --calibrate"
        ) from error
    return factors


def write_calibration(pipeline: Path, factors: np.ndarray) -> None:
    """Keep factors (K,) in a pipeline's folder, by the names of PHENOTYPES."""
    write_json(pipeline / NAME, dict(zip(PHENOTYPES, factors.tolist(), strict=True)))


def calibrate(pipeline: Path, samples: np.ndarray, truth: np.ndarray) -> None:
    """Fit the factors of the intervals' widths on validation people, and keep them with the pipeline.

    Args:
        samples: (n, m, K) phenotypes of m hearts each. truth: (n, K).
    """
    factors = fit_spread(samples, truth)
    write_calibration(pipeline, factors)
    said = ", ".join(f"{name} {factor:.2f}" for name, factor in zip(PHENOTYPES, factors, strict=True))
    print(f"fitted on {len(truth)} validation people; the intervals' widths are multiplied by: {said}")
