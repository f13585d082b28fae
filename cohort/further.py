"""Further numbers of UK Biobank's exports, by person and visit: kept beside the prepared arrays for who wants them.

A column is called by its field, as p48, with its place in an array, as p20024_a1, or by the name in the field map.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cohort.column_names import known_spellings, plain
from cohort.field_map import NO_ANSWERS, Field, FieldColumn, field_column, read_field_map
from cohort.person import finite_number
from cohort.phenotypes import UNITS
from cohort.study_tables import EXPORTS, PERSON_UNITS
from cohort.subjects import Visit
from cohort.table import write_table
from cohort.table_reader import KEY, STATA_EID, WHOLE, opened_records

FURTHER = "further.csv"
OURS = PERSON_UNITS.keys() | UNITS.keys()  # what stands in the prepared arrays already
CODES = {-1.0, -3.0, -10.0, -121.0, -818.0}  # of columns that hold whole numbers: no answer, or less than one
ANSWERS = {-7.0, -313.0}  # codes that say something: none of the above, still going on
Numbers = dict[Visit, dict[str, float]]
Row = tuple[int, int | None]  # eid, and the instance that a row of a long table tells


class _Column(NamedTuple):
    place: int
    name: str
    instance: int | None


def read_further(data: Path, visits: Iterable[Visit]) -> Numbers:
    """Visit -> name -> number, of every column of UK Biobank's exports in a folder that holds numbers only.

    A column that names no visit is of the row's `instance`, or else of all visits. Empty cells are left out. So are
    CODES where all other numbers of a column are whole, and none is negative but ANSWERS: they mean "no answer" there.

    Args:
        visits: whose; nobody else's cells are looked at.

    Raises:
        InputError: as `cohort.table_reader.read_table`.
    """
    numbers: Numbers = {visit: {} for visit in visits}
    fields = read_field_map(Path(data), PERSON_UNITS | UNITS)
    for path in (Path(data) / name for name in EXPORTS):
        if path.exists():
            _add(path, fields, numbers)
    return numbers


def _add(path: Path, fields: dict[int, Field], numbers: Numbers) -> None:
    eids = {eid for eid, _ in numbers}
    with opened_records(path, known_spellings(KEY)) as (header, records, delimiter):
        columns = _columns(header, fields)
        keys = {name: place for place, cell in enumerate(header) if (name := _key(cell))}
        rows: dict[Row, Sequence[str]] = {}
        for _, cells in records:
            eid, visit = (_whole(cells, keys.get(name)) for name in KEY)
            if eid in eids:
                rows[eid, visit] = cells
    for name in dict.fromkeys(column.name for column in columns):
        mine = [column for column in columns if column.name == name]
        cells = {
            (eid, visit if column.instance is None else column.instance): cell
            for (eid, visit), row in rows.items()
            for column in mine  # what comes later stays
            if (cell := _cell(row, column.place))
        }
        found = _numbers(cells, delimiter)
        for eid, instance in numbers:
            value = found.get((eid, instance), found.get((eid, None)))
            if value is not None:
                numbers[eid, instance].setdefault(name, value)


def _whole(cells: Sequence[str], place: int | None) -> int | None:
    """The whole number in a row's place; None where there is none."""
    whole = WHOLE.fullmatch(cells[place]) if place is not None and len(cells) > place else None
    return int(whole[1]) if whole else None


def _key(cell: str) -> str:
    """ "eid" or "instance" where a column is called so; else empty."""
    return "eid" if STATA_EID.fullmatch(cell) else known_spellings(KEY).get(plain(cell), "")


def _columns(header: list[str], fields: dict[int, Field]) -> list[_Column]:
    """The columns of UK Biobank's fields that are none of OURS, those of the lowest rank last."""
    columns, ranks = [], []
    for place, cell in enumerate(header):
        column = field_column(cell)
        if column and (name := _name(column, fields)) not in OURS:
            columns.append(_Column(place, name, column.instance))
            ranks.append(fields[column.field].rank if column.field in fields else 1)
    return [columns[place] for place in sorted(range(len(columns)), key=ranks.__getitem__, reverse=True)]


def _name(column: FieldColumn, fields: dict[int, Field]) -> str:
    name = fields[column.field].name if column.field in fields else f"p{column.field}"
    return f"{name}_a{column.array}" if column.array else name


def _cell(row: Sequence[str], place: int) -> str:
    cell = row[place] if place < len(row) else ""
    return "" if cell.casefold() in NO_ANSWERS and finite_number(cell) is None else cell


def _numbers(cells: dict[Row, str], delimiter: str) -> dict[Row, float]:
    """The numbers of one column's cells; none of a column that also holds something else."""
    numbers = {
        visit: finite_number(cell.replace(",", ".") if delimiter == ";" else cell) for visit, cell in cells.items()
    }
    if None in numbers.values():
        return {}
    others = [number for number in numbers.values() if number not in CODES]
    if all(number.is_integer() and (number >= 0 or number in ANSWERS) for number in others):
        return {visit: number for visit, number in numbers.items() if number not in CODES}
    return numbers


def write_further(folder: Path, data: Path, visits: Sequence[Visit]) -> None:
    """Write FURTHER into a folder: eid, instance, and a column for each further number. Without any, there is no file.

    Args:
        visits: (N,) in the order of the rows.
    """
    numbers = read_further(data, visits)
    names = sorted({name for row in numbers.values() for name in row})
    if names:
        rows = ((*visit, *(numbers[visit].get(name, "") for name in names)) for visit in visits)
        write_table(folder / FURTHER, ("eid", "instance", *names), rows)
