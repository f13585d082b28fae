"""ECGs as plain numbers, .npy and .csv. Neither says its unit, and few name their leads: the numbers must tell."""

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cohort.errors import InputError
from cohort.finding import Finding
from cohort.input_file import read_limited
from cohort.leads import LEADS, Recording, canonical_lead, check_length, millivolts_per, name_channels
from cohort.limb_leads import LIMB_LEADS, contradictions, farthest_offset, likely_exchange, rule_words, scaled_apart
from cohort.person import Person, finite_number

WINDOW_S = 2.0  # holds a beat, even at 30 a minute, and little wander
LEAST_MV, LARGEST_MV = 0.1, 8.0  # median height of a lead; 16 real ECGs have 0.5 to 1.9, 60 phantoms 0.5 to 3.1
USUAL_MV = (0.25, 4.0)
NOTHING = 1e-4  # in volts an ECG is higher
LARGEST_NUMBER = 1e12  # what is larger is in no unit at all
UNITS = {0.02: "volts", LEAST_MV: "millivolts made smaller", 40.0: "units of 0.1 mV", 300.0: "counts"}  # below a height
LARGEST_UNIT = "microvolts or counts"
FARTHEST_OFFSET = 0.25  # of a lead's height; leads that the device computes from I and II have none
LONGEST_NAME = 100  # characters of a column's name and unit
DELIMITERS = (";", "\t", ",")  # a comma is a decimal comma where another one separates
COMMENTS = ("#", "%", "//")
_COLUMN_UNIT = re.compile(r"\s*[(\[]\s*([^)\]]*?)\s*[)\]]$|[ _/]([mu\u00b5\u03bc]?v)$", re.IGNORECASE)


class Table(NamedTuple):
    """Numbers of a file.

    Attributes:
        numbers: any array; what is no ECG is refused later.
        names: of its rows or columns.
        units: of each name, where the file says any.
        named: whether the names are the file's.
    """

    numbers: np.ndarray
    names: list[str]
    units: list[str] | None = None
    named: bool = True


def read_array(path: Path, sampling_rate: float | None) -> Recording:
    """A .npy or .csv file, in mV.

    Raises:
        InputError: it is no table of 12 leads, or not in mV. In a file without names, III, aVR, aVL and aVF must also
            follow from I and II.
    """
    if sampling_rate is None:
        raise InputError(path, "it does not say its sampling rate", "give --sampling-rate, in Hz", code="rate")
    table = _load_csv(path) if path.suffix.lower() == ".csv" else _load_npy(path)
    rows = _rows_of(path, table)
    positions = name_channels(path, table.names)
    leads = {lead: rows[position] for lead, position in positions.items()}
    notes: tuple[Finding, ...] = ()
    if table.units:
        leads = {lead: row * _scale(path, lead, table.units[positions[lead]]) for lead, row in leads.items()}
    elif measurable := {lead: row for lead, row in leads.items() if _is_measurable(row)}:
        height = _typical_height(np.stack([*measurable.values()]), sampling_rate)
        if not table.named:
            _check_limb_leads(path, measurable, height)
        notes = _check_unit(path, height)
    return Recording(leads, sampling_rate, Person(), len(table.names) - len(positions), notes)


def _rows_of(path: Path, table: Table) -> np.ndarray:
    """(names, T) float64."""
    array = table.numbers
    if array.ndim != 2 or array.dtype.kind not in "iuf" or len(table.names) not in array.shape:
        raise InputError(
            path, "not a table of 12 leads of numbers", "give numbers of shape (12, T) or (T, 12)", code="leads"
        )
    rows = array if array.shape[0] == len(table.names) else array.T
    check_length(path, rows.shape[1])
    return rows.astype(np.float64)


# --- what the numbers tell ------------------------------------------------------------------------------------------


def _is_measurable(row: np.ndarray) -> bool:
    return bool(len(row) and np.isfinite(row).all() and np.abs(row).max() < LARGEST_NUMBER)


def _typical_height(rows: np.ndarray, sampling_rate: float) -> float:
    """Peak to peak of the median lead within WINDOW_S, in the unit of `rows` (leads, T)."""
    length = rows.shape[1]
    window = int(min(length, max(1, WINDOW_S * sampling_rate))) if sampling_rate > 0 else length
    windows = rows[:, : length // window * window].reshape(len(rows), -1, window)
    return float(np.median(np.ptp(windows, axis=2)))


def _check_limb_leads(path: Path, leads: dict[str, np.ndarray], height: float) -> None:
    """Refuse rows that are scaled, shifted, exchanged or negated: no name in the file says which is which."""
    if height < NOTHING or not leads.keys() >= set(LIMB_LEADS):
        return
    limb = np.stack([leads[lead] for lead in LIMB_LEADS])
    limb[np.ptp(limb, axis=1) < height / 100] = np.nan  # a flat lead is told of as such
    if wrong := contradictions(limb, np.inf):
        exchange = "" if np.isnan(limb).any() else likely_exchange(limb)
        if not exchange and not np.isnan(limb).any() and scaled_apart(limb):
            raise _not_millivolts(path, "each lead has a scale of its own")
        raise InputError(
            path,
            f"{rule_words(wrong)}{exchange and f': {exchange}'}",
            f"give the leads as they are, in the order {', '.join(LEADS)}",
            code="leads",
        )
    if farthest_offset(limb) > FARTHEST_OFFSET * height:
        raise _not_millivolts(path, "a constant was added to every lead")


def _check_unit(path: Path, height: float) -> tuple[Finding, ...]:
    """Refuse numbers that are certainly not mV; a note where that is likely."""
    if height < NOTHING or LEAST_MV <= height <= LARGEST_MV:
        usual = height < NOTHING or USUAL_MV[0] <= height <= USUAL_MV[1]
        words = f"its leads are {height:.2g} high, which is unusual in mV: is that its unit?"
        return () if usual else (Finding("ecg_unit", words),)
    unit = next((unit for below, unit in UNITS.items() if height < below), LARGEST_UNIT)
    raise _not_millivolts(path, f"its leads are {height:.2g} high, so they are likely {unit}")


def _not_millivolts(path: Path, why: str) -> InputError:
    return InputError(path, f"its values are not millivolts: {why}", "convert them to mV", code="unit")


def _scale(path: Path, lead: str, unit: str) -> float:
    scale = millivolts_per(unit)
    if scale is None:
        raise InputError(path, f"lead {lead} is in a unit other than mV, uV and V", "convert it to mV", code="unit")
    return scale


# --- files ----------------------------------------------------------------------------------------------------------


def _load_npy(path: Path) -> Table:
    content = io.BytesIO(read_limited(path))
    try:
        return Table(np.lib.format.read_array(content, allow_pickle=False), list(LEADS), named=False)
    except Exception:  # numpy answers a broken header with whatever its parsing stumbles over
        raise InputError(
            path, "not a readable .npy file", "write it with numpy.save, without pickling", code="format"
        ) from None


def _load_csv(path: Path) -> Table:
    """Rows or columns between commas, semicolons or tabs, with a header of lead names or none."""
    lines = [line for line in _text_of(path).splitlines() if line.strip() and not line.lstrip().startswith(COMMENTS)]
    delimiter = next((mark for mark in DELIMITERS if lines and mark in lines[0]), ",")
    check_length(path, max((line.count(delimiter) for line in lines[:2]), default=0))
    head = [_cells(line, delimiter) for line in lines[:2]]
    if not head or _is_numeric(head[0]):
        return Table(_numbers(path, lines, delimiter), list(LEADS), named=False)
    split = [_COLUMN_UNIT.search(cell) if len(cell) <= LONGEST_NAME else None for cell in head[0]]
    names = [cell[: unit.start()] if unit else cell for cell, unit in zip(head[0], split, strict=True)]
    units = [unit[1] or unit[2] or "" if unit else "" for unit in split]
    if len(head) > 1 and any(millivolts_per(cell) for cell in head[1]):
        return Table(_numbers(path, lines[2:], delimiter), names, head[1])
    return Table(_numbers(path, lines[1:], delimiter), names, units if any(units) else None)


def _text_of(path: Path) -> str:
    content = read_limited(path)
    check_length(path, content.count(b"\n"))  # before every line becomes an object
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip("\"' ") for cell in line.split(delimiter)]


def _is_numeric(cells: list[str]) -> bool:
    """Whether a first row holds samples: numbers, but not the numbers of columns, which tables are headed with."""
    counted = ([str(first + place) for place in range(len(cells))] for first in (0, 1))
    return not any(map(canonical_lead, cells)) and cells not in counted and _is_number(cells[0])


def _is_number(cell: str) -> bool:
    return finite_number(cell.replace(",", ".")) is not None or cell.lower() in ("nan", "inf", "-inf")


def _numbers(path: Path, lines: list[str], delimiter: str) -> np.ndarray:
    if delimiter != ",":
        lines = [line.replace(",", ".") for line in lines]
    try:
        if len(lines) < len(LEADS):
            raise ValueError
        return np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2, quotechar='"')
    except ValueError as error:
        cell = re.search(r"at row (\d+), column (\d+)", str(error))
        where = f": row {int(cell[1]) + 1}, column {cell[2]} of the numbers is none" if cell else ""
        raise InputError(
            path,
            f"not a table of numbers between commas, semicolons or tabs{where}",
            "give 12 rows or 12 columns in mV",
            code="format",
        ) from None
