"""Whose heart to show in place of the patient's own: what a score is when the generator's work is taken away."""

import numpy as np

ROWS = 1024  # of the bank looked at together


def derangement(n: int, seed: int) -> np.ndarray:
    """Another patient for everyone, (n,) int: one random cycle through all, so that nobody keeps their own.

    Raises:
        ValueError: n < 2, where there is no other patient.
    """
    if n < 2:
        raise ValueError(f"{n} patients cannot be exchanged; at least 2 are needed")
    order = np.random.default_rng(seed).permutation(n)
    other = np.empty(n, dtype=int)
    other[order] = np.roll(order, 1)
    return other


def nearest(query: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Row of the bank most like each query: the training patient with the most similar ECG.

    Smallest Euclidean distance after every column was standardised by the bank's mean and SD (a column that does not
    vary in the bank decides nothing); the first of equals. Memory is of the order of the two arrays, not n x N.

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
    query = (query - mean) / sd
    found, smallest = np.zeros(len(query), dtype=int), np.full(len(query), np.inf)
    for start in range(0, len(bank), ROWS):
        part = (bank[start : start + ROWS] - mean) / sd
        distance = (part**2).sum(axis=1) - 2 * query @ part.T  # squared, less |query|^2, which is the same for all
        row = distance.argmin(axis=1)
        value = np.take_along_axis(distance, row[:, None], axis=1)[:, 0]
        nearer = value < smallest
        found[nearer], smallest[nearer] = start + row[nearer], value[nearer]
    return found
