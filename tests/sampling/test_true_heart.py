"""The heart drawn above a generated one is the patient's own."""

import zipfile

import numpy as np
import pytest

from benchmarks.dicom_person import write_zip
from cohort.dicom_stack import read_short_axis
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, cine_grid
from phantom.cohort_writer import FIRST_EID
from sampling.patients import prepared_patients
from sampling.true_heart import find_true_heart


@pytest.fixture(scope="module")
def real_size_zip(tmp_path_factory):
    path = tmp_path_factory.mktemp("dicom") / "a.zip"
    write_zip(path, slices=6, frames=8)
    return path.read_bytes()


def test_the_true_heart_is_of_the_same_person_and_visit(phantom_data, prepared, geometry):
    for patient, heart in zip(prepared_patients(prepared, np.array([0, 7])), prepared.hearts[[0, 7]], strict=True):
        for folder in (phantom_data, phantom_data / "NIFTI"):
            np.testing.assert_allclose(
                find_true_heart(folder, patient.name, geometry).voxels, heart / 255.0, atol=0.5 / 255
            )
    for stranger in (f"{FIRST_EID}_20205_3_0", f"{FIRST_EID + 500}_20205_2_0", "somebody"):
        assert find_true_heart(phantom_data, stranger, geometry) is None


def test_a_folder_that_cannot_be_listed_is_no_folder_without_this_patient(tmp_path, geometry, monkeypatch):
    (tmp_path / "NIFTI").mkdir()
    assert find_true_heart(tmp_path, f"{FIRST_EID}_20205_2_0", geometry) is None

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "other" / "NIFTI").mkdir(parents=True)
    monkeypatch.setattr("os.scandir", closed)
    with pytest.raises(InputError, match="cannot be listed"):
        find_true_heart(tmp_path / "other", f"{FIRST_EID}_20205_2_0", geometry)


def test_the_true_heart_may_be_a_dicom_zip_or_folder(tmp_path, real_size_zip):
    name = f"{FIRST_EID}_20205_2_0"
    path = tmp_path / f"{FIRST_EID}_20209_2_0.zip"
    path.write_bytes(real_size_zip)
    folder = tmp_path / str(FIRST_EID)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    truth = cine_grid(read_short_axis(path), geometry=GridGeometry()).voxels
    for place in (path, folder):
        np.testing.assert_array_equal(find_true_heart(place, name, GridGeometry()).voxels, truth)
        assert find_true_heart(place, f"{FIRST_EID}_20205_3_0", GridGeometry()) is None
