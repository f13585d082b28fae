"""What a patient is told of each phenotype: one distribution, by heart codes, and what the drawn hearts measure.

Many codes cost less than one heart, and four hearts have a chance SD. Hearts tell a phenotype only where no code does.
"""

import numpy as np

from cohort.phenotypes import LABELS, PHENOTYPES, TABLE
from sampling.phenotype_table import BY_CODES, BY_HEARTS

from .certainty import summary_of
from .scale import SCALES

FEWEST_HEARTS = 4  # of fewer, a mean is outside by chance too often: of two, in 14 of 100 phantoms; of four, in 3


def told_numbers(codes: np.ndarray, drawn: np.ndarray | None, factors: np.ndarray | None) -> dict[str, dict]:
    """What heart.json says of each phenotype.

    Args:
        codes: (m, K) PHENOTYPES that m codes of ECG and person tell; NaN for one that the codes do not hold.
        drawn: (n, K) measured on the n drawn hearts; None where nothing measures them.
        factors: (K,) of the codes' intervals (evaluation.calibration); None leaves them as they are.

    Returns:
        {phenotype: mean, sd, interval_50, interval_80, interval_90, told_by, drawn}. All but `drawn` are of the
        distribution, as of `certainty.summary_of`. `drawn` holds the mean of the hearts, and the value of each; None
        is what cannot be measured. A phenotype that neither tells is left out.
    """
    told = {}
    for k, name in enumerate(PHENOTYPES):
        measured = {} if drawn is None else {"drawn": _measured(drawn[:, k])}
        if np.isfinite(codes[:, k]).all():
            factor = 1.0 if factors is None else float(factors[k])
            told[name] = summary_of(codes[:, k], SCALES[name], factor) | {"told_by": BY_CODES} | measured
        elif drawn is not None:
            told[name] = summary_of(drawn[:, k], SCALES[name]) | {"told_by": BY_HEARTS} | measured
    return told


def by_codes(phenotypes: dict[str, dict]) -> bool:
    """Whether heart codes tell any of `told_numbers`."""
    return any(about["told_by"] == BY_CODES for about in phenotypes.values())


def disagreements(phenotypes: dict[str, dict]) -> list[str]:
    """One sentence where the mean of the drawn hearts lies outside of the 90 % interval that codes tell.

    Args:
        phenotypes: of `told_numbers`.
    """
    apart, hearts = [], 0
    for name, about in phenotypes.items():
        if about["told_by"] != BY_CODES or "drawn" not in about:
            continue
        mean, (low, high), digits = about["drawn"]["mean"], about["interval_90"], TABLE[name].digits
        hearts = len(about["drawn"]["values"])
        if mean is not None and not low <= mean <= high:
            told = f"90 % interval {low:.{digits}f} to {high:.{digits}f}"
            apart.append(f"{LABELS[name]} {mean:.{digits}f} {TABLE[name].unit} ({told})")
    if not apart or hearts < FEWEST_HEARTS:
        return []
    return [f"the {hearts} drawn hearts are not what the ECG leads one to expect, on average: {', '.join(apart)}"]


def _measured(values: np.ndarray) -> dict:
    known = values[np.isfinite(values)]
    each = [float(value) if np.isfinite(value) else None for value in values]
    return {"mean": float(known.mean()) if len(known) else None, "values": each}
