"""The real heart to show beside the generated one: by the patient's name, or from a given file."""

from functools import cache
from pathlib import Path

import numpy as np

from cohort.cine import read_nifti
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, cine_grid, read_heart
from cohort.subjects import BULK_NAME, Subject, find_subjects


def find_true_heart(mri: Path, name: str, geometry: GridGeometry) -> np.ndarray | None:
    """The real heart on the grid, (slices, phases, height, width) in [0, 1].

    Args:
        mri: a short-axis cine, or a folder in UKBB's layout (the data folder, or its NIFTI).
        name: of the patient. In a folder, the MRI of the same eid and instance is taken.

    Returns:
        None where the folder has no MRI of this patient.

    Raises:
        InputError: there is no such file or folder, or the MRI cannot be read.
    """
    if mri.is_file():
        return cine_grid(read_nifti(mri), geometry=geometry, source=str(mri)).voxels
    if not mri.is_dir():
        raise InputError(mri, "does not exist", "give a short-axis NIfTI or a data folder with --mri")
    bulk = BULK_NAME.fullmatch(name)
    subject = _subjects_with_mri(mri).get((int(bulk[1]), int(bulk[3]))) if bulk else None
    return read_heart(subject, geometry).voxels if subject else None


@cache
def _subjects_with_mri(mri: Path) -> dict[tuple[int, int], Subject]:
    subjects = find_subjects(mri.parent if mri.name == "NIFTI" else mri)
    return {(s.eid, s.instance): s for s in subjects if s.has_mri}
