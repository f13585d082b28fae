"""Does the generated heart belong to this patient? Agreement of one phenotype over patients."""

import numpy as np

SD_WITHIN_95 = 1.96  # standard deviations either side of the mean that hold 95 % of a Gaussian
NOTHING_TO_KEEP = 0.05  # R2 of the ceiling; a share of so little is noise divided by noise
FEW_PEOPLE = 20  # with fewer nothing is said: the intervals are too wide to tell anything apart


def agreement(estimate: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Pearson r, R2, mean absolute error, bias and limits of agreement.

    R2 is that of the estimate itself, not of a line fitted to it. The limits are bias +- 1.96 SD of the differences
    estimate - truth (Bland and Altman, Lancet 1986; 327: 307-310). Patients with a NaN on either side are left out.

    Args:
        estimate, truth: (n,) in the phenotype's units. mae, bias, limit_low and limit_high are in them too.
    """
    known = np.isfinite(estimate) & np.isfinite(truth)
    if not known.any():
        return dict.fromkeys(("r", "r2", "mae", "bias", "limit_low", "limit_high"), float("nan")) | {"n": 0}
    estimate, truth = estimate[known], truth[known]
    error = estimate - truth
    bias = float(error.mean())
    reach = SD_WITHIN_95 * float(error.std(ddof=1)) if len(error) > 1 else float("nan")
    return {
        "r": pearson(estimate, truth),
        "r2": r_squared(estimate, truth),
        "mae": float(np.abs(error).mean()),
        "bias": bias,
        "limit_low": bias - reach,
        "limit_high": bias + reach,
        "n": len(error),
    }


def agreement_of_many(samples: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`agreement` of the mean of (n, m) samples with (n,) truth, and `r2_of_many`, that of very many samples.

    Arms with few hearts each can be compared only by `r2_of_many`. Of one sample each it is NaN.
    """
    known = np.isfinite(samples)
    count = known.sum(axis=1)
    mean = np.where(count > 0, np.where(known, samples, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
    return agreement(mean, truth) | {"r2_of_many": r_squared_of_many(samples, truth)}


def r_squared_of_many(samples: np.ndarray, truth: np.ndarray) -> float:
    """`r_squared` of the mean of very many samples, estimated from m of them: (n, m), (n,).

    The squared error of a mean of m samples exceeds that of very many by 1/m of the samples' variance. The spread of
    the m samples estimates this variance without bias. NaN samples are left out. A person of one known sample has no
    spread, and is left out of the excess; where nobody has two, it is NaN.
    """
    known = np.isfinite(truth) & np.isfinite(samples).any(axis=1)
    samples, truth = samples[known], truth[known]
    spread = ((truth - truth.mean()) ** 2).sum() if len(truth) else 0.0
    counts = np.isfinite(samples).sum(axis=1)
    several = counts > 1
    if not several.any() or not spread > 0:
        return float("nan")
    excess = (np.nanvar(samples[several], axis=1, ddof=1) / counts[several]).sum()
    return float(r_squared(np.nanmean(samples, axis=1), truth) + excess / spread)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN when either does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


def r_squared(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Share of the truth's variance that the estimate explains: 1 - squared errors / squared deviations.

    It is 1 at most, 0 for the truth's mean, and negative for worse than that. It is NaN when the truth does not vary.
    """
    spread = ((truth - truth.mean()) ** 2).sum() if len(truth) else 0.0
    return float(1 - ((estimate - truth) ** 2).sum() / spread) if spread > 0 else float("nan")


def information_kept(estimate: np.ndarray, ceiling: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """R2 of the estimate as a share of the R2 of the ceiling, the best known from the same ECG; (n,) each.

    1: the heart carries all that the ceiling knows. 0: no more than the mean heart. Negative: less. It is NaN where
    the ceiling explains no more than 5 % of the variance. n counts the patients known in all three.
    """
    known = np.isfinite(estimate) & np.isfinite(ceiling) & np.isfinite(truth)
    most = r_squared(ceiling[known], truth[known])
    kept = r_squared(estimate[known], truth[known]) / most if most > NOTHING_TO_KEEP else float("nan")
    return {"information_kept": kept, "n": int(known.sum())}


def information_kept_of_many(samples: np.ndarray, ceiling: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`information_kept` of the mean of very many samples, estimated from m of them: (n, m), (n,), (n,).

    The squared error of a mean of m samples exceeds that of very many by 1/m of the samples' variance. The spread of
    the m samples estimates this variance without bias. One sample has no spread: NaN.
    """
    known = np.isfinite(samples).all(axis=1) & np.isfinite(ceiling) & np.isfinite(truth)
    m, spread = samples.shape[1], ((truth[known] - truth[known].mean()) ** 2).sum() if known.any() else 0.0
    most = r_squared(ceiling[known], truth[known])
    if m < 2 or not spread > 0 or not most > NOTHING_TO_KEEP:
        return {"information_kept": float("nan"), "n": int(known.sum())}
    excess = samples[known].var(axis=1, ddof=1).sum() / m / spread
    kept = (r_squared(samples[known].mean(axis=1), truth[known]) + excess) / most
    return {"information_kept": float(kept), "n": int(known.sum())}


def why_no_share(ceiling: dict, people: int) -> str:
    """Why a share of this ceiling tells nothing; empty where it does. A small divisor makes any share absurd.

    Args:
        ceiling: its `agreement` with intervals (`bootstrap.with_intervals`).
        people: known in generated hearts, ceiling and truth.
    """
    if people < FEW_PEOPLE:
        return f"too few people to tell: {people}, of {FEW_PEOPLE} at least"
    r2, (low, high) = ceiling["r2"], ceiling["r2_ci"]
    if not r2 > NOTHING_TO_KEEP:
        return f"ceiling too low to tell: R2 {r2:.2f}, and {NOTHING_TO_KEEP} is the floor"
    if not low > 0:
        return f"ceiling too low to tell: the interval of its R2, {low:.2f} to {high:.2f}, includes 0"
    return ""
