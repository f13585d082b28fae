"""GE MUSE XML (root RestingECG): base64 int16 little-endian, 8 leads; the other four are derived."""

import base64
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cohort.device_xml import positive_number_at, text_at
from cohort.errors import InputError
from cohort.leads import Recording, name_channels
from cohort.person import Person, finite_number

_MILLIVOLTS_PER_UNIT = {"MICROVOLTS": 1e-3, "MILLIVOLTS": 1.0}


def read_muse(path: Path, root: Element) -> Recording:
    """The Rhythm waveform of a MUSE file, in mV.

    Raises:
        InputError: there is none, its rate or a scale is no positive number, or its samples cannot be decoded.
    """
    rhythms = [wave for wave in root.findall("Waveform") if text_at([wave], "WaveformType").lower() == "rhythm"]
    if not rhythms:
        raise InputError(
            path,
            "no waveform: it has no Waveform of type Rhythm",
            "export it with its rhythm strip",
            code="no_waveform",
        )
    leads = rhythms[0].findall("LeadData")
    positions = name_channels(path, [text_at([lead], "LeadID") for lead in leads])
    return Recording(
        millivolts={name: _millivolts(path, name, leads[position]) for name, position in positions.items()},
        sampling_rate=_sampling_rate(path, rhythms[0]),
        person=_person(root),
        others=len(leads) - len(positions),
    )


def _sampling_rate(path: Path, waveform: Element) -> float:
    """SampleBase x 10^SampleExponent Hz."""
    exponent = finite_number(text_at([waveform], "SampleExponent") or "0")
    if exponent not in range(-6, 7):
        raise InputError(path, "SampleExponent is not a small whole number", "export the ECG again", code="scale")
    return positive_number_at(path, [waveform], "SampleBase") * 10.0**exponent


def _millivolts(path: Path, name: str, lead: Element) -> np.ndarray:
    unit = _MILLIVOLTS_PER_UNIT.get(text_at([lead], "LeadAmplitudeUnits").upper())
    if unit is None:
        raise InputError(
            path, f"lead {name} is neither in microvolts nor in millivolts", "export the ECG again", code="unit"
        )
    try:
        samples = base64.b64decode("".join(text_at([lead], "WaveFormData").split()), validate=True)
        counts = np.frombuffer(samples, dtype="<i2")
    except ValueError:  # not base64, or an odd number of bytes
        raise InputError(
            path, f"the samples of lead {name} cannot be decoded", "export the ECG again", code="damaged"
        ) from None
    return counts * (positive_number_at(path, [lead], "LeadAmplitudeUnitsPerBit") * unit)


def _person(root: Element) -> Person:
    patients = root.findall("PatientDemographics")
    in_years = text_at(patients, "AgeUnits").upper() in ("YEARS", "")
    return Person.from_text(
        sex=text_at(patients, "Gender"),
        age_years=text_at(patients, "PatientAge") if in_years else "",
        height_cm=text_at(patients, "HeightCM"),
        weight_kg=text_at(patients, "WeightKG"),
    )
