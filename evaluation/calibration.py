"""The calibration of a pipeline's intervals: one factor a phenotype, fitted on validation people, kept beside it."""

import json
from pathlib import Path

import numpy as np

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES

from .certainty import fit_spread

NAME = "calibration.json"


def read_calibration(pipeline: Path) -> np.ndarray | None:
    """Factors (12,) in the order of PHENOTYPES (evaluation.certainty.fit_spread); None if none was fitted.

    Raises:
        InputError: the file is damaged.
    """
    path = pipeline / NAME
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text())
        factors = np.array([float(stored[name]) for name in PHENOTYPES])
        if not np.isfinite(factors).all():
            raise ValueError("a factor is not finite")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            path, "is damaged", "fit it again: evaluate_samples.py --split validation --calibrate"
        ) from error
    return factors


def write_calibration(pipeline: Path, factors: np.ndarray) -> None:
    """Keep factors (12,) in a pipeline's folder."""
    partial = pipeline / f".{NAME}.partial"
    partial.write_text(json.dumps(dict(zip(PHENOTYPES, factors.tolist(), strict=True)), indent=2) + "\n")
    partial.replace(pipeline / NAME)


def calibrate(pipeline: Path, samples: np.ndarray, truth: np.ndarray) -> None:
    """Fit the factors of the intervals' widths on validation people, and keep them with the pipeline.

    Args:
        samples: (n, m, K) phenotypes of m hearts each. truth: (n, K).
    """
    factors = fit_spread(samples, truth)
    write_calibration(pipeline, factors)
    said = ", ".join(f"{name} {factor:.2f}" for name, factor in zip(PHENOTYPES, factors, strict=True))
    print(f"intervals of {len(truth)} validation people are to be wider by these factors: {said}")
