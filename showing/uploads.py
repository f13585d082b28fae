"""Uploaded files, laid down as sample.py would find them: an ECG under its own name, a true MRI where it is matched."""

import shutil
from pathlib import Path
from typing import NamedTuple

from cohort.ecg_formats import SIDECARS
from cohort.errors import InputError
from cohort.person_folder import NIFTI_ENDINGS
from cohort.subjects import BULK_NAME, FIRST_IMAGING_VISIT

ECG_HERE, MRI_HERE = "the ECG", "the true MRI"
MAPS = "seg_"  # how the names of label maps begin


class Upload(NamedTuple):
    """A file that a page was given: where it lies, and what its owner calls it."""

    path: Path
    name: str

    @property
    def own_name(self) -> str:
        """The name without folders, which keys the heart's noise as with sample.py."""
        name = self.name.replace("\\", "/").rpartition("/")[2].replace("\0", "")
        return self.path.name if name in ("", ".", "..") else name


def laid_ecg(uploads: list[Upload], folder: Path) -> Path:
    """Copy the files of one recording into a new folder.

    Returns:
        The file to read: the only one, or the one that no other file's header names.

    Raises:
        InputError: there is none, or they are of several recordings.
    """
    if not uploads:
        raise InputError(ECG_HERE, "none is given", "drop a file, or choose an example")
    _copied(uploads, folder)
    names = sorted({upload.own_name for upload in uploads})
    first = [name for name in names if not name.lower().endswith(SIDECARS)] or names[:1]
    if len(first) > 1:
        fault = f"{len(first)} recordings are given ({', '.join(first)})"
        raise InputError(ECG_HERE, fault, "drop one recording: its file, or its .hea with the .dat or .mat")
    return folder / first[0]


def laid_mri(uploads: list[Upload], folder: Path, ecg: Path) -> Path | None:
    """Copy a true MRI into a new folder.

    Args:
        ecg: the file of the ECG. Label maps belong to a person, whom its name must tell.

    Returns:
        What `--mri` would be given: a file, a folder of DICOM files, or one in UK Biobank's layout. None of no uploads.

    Raises:
        InputError: several NIfTI files of somebody whom the ECG's name does not tell.
    """
    if not uploads:
        return None
    if len(uploads) == 1:
        _copied(uploads, folder)
        return folder / uploads[0].own_name
    if not all(upload.own_name.lower().endswith(NIFTI_ENDINGS) for upload in uploads):
        _copied(uploads, folder)
        return folder
    if visit := BULK_NAME.fullmatch(ecg.stem):
        person = visit[1] if int(visit[3]) == FIRST_IMAGING_VISIT else f"{visit[1]}_{visit[3]}"
        _copied(uploads, folder / "NIFTI" / person)
        return folder
    images = [upload for upload in uploads if not upload.own_name.startswith(MAPS)]
    if len(images) > 1:
        fault = "several images are given, and the ECG's name does not say whose they are"
        raise InputError(MRI_HERE, fault, "drop one file that holds the whole beat")
    _copied(images, folder)
    return folder / images[0].own_name


def _copied(uploads: list[Upload], folder: Path) -> None:
    folder.mkdir(parents=True)
    for upload in uploads:
        try:
            shutil.copyfile(upload.path, folder / upload.own_name)
        except FileNotFoundError:
            raise InputError(upload.own_name, "is no longer there", "drop it again") from None
