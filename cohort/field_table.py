"""Further numbers of people whom a table given to sample.py describes, by visit or by the name of the ECG's file."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cohort.column_names import known_spellings
from cohort.errors import InputError
from cohort.field_map import NO_ANSWERS, Field, field_column, read_field_map
from cohort.further import CODES, USUAL_RANK, cell_at, counts, key_places, lowest_last, name_of, rank_of, visit_of
from cohort.person import finite_number
from cohort.person_number import person_number
from cohort.phenotypes import UNITS
from cohort.study_tables import PERSON_UNITS
from cohort.subjects import FIRST_IMAGING_VISIT, Visit
from cohort.table_reader import FILE, KEY, file_stem, opened_records, told_person

SPELLINGS = known_spellings(KEY | {FILE: ""})
Numbers = dict[str, float]  # by the name of the field


@dataclass(frozen=True)
class FieldTable:
    """What a table tells of further fields.

    Attributes:
        lacking: fields of which it has no column.
        visits: of columns that tell a visit, or whose row does. people: by eid, of columns that are of every visit.
        files: by the stem of the ECG's file, of a table with a column `file`.
    """

    lacking: tuple[str, ...] = ()
    visits: dict[Visit, Numbers] = field(default_factory=dict)
    people: dict[int, Numbers] = field(default_factory=dict)
    files: dict[str, Numbers] = field(default_factory=dict)

    def of_file(self, path: Path, visit: Visit | None) -> Numbers:
        """What is told of the person of an ECG's file, as `cohort.study_tables.PersonTable.of_file` finds the row."""
        stem = file_stem(path.name)
        if stem in self.files:
            return self.files[stem]
        visit = visit or (person_number(stem), FIRST_IMAGING_VISIT)
        return self.people.get(visit[0], {}) | self.visits.get(visit, {})


class _Column(NamedTuple):
    """A column that tells a field: its place, and what UK Biobank's spelling of it says of the visit."""

    place: int
    name: str
    biobank: bool
    instance: int | None


class _Told(NamedTuple):
    """One cell that holds something. `visit` is None where it is of every visit of the person."""

    column: _Column
    row: int
    who: int | str
    visit: int | None
    number: float


def read_fields(path: Path, names: Sequence[str], called: Collection[str] = ()) -> FieldTable:
    """The further fields of a table of people, which `cohort.study_tables.read_persons` has accepted.

    Args:
        names: of the fields; each is the name of a column, as `cohort.further` calls it.
        called: people whom no eid calls, by their names.

    Raises:
        InputError: a cell of such a column holds no number. The message names row and column, never who it is.
    """
    if not names:
        return FieldTable()
    path = Path(path)
    fields = read_field_map(path.parent, PERSON_UNITS | UNITS)
    with opened_records(path, SPELLINGS) as (header, records, delimiter):
        columns = _columns(header, names, fields)
        told = list(_told(path, header, columns, records, delimiter == ";", called))
    table = FieldTable(tuple(name for name in names if name not in {column.name for column in columns}))
    whole = {name: _is_whole(told, name) for name in names}
    for cell in told:
        name = cell.column.name
        if cell.column.biobank and whole[name] and cell.number in CODES:
            continue
        if isinstance(cell.who, str):
            table.files.setdefault(cell.who, {})[name] = cell.number
        elif cell.visit is None:
            table.people.setdefault(cell.who, {})[name] = cell.number
        else:
            table.visits.setdefault((cell.who, cell.visit), {})[name] = cell.number
    return table


def _columns(header: Sequence[str], names: Sequence[str], fields: dict[int, Field]) -> list[_Column]:
    """The columns of these fields, those of the lowest rank last: what comes later stays."""
    columns, ranks = [], []
    for place, cell in enumerate(header):
        spelled = field_column(cell)
        name = name_of(spelled, fields) if spelled else cell
        if name in names:
            columns.append(_Column(place, name, spelled is not None, spelled.instance if spelled else None))
            ranks.append(rank_of(spelled, fields) if spelled else USUAL_RANK)
    return lowest_last(columns, ranks)


def _told(
    path: Path,
    header: Sequence[str],
    columns: Sequence[_Column],
    records: Iterator[tuple[int, list[str]]],
    commas: bool,
    called: Collection[str],
) -> Iterator[_Told]:
    """Every cell that tells a number of somebody. commas: a comma is a decimal mark."""
    keys = key_places(header, SPELLINGS)
    for row, cells in records:
        visit = visit_of(cell_at(cells, keys.get("instance")))
        if FILE in keys:
            who = file_stem(cell_at(cells, keys[FILE]))
        else:
            who = told_person(cell_at(cells, keys.get("eid")), called)
        for column in columns if who is not None else ():
            cell = cell_at(cells, column.place)
            if not cell or cell.casefold() in NO_ANSWERS - {"-1", "-3", "-10"}:
                continue
            number = finite_number(cell.replace(",", ".") if commas else cell)
            if number is None:
                fault = f"row {row}, column {header[column.place]} is not a number"
                raise InputError(path, fault, "correct the cell or leave it empty")
            instance = visit
            if column.biobank:
                instance = visit if column.instance is None else column.instance
            elif "instance" not in keys:
                instance = FIRST_IMAGING_VISIT
            yield _Told(column, row, who, instance, number)


def _is_whole(told: Sequence[_Told], name: str) -> bool:
    """Whether a field of UK Biobank's holds whole numbers only, so that CODES are no numbers there."""
    numbers = {cell.number for cell in told if cell.column.name == name} - set(CODES)
    return all(map(counts, numbers))
