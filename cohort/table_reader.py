"""Tables as people save them: CSV in the dialects of spreadsheets, read exactly, or refused by row and column.

Cells stand between commas, semicolons or tabs; the header shows which. Numbers may have decimal commas where that is
certain. Text is UTF-8, or begins with a byte-order mark.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cohort.column_names import is_unit, known_spellings, plain, shown
from cohort.errors import InputError
from cohort.input_file import read_limited
from cohort.person import finite_number
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
WHOLE = re.compile(r"([0-9]{1,18})(?:[.,]0+)?")  # pandas writes 9.0 where a column has a gap
NO_THOUSANDS = re.compile(r"[+-]?[0-9]*,(?:[0-9]{1,2}|[0-9]{4,})")  # 1,234 may be a thousand; these are not
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
SEPARATOR_LINE = re.compile(r"sep=(.)")  # Excel's own hint, before the header

Row = tuple[int, dict[str, str]]  # its number in the file, which begins with 1, and the cells of known columns


@dataclass(frozen=True)
class InputTable:
    """A table whose header is understood.

    Attributes:
        columns: our names of its columns.
        unknown: the others, as they are spelled.
        rows: in their order, without empty ones and without blanks around cells.
        delimiter: what stands between cells.
    """

    path: Path
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: list[Row]
    delimiter: str

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether numbers have one: certain between semicolons, or where a comma cannot stand for thousands."""
        cells = [cell for _, row in self.rows for name, cell in row.items() if name not in KEY and "," in cell]
        if self.delimiter == ";":
            return any(map(DECIMAL_COMMA.fullmatch, cells))
        return any(map(NO_THOUSANDS.fullmatch, cells))

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever gave the table should know."""
        return (f"{self.path}: columns nobody knows: {shown(self.unknown)}",) if self.unknown else ()

    def fault(self, row: int, column: str, what: str, remedy: str = "correct the cell or leave it empty") -> InputError:
        """The refusal of one cell."""
        return InputError(self.path, f"row {row}, column {column} is {what}", remedy)

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

    def by_visit(self) -> Iterator[tuple[int, Visit, dict[str, str]]]:
        """(row, visit, cells). Without a column `instance`, every row is of the first imaging visit.

        Raises:
            InputError: an eid or an instance is no whole number, or a visit occurs twice.
        """
        seen: dict[Visit, int] = {}
        for row, cells in self.rows:
            eid = self._whole(row, "eid", cells["eid"])
            instance = self._whole(row, "instance", cells["instance"]) if "instance" in cells else FIRST_IMAGING_VISIT
            first = seen.setdefault((eid, instance), row)
            if first != row:
                repeated = f"a repetition of row {first}: the same person at the same visit"
                how = "keep one row a visit" if "instance" in cells else "keep one, or add a column `instance`"
                raise self.fault(row, "eid", repeated, how)
            yield row, (eid, instance), cells

    def _whole(self, row: int, column: str, cell: str) -> int:
        number = WHOLE.fullmatch(cell)
        if number is None or (column == "instance" and int(number[1]) > 9):
            raise self.fault(row, column, "not a whole number" if column == "eid" else "not 0 to 9", "correct the cell")
        return int(number[1])


def read_table(path: Path, units: Mapping[str, str], required: tuple[str, ...], key: str = "eid") -> InputTable:
    """Read a table whose rows are keyed by eid, or another column, and perhaps by instance.

    Args:
        units: the columns that may be there, each with its unit (`cohort.column_names.known_spellings`).
        required: those that must be there.
        key: the column that says whose a row is.

    Raises:
        InputError: no such file, or no CSV. A required column is absent, or one occurs twice. A row has more or fewer
            cells than the header. It never quotes a cell.
    """
    units = {key: "", "instance": ""} | dict(units)
    spellings = known_spellings(units)
    lines = list(io.StringIO(_decoded(path, read_limited(path)), newline=""))
    begin, delimiters = _before_header(lines)
    delimiter = _delimiter(lines[begin] if begin < len(lines) else "", delimiters, spellings)
    (_, header), *records = _records(path, lines[begin:], begin, delimiter)
    header = header[: _filled(header)]
    names = [spellings.get(plain(cell)) for cell in header]
    _check_header(path, names, (key, *required), tuple(units))
    rows = [(number, _row(path, number, cells, names)) for number, cells in records if any(cells)]
    if rows and _says_units(rows[0][1], units):
        del rows[0]
    unknown = tuple(cell for cell, name in zip(header, names, strict=True) if name is None)
    return InputTable(path, tuple(filter(None, names)), unknown, rows, delimiter)


def _before_header(lines: list[str]) -> tuple[int, tuple[str, ...]]:
    """How many lines are empty, comments or Excel's "sep=;", and the delimiters that may follow."""
    delimiters = DELIMITERS
    for begin, line in enumerate(lines):
        hint = SEPARATOR_LINE.fullmatch(line.strip("\r\n"))
        if not hint and line.strip() and not line.startswith("#"):
            return begin, delimiters
        delimiters = (hint[1],) if hint and hint[1] in DELIMITERS else delimiters
    return len(lines), delimiters


def _records(path: Path, lines: list[str], skipped: int, delimiter: str) -> list[tuple[int, list[str]]]:
    """(number, cells without blanks around them) of the header, which may be empty, and of every record after it."""
    try:
        records = [[cell.strip() for cell in record] for record in csv.reader(lines, delimiter=delimiter, strict=True)]
    except csv.Error:
        raise InputError(path, "not a CSV table: its quotation marks do not match", "save it as CSV (UTF-8)") from None
    return list(enumerate(records, start=skipped + 1)) or [(1, [])]


def _delimiter(header: str, delimiters: tuple[str, ...], spellings: Mapping[str, str]) -> str:
    """What cuts the header into most columns that are known; after that, into most columns."""

    def columns(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(plain(cell) in spellings for cell in cells), len(cells)

    return max(delimiters, key=columns)


def _filled(cells: list[str]) -> int:
    """How many cells there are, without the empty ones at the end."""
    return max((place for place, cell in enumerate(cells, start=1) if cell), default=0)


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith(SPREADSHEETS):
        raise InputError(path, "a spreadsheet, not a CSV table", "save it as CSV (UTF-8)")
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(path, "not a CSV table in UTF-8", "save it as CSV (UTF-8)") from None
    if "\0" in text:
        raise InputError(path, "not a CSV table: it holds NUL characters", "save it as CSV (UTF-8)")
    return text


def _check_header(path: Path, names: list[str | None], required: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Refuse a header that lacks a column, knows only the key, or has a column of ours twice."""
    there = [name for name in names if name]
    missing = [column for column in required if column not in there]
    if missing:
        remedy = f"its first row must name the columns {', '.join(required)}"
        raise InputError(path, f"it lacks the column {', '.join(missing)}", remedy)
    if set(there) <= KEY.keys():
        ours = ", ".join(name for name in known if name not in KEY)
        raise InputError(path, "none of its columns is known", f"name them as one of {ours}")
    twice = next((name for name in there if there.count(name) > 1), None)
    if twice:
        raise InputError(path, f"the column {twice} occurs twice", "keep one of them")


def _row(path: Path, number: int, cells: list[str], names: list[str | None]) -> dict[str, str]:
    """The cells of known columns. Empty cells beyond the header do not count."""
    if _filled(cells) > len(names) or len(cells) < len(names):
        raise InputError(path, f"row {number} has {len(cells)} cells, the header {len(names)}", "correct the row")
    return {name: cell for name, cell in zip(names, cells, strict=False) if name}


def _says_units(cells: dict[str, str], units: Mapping[str, str]) -> bool:
    return any(cells.values()) and all(is_unit(cell, units[name]) for name, cell in cells.items())
