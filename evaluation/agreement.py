"""Does the generated heart belong to this patient? Agreement of phenotypes, and the same with patients shuffled."""

import numpy as np


def agreement(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Pearson r, R2 (of `found` itself, not of a line fitted to it), mean absolute error and bias of n patients.

    Patients with a NaN on either side are left out and not counted in n.
    """
    known = np.isfinite(found) & np.isfinite(truth)
    if not known.any():
        return dict.fromkeys(("r", "r2", "mae", "bias"), float("nan")) | {"n": 0}
    found, truth = found[known], truth[known]
    error = found - truth
    spread = ((truth - truth.mean()) ** 2).sum()
    return {
        "r": pearson(found, truth),
        "r2": float(1 - (error**2).sum() / spread) if spread > 0 else float("nan"),
        "mae": float(np.abs(error).mean()),
        "bias": float(error.mean()),
        "n": int(known.sum()),
    }


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN when either does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and a.std() > 0 and b.std() > 0 else float("nan")


def shuffled_agreement(found: np.ndarray, truth: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Agreement when every patient is given the heart generated from ANOTHER patient's ECG and person tokens.

    One derangement drawn from the seed; a sampler that ignores its condition scores here as well as matched.
    """
    order = np.random.default_rng(seed).permutation(len(found))
    other = np.empty(len(found), dtype=int)
    other[order] = np.roll(order, 1)  # one cycle through all patients: nobody keeps their own
    return agreement(found[other], truth)
