"""Whose ECG or heart takes the place of the patient's own: how well that scores shows what the generator adds."""

import numpy as np
from scipy.spatial import KDTree

EQUAL = 1 + 1e-12  # distances closer than this factor differ by rounding only


def derangement(n: int, seed: int) -> np.ndarray:
    """Another patient for everyone, (n,) int: one random cycle through all, so that nobody keeps their own.

    Raises:
        ValueError: n < 2: there is no other patient.
    """
    if n < 2:
        raise ValueError(f"{n} patients cannot be exchanged; at least 2 are needed")
    order = np.random.default_rng(seed).permutation(n)
    other = np.empty(n, dtype=int)
    other[order] = np.roll(order, 1)
    return other


def nearest(query: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Row of the bank most like each query: the training patient with the most similar ECG.

    That is the smallest Euclidean distance, each column divided by its SD in the bank. A column that does not vary in
    the bank decides nothing. Of equally near rows it is the first.

    Args:
        query: (n, F) features. bank: (N, F) the same features of those to choose from.

    Returns:
        (n,) int in [0, N).

    Raises:
        ValueError: an empty bank, or a feature that is not a finite number.
    """
    if len(bank) == 0 or not (np.isfinite(query).all() and np.isfinite(bank).all()):
        raise ValueError("the nearest of a bank needs at least one row and finite features")
    mean, sd = bank.mean(axis=0, dtype=float), bank.std(axis=0, dtype=float)
    sd[sd <= 1e-12 * np.abs(mean)] = np.inf  # does not vary, but for rounding
    tree, query = KDTree((bank - mean) / sd), (query - mean) / sd
    distance, _ = tree.query(query)
    equals = tree.query_ball_point(query, distance * EQUAL)
    return np.array([min(rows) for rows in equals], dtype=int)
