"""The real heart to show beside the generated one: by the patient's name, or from a given file."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cohort.cine import CineStack, read_nifti
from cohort.cines import has_cine
from cohort.dicom_files import holds_dicom
from cohort.dicom_stack import read_short_axis
from cohort.discovery import find_subjects
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, HeartGrid, cine_grid, cine_on_grid, read_heart, read_stacks
from cohort.subjects import BULK_NAME, FIRST_IMAGING_VISIT, FOLDER_NAME, NOBODY, Subject

from .inputs import require_mri

OWN_MAPS = "its own label maps"  # who measures a real heart that has some
EVERY_FRAME = 3  # phases, for `read_stacks`: more than two, for which files of ED and ES would do
NO_TRUE_HEART = "--mri holds no MRI of this patient at this visit: no real heart is drawn"


class TrueCine(NamedTuple):
    """A real heart's whole beat on the grid.

    Attributes:
        frames: (slices, frames, height, width) in [0, 1].
        labels: its `Label` map; None where nobody drew one.
        beat_s: seconds of the beat that was scanned; None where the files do not say.
    """

    frames: np.ndarray
    labels: np.ndarray | None
    beat_s: float | None = None


def find_true_heart(mri: Path, name: str, geometry: GridGeometry) -> HeartGrid | None:
    """The real heart on the grid. Its notes say what had to be estimated.

    Args:
        mri: a short-axis cine as NIfTI, or as a zip or folder of DICOM files. Or a folder in UKBB's layout: the data
            folder, its NIFTI, or a person's folder in that.
        name: of the patient. The MRI of the same eid and instance is taken; a cine whose name says none, for anybody.

    Returns:
        None where there is no MRI of this patient.

    Raises:
        InputError: there is no such file or folder, or the MRI cannot be read.
    """
    bulk = BULK_NAME.fullmatch(name)
    visit = (int(bulk[1]), int(bulk[3])) if bulk else None
    require_mri(mri)
    subjects = _subjects_with_mri(mri.resolve()) if mri.is_dir() else {}
    if not subjects and (mri.is_file() or holds_dicom(mri)):
        own = _visit_of(mri.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".zip"))
        if own and visit and own != visit:
            return None
        cine = read_short_axis(mri) if holds_dicom(mri) else read_nifti(mri)
        return cine_grid(cine, geometry=geometry, source=str(mri))
    return read_heart(subjects[visit], geometry) if visit in subjects else None


def find_true_cine(mri: Path, name: str, heart: HeartGrid, frames: int) -> TrueCine | None:
    """The real heart's whole beat at the very places of its ED and ES.

    Args:
        mri, name: as of `find_true_heart`. heart: what that gave.

    Returns:
        None where the files hold no more than ED and ES.

    Raises:
        InputError: the cine cannot be laid on its stills.
    """
    cine, labels, source = _stored_cine(mri, name)
    if cine is None or cine.voxels.shape[3] <= 2:
        return None
    geometry = replace(heart.geometry, phases=frames)
    return TrueCine(*cine_on_grid(cine, labels, heart.affine, geometry, source), cine.beat_s)


def _stored_cine(mri: Path, name: str) -> tuple[CineStack | None, CineStack | None, str]:
    """The images of a patient over time, their label map, and what to call them; None of files of ED and ES."""
    subjects = _subjects_with_mri(mri.resolve()) if mri.is_dir() else {}
    if not subjects:
        return (read_short_axis(mri) if holds_dicom(mri) else read_nifti(mri)), None, str(mri)
    bulk = BULK_NAME.fullmatch(name)
    subject = subjects[int(bulk[1]), int(bulk[3])]
    if not has_cine(subject):
        return None, None, subject.short_axis_called
    images, maps = read_stacks(subject, phases=EVERY_FRAME)
    return images[0], maps[0], subject.short_axis_called


def estimated(heart: HeartGrid) -> tuple[str, ...]:
    """A sentence on what had to be estimated of a real heart without a label map: its centre, perhaps ES."""
    if heart.labels is not None or not heart.notes:
        return ()
    return (f"the real heart (--mri) has no label map, so it is placed by estimates: {'; '.join(heart.notes)}",)


@cache
def _subjects_with_mri(mri: Path) -> dict[tuple[int, int], Subject]:
    """People with an MRI in a folder; none where no name in it follows the rules.

    Raises:
        InputError: the folder cannot be listed.
    """
    visit = _visit_of(mri.name) if mri.parent.name == "NIFTI" else None  # of one person's folder
    data = mri.parent.parent if visit else mri.parent if mri.name == "NIFTI" else mri
    try:
        subjects = find_subjects(data)
    except InputError as fault:
        if fault.code != NOBODY:
            raise
        return {}
    return {(s.eid, s.instance): s for s in subjects if s.has_mri and visit in (None, (s.eid, s.instance))}


def _visit_of(name: str) -> tuple[int, int] | None:
    """(eid, instance) that the name of a cine or of a person's folder says; None where it says none."""
    if bulk := BULK_NAME.fullmatch(name):
        return int(bulk[1]), int(bulk[3])
    folder = FOLDER_NAME.fullmatch(name)
    return (int(folder[1]), int(folder[2] or FIRST_IMAGING_VISIT)) if folder else None
