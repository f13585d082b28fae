"""Fresh networks of a preset, fitted to a cohort: its phenotypes, its statistics, its latents."""

from collections.abc import Sequence

import numpy as np

from cohort.phenotypes import PHENOTYPES
from cohort.prepared import PreparedCohort
from models.code_regressor import CodeRegressor
from models.conditioning import PERSON_FIELDS, USUAL_MEAN, USUAL_STD, HeartConditioner
from models.denoiser import HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_prior import HeartPrior
from models.presets import Preset

from .motion_targets import MotionTargets


def fresh_regressor(
    cohort: PreparedCohort,
    preset: Preset,
    components: int,
    motion: MotionTargets | None = None,
    fields: Sequence[str] = (),
) -> CodeRegressor:
    """ECG encoder and conditioner, the latter with the statistics of the training people.

    Args:
        components: principal components of the heart code beside the phenotypes the cohort knows.
        motion: the motion numbers of the heart code; None for a code of stills.
        fields: names of the F further fields of the cohort's `person`, (N, 4 + F).
    """
    known = np.asarray(cohort.phenotypes[cohort.rows("train")], dtype=np.float64)
    columns = [k for k in range(len(PHENOTYPES)) if np.isfinite(known[:, k]).any()]
    names, known = tuple(PHENOTYPES[k] for k in columns), known[:, columns]
    encoder = ECGEncoder(
        sampling_rate=cohort.preparation.sampling_rate,
        duration_s=cohort.preparation.duration_s,
        width=preset.ecg_width,
        layers=preset.ecg_layers,
        heads=preset.ecg_heads,
        rhythm=True,
    )
    conditioner = HeartConditioner(
        width=preset.ecg_width,
        phenotypes=names,
        components=components,
        phenotype_mean=tuple(np.nanmean(known, axis=0).tolist()),
        phenotype_std=tuple(_positive(np.nanstd(known, axis=0)).tolist()),
        **_person_statistics(np.asarray(cohort.person[cohort.rows("train")], dtype=np.float64)),
        **_motion_statistics(motion, cohort.rows("train")),
        **({"further_fields": tuple(fields)} if fields else {}),
        with_ecg_head=True,
    )
    return CodeRegressor(encoder, conditioner)


def fresh_generator(
    conditioner: HeartConditioner,
    preset: Preset,
    latent_shape: tuple[int, int, int],
    about_predicted: bool = True,
) -> tuple[HeartPrior, HeartDenoiser]:
    """Prior and denoiser for a conditioner; latent_shape: (channels, height, width); about_predicted: of the prior."""
    prior = fresh_prior(conditioner, about_predicted)
    about = (latent_shape[0], latent_shape[1:], preset.ecg_width, conditioner.condition_length)
    return prior, HeartDenoiser(*about, preset.denoiser_widths, preset.denoiser_layers)


def fresh_prior(conditioner: HeartConditioner, about_predicted: bool = True) -> HeartPrior:
    """A prior for a conditioner's heart code, of the whole code or about what the conditioner predicts."""
    return HeartPrior(conditioner.code_length, conditioner.summary_length, about_predicted=about_predicted)


def copy_matching_weights(regressor: CodeRegressor, taught: CodeRegressor) -> None:
    """Copy another regressor's weights wherever the shapes agree: in all layers but the last."""
    have = regressor.state_dict()
    regressor.load_state_dict(have | {k: v for k, v in taught.state_dict().items() if v.shape == have[k].shape})


def _positive(spread: np.ndarray) -> np.ndarray:
    """A spread to divide by: 1 where nothing varies (one person, one sex)."""
    return np.where(spread > 1e-6, spread, 1.0)


def _person_statistics(person: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Mean and spread of sex, age, height, weight and further fields, (n, 4 + F).

    Those of the four are the conditioner's own if one of the four is known of nobody.
    """
    four = len(PERSON_FIELDS)
    all_four = np.isfinite(person[:, :four]).any(axis=0).all()
    if not all_four and person.shape[1] == four:
        return {}
    told = person if all_four else person[:, four:]
    mean, spread = np.nanmean(told, axis=0).tolist(), _positive(np.nanstd(told, axis=0)).tolist()
    if not all_four:
        mean, spread = [*USUAL_MEAN, *mean], [*USUAL_STD, *spread]
    return {"person_mean": tuple(mean), "person_std": tuple(spread)}


def _motion_statistics(motion: MotionTargets | None, train: np.ndarray) -> dict[str, tuple]:
    """Names, mean and spread of the motion numbers; a number that nobody has counts as 0 with spread 1."""
    if motion is None:
        return {}
    known = np.asarray(motion.values[train], dtype=np.float64)
    known[:, np.isnan(known).all(axis=0)] = 0
    mean, spread = np.nanmean(known, axis=0), _positive(np.nanstd(known, axis=0))
    return {"motion": motion.names, "motion_mean": tuple(mean.tolist()), "motion_std": tuple(spread.tolist())}
