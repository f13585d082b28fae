"""The heart drawn above a generated one is the patient's own."""

import numpy as np
import pytest

from cohort.errors import InputError
from phantom.cohort_writer import FIRST_EID
from sampling.patients import prepared_patients
from sampling.true_heart import find_true_heart


def test_the_true_heart_is_of_the_same_person_and_visit(phantom_data, prepared, geometry):
    for patient, heart in zip(prepared_patients(prepared, np.array([0, 7])), prepared.hearts[[0, 7]], strict=True):
        for folder in (phantom_data, phantom_data / "NIFTI"):
            np.testing.assert_allclose(find_true_heart(folder, patient.name, geometry), heart / 255.0, atol=0.5 / 255)
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
