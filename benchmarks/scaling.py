"""How a cost grows: the exponent of a power law, from a straight line through logarithms."""

from collections.abc import Sequence

import numpy as np


def exponent(size: Sequence[float], cost: Sequence[float]) -> tuple[float, float]:
    """Slope of log cost over log size by least squares, and its standard error (0: does not grow, 1: in proportion).

    Args:
        size, cost: positive, of the same length, of two sizes or more; of two points the error is NaN.
    """
    x, y = (np.log(values) - np.log(values).mean() for values in (size, cost))
    slope = (x @ y) / (x @ x)
    residual = y - slope * x
    spare = len(x) - 2
    return float(slope), float(np.sqrt((residual @ residual) / spare / (x @ x))) if spare else float("nan")
