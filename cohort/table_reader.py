"""Tables as people save them: CSV in the dialects of spreadsheets, read exactly, or refused by row and column.

Cells stand between commas, semicolons or tabs; the header shows which. Numbers may have decimal commas where that is
certain. Text is UTF-8, or begins with a byte-order mark.
"""

import codecs
import csv
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import NamedTuple

from cohort.column_names import is_unit, known_spellings, plain, shown
from cohort.ecg_formats import ECG_SUFFIXES, SIDECARS
from cohort.errors import InputError
from cohort.field_map import Field, answer, field_column
from cohort.input_file import check_file, read_beginning, unreadable
from cohort.person import finite_number
from cohort.person_number import person_number
from cohort.subjects import FIRST_IMAGING_VISIT, Visit

DELIMITERS = (",", ";", "\t")
MARKS = (  # UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx, .ods; .xls
KEY = {"eid": "", "instance": ""}
FILE = "file"  # in place of eid: the name of an ECG's file
STATA_EID = re.compile(r"n_eid_\d+")  # UK Biobank for Stata, with the number of the application
SPARE = "spare "  # before the name of a column that is used where nothing else is there
LARGEST_TABLE = 2**30  # bytes; half a million people with 30 columns have a tenth
WHOLE = re.compile(r"([0-9]{1,18})(?:[.,]0+)?")  # pandas writes 9.0 where a column has a gap
NO_THOUSANDS = re.compile(r"[+-]?[0-9]*,(?:[0-9]{1,2}|[0-9]{4,})")  # 1,234 may be a thousand; these are not
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
SEPARATOR_LINE = re.compile(r"sep=(.)")  # Excel's own hint, before the header

Cell = tuple[str, int | None]  # our column, and the visit that its name tells
Row = tuple[
    int, dict[Cell, str]
]  # its number in the file, which begins with 1, and its known cells that hold something


@dataclass(frozen=True)
class InputTable:
    """A table whose header is understood.

    Attributes:
        columns: our names of its columns.
        unknown: the others, as they are spelled, but for UK Biobank's fields.
        rows: in their order, without empty ones and without blanks around cells.
        delimiter: what stands between cells.
        spelled: our name -> how UK Biobank's columns of it are spelled.
        lasting: names of UK Biobank's columns that tell no visit, and are of every one.
    """

    path: Path
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: list[Row]
    delimiter: str
    spelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lasting: frozenset[str] = frozenset()

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether numbers have one: certain between semicolons, or where a comma cannot stand for thousands."""
        cells = [cell for _, row in self.rows for (name, _), cell in row.items() if name not in KEY and "," in cell]
        if self.delimiter == ";":
            return any(map(DECIMAL_COMMA.fullmatch, cells))
        return any(map(NO_THOUSANDS.fullmatch, cells))

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever gave the table should know."""
        return (f"{self.path}: columns nobody knows: {shown(self.unknown)}",) if self.unknown else ()

    def fault(self, row: int, column: str, what: str, remedy: str = "correct the cell or leave it empty") -> InputError:
        """The refusal of one cell."""
        spelled = f" ({shown(self.spelled[column])})" if column in self.spelled else ""
        return InputError(self.path, f"row {row}, column {column}{spelled} is {what}", remedy)

    def number(self, row: int, column: str, cell: str) -> float | None:
        """The number of a cell; None of an empty one.

        Raises:
            InputError: it holds no number, or a point where the table has decimal commas.
        """
        if cell == "":
            return None
        if self.decimal_comma and "." in cell:
            raise self.fault(row, column, "ambiguous: a point, in a table of decimal commas", "use one decimal mark")
        decimal = self.decimal_comma and DECIMAL_COMMA.fullmatch(cell)
        number = finite_number(cell.replace(",", ".") if decimal else cell)
        if number is None:
            raise self.fault(row, column, "not a number")
        return number

    def by_visit(self, names: Collection[str] = ()) -> Iterator[tuple[int, Visit, dict[str, str]]]:
        """(row, visit, cells). What tells no visit is of the row's `instance`, or else of the first imaging visit.

        A row of UK Biobank's holds several visits. Its columns that tell no visit are of all of them.

        Args:
            names: of the cohort's people whom no eid calls; where there are any, eids may be names.

        Raises:
            InputError: an eid or an instance is no whole number, or a visit occurs twice.
        """
        seen: dict[Visit, int] = {}
        keyed = "instance" in self.columns
        for row, cells in self.rows:
            eid = told_person(cells.get(("eid", None), ""), names)
            if eid is None:
                raise self.fault(row, "eid", "not a whole number", "correct the cell")
            own = self._visit_number(row, cells.get(("instance", None), "")) if keyed else None
            for instance, held in self._visits(cells, own).items():
                first = seen.setdefault((eid, instance), row)
                if first != row:
                    repeated = f"a repetition of row {first}: the same person at the same visit"
                    how = "keep one row a visit" if keyed else "keep one, or add a column `instance`"
                    raise self.fault(row, "eid", repeated, how)
                yield row, (eid, instance), dict.fromkeys(self.columns, "") | held

    def by_file(self, column: str) -> Iterator[tuple[int, str, dict[str, str]]]:
        """(row, stem of a file's name, cells) of a table whose key is such a name, with its ending or without.

        Raises:
            InputError: a name is empty, or occurs twice.
        """
        seen: dict[str, int] = {}
        for row, cells in self.rows:
            stem = file_stem(cells.get((column, None), ""))
            first = seen.setdefault(stem, row)
            if not stem or first != row:
                what = f"a repetition of row {first}: the same file" if stem else "empty"
                raise self.fault(row, column, what, "keep one row a file")
            yield row, stem, dict.fromkeys(self.columns, "") | {name: cell for (name, _), cell in cells.items()}

    def _visits(self, cells: dict[Cell, str], own: int | None) -> dict[int, dict[str, str]]:
        """Instance -> its cells, of one row. `own` is what the row's column `instance` says."""
        visits: dict[int, dict[str, str]] = {}
        for (name, instance), cell in cells.items():
            if instance is not None:
                visits.setdefault(instance, {})[name] = cell
        plain = {name: cell for (name, instance), cell in cells.items() if instance is None}
        lasting = {name: plain.pop(name) for name in self.lasting if name in plain}
        if own is not None or not visits or plain.keys() - KEY.keys():
            visits.setdefault(FIRST_IMAGING_VISIT if own is None else own, {}).update(plain)
        return {instance: lasting | held for instance, held in visits.items()}

    def _visit_number(self, row: int, cell: str) -> int:
        number = WHOLE.fullmatch(cell)
        if number is None or int(number[1]) > 9:
            raise self.fault(row, "instance", "not 0 to 9", "correct the cell")
        return int(number[1])


def read_table(
    path: Path, units: Mapping[str, str], required: tuple[str, ...], fields: Mapping[int, Field] | None = None
) -> InputTable:
    """Read a table whose rows are keyed by eid and, perhaps, instance.

    Args:
        units: the columns that may be there, each with its unit (`cohort.column_names.known_spellings`).
        required: those that must be there; in a table with UK Biobank's columns, eid alone must be.
        fields: UK Biobank's fields (`cohort.field_map`). Of one name, those of the lowest rank are taken. Further ones
            are taken as SPARE and that name, where `units` has it.

    Raises:
        InputError: no such file, or no CSV. A required column is absent, or one occurs twice. A row has more or fewer
            cells than the header. It never quotes a cell.
    """
    units = KEY | dict(units)
    spellings = known_spellings(units)
    with opened_records(path, spellings) as (header, records, delimiter):
        places = _places(header, spellings, units, fields or {})
        _check_header(path, header, places, required, tuple(units))
        full = ((number, _row(path, number, cells, places)) for number, cells in records if any(cells))
        first = next(full, None)
        kept = [] if first is None or _says_units(first[1], units) else [first]
        rows = [(number, {place: cell for place, cell in cells.items() if cell}) for number, cells in (*kept, *full)]
    names = tuple(dict.fromkeys(place.name for place in places if place.name))
    spelled: dict[str, tuple[str, ...]] = {}
    for cell, place in zip(header, places, strict=True):
        if place.name and place.field:
            spelled[place.name] = (*spelled.get(place.name, ()), cell)
    unknown = tuple(cell for cell, place in zip(header, places, strict=True) if not (place.name or place.biobank))
    lasting = frozenset(place.name for place in places if place.field and place.name and place.instance is None)
    return InputTable(path, names, unknown, rows, delimiter, spelled, lasting)


def told_person(cell: str, names: Collection[str]) -> int | None:
    """The number of the person whom a cell of the column eid tells; None where it tells nobody.

    Args:
        names: of the cohort's people whom no eid calls. One of them goes before an eid: a folder may be called 001.
            Where there are none, a cell is an eid or tells nobody. Else any text is a name, perhaps of somebody else.
    """
    whole = WHOLE.fullmatch(cell)
    if whole and cell not in names:
        return int(whole[1])
    return person_number(cell) if names and cell else None


def file_stem(name: str) -> str:
    """The stem of an ECG's file; of a name without such an ending, the name."""
    path = PurePath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in (*ECG_SUFFIXES, *SIDECARS) else path.name


class _Place(NamedTuple):
    """What a column of the header is: our name ("" where it is none), its visit, and its field, if it is UK Biobank's.

    `biobank` says that its name is UK Biobank's, whether the field is known or not.
    """

    name: str = ""
    instance: int | None = None
    field: Field | None = None
    biobank: bool = False


def _places(
    header: list[str], spellings: Mapping[str, str], units: Mapping[str, str], fields: Mapping[int, Field]
) -> list[_Place]:
    found = [field_column(cell) if fields else None for cell in header]
    mapped = [fields.get(column.field) if column and column.array == 0 else None for column in found]
    names = [spellings.get(plain(cell), "eid" if STATA_EID.fullmatch(cell) else "") for cell in header]
    lowest = dict.fromkeys(names, 0)
    for one in filter(None, mapped):
        lowest[one.name] = min(lowest.get(one.name, one.rank), one.rank)
    places = []
    for name, column, one in zip(names, found, mapped, strict=True):
        if column and one:
            ours = one.name if one.rank == lowest[one.name] == 1 else f"{SPARE}{one.name}"
            places.append(_Place(ours if ours in units else "", column.instance, one, True))
        else:
            places.append(_Place(name, biobank=column is not None))
    return places


@contextmanager
def opened_records(
    path: Path, spellings: Mapping[str, str]
) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]], str]]:
    """The header, (number, cells) of the records after it, one by one, and what stands between cells.

    Args:
        spellings: of columns that are looked for, to tell the delimiter (`cohort.column_names.known_spellings`).

    Raises:
        InputError: as `opened_lines`; or the quotation marks do not match.
    """
    with opened_lines(path) as lines:
        head, begin, delimiters = _before_header(lines)
        delimiter = _delimiter(head, delimiters, spellings)
        records = _records(path, itertools.chain([head], lines), begin, delimiter)
        _, header = next(records, (begin + 1, []))
        yield header[: _filled(header)], records, delimiter


@contextmanager
def opened_lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a text file of at most LARGEST_TABLE bytes, one by one, with their ends.

    Raises:
        InputError: no such file, a spreadsheet, or not in UTF-8 or a marked encoding; also while lines are read.
    """
    check_file(path, LARGEST_TABLE, "keep the columns that are needed")
    begin = read_beginning(path, 4, LARGEST_TABLE)
    if begin.startswith(SPREADSHEETS):
        raise InputError(path, "a spreadsheet, not a CSV table", "save it as CSV (UTF-8)")
    encoding = next((name for mark, name in MARKS if begin.startswith(mark)), "utf-8")
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield _checked(path, file)
    except UnicodeError:
        raise InputError(path, "not a CSV table in UTF-8", "save it as CSV (UTF-8)") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _checked(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise InputError(path, "not a CSV table: it holds NUL characters", "save it as CSV (UTF-8)")
        yield line


def _before_header(lines: Iterator[str]) -> tuple[str, int, tuple[str, ...]]:
    """The header's first line, the number of lines before it, and the delimiters that may follow.

    Those are empty, comments, or Excel's "sep=;".
    """
    delimiters, number = DELIMITERS, 0
    for number, line in enumerate(lines):
        hint = SEPARATOR_LINE.fullmatch(line.strip("\r\n"))
        if not hint and line.strip() and not line.startswith("#"):
            return line, number, delimiters
        delimiters = (hint[1],) if hint and hint[1] in DELIMITERS else delimiters
    return "", number, delimiters


def _records(path: Path, lines: Iterable[str], skipped: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number, cells without blanks around them) of the header, which may be empty, and of every record after it."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for number in itertools.count(skipped + 1):
        try:
            record = next(reader, None)
        except csv.Error:
            fault = "not a CSV table: its quotation marks do not match"
            raise InputError(path, fault, "save it as CSV (UTF-8)") from None
        if record is None:
            return
        yield number, [cell.strip() for cell in record]


def _delimiter(header: str, delimiters: tuple[str, ...], spellings: Mapping[str, str]) -> str:
    """What cuts the header into most columns that are known; after that, into most columns."""

    def columns(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(plain(cell) in spellings for cell in cells), len(cells)

    return max(delimiters, key=columns)


def _filled(cells: list[str]) -> int:
    """How many cells there are, without the empty ones at the end."""
    return max((place for place, cell in enumerate(cells, start=1) if cell), default=0)


def _check_header(
    path: Path, header: list[str], places: list[_Place], required: tuple[str, ...], known: tuple[str, ...]
) -> None:
    """Refuse a header that lacks a column, knows only the key, or has a column of ours twice."""
    there = [(place.name, place.instance) for place in places if place.name]
    names, biobank = {name for name, _ in there}, any(place.biobank for place in places)
    key = () if FILE in names else ("eid",)
    missing = [column for column in (*key, *(() if biobank else required)) if column not in names]
    if missing:
        remedy = f"its first row must name the columns {', '.join(('eid', *required))}"
        raise InputError(path, f"it lacks the column {', '.join(missing)}", remedy)
    if names <= KEY.keys() and not biobank:
        ours = ", ".join(name for name in known if name not in KEY and not name.startswith(SPARE))
        raise InputError(path, "none of its columns is known", f"name them as one of {ours}")
    twice = next((place for place in there if there.count(place) > 1), None)
    if twice:
        raise InputError(path, f"the column {twice[0]} occurs twice", "keep one of them")


def _row(path: Path, number: int, cells: list[str], places: list[_Place]) -> dict[Cell, str]:
    """The cells of known columns. Empty cells beyond the header do not count."""
    if _filled(cells) > len(places) or len(cells) < len(places):
        raise InputError(path, f"row {number} has {len(cells)} cells, the header {len(places)}", "correct the row")
    return {
        (place.name, place.instance): answer(cell, place.field) if place.field else cell
        for place, cell in zip(places, cells, strict=False)
        if place.name
    }


def _says_units(cells: dict[Cell, str], units: Mapping[str, str]) -> bool:
    return any(cells.values()) and all(is_unit(cell, units[name]) for (name, _), cell in cells.items())
