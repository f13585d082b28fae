"""How likely a patient has each condition, by the heart codes that ECG and person leave possible."""

import numpy as np
from scipy.special import stdtr

from cohort.person import Person

from .conditions import Condition

MOST_SURE = 0.99  # no more is told, nor less than 1 - MOST_SURE: nobody checked the tails


def chance(beyond: np.ndarray) -> np.ndarray:
    """Probability that one more draw, the truth, lies above 0, within MOST_SURE: (...) of m draws (..., m).

    The draws are taken for Gaussian, so it is Student's t of m - 1 degrees (evaluation.certainty.interval). It is
    NaN where draws are, or where all are equal.
    """
    m = beyond.shape[-1]
    spread = beyond.std(axis=-1, ddof=1) * np.sqrt(1 + 1 / m)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, beyond.mean(axis=-1) / spread, np.nan)
    return stdtr(m - 1, ratio).clip(1 - MOST_SURE, MOST_SURE)


def chance_of(condition: Condition, expected: np.ndarray, person: Person) -> float | None:
    """Probability of a condition; None where it is not judged of this person, or no code tells it.

    Args:
        expected: (m, K) PHENOTYPES of codes drawn for the patient.
    """
    if condition.why_not(person):
        return None
    told = float(chance(condition.beyond(expected, person)))
    return told if np.isfinite(told) else None
