"""Further numbers of the person that a training is told to use, put beside sex, age, height and weight."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cohort.column_names import shown
from cohort.discovery import find_subjects
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.further import FURTHER, further_numbers, read_further
from cohort.places import CohortPlaces, as_places
from cohort.prepared import PreparedCohort
from cohort.study_tables import PERSON_UNITS, PERSONS
from cohort.subjects import names_of
from cohort.table_reader import KEY

STANDARD = len(PERSON_UNITS)  # columns of the arrays `person` that everybody has
SAME = 1e-6  # and this share of its mean: a number that spreads less is the same for everybody


def with_fields(cohort: PreparedCohort, names: Sequence[str], may_lack: bool = False) -> PreparedCohort:
    """The cohort with further fields beside sex, age, height and weight: `person` is (N, 4 + F).

    Args:
        names: F columns of the cohort's further.csv.
        may_lack: a column that is not there is known of nobody, and a line says so.

    Raises:
        InputError: a column is not there, or further.csv is damaged.
    """
    if not names:
        return cohort
    path = cohort.folder / FURTHER
    there = _header(path)
    lacking = [name for name in names if name not in there]
    if lacking and not may_lack:
        fault = f"neither it nor an export has a column of numbers called {shown(lacking)}"
        raise InputError(PERSONS, fault, f"the columns that hold numbers only are {shown(there) or 'none'}")
    known = [name for name in names if name in there]
    values = np.full((len(cohort.eid), len(names)), np.nan, np.float32)
    if known:
        values[:, [names.index(name) for name in known]] = read_further(path, known)
    if lacking:
        print(f"note: the cohort's tables have no column of numbers {shown(lacking)}: it is unknown of everybody")
    return replace(cohort, person=np.hstack([cohort.person, values]))


def with_fields_of_more(extra: ECGCohort, data: CohortPlaces, names: Sequence[str]) -> ECGCohort:
    """Further people with the same fields, each of the visit of the ECG; NaN where their tables do not tell one.

    Args:
        data: the folder that `cohort.ecg_cohort.prepare_ecgs` read.
    """
    if not names:
        return extra
    places = as_places(data)
    visits = list(zip(extra.eid.tolist(), extra.instance.tolist(), strict=True))
    there = further_numbers(places.data, visits, names_of(find_subjects(places)))
    told = dict(zip(there.names, there.columns, strict=True))
    unknown = np.full(len(extra.eid), np.nan)
    values = np.stack([told.get(name, unknown) for name in names], axis=1).astype(np.float32)
    return replace(extra, person=np.hstack([extra.person, values]))


def require_told(cohort: PreparedCohort, names: Sequence[str]) -> list[str]:
    """Sentences on how many training people each further field is known of.

    Args:
        cohort: of `with_fields`.

    Raises:
        InputError: a field is known of no training person, is the same for all of them, or is not finite.
    """
    rows, told = cohort.rows("train"), []
    usable = [name for name in _header(cohort.folder / FURTHER) if name not in names] if names else []
    remedy = f"leave it out; the other columns of numbers are {shown(usable) or 'none'}"
    for place, name in enumerate(names, start=STANDARD):
        values = np.asarray(cohort.person[rows, place], np.float64)
        known = values[~np.isnan(values)]
        if not len(known):
            raise InputError(PERSONS, f"{name} is known of none of {len(rows)} training people", remedy)
        spread = known.std()
        if not np.isfinite(spread):
            raise InputError(PERSONS, f"{name} holds a number that is not finite in 32 bits", remedy)
        if spread <= SAME * max(1.0, abs(known.mean())):
            raise InputError(PERSONS, f"{name} is the same for all {len(known)} training people who have it", remedy)
        told.append(f"{name} is known of {len(known)} of {len(rows)} training people, SD {spread:.4g}")
    return told


def known_of(cohort: PreparedCohort, rows: np.ndarray, names: Sequence[str]) -> list[str]:
    """Sentences on how many of these people each further field is known of; `cohort` as of `with_fields`."""
    known = np.isfinite(cohort.person[rows, STANDARD:]).sum(axis=0)
    return [f"{name} is known of {count} of {len(rows)} people" for name, count in zip(names, known, strict=True)]


def _header(path: Path) -> list[str]:
    """The names of the columns of FURTHER; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])[len(KEY) :]
