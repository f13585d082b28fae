"""What a study needs, opened: the pipeline, the segmenter, and the people to measure."""

from pathlib import Path

import numpy as np
import torch

from cohort.errors import InputError
from cohort.prepared import PreparedCohort, prepare_cohort
from models.segmenter import Segmenter
from sampling.pipeline import ECGToMRIPipeline, load_part
from sampling.release import pipeline_to_use

from .study import Study
from .training_people import TrainingPeople, was_trained_on

FEWEST_PEOPLE = 3


def open_pipeline(folder: Path | None, scheduler: str | None, device: torch.device) -> tuple[ECGToMRIPipeline, Path]:
    """A pipeline and its folder; the newest trained one, or else the released one, if none is named."""
    folder = folder or pipeline_to_use(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder, scheduler).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, folder


def open_segmenter(folder: Path, device: torch.device) -> Segmenter:
    """The segmenter that measures all hearts.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not folder.exists():
        raise InputError(folder, "holds no segmenter", "train one (train_segmenter.py) and name it with --segmenter")
    return load_part(Segmenter, folder).to(device)


def people_to_measure(
    data: Path, prepared: Path, pipeline: ECGToMRIPipeline, folder: Path, split: str, most: int
) -> tuple[PreparedCohort, np.ndarray]:
    """The prepared cohort, and the rows of at most so many people of a split; "all" is everybody.

    Raises:
        InputError: too few people, no truth, or everybody of the cohort the pipeline was trained on.
    """
    cohort = prepare_cohort(data, prepared, pipeline.preparation)
    if split == "all" and was_trained_on(folder, cohort):
        remedy = "leave --split at test, or give other people"
        raise InputError(data, "is the cohort this pipeline was trained on", remedy)
    rows = np.arange(len(cohort.eid)) if split == "all" else cohort.rows(split)
    rows = rows[:most]
    if len(rows) < FEWEST_PEOPLE:
        raise InputError(data, f"has {len(rows)} people in the {split} split", "give at least three")
    if not np.isfinite(cohort.phenotypes[rows]).any():
        raise InputError(data, "has no truth to compare with", "give label maps, or phenotypes.csv")
    return cohort, rows


def open_training_people(study: Study, data: Path | None, prepared: Path) -> TrainingPeople | None:
    """The people a study's pipeline was trained on; None, and a note on screen, if they are not at hand.

    Args:
        data: the folder they lie in; None where it is the study's own. prepared: where cohorts lie as arrays.
    """
    cohort = prepare_cohort(data, prepared, study.pipeline.preparation) if data else study.cohort
    if was_trained_on(study.folder, cohort):
        return TrainingPeople(cohort, cohort.rows("train"))
    print(
        "note: the training people are not at hand (--training-data names their folder): "
        "no mean heart, no nearest ECG, no memorisation"
    )
    return None
