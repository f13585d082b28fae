"""The scale on which a phenotype's error is even, and from which no interval leads to what cannot be.

Amounts (volumes, mass, thickness) are compared by their logarithm, fractions by their logit.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from cohort.phenotypes import PHENOTYPES, UNITS

# What is smaller was not measured: an empty label map, or a code far out. Its logarithm would stretch every interval.
LEAST = {"mL": 1.0, "g": 1.0, "mm": 0.5, "%": 1.0}


class Scale(NamedTuple):
    """`forth` takes numbers of any shape onto the scale, and `back` from it. NaN stays NaN."""

    forth: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


def _same(values: np.ndarray) -> np.ndarray:
    return values


PLAIN = Scale(_same, _same)


def _logarithm(least: float) -> Scale:
    return Scale(lambda amounts: np.log(np.maximum(amounts, least)), np.exp)


def _logit(least: float) -> Scale:
    return Scale(
        lambda per_cent: logit(np.clip(per_cent, least, 100 - least) / 100), lambda values: 100 * expit(values)
    )


SCALES = {name: _logit(LEAST["%"]) if UNITS[name] == "%" else _logarithm(LEAST[UNITS[name]]) for name in PHENOTYPES}


def on_scale(phenotypes: np.ndarray) -> np.ndarray:
    """(..., K) PHENOTYPES in their own units, each on its scale."""
    return np.stack([SCALES[name].forth(phenotypes[..., k]) for k, name in enumerate(PHENOTYPES)], axis=-1)


def off_scale(values: np.ndarray) -> np.ndarray:
    """(..., K) of `on_scale`, in their own units again."""
    return np.stack([SCALES[name].back(values[..., k]) for k, name in enumerate(PHENOTYPES)], axis=-1)
