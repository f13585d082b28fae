"""WFDB records (PhysioNet): a .hea header and its signal file, read by the `wfdb` package."""

from pathlib import Path

import numpy as np
import wfdb

from cohort.errors import InputError
from cohort.input_file import check_file
from cohort.leads import Recording, name_channels
from cohort.person import Person

# PhysioNet headers spell the units in several ways.
_MILLIVOLTS_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}


def read_wfdb(path: Path) -> Recording:
    """The twelve leads of a record, in mV. Other channels (Frank leads, pulse) are counted and dropped.

    Args:
        path: the header, or a signal file beside a header of the same stem.

    Raises:
        InputError: the header or a signal file is absent or unreadable, or a lead is in an unknown unit.
    """
    header_path = path.with_suffix(".hea")
    if not header_path.is_file():
        raise InputError(
            path, f"there is no WFDB header {header_path.name}", "keep the .hea file beside its signals", code="absent"
        )
    header = _header(header_path)
    names = list(header.sig_name)
    positions = name_channels(header_path, names)
    millivolts = _millivolts(header_path, header, positions) if positions else {}
    return Recording(millivolts, float(header.fs), _person(header.comments), len(names) - len(positions))


def _header(path: Path):
    check_file(path)
    try:
        header = wfdb.rdheader(str(path.with_suffix("")))
        files = {path.with_name(name) for name in header.file_name}  # ValueError: a path and not a name
        sound = len(header.sig_name) == len(header.units) == header.n_sig and float(header.fs) > 0
    except Exception:  # wfdb raises whatever its parsing stumbles over
        raise InputError(
            path, "not a readable WFDB header of one segment", "copy the record again", code="format"
        ) from None
    if not sound:
        raise InputError(path, "a WFDB header with missing entries", "copy the record again", code="damaged")
    for file in files:
        check_file(file)
    return header


def _millivolts(path: Path, header, positions: dict[str, int]) -> dict[str, np.ndarray]:
    scales = {}
    for lead, position in positions.items():
        scales[lead] = _MILLIVOLTS_PER_UNIT.get(str(header.units[position]).strip().lower())
        if scales[lead] is None:
            raise InputError(
                path, f"lead {lead} is in a unit other than mV, uV or V", "correct the unit in the header", code="unit"
            )
    try:
        record = wfdb.rdrecord(str(path.with_suffix("")), channels=list(positions.values()))
        signal = record.p_signal.T
    except Exception:  # as above: a signal file that contradicts its header fails in many ways
        raise InputError(
            path, "its signals do not agree with its header", "copy the record again", code="damaged"
        ) from None
    return {lead: row * scales[lead] for lead, row in zip(positions, signal, strict=True)}


def _person(comments: list[str]) -> Person:
    """Sex and age from comment lines such as "Age: 59" and "sex: female"."""
    stated = {key.strip(): text for key, _, text in (line.lower().partition(":") for line in reversed(comments))}
    return Person.from_text(*(stated.get(key, "") for key in ("sex", "age", "height", "weight")))
