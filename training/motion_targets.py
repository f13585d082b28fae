"""How the cohort's hearts move, as numbers to be learned: those of the heart code, of motion.csv or of cines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cohort.beat import NUMBERS, MeasuredBeat, curve_on_clock, measured_beat
from cohort.cine import Label
from cohort.cines import Cines
from cohort.errors import InputError
from cohort.intensity import as_unit
from cohort.motion_table import MOTION_TABLE, KnownBeat
from cohort.prepared import NO_LABELS, PreparedCohort
from models.heart_motion import HeartMotion
from models.segmenter import Segmenter
from sampling.segmentation import segment

from .told_motion import NOTHING_TOLD, ToldMotion

COMPONENTS = 6  # of the volume's curve
POINTS = 50  # of the clock's cycle; ES is one of them
OTHER_ES, OTHER_CURVE = 0.1, 0.15  # of the cycle and of the stroke volume: a row that far off is of another heart
FEWEST_COMPARED = 5  # people by whom a table is judged

Curve = tuple[np.ndarray, float]  # (frames,) share of the stroke volume inside, and when ejection is over


@dataclass(frozen=True, eq=False)
class MotionTargets:
    """What is known of N people's motion.

    Attributes:
        names: of the motion numbers: those of `cohort.beat`, and curve_1, ... of the volume's curve.
        values: (N, M) float32 in their own units, NaN where unknown.
        beats: of each cine; None where it cannot be measured.
        curve_mean: (POINTS,) and curve_basis (COMPONENTS, POINTS): the curve on the beat's clock, of training people.
            Those of a trained motion network have its own sizes.
        more: (n, M) as `values`, of further people without an MRI; None where motion.csv tells of none.
        refused: rows of motion.csv that are not used, because the cine shows another beat.
    """

    names: tuple[str, ...]
    values: np.ndarray
    beats: tuple[MeasuredBeat | None, ...]
    curve_mean: np.ndarray
    curve_basis: np.ndarray
    more: np.ndarray | None = None
    refused: int = 0


def motion_targets(
    cohort: PreparedCohort,
    cines: Cines,
    segmenter: Segmenter | None = None,
    taught: HeartMotion | None = None,
    told: ToldMotion = NOTHING_TOLD,
) -> MotionTargets | None:
    """Measure cines, and lay down what they and tables tell of each person; a table goes before a cine.

    None where no beat of a training person's cine closes.

    Args:
        segmenter: draws the maps of cines that have none; without it these tell nothing.
        taught: a trained motion network, whose curve the numbers mean; None to fit a curve to these people.

    Raises:
        InputError: most rows of a table are of other beats than the cines of the same people.
    """
    beats = tuple(_beat(cohort, cines, number, segmenter) for number in range(len(cines.rows)))
    measured = {int(row): beat for row, beat in zip(cines.rows, beats, strict=True) if beat is not None}
    train = set(cohort.rows("train").tolist())
    if not any(beat.closes and row in train for row, beat in measured.items()):
        return None
    refused = contradicted(told.cohort, measured)
    tables = {row: beat for row, beat in told.cohort.items() if row not in refused}
    numbers = {row: beat.numbers for row, beat in measured.items()}
    for row, beat in tables.items():
        numbers[row] = numbers.get(row, {}) | {name: value for name, value in beat.numbers.items() if value == value}
    curves = {row: (beat.inside, beat.es) for row, beat in measured.items() if beat.closes} | _curves(tables)
    mean, basis = _basis(curves, train) if taught is None else own_curve(taught)
    values = _values(len(cohort.eid), numbers, curves, mean, basis)
    more = {row: beat.numbers for row, beat in told.more.items()}
    further = _values(told.people, more, _curves(told.more), mean, basis) if more else None
    return MotionTargets(number_names(len(basis)), values, beats, mean, basis, further, len(refused))


def told_values(told: Mapping[int, KnownBeat], people: int, taught: HeartMotion) -> np.ndarray:
    """(people, M) what tables tell by row, in the numbers of a trained motion network; NaN where they tell nothing."""
    return _values(people, {row: beat.numbers for row, beat in told.items()}, _curves(told), *own_curve(taught))


def number_names(components: int) -> tuple[str, ...]:
    """The motion numbers of a heart code whose curve has so many components."""
    parts = (f"curve_{k}" for k in range(1, components + 1))
    return ("ES_share", *parts, *(name for name in NUMBERS if name != "ES_share"))


def contradicted(told: Mapping[int, KnownBeat], measured: Mapping[int, MeasuredBeat]) -> set[int]:
    """Rows whose table tells another beat than the cine.

    Raises:
        InputError: they are most of at least FEWEST_COMPARED.
    """
    compared = {
        row: (beat, measured[row])
        for row, beat in told.items()
        if row in measured and measured[row].closes and np.isfinite(beat.numbers["ES_share"])
    }
    others = {row for row, pair in compared.items() if _differs(*pair)}
    if len(compared) >= FEWEST_COMPARED and 2 * len(others) > len(compared):
        fault = f"tells other beats than the cines of the same people, in {len(others)} of {len(compared)} rows"
        raise InputError(MOTION_TABLE, fault, "give the table of these people, in shares of the cycle, or remove it")
    return others


def _differs(told: KnownBeat, measured: MeasuredBeat) -> bool:
    es = told.numbers["ES_share"]
    if told.inside is None or abs(es - measured.es) > OTHER_ES:
        return abs(es - measured.es) > OTHER_ES
    one, other = curve_on_clock(told.inside, es, POINTS), curve_on_clock(measured.inside, measured.es, POINTS)
    return float(np.sqrt(np.mean((one - other) ** 2))) > OTHER_CURVE


def _curves(told: Mapping[int, KnownBeat]) -> dict[int, Curve]:
    """The curves that tables tell, of those whose ES is known, too."""
    known = {row: (beat.inside, beat.numbers["ES_share"]) for row, beat in told.items() if beat.inside is not None}
    return {row: curve for row, curve in known.items() if np.isfinite(curve[1])}


def _basis(curves: Mapping[int, Curve], train: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and basis of the training people's curves."""
    return curve_components(np.stack([curve_on_clock(*curve, POINTS) for row, curve in curves.items() if row in train]))


def _values(
    people: int,
    numbers: Mapping[int, dict[str, float]],
    curves: Mapping[int, Curve],
    mean: np.ndarray,
    basis: np.ndarray,
) -> np.ndarray:
    """(people, M) float32 of `number_names`, from each row's NUMBERS and curve; NaN where unknown."""
    names = number_names(len(basis))
    values = np.full((people, len(names)), np.nan, np.float32)
    for row, known in numbers.items():
        values[row] = [known.get(name, np.nan) for name in names]
    if curves:
        on_clock = np.stack([curve_on_clock(*curve, len(mean)) for curve in curves.values()])
        values[list(curves), 1 : len(basis) + 1] = (on_clock - mean) @ np.linalg.pinv(basis)
    return values


def _beat(cohort: PreparedCohort, cines: Cines, number: int, segmenter: Segmenter | None) -> MeasuredBeat | None:
    row, labels = cines.rows[number], np.asarray(cines.labels[number])
    if labels.flat[0] == NO_LABELS:
        if segmenter is None:
            return None
        labels, _ = segment(segmenter, as_unit(cines.images[number]))
        labels[~np.asarray(cohort.mask[row]).any(axis=1)] = Label.BACKGROUND  # nothing was acquired there
    step_mm = float(np.linalg.norm(cohort.affine[row][:3, 2]))  # the acquisition's own
    return measured_beat(labels, cohort.preparation.geometry.pixel_mm, step_mm)


def curve_components(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of curves (n, POINTS): mean (POINTS,) and basis (COMPONENTS, POINTS).

    Scores of these curves have unit variance. The basis is 0 where so few people have no further component.
    """
    mean = curves.mean(axis=0)
    _, size, axes = np.linalg.svd(curves - mean, full_matrices=False)
    kept = min(COMPONENTS, int((size > 1e-6 * size[0]).sum()) if size[0] > 0 else 0)
    basis = np.zeros((COMPONENTS, curves.shape[1]))
    basis[:kept] = axes[:kept] * (size[:kept] / np.sqrt(len(curves)))[:, None]
    return mean, basis


def own_curve(motion: HeartMotion) -> tuple[np.ndarray, np.ndarray]:
    """Mean and basis by which a motion network tells a curve."""
    return np.array(motion.config.curve_mean), np.array(motion.config.curve_basis)


def standardised_motion(values: np.ndarray, conditioner) -> Tensor:
    """(N, M) motion numbers in the conditioner's cohort's SDs, NaN where unknown."""
    mean, std = (torch.tensor(v) for v in (conditioner.config.motion_mean, conditioner.config.motion_std))
    return ((torch.from_numpy(values) - mean) / std).float()
