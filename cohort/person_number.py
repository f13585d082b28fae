"""People whose folders are called by no eid: a number for each name, the same in every run.

Everywhere a person is a whole number. UK Biobank's and the phantoms' have seven digits, so these begin far above them.
"""

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

from cohort.errors import InputError
from cohort.table import write_table

FIRST_NUMBER = 10**12
BITS = 52  # so that a spreadsheet, which keeps 53, keeps the whole number
NAMES = "names.csv"


def person_number(name: str) -> int:
    """The number of a name: FIRST_NUMBER, and BITS of the name's SHA-256 on top of it."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return FIRST_NUMBER + (int.from_bytes(digest[:8], "big") >> (64 - BITS))


def require_own_numbers(names: Iterable[str], source: object) -> dict[int, str]:
    """Number -> name of distinct names.

    Raises:
        InputError: two of them have one number, which happens to one cohort of 40,000 in five million.
    """
    by_number: dict[int, str] = {}
    for name in names:
        other = by_number.setdefault(person_number(name), name)
        if other != name:
            raise InputError(source, f"{other} and {name} would have one number", "rename one of them")
    return by_number


def write_names(folder: Path, names: dict[int, str]) -> None:
    """Write NAMES, which says who a number is; nothing where everybody has an eid."""
    if names:
        write_table(folder / NAMES, ("eid", "name"), sorted(names.items()))


def read_names(folder: Path) -> frozenset[str]:
    """The names of NAMES; none where there is no such file.

    Raises:
        InputError: it is damaged.
    """
    path = folder / NAMES
    if not path.exists():
        return frozenset()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return frozenset(row["name"] for row in csv.DictReader(file, strict=True))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise InputError(path, "is damaged", "prepare the cohort again") from error
