"""The 12-lead ECG: one type, and one reader for every format."""

from pathlib import Path

import numpy as np

from cohort.cardiosoft import read_cardiosoft, write_cardiosoft
from cohort.device_xml import parse_xml
from cohort.ecg_formats import SIDECARS, reader_of
from cohort.errors import InputError
from cohort.exchanged_ecg import EXCHANGED, read_exchanged
from cohort.foreign_formats import ROOTS, refuse_text, refused, refused_root, signature_of
from cohort.leads import ECG, LEADS, Recording, twelve_leads
from cohort.muse import read_muse
from cohort.plain_array import read_array
from cohort.wfdb_record import read_wfdb

__all__ = ["ECG", "LEADS", "read_ecg", "write_cardiosoft"]


def read_ecg(path: str | Path, *, allow_missing_leads: bool = False, sampling_rate: float | None = None) -> ECG:
    """Read a resting 12-lead ECG of any known format.

    Args:
        path: a file of one of these formats (`cohort.ecg_formats`):
            XML: CardioSoft (UK Biobank field 20205), GE MUSE, HL7 aECG, Philips or Mortara. The root element tells.
            DICOM waveform, SCP-ECG, EDF, ISHNE, MFER: the first bytes tell (`cohort.exchanged_ecg`).
            WFDB: the header of a record, or a signal file beside it.
            .npy, .csv: numbers in mV, (12, T) or (T, 12), in LEADS order. A .csv may have a header of lead names, in
            any order, and with their units.
        allow_missing_leads: absent leads become rows of NaN, not an error. Limb leads are derived from I and II in any
            case.
        sampling_rate: Hz. A .npy and a .csv need it. The other formats hold theirs, and another value is refused;
            where a WFDB header holds none, it is taken.

    Raises:
        InputError: whatever is wrong with the file. It never quotes a patient.
    """
    path = Path(path)
    recording = _read(path, sampling_rate)
    if sampling_rate is not None and not np.isclose(sampling_rate, recording.sampling_rate, equal_nan=True):
        raise InputError(
            path,
            f"it says {recording.sampling_rate:g} Hz, not {sampling_rate:g} Hz",
            "leave out the sampling rate",
            code="rate",
        )
    signal = twelve_leads(path, recording, allow_missing_leads)
    ecg = ECG(signal, float(recording.sampling_rate), recording.person, recording.notes, recording.stated_bpm)
    if (ecg.flat | ecg.absent).all():
        raise InputError(path, "every lead is flat", "record the ECG again", code="flat")
    return ecg


def _read(path: Path, sampling_rate: float | None) -> Recording:
    if path.suffix.lower() not in SIDECARS:  # the signals of a record may begin with any bytes
        signature = signature_of(path)
        if signature and signature.name in EXCHANGED:
            return read_exchanged(path, signature.name)
        if signature:
            raise refused(path, signature)
    match reader_of(path.suffix):
        case "wfdb":
            return read_wfdb(path, sampling_rate)
        case "array":
            return read_array(path, sampling_rate)
    return _read_xml(path)


def _read_xml(path: Path) -> Recording:
    refuse_text(path)
    root = parse_xml(path)
    match root.tag:
        case "CardiologyXML":
            return read_cardiosoft(path, root)
        case "RestingECG":
            return read_muse(path, root)
    if (name := ROOTS.get(root.tag.lower())) in EXCHANGED:
        return read_exchanged(path, name, root)
    raise refused_root(path, root.tag)
