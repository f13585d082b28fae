"""Whole cines of a cohort's people: on the grids of their stills, from ED on, of any gating."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from cohort.beat import measured_beat
from cohort.beat_clock import frame_times
from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.cines import FRAMES, cohort_cines
from cohort.places import CohortPlaces
from cohort.prepared import NO_LABELS, Preparation, prepare_cohort
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from phantom.scanner import scan


@pytest.fixture(scope="module")
def cine_folder(tmp_path_factory):
    """Three people: a cine of 20 frames, the same without its last quarter, and ED and ES alone."""
    folder = tmp_path_factory.mktemp("cines") / "UKBB"
    plan = CohortPlan(seed=5, subjects=3)
    write_cohort(folder, plan, processes=1)
    cine = scan(plan.heart(*plan.people[0]), frame_times(20).tolist())
    for person, frames in zip(people_of(folder), (20, 15), strict=False):
        for path in person.iterdir():
            path.unlink()
        for name, voxels in (("sa", cine.voxels), ("seg_sa", cine.labels)):
            write_nifti(person / f"{name}.nii.gz", CineStack(voxels[..., :frames], cine.affine, 0.04))
    return folder


def people_of(folder):
    return sorted(path for path in (folder / "NIFTI").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def cine_cohort(cine_folder, tmp_path_factory, geometry):
    return prepare_cohort(cine_folder, tmp_path_factory.mktemp("arrays"), Preparation(geometry), quiet=True)


def test_cines_lie_on_their_stills_from_ed_on(cine_cohort, cine_folder):
    cines = cohort_cines(cine_cohort, CohortPlaces(cine_folder), 10, quiet=True)
    assert cines.rows.tolist() == [0, 1]  # of the third there are stills alone
    assert cines.images.shape == cines.labels.shape == (2, *cine_cohort.hearts.shape[1:2], FRAMES, 32, 32)
    np.testing.assert_array_equal(cines.labels[:, :, 0], cine_cohort.labels[:2, :, 0])
    ed = cines.images[:, :, 0].astype(float) - cine_cohort.hearts[:2, :, 0]
    assert np.abs(ed).mean() < 2  # the window is that of all frames
    assert np.abs(np.diff(cines.images[0].astype(float), axis=1)).mean() > 0.3


def test_a_cine_without_the_end_of_the_cycle_is_noticed(cine_cohort, cine_folder, geometry):
    cines = cohort_cines(cine_cohort, CohortPlaces(cine_folder), 10, quiet=True)
    whole, cut = (
        measured_beat(np.asarray(labels), geometry.pixel_mm, geometry.slice_step_mm) for labels in cines.labels
    )
    assert whole.closes and not cut.closes


def test_cines_are_read_once_and_only_so_many(cine_cohort, cine_folder, tmp_path, monkeypatch):
    places = CohortPlaces(cine_folder)
    assert cohort_cines(cine_cohort, places, 1, quiet=True).rows.tolist() == [0]
    monkeypatch.setattr("cohort.cines.read_stacks", None)  # who reads again would call it
    assert cohort_cines(cine_cohort, places, 1, quiet=True).rows.tolist() == [0]


def test_a_cohort_of_stills_has_no_cines(prepared, phantom_data):
    assert cohort_cines(prepared, CohortPlaces(phantom_data), 10, quiet=True) is None


def test_a_cine_of_another_heart_than_its_stills_is_left_out(cine_folder, tmp_path, geometry, capsys):
    """Its frames would be learned as what lies between stills of somebody else."""
    folder = tmp_path / "UKBB"
    shutil.copytree(cine_folder, folder)
    whole, _, stills = people_of(folder)
    for name in ("sa.nii.gz", "seg_sa.nii.gz"):
        shutil.copy(whole / name, stills / name)
    cohort = prepare_cohort(folder, tmp_path / "arrays", Preparation(geometry), quiet=True)
    assert cohort_cines(cohort, CohortPlaces(folder), 10, quiet=True).rows.tolist() == [0, 1]
    assert "1 of 3 people are not used" in (said := capsys.readouterr().out) and "another picture" in said


def test_a_cine_without_maps_is_kept_without_and_an_unreadable_one_left_out(cine_folder, tmp_path, geometry, capsys):
    folder = tmp_path / "UKBB"
    shutil.copytree(cine_folder, folder)
    whole, cut, _ = people_of(folder)
    (whole / "seg_sa.nii.gz").unlink()
    stack = read_nifti(cut / "sa.nii.gz")
    labels = read_nifti(cut / "seg_sa.nii.gz", labels=True)
    few = [0, 5, 11]
    write_nifti(cut / "sa.nii.gz", replace(stack, voxels=stack.voxels[..., few]))
    write_nifti(cut / "seg_sa.nii.gz", replace(labels, voxels=labels.voxels[..., few]))
    cohort = prepare_cohort(folder, tmp_path / "arrays", Preparation(geometry), quiet=True)
    cines = cohort_cines(cohort, CohortPlaces(folder), 10, quiet=True)
    assert cines.rows.tolist() == [0] and (cines.labels == NO_LABELS).all()
    assert "1 of 2 people are not used" in capsys.readouterr().out
