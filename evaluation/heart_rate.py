"""What the heart rate alone tells of a beat: the cheap way to it, which needs no ECG but its R peaks."""

import numpy as np

DEGREE = 2  # of the polynomial in RR
FEWEST_PEOPLE = 3 * (DEGREE + 1)  # that teach


def by_heart_rate(truth: np.ndarray, rr_s: np.ndarray) -> np.ndarray:
    """What a polynomial in RR, fitted on all the others, foretells of each person.

    Args:
        truth: (n, k) numbers, NaN where unknown. rr_s: (n,) seconds, NaN where no beats were found.

    Returns:
        (n, k); NaN without an RR, or where fewer than FEWEST_PEOPLE others teach.
    """
    powers = np.stack([rr_s**degree for degree in range(DEGREE + 1)], axis=1)  # (n, DEGREE + 1)
    told = np.full(truth.shape, np.nan)
    for k, values in enumerate(truth.T):
        known = np.isfinite(values) & np.isfinite(rr_s)
        for person in np.flatnonzero(np.isfinite(rr_s)):
            others = known & (np.arange(len(truth)) != person)
            if others.sum() >= FEWEST_PEOPLE:
                weights, *_ = np.linalg.lstsq(powers[others], values[others], rcond=None)
                told[person, k] = powers[person] @ weights
    return told
