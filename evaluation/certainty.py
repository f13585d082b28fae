"""How far to believe it: the few samples of one ECG as a predictive distribution of the patient's phenotype.

`samples` are (n, m): m hearts of each of n patients, m >= 2. A patient counts if the truth and all m samples are known.
A phenotype's intervals are Gaussian on its scale (evaluation.scale): no volume falls below 0 and no EF leaves 0 to 100.
"""

import numpy as np
from scipy.special import stdtrit

from .scale import PLAIN, Scale

INTERVAL_SAMPLES = 4  # hearts; the interval of fewer is very wide, or much too narrow where they agree by chance
LEVELS = {"50": 0.5, "80": 0.8, "90": 0.9}
NOMINAL = tuple(int(level) for level in LEVELS)  # %
CALIBRATED_LEVEL = 0.9
FEWEST_TO_CALIBRATE = 20  # known people; with fewer the spread is left as it is


def interval(samples: np.ndarray, level: float, scale: Scale = PLAIN) -> tuple[np.ndarray, np.ndarray]:
    """Student-t prediction interval of one more draw, the truth: mean +- t_{m-1} s sqrt(1 + 1/m).

    It is exact for any m if samples and truth are draws of one Gaussian (Hahn and Meeker, Statistical Intervals, 1991,
    ch. 4). Quantiles of the samples are too narrow: the whole range of 8 draws covers (8 - 1) / (8 + 1), 78 %.

    Args:
        samples: (n, m). level: in (0, 1). scale: on which they are Gaussian.

    Returns:
        low, high: (n,) each, in the samples' own units.

    Raises:
        ValueError: m < 2, which has no spread.
    """
    values = scale.forth(samples)
    middle, reach = values.mean(axis=1), _reach(values, level)
    return scale.back(middle - reach), scale.back(middle + reach)


def summary_of(samples: np.ndarray, scale: Scale = PLAIN, factor: float = 1.0) -> dict:
    """What is said of one phenotype of one patient: mean, SD and the intervals of LEVELS of the samples (m,).

    Args:
        factor: of `fit_spread` on that scale. It widens SD and intervals, and moves no mean.

    Returns:
        mean, or None if no sample could be measured. With two measured samples or more also sd. With INTERVAL_SAMPLES
        or more, interval_50, interval_80 and interval_90 as [low, high].
    """
    known = samples[np.isfinite(samples)]
    if len(known) < 2:
        return {"mean": float(known[0]) if len(known) else None}
    wide = known if factor == 1 else widened(known[None], factor, scale)[0]
    intervals = {
        f"interval_{key}": [float(end[0]) for end in interval(wide[None], level, scale)]
        for key, level in LEVELS.items()
        if len(known) >= INTERVAL_SAMPLES
    }
    return {"mean": float(known.mean()), "sd": float(wide.std(ddof=1))} | intervals


def certainty(samples: np.ndarray, truth: np.ndarray, scale: Scale = PLAIN) -> dict[str, float]:
    """Does the samples' spread tell the error? Coverage of the intervals, their width, CRPS and spread over skill.

    Args:
        samples: (n, m). truth: (n,). scale: of the intervals; all else is in the phenotype's own units.

    Returns:
        "50", "80", "90": per cent of patients whose truth lies in `interval` of that level; ideally the same number.
        width_50, width_80, width_90: median width of those intervals over the patients, in the phenotype's units. NaN
            of fewer than INTERVAL_SAMPLES samples, whose widths say nothing. A mean would be that of a few patients
            whose samples lie far apart on the scale.
        crps: mean of `crps`, in the phenotype's units.
        spread_skill: root mean predicted variance s^2 (1 + 1/m) over the root mean square error of the samples' mean.
            The mean of m draws has itself a variance of s^2/m, hence the factor. Variances are averaged, not SDs
            (Fortin et al., J. Hydrometeorol. 2014; 15: 1708-1713). 1: honest; under 1: too sure.
        n: patients known.
    """
    samples, truth = _known(samples, truth)
    report = {}
    for key, level in LEVELS.items():
        low, high = interval(samples, level, scale)
        report[key] = 100 * _mean((low <= truth) & (truth <= high))
        tells = len(truth) and samples.shape[1] >= INTERVAL_SAMPLES
        report[f"width_{key}"] = float(np.median(high - low)) if tells else float("nan")
    predicted = _mean(samples.var(axis=1, ddof=1)) * (1 + 1 / samples.shape[1])
    squared_error = _mean((samples.mean(axis=1) - truth) ** 2)
    report["crps"] = _mean(crps(samples, truth))
    report["spread_skill"] = (predicted / squared_error) ** 0.5 if squared_error > 0 else float("nan")
    return report | {"n": len(truth)}


def pooled_coverage(samples: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Coverage of the intervals of LEVELS in % over all phenotypes together: (n, m, K), (n, K).

    Both are on the scale of the intervals (scale.on_scale).

    A cell of one phenotype has n people only, and its coverage is rough. n counts the pairs of person and phenotype.
    """
    columns = [_known(samples[..., k], truth[:, k]) for k in range(truth.shape[1])]
    inside = {key: [] for key in LEVELS}
    for made, true in columns:
        for key, level in LEVELS.items():
            low, high = interval(made, level)
            inside[key].append((low <= true) & (true <= high))
    pooled = {key: 100 * _mean(np.concatenate(parts)) for key, parts in inside.items()}
    return pooled | {"n": sum(len(true) for _, true in columns)}


def crps(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score E|X - truth| - E|X - X'| / 2 (Gneiting and Raftery, 2007, eq. 21), (n,).

    This is the fair estimator (Ferro, Q. J. R. Meteorol. Soc. 2014; 140: 1917-1923). It counts pairs of different
    samples only, so its expectation does not depend on m. It has the units of the truth; 0 is best. A single
    patient's may be below 0.

    Args:
        samples: (n, m), m >= 2. truth: (n,).
    """
    m = samples.shape[1]
    below = np.arange(1, m)  # samples below each gap of the sorted ones: below (m - below) pairs lie across it
    apart = np.diff(np.sort(samples, axis=1), axis=1) @ (
        below * (m - below)
    )  # sum of |x - x'| over m (m - 1) / 2 pairs
    return np.abs(samples - truth[:, None]).mean(axis=1) - apart / (m * (m - 1))


def rank_histogram(samples: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """How often the truth has 0, 1, ... m samples below it, (m + 1,) int: flat when it could be one of them.

    A U means too narrow, a hill too wide, a slope biased (Hamill, Mon. Weather Rev. 2001; 129: 550-560). The truth
    takes a random place among samples equal to it.
    """
    samples, truth = _known(samples, truth)
    below = (samples < truth[:, None]).sum(axis=1)
    equal = (samples == truth[:, None]).sum(axis=1)
    ranks = below + np.random.default_rng(seed).integers(equal + 1)
    return np.bincount(ranks, minlength=samples.shape[1] + 1)


def fit_spread(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """By how much to widen (or narrow) the samples about their mean so that the 90 % interval covers 90 %.

    Fit it on validation people; `calibrated` applies it to others. The factor is the 90 % quantile of
    |error| / half-width, taken as of n + 1 people, so that it holds for one person more. This is split conformal
    prediction weighted by the predicted spread (Lei et al., J. Am. Stat. Assoc. 2018; 113: 1094-1111, section 5.2).
    The middle of the interval stays, so a bias makes the interval wider.

    Args:
        samples: (n, m, K) of K phenotypes. truth: (n, K). Both are on the scale of the intervals (scale.on_scale).

    Returns:
        (K,) factors; 1 where fewer than 20 people are known or samples of one ECG do not differ.
    """
    return np.array([_factor(samples[:, :, k], truth[:, k]) for k in range(truth.shape[1])])


def calibrated(samples: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Samples (..., m, K) with their distance from their mean over m multiplied by factors (K,); NaN stays NaN."""
    known = np.isfinite(samples)
    total = np.where(known, samples, 0).sum(axis=-2, keepdims=True)
    mean = total / np.maximum(known.sum(axis=-2, keepdims=True), 1)
    return mean + factors * (samples - mean)


def widened(samples: np.ndarray, factor: float, scale: Scale) -> np.ndarray:
    """Samples (n, m) of one phenotype, `calibrated` on its scale and in its own units again."""
    return scale.back(calibrated(scale.forth(samples)[..., None], np.array([factor]))[..., 0])


def _reach(samples: np.ndarray, level: float) -> np.ndarray:
    """Half the width of `interval`, (n,)."""
    m = samples.shape[1]
    if m < 2:
        raise ValueError(f"{m} sample(s) of each patient have no spread; at least 2 are needed")
    return stdtrit(m - 1, (1 + level) / 2) * samples.std(axis=1, ddof=1) * np.sqrt(1 + 1 / m)


def _factor(samples: np.ndarray, truth: np.ndarray) -> float:
    samples, truth = _known(samples, truth)
    differ = np.ptp(samples, axis=1) > 0  # no factor widens what has no width
    samples, truth = samples[differ], truth[differ]
    if len(truth) < FEWEST_TO_CALIBRATE:
        return 1.0
    missed_by = np.abs(truth - samples.mean(axis=1)) / _reach(samples, CALIBRATED_LEVEL)
    return float(np.quantile(missed_by, CALIBRATED_LEVEL, method="weibull"))


def _known(samples: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(truth) & np.isfinite(samples).all(axis=1)
    return samples[known], truth[known]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
