"""The 12-lead ECG: one type, and one reader for every format."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cohort.cardiosoft import read_cardiosoft, write_cardiosoft
from cohort.device_xml import parse_xml
from cohort.ecg_formats import reader_of
from cohort.errors import InputError
from cohort.input_file import read_limited
from cohort.leads import ECG, LEADS, Recording, canonical_lead, name_channels, twelve_leads
from cohort.muse import read_muse
from cohort.person import Person
from cohort.wfdb_record import read_wfdb

__all__ = ["ECG", "LEADS", "read_ecg", "write_cardiosoft"]

Table = tuple[np.ndarray, list[str]]  # numbers, and the names of their rows or columns


def read_ecg(path: str | Path, *, allow_missing_leads: bool = False, sampling_rate: float | None = None) -> ECG:
    """Read a resting 12-lead ECG of any known format.

    Args:
        path: a file of one of these formats (`cohort.ecg_formats`):
            XML: CardioSoft (UK Biobank field 20205) or GE MUSE. The root element tells which.
            WFDB: the header of a record, or a signal file beside it.
            .npy, .csv: numbers in mV, (12, T) or (T, 12), in LEADS order. A .csv of columns may have a header of lead
            names, in any order.
        allow_missing_leads: absent leads become rows of NaN, not an error. Limb leads are derived from I and II in any
            case.
        sampling_rate: Hz. A .npy and a .csv need it. The other formats hold theirs, and another value is refused.

    Raises:
        InputError: whatever is wrong with the file. It never quotes a patient.
    """
    path = Path(path)
    match reader_of(path.suffix):
        case "xml":
            recording = _read_xml(path)
        case "wfdb":
            recording = read_wfdb(path)
        case "npy":
            recording = _read_array(path, _load_npy, sampling_rate)
        case "csv":
            recording = _read_array(path, _load_csv, sampling_rate)
    if sampling_rate is not None and not np.isclose(sampling_rate, recording.sampling_rate, equal_nan=True):
        raise InputError(
            path,
            f"it says {recording.sampling_rate:g} Hz, not {sampling_rate:g} Hz",
            "leave out the sampling rate",
            code="rate",
        )
    ecg = ECG(twelve_leads(path, recording, allow_missing_leads), float(recording.sampling_rate), recording.person)
    if (ecg.flat | ecg.absent).all():
        raise InputError(path, "every lead is flat", "record the ECG again", code="flat")
    return ecg


def _read_xml(path: Path) -> Recording:
    root = parse_xml(path)
    match root.tag:
        case "CardiologyXML":
            return read_cardiosoft(path, root)
        case "RestingECG":
            return read_muse(path, root)
    raise InputError(
        path, "not an ECG: its root is neither CardiologyXML nor RestingECG", "give an ECG file", code="format"
    )


def _read_array(path: Path, load: Callable[[Path], Table], sampling_rate: float | None) -> Recording:
    """Plain numbers in mV. The unit is not in the file, so amplitudes that no heart has are refused."""
    if sampling_rate is None:
        raise InputError(path, "it does not say its sampling rate", "give the sampling rate in Hz", code="rate")
    array, names = load(path)
    if array.ndim != 2 or array.dtype.kind not in "iuf" or len(names) not in array.shape:
        raise InputError(
            path, "not a table of 12 leads of numbers", "give numbers of shape (12, T) or (T, 12)", code="leads"
        )
    array = (array if array.shape[0] == len(names) else array.T).astype(np.float64)
    positions = name_channels(path, names)
    finite = array[np.isfinite(array).all(axis=1)]
    if finite.size and np.median(np.ptp(finite, axis=1)) > 20:
        raise InputError(
            path, "its values are not millivolts (too large)", "convert microvolts or counts to mV", code="unit"
        )
    millivolts = {lead: array[position] for lead, position in positions.items()}
    return Recording(millivolts, sampling_rate, Person(), len(names) - len(positions))


def _load_npy(path: Path) -> Table:
    content = io.BytesIO(read_limited(path))
    try:
        return np.lib.format.read_array(content, allow_pickle=False), list(LEADS)
    except Exception:  # numpy answers a broken header with whatever its parsing stumbles over
        raise InputError(
            path, "not a readable .npy file", "write it with numpy.save, without pickling", code="format"
        ) from None


def _load_csv(path: Path) -> Table:
    try:
        rows = [line for line in read_limited(path).decode("utf-8-sig").splitlines() if line.strip()]
        if len(rows) < len(LEADS):
            raise ValueError
        header = [cell.strip('" ') for cell in rows[0].split(",")]
        if any(canonical_lead(cell) for cell in header):
            return np.loadtxt(rows[1:], delimiter=",", comments=None, ndmin=2), header
        return np.loadtxt(rows, delimiter=",", comments=None, ndmin=2), list(LEADS)
    except ValueError:
        raise InputError(
            path, "not a table of numbers between commas", "give 12 rows or 12 columns in mV", code="format"
        ) from None
