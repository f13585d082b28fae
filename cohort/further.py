"""Further numbers of persons.csv and UK Biobank's exports, by person and visit, kept beside the prepared arrays.

A column of UK Biobank is called by its field, as p48, or by its name in the field map. Its place in an array follows,
as in p20024_a1. Other columns of persons.csv keep their own names.
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from cohort.column_names import known_spellings, plain, shown
from cohort.disk import whole_file
from cohort.errors import InputError
from cohort.field_map import NO_ANSWERS, Field, FieldColumn, field_column, read_field_map
from cohort.input_file import unreadable
from cohort.person import finite_number
from cohort.phenotypes import UNITS
from cohort.study_tables import EXPORTS, PERSON_UNITS, PERSONS
from cohort.subjects import FIRST_IMAGING_VISIT, Visit
from cohort.table_reader import FILE, KEY, STATA_EID, WHOLE, opened_records, told_person

FURTHER = "further.csv"
OURS = PERSON_UNITS.keys() | UNITS.keys()  # what stands in the prepared arrays already
CODES = (-1.0, -3.0, -10.0, -121.0, -818.0)  # of columns that hold whole numbers: no answer, or less than one
ANSWERS = {-7.0, -313.0}  # codes that say something: none of the above, still going on
EXACT_LETTERS = 7  # a number of so many letters is the same in 32 bits: whole up to 2**24, else of six digits
PREPARE_AGAIN = "delete the folder that holds it, and prepare the cohort again"
USUAL_RANK = 1
Column = TypeVar("Column")
Rows = dict[int, dict[int, int]]  # eid -> instance -> row of the arrays


@dataclass(eq=False, slots=True)
class _Numbers:
    """The numbers of one name at N visits, while a table is read.

    Attributes:
        of_visit: (N,) told for that visit; of_all: (N,) told for every visit. NaN where nothing is told, and None where
            nothing is told of anybody. 32 bits, or 64 where a number needs them.
        whole: all numbers but CODES are whole, and none is negative but ANSWERS.
        refused: a cell is no number.
    """

    of_visit: np.ndarray | None = None
    of_all: np.ndarray | None = None
    whole: bool = True
    refused: bool = False

    def look_at(self, number: float) -> None:
        if self.whole and number not in CODES:
            self.whole = counts(number)

    def put(self, rows: Collection[int], of_all: bool, number: float, exact: bool, people: int) -> None:
        """Keep a number at some rows. `exact`: 32 bits hold it as it is spelled."""
        name = "of_all" if of_all else "of_visit"
        array = getattr(self, name)
        if array is None or not (exact or array.dtype == np.float64):
            kind = np.float32 if exact else np.float64
            array = np.full(people, np.nan, kind) if array is None else array.astype(kind)
            setattr(self, name, array)
        for row in rows:
            array[row] = number

    def settled(self) -> np.ndarray | None:
        """(N,) what is known of each visit; None where that is nothing."""
        known = None
        for array in () if self.refused else (self.of_visit, self.of_all):
            if array is None:
                continue
            if self.whole:
                array[np.isin(array, CODES)] = np.nan
            known = array if known is None else np.where(np.isnan(known), array, known)
        return None if known is None or np.isnan(known).all() else known


@dataclass(frozen=True, slots=True)
class _Column:
    place: int
    name: str
    instance: int | None
    numbers: _Numbers = field(repr=False)


class FurtherNumbers(NamedTuple):
    """Names in order of the alphabet, and of each (N,) float32 or float64; NaN where nothing is known."""

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]


def further_numbers(data: Path, visits: Sequence[Visit], names: Collection[str] = ()) -> FurtherNumbers:
    """Every column of persons.csv and of UK Biobank's exports that holds numbers only, and some for these people.

    A column that names no visit is of the row's `instance`. Without one, it is of all visits, or in persons.csv of the
    first imaging visit. Empty cells are left out. So are CODES in columns of UK Biobank where all other numbers are
    whole, and none is negative but ANSWERS: they mean "no answer" there.

    A table passes through memory row by row. What stays has 4 bytes a visit and name, or 8 where a number is longer
    than EXACT_LETTERS.

    Args:
        visits: (N,) whose; nobody else's cells are looked at.
        names: of people whom no eid calls, as persons.csv may name them.

    Raises:
        InputError: as `cohort.table_reader.read_table`.
    """
    rows: Rows = {}
    for row, (eid, instance) in enumerate(visits):
        rows.setdefault(eid, {})[instance] = row
    known: dict[str, np.ndarray] = {}
    fields = read_field_map(Path(data), PERSON_UNITS | UNITS)
    for path in (Path(data) / name for name in (PERSONS, *EXPORTS)):
        if not path.exists():
            continue
        for name, found in _numbers_of(path, fields, rows, len(visits), names):
            first = known.get(name)
            known[name] = found if first is None else np.where(np.isnan(first), found, first)
    names = tuple(sorted(known))
    return FurtherNumbers(names, tuple(known[name] for name in names))


def _numbers_of(
    path: Path, fields: dict[int, Field], rows: Rows, people: int, names: Collection[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (N,) numbers) of one table."""
    with opened_records(path, known_spellings(KEY)) as (header, records, delimiter):
        columns = _columns(header, fields) + (_own_columns(header) if path.name == PERSONS else [])
        keys = key_places(header, known_spellings(KEY))
        every = {column.name: column.numbers for column in columns}
        for _, cells in records:
            eid = told_person(cell_at(cells, keys.get("eid")), names)
            visit = visit_of(cell_at(cells, keys.get("instance")))
            if eid in rows and _add_row(cells, columns, visit, rows[eid], people, delimiter == ";"):
                columns = [column for column in columns if not column.numbers.refused]
    for name, numbers in every.items():
        settled = numbers.settled()
        numbers.of_visit = numbers.of_all = None
        if settled is not None:
            yield name, settled


def _add_row(
    cells: Sequence[str], columns: list[_Column], visit: int | None, rows: dict[int, int], people: int, commas: bool
) -> bool:
    """Add the cells of a person's row: what comes later stays. Returns whether a name is refused now.

    Args:
        rows: instance -> row of the arrays. commas: a comma is a decimal mark.
    """
    refused = False
    width = len(cells)
    for column in columns:
        cell = cells[column.place] if column.place < width else ""
        if not cell:
            continue
        numbers = column.numbers
        number = finite_number(cell.replace(",", ".") if commas else cell)
        if number is None:
            if cell.casefold() not in NO_ANSWERS:
                numbers.refused = refused = True
                numbers.of_visit = numbers.of_all = None
            continue
        numbers.look_at(number)
        instance = visit if column.instance is None else column.instance
        at = rows.values() if instance is None else (rows[instance],) if instance in rows else ()
        if at and not numbers.refused:
            numbers.put(at, instance is None, number, len(cell) <= EXACT_LETTERS, people)
    return refused


def cell_at(cells: Sequence[str], place: int | None) -> str:
    """What stands in a row's place; empty where there is none."""
    return cells[place] if place is not None and len(cells) > place else ""


def visit_of(cell: str) -> int | None:
    """The number that a cell of the column `instance` tells; None where it tells none."""
    whole = WHOLE.fullmatch(cell)
    return int(whole[1]) if whole else None


def counts(number: float) -> bool:
    """Whether a number can stand in a column of counts, whose CODES are no numbers."""
    return number.is_integer() and (number >= 0 or number in ANSWERS)


def key_places(header: Sequence[str], spellings: Mapping[str, str]) -> dict[str, int]:
    """Where the columns that say who it is stand, by their names. `spellings`: of `known_spellings`."""
    named = ("eid" if STATA_EID.fullmatch(cell) else spellings.get(plain(cell), "") for cell in header)
    return {name: place for place, name in enumerate(named) if name}


def lowest_last(columns: Sequence[Column], ranks: Sequence[int]) -> list[Column]:
    """Columns in the order of their ranks, the lowest last: what comes later stays."""
    return [columns[place] for place in sorted(range(len(columns)), key=ranks.__getitem__, reverse=True)]


def _columns(header: list[str], fields: dict[int, Field]) -> list[_Column]:
    """The columns of UK Biobank's fields that are none of OURS, those of the lowest rank last."""
    columns, ranks = [], []
    every: dict[str, _Numbers] = {}
    for place, cell in enumerate(header):
        column = field_column(cell)
        if column and (name := name_of(column, fields)) not in OURS:
            columns.append(_Column(place, name, column.instance, every.setdefault(name, _Numbers())))
            ranks.append(rank_of(column, fields))
    return lowest_last(columns, ranks)


def _own_columns(header: list[str]) -> list[_Column]:
    """The columns of a persons.csv that are neither UK Biobank's nor OURS. In them, a negative number is one."""
    known = known_spellings({**KEY, **PERSON_UNITS, **UNITS, FILE: ""})
    instance = None if "instance" in key_places(header, known_spellings(KEY)) else FIRST_IMAGING_VISIT
    every: dict[str, _Numbers] = {}
    return [
        _Column(place, cell, instance, every.setdefault(cell, _Numbers(whole=False)))
        for place, cell in enumerate(header)
        if cell and plain(cell) not in known and not STATA_EID.fullmatch(cell) and field_column(cell) is None
    ]


def rank_of(column: FieldColumn, fields: dict[int, Field]) -> int:
    """Of several columns of one name that of the lowest rank counts; of those outside the field map it is 1."""
    return fields[column.field].rank if column.field in fields else USUAL_RANK


def name_of(column: FieldColumn, fields: dict[int, Field]) -> str:
    """What a column of UK Biobank is called: by the field map or by its field, and by its place in an array."""
    name = fields[column.field].name if column.field in fields else f"p{column.field}"
    return f"{name}_a{column.array}" if column.array else name


def write_further(folder: Path, data: Path, visits: Sequence[Visit], called: Collection[str] = ()) -> None:
    """Write FURTHER into a folder: eid, instance, and a column for each further number. Without any, there is no file.

    Args:
        visits: (N,) in the order of the rows. called: people whom no eid calls, by their names.
    """
    names, columns = further_numbers(data, visits, called)
    if not names:
        return
    with whole_file(folder / FURTHER) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("eid", "instance", *names))
        for row, visit in enumerate(visits):
            numbers = (column[row] for column in columns)
            table.writerow((*visit, *("" if np.isnan(number) else str(number) for number in numbers)))


def read_further(path: Path, names: Sequence[str]) -> np.ndarray:
    """Some of the numbers that `write_further` wrote.

    Args:
        path: of FURTHER in the folder of a prepared cohort. names: of its columns.

    Returns:
        (N, len(names)) float32, in the order of the cohort's rows; NaN where nothing is known.

    Raises:
        InputError: there is no such file, it is damaged, or has no column of one of the names.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _read(path, file, names)
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, csv.Error) as error:
        raise InputError(path, "is damaged", PREPARE_AGAIN) from error


def _read(path: Path, lines: Iterable[str], names: Sequence[str]) -> np.ndarray:
    records = csv.reader(lines, strict=True)
    header = next(records, [])
    there = {name: place for place, name in enumerate(header) if place >= len(KEY)}
    unknown = [name for name in names if name not in there]
    if unknown:
        raise InputError(path, f"has no column {shown(unknown)}", f"it has {shown(there) or 'none'}")
    places = [there[name] for name in names]
    rows = []
    for record in records:
        if len(record) != len(header):
            raise InputError(path, "is damaged: a row is shorter or longer than the header", PREPARE_AGAIN)
        rows.append(np.array([record[place] or "nan" for place in places], np.float32))
    return np.array(rows, np.float32).reshape(len(rows), len(names))
