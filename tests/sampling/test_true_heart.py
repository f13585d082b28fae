"""The heart drawn above a generated one is the patient's own."""

import shutil
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.dicom_person import write_zip
from cohort.cine import CineStack, Label, write_nifti
from cohort.dicom_stack import read_short_axis
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, cine_grid
from phantom.cohort_writer import FIRST_EID, ecg_path
from sampling.patients import prepared_patients
from sampling.true_heart import find_true_cine, find_true_heart, no_true_heart


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


@pytest.fixture
def named(tmp_path, phantom_data):
    """A cohort's folder with one person of a name, who has an ECG and a labelled cine."""
    data = tmp_path / "U"
    (data / "ecg").mkdir(parents=True)
    shutil.copy(ecg_path(phantom_data, 0), data / "ecg" / "an athlete.xml")
    write_cine(data / "NIFTI" / "an athlete")
    return data


def write_cine(folder):
    """sa.nii.gz and seg_sa.nii.gz of a heart in the middle, which is smaller at a third of the beat."""
    x, y = np.mgrid[:64, :64] - 32
    radii = np.array([10, 8, 6, 7, 9, 10])
    cavity = (x**2 + y**2)[..., None] < radii**2  # (x, y, t)
    wall = ((x**2 + y**2)[..., None] < (radii + 5) ** 2) & ~cavity
    labels = np.repeat((Label.LV_CAVITY * cavity + Label.LV_MYOCARDIUM * wall)[:, :, None], 8, axis=2)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xy", [40, 30], degrees=True).as_matrix() * [-1.8, -1.8, 10.0]
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).random((*labels.shape[:3], 1))  # which differs from slice to slice alone
    write_nifti(folder / "sa.nii.gz", CineStack((100 * (labels + noise)).astype(np.int16), affine, 0.1))
    write_nifti(folder / "seg_sa.nii.gz", CineStack(labels.astype(np.uint8), affine, 0.1))


@pytest.mark.parametrize("place", [".", "NIFTI", "NIFTI/an athlete", "NIFTI/an athlete/sa.nii.gz"])
def test_a_named_persons_mri_is_found_with_its_label_map_wherever_it_is_pointed_at(named, place):
    heart = find_true_heart(named / place, "an_athlete", GridGeometry())  # names of outputs hold no space
    assert heart.labels is not None and heart.labels.any()
    cine = find_true_cine(named / place, "an_athlete", heart, 6)
    assert cine.labels is not None and cine.frames.shape[1] == 6


def test_pairs_csv_tells_whose_mri_it_is_where_names_do_not(named):
    (named / "NIFTI" / "an athlete").rename(named / "NIFTI" / "scan")
    (named / "pairs.csv").write_text("ecg,mri,person\necg/an athlete.xml,NIFTI/scan,someone\n")
    assert find_true_heart(named, "an_athlete", GridGeometry()).labels is not None
    assert find_true_heart(named, "scan", GridGeometry()) is None


def test_a_warning_says_what_was_found_and_which_names_are_looked_for(named, tmp_path):
    assert find_true_heart(named, "somebody", GridGeometry()) is None
    told = no_true_heart(named)
    assert "MRIs of others: 1" in told and "<eid>/sa.nii.gz" in told and "<name>/sa.nii.gz" in told
    assert "athlete" not in told  # names of other people are nobody's business
    other = shutil.copytree(named / "NIFTI" / "an athlete", tmp_path / str(FIRST_EID))
    assert find_true_heart(other, f"{FIRST_EID + 1}_20205_2_0", GridGeometry()) is None
    assert "another person or visit" in no_true_heart(other)
