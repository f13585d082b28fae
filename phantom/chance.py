"""Random numbers of the shapes that a patient is drawn from."""

import math

import numpy as np


def normal(rng: np.random.Generator, mean: float, sd: float, low: float = -math.inf, high: float = math.inf) -> float:
    """A normal number, clipped to `low` and `high`."""
    return float(np.clip(rng.normal(mean, sd), low, high))


def log_normal(rng: np.random.Generator, median: float, log_sd: float) -> float:
    """A number whose logarithm is normal."""
    return float(median * np.exp(rng.normal(0, log_sd)))
