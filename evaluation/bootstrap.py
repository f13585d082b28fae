"""How far a figure would move with other patients: percentile bootstrap intervals beside the figures of a report."""

import warnings
from collections.abc import Callable

import numpy as np


def with_intervals(measure: Callable[..., dict], *arrays: np.ndarray, draws: int = 500, seed: int = 0) -> dict:
    """The figures of `measure(*arrays)`, each float with its 95 % interval beside it as `<key>_ci: [low, high]`.

    Patients are drawn with replacement, a patient's row of every array together (percentile bootstrap; Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13). Draws in which a figure is not a number (one group
    missing, nothing varies) are left out of its interval; the interval is [NaN, NaN] where none is left.

    Args:
        measure: arrays -> dict of floats, ints (counts, which get no interval) and such dicts.
        arrays: patients along axis 0, the same patients in the same order in all.
        draws: bootstrap samples. seed: of the draws.

    Raises:
        ValueError: the arrays differ in their number of patients.
    """
    arrays = tuple(np.asarray(array) for array in arrays)
    patients = len(arrays[0])
    if any(len(array) != patients for array in arrays):
        raise ValueError(f"patients along axis 0: {[len(array) for array in arrays]} in one bootstrap")
    chosen = np.random.default_rng(seed).integers(patients, size=(draws, patients))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a draw of few distinct patients may have no spread; that is no news
        drawn = [measure(*(array[rows] for array in arrays)) for rows in chosen]
    return _beside(measure(*arrays), drawn)


def _beside(found: dict, drawn: list[dict]) -> dict:
    report = {}
    for key, value in found.items():
        values = [figures[key] for figures in drawn if key in figures]
        report[key] = _beside(value, values) if isinstance(value, dict) else value
        if isinstance(value, (float, np.floating)):
            report[f"{key}_ci"] = _interval(np.array(values, dtype=float))
    return report


def _interval(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    return np.percentile(values, [2.5, 97.5]).tolist() if len(values) else [float("nan")] * 2
