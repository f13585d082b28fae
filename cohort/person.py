"""What is known of a person beside the ECG: sex, age, height and weight, and tables of them. No names, no dates."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cohort.errors import InputError
from cohort.input_file import read_limited

PERSON_COLUMNS = ("eid", "sex", "age", "height_cm", "weight_kg")

_SEXES = {"female": "female", "f": "female", "male": "male", "m": "male", "": None}
_SEXES |= {"0": "female", "0.0": "female", "1": "male", "1.0": "male"}  # coding 9; as float where pandas met a gap


@dataclass(frozen=True)
class Person:
    """Each field may be absent (None).

    Attributes:
        sex: "female" or "male".
        age_years, height_cm, weight_kg: at the visit of the ECG.
    """

    sex: Literal["female", "male"] | None = None
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None

    @classmethod
    def from_text(cls, sex: str, age_years: str, height_cm: str, weight_kg: str) -> "Person":
        """What a file says of a person. 0 and empty, which mean "not entered", and impossible values are None."""
        return cls(
            sex={"female": "female", "f": "female", "male": "male", "m": "male"}.get(sex.strip().lower()),
            age_years=_within(age_years, 1, 120),
            height_cm=_within(height_cm, 50, 250),
            weight_kg=_within(weight_kg, 10, 400),
        )

    def filled_from(self, other: "Person") -> "Person":
        """This person with its absent fields taken from `other`."""
        return Person(*(mine if mine is not None else theirs for mine, theirs in zip(self.row, other.row, strict=True)))

    @property
    def row(self) -> tuple:
        return (self.sex, self.age_years, self.height_cm, self.weight_kg)

    @property
    def vector(self) -> np.ndarray:
        """(4,) float32: sex (0 female, 1 male), age in years, height in cm, weight in kg; NaN where absent."""
        sex = {"female": 0.0, "male": 1.0}.get(self.sex, np.nan)
        return np.array([sex, *(np.nan if x is None else x for x in self.row[1:])], dtype=np.float32)


def finite_number(text: str) -> float | None:
    """The finite number that `text` spells in plain digits, or None."""
    try:
        number = math.nan if "_" in text else float(text)  # Python alone would read 1_000
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _within(text: str, low: float, high: float) -> float | None:
    number = finite_number(text)
    return number if number is not None and low <= number <= high else None


def read_persons(path: str | Path) -> dict[int, Person]:
    """Read a table of people: eid -> Person.

    Args:
        path: CSV with the columns eid, sex, age (years), height_cm, weight_kg in any order. Others are ignored. Sex is
            female or male, F or M, or UK Biobank's coding 9 (0 female, 1 male). An empty cell is None.

    Raises:
        InputError: a column is missing, a cell cannot be understood, or an eid occurs twice. The message names row and
            column (the header is row 1), never the eid.
    """
    path = Path(path)
    persons = {}
    for row, eid, cells in _rows(path, PERSON_COLUMNS):
        sex = cells["sex"].lower()
        if sex not in _SEXES:
            raise _cell_error(path, row, "sex", "neither female nor male", "write female, male, F, M, 0 or 1")
        numbers = [_number(path, row, column, cells[column]) for column in PERSON_COLUMNS[2:]]
        for column, number in zip(PERSON_COLUMNS[2:], numbers, strict=True):
            if number is not None and number <= 0:
                raise _cell_error(path, row, column, "not positive", "correct the cell or leave it empty")
        persons[eid] = Person(_SEXES[sex], *numbers)
    return persons


def read_phenotypes(path: str | Path) -> dict[int, dict[str, float]]:
    """Read a table of measurements: eid -> column name -> value. Empty cells are left out.

    Args:
        path: CSV with the column eid. Every other column holds numbers, in the unit that its name says.

    Raises:
        InputError: as `read_persons`.
    """
    path = Path(path)
    phenotypes = {}
    for row, eid, cells in _rows(path, ("eid",)):
        numbers = {column: _number(path, row, column, cell) for column, cell in cells.items() if column != "eid"}
        phenotypes[eid] = {column: number for column, number in numbers.items() if number is not None}
    return phenotypes


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield (row, eid, cells by column), cells without blanks around them. The header and the eids are checked."""
    try:
        text = read_limited(path).decode("utf-8-sig")
        table = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    except (UnicodeDecodeError, csv.Error):
        raise InputError(path, "not a CSV table in UTF-8", "save it as CSV (UTF-8)") from None
    header = table[0] if table else []
    missing = [column for column in required if column not in header]
    if missing or len(set(header)) != len(header):
        fault = f"it lacks the column {', '.join(missing)}" if missing else "a column name occurs twice"
        raise InputError(path, fault, f"its first row must name the columns {', '.join(required)}")
    seen: set[int] = set()
    for row, values in enumerate(table[1:], start=2):
        if not any(values):
            continue
        if len(values) != len(header):
            raise InputError(path, f"row {row} has {len(values)} cells, the header {len(header)}", "correct the row")
        cells = dict(zip(header, values, strict=True))
        if not (cells["eid"].isascii() and cells["eid"].isdigit() and len(cells["eid"]) < 19):
            raise _cell_error(path, row, "eid", "not a whole number", "correct the cell")
        eid = int(cells["eid"])
        if eid in seen:
            raise _cell_error(path, row, "eid", "a repetition of an earlier row", "keep one row a person")
        seen.add(eid)
        yield row, eid, cells


def _number(path: Path, row: int, column: str, cell: str) -> float | None:
    if cell == "":
        return None
    number = finite_number(cell)
    if number is None:
        raise _cell_error(path, row, column, "not a number", "correct the cell or leave it empty")
    return number


def _cell_error(path: Path, row: int, column: str, fault: str, remedy: str) -> InputError:
    return InputError(path, f"row {row}, column {column} is {fault}", remedy)
