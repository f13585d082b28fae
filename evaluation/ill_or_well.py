"""Numbers of how well the ill are told from the well: area under the curve, and whether probabilities are honest."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import binomtest

from .auc import area_under_curve
from .bootstrap import with_intervals
from .chances import FEWEST_CASES

PROBABILITY = "probability"  # among the scores
FEW_BINS, MANY_BINS = 5, 10  # of a calibration curve, all of one width
MANY_PEOPLE = 150  # from so many on there are many bins
FEWEST_IN_BIN = 5  # people; a bin of fewer would tell of single people
Scores = Mapping[str, np.ndarray]  # (n,) each, higher where illness is likelier; NaN where nothing is told


def told_apart(cases: np.ndarray, scores: Scores) -> dict:
    """Numbers of one condition. Of fewer than FEWEST_CASES ill or well people only how many there are, and why.

    Args:
        cases: (n,) 1 ill, 0 well, NaN unknown.
        scores: by who tells. Among them PROBABILITY may stand, whose calibration is told too.

    Returns:
        n, cases: people whose truth is known, and the ill among them.
        auc: by who tells, with intervals; scored: of how many people each says anything.
        brier: mean squared error of PROBABILITY; brier_of_share: of telling everybody the share of the ill.
        calibration: `calibration_curve`.
    """
    known = np.isfinite(cases)
    ill = cases[known] > 0
    numbers = {"n": len(ill), "cases": int(ill.sum())}
    if why := why_untold(cases):
        return numbers | {"untold": why}
    names, columns = list(scores), np.stack([np.asarray(scores[name], float)[known] for name in scores], axis=1)

    def areas(ill: np.ndarray, columns: np.ndarray) -> dict[str, float]:
        return {name: _area(ill, column) for name, column in zip(names, columns.T, strict=True)}

    numbers |= {"auc": with_intervals(areas, ill, columns)}
    numbers |= {"scored": {name: int(np.isfinite(column).sum()) for name, column in zip(names, columns.T, strict=True)}}
    if PROBABILITY in scores:
        told = columns[:, names.index(PROBABILITY)]
        there = np.isfinite(told)
        if there.any():
            numbers |= with_intervals(_brier, told[there], ill[there])
            numbers |= {"calibration": calibration_curve(told[there], ill[there])}
    return numbers


def why_untold(cases: np.ndarray) -> str:
    """Why a condition of these people (n,) gets no figures, in one sentence; empty where it gets them."""
    known = cases[np.isfinite(cases)]
    ill, well = int((known > 0).sum()), int((known <= 0).sum())
    if min(ill, well) >= FEWEST_CASES:
        return ""
    return f"{ill} people have it and {well} have not; figures need {FEWEST_CASES} of each"


def calibration_curve(told: np.ndarray, ill: np.ndarray) -> list[dict]:
    """What was told, and how many were ill, in bins of one width, from low to high probabilities.

    A bin of fewer than FEWEST_IN_BIN people is joined to the next lower one, the lowest to the next higher.

    Args:
        told: (n,) probabilities. ill: (n,) bool.

    Returns:
        told: the bin's mean probability. observed: its share of ill people, with a Wilson 95 % interval. people.
    """
    curve = []
    for rows in _bins(told):
        interval = binomtest(int(ill[rows].sum()), len(rows)).proportion_ci(method="wilson")
        observed = {"observed": float(ill[rows].mean()), "observed_ci": [float(interval.low), float(interval.high)]}
        curve.append({"told": float(told[rows].mean()), **observed, "people": len(rows)})
    return curve


def _bins(told: np.ndarray) -> list[np.ndarray]:
    """Rows of (n,) probabilities, by bin, from low to high."""
    count = MANY_BINS if len(told) >= MANY_PEOPLE else FEW_BINS
    which = np.minimum((told * count).astype(int), count - 1)
    parts, waiting = [], np.zeros(0, int)
    for number in reversed(range(count)):
        waiting = np.concatenate([waiting, np.flatnonzero(which == number)])
        if len(waiting) >= FEWEST_IN_BIN:
            parts, waiting = [waiting, *parts], waiting[:0]
    if len(waiting):
        parts = [np.concatenate([waiting, *parts[:1]]), *parts[1:]]
    return parts


def _area(ill: np.ndarray, score: np.ndarray) -> float:
    there = np.isfinite(score)
    return area_under_curve(score[there & ~ill], score[there & ill])


def _brier(told: np.ndarray, ill: np.ndarray) -> dict[str, float]:
    share = ill.mean()
    return {"brier": float(((told - ill) ** 2).mean()), "brier_of_share": float(share * (1 - share))}
