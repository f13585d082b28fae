"""UK Biobank's fields: which of them is which of our columns, and how exports spell them.

The map is a small table, field_map.csv beside this file. Who knows better puts a corrected copy into the data folder.
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cohort.errors import InputError
from cohort.input_file import read_limited

FIELD_MAP = "field_map.csv"
OURS = Path(__file__).with_name(FIELD_MAP)
MAP_COLUMNS = ("field", "name", "unit", "rank", "codes")
# p31, p31_i0, p31_i0_a0, participant.p31 (research platform); 31-0.0 (CSV); f.31.0.0 (R); n_31_0_0 (Stata); X31.0.0
SPELLINGS = re.compile(
    r"(?:participant\.)?p(\d{1,6})(?:_i(\d))?(?:_a(\d{1,3}))?|(\d{1,6})-(\d)\.(\d{1,3})"
    r"|[fx]\.?(\d{1,6})\.(\d)\.(\d{1,3})|(?:n|f|x)_?(\d{1,6})_(\d)_(\d{1,3})",
    re.IGNORECASE,
)
NO_ANSWERS = {"-1", "-3", "-10", "na", "nan", "do not know", "prefer not to answer"}  # -10: less than one
_WHOLE = re.compile(r"(-?\d+)\.0+")  # pandas writes 1.0 where a column has a gap


class Field(NamedTuple):
    """One field of the map.

    Attributes:
        name: of our column, or of a further number.
        unit: ours.
        rank: 1; more for a column that is used only where no other of this name is there.
        codes: what a cell says -> what it means.
    """

    name: str
    unit: str
    rank: int
    codes: Mapping[str, str]


class FieldColumn(NamedTuple):
    """A column of an export. `instance` is None where its name tells none: then it is of every visit."""

    field: int
    instance: int | None
    array: int


def field_column(spelled: str) -> FieldColumn | None:
    """What the name of a column says, in any of UK Biobank's SPELLINGS; None for other names."""
    found = SPELLINGS.fullmatch(spelled.strip())
    if found is None:
        return None
    field, instance, array = next(group for group in zip(*[iter(found.groups())] * 3, strict=True) if group[0])
    return FieldColumn(int(field), None if instance is None else int(instance), int(array or 0))


def answer(cell: str, field: Field | None = None) -> str:
    """What a cell of an export says; "" where somebody gave no answer."""
    whole = _WHOLE.fullmatch(cell)
    plain = whole[1] if whole else cell
    if plain.casefold() in NO_ANSWERS:
        return ""
    return field.codes.get(plain, cell) if field else cell


def read_field_map(folder: Path, units: Mapping[str, str]) -> dict[int, Field]:
    """The field_map.csv of a folder; ours where it has none.

    Args:
        units: of our columns. A field that is mapped to one of them must be in its unit.

    Raises:
        InputError: it is no such table, has a field twice, or a unit is not ours.
    """
    path = folder / FIELD_MAP if (folder / FIELD_MAP).exists() else OURS
    try:
        rows = list(csv.DictReader(io.StringIO(read_limited(path, 1 << 20).decode("utf-8-sig")), strict=True))
        fields = {int(row["field"]): _field(row) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        remedy = f"correct it after {OURS}, whose columns are {', '.join(MAP_COLUMNS)}"
        raise InputError(path, "is no map of UK Biobank's fields", remedy) from None
    if len(fields) < len(rows):
        raise InputError(path, "has a field twice", "keep one row a field")
    for number, field in fields.items():
        if units.get(field.name, field.unit) != field.unit:
            fault = f"field {number} is not in {units[field.name] or 'a plain code'}, as {field.name} is"
            raise InputError(path, fault, "give it another name, or convert the numbers")
    return fields


def _field(row: Mapping[str, str]) -> Field:
    codes = dict(code.split("=", 1) for code in row["codes"].split(";") if code)
    return Field(row["name"].strip(), row["unit"].strip(), int(row["rank"] or 1), codes)
