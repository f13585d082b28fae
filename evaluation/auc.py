"""Area under the ROC curve: how well one number tells two groups apart."""

import numpy as np
from scipy import stats


def area_under_curve(negative: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive scores above a negative; ties count half (Mann-Whitney).

    Args:
        negative, positive: scores, in arrays of any shape.

    Returns:
        in [0, 1], 0.5 for groups that score alike; NaN if a group is empty.
    """
    if not negative.size or not positive.size:
        return float("nan")
    negative, positive = (np.asarray(scores, dtype=float) for scores in (negative, positive))  # ranks need the digits
    above = stats.mannwhitneyu(positive, negative, axis=None, method="asymptotic").statistic
    return float(above / (negative.size * positive.size))
