"""pairs.csv: which ECG and which MRI are of one person, where names cannot say it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cohort.column_names import known_spellings, plain
from cohort.errors import InputError
from cohort.subjects import FIRST_IMAGING_VISIT
from cohort.table_reader import opened_records

PAIRS = "pairs.csv"
COLUMNS = ("ecg", "mri", "person", "instance")
REQUIRED = COLUMNS[:3]
EID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class Pair:
    """One row.

    Attributes:
        row: its number in the table, of which the header is 1.
        person: an eid or any other name.
        instance: of the visit.
        ecg, mri: paths; None where the cell is empty. The MRI may be a folder.
    """

    row: int
    person: str
    instance: int
    ecg: str | None
    mri: str | None


def read_pairs(data: Path) -> list[Pair]:
    """The rows of data/pairs.csv; none where there is no such table.

    Its columns are ecg and mri (paths below `data`), person, and perhaps instance.

    Raises:
        InputError: as `opened_records`; a column is absent; or a row without a person or without both files. Also
            where a file is not there or is of two people, or a visit occurs twice. It names row and column.
    """
    path = Path(data) / PAIRS
    if not path.exists():
        return []
    visits: dict[tuple[str, int], int] = {}
    owners: dict[str, tuple[int, str]] = {}
    pairs = []
    for row, cells in _rows(path):
        person, said = cells["person"], cells.get("instance", "")
        if not person:
            raise _fault(path, row, "person", "empty", "name the person")
        if re.search(r"[\\/]", person) or person.startswith("."):  # what is converted or sampled is called so
            raise _fault(path, row, "person", "no name for a folder", "name the person without slashes")
        person = str(int(person)) if EID.fullmatch(person) else person
        if said and not (said.isascii() and said.isdigit() and len(said) == 1):
            raise _fault(path, row, "instance", "not 0 to 9", "correct the cell")
        instance = int(said) if said else FIRST_IMAGING_VISIT
        files = {column: _there(data, cells[column]) for column in ("ecg", "mri")}
        for column, file in files.items():
            if cells[column] and file is None:
                raise _fault(path, row, column, "a path at which there is nothing", "give it as it is below the folder")
            if file is not None and (owner := owners.setdefault(file, (row, person)))[1] != person:
                raise _fault(path, row, column, f"another person's too, in row {owner[0]}", "give everybody their own")
        if not any(files.values()):
            raise _fault(path, row, "ecg", "empty, and so is mri", "give at least one of them")
        first = visits.setdefault((person, instance), row)
        if first != row:
            raise _fault(path, row, "person", f"a repetition of row {first}: the same visit", "keep one of them")
        pairs.append(Pair(row, person, instance, files["ecg"], files["mri"]))
    return pairs


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(number, cells of COLUMNS) of every row that holds something."""
    spellings = known_spellings(dict.fromkeys(COLUMNS, ""))
    with opened_records(path, spellings) as (header, records, _):
        names = [spellings.get(plain(cell), "") for cell in header]
        if missing := [column for column in REQUIRED if column not in names]:
            remedy = f"its first row must name the columns {', '.join(REQUIRED)}"
            raise InputError(path, f"it lacks the column {', '.join(missing)}", remedy)
        rows = [(number, cells) for number, cells in records if any(cells)]
    for number, cells in rows:
        if len(cells) < len(names) or any(cells[len(names) :]):
            raise InputError(path, f"row {number} has {len(cells)} cells, the header {len(names)}", "correct the row")
    return [(number, dict(zip(names, cells, strict=False))) for number, cells in rows]


def _fault(path: Path, row: int, column: str, what: str, remedy: str) -> InputError:
    return InputError(path, f"row {row}, column {column} is {what}", remedy)


def _there(data: Path, cell: str) -> str | None:
    """The path of a cell in its plainest form, if something is there."""
    path = os.path.normpath(os.path.join(data, cell))  # noqa: PTH118 (as paths are compared, as text)
    try:
        return path if cell and os.path.exists(path) else None  # noqa: PTH110
    except ValueError:
        return None
