"""How far a number would move with other patients: percentile bootstrap intervals beside the numbers of a report."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

FEWEST = 5  # patients: of fewer, hardly a draw differs from the next, and an interval would be far too narrow


def with_intervals(measure: Callable[..., dict], *arrays: np.ndarray, draws: int = 500, seed: int = 0) -> dict:
    """The numbers of `measure(*arrays)`, each float with its 95 % interval beside it as `<key>_ci: [low, high]`.

    Patients are drawn with replacement, and a patient keeps all their rows (percentile bootstrap; Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13). Draws in which a number is NaN or infinite are left
    out of its interval. If none is left the interval is [NaN, NaN], as of fewer than FEWEST patients.

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

    report = measure(*arrays)

    def numbers(rows: np.ndarray) -> list[float]:
        return list(_floats(measure(*(array[rows] for array in arrays))))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a draw of few distinct patients may have no spread; that is no news
        everybody = np.arange(patients)
        if patients < FEWEST:
            drawn = np.empty((len(list(_floats(report))), 0))
        else:
            resampled = stats.bootstrap(
                (everybody,), numbers, n_resamples=draws, vectorized=False, method="percentile", rng=seed
            )
            drawn = resampled.bootstrap_distribution
    return _beside(report, iter(drawn))


def _floats(numbers: dict) -> Iterator[float]:
    """The floats of nested dicts, in the order of `_beside`."""
    for value in numbers.values():
        if isinstance(value, dict):
            yield from _floats(value)
        elif isinstance(value, (float, np.floating)):
            yield float(value)


def _beside(numbers: dict, drawn: Iterator[np.ndarray]) -> dict:
    """The same dict, with an interval after each float: drawn holds (draws,) of every float in turn."""
    report = {}
    for key, value in numbers.items():
        report[key] = _beside(value, drawn) if isinstance(value, dict) else value
        if isinstance(value, (float, np.floating)):
            report[f"{key}_ci"] = _interval(next(drawn))
    return report


def _interval(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    return np.percentile(values, [2.5, 97.5]).tolist() if len(values) else [float("nan")] * 2
