"""A real heart as DICOM is read as its NIfTI is."""

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.dicom_stack import read_dicom
from cohort.heart_grid import read_heart
from cohort.subjects import ShortAxis, Subject


@pytest.fixture(scope="module")
def real_mri(real_files):
    return real_files / "mri"


@pytest.mark.real
def test_a_real_zip_gives_the_voxels_and_the_place_of_its_nifti(real_mri):
    found, truth = read_dicom(real_mri / "sax_dicom.zip"), read_nifti(real_mri / "sa.nii.gz")
    assert np.array_equal(found.short_axis.voxels, truth.voxels)
    assert np.abs(found.short_axis.affine - truth.affine).max() < 1e-3
    assert found.short_axis.frame_interval_s == pytest.approx(truth.frame_interval_s, abs=1e-6)
    assert found.notes == () and found.long_axis == {}


@pytest.mark.real
def test_a_real_zip_and_its_label_map_give_the_grid_of_its_nifti(real_mri):
    labels = real_mri / "seg_sa.nii.gz"
    pair = [
        read_heart(Subject(9_000_001, 2, images=ShortAxis(labels_cine=labels, **{kind: real_mri / name})))
        for kind, name in (("dicom", "sax_dicom.zip"), ("cine", "sa.nii.gz"))
    ]
    assert np.abs(pair[0].affine - pair[1].affine).max() < 2e-3
    assert np.abs(pair[0].voxels - pair[1].voxels).max() < 2e-3
    assert (pair[0].labels != pair[1].labels).mean() < 1e-4 and pair[0].labels.any()
