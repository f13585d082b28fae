"""How the cohort's hearts move, as numbers to be learned: those of the heart code, measured on cines."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cohort.beat import NUMBERS, MeasuredBeat, curve_on_clock, measured_beat
from cohort.cine import Label
from cohort.cines import Cines
from cohort.intensity import as_unit
from cohort.prepared import NO_LABELS, PreparedCohort
from models.heart_motion import HeartMotion
from models.segmenter import Segmenter
from sampling.segmentation import segment

COMPONENTS = 6  # of the volume's curve
POINTS = 50  # of the clock's cycle; ES is one of them


@dataclass(frozen=True, eq=False)
class MotionTargets:
    """What is known of N people's motion.

    Attributes:
        names: of the motion numbers: those of `cohort.beat`, and curve_1, ... of the volume's curve.
        values: (N, M) float32 in their own units, NaN where unknown.
        beats: of each cine; None where it cannot be measured.
        curve_mean: (POINTS,) and curve_basis (COMPONENTS, POINTS): the curve on the beat's clock, of training people.
            Those of a trained motion network have its own sizes.
    """

    names: tuple[str, ...]
    values: np.ndarray
    beats: tuple[MeasuredBeat | None, ...]
    curve_mean: np.ndarray
    curve_basis: np.ndarray


def motion_targets(
    cohort: PreparedCohort, cines: Cines, segmenter: Segmenter | None = None, taught: HeartMotion | None = None
) -> MotionTargets | None:
    """Measure cines, and lay down what they tell of each person; None where no beat of a training person closes.

    Args:
        segmenter: draws the maps of cines that have none; without it these tell nothing.
        taught: a trained motion network, whose curve the numbers mean; None to fit a curve to these cines.
    """
    beats = tuple(_beat(cohort, cines, number, segmenter) for number in range(len(cines.rows)))
    whole = [number for number, beat in enumerate(beats) if beat is not None and beat.closes]
    teach = np.isin(cines.rows[whole], cohort.rows("train"))
    if not teach.any():
        return None
    points = POINTS if taught is None else len(taught.config.curve_mean)
    curves = np.stack([curve_on_clock(beats[number], points) for number in whole])
    mean, basis, scores = curve_components(curves, teach) if taught is None else own_components(taught, curves)
    parts = tuple(f"curve_{k}" for k in range(1, len(basis) + 1))
    names = ("ES_share", *parts, *(n for n in NUMBERS if n != "ES_share"))
    values = np.full((len(cohort.eid), len(names)), np.nan, np.float32)
    for number, beat in enumerate(beats):
        if beat is not None:
            known = beat.numbers | dict.fromkeys(parts, np.nan)
            values[cines.rows[number]] = [known[name] for name in names]
    values[cines.rows[whole], 1 : len(parts) + 1] = scores
    return MotionTargets(names, values, beats, mean, basis)


def _beat(cohort: PreparedCohort, cines: Cines, number: int, segmenter: Segmenter | None) -> MeasuredBeat | None:
    row, labels = cines.rows[number], np.asarray(cines.labels[number])
    if labels.flat[0] == NO_LABELS:
        if segmenter is None:
            return None
        labels, _ = segment(segmenter, as_unit(cines.images[number]))
        labels[~np.asarray(cohort.mask[row]).any(axis=1)] = Label.BACKGROUND  # nothing was acquired there
    step_mm = float(np.linalg.norm(cohort.affine[row][:3, 2]))  # the acquisition's own
    return measured_beat(labels, cohort.preparation.geometry.pixel_mm, step_mm)


def curve_components(curves: np.ndarray, teach: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components of curves (n, POINTS), fitted on those that `teach` (n,) says.

    Returns:
        mean (POINTS,), basis (COMPONENTS, POINTS) and scores (n, COMPONENTS). Scores have unit variance over those who
        teach. The basis is 0 where so few people have no further component.
    """
    mean = curves[teach].mean(axis=0)
    centred = curves - mean
    _, size, axes = np.linalg.svd(centred[teach], full_matrices=False)
    kept = min(COMPONENTS, int((size > 1e-6 * size[0]).sum()) if size[0] > 0 else 0)
    spread = size[:kept] / np.sqrt(teach.sum())
    basis, scores = np.zeros((COMPONENTS, curves.shape[1])), np.zeros((len(curves), COMPONENTS))
    basis[:kept] = axes[:kept] * spread[:, None]
    scores[:, :kept] = centred @ axes[:kept].T / spread
    return mean, basis, scores


def own_components(motion: HeartMotion, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves (n, points) as a motion network tells them: its mean and basis, and their scores."""
    return np.array(motion.config.curve_mean), np.array(motion.config.curve_basis), motion.scores_of(curves)


def standardised_motion(targets: MotionTargets, conditioner) -> Tensor:
    """(N, M) motion numbers in the conditioner's cohort's SDs, NaN where unknown."""
    mean, std = (torch.tensor(v) for v in (conditioner.config.motion_mean, conditioner.config.motion_std))
    return ((torch.from_numpy(targets.values) - mean) / std).float()
