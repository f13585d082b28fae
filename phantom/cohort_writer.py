"""A cohort of simulated patients on disk, in UK Biobank's names and formats, with its truth beside it.

    <out>/ecg/<eid>_20205_2_0.xml                             ten seconds of 12-lead ECG, CardioSoft
    <out>/NIFTI/<eid>/sa_ED.nii.gz, seg_sa_ED.nii.gz, ...     end-diastole and end-systole, or
    <out>/NIFTI/<eid>/sa.nii.gz, seg_sa.nii.gz                the whole cine, or
    <out>/NIFTI/<eid>_20209_2_0.zip                           its DICOM; a cohort of ECGs only has none of them
    <out>/persons.csv, phenotypes.csv                         what a study would know of them
    <out>/truth.csv                                           every drawn number
    <out>/cohort.json                                         what the cohort was made from

On UK Biobank's research platform, ECGs and zips lie elsewhere (`phantom.cohort_folders`).
Subject i depends on (seed, i) alone: the same bytes whatever the number of subjects, processes or order.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from cohort.cardiosoft import write_cardiosoft
from cohort.cine import CineStack, write_nifti
from cohort.cores import available_cores
from cohort.dicom_stack import FEWEST_FRAMES
from cohort.disk import remove_unfinished, write_json, writing
from cohort.errors import InputError, require_within
from cohort.lock import lock_or_refuse
from cohort.person import PERSON_COLUMNS
from cohort.phases import PHASES
from cohort.phenotypes import VOLUMETRIC, with_derived
from cohort.process_pool import process_pool
from cohort.provenance import made_by
from cohort.stop_signals import starting_processes
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.subjects import IMAGE, LABELS
from cohort.table import write_table
from phantom.cohort_folders import contents, ecg_folder, ecg_path, image_folder, is_phantom, zip_path
from phantom.dicom_zip import write_dicom_zip
from phantom.electrical import render_ecg
from phantom.heart import Heart, draw_heart
from phantom.scanner import scan

VERSION = 1  # of the phantom: a change of what is drawn or rendered makes another cohort
MOST_SUBJECTS = 999_999  # an eid has seven digits
MOST_FRAMES = 100
UK_BIOBANK_FRAMES = 50  # of a cine


@dataclass(frozen=True)
class CohortPlan:
    """What a cohort is made from; written as cohort.json.

    Attributes:
        seed: of every draw. subjects: how many.
        frames: of each cine; 2 writes end-diastole and end-systole only, in files of their own.
        ecg_only: no images; ECGs and tables are those of the full cohort.
        dicom: images as DICOM zips, without label maps, instead of NIfTI.
        platform: files lie as on UK Biobank's research platform.
    """

    seed: int
    subjects: int
    frames: int = 2
    ecg_only: bool = False
    dicom: bool = False
    platform: bool = False
    version: int = VERSION


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
    _check_options(plan, processes)
    _agreed(output, plan)  # before anything is written there
    with _held(output):
        _write_cohort(output, _claim(output, plan), processes)


def _write_cohort(output: Path, plan: CohortPlan, processes: int | None) -> None:
    waiting = [index for index in range(plan.subjects) if not ecg_path(output, index, plan.platform).exists()]
    workers = min(processes or available_cores(), max(len(waiting), 1))
    with tqdm(total=plan.subjects, initial=plan.subjects - len(waiting), desc="phantom", unit="subject") as bar:
        for _ in _run(partial(write_subject, output, plan), waiting, workers):
            bar.update()
    _write_tables(output, [draw_heart(plan.seed, index) for index in range(plan.subjects)])


def write_subject(output: Path, plan: CohortPlan, index: int) -> None:
    """Write the files of subject `index`. The ECG comes last: where it exists, the subject is complete."""
    heart = draw_heart(plan.seed, index)
    if plan.dicom and not plan.ecg_only:
        _write_dicom(zip_path(output, index, plan.platform), index, heart, plan.frames)
    elif not plan.ecg_only:
        _write_images(image_folder(output) / str(FIRST_EID + index), heart, plan.frames)
    path = ecg_path(output, index, plan.platform)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    rendered = render_ecg(heart)
    measured = {name: value for name, value in rendered.measurements.items() if value is not None}
    write_cardiosoft(path, rendered.ecg, medians=rendered.medians, measurements=measured)


def _write_dicom(path: Path, index: int, heart: Heart, frames: int) -> None:
    """The same voxels as `_write_images` writes; without label maps, which UK Biobank hands out to nobody."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    images = scan(heart, _moments(frames))
    cycle_ms = 60_000 / heart.heart_rate_bpm
    times_ms = [phase * cycle_ms for phase in images.phases]
    write_dicom_zip(path, FIRST_EID + index, images.voxels, images.affine, times_ms, cycle_ms)


def _moments(frames: int) -> list[float | str]:
    """ED and ES, or so many moments of the cycle."""
    return [0.0, "es"] if frames == 2 else [t / frames for t in range(frames)]


def _write_images(folder: Path, heart: Heart, frames: int) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
    images = scan(heart, _moments(frames))
    if frames == 2:
        stacks = {f"_{name}": (slice(t, t + 1), None) for t, name in enumerate(PHASES)}
    else:
        stacks = {"": (slice(None), 60 / heart.heart_rate_bpm / frames)}
    for suffix, (times, interval_s) in stacks.items():
        for name, voxels in ((f"{IMAGE}{suffix}", images.voxels), (f"{LABELS}{suffix}", images.labels)):
            write_nifti(folder / f"{name}.nii.gz", CineStack(voxels[..., times], images.affine, interval_s))


# ---- Processes ----


def _run(job: partial, indices: list[int], processes: int) -> Iterator[None]:
    """Do the job for every index. Fresh processes ("spawn") inherit no threads, whatever the caller has started."""
    if processes == 1:
        yield from map(job, indices)
        return
    with process_pool(processes) as pool:
        with starting_processes():  # all processes start here
            results = pool.map(job, indices, chunksize=min(4, len(indices) // processes + 1))
        yield from results


# ---- Whose folder it is ----


@contextlib.contextmanager
def _held(output: Path) -> Iterator[None]:
    """Hold the folder: two cohorts written at once would mix their people."""
    who, remedy = "another make_phantom.py is writing here", "wait for it, or give another --output"
    lock = lock_or_refuse(output / "phantom", who, remedy)
    try:
        yield
    finally:
        lock.release()


def _check_options(plan: CohortPlan, processes: int | None) -> None:
    ranges = (
        ("--subjects", plan.subjects, 1, MOST_SUBJECTS),
        ("--seed", plan.seed, 0, 2**63 - 1),
        ("--frames", plan.frames, FEWEST_FRAMES if plan.dicom else 2, MOST_FRAMES),
        ("--processes", processes or 1, 1, 1024),
    )
    for given in ranges:
        require_within(*given)
    if plan.platform and not (plan.dicom or plan.ecg_only):
        raise InputError("--platform", "UK Biobank's platform holds heart MRIs as DICOM", "add --dicom, or --ecg-only")


def _claim(output: Path, plan: CohortPlan) -> CohortPlan:
    """Write cohort.json, and the folders beside it; returns what `_agreed` returns."""
    plan = _agreed(output, plan)
    with writing(output):
        for folder in (ecg_folder(output, plan.platform), image_folder(output, plan.platform)):
            folder.mkdir(parents=True, exist_ok=True)
    write_json(output / "cohort.json", asdict(plan) | made_by(asdict(plan)))
    return plan


def _agreed(output: Path, plan: CohortPlan) -> CohortPlan:
    """The plan with the larger number of subjects, if a folder holds no others than its people."""
    note = output / "cohort.json"
    there = _read_plan(note)
    if there is None:
        strangers = [output / "persons.csv", output / "phenotypes.csv", *contents(output)]
        if stranger := next((path for path in strangers if path.exists()), None):
            raise InputError(
                stranger.parent, "holds files that are not of a phantom cohort", "give --output an empty or new folder"
            )
    else:
        there = {"ecg_only": False, "dicom": False, "platform": False, **there}  # cohorts older than the options
        for field in ("seed", "frames", "ecg_only", "dicom", "platform", "version"):
            if there.get(field) != getattr(plan, field):
                raise InputError(
                    note,
                    f"this cohort has {field} {there.get(field)}, not {getattr(plan, field)}",
                    "give another --output",
                )
        if not all(is_phantom(path) for path in contents(output)):
            raise InputError(output, "holds other people's files beside the phantom's", "give another --output")
        plan = replace(plan, subjects=max(plan.subjects, there["subjects"]))
    return plan


def _read_plan(note: Path) -> dict | None:
    try:
        plan = json.loads(note.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        plan = None
    if not isinstance(plan, dict) or not isinstance(plan.get("subjects"), int):
        raise InputError(note, "is not a phantom cohort's", "give another --output")
    return plan


# ---- Tables ----


def _write_tables(output: Path, hearts: list[Heart]) -> None:
    eids = range(FIRST_EID, FIRST_EID + len(hearts))
    truth = [{"eid": eid, **_flat(heart)} for eid, heart in zip(eids, hearts, strict=True)]
    _write_table(output / "truth.csv", truth[0].keys(), (row.values() for row in truth))
    people = ((h.sex, h.age_years, h.height_cm, h.weight_kg) for h in hearts)
    _write_table(output / "persons.csv", PERSON_COLUMNS, _with_eid(eids, people))
    measured = (drawn_phenotypes(heart).values() for heart in hearts)
    _write_table(output / "phenotypes.csv", ("eid", *VOLUMETRIC), _with_eid(eids, measured))


def drawn_phenotypes(heart: Heart) -> dict[str, float]:
    """VOLUMETRIC phenotypes of the drawn heart itself (mL, percent, g): the truth that a segmentation approaches."""
    return with_derived(
        {
            "LVEDV": heart.lvedv_ml,
            "LVESV": heart.lvesv_ml,
            "LVM": heart.lv_mass_g,
            "RVEDV": heart.rvedv_ml,
            "RVESV": heart.rvesv_ml,
        }
    )


def _with_eid(eids: range, rows: Iterable[Iterable]) -> Iterator[tuple]:
    return ((eid, *row) for eid, row in zip(eids, rows, strict=True))


def _flat(heart: Heart) -> dict[str, object]:
    """The heart as one row: a tuple becomes columns numbered from 1, as in electrode_shift_mm_3_1 (V3, leftwards)."""
    row: dict[str, object] = {}

    def put(name: str, value: object) -> None:
        if isinstance(value, tuple):
            for number, part in enumerate(value, start=1):
                put(f"{name}_{number}", part)
        else:
            row[name] = value

    for name, value in asdict(heart).items():
        put(name, value)
    return row


def _write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    cells = ([f"{cell:.7g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    write_table(path, columns, cells, line_end="\n")
