"""A phantom cohort as prepared arrays, straight from memory: what `cohort.prepare` makes of the cohort's files.

    <out>/hearts.npy, ecg.npy, ..., prepared.json       as `cohort.prepared` describes them
    <out>/cines.npy, cine_labels.npy                    (n, slices, frames, height, width) uint8, of the first n rows
    <out>/further.csv, persons.csv, phenotypes.csv      what a study would know of them
    <out>/motion.csv                                    how their hearts beat (`cohort.motion_table`)
    <out>/truth.csv, cohort.json                        every drawn number; what the cohort was made from

Cines lie on the grids of their hearts. Frame 0 is ED, and the frames are spread evenly over the cycle.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from cohort.cardiosoft import as_stored
from cohort.cine import CineStack, stored_affine
from cohort.disk import writing
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, HeartGrid, cine_grid, heart_grid
from cohort.intensity import as_grey_levels
from cohort.person import Person
from cohort.prepared import ArrayShape, Example, Preparation, draft_of, example_of, fill_rows, finish, what_tables_say
from cohort.stored_arrays import read_about
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.subjects import Subject
from phantom.cohort_plan import PLAN, CohortPlan, agreed, check_plan, claim, instance_of, read_plan
from phantom.cohort_tables import Drawn, drawn_of, write_study_tables, write_truth
from phantom.cohort_writer import held, in_processes, moments
from phantom.electrical import render_ecg
from phantom.heart import Heart
from phantom.scanner import scan

CINES = ("cines", "cine_labels")
Job = tuple[tuple[int, int], bool, tuple[Person, dict[str, float]]]  # (index, visit), with its cine?, what tables say


def write_prepared(
    output: Path, plan: CohortPlan, preparation: Preparation | None = None, processes: int | None = None
) -> None:
    """Write a cohort as arrays. The folder appears when it is whole; an interrupted run continues.

    Args:
        output: folder; new or empty, or what the same call wrote.
        plan: with `prepared`. preparation: the default one if not given; of two phases.
        processes: None for one per core.

    Raises:
        InputError: an option out of range; `output` holds anything else; or another process is writing there.
    """
    output, preparation = Path(output).absolute(), preparation or Preparation()
    check_plan(plan, processes)
    preparation.geometry.require_sound()
    if preparation.geometry.phases != 2:
        raise InputError("--geometry.phases", "a phantom's prepared hearts are ED and ES", "leave it at 2")
    with held(output):
        if not _is_there(output, plan, preparation):
            draft = draft_of(output)
            _write(draft, plan, preparation, processes)
            with writing(output.parent):
                draft.rename(output)


def _is_there(output: Path, plan: CohortPlan, preparation: Preparation) -> bool:
    """Whether the same call has written `output`. Anything else in it is refused."""
    there = output.exists() and any(output.iterdir())
    if there:
        _require_same(output, plan, preparation)
        read_about(output)
    return there


def _require_same(folder: Path, plan: CohortPlan, preparation: Preparation) -> None:
    agreed(folder, plan)
    said = read_plan(folder / PLAN)
    if said is None:
        raise InputError(folder, "holds files that are not of a phantom cohort", "give an empty or new folder")
    if said.get("subjects") != plan.subjects:
        fault = f"holds {said.get('subjects')} subjects, not {plan.subjects}, and arrays do not grow"
        raise InputError(folder, fault, "give another folder")
    if said.get("preparation") != asdict(preparation):
        raise InputError(folder, "holds arrays of another grid or sampling rate", "give another folder")


def _write(draft: Path, plan: CohortPlan, preparation: Preparation, processes: int | None) -> None:
    if (draft / PLAN).exists():
        _require_same(draft, plan, preparation)
    claim(draft, plan, {"preparation": asdict(preparation)})
    write_study_tables(draft, plan)
    subjects = [Subject(FIRST_EID + index, instance_of(visit)) for index, visit in plan.people]
    known = what_tables_say(draft, [(subject.eid, subject.instance) for subject in subjects])
    drawn: dict[int, Drawn] = {}

    def examples(rows: list[int]) -> Iterator[Example]:
        jobs = [(plan.people[row], row < plan.cines, known[row]) for row in rows]
        rendered = in_processes(partial(_render, plan, preparation), jobs, processes)
        for row, (example, its_rows) in zip(rows, rendered, strict=True):
            drawn[row] = its_rows
            yield example

    more = _cine_shapes(plan, preparation.geometry)
    fill_rows(draft, len(subjects), preparation, False, examples, more)
    finish(draft, subjects, draft, preparation, more)
    earlier = [person for row, person in enumerate(plan.people) if row not in drawn]  # of a run that was interrupted
    rest = in_processes(partial(_drawn, plan), earlier, processes)
    write_truth(draft, plan, (drawn[row] if row in drawn else next(rest) for row in range(len(subjects))))


def _cine_shapes(plan: CohortPlan, geometry: GridGeometry) -> dict[str, ArrayShape]:
    shape = (plan.cines, geometry.slices, plan.frames, geometry.height, geometry.width)
    return dict.fromkeys(CINES, (shape, np.uint8)) if plan.cines else {}


def _drawn(plan: CohortPlan, person: tuple[int, int]) -> Drawn:
    return drawn_of(plan.heart(*person))


def _render(plan: CohortPlan, preparation: Preparation, job: Job) -> tuple[Example, Drawn]:
    """The arrays of one (index, visit), perhaps with its cine, and its rows of the tables."""
    (index, visit), with_cine, known = job
    heart = plan.heart(index, visit)
    source = f"short-axis MRI of {FIRST_EID + index}"
    images, labels = _scanned(heart, [*moments(2), *moments(plan.frames)[1:]] if with_cine else moments(2))
    stills = [_frames(stack, [t]) for stack in (images, labels) for t in range(2)]
    grid = heart_grid(*stills, preparation.geometry, source)
    ecg = as_stored(render_ecg(heart).ecg)
    example = example_of(preparation, (FIRST_EID + index, instance_of(visit)), ecg, grid, *known)
    if with_cine:
        frames = [0, *range(2, plan.frames + 1)]  # ED is the first of them, and ES lies between two
        cine = _cine(_frames(images, frames), _frames(labels, frames), grid, source)
        arrays = dict(zip(CINES, (as_grey_levels(cine.voxels), cine.labels), strict=True))
        example = replace(example, arrays=example.arrays | arrays)
    return example, drawn_of(heart)


def _scanned(heart: Heart, phases: list[float | str]) -> tuple[CineStack, CineStack]:
    """The images and the label maps as their files would hold them. One scan, because the torso is painted once."""
    images = scan(heart, phases)
    affine = stored_affine(images.affine)
    return CineStack(images.voxels, affine), CineStack(images.labels, affine)


def _frames(stack: CineStack, frames: list[int]) -> CineStack:
    return replace(stack, voxels=stack.voxels[..., frames])


def _cine(images: CineStack, labels: CineStack, stills: HeartGrid, source: str) -> HeartGrid:
    """The whole beat on the grid of its stills."""
    geometry = replace(stills.geometry, phases=images.voxels.shape[3])
    cine = cine_grid(images, labels, geometry, source, ed=0)
    if not np.array_equal(cine.affine, stills.affine):
        raise ValueError("a cine does not lie on the grid of its stills")
    return cine
