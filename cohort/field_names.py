"""How a further number of the person may be called: by its column, and never as what is known already."""

import re
from collections.abc import Sequence

from cohort.column_names import known_spellings, plain
from cohort.errors import InputError
from cohort.field_map import OURS, field_column, read_field_map
from cohort.person import PERSON_COLUMNS
from cohort.phenotypes import UNITS
from cohort.study_tables import PERSON_UNITS
from cohort.table_reader import FILE, KEY

OPTION = "--person-fields"
NAME = re.compile(r"[\w .,;:()\[\]/%+*#-]{1,60}")  # no "=", which parts name and value; nothing a terminal obeys
SHORT = {"height": "height_cm", "weight": "weight_kg"}  # plain spelling -> the standard field


def is_name(name: object) -> bool:
    """Whether a further field may be called so."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None and name.strip() == name and plain(name) != ""


def require_names(names: Sequence[str]) -> None:
    """Refuse names that no further field can have.

    Raises:
        InputError: a name is empty or odd, or occurs twice in any spelling. Or it is of a standard field, of the key,
            or of what is measured on the MRI.
    """
    fields = read_field_map(OURS.parent, PERSON_UNITS | UNITS)
    standard = known_spellings(PERSON_UNITS) | SHORT
    others = known_spellings({**KEY, FILE: "", **UNITS})
    others |= {plain(field.name): field.name for field in fields.values() if field.name not in PERSON_UNITS}
    seen = set()
    for name in names:
        if not is_name(name):
            raise InputError(OPTION, "one of the names is no column's", "give the names of columns of persons.csv")
        column = field_column(name)
        spelled = plain(fields[column.field].name if column and column.field in fields else name)
        if spelled in standard:
            remedy = f"leave it out: {', '.join(PERSON_COLUMNS[1:])} are always used"
            raise InputError(OPTION, f"{name} is a standard field of the person", remedy)
        if spelled in others:
            fault = f"{name} says who it is, or what is measured on the MRI"
            raise InputError(OPTION, fault, "name what is known without an MRI")
        if spelled in seen:
            raise InputError(OPTION, f"{name} is named twice", "name each column once")
        seen.add(spelled)
