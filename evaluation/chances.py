"""How likely a patient has each condition, by the heart codes that ECG and person leave possible.

A line through the log-odds sets right what the codes say too boldly or too timidly. It is fitted on validation people,
and kept beside the weights.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit, stdtr

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.person import Person
from sampling.ranges import all_within

from .conditions import Condition, conditions

NAME = "chances.json"
MOST_SURE = 0.99  # no more is told, nor less than 1 - MOST_SURE: nobody checked the tails
FEWEST_CASES = 10  # and as many without, to fit a line
STEEPEST = 10.0
FIT_AGAIN = "fit it again: evaluate_samples.py --split validation --calibrate"


class Line(NamedTuple):
    """Calibrated log-odds: intercept + slope x the codes' own. Attributes: people, cases: it was fitted on."""

    intercept: float
    slope: float
    people: int
    cases: int


def chance(beyond: np.ndarray) -> np.ndarray:
    """Probability that one more draw, the truth, lies above 0, within MOST_SURE: (...) of m draws (..., m).

    The draws are taken for Gaussian, so it is Student's t of m - 1 degrees (evaluation.certainty.interval). It is
    NaN where draws are, or where all are equal.
    """
    m = beyond.shape[-1]
    spread = beyond.std(axis=-1, ddof=1) * np.sqrt(1 + 1 / m)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, beyond.mean(axis=-1) / spread, np.nan)
    return _bounded(stdtr(m - 1, ratio))


def chance_of(condition: Condition, expected: np.ndarray, person: Person, line: Line | None = None) -> float | None:
    """Probability of a condition; None where it is not judged of this person, or no code tells it.

    Args:
        expected: (m, K) PHENOTYPES of codes drawn for the patient. line: of the condition; None leaves it as it is.
    """
    if condition.why_not(person):
        return None
    told = chance(condition.beyond(expected, person))
    return float(along(line, told)) if np.isfinite(told) else None


def along(line: Line | None, chances: np.ndarray) -> np.ndarray:
    """Calibrated probabilities, within MOST_SURE."""
    if line is None:
        return chances
    return _bounded(expit(line.intercept + line.slope * logit(chances)))


def fit_lines(expected: Sequence[np.ndarray], people: Sequence[Person], truth: np.ndarray) -> dict[str, Line]:
    """The line of every condition of which FEWEST_CASES people have it, and as many have not.

    Args:
        expected: n of (m, K) PHENOTYPES of codes drawn for each. truth: (n, K) what their hearts measure.
    """
    lines = {}
    for condition in conditions():
        told = [chance_of(condition, *one) for one in zip(expected, people, strict=True)]
        ill = [np.nan if p is None else has_it(condition, *one) for p, *one in zip(told, truth, people, strict=True)]
        known = np.isfinite(ill)
        chances, cases = np.array(told, float)[known], np.array(ill)[known] > 0
        if min(cases.sum(), (~cases).sum()) >= FEWEST_CASES:
            lines[condition.name] = _line(chances, cases)
    return lines


def read_lines(pipeline: Path) -> dict[str, Line]:
    """The lines that lie beside a pipeline's weights; none where none were fitted.

    Raises:
        InputError: the file is damaged.
    """
    path = pipeline / NAME
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        lines = {name: Line(*(about[field] for field in Line._fields)) for name, about in stored.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(path, "is damaged", FIT_AGAIN) from error
    numbers = [number for line in lines.values() for number in (abs(line.intercept), line.slope)]
    if not all_within(numbers, 0.0, STEEPEST):
        raise InputError(path, "is damaged: a line is out of range", FIT_AGAIN)
    return lines


def write_lines(pipeline: Path, lines: dict[str, Line]) -> None:
    """Keep the lines in a pipeline's folder."""
    write_json(pipeline / NAME, {name: line._asdict() for name, line in lines.items()})


def has_it(condition: Condition, phenotypes: np.ndarray, person: Person) -> float:
    """1 where a heart of these (K,) PHENOTYPES has a condition, 0 where it has not; NaN where that is not known."""
    beyond = float(condition.beyond(phenotypes, person))
    return float(beyond > 0) if np.isfinite(beyond) else np.nan


def _line(chances: np.ndarray, cases: np.ndarray) -> Line:
    """Logistic regression on the log-odds, with half a person's weight on leaving them as they are."""
    odds, signs = logit(chances), np.where(cases, 1, -1)

    def loss(given: np.ndarray) -> float:
        return -log_expit(signs * (given[0] + given[1] * odds)).sum() + (given[0] ** 2 + (given[1] - 1) ** 2) / 2

    limits = ((-STEEPEST, STEEPEST), (0.0, STEEPEST))
    found = minimize(loss, np.array([0.0, 1.0]), bounds=limits).x
    return Line(float(found[0]), float(found[1]), len(cases), int(cases.sum()))


def _bounded(chances: np.ndarray) -> np.ndarray:
    return np.clip(chances, 1 - MOST_SURE, MOST_SURE)
