"""Who is left out of a cohort and why: a short code for filters and counts, which stays when a message is reworded."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from cohort.errors import InputError

EXCLUDED = "excluded.csv"
OTHER = "other"
REASONS = {  # the first whose words the fault contains
    "absent": r"there is no |is not there|No such file",
    "empty": r"^(is )?empty$",
    "crc": r"CRC check failed",
    "truncated": r"ended before|no element found|unclosed|shorter than its header|ends within|missing$|not one second",
    "too_large": r"larger than|claims|would inflate|more than \d+ |nested deeper|is longer than \d",
    "unreadable": r"cannot be read \(",
    "flat": r"is flat|same value in every voxel",
    "leads": r"12-lead ECG|given twice|12 leads",
    "rate": r"sampling rate| Hz, not ",
    "duration": r"differ in length|it lasts",
    "no_waveform": r"no waveform",
    "unit": r"microvolts|millivolts|is in a unit|is not in ",
    "scale": r"positive number|SampleExponent|scales its voxels",
    "labels": r"has labels other",
    "samples": r"not numbers|whole number of 16 bits|not finite numbers|voxels of type|type of voxel",
    "frames": r"number of frames|one frame|need a cine",
    "geometry": r"spacing|affine|qform|dimensions",
    "contrast": r"no contrast",
    "damaged": r"damaged gzip|longer than its header|at byte|well-formed|encoding|decoded|not agree|missing entries",
    "format": r"not an? |keeps its voxels in another|declares entities|not XML|not the XML",
}


def reason_code(part: Literal["ecg", "mri"], refusal: InputError) -> str:
    """E.g. ecg_truncated or mri_crc: which part of a subject was refused, and why (REASONS)."""
    found = (reason for reason, words in REASONS.items() if re.search(words, refusal.fault))
    return f"{part}_{next(found, OTHER)}"


class Exclusion(NamedTuple):
    """One subject left out; `remark` is the whole message."""

    eid: int
    instance: int
    code: str
    remark: str


def write_excluded(folder: Path, excluded: Iterable[Exclusion]) -> None:
    """EXCLUDED, one row each; of nobody, the header alone."""
    with (folder / EXCLUDED).open("w", newline="") as file:
        csv.writer(file).writerows([Exclusion._fields, *excluded])


def read_excluded(folder: Path) -> list[Exclusion]:
    """What `write_excluded` wrote."""
    with (folder / EXCLUDED).open(newline="") as file:
        _, *rows = csv.reader(file)
    return [Exclusion(int(eid), int(instance), code, remark) for eid, instance, code, remark in rows]


def counts(excluded: Iterable[Exclusion]) -> str:
    """E.g. "3 ecg_truncated, 1 mri_crc"."""
    return ", ".join(f"{count} {code}" for code, count in Counter(one.code for one in excluded).most_common())
