"""Prepared arrays of people whom no eid calls, and of DICOM."""

import csv

import numpy as np
import pytest

from cohort.discovery import find_subjects
from cohort.heart_grid import GridGeometry
from cohort.person_number import person_number
from cohort.places import CohortPlaces
from cohort.prepared import Preparation, cohort_fingerprint, prepare_cohort
from phantom.cohort_folders import ecg_path
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from tests.cohort.test_subjects import FIRST, touch

SMALL = Preparation(GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two phantoms, of whom the first is called anna."""
    folder = tmp_path_factory.mktemp("named") / "UKBB"
    write_cohort(folder, CohortPlan(seed=4, subjects=2), processes=1)
    ecg_path(folder, 0).rename(folder / "ecg" / "anna.xml")
    (folder / "NIFTI" / str(FIRST)).rename(folder / "NIFTI" / "anna")
    return folder


def test_a_name_becomes_a_number_that_names_csv_explains(data, tmp_path):
    cohort = prepare_cohort(data, tmp_path, SMALL, quiet=True)
    assert sorted(cohort.eid) == [FIRST + 1, person_number("anna")]
    with (cohort.folder / "names.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"eid": str(person_number("anna")), "name": "anna"}]


def test_places_and_one_folder_make_the_same_arrays(data, tmp_path):
    one = prepare_cohort(data, tmp_path / "one", SMALL, quiet=True)
    places = CohortPlaces(data, data / "ecg", data / "NIFTI")
    other = prepare_cohort(places, tmp_path / "other", SMALL, quiet=True)
    assert one.folder.name == other.folder.name
    np.testing.assert_array_equal(one.hearts, other.hearts)


def test_where_everybody_has_an_eid_there_are_no_names(tmp_path):
    write_cohort(tmp_path / "UKBB", CohortPlan(seed=4, subjects=1), processes=1)
    cohort = prepare_cohort(tmp_path / "UKBB", tmp_path, SMALL, quiet=True)
    assert not (cohort.folder / "names.csv").exists()


def test_the_key_of_a_cohort_knows_what_a_folder_of_dicom_holds(tmp_path):
    touch(tmp_path, f"ecg/{FIRST}_20205_2_0.xml", f"NIFTI/{FIRST}_20209_2_0/Se1/a.dcm")
    subjects = find_subjects(tmp_path)
    before = cohort_fingerprint(tmp_path, subjects, SMALL)
    (tmp_path / f"NIFTI/{FIRST}_20209_2_0/Se1/a.dcm").write_bytes(b"another")
    assert cohort_fingerprint(tmp_path, find_subjects(tmp_path), SMALL) != before
