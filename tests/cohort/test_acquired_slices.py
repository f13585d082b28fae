"""Where a scanner drew no slice, the arrays say so: what lies there is nobody's heart."""

import shutil
from dataclasses import replace

from cohort.cine import read_nifti
from cohort.prepared import Preparation, prepare_cohort
from phantom.cohort_writer import FIRST_EID, ecg_path


def test_a_grid_longer_than_the_stack_has_no_slice_beyond_its_ends(phantom_data, geometry, tmp_path):
    """The phantom's scanner draws fewer slices of 10 mm than the grid has, 16."""
    shutil.copytree(phantom_data / "NIFTI" / str(FIRST_EID), tmp_path / "UKBB" / "NIFTI" / str(FIRST_EID))
    (tmp_path / "UKBB" / "ecg").mkdir()
    shutil.copy(ecg_path(phantom_data, 0), tmp_path / "UKBB" / "ecg")
    acquired = read_nifti(phantom_data / "NIFTI" / str(FIRST_EID) / "sa_ED.nii.gz").voxels.shape[2]
    assert acquired < 16
    longer = Preparation(replace(geometry, slices=16, slice_step_mm=10.0))
    cohort = prepare_cohort(tmp_path / "UKBB", tmp_path / "prepared", longer, quiet=True)
    assert cohort.mask.shape == (1, 16, 2) and cohort.mask.sum(axis=1).tolist() == [[acquired] * 2]
    assert cohort.hearts[cohort.mask].any(axis=(1, 2)).all() and not cohort.hearts[~cohort.mask].any()
