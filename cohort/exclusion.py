"""Who is left out of a cohort, and why: a short code for filters and counts, and the message."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from cohort.errors import InputError
from cohort.table import write_table

EXCLUDED = "excluded.csv"
REASONS = {  # why a file of a subject is refused
    "absent": "A file that is needed is not there.",
    "empty": "The file is empty.",
    "unreadable": "The system does not let the file be read: its rights, or the disk.",
    "too_large": "The file is larger than any such recording.",
    "truncated": "The file ends too early: an interrupted copy or download.",
    "crc": "The file's checksum is wrong: its bytes changed.",
    "damaged": "The file contradicts itself.",
    "format": "The file is of no format that is read, or of another than its name says.",
    "no_waveform": "The file holds no waveform.",
    "leads": "Leads that are needed are not there.",
    "rate": "The sampling rate is missing or impossible.",
    "duration": "The recording is too short, or far too long.",
    "frames": "Frames of the cine are missing, or too few.",
    "geometry": "Slices, pixels or positions make no stack of a heart.",
    "orientation": "Nothing says how the images lie, or not as they should.",
    "contrast": "The images hold nothing to see.",
    "labels": "The label map does not go with the images.",
    "unit": "The unit of the numbers is missing or unknown.",
    "scale": "The scale of the numbers is missing or impossible.",
    "samples": "Numbers are missing, or are none.",
    "flat": "Every lead or image is the same throughout.",
}
OTHER = "It was refused for a reason of its own: the message of each says which."


def reason_code(part: Literal["ecg", "mri"], refusal: InputError) -> str:
    """E.g. ecg_truncated or mri_crc: which part of a subject was refused, and why (a key of REASONS, or "other")."""
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
