"""NIfTI files of one slice each, over time, joined to one stack by what their affines say (dcm2niix writes such)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cohort.cine import SAME_MM, CineStack, read_nifti
from cohort.errors import InputError

SAME_TURN = 0.01  # the largest difference of the direction cosines of parallel slices
UNEVEN = 0.1  # the largest difference of a gap from the mean one
REMEDY = "give the slices of one stack, or one NIfTI with all of them"


def join_slices(paths: Sequence[str | Path], read: Callable[[Path], CineStack] = read_nifti) -> CineStack:
    """Join slices (x, y, 1, t) to a stack (x, y, z, t), in order of their places along the slices' normal.

    Args:
        paths: two or more, in any order.
        read: a file's reader.

    Raises:
        InputError: one that `read_nifti` refuses or that is no single slice. Or slices that are not parallel, differ in
            size, pixels or frames, lie at one place, in a slanted row or at uneven gaps. It names the folder.
    """
    folder = Path(paths[0]).parent
    slices = [_one_slice(Path(path), read) for path in paths]
    first = slices[0]
    _require_one_kind(folder, slices)
    normal = np.cross(first.affine[:3, 0], first.affine[:3, 1])
    normal /= np.linalg.norm(normal)
    depths = np.array([one.affine[:3, 3] @ normal for one in slices])
    order = np.argsort(depths)
    corners = np.array([slices[i].affine[:3, 3] for i in order])
    step = (corners[-1] - corners[0]) / (len(slices) - 1)
    _require_even(folder, depths[order], corners, step, first.pixel_mm)
    affine = first.affine.copy()
    affine[:3, 2], affine[:3, 3] = step, corners[0]
    voxels = np.concatenate([slices[i].voxels for i in order], axis=2)
    note = f"{len(slices)} files of one slice each were joined"
    return CineStack(voxels, affine, first.frame_interval_s, (note,))


def _one_slice(path: Path, read: Callable[[Path], CineStack]) -> CineStack:
    stack = read(path)
    if stack.voxels.shape[2] != 1:
        fault = f"has {stack.voxels.shape[2]} slices, beside files that are named as slices are"
        raise InputError(path, fault, "name it sa.nii.gz if it is the whole stack", code="geometry")
    return stack


def _require_one_kind(folder: Path, slices: list[CineStack]) -> None:
    first = slices[0]
    for one in slices[1:]:
        if one.voxels.shape[3] != first.voxels.shape[3]:
            fault = f"has slices of {first.voxels.shape[3]} and of {one.voxels.shape[3]} frames"
            raise InputError(folder, fault, REMEDY, code="frames")
        turn = np.abs(one.affine[:3, :2] / first.spacing_mm[:2] - first.affine[:3, :2] / first.spacing_mm[:2]).max()
        if one.voxels.shape[:2] != first.voxels.shape[:2] or turn > SAME_TURN:
            raise InputError(folder, "has slices that differ in size, or are not parallel", REMEDY, code="geometry")


def _require_even(folder: Path, depths: np.ndarray, corners: np.ndarray, step: np.ndarray, pixel_mm: float) -> None:
    gaps = np.diff(depths)
    if gaps.min() < SAME_MM:
        raise InputError(folder, "has two slices of one place", REMEDY, code="geometry")
    if np.abs(gaps / gaps.mean() - 1).max() > UNEVEN:
        fault = f"has gaps of {gaps.min():.1f} to {gaps.max():.1f} mm between its slices"
        raise InputError(folder, fault, "a slice is absent or out of place: give all of them", code="geometry")
    aside = np.linalg.norm(corners - corners[0] - np.arange(len(corners))[:, None] * step, axis=1).max()
    if aside > pixel_mm + UNEVEN * gaps.mean():
        fault = f"has slices that lie up to {aside:.1f} mm beside one another"
        raise InputError(folder, fault, REMEDY, code="geometry")
