"""People whose ECG and phenotypes are known, for figures that need heart codes and no heart."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from cohort.discovery import find_subjects
from cohort.ecg_cohort import prepare_ecgs
from cohort.leakage import read_training, whose_ecg_taught
from cohort.person_fields import with_fields, with_fields_of_more
from cohort.prepared import prepare_cohort
from cohort.stored_arrays import ABOUT
from sampling.patients import Patient, patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline
from sampling.unlike import Unlike

from .opening import open_segmenter, with_truth
from .options import EvaluationOptions
from .training_people import has_taught

AT_ONCE = 64  # people


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """n people. Attributes: patients; truth (n, K) PHENOTYPES, NaN where unknown; names; visits (n,).

    taught: (n,) bool who taught the weights, as far as these say; empty where nobody was asked.
    """

    patients: list[Patient]
    truth: np.ndarray
    names: list[str]
    visits: list[int]
    taught: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def open_people(
    options: EvaluationOptions, pipeline: ECGToMRIPipeline, folder: Path, device: torch.device
) -> KnownPeople:
    """Everybody of a cohort. Label maps and the segmenter tell the truth where there are MRIs, else phenotypes.csv.

    Args:
        folder: the pipeline's.

    Raises:
        InputError: there is nobody, or nothing tells of any heart.
    """
    places, about = options.places, pipeline.preparation
    arrays = (places.data / ABOUT).exists()  # prepared already, and no files
    found = [] if arrays else find_subjects(places)
    called = {subject.eid: str(subject.name or subject.eid) for subject in found}
    if arrays or any(subject.has_mri and subject.ecg for subject in found):
        cohort = prepare_cohort(places, options.prepared, about, options.max_bad_fraction, exclude=options.exclude)
        cohort = with_fields(cohort, pipeline.further_fields, may_lack=True)
        taught = has_taught(read_training(folder), cohort)
        cohort = with_truth(cohort, np.arange(len(cohort.eid)), open_segmenter(options.segmenter, folder, device)[0])
    else:
        where = (options.prepared, about.sampling_rate, about.duration_s)
        cohort = prepare_ecgs(places, *where, exclude=options.exclude)
        taught = whose_ecg_taught(read_training(folder), cohort.ecg, cohort.lead_mask)
        cohort = with_fields_of_more(cohort, places, pipeline.further_fields)
    patients = prepared_patients(cohort, np.arange(len(cohort.eid)))
    names = [called.get(eid, str(eid)) for eid in cohort.eid.tolist()]
    truth = np.asarray(cohort.phenotypes, dtype=float)
    return KnownPeople(with_unlikeness(pipeline, patients), truth, names, cohort.instance.tolist(), taught)


def with_unlikeness(pipeline: ECGToMRIPipeline, patients: list[Patient]) -> list[Patient]:
    """Patients who know how unlike their ECGs are those that taught."""
    told = []
    for first in range(0, len(patients), AT_ONCE):
        some = patients[first : first + AT_ONCE]
        surprises = pipeline.unlikeness(patient_batch(some)).tolist()
        parts = [Unlike.of(pipeline.usual_ecgs, surprise) for surprise in surprises]
        told += [replace(patient, unlike=unlike) for patient, unlike in zip(some, parts, strict=True)]
    return told
