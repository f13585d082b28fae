"""The real heart to show beside the generated one: by the patient's name, or from a given file."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cohort.cines import has_cine
from cohort.dicom_files import holds_dicom
from cohort.discovery import find_subjects
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, HeartGrid, cine_on_grid, read_stacks, stacks_grid
from cohort.person_folder import images_by_name
from cohort.places import IMAGES
from cohort.subjects import BULK_NAME, FIRST_IMAGING_VISIT, FOLDER_NAME, NOBODY, ShortAxis, Subject, Visit

from .inputs import require_mri, safe_name, subject_name

OWN_MAPS = "its own label maps"  # who measures a real heart that has some
BY_NETWORK = "real, measured by a network"  # heads the numbers of a real heart without label maps
EVERY_FRAME = 3  # phases, for `read_stacks`: more than two, for which files of ED and ES would do
NO_TRUE_HEART = "--mri holds no MRI of this patient at this visit: no real heart is drawn"
LOOKED_FOR = (
    "Looked for are <eid>_20209_2_0.zip or .nii.gz, <eid>/sa.nii.gz, and a folder called as the ECG: <name>/sa.nii.gz"
)


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


def whose_numbers(measured_by: str | None) -> str:
    """What the numbers of a real heart are called, by who measured them: only label maps tell true ones."""
    return "true" if measured_by == OWN_MAPS else BY_NETWORK


def heart_of_numbers(measured_by: str | None) -> str:
    """Whose a curve is."""
    return "true heart" if measured_by == OWN_MAPS else BY_NETWORK


def real_heart_words(labels: np.ndarray | None) -> str:
    """What a real heart is called beside drawn ones: true where label maps came with it."""
    return "MRI, real heart" if labels is None else "MRI, true heart"


def find_true_heart(mri: Path, name: str, geometry: GridGeometry) -> HeartGrid | None:
    """The real heart on the grid. Its notes say what had to be estimated.

    Args:
        mri: a short-axis cine as NIfTI, or as a zip or folder of DICOM files. Or a folder in UKBB's layout: the data
            folder, its NIFTI, or a person's folder.
        name: of the patient. The MRI of the same eid and instance is taken, or that of a person of this name. A cine
            or a person's folder whose name says no eid is taken for anybody.

    Returns:
        None where there is no MRI of this patient.

    Raises:
        InputError: there is no such file or folder, or the MRI cannot be read.
    """
    require_mri(mri)
    found = _found(mri, name)
    if found is None:
        return None
    subject, source = found
    return stacks_grid(*read_stacks(subject, geometry.phases), geometry, source)


def no_true_heart(mri: Path) -> str:
    """A warning that `--mri` holds nothing of a patient: what it holds, and by which names a patient is found."""
    if mri.is_file() or _own_images(mri):
        why = "its name tells another person or visit"
    else:
        why = f"MRIs of others: {len(set(map(id, _people_with_mri(mri.resolve()).values())))}"
    return f"{NO_TRUE_HEART} ({why}). {LOOKED_FOR}"


def find_true_cine(mri: Path, name: str, heart: HeartGrid, frames: int) -> TrueCine | None:
    """The real heart's whole beat at the very places of its ED and ES.

    Args:
        mri, name: as of `find_true_heart`. heart: what that gave.

    Returns:
        None where the files hold no more than ED and ES.

    Raises:
        InputError: the cine cannot be laid on its stills.
    """
    subject, source = _found(mri, name)
    if not has_cine(subject):
        return None
    (cine, *_), (labels, *_) = read_stacks(subject, phases=EVERY_FRAME)
    if cine.voxels.shape[3] <= 2:
        return None
    geometry = replace(heart.geometry, phases=frames)
    return TrueCine(*cine_on_grid(cine, labels, heart.affine, geometry, source), cine.beat_s)


def estimated(heart: HeartGrid) -> tuple[str, ...]:
    """A sentence on what had to be estimated of a real heart without a label map: its centre, perhaps ES."""
    if heart.labels is not None or not heart.notes:
        return ()
    return (f"the real heart (--mri) has no label map, so some of it is estimated: {'; '.join(heart.notes)}",)


def _found(mri: Path, name: str) -> tuple[Subject, str] | None:
    """Whose files of `--mri` are the patient's, and what to call them; None where nobody's are.

    A cohort's people are paired as `cohort.report` does it: by the ECG, by eid and visit, or by the person's name.
    """
    images, visit = _own_images(mri), _visit_of(name)
    if images is None:
        people = _people_with_mri(mri.resolve())
        subject = people.get(name) or people.get(visit)
        return subject and (subject, subject.short_axis_called)
    own = _visit_of(mri.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".zip"))
    if own and visit and own != visit:
        return None
    return Subject(*(visit or (0, FIRST_IMAGING_VISIT)), images=images), str(mri)


def _own_images(mri: Path) -> ShortAxis | None:
    """The MRI that a file or one person's folder is, with the label map beside a cine; None of a cohort's folder."""
    if mri.is_file():
        if holds_dicom(mri):
            return ShortAxis(dicom=mri)
        is_named = images_by_name(mri.parent.name, {mri.name: str(mri)}).cine
        beside = _images_within(mri.parent) if is_named else ShortAxis()
        return ShortAxis(cine=mri, labels_cine=beside.labels_cine)
    images = _images_within(mri)
    if images.is_there:
        return images
    return None if _people_with_mri(mri.resolve()) or not holds_dicom(mri) else ShortAxis(dicom=mri)


@cache
def _images_within(folder: Path) -> ShortAxis:
    """The NIfTI files of a folder as one person's."""
    folder = folder.resolve()
    try:
        files = {path.name: str(path) for path in folder.iterdir() if path.is_file()}
    except OSError as error:
        raise InputError(folder, f"cannot be listed ({error.strerror})", "check its permissions") from error
    return images_by_name(folder.name, files)


@cache
def _people_with_mri(mri: Path) -> dict[Visit | str, Subject]:
    """People with an MRI in a folder, by (eid, instance), by name, and by their ECG's name without its ending.

    Empty where no name in it follows the rules.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        subjects = find_subjects(mri.parent if mri.name == IMAGES else mri)
    except InputError as fault:
        if fault.code != NOBODY:
            raise
        return {}
    people: dict[Visit | str, Subject] = {}
    for subject in (subject for subject in subjects if subject.has_mri):
        people[subject.eid, subject.instance] = subject
        if subject.name:
            people.setdefault(safe_name(subject.name), subject)
        if subject.ecg:
            people[subject_name(Path(subject.ecg))] = subject
    return people


def _visit_of(name: str) -> Visit | None:
    """(eid, instance) that the name of a cine or of a person's folder says; None where it says none."""
    if bulk := BULK_NAME.fullmatch(name):
        return int(bulk[1]), int(bulk[3])
    folder = FOLDER_NAME.fullmatch(name)
    return (int(folder[1]), int(folder[2] or FIRST_IMAGING_VISIT)) if folder else None
