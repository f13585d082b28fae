"""DICOM into NIfTI for other programs, in ukbb_cardiac's layout. Our own commands read the DICOM itself.

    python -m cohort.convert --data UKBB --output converted

Writes <eid>_<instance>/sa.nii.gz, and la_2ch.nii.gz, la_3ch.nii.gz, la_4ch.nii.gz where fields 20208 or 20209 hold
them. A view of no certain name becomes la_1.nii.gz and so on, with a note. The files name nobody. What is there is
passed over, so the same command continues an interrupted one. Who could not be converted stands in refused.csv; the
exit code is then 2. What had to be mended stands in notes.csv. People who withdrew are left out.
"""

import csv
import os
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.dicom_stack import read_dicom, read_long_axis
from cohort.disk import writing
from cohort.errors import InputError, exit_code_of
from cohort.long_axis_views import view_file
from cohort.person_folder import nifti_stem, views_by_name
from cohort.places import CohortPlaces
from cohort.private import private
from cohort.subjects import Subject
from cohort.table import write_table
from cohort.withdrawal import withdrawn_eids, without_withdrawn

REFUSED, NOTES = "refused.csv", "notes.csv"
SHORT_AXIS, UNFINISHED = "sa.nii.gz", "unfinished"


class Job(NamedTuple):
    """One person and visit.

    Attributes:
        name: of both, and of the folder.
        short_axis: the zip or folder of DICOM files still to be converted. long_axis: that of field 20208.
        known: NIfTI of the short axis, which tells how its slices lie, where it is not to be converted.
    """

    name: str
    short_axis: Path | None
    long_axis: Path | None
    known: Path | None = None


Refusal = tuple[str, str]  # code and message


def convert(folder: Path, job: Job) -> tuple[list[Refusal], tuple[str, ...]]:
    """Convert one person's DICOM into a folder of this name below `folder`; the short axis last, so that it ends it.

    Returns:
        Why a file cannot be read; and what had to be mended, in words.
    """
    refused: list[Refusal] = []
    short, views, notes = None, {}, ()
    if job.short_axis:
        try:
            study = read_dicom(job.short_axis)
            if study.short_axis is None:
                raise InputError(job.short_axis, "holds no short-axis stack", "give field 20209", code="geometry")
            short, views, notes = study.short_axis, study.long_axis, study.notes
        except InputError as refusal:
            refused.append((refusal.code, str(refusal)))
    if job.long_axis:
        try:
            study = read_long_axis(job.long_axis, _normal(short, job.known))
            views, notes = views | study.long_axis, (*notes, *study.notes)
        except InputError as refusal:
            refused.append((refusal.code, str(refusal)))
    if short is not None or views:
        with private():
            _write(folder / job.name, short, views)
    return refused, notes


def _normal(short: CineStack | None, known: Path | None) -> np.ndarray | None:
    """(3,) of the short-axis slices in RAS; None where nothing certain says it."""
    if short is None and known is not None:
        try:
            short = read_nifti(known)
        except InputError:
            return None  # who reads the short axis says why
    return short.normal if short is not None and short.states_orientation else None


def _write(person: Path, short: CineStack | None, views: Mapping[str, CineStack]) -> None:
    """Write views and short axis. Views appear together: one that is there says that all of them are."""
    person.mkdir(parents=True, exist_ok=True)
    unfinished = person / UNFINISHED
    if views:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for view, cine in views.items():
            write_nifti(unfinished / view_file(view), cine)
        for view in sorted(views, reverse=True):
            (unfinished / view_file(view)).replace(person / view_file(view))
        unfinished.rmdir()
    if short is not None:
        write_nifti(person / SHORT_AXIS, short)


def _job(subject: Subject, output: Path) -> Job:
    """What of a subject is still to be converted."""
    person = output / subject.called
    long = subject.long_axis and Path(subject.long_axis)
    if long and (nifti_stem(long.name) or long.is_dir() and views_by_name(os.listdir(long))):  # noqa: PTH208
        long = None  # it is NIfTI already
    short = subject.images.dicom and Path(subject.images.dicom)
    ended = (person / SHORT_AXIS).exists()
    if long and (ended or not short) and any(person.glob("la_*.nii.gz")) and not (person / UNFINISHED).exists():
        long = None
    known = person / SHORT_AXIS if ended else subject.images.cine and Path(subject.images.cine)
    return Job(subject.called, None if ended else short, long, known or None)


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
    nothing = output / "nobody"  # of which nothing is converted yet
    found = [s for s in subjects if any(_job(s, nothing)[1:3])]
    if not found:
        raise InputError(data, "holds no DICOM", "put zips in its NIFTI as <eid>_20209_<instance>_0.zip")
    todo = [job for job in (_job(subject, output) for subject in found) if job.short_axis or job.long_axis]
    with writing(output), private():
        output.mkdir(parents=True, exist_ok=True)
    refused, whole, notes = [], 0, _notes_before(output / NOTES)
    bar = tqdm(todo, desc="converting", disable=quiet)
    try:
        for job, (refusals, mended) in zip(bar, in_processes(partial(convert, output), todo), strict=True):
            who = tuple(job.name.rsplit("_", 1))
            refused += [(*who, *refusal) for refusal in refusals]
            whole += not refusals
            notes += [(*who, note) for note in mended]
    finally:  # who is converted is passed over by the next run, and nobody would hear of these
        with private():
            write_table(output / REFUSED, ("eid", "instance", "code", "remark"), refused)
            write_table(output / NOTES, ("eid", "instance", "remark"), sorted(set(notes)))
    print(f"{whole} converted, {len(found) - len(todo)} were there: {output}/<eid>_<instance>/")
    if notes:
        print(f"note: {output / NOTES} says what had to be mended")
    if refused:
        raise InputError(
            data, f"{len(todo) - whole} of {len(found)} cannot be read", f"{output / REFUSED} says who and why"
        )


def _notes_before(table: Path) -> list[tuple[str, ...]]:
    """What an earlier run of the same command noted."""
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in list(csv.reader(file))[1:]]


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.convert")))
