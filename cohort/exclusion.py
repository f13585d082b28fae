"""Who is left out of a cohort, and why: a short code for filters and counts, and the message."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from cohort.errors import InputError
from cohort.table import write_table

EXCLUDED = "excluded.csv"
REASONS = (
    *("absent", "empty", "unreadable", "too_large"),  # the file
    *("truncated", "crc", "damaged", "format"),  # its bytes
    *("no_waveform", "leads", "rate", "duration"),  # what an ECG needs
    *("frames", "geometry", "orientation", "contrast", "labels"),  # what an MRI needs
    *("unit", "scale", "samples", "flat"),  # the numbers of either
)


def reason_code(part: Literal["ecg", "mri"], refusal: InputError) -> str:
    """E.g. ecg_truncated or mri_crc: which part of a subject was refused, and why (REASONS, or "other")."""
    return f"{part}_{refusal.code}"


class Exclusion(NamedTuple):
    """One subject left out. `code` is that of `reason_code`, `remark` the whole message."""

    eid: int
    instance: int
    code: str
    remark: str


def write_excluded(folder: Path, excluded: Iterable[Exclusion]) -> None:
    """Write EXCLUDED into a folder, one row each. Where nobody is left out, it has the header alone."""
    write_table(folder / EXCLUDED, Exclusion._fields, excluded)


def read_excluded(folder: Path) -> list[Exclusion]:
    """Read what `write_excluded` wrote."""
    with (folder / EXCLUDED).open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return [Exclusion(int(eid), int(instance), code, remark) for eid, instance, code, remark in rows]


def counts(excluded: Iterable[Exclusion]) -> str:
    """E.g. "3 ecg_truncated, 1 mri_crc"."""
    return ", ".join(f"{count} {code}" for code, count in Counter(one.code for one in excluded).most_common())
