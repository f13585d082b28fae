"""Row A5: one heart stored in every order and direction of its axes, under oblique rotations."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.heart_grid import GridGeometry, HeartGrid, cine_grid, to_cine

GEOMETRY = GridGeometry(slices=6, height=32, width=40, slice_step_mm=10.0, pixel_mm=3.0)
SHAPE, SPACING = (40, 36, 7, 2), (2.0, 2.2, 10.0)
ORDERS = [  # the 48 ways to lay three axes on three axes: 24 rotations and their mirror images
    (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
]
SAME = 1e-5  # of the intensity window
SAME_DIRECTION = SAME_SPACING_MM = 1e-4
SAME_PLACE_MM = 1e-3


def acquisition(number: int) -> tuple[CineStack, CineStack]:
    """A beating ellipsoid and its labels in a frame turned at random by `number`, short axis within 40 degrees."""
    rng = np.random.default_rng(number)
    normal = np.array([-0.5, 0.62, -0.6]) + rng.normal(0, 0.25, 3)
    normal /= np.linalg.norm(normal)
    first = np.cross(normal, rng.normal(size=3))
    first /= np.linalg.norm(first)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([first, np.cross(normal, first), normal], axis=1) * SPACING
    affine[:3, 3] = rng.uniform(-60, 60, 3)
    x, y, z = (np.arange(size) - (size - 1) / 2 for size in SHAPE[:3])
    radius = np.sqrt((x * 2.0)[:, None, None] ** 2 + (y * 2.2)[:, None] ** 2 + (z * 8.0) ** 2)
    texture = 20 * np.sin(x / 5)[:, None, None] + 15 * np.cos(y / 4)[:, None] + 3 * z + rng.normal(0, 4, SHAPE[:3])
    images = [np.where(radius < size, 400, 80) + texture for size in (24, 18)]
    labels = [np.select([radius < size, radius < size + 9], [1, 2]).astype(np.uint8) for size in (24, 18)]
    return (
        CineStack(np.stack(images, axis=3).astype(np.int16), affine, 0.03),
        CineStack(np.stack(labels, axis=3), affine, 0.03),
    )


def stored(stack: CineStack, order: tuple[int, ...], signs: tuple[int, ...]) -> CineStack:
    """The same acquisition with its storage axes permuted and reversed."""
    voxels, affine = stack.voxels.transpose(*order, 3), stack.affine[:, [*order, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
            affine[:3, axis] *= -1
            voxels = np.flip(voxels, axis)
    return CineStack(voxels, affine, stack.frame_interval_s)


def difference_after_load(number: int, folder: Path) -> float:
    """Largest difference of the grid's intensities, in windows, between two ways to store volume `number`.

    nibabel writes the files; infinite where masks or labels differ or the grid lies more than 1 um elsewhere.
    """
    order = ORDERS[number % len(ORDERS)]
    cine, labels = acquisition(number)
    expected = _loaded(cine, labels, folder)
    found = _loaded(stored(cine, *order), stored(labels, *order), folder)
    same = np.array_equal(found.mask, expected.mask) and np.array_equal(found.labels, expected.labels)
    same &= np.abs(found.affine - expected.affine).max() < SAME_PLACE_MM
    return float(np.abs(found.voxels - expected.voxels).max()) if same else np.inf


def _loaded(cine: CineStack, labels: CineStack, folder: Path) -> HeartGrid:
    for name, stack in (("sa", cine), ("seg_sa", labels)):
        nib.save(nib.Nifti1Image(stack.voxels, stack.affine), folder / f"{name}.nii")
    return cine_grid(read_nifti(folder / "sa.nii"), read_nifti(folder / "seg_sa.nii", labels=True), GEOMETRY)


def itk_disagrees(number: int, folder: Path) -> str:
    """Empty when SimpleITK reads what we write of volume `number`, stored and gridded, at its place; else how not."""
    cine, labels = acquisition(number)
    grid = to_cine(cine_grid(cine, labels, GEOMETRY))
    for name, stack in (("stored", stored(cine, *ORDERS[number % len(ORDERS)])), ("grid", grid)):
        write_nifti(folder / "a.nii.gz", CineStack(stack.voxels[..., :1], stack.affine))
        if fault := _itk_fault(folder / "a.nii.gz", stack):
            return f"{name}: {fault}"
    return ""


def _itk_fault(path: Path, stack: CineStack) -> str:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    to_lps = np.diag([-1.0, -1.0, 1.0])
    directions = to_lps @ stack.affine[:3, :3] / stack.spacing_mm
    errors = {
        "spacing": (np.abs(np.array(image.GetSpacing()) - stack.spacing_mm).max(), SAME_SPACING_MM),
        "direction": (np.abs(np.reshape(image.GetDirection(), (3, 3)) - directions).max(), SAME_DIRECTION),
        "origin": (np.abs(np.array(image.GetOrigin()) - to_lps @ stack.affine[:3, 3]).max(), SAME_PLACE_MM),
        "voxels": (np.abs(SimpleITK.GetArrayFromImage(image).T - stack.voxels[..., 0]).max(), 0.0),
    }
    return ", ".join(f"{name} {error:.2g} off" for name, (error, most) in errors.items() if error > most)
