"""The ceiling: phenotypes regressed from ECG and person directly. No heart made from them can tell more."""

from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional

from cohort.prepared import PreparedCohort
from cohort.subjects import split_of
from models.unet import Preset

from .condition import Recordings, learn_reading, predict_codes, recordings
from .fit import Recipe
from .networks import fresh_reader
from .objectives import ConditionReader
from .run import Run
from .targets import standardised_phenotypes

PEOPLE = 64  # per process and step


@dataclass(frozen=True)
class Readings:
    """Whom the ceiling learns from, and whom it is stopped by."""

    train: Recordings
    held_out: Recordings


def readings(cohort: PreparedCohort, codes: Tensor, more, conditioner, size: int | None = None) -> Readings:
    """Everybody who may be learned from.

    Args:
        codes: (N, K) of the cohort: the conditioner's phenotypes first (training.targets).
        more: a cohort.ecg_cohort.ECGCohort of further people, or None. Of these only the training split is taken: a
            study's folder of ECGs holds its validation and test people too.
        conditioner: whose phenotypes and statistics are meant; of further people nothing but these is known.
        size: at most so many people to learn from; None for all.
    """
    sources = [(cohort, cohort.rows("train"), codes[cohort.rows("train")])]
    if more is not None:
        rows = np.flatnonzero([split_of(int(eid)) == "train" for eid in more.eid])
        known = standardised_phenotypes(more.phenotypes, conditioner)[rows]
        sources.append((more, rows, functional.pad(known, (0, codes.shape[1] - known.shape[1]), value=torch.nan)))
    everyone = recordings(*sources)
    held_out = cohort.rows("validation")
    return Readings(everyone.first(size or len(everyone)), recordings((cohort, held_out, codes[held_out])))


def learn_ceiling(
    cohort: PreparedCohort,
    more,
    preset: Preset,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    seed: int,
    size: int | None = None,
) -> tuple[ConditionReader, Readings]:
    """Train the regression, with the encoder of the same family as the generator's, stopped early.

    Returns:
        the reader, whose conditioner predicts phenotypes and nothing else, and whom it learned from.
    """
    reader = fresh_reader(cohort, preset, components=0)
    codes = standardised_phenotypes(cohort.phenotypes, reader.conditioner)
    people = readings(cohort, codes, more, reader.conditioner, size)
    learn_reading(reader, people.train, people.held_out, run, recipe, accelerator, PEOPLE, 0.0, seed, "ceiling")
    return reader, people


def explained(reader: ConditionReader, people: Recordings, device: torch.device) -> dict[str, float]:
    """R2 of every phenotype the reader predicts, on `people`."""
    reader = reader.to(device).eval()
    found, truth = predict_codes(reader, people, torch.arange(len(people)), device), people.codes
    error = (found - truth).square().nanmean(dim=0)
    spread = (truth - truth.nanmean(dim=0)).square().nanmean(dim=0)
    return dict(zip(reader.conditioner.config.phenotypes, (1 - error / spread).tolist(), strict=True))
