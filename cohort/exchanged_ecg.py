"""ECGs in the formats that devices exchange, read by ecgdatakit: DICOM, HL7 aECG, Philips, Mortara, SCP-ECG, MFER, ...

Our own readers stay for CardioSoft, MUSE and WFDB. Here the library decodes, and this file decides what is believed.
Nothing that a file or the library says is quoted: it may be a patient's name.
"""

import base64
import binascii
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
from ecgdatakit import (
    ChecksumWarning,
    ECGDataKitError,
    ECGRecord,
    FileParser,
    Lead,
    MissingElementError,
    UnsupportedFormatError,
)
from ecgdatakit.parsing.codecs import LzwDecoder
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cohort.errors import InputError
from cohort.finding import Finding
from cohort.input_file import check_file
from cohort.leads import LEADS, MOST_SAMPLES, Recording, canonical_lead, name_channels, plausible_rate
from cohort.limb_leads import CONTRADICTION_MV, LIMB_LEADS, RULES, derived_limb_leads
from cohort.mfer_definitions import refuse_many_definitions
from cohort.person import Person, finite_number

MEGABYTE = 2**20
AGAIN = "export the ECG again, or as another format"
DAYS_A_YEAR, AGE_SLIP_YEARS = 365.25, 1.5
SAME_MV, SHORTEST_SAME_S = 1e-6, 0.1  # of all leads, in a calibration pulse and in what is filled up
MOST_CHUNKS = 64  # leads that a Philips file may hold
MOST_UNPACKED = 2 * len(LEADS) * MOST_SAMPLES  # bytes
CHUNK_HEADER = 8  # bytes, of which the first four say how many follow
_REPEATED = re.compile(r"(.+)_\d+")  # as the library calls a second lead of one name
_TOLD = {  # what its warnings speak of -> why that is refused, and the code
    "truncated": ("it is cut short", "truncated"),
    "gaps": ("its samples have gaps", "samples"),
    "without a gap": ("its samples have gaps", "samples"),
    "missing sample": ("it is cut short", "truncated"),
    "no waveform data": ("it is cut short", "truncated"),
    "are not loaded": ("its leads change their rate or scale on the way", "samples"),
}


class Exchanged(NamedTuple):
    """One format.

    Attributes:
        source: the library's name of what it has read.
        largest: bytes of a file. It bounds memory and time: the worst files tried took 0.4 GB and 5 s.
    """

    source: tuple[str, ...]
    largest: int = 8 * MEGABYTE  # 5 min of 12 leads at 1,000 Hz and 2 bytes a sample


# By the names of cohort.foreign_formats. Edan and XLE stay out: their files say no scale.
EXCHANGED = {
    "DICOM": Exchanged(("dicom_waveform",)),
    "HL7 annotated ECG (aECG)": Exchanged(("hl7_aecg",)),
    "Philips Sierra XML": Exchanged(("sierra_xml",)),
    "Mortara XML": Exchanged(("mortara_el250",)),
    "SCP-ECG": Exchanged(("scp_ecg",), MEGABYTE),  # its bits are decoded one by one, 1 s a megabyte
    "EDF": Exchanged(("edf", "edf_plus")),
    "MFER": Exchanged(("mfer",)),
    "ISHNE Holter": Exchanged(("ishne_holter",)),
}


def read_exchanged(path: Path, name: str, root: Element | None = None) -> Recording:
    """The rhythm of a file, in mV.

    What is the same in all leads at the beginning or the end, such as a calibration pulse, is left out with a note.

    Args:
        name: of its format, in EXCHANGED. root: of an XML file, from `cohort.device_xml.parse_xml`.

    Raises:
        InputError: the file is too large, would unpack to too much, or cannot be read. Its checksum is wrong. A lead
            is given twice, is not in a voltage, or has a rate of its own. Philips: a limb lead contradicts the others.
    """
    check_file(path, EXCHANGED[name].largest)
    if name == "DICOM":
        _refuse_deflated(path)
    if name == "MFER":
        refuse_many_definitions(path, EXCHANGED[name].largest)
    if root is not None:
        _refuse_unpacking(path, root)
    record, notes = _parsed(path, name)
    leads = _twelve_of(path, record.leads)
    rate = _one_rate(path, leads)
    millivolts, calibration = without_calibration({lead: _millivolts(path, lead, leads[lead]) for lead in leads}, rate)
    if name == "Philips Sierra XML":
        _refuse_contradictions(path, millivolts)
    person, contradiction = _person(record)
    others = len(record.leads) - len(leads)
    stated = plausible_rate(finite_number(str(record.measurements.heart_rate)))
    return Recording(millivolts, rate, person, others, (*calibration, *contradiction, *notes), stated)


# --- what is refused before it is decoded ---------------------------------------------------------------------------


def _refuse_deflated(path: Path) -> None:
    """A deflated file is unpacked whole, to a thousand times its size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the file
        try:
            syntax = read_file_meta_info(path).get("TransferSyntaxUID")
        except Exception:  # whatever a broken header makes pydicom stumble over; the library says so, too
            syntax = None
    if syntax == DeflatedExplicitVRLittleEndian:
        raise InputError(path, "it is deflated DICOM, which is not unpacked", AGAIN, code="format")


def _refuse_unpacking(path: Path, root: Element) -> None:
    """Refuse a Philips file whose leads unpack to more than a long ECG has. LZW makes 600 bytes of one."""
    for wave in root.iter("parsedwaveforms"):
        if "xli" in (wave.get("compression", "").lower(), wave.get("compressmethod", "").lower()):
            left = MOST_UNPACKED
            for chunk in _chunks(path, wave.text or ""):
                left -= sum(1 for _ in islice(iter(LzwDecoder(chunk, bits=10).read, -1), left + 1))
                if left < 0:
                    raise InputError(path, "its leads unpack to too much", "give a resting ECG", code="too_large")


def _chunks(path: Path, text: str) -> list[bytes]:
    """The compressed leads of a Philips file. A broken one ends the list, and the library says why."""
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return []
    chunks, at = [], 0
    while at + CHUNK_HEADER <= len(content):
        size = int.from_bytes(content[at : at + 4], "little")
        at += CHUNK_HEADER
        chunks.append(content[at : at + size])
        at += size
        if len(chunks) > MOST_CHUNKS:
            raise InputError(path, f"it has more than {MOST_CHUNKS} leads", "give a resting ECG", code="too_large")
    return chunks


# --- the library ----------------------------------------------------------------------------------------------------


def _parsed(path: Path, name: str) -> tuple[ECGRecord, tuple[Finding, ...]]:
    """What the library reads, and a note where it had to guess."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        record = _answered(path, name, lambda: FileParser.parse(path, units="mV"))
    if record.source_format not in EXCHANGED[name].source:
        raise InputError(path, f"it begins as {name} does, and is none", AGAIN, code="format")
    if any(issubclass(warning.category, ChecksumWarning) for warning in told):
        raise InputError(path, "it does not have its own checksum: it is damaged", "copy it again", code="crc")
    messages = [str(warning.message).lower() for warning in told if warning.category is UserWarning]
    for words, (fault, code) in _TOLD.items():
        if any(words in message for message in messages):
            raise InputError(path, fault, AGAIN, code=code)
    if not messages:
        return record, ()
    words = f"the file departs from {name} in {len(messages)} points, which its reader had to guess"
    return record, (Finding("ecg_departure", words),)


def _answered(path: Path, name: str, parse: Callable[[], ECGRecord]) -> ECGRecord:
    try:
        return parse()
    except MissingElementError:
        fault, code = f"it is {name} and holds no ECG", "no_waveform"
    except UnsupportedFormatError:
        fault, code = f"it is {name}: not read in this form", "format"
    except (ECGDataKitError, OSError, ImportError):
        fault, code = f"it is {name} and cannot be decoded", "damaged"
    except Exception:  # a reader of many formats stumbles over whatever is broken
        fault, code = f"it is {name} and cannot be decoded", "damaged"
    raise InputError(path, fault, AGAIN, code=code) from None


# --- what is believed -----------------------------------------------------------------------------------------------


def _twelve_of(path: Path, leads: list[Lead]) -> dict[str, Lead]:
    """The twelve leads that are there, by their canonical names."""
    if not leads:
        raise InputError(path, "it holds no ECG", "give the file with its rhythm strip", code="no_waveform")
    names = []
    for lead in leads:
        repeated = _REPEATED.fullmatch(lead.label)
        names.append(repeated[1] if repeated and canonical_lead(repeated[1]) else lead.label)
    return {name: leads[position] for name, position in name_channels(path, names).items()}


def _one_rate(path: Path, leads: Mapping[str, Lead]) -> float:
    rates = {lead.sampling_rate for lead in leads.values()}
    if len(rates) > 1:
        raise InputError(path, "its leads differ in their sampling rate", AGAIN, code="rate")
    return float(next(iter(rates), 0.0))


def _millivolts(path: Path, name: str, lead: Lead) -> np.ndarray:
    if lead.is_raw or lead.units != "mV":
        raise InputError(path, f"lead {name} is in no unit of voltage", AGAIN, code="unit")
    return np.asarray(lead.samples, dtype=np.float64)


def without_calibration(
    leads: Mapping[str, np.ndarray], sampling_rate: float
) -> tuple[dict[str, np.ndarray], tuple[Finding, ...]]:
    """Leads (T,) in mV without what is the same in all of them at either end, and a note of it.

    Philips puts a calibration pulse of 1 mV behind the 10 s. No heart makes one shape in all leads: III would be
    II - I = 0.
    """
    if len(leads) < 8 or len({len(values) for values in leads.values()}) != 1:
        return dict(leads), ()
    differ = np.flatnonzero(~(np.ptp(np.stack(list(leads.values())), axis=0) <= SAME_MV))
    if not len(differ) or sampling_rate <= 0:
        return dict(leads), ()
    length, shortest = len(next(iter(leads.values()))), SHORTEST_SAME_S * sampling_rate
    begin = differ[0] if differ[0] >= shortest else 0
    end = differ[-1] + 1 if length - differ[-1] - 1 >= shortest else length
    cut_s = (begin + length - end) / sampling_rate
    words = f"{cut_s:.1f} s are the same in all leads, as a calibration pulse is: they are left out"
    notes = (Finding("ecg_calibration", words),) if cut_s else ()
    return {lead: values[begin:end] for lead, values in leads.items()}, notes


def _refuse_contradictions(path: Path, millivolts: Mapping[str, np.ndarray]) -> None:
    """Philips stores III, aVR, aVL and aVF as what I and II leave unsaid: damage shows as a contradiction."""
    if not millivolts.keys() >= set(LIMB_LEADS):
        return
    for lead, derived in derived_limb_leads(millivolts["I"], millivolts["II"]).items():
        if (samples := int((np.abs(millivolts[lead] - derived) > CONTRADICTION_MV).sum())) > 0:
            words = f"lead {lead} is not {RULES[lead]} at {samples} samples: they are damaged, or packed in an odd way"
            raise InputError(path, words, AGAIN, code="damaged")


def _person(record: ECGRecord) -> tuple[Person, tuple[Finding, ...]]:
    """Sex, age, height and weight. An age that contradicts the file's own dates is not taken."""
    patient, recorded = record.patient, record.recording.date
    age, notes = patient.age, ()
    if age is not None and patient.birth_date and recorded:
        since_birth = _years_between(patient.birth_date, recorded)
        if not -AGE_SLIP_YEARS < age + 0.5 - since_birth < AGE_SLIP_YEARS:
            words = "the file's age contradicts its dates: no age is taken"
            age, notes = None, (Finding("ecg_age", words),)
    texts = ("" if value is None else str(value) for value in (age, patient.height, patient.weight))
    return Person.from_text(patient.sex or "", *texts), notes


def _years_between(birth: datetime, then: datetime) -> float:
    return (then.replace(tzinfo=None) - birth.replace(tzinfo=None)).days / DAYS_A_YEAR
