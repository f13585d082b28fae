"""The bootstrap draws of a report's headline figures, so that two reports of the same people can be compared in pairs.

Values of single people would say more, but a report may be passed on, and people's hearts may not. Draws of the same
people with the same seed pick the same people in both reports. So differences of draws are those of a paired bootstrap.
"""

import hashlib
import warnings
from collections.abc import Callable

import numpy as np

from cohort.phenotypes import PHENOTYPES

from .agreement import information_kept_of_many, r_squared, r_squared_of_many
from .bootstrap import FEWEST
from .certainty import interval
from .measuring import Measured
from .scale import on_scale
from .verdicts import HEADLINE

DRAWS, SEED, DIGITS = 500, 0, 4
COVERED = 0.9  # level of the intervals whose coverage is drawn

Figure = Callable[[np.ndarray], float]  # of the rows of people drawn


def headline_draws(
    people: str, generated: Measured, another: Measured | None, ceiling: np.ndarray | None, truth: np.ndarray
) -> dict:
    """{paired_with: key, figures: {place in the report: its draws}}; empty of fewer than FEWEST people.

    Args:
        people: names who was measured (`study.people_sha256`); the key says also which of them each draw picked.
        another: hearts of another's ECG, where they were drawn.
        ceiling: (n, K). truth: (n, K).
    """
    if len(truth) < FEWEST:
        return {}
    rows = np.random.default_rng(SEED).integers(len(truth), size=(DRAWS, len(truth)))
    key = hashlib.sha256(people.encode() + rows.astype("<i8").tobytes()).hexdigest()[:12]
    figures = headline_figures(generated, another, ceiling, truth)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a draw of few distinct people may have no spread
        drawn = {place: [round(float(figure(row)), DIGITS) for row in rows] for place, figure in figures.items()}
    return {"paired_with": key, "figures": drawn}


def headline_figures(
    generated: Measured, another: Measured | None, ceiling: np.ndarray | None, truth: np.ndarray
) -> dict[str, Figure]:
    """The figures that can be drawn, by their place in the report, each a function of rows of people."""
    figures: dict[str, Figure] = {}
    for name in HEADLINE:
        k = PHENOTYPES.index(name)
        made, true = generated.phenotypes[..., k], truth[:, k]
        figures[f"agreement.{name}.r2"] = lambda rows, made=made, true=true: _r2_of_mean(made[rows], true[rows])
        figures[f"agreement.{name}.r2_of_many"] = _many(made, true)
        if another is not None:
            figures[f"controls.shuffled_ecg.{name}.r2_of_many"] = _many(another.phenotypes[..., k], true)
        if ceiling is not None:
            figures[f"information_kept_of_many.{name}"] = _kept(made, ceiling[:, k], true)
    if generated.phenotypes.shape[1] > 1:
        inside = _inside(generated.phenotypes, truth)
        figures["coverage_pooled.90"] = lambda rows: 100 * float(np.nanmean(inside[rows]))
    broken = (generated.implausible == 1).any(axis=-1)
    figures["implausible.any.generated"] = lambda rows: float(broken[rows].mean())
    return figures


def _many(made: np.ndarray, true: np.ndarray) -> Figure:
    return lambda rows: r_squared_of_many(made[rows], true[rows])


def _kept(made: np.ndarray, ceiling: np.ndarray, true: np.ndarray) -> Figure:
    return lambda rows: information_kept_of_many(made[rows], ceiling[rows], true[rows])["information_kept"]


def _r2_of_mean(made: np.ndarray, true: np.ndarray) -> float:
    known = np.isfinite(true) & np.isfinite(made).any(axis=1)
    return r_squared(np.nanmean(made[known], axis=1), true[known])


def _inside(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, K): 1 where the interval of COVERED holds the truth, 0 where not, NaN where either is unknown."""
    made, true = on_scale(samples), on_scale(truth)
    ends = [interval(made[..., k], COVERED) for k in range(true.shape[1])]
    within = np.stack([(low <= true[:, k]) & (true[:, k] <= high) for k, (low, high) in enumerate(ends)], axis=1)
    known = np.isfinite(true) & np.isfinite(made).all(axis=1)
    return np.where(known, within, np.nan)
