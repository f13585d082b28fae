"""GE MUSE XML (root RestingECG): base64 int16 little-endian, 8 leads; the other four are derived."""

import base64
import binascii
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cohort.device_xml import positive_number_at, stated_rate, text_at
from cohort.errors import InputError
from cohort.finding import Finding
from cohort.leads import Recording, canonical_lead, millivolts_per, name_channels
from cohort.person import Person, finite_number

CM_PER_INCH, KG_PER_POUND = 2.54, 0.45359237


def read_muse(path: Path, root: Element) -> Recording:
    """The Rhythm waveform of a MUSE file, in mV; of several, the one with most of the twelve leads.

    A waveform without a type is a rhythm where no other is. Leads without a unit are in microvolts, with a note.

    Raises:
        InputError: there is none, its rate or a scale is no positive number, or its samples cannot be decoded or do
            not have the file's checksum.
    """
    rhythm = _rhythm(path, root)
    leads = rhythm.findall("LeadData")
    positions = name_channels(path, [text_at([lead], "LeadID") for lead in leads])
    without = [name for name, position in positions.items() if not text_at([leads[position]], "LeadAmplitudeUnits")]
    which = f"{len(without)} leads have" if len(without) > 1 else f"lead {''.join(without)} has"
    words = f"{which} no unit in the file: microvolts are taken, as MUSE writes them"
    return Recording(
        millivolts={name: _millivolts(path, name, leads[position]) for name, position in positions.items()},
        sampling_rate=_sampling_rate(path, rhythm),
        person=_person(root),
        others=len(leads) - len(positions),
        notes=(Finding("ecg_unit", words),) if without else (),
        stated_bpm=stated_rate(root),
    )


def _rhythm(path: Path, root: Element) -> Element:
    waves: dict[str, list[Element]] = {}
    for wave in root.findall("Waveform"):
        waves.setdefault(text_at([wave], "WaveformType").lower(), []).append(wave)
    if not (rhythms := waves.get("rhythm") or waves.get("")):
        raise InputError(
            path,
            "no waveform: it has no Waveform of type Rhythm",
            "export it with its rhythm strip",
            code="no_waveform",
        )
    return max(rhythms, key=_leads_in)


def _leads_in(wave: Element) -> int:
    """How many of the twelve leads a waveform holds."""
    return len({canonical_lead(text_at([lead], "LeadID")) for lead in wave.findall("LeadData")} - {None})


def _sampling_rate(path: Path, waveform: Element) -> float:
    """SampleBase x 10^SampleExponent Hz."""
    exponent = finite_number(text_at([waveform], "SampleExponent") or "0")
    if exponent not in range(-6, 7):
        raise InputError(path, "SampleExponent is not a small whole number", "export the ECG again", code="scale")
    return positive_number_at(path, [waveform], "SampleBase") * 10.0**exponent


def _millivolts(path: Path, name: str, lead: Element) -> np.ndarray:
    unit = millivolts_per(text_at([lead], "LeadAmplitudeUnits") or "MICROVOLTS")
    if unit is None:
        raise InputError(path, f"lead {name} is in a unit other than uV, mV and V", "export the ECG again", code="unit")
    try:
        samples = base64.b64decode("".join(text_at([lead], "WaveFormData").split()), validate=True)
        counts = np.frombuffer(samples, dtype="<i2")
    except ValueError:  # not base64, or an odd number of bytes
        raise InputError(
            path, f"the samples of lead {name} cannot be decoded", "export the ECG again", code="damaged"
        ) from None
    if not _agrees(samples, text_at([lead], "LeadDataCRC32")):
        raise InputError(
            path,
            f"the samples of lead {name} do not have the file's checksum: they are damaged or exchanged",
            "export the ECG again",
            code="crc",
        )
    return counts * (positive_number_at(path, [lead], "LeadAmplitudeUnitsPerBit") * unit)


def _agrees(samples: bytes, checksum: str) -> bool:
    """Whether samples have their CRC-32; of a file that states none, or 0, nothing is known."""
    return finite_number(checksum) in (None, 0, binascii.crc32(samples))


def _person(root: Element) -> Person:
    patients = root.findall("PatientDemographics")
    in_years = text_at(patients, "AgeUnits").upper() in ("YEARS", "")
    return Person.from_text(
        sex=text_at(patients, "Gender"),
        age_years=text_at(patients, "PatientAge") if in_years else "",
        height_cm=_metric(patients, "HeightCM", "HeightIN", CM_PER_INCH),
        weight_kg=_metric(patients, "WeightKG", "WeightLBS", KG_PER_POUND),
    )


def _metric(patients: list[Element], metric: str, imperial: str, factor: float) -> str:
    """The text of one element; where it is empty or 0, of the other times `factor`."""
    text, number = text_at(patients, metric), finite_number(text_at(patients, imperial))
    return f"{number * factor:.10g}" if text in ("", "0") and number is not None else text
