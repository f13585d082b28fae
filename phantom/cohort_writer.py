"""A cohort of simulated patients on disk, in UK Biobank's names and formats, with its truth beside it.

    <out>/ecg/<eid>_20205_2_0.xml                             ten seconds of 12-lead ECG, CardioSoft
    <out>/NIFTI/<eid>/sa_ED.nii.gz, seg_sa_ED.nii.gz, ...     end-diastole and end-systole, or
    <out>/NIFTI/<eid>/sa.nii.gz, seg_sa.nii.gz                the whole cine, or
    <out>/NIFTI/<eid>/la_2ch.nii.gz, seg_la_2ch.nii.gz, ...   the same of long-axis views, or
    <out>/NIFTI/<eid>_20209_2_0.zip                           its DICOM; a cohort of ECGs only has none of them
    <out>/ecg/<eid>_20205_3_0.xml, NIFTI/<eid>_3/, ...        the same of a repeat visit
    <out>/persons.csv, phenotypes.csv                         what a study would know of them
    <out>/motion.csv                                          how their hearts beat (`cohort.motion_table`)
    <out>/truth.csv                                           every drawn number
    <out>/cohort.json                                         what the cohort was made from

On UK Biobank's research platform, ECGs and zips lie elsewhere (`phantom.cohort_folders`).
Subject i depends on seed, i and options alone: the same bytes whatever the number of subjects, processes or order.
"""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from cohort.cardiosoft import write_cardiosoft
from cohort.cine import CineStack, write_nifti
from cohort.cores import available_cores
from cohort.disk import remove_unfinished, writing
from cohort.lock import lock_or_refuse
from cohort.phases import PHASES
from cohort.process_pool import in_pool
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.subjects import IMAGE, LABELS
from phantom.cohort_folders import ecg_folder, ecg_path, image_folder, nifti_folder, zip_path
from phantom.cohort_plan import CohortPlan, agreed, check_plan, claim, instance_of
from phantom.cohort_tables import Drawn, drawn_of, write_study_tables, write_truth
from phantom.dicom_zip import write_dicom_zip
from phantom.electrical import render_ecg
from phantom.heart import Heart
from phantom.scanner import Scan, scan, scan_long_axis
from phantom.stack_plan import VIEWS


def write_cohort(output: Path, plan: CohortPlan, processes: int | None = None) -> None:
    """Write a cohort; what an earlier, interrupted or smaller run has finished is kept.

    Args:
        output: folder; made if need be.
        plan: with fewer subjects than `output` already holds, these stay and the tables go on listing them.
        processes: None for one per core.

    Raises:
        InputError: an option out of range; `output` holds another cohort, or anybody's real files; or another process
            is writing there.
    """
    output = Path(output)
    check_plan(plan, processes)
    agreed(output, plan)  # before anything is written there
    with held(output / "phantom"):
        plan = claim(output, plan)
        with writing(output):
            for folder in (ecg_folder(output, plan.platform), image_folder(output, plan.platform)):
                folder.mkdir(parents=True, exist_ok=True)
        _write_cohort(output, plan, processes)


def _write_cohort(output: Path, plan: CohortPlan, processes: int | None) -> None:
    people = plan.people
    with tqdm(total=len(people), desc="phantom", unit="subject") as bar:
        truth = []
        for row in in_processes(partial(write_subject, output, plan), people, processes):
            truth.append(row)
            bar.update()
    write_study_tables(output, plan)
    write_truth(output, plan, truth)


def write_subject(output: Path, plan: CohortPlan, person: tuple[int, int]) -> Drawn:
    """Write the files of one (index, visit), unless they are there, and return its rows of the tables.

    The ECG comes last: where it exists, the subject is complete.
    """
    index, visit = person
    instance, heart = instance_of(visit), plan.heart(index, visit)
    path = ecg_path(output, index, plan.platform, instance)
    if not path.exists():
        if plan.dicom and not plan.ecg_only:
            _write_dicom(zip_path(output, index, plan.platform, instance), plan, index, heart)
        elif not plan.ecg_only:
            _write_images(nifti_folder(output, index, instance), plan, heart)
        _write_ecg(path, heart)
    return drawn_of(heart)


def _write_ecg(path: Path, heart: Heart) -> None:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    rendered = render_ecg(heart)
    measured = {name: value for name, value in rendered.measurements.items() if value is not None}
    write_cardiosoft(path, rendered.ecg, medians=rendered.medians, measurements=measured)


def _write_dicom(path: Path, plan: CohortPlan, index: int, heart: Heart) -> None:
    """The same voxels as `_write_images` writes; without label maps, which UK Biobank hands out to nobody."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    images = scan(heart, moments(plan.frames))
    cycle_ms = 60_000 / heart.heart_rate_bpm
    times_ms = [phase * cycle_ms for phase in images.phases]
    write_dicom_zip(path, FIRST_EID + index, images.voxels, images.affine, times_ms, cycle_ms)


def moments(frames: int) -> list[float | str]:
    """ED and ES, or so many moments of the cycle."""
    return [0.0, "es"] if frames == 2 else [t / frames for t in range(frames)]


def _write_images(folder: Path, plan: CohortPlan, heart: Heart) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
    interval_s = None if plan.frames == 2 else 60 / heart.heart_rate_bpm / plan.frames
    images = scan(heart, moments(plan.frames))
    _write_view(folder, (IMAGE, LABELS), images, interval_s)
    for view in VIEWS if plan.long_axis else ():
        images = scan_long_axis(heart, view, moments(plan.frames))
        _write_view(folder, (view, f"seg_{view}"), images, interval_s)


def _write_view(folder: Path, names: tuple[str, str], images: Scan, interval_s: float | None) -> None:
    """Write images and labels of a view under two names: a cine, or without an interval one file for ED and ES each."""
    stacks = {"": slice(None)} if interval_s else {f"_{name}": slice(t, t + 1) for t, name in enumerate(PHASES)}
    for suffix, times in stacks.items():
        for name, voxels in zip(names, (images.voxels, images.labels), strict=True):
            write_nifti(folder / f"{name}{suffix}.nii.gz", CineStack(voxels[..., times], images.affine, interval_s))


def in_processes(job: partial, people: list, processes: int | None) -> Iterator:
    """job(person) of everybody, in order; `processes` None for one per core.

    Fresh processes ("spawn") inherit no threads, whatever the caller has started.
    """
    workers = min(processes or available_cores(), max(len(people), 1))
    if workers == 1:
        yield from map(job, people)
        return
    yield from in_pool(job, people, workers, min(4, len(people) // workers + 1))


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold what is written there: two cohorts written at once would mix their people."""
    who, remedy = "another make_phantom.py is writing here", "wait for it, or give another folder"
    lock = lock_or_refuse(path, who, remedy)
    try:
        yield
    finally:
        lock.release()
