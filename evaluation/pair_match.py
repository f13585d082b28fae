"""Are an ECG and a heart of one person? How much likelier the heart is beside this ECG than beside anybody's.

Both likelihoods are of the same phenotypes, Gaussian on their scale (evaluation.scale). One is what ECG and person lead
to expect. The other is what the person alone does, so that nobody is matched by size and sex. What an ECG does not tell
counts in both alike.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import multivariate_t

from cohort.phenotypes import PHENOTYPES, VOLUMES, WALLS

from .chances import MOST_SURE
from .scale import on_scale

COMPARED = (*VOLUMES, *WALLS)  # the others follow from these
EXCHANGED = 0.02  # share of pairs of a cohort that are of two people, where nobody knows better
FEWEST_COMPARED = 3  # phenotypes; of fewer nothing is told
SHRUNK = 0.1  # share of the covariance that is the variances alone


def match_score(true: np.ndarray, expected: np.ndarray, without_ecg: np.ndarray) -> float:
    """Logarithm of the likelihood ratio: above 0 the heart fits this ECG better than anybody's of such a person.

    Args:
        true: (K,) PHENOTYPES of the heart. expected: (m, K) of codes drawn for ECG and person. without_ecg: (m, K) of
            codes drawn for the person alone.

    Returns:
        NaN where fewer than FEWEST_COMPARED phenotypes are known.
    """
    value, told, untold = (on_scale(values) for values in (true, expected, without_ecg))
    places = (PHENOTYPES.index(name) for name in COMPARED)
    spread = np.minimum(told.std(axis=0), untold.std(axis=0))  # NaN is not above 0
    known = [k for k in places if np.isfinite(value[k]) and spread[k] > 0]
    if len(known) < FEWEST_COMPARED:
        return float("nan")
    value, told, untold = value[known], told[:, known], untold[:, known]
    return _log_likelihood(value, told) - _log_likelihood(value, untold)


def match_probability(score: float | np.ndarray, exchanged: float = EXCHANGED) -> float | np.ndarray:
    """Probability of one person, by Bayes' rule, within MOST_SURE; a share `exchanged` of pairs are of two."""
    return np.clip(expit(score + logit(1 - exchanged)), 1 - MOST_SURE, MOST_SURE)


def _log_likelihood(value: np.ndarray, draws: np.ndarray) -> float:
    """Of one more draw, (k,), beside m draws (m, k) of a Gaussian of unknown mean and covariance."""
    draws_count, width = draws.shape
    covariance = np.cov(draws, rowvar=False)
    covariance = (1 - SHRUNK) * covariance + SHRUNK * np.diag(np.diag(covariance))
    freedom = draws_count - width
    spread = covariance * (draws_count - 1) / freedom * (1 + 1 / draws_count)
    return float(multivariate_t(draws.mean(axis=0), spread, df=freedom).logpdf(value))
