"""People who withdrew from the study: they leave everywhere, in trainings, evaluations and samples.

UK Biobank sends a file with one eid a line and no header, as w12345_20260101.csv. It may lie in the data folder, where
it is found by its name, or be named with --exclude.
"""

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from cohort.errors import InputError
from cohort.subjects import Subject
from cohort.table_reader import opened_lines, told_person

NAMES = re.compile(r"withdraw.*\.(?:csv|txt)|w\d+_\d{8}\.(?:csv|txt)", re.IGNORECASE)
HEADERS = {"eid", "participant.eid", "n_eid", "f.eid"}


def withdrawn_eids(data: Path | None, exclude: Path | None = None, names: Collection[str] = ()) -> frozenset[int]:
    """The eids of everybody who withdrew.

    Args:
        data: a folder whose files of these NAMES count. exclude: a further file.
        names: as `read_withdrawn`.

    Raises:
        InputError: as `read_withdrawn`.
    """
    return frozenset().union(*(read_withdrawn(path, names) for path in withdrawal_lists(data, exclude)))


def withdrawal_lists(data: Path | None, exclude: Path | None = None) -> list[Path]:
    """The files of NAMES in a folder, and a further file."""
    inside = sorted(Path(data).iterdir()) if data is not None and Path(data).is_dir() else []
    return [path for path in inside if NAMES.fullmatch(path.name)] + ([exclude] if exclude else [])


def read_withdrawn(path: Path, names: Collection[str] = ()) -> frozenset[int]:
    """The eids of a file, one a line. Empty lines, quotation marks and a header `eid` do not count.

    Args:
        names: of the cohort's people whom no eid calls. Where there are any, lines may be names; their numbers are
            those of `cohort.person_number`.

    Raises:
        InputError: no such file, a folder, or a line is no eid. The message names the line, never what it says.
    """
    if Path(path).is_dir():
        raise InputError(path, "is a folder, not a list of people who withdrew", "name a text file, one eid a line")
    eids = set()
    with opened_lines(Path(path)) as lines:
        for number, line in enumerate(lines, start=1):
            cell = re.split(r"[,;\t]", line.strip(), maxsplit=1)[0].strip("\"' ")
            is_header = cell.lower() in HEADERS and not eids
            eid = None if is_header else told_person(cell, names)
            if eid is not None:
                eids.add(eid)
            elif cell and not is_header:
                raise InputError(path, f"line {number} is no eid", "give one eid a line of who withdrew")
    return frozenset(eids)


def counted(people: int) -> str:
    """So many people, in words."""
    return "1 person" if people == 1 else f"{people} people"


def without_withdrawn(subjects: Iterable[Subject], withdrawn: frozenset[int]) -> list[Subject]:
    """The subjects, without people who withdrew. How many visits are left out is printed."""
    subjects = list(subjects)
    kept = [subject for subject in subjects if subject.eid not in withdrawn]
    if len(kept) < len(subjects):
        people = len({subject.eid for subject in subjects} & withdrawn)
        print(f"note: left out: {counted(people)} who withdrew; delete arrays and weights that still hold them")
    return kept


def left_of(found: list, person_of: Callable, withdrawn: frozenset[int], option: str, what: str) -> list:
    """What is left of files that an option named, without people who withdrew. How many are left out is printed.

    Args:
        person_of: one of `found` -> the participant's number. option, what: to name in an error and in the note.

    Raises:
        InputError: nobody is left.
    """
    kept = [one for one in found if person_of(one) not in withdrawn]
    if not kept:
        who = "this person" if len(found) == 1 else "everybody"
        raise InputError(option, f"{who} withdrew from the study", f"give the {what} of somebody else")
    if len(kept) < len(found):
        print(f"note: {what}s of people who withdrew, which are left out: {len(found) - len(kept)}")
    return kept
