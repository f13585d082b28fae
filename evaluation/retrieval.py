"""Is the patient's own heart the one most like the generated heart? Its rank among all hearts measured."""

import numpy as np


def masked_distances(generated: np.ndarray, true: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Root mean square difference of every generated heart from every true one, over the true one's acquired slices.

    |g - t|^2 = |g|^2 - 2 g.t + |t|^2, so the n x n distances of a slice are a matrix product and need little memory.

    Args:
        generated: (n, S, F) pixels or features of S slices, finite.
        true: (n, S, F); slices that were not acquired are not looked at.
        mask: (n, S) bool, slices acquired in the true heart.

    Returns:
        (n, n) from generated heart i to true heart j, in the units of F; NaN where heart j has no slice.
    """
    squared = np.zeros((len(generated), len(true)))
    for g, t, acquired in zip(generated.swapaxes(0, 1), true.swapaxes(0, 1), mask.T, strict=True):
        middle = g.mean(axis=0, dtype=float)  # differences of centred numbers lose fewer digits
        g = g - middle  # (n, F)
        t = np.where(acquired[:, None], t - middle, 0.0)  # (n, F)
        squared += (g**2).sum(axis=1)[:, None] * acquired - 2 * g @ t.T + (t**2).sum(axis=1)  # (n, n)
    pixels = mask.sum(axis=1) * float(generated.shape[2])
    return np.sqrt(np.maximum(squared, 0) / np.where(pixels > 0, pixels, np.nan))


def rank_percentiles(distances: np.ndarray) -> np.ndarray:
    """100 x the share of the OTHER true hearts that are nearer to the generated heart than the patient's own.

    0 is best and 50 is chance. Another heart exactly as near as the own counts half.

    Args:
        distances: (n, n) from generated heart i to true heart j; NaN where unknown.

    Returns:
        (n,) in [0, 100]; NaN where the own distance is unknown or there is no other.
    """
    own = np.diagonal(distances)
    nearer = (distances < own[:, None]).sum(axis=1)
    as_near = (distances == own[:, None]).sum(axis=1) - 1  # the own heart itself is not another
    others = (~np.isnan(distances)).sum(axis=1) - 1
    percentiles = 100 * (nearer + as_near / 2) / np.maximum(others, 1)
    return np.where(np.isnan(own) | (others < 1), np.nan, percentiles)


def retrieval(percentiles: np.ndarray) -> dict[str, float]:
    """Median rank percentile, and the per cent of patients whose own heart is in the nearest 1 % and 5 %.

    By chance these are 50, about 1 and about 5. With few patients they are more: the very nearest heart always counts
    as in the nearest 1 %.

    Args:
        percentiles: (n,) of rank_percentiles; NaN is left out, and n counts the others.
    """
    known = percentiles[np.isfinite(percentiles)]
    if len(known) == 0:
        return dict.fromkeys(("median_percentile", "top_1", "top_5"), float("nan")) | {"n": 0}
    return {
        "median_percentile": float(np.median(known)),
        "top_1": 100 * float((known <= 1).mean()),
        "top_5": 100 * float((known <= 5).mean()),
        "n": len(known),
    }
