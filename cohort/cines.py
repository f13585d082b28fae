"""Whole cines of some of a cohort's people, kept as arrays on the grids of their stills.

    cines.npy, cine_labels.npy      (n, slices, frames, height, width) uint8, as `hearts` and `labels` of the stills
    cine_rows.npy                   (n,) whose they are, rows of the cohort; absent where they are the first n

Frame 0 is ED, and the frames are spread evenly over what was acquired. `make_phantom.py --prepared` writes them beside
the other arrays. Those of files are read once, into a folder inside the cohort's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .content import fingerprint
from .disk import array_bytes, new_array, whole_file, write_array
from .errors import InputError
from .heart_grid import GridGeometry, cine_on_grid, read_stacks
from .intensity import as_grey_levels
from .lock import locked
from .places import CohortPlaces
from .prepared import NO_LABELS, PreparedCohort, complete_subjects, draft_of, in_processes
from .private import private
from .step_code import code_sha256
from .stored_arrays import ABOUT, open_arrays, read_about, write_about
from .subjects import Subject
from .volume_curve import FEWEST_FRAMES

IMAGES, LABELS, ROWS = "cines", "cine_labels", "cine_rows"
FRAMES = 25  # of a cine that is read from files, whatever it has itself
ALIKE = 0.6  # correlation of its ED with the still's: 1 of the same picture, 0.9 of another moment, 0.35 of others


@dataclass(frozen=True, eq=False)
class Cines:
    """n cines.

    Attributes:
        folder: where the arrays lie.
        rows: (n,) whose they are, rows of the cohort.
        images: (n, slices, frames, height, width) uint8, memory-mapped.
        labels: like images; where nobody drew a map, all of them are NO_LABELS.
    """

    folder: Path
    rows: np.ndarray
    images: np.ndarray
    labels: np.ndarray

    def among(self, rows: np.ndarray | None) -> "Cines":
        """Those of some rows of the cohort; all of them for None."""
        if rows is None:
            return self
        kept = np.flatnonzero(np.isin(self.rows, rows))
        return replace(self, rows=self.rows[kept], images=self.images[kept], labels=self.labels[kept])

    def first(self, count: int) -> "Cines":
        """The first `count` of them."""
        return replace(self, rows=self.rows[:count], images=self.images[:count], labels=self.labels[:count])


def cohort_cines(
    cohort: PreparedCohort,
    places: CohortPlaces,
    count: int,
    exclude: Path | None = None,
    quiet: bool = False,
    among: np.ndarray | None = None,
) -> Cines | None:
    """Cines of the cohort's first people who have one, `count` at most; None where nobody has.

    Args:
        places: where the cohort's files lie, or its prepared arrays. exclude: as of `prepare_cohort`.
        among: rows of the cohort, of whom alone cines are wanted; None for everybody.

    Raises:
        InputError: the arrays hold something else than was prepared.
    """
    if (cohort.folder / f"{IMAGES}.npy").exists():
        found = _opened(cohort.folder).among(among).first(count)
        return found if len(found.rows) else None
    if (places.data / ABOUT).exists():
        return None
    row_of = {visit: row for row, visit in enumerate(zip(cohort.eid.tolist(), cohort.instance.tolist(), strict=True))}
    everybody = complete_subjects(places, exclude, quiet=True)
    moving = [subject for subject in everybody if has_cine(subject) and (subject.eid, subject.instance) in row_of]
    wanted = set(range(len(cohort.eid)) if among is None else among.tolist())
    jobs = sorted((row_of[subject.eid, subject.instance], subject) for subject in moving)
    jobs = [job for job in jobs if job[0] in wanted][:count]
    if not jobs:
        return None
    whose = "" if among is None else f"-{fingerprint({'rows': among.tolist()}, ())}"
    folder = cohort.folder / f"{IMAGES}-{count}-{code_sha256('cohort.cines')[:12]}{whose}"
    if not folder.exists():
        with locked(folder), private():
            if not folder.exists():
                _read(cohort, jobs, folder, quiet)
    found = _opened(folder)
    return found if len(found.rows) else None


def has_cine(subject: Subject) -> bool:
    """Whether a subject's images are more than ED and ES."""
    images = subject.images
    return images.cine is not None or images.dicom is not None


def _opened(folder: Path) -> Cines:
    arrays = open_arrays(folder, read_about(folder))
    rows = np.asarray(arrays.get(ROWS, np.arange(len(arrays[IMAGES]))))
    return Cines(folder, rows, arrays[IMAGES][: len(rows)], arrays[LABELS][: len(rows)])


def _read(cohort: PreparedCohort, jobs: list[tuple[int, Subject]], folder: Path, quiet: bool) -> None:
    """Put the cines of (row, subject) into a folder. Who cannot be read is left out, and told in a line."""
    geometry = replace(cohort.preparation.geometry, phases=FRAMES)
    given = [(subject, np.asarray(cohort.affine[row]), np.asarray(cohort.hearts[row, :, 0])) for row, subject in jobs]
    shape = (len(jobs), *geometry.shape)  # what is left out leaves room at the end
    rows, refused, draft = [], [], draft_of(folder)
    images, labels = (_zeros(draft / f"{name}.npy", shape) for name in (IMAGES, LABELS))
    for (row, _), read in zip(jobs, _cines(given, geometry, quiet), strict=True):
        if isinstance(read, str):
            refused.append(read)
        else:
            images[len(rows)], labels[len(rows)] = read
            rows.append(row)
    images.flush()
    labels.flush()
    if refused:
        print(f"note: cines of {len(refused)} of {len(jobs)} people are not used, such as: {refused[0]}")
    write_array(draft / f"{ROWS}.npy", np.array(rows, np.int64))
    write_about(draft, (IMAGES, LABELS, ROWS), {"people": len(rows)})
    draft.rename(folder)


def _zeros(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new array on disk, to be filled; an unfinished one of an interrupted process is replaced."""
    with whole_file(path, array_bytes(shape, np.uint8)) as unfinished:
        new_array(unfinished, shape, np.uint8)
    return np.lib.format.open_memmap(path, mode="r+")


def _cines(
    given: list[tuple[Subject, np.ndarray, np.ndarray]], geometry: GridGeometry, quiet: bool
) -> Iterator[tuple[np.ndarray, np.ndarray] | str]:
    found = in_processes(partial(_cine, geometry), given)
    yield from tqdm(found, total=len(given), desc="reading cines", disable=quiet)


def _cine(geometry: GridGeometry, job: tuple[Subject, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | str:
    """Grey levels and labels of one subject's cine on the grid of its stills, or why there are none.

    Stills that lie in files of their own may be of another scan.
    """
    subject, affine, still = job
    try:
        images, maps = read_stacks(subject, geometry.phases)
        if (frames := images[0].voxels.shape[3]) < FEWEST_FRAMES:
            return f"{subject.short_axis_called}: has {frames} frames, and {FEWEST_FRAMES} show a beat"
        voxels, labels = cine_on_grid(images[0], maps[0], affine, geometry, subject.short_axis_called)
    except InputError as refusal:
        return str(refusal)
    drawn = np.full(voxels.shape, NO_LABELS, np.uint8) if labels is None else labels
    grey = as_grey_levels(voxels)
    if np.corrcoef(grey[:, 0].ravel(), still.ravel())[0, 1] < ALIKE:
        return f"{subject.short_axis_called}: shows another picture at ED than the stills beside it"
    return grey, drawn
