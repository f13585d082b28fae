"""DICOM into NIfTI for other programs, in ukbb_cardiac's layout. Our own commands read the DICOM itself.

    python -m cohort.convert --data UKBB --output converted

Writes <eid>_<instance>/sa.nii.gz, and la_2ch.nii.gz, la_3ch.nii.gz, la_4ch.nii.gz where the DICOM holds them. The
files name nobody. People whose sa.nii.gz is there are passed over, so the same command continues an interrupted one.
Who could not be converted stands in refused.csv; the exit code is then 2. What had to be mended stands in notes.csv.
People who withdrew are left out.
"""

import csv
import sys
from functools import partial
from pathlib import Path

import tyro

from cohort.cine import write_nifti
from cohort.dicom_stack import read_dicom
from cohort.disk import writing
from cohort.errors import InputError, exit_code_of
from cohort.places import CohortPlaces
from cohort.private import private
from cohort.table import write_table
from cohort.withdrawal import withdrawn_eids, without_withdrawn

REFUSED, NOTES = "refused.csv", "notes.csv"
SHORT_AXIS = "sa.nii.gz"


def convert(folder: Path, job: tuple[str, Path]) -> tuple[str, str, tuple[str, ...]]:
    """Convert one person's DICOM into a folder of this name below `folder`; the short axis last, so that it ends it.

    Args:
        job: the name of the person and visit, and the zip or folder of DICOM files.

    Returns:
        Code and message of why it cannot be read, empty ones where it was; and what had to be mended, in words.
    """
    name, path = job
    try:
        study = read_dicom(path)
        if study.short_axis is None:
            return "geometry", str(InputError(path, "holds no short-axis stack", "give field 20209")), ()
    except InputError as refusal:
        return refusal.code, str(refusal), ()
    with private():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for view, cine in study.long_axis.items():
            write_nifti(folder / name / f"{view if view.startswith('la_') else f'la_{view}'}.nii.gz", cine)
        write_nifti(folder / name / SHORT_AXIS, study.short_axis)
    return "", "", study.notes


def main(
    data: Path = Path("UKBB"),
    output: Path = Path("converted"),
    ecg_dir: Path | None = None,
    mri_dir: Path | None = None,
    quiet: bool = False,
    exclude: Path | None = None,
) -> None:
    """Write the DICOM of a cohort as NIfTI.

    Args:
        data: the folder with `NIFTI` in it, where the zips lie, or with UK Biobank's files in other folders.
        output: where a folder for each person and visit is put.
        ecg_dir: the folder of the ECGs, where they lie elsewhere.
        mri_dir: the folder of the MRIs, where they lie elsewhere.
        quiet: no progress bar.
        exclude: people who withdrew, one eid a line, beside those whom a list in the data folder names.
    """
    from tqdm import tqdm  # not above, so that --help is quick

    from cohort.discovery import find_subjects
    from cohort.prepared import in_processes

    subjects = without_withdrawn(find_subjects(CohortPlaces(data, ecg_dir, mri_dir)), withdrawn_eids(data, exclude))
    found = [subject for subject in subjects if subject.images.dicom]
    if not found:
        raise InputError(data, "holds no DICOM", "put zips in its NIFTI as <eid>_20209_<instance>_0.zip")
    jobs = [(subject.called, Path(subject.images.dicom)) for subject in found]
    todo = [job for job in jobs if not (output / job[0] / SHORT_AXIS).exists()]
    with writing(output), private():
        output.mkdir(parents=True, exist_ok=True)
    refused, notes = [], _notes_before(output / NOTES)
    bar = tqdm(todo, desc="converting", disable=quiet)
    try:
        for (name, _), (code, message, mended) in zip(bar, in_processes(partial(convert, output), todo), strict=True):
            who = tuple(name.rsplit("_", 1))
            if code:
                refused.append((*who, code, message))
            notes += [(*who, note) for note in mended]
    finally:  # who is converted is passed over by the next run, and nobody would hear of these
        with private():
            write_table(output / REFUSED, ("eid", "instance", "code", "remark"), refused)
            write_table(output / NOTES, ("eid", "instance", "remark"), sorted(set(notes)))
    print(f"{len(todo) - len(refused)} converted, {len(jobs) - len(todo)} were there: {output}/<eid>_<instance>/")
    if notes:
        print(f"note: {output / NOTES} says what had to be mended")
    if refused:
        raise InputError(data, f"{len(refused)} of {len(jobs)} cannot be read", f"{output / REFUSED} says who and why")


def _notes_before(table: Path) -> list[tuple[str, ...]]:
    """What an earlier run of the same command noted."""
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in list(csv.reader(file))[1:]]


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main)))
