"""Does the generated heart belong to this patient? Agreement of one phenotype over patients."""

import numpy as np

LIMITS = 1.96  # standard deviations that hold 95 % of Gaussian differences
NOTHING_TO_KEEP = 0.02  # R2 of the ceiling, at or under which a share of it is noise divided by noise


def agreement(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Pearson r, R2 (of `found` itself, not of a line fitted to it), mean absolute error, bias and limits of agreement.

    The limits are bias +- 1.96 SD of the differences found - truth (Bland and Altman, Lancet 1986; 327: 307-310).
    Patients with a NaN on either side are left out and not counted in n.

    Args:
        found, truth: (n,) in the phenotype's units, which are also those of mae, bias, limit_low and limit_high.
    """
    known = np.isfinite(found) & np.isfinite(truth)
    if not known.any():
        return dict.fromkeys(("r", "r2", "mae", "bias", "limit_low", "limit_high"), float("nan")) | {"n": 0}
    found, truth = found[known], truth[known]
    error = found - truth
    bias = float(error.mean())
    reach = LIMITS * float(error.std(ddof=1)) if len(error) > 1 else float("nan")
    return {
        "r": pearson(found, truth),
        "r2": r_squared(found, truth),
        "mae": float(np.abs(error).mean()),
        "bias": bias,
        "limit_low": bias - reach,
        "limit_high": bias + reach,
        "n": len(error),
    }


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN when either does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


def r_squared(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the truth's variance that `found` itself explains: 1 - squared errors / squared deviations.

    At most 1, 0 for the truth's mean, negative for worse than that; NaN when the truth does not vary.
    """
    spread = ((truth - truth.mean()) ** 2).sum() if len(truth) else 0.0
    return float(1 - ((found - truth) ** 2).sum() / spread) if spread > 0 else float("nan")


def information_kept(found: np.ndarray, ceiling: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """R2 of `found` as a share of the R2 of `ceiling`, the best that is known from the same ECG; (n,) each.

    1: the heart carries all that the ceiling knows; 0: no more than the mean heart does; negative: less. NaN where
    the ceiling explains no more than 2 % of the variance. Patients not known in all three are left out of n.
    """
    known = np.isfinite(found) & np.isfinite(ceiling) & np.isfinite(truth)
    most = r_squared(ceiling[known], truth[known])
    kept = r_squared(found[known], truth[known]) / most if most > NOTHING_TO_KEEP else float("nan")
    return {"information_kept": kept, "n": int(known.sum())}


def information_kept_of_many(samples: np.ndarray, ceiling: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`information_kept` of the mean of as many samples as one likes, estimated from m of them: (n, m), (n,), (n,).

    The mean of m samples errs by 1/m of their variance more than the mean of them all, and the samples' own spread
    tells that variance without bias. NaN of one sample.
    """
    known = np.isfinite(samples).all(axis=1) & np.isfinite(ceiling) & np.isfinite(truth)
    m, spread = samples.shape[1], ((truth[known] - truth[known].mean()) ** 2).sum() if known.any() else 0.0
    most = r_squared(ceiling[known], truth[known])
    if m < 2 or not spread > 0 or not most > NOTHING_TO_KEEP:
        return {"information_kept": float("nan"), "n": int(known.sum())}
    excess = samples[known].var(axis=1, ddof=1).sum() / m / spread
    kept = (r_squared(samples[known].mean(axis=1), truth[known]) + excess) / most
    return {"information_kept": float(kept), "n": int(known.sum())}
