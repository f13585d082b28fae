"""A cohort prepared by several jobs, a share each, and joined to what one job would have written.

The folder of a share lies beside the prepared cohorts, and is whole or absent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.content import join_memories
from cohort.errors import InputError
from cohort.lock import locked
from cohort.places import CohortPlaces, as_places
from cohort.prepared import (
    ARRAYS,
    BAD,
    GOOD,
    STATE,
    Preparation,
    add_remarks,
    cohort_fingerprint,
    complete_subjects,
    draft_of,
    finish,
    folder_of,
    memory_of,
    open_draft,
    read_remarks,
    read_rows,
)
from cohort.private import private
from cohort.stored_arrays import open_arrays, read_about, write_about
from cohort.subjects import Subject, names_of


@dataclass(frozen=True)
class Part:
    """One job's share of a cohort.

    Attributes:
        number: from 1 to `of`.
        of: how many jobs share the cohort.
    """

    number: int
    of: int

    @classmethod
    def from_text(cls, text: str) -> "Part":
        """E.g. "3/64".

        Raises:
            InputError: it is no such thing.
        """
        said = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        remedy = "give 3/64 for the third of 64 jobs"
        if not said:
            raise InputError("--part", "is not a share", remedy)
        if not int(said[1]):
            raise InputError("--part", f"parts begin at 1, not at {said[1]}", remedy)
        if int(said[1]) > int(said[2]):
            raise InputError("--part", f"{said[1]} is beyond {said[2]}", remedy)
        return cls(int(said[1]), int(said[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def rows(self, people: int) -> range:
        """Its rows of a cohort: neighbours, so that a join copies whole blocks."""
        return range((self.number - 1) * people // self.of, self.number * people // self.of)


def prepare_part(
    data: Path | CohortPlaces,
    folder: Path,
    preparation: Preparation,
    part: Part,
    quiet: bool = False,
    exclude: Path | None = None,
) -> Path:
    """Read one share of a cohort; where it is finished, nothing is touched. An interrupted job continues.

    Only the share's own files are hashed. The result holds the rows of bad subjects too, which a join leaves out.

    Args:
        exclude: a list of people who withdrew, the same for all jobs and for the join.

    Returns:
        The share's folder.

    Raises:
        InputError: no subject is complete, or there are fewer subjects than jobs.
    """
    places = as_places(data)
    data, everybody = places.data, complete_subjects(places, exclude)
    subjects = _share(data, everybody, part)
    final = _folder_of_part(data, subjects, folder, preparation, part)
    if not final.exists():
        with locked(final), private():
            if not final.exists():
                draft = draft_of(final)
                read_rows(data, subjects, draft, preparation, quiet, names_of(everybody))
                write_about(draft, (*ARRAYS, Path(STATE).stem), {"part": str(part), "people": len(subjects)})
                draft.rename(final)
    return final


def join_parts(
    data: Path | CohortPlaces, folder: Path, preparation: Preparation, parts: int, exclude: Path | None = None
) -> Path:
    """Join the shares of all jobs to the folder that `prepare_cohort` would have written, byte for byte.

    The shares stay; delete them when the cohort is there.

    Returns:
        The cohort's folder.

    Raises:
        InputError: a share is absent, of other files or settings, or damaged; or no subject can be read.
    """
    places = as_places(data)
    subjects = complete_subjects(places, exclude, quiet=True)  # the parts have told it
    data = places.data
    found = {
        part: _folder_of_part(data, _share(data, subjects, part), folder, preparation, part) for part in _all(parts)
    }
    name = data.resolve().name
    join_memories(memory_of(folder, name), [_memory_of_part(data, folder, part) for part in found])
    final = folder_of(data, subjects, folder, preparation)
    if final.exists():
        return final
    absent = [str(part) for part, place in found.items() if not place.exists()]
    if absent:
        shown = ", ".join(absent[:5]) + ", ..." * (len(absent) > 5)
        remedy = f"run python -m cohort.prepare --part {absent[0]} with the same options"
        raise InputError(
            folder, f"{len(absent)} of {parts} parts are not there, or are of other files: {shown}", remedy
        )
    with locked(final), private():
        if not final.exists():
            draft = draft_of(final)
            _copy(found, draft, len(subjects), preparation)
            finish(data, subjects, draft, preparation)
            draft.rename(final)
    return final


def _all(parts: int) -> Iterator[Part]:
    return (Part(number, parts) for number in range(1, parts + 1))


def _copy(found: dict[Part, Path], draft: Path, people: int, preparation: Preparation) -> None:
    """Put the shares' rows, states and remarks into a draft. One that a kill left half-full is filled again."""
    for path in draft.iterdir():
        path.unlink()
    arrays, state = open_draft(draft, people, preparation)
    arrays = arrays | {Path(STATE).stem: state}
    for part, place in found.items():
        rows, shares = part.rows(people), open_arrays(place, read_about(place))
        for name, array in arrays.items():
            array[rows.start : rows.stop] = shares[name]
        remarks = read_remarks(place).items()
        add_remarks(draft, [(rows.start + row, code, said) for row, (code, said) in remarks])
    if not np.isin(state, (GOOD, BAD)).all():
        raise InputError(draft, "a part has rows that nobody read", "delete the part's folder and prepare it again")
    for array in arrays.values():
        array.flush()


def _share(data: Path, subjects: list[Subject], part: Part) -> list[Subject]:
    rows = part.rows(len(subjects))
    if not rows:
        raise InputError(data, f"has {len(subjects)} complete subjects, too few for {part.of} parts", "use fewer parts")
    return subjects[rows.start : rows.stop]


def _folder_of_part(data: Path, share: list[Subject], folder: Path, preparation: Preparation, part: Part) -> Path:
    key = cohort_fingerprint(data, share, preparation, _memory_of_part(data, folder, part))
    return folder / f"{_name(data, part)}-{key}"


def _memory_of_part(data: Path, folder: Path, part: Part) -> Path:
    return memory_of(folder, _name(data, part))


def _name(data: Path, part: Part) -> str:
    return f"{data.resolve().name}-part-{part.number}-of-{part.of}"
