"""The six limb leads: two electrodes' worth of truth, so that four of them follow from I and II."""

from itertools import combinations

import numpy as np

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
RULES = {"III": "II - I", "aVR": "-(I + II)/2", "aVL": "I - II/2", "aVF": "II - I/2"}
CONTRADICTION_MV = 0.05  # standard deviation of a lead from its rule; below 0.003 in every real ECG
CONTRADICTION = 0.3  # of the limb leads' own standard deviation, where that is less: an ECG of low voltage
LEAST_CONTRADICTION_MV = 0.01  # two counts of 5 uV

_CHANGE = np.array(
    [[1, -1, 1, 0, 0, 0], [0.5, 0.5, 0, 1, 0, 0], [-1, 0.5, 0, 0, 1, 0], [0.5, -1, 0, 0, 0, 1]]
)  # times (I, II, III, aVR, aVL, aVF): zero by the rules
_CABRERA = (1, 3, 5, 2, 0, 4)  # where I, II, III, aVR, aVL, aVF stand in aVL, I, -aVR, II, aVF, III


def derived_limb_leads(one: np.ndarray, two: np.ndarray) -> dict[str, np.ndarray]:
    """III (Einthoven) and aVR, aVL, aVF (Goldberger) of leads I and II."""
    return {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}


def contradictions(limb: np.ndarray, largest: float = CONTRADICTION_MV) -> list[str]:
    """Leads that do not follow from I and II.

    Args:
        limb: (6, T) in the order of LIMB_LEADS. A lead with a NaN contradicts nothing.
        largest: the standard deviation from the rule that is tolerated, in the unit of `limb`.
    """
    covariance = np.cov(limb.astype(np.float64))
    limit = min(largest, CONTRADICTION * _height(covariance))
    return [lead for lead, off in zip(RULES, _deviations(covariance), strict=True) if off > limit]


def likely_exchange(limb: np.ndarray) -> str:
    """Which single change makes all leads follow from I and II, in words; "" where none does or several do.

    Two leads exchanged, one lead negated, and the order of Cabrera are tried.

    Args:
        limb: (6, T) in the order of LIMB_LEADS.
    """
    covariance = np.cov(limb.astype(np.float64))
    limit = CONTRADICTION / 2 * _height(covariance)
    told = [words for words, change in _changes() if _deviations(change @ covariance @ change.T).max() <= limit]
    return told[0] if len(told) == 1 else ""


def scaled_apart(limb: np.ndarray) -> bool:
    """Whether each lead follows from I and II but for a factor of its own, as after z-scoring lead by lead.

    Args:
        limb: (6, T) in the order of LIMB_LEADS.
    """
    covariance = np.cov(limb.astype(np.float64))
    weights = covariance[2:, :2] @ np.linalg.pinv(covariance[:2, :2])  # of I and II in the other four
    unexplained = np.diag(covariance[2:, 2:] - weights @ covariance[:2, 2:])
    explained = unexplained <= 0.01 * np.diag(covariance[2:, 2:])
    return bool(explained.all() and (np.sign(weights) == np.sign(-_CHANGE[:, :2])).all())


def farthest_offset(limb: np.ndarray) -> float:
    """The largest constant by which a lead differs from its rule, in the unit of `limb` (6, T)."""
    return float(np.abs(np.median(_CHANGE @ limb, axis=1)).max())


def rule_words(leads: list[str]) -> str:
    """E.g. "lead III is not II - I, lead aVR is not -(I + II)/2"."""
    return ", ".join(f"lead {lead} is not {RULES[lead]}" for lead in leads)


def _height(covariance: np.ndarray) -> float:
    """Standard deviation of a typical limb lead; at the least what LEAST_CONTRADICTION_MV asks for."""
    return max(float(np.sqrt(np.nanmean(np.diag(covariance)))), LEAST_CONTRADICTION_MV / CONTRADICTION)


def _deviations(covariance: np.ndarray) -> np.ndarray:
    """(4,) standard deviations of III, aVR, aVL, aVF from their rules."""
    variances = []
    for rule in _CHANGE:
        parts = np.flatnonzero(rule)  # a NaN in another lead is none here
        variances.append(rule[parts] @ covariance[np.ix_(parts, parts)] @ rule[parts])
    return np.sqrt(np.maximum(variances, 0))


def _changes() -> list[tuple[str, np.ndarray]]:
    """Words for a fault, and the (6, 6) matrix that undoes it."""
    changes = []
    for first, second in combinations(range(6), 2):
        order = list(range(6))
        order[first], order[second] = second, first
        changes.append((f"{LIMB_LEADS[first]} and {LIMB_LEADS[second]} look exchanged", np.eye(6)[order]))
    for row in range(6):
        changes.append((f"{LIMB_LEADS[row]} looks negated", np.diag([-1.0 if row == i else 1.0 for i in range(6)])))
    cabrera = np.eye(6)[list(_CABRERA)]
    turned = cabrera.copy()
    turned[3] *= -1
    order = "they look like Cabrera's order aVL, I, {}aVR, II, aVF, III"
    return [*changes, (order.format("-"), turned), (order.format(""), cabrera)]
