"""Does the heart obey its code? What was measured on drawn hearts against what their codes told them."""

import numpy as np

from .agreement import pearson


def obedience(measured: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """How one phenotype follows what was told, over all hearts of all people: (n, m) each, in the phenotype's unit.

    Returns:
        slope of the line through measured against told: 1 obeys, below 1 draws every heart nearer to the average.
        r2: share of the measured differences that this line explains. rms: root mean square of measured - told.
        n: hearts known. NaN where what was told does not vary.
    """
    known = np.isfinite(measured) & np.isfinite(told)
    drawn, asked = measured[known], told[known]
    if len(asked) < 3 or np.ptp(asked) == 0:
        return {"slope": float("nan"), "r2": float("nan"), "rms": float("nan"), "n": len(asked)}
    slope = ((asked - asked.mean()) * drawn).sum() / ((asked - asked.mean()) ** 2).sum()
    rms = np.sqrt(((drawn - asked) ** 2).mean())
    return {"slope": float(slope), "r2": pearson(drawn, asked) ** 2, "rms": float(rms), "n": len(asked)}
