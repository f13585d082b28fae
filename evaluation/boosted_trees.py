"""Gradient-boosted trees that tell two groups apart: small trees, each on what the earlier ones leave.

As in Friedman, Ann Stat 2001;29:1189, with the step of each leaf by Newton's method. Values are told by BINS quantiles
of those who teach. What is not known lies in a bin of its own.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

BINS = 32  # of known values; one more holds the unknown
DEPTH, TREES, RATE = 3, 80, 0.08
CALMING = 5.0  # added to a leaf's curvature: a leaf of few people says little
SMALLEST = 8  # people in a leaf


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees that were taught.

    Attributes:
        edges: (F, BINS - 1) between the bins of each number. start: log-odds before the first tree.
        splits: (TREES, 2^DEPTH - 1, 2) number and bin of each fork, above which one goes right; a bin of BINS sends
            everybody left. leaves: (TREES, 2^DEPTH) log-odds that each leaf adds.
    """

    edges: np.ndarray
    start: float
    splits: np.ndarray
    leaves: np.ndarray

    @classmethod
    def taught(cls, numbers: np.ndarray, cases: np.ndarray) -> "BoostedTrees":
        """Of people's numbers (n, F), NaN where unknown, and who is a case, (n,) bool. Both kinds must be there."""
        edges = _edges(numbers)
        binned, odds = _binned(numbers, edges), np.full(len(cases), logit(cases.mean()))
        start, splits, leaves = float(odds[0]), [], []
        for _ in range(TREES):
            told = expit(odds)
            forks, values, where = _tree(binned, cases - told, told * (1 - told))
            odds = odds + values[where]
            splits.append(forks)
            leaves.append(values)
        return cls(edges, start, np.array(splits), np.array(leaves))

    def odds(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) log-odds of being a case."""
        binned, rows = _binned(numbers, self.edges), np.arange(len(numbers))
        odds = np.full(len(numbers), self.start)
        for forks, values in zip(self.splits, self.leaves, strict=True):
            where = np.zeros(len(numbers), int)
            for _ in range(DEPTH):
                number, limit = forks[where].T
                where = 2 * where + 1 + (binned[rows, number] > limit)
            odds += values[where - len(forks)]
        return odds


def _edges(numbers: np.ndarray) -> np.ndarray:
    """(F, BINS - 1) quantiles; of a number that nobody knows, zeros."""
    at = np.arange(1, BINS) / BINS
    columns = (column[np.isfinite(column)] for column in numbers.T)
    return np.array([np.quantile(known, at) if len(known) else np.zeros(BINS - 1) for known in columns])


def _binned(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n, F) whole numbers from 0, which is unknown."""
    columns = zip(numbers.T, edges, strict=True)
    return np.stack([np.where(np.isfinite(v), 1 + np.searchsorted(e, v), 0) for v, e in columns], axis=1)


def _tree(binned: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One tree: its forks, what its leaves add, and the leaf (n,) of everybody. slope, bend: of the log-likelihood."""
    forks = np.zeros((2**DEPTH - 1, 2), int)
    where = np.zeros(len(slope), int)  # places in the tree, the root 0, below place k are 2 k + 1 and 2 k + 2
    for place in range(len(forks)):
        here = np.flatnonzero(where == place)
        number, limit = _fork(binned[here], slope[here], bend[here])
        forks[place] = number, limit
        where[here] = 2 * place + 1 + (binned[here, number] > limit)
    leaf, count = where - len(forks), 2**DEPTH
    added = np.bincount(leaf, slope, count) / (np.bincount(leaf, bend, count) + CALMING)
    return forks, RATE * added, leaf


def _fork(binned: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> tuple[int, int]:
    """The number and the bin that divide people best; bin BINS, which divides nobody, where nothing does."""
    n, numbers = binned.shape
    if n < 2 * SMALLEST:
        return 0, BINS
    places = (binned + (BINS + 1) * np.arange(numbers)).ravel()

    def below(weights: np.ndarray) -> np.ndarray:
        """(F, BINS + 1) sums of all bins up to each."""
        sums = np.bincount(places, np.repeat(weights, numbers), numbers * (BINS + 1))
        return sums.reshape(numbers, BINS + 1).cumsum(axis=1)

    left_slope, left_bend, left = below(slope), below(bend), below(np.ones(n))
    right_slope, right_bend, right = slope.sum() - left_slope, bend.sum() - left_bend, n - left
    gain = left_slope**2 / (left_bend + CALMING) + right_slope**2 / (right_bend + CALMING)
    gain = np.where((left >= SMALLEST) & (right >= SMALLEST), gain, -np.inf)
    number, limit = np.unravel_index(gain.argmax(), gain.shape)
    nothing = gain[number, limit] <= slope.sum() ** 2 / (bend.sum() + CALMING)
    return (0, BINS) if nothing else (int(number), int(limit))
