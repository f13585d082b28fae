"""Files of one slice each become the stack they were cut from, or are refused by name."""

import numpy as np
import pytest

from cohort.cine import CineStack, write_nifti
from cohort.errors import InputError
from cohort.heart_grid import read_stacks
from cohort.joined_slices import join_slices
from cohort.subjects import ShortAxis, Subject

TURNED = np.array([[1.0, 0.6, -7.5], [1.5, -0.5, 5.0], [0.0, -1.7, -4.3]])


def oblique(step_mm=10.0):
    x, y = (TURNED[:, i] / np.linalg.norm(TURNED[:, i]) for i in (0, 1))
    y = y - (y @ x) * x
    y /= np.linalg.norm(y)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = 2 * x, 2 * y, step_mm * np.cross(x, y)
    affine[:3, 3] = (10, -40, 30)
    return affine


def cut(folder, affine, slices=5, order=None, frames=None):
    """A stack and its slices as files whose names are in another order than their places."""
    voxels = np.random.default_rng(3).integers(1, 900, (8, 6, slices, 4)).astype(np.int16)
    paths = []
    for name, z in enumerate(order or reversed(range(slices))):
        one = affine.copy()
        one[:3, 3] = (affine @ [0, 0, z, 1])[:3]
        path = folder / f"sa_{name}.nii.gz"
        write_nifti(path, CineStack(voxels[:, :, z : z + 1, : frames if frames and z == 2 else 4], one, 0.03))
        paths.append(path)
    return voxels, paths


def test_the_slices_become_the_stack_they_were_cut_from(tmp_path):
    affine = oblique()
    voxels, paths = cut(tmp_path, affine)
    stack = join_slices(paths)
    np.testing.assert_array_equal(stack.voxels, voxels)
    np.testing.assert_allclose(stack.affine, affine, atol=1e-4)
    assert stack.frame_interval_s == pytest.approx(0.03) and "5 files of one slice each" in stack.notes[0]
    subject = Subject(9_000_001, 2, None, ShortAxis(slices=tuple(map(str, paths))))
    assert subject.has_mri
    (read,), (labels,) = read_stacks(subject)
    np.testing.assert_array_equal(read.voxels, voxels)
    assert labels is None


def test_what_is_no_stack_is_named(tmp_path):
    (tmp_path / "gap").mkdir()
    _, paths = cut(tmp_path / "gap", oblique())
    with pytest.raises(InputError, match="gap: has gaps of 10.0 to 20.0 mm"):
        join_slices([*paths[:2], *paths[3:]])
    with pytest.raises(InputError, match="two slices of one place"):
        join_slices([*paths, paths[0]])
    (tmp_path / "short").mkdir()
    with pytest.raises(InputError, match="has slices of 4 and of 3 frames"):
        join_slices(cut(tmp_path / "short", oblique(), frames=3)[1])
    turned = paths[0].with_name("sa_9.nii.gz")
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]]
    write_nifti(turned, CineStack(np.ones((8, 6, 1, 4), np.int16).cumsum(0).astype(np.int16), tilt @ oblique(), 0.03))
    with pytest.raises(InputError, match="differ in size, or are not parallel"):
        join_slices([*paths, turned])
    slanted = oblique()
    slanted[:3, 2] += slanted[:3, 0] * 2
    voxels = np.arange(192, dtype=np.int16).reshape(8, 6, 1, 4)
    for z, path in enumerate(paths):
        one = oblique()
        one[:3, 3] = oblique()[:3, 3] + oblique()[:3, 2] * z + oblique()[:3, 0] * (4 if z == 2 else 0)
        write_nifti(path, CineStack(voxels, one, 0.03))
    with pytest.raises(InputError, match="beside one another"):
        join_slices(paths)
    whole = tmp_path / "sa_whole_1.nii.gz"
    write_nifti(whole, CineStack(np.arange(384, dtype=np.int16).reshape(8, 6, 2, 4), oblique(), 0.03))
    with pytest.raises(InputError, match="has 2 slices, beside files"):
        join_slices([paths[0], whole])
