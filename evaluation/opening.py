"""What a study needs, opened: the pipeline, the segmenter, and the people to measure."""

from pathlib import Path

import numpy as np
import torch

from cohort.errors import InputError
from cohort.leakage import made_by_other_code, read_training, teachers, withdrawn_who_taught
from cohort.person_fields import known_of, with_fields
from cohort.places import CohortPlaces, as_places
from cohort.prepared import PreparedCohort, prepare_cohort, warn_if_too_few
from cohort.shown_phenotypes import with_shown
from cohort.simulated import warning_of_version
from cohort.withdrawal import counted
from models.segmenter import Segmenter
from sampling.measured_phenotypes import said_of, with_measured
from sampling.pipeline import ECGToMRIPipeline, load_part
from sampling.release import RELEASED_SEGMENTER, pipeline_to_use

from .study import Study
from .training_people import TrainingPeople, has_taught

FEWEST_PEOPLE = 3
UNSEEN = "unseen"  # the people a pipeline never saw, whatever their split


def open_pipeline(folder: Path | None, scheduler: str | None, device: torch.device) -> tuple[ECGToMRIPipeline, Path]:
    """A pipeline and its folder; the newest trained one, or else the released one, if none is named."""
    folder = folder or pipeline_to_use(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder, scheduler).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, folder


def open_segmenter(named: Path | None, pipeline: Path, device: torch.device) -> tuple[Segmenter, Path]:
    """The segmenter that measures all hearts, and its folder.

    It is the one that was named, else the pipeline's own, else the released one.

    Raises:
        InputError: there is none, or it is damaged.
    """
    own = pipeline / "segmenter"
    folder = named or (own if own.exists() else RELEASED_SEGMENTER)
    if not named and folder != own:
        print(f"note: {pipeline} holds no segmenter, so the released one measures")
    if not folder.exists():
        raise InputError(folder, "holds no segmenter", "train one (train_segmenter.py) and name it with --segmenter")
    return load_part(Segmenter, folder).to(device), folder


def people_to_measure(
    data: Path | CohortPlaces,
    prepared: Path,
    pipeline: ECGToMRIPipeline,
    folder: Path,
    split: str,
    most: int | None,
    exclude: Path | None = None,
    max_bad_fraction: float = 0.2,
) -> tuple[PreparedCohort, np.ndarray]:
    """The prepared cohort, and the rows of at most so many people of it whom the pipeline never saw.

    People who taught the pipeline are known one by one, whatever their eid, their folder and who else is in it. They
    are left out and counted. Validation people, who decide when a training ends, are measured as such only.

    Args:
        split: "test", "validation", "all" for everybody, or UNSEEN for everybody but those who taught.
        most: None for everybody.
        exclude: a list of people who withdrew (`cohort.withdrawal`). Whether one of them taught is told.
        max_bad_fraction: share of unreadable subjects above which the cohort is refused.

    Raises:
        InputError: too few people, or somebody who taught the pipeline among "all".
    """
    cohort = prepare_cohort(data, prepared, pipeline.preparation, max_bad_fraction, exclude=exclude)
    if split not in ("all", UNSEEN):
        warn_if_too_few(cohort)
    cohort = with_fields(cohort, pipeline.further_fields, may_lack=True)
    about = read_training(folder)
    _warn_of_withdrawn(about, data, pipeline, folder, exclude)
    if warning := warning_of_version(about, as_places(data).data):
        print(f"warning: {warning}")
    taught = has_taught(about, cohort, *(("train", "extra") if split == "validation" else ()))
    if split == "all" and taught.any():
        fault = f"{taught.sum()} of its {len(taught)} people are among those this pipeline was trained on"
        raise InputError(data, fault, "leave --split out: then the others are measured")
    note = "" if taught.any() else doubt(about, folder)
    if note:
        print(f"note: {note}")
    rows = np.arange(len(taught)) if split in ("all", UNSEEN) else cohort.rows(split)
    if split == UNSEEN and note and (not about or made_by_other_code(about)):
        print("note: only the people of the test split are measured; --split all measures everybody")
        rows = cohort.rows("test")
    if taught[rows].any():
        print(f"note: {taught[rows].sum()} of {len(rows)} visits taught this pipeline, and are left out")
    rows = rows[~taught[rows]][:most]
    if len(rows) < FEWEST_PEOPLE:
        whose = "people this pipeline was not trained on" if split == UNSEEN else f"people in the {split} split"
        raise InputError(data, f"has {len(rows)} {whose}", "give at least three")
    for line in known_of(cohort, rows, pipeline.further_fields):
        print(f"note: {line}")
    return cohort, rows


def with_truth(cohort: PreparedCohort, rows: np.ndarray, segmenter: Segmenter) -> PreparedCohort:
    """The cohort with the phenotypes to compare with: those that the true hearts show on the grid.

    A segmenter measures the true hearts that have no label map.

    Args:
        rows: who is about to be measured.

    Raises:
        InputError: nothing is known of anybody.
    """
    cohort, _ = with_shown(with_measured(cohort, segmenter))
    if cohort.measured is not None and (count := cohort.measured[rows].any(axis=1).sum()):
        whose, by = f"of {count} of {len(rows)} people", said_of(segmenter)
        print(f"note: no label map or table tells every phenotype {whose}; {by} measures the rest on their true hearts")
    if not np.isfinite(cohort.phenotypes[rows]).any():
        raise InputError(cohort.folder, "has no truth to compare with", "give label maps, or phenotypes.csv")
    return cohort


def doubt(about: dict, folder: Path) -> str:
    """Why people who taught a pipeline may not be recognised; empty where they are.

    Args:
        about: of `read_training`. folder: the pipeline's.
    """
    if not about:
        return f"{folder} does not say who taught it (training.json)"
    if not all("taught" in one for one in teachers(about)):
        whom = "it" if len(teachers(about)) == 1 else "it, or the pipeline it began with"
        told = f"names the cohort that taught {whom}, and none of its people"
        return f"{folder} {told}. Of other people's data nothing changes. That cohort's own would count as never seen"
    if made_by_other_code(about):
        return f"{folder} was trained with other code, so people who taught it may not be recognised"
    return ""


def open_training_people(
    study: Study,
    data: Path | None,
    prepared: Path,
    exclude: Path | None = None,
    max_bad_fraction: float = 0.2,
) -> TrainingPeople | None:
    """The people a study's pipeline was trained on; None, and a note on screen, if they are not at hand.

    Args:
        data: the folder they lie in; None where it is the study's own. prepared: where cohorts lie as arrays.
        exclude: a list of people who withdrew. max_bad_fraction: as of `people_to_measure`.
    """
    cohort, about = study.cohort, read_training(study.folder)
    if data:
        cohort = prepare_cohort(data, prepared, study.pipeline.preparation, max_bad_fraction, exclude=exclude)
        cohort = with_fields(cohort, study.pipeline.further_fields, may_lack=True)
        _warn_of_withdrawn(about, data, study.pipeline, study.folder, exclude)
    rows = np.flatnonzero(has_taught(about, cohort, "train"))
    if not len(rows):
        print(
            "note: the training people are not at hand (--training-data names their folder): "
            "no mean heart, no nearest ECG, no memorisation"
        )
        return None
    people = about.get("taught", {}).get("people", {}).get("train", len(rows))
    if len(rows) < people:
        print(f"note: {len(rows)} of {people} training people are at hand (--training-data names their folder)")
    shown, _ = with_shown(with_measured(cohort, study.segmenter))
    return TrainingPeople(shown, rows)


def _warn_of_withdrawn(
    about: dict, data: Path | CohortPlaces, pipeline: ECGToMRIPipeline, folder: Path, exclude: Path | None
) -> None:
    """Tell how many people who withdrew, and whose ECGs lie in a data folder, taught a pipeline."""
    if withdrawn := withdrawn_who_taught(about, data, pipeline.preparation, exclude):
        print(f"warning: {counted(withdrawn)} who withdrew taught {folder}: train it anew without them")
