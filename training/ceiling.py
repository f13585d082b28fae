"""The ceiling: phenotypes and motion regressed from ECG and person directly. No heart made from them can tell more."""

from collections.abc import Callable, Sequence

import torch

from cohort.ecg_cohort import ECGCohort
from cohort.prepared import PreparedCohort
from models.code_regressor import CodeRegressor
from models.presets import Preset

from .code_regression import code_regression, predict_codes
from .ecg_set import EcgSet, training_ecgs, validation_ecgs
from .fit import Task
from .motion_targets import MotionTargets
from .networks import fresh_regressor
from .session import Session
from .targets import heart_codes

CEILING_PARTS = ("ecg_encoder", "conditioner")  # subfolders of a pipeline's ceiling/
CURVE = "learning_curve.json"  # lies there where the ceiling is train_ceiling.py's


def ceiling(
    session: Session,
    cohort: PreparedCohort,
    extra_ecgs: ECGCohort | None,
    preset: Preset,
    people: int | None = None,
    motion: MotionTargets | None = None,
    fields: Sequence[str] = (),
    begin: Callable[[CodeRegressor], object] | None = None,
) -> tuple[Task, EcgSet, EcgSet]:
    """The task of this regression: an encoder built as the generator's, a conditioner that predicts numbers alone.

    Args:
        people: how many to learn from at most; None for all.
        motion: of the cohort's people; None to regress phenotypes alone.
        fields: names of the further fields of the person that both cohorts hold.
        begin: gives the fresh regressor trained weights, and the statistics that belong to them.

    Returns:
        the task (its module is a CodeRegressor), the people it learns from, and the people whose loss stops it.
    """
    regressor = fresh_regressor(cohort, preset, components=0, motion=motion, fields=fields)
    if begin:
        begin(regressor)
    codes = heart_codes(cohort, None, regressor.conditioner, motion)
    train = training_ecgs(cohort, codes, extra_ecgs, regressor.conditioner, motion and motion.more)
    held_out = validation_ecgs(cohort, codes)
    train = train.first(people or len(train))
    return code_regression(session, "ceiling", regressor, train, held_out), train, held_out


def explained(regressor: CodeRegressor, people: EcgSet, device: torch.device) -> dict[str, float]:
    """R2 of every number the regressor predicts, phenotypes first, on `people`."""
    regressor = regressor.to(device).eval()
    predicted, truth = predict_codes(regressor, people, torch.arange(len(people)), device), people.codes
    error = (predicted - truth).square().nanmean(dim=0)
    spread = (truth - truth.nanmean(dim=0)).square().nanmean(dim=0)
    about = regressor.conditioner.config
    return dict(zip((*about.phenotypes, *about.motion), (1 - error / spread).tolist(), strict=True))
