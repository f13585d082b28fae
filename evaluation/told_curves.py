"""The band of a patient's volumes over the beat, told by heart codes: at ED and ES it is the interval of the table.

Few drawn hearts have a chance SD, and so has the band of their curves. A code tells both volumes of a cavity and how it
empties, so that each code has a curve.
"""

import numpy as np

from cohort.phenotypes import PHENOTYPES

from .certainty import interval, widened
from .drawn_codes import Expected
from .scale import SCALES

CAVITIES = {"LV": ("LVEDV", "LVESV"), "RV": ("RVEDV", "RVESV")}  # both empty alike
BY_CODES = "90 % interval, by heart codes"
LEAST_ML = 1.0  # of a code whose volumes contradict each other


def told_bands(expected: Expected | None, factors: np.ndarray | None) -> dict[str, dict] | None:
    """The band of LV and RV; None where codes tell no volume or no curve.

    Args:
        factors: (K,) of the codes' intervals (evaluation.calibration); None leaves them as they are.

    Returns:
        {"LV" or "RV": which, low and high, lists of (frames,) mL}.
    """
    if expected is None or expected.inside is None:
        return None
    wider = np.ones(len(PHENOTYPES)) if factors is None else factors
    bands = {name: _band(expected, names, wider) for name, names in CAVITIES.items()}
    return None if None in bands.values() else bands


def _band(expected: Expected, names: tuple[str, str], factors: np.ndarray) -> dict | None:
    at_ed, at_es = (PHENOTYPES.index(name) for name in names)
    full, empty = expected.given[:, [at_ed]], expected.given[:, [at_es]]  # (m, 1) each
    if not (np.isfinite(full).all() and np.isfinite(empty).all()):
        return None
    curves = np.maximum(empty + expected.inside * (full - empty), LEAST_ML)  # (m, frames)
    share = expected.inside.mean(axis=0)  # (frames,)
    scale, by = SCALES[names[0]], factors[at_es] + share * (factors[at_ed] - factors[at_es])
    frames = [widened(curve[None], factor, scale) for curve, factor in zip(curves.T, by, strict=True)]
    low, high = interval(np.concatenate(frames), 0.9, scale)
    return {"which": BY_CODES, "low": low.round(2).tolist(), "high": high.round(2).tolist()}
