"""GE CardioSoft XML (root CardiologyXML), the format of UK Biobank data-field 20205: reader and writer.

Elements are always addressed by their full path: POnset, SampleRate, Resolution, WaveformData and LeadOrder each
occur under several parents.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cohort.device_xml import positive_number_at, stated_rate, text_at
from cohort.disk import write_bytes
from cohort.errors import InputError
from cohort.finding import Finding
from cohort.leads import ECG, LEADS, Recording, check_length, name_channels
from cohort.person import Person

FULL_DISCLOSURE_S = 10  # how much of a full disclosure stands in for an absent strip
MICROVOLTS_PER_COUNT = 5
# int() would also take 1_000. Possessive: nothing to go back to, a ninth of the time.
INTEGERS = re.compile(r"(?:\s*+[+-]?+[0-9]{1,9}+\s*+,)*+\s*+[+-]?+[0-9]{1,9}+\s*+", re.ASCII)

_STRIPS = (("StripData",), ("StripData", "Strip"), ("Strip", "StripData"))


def read_cardiosoft(path: Path, root: Element) -> Recording:
    """The 10 s rhythm strip of a CardioSoft file, in mV; without a strip, the first 10 s of the full disclosure.

    Names, PID and dates are not looked at.

    Raises:
        InputError: not a resting ECG, no waveform, or a SampleRate or Resolution that is absent or no positive number.
    """
    if text_at([root], "ObservationType") != "RestECG":
        raise InputError(
            path, "not a resting ECG (its ObservationType is not RestECG)", "give a resting 12-lead ECG", code="format"
        )
    for parts in _STRIPS:
        nesting = _descend(root, parts)
        if nesting and nesting[0].find("WaveformData") is not None:
            return replace(_read_strip(path, nesting, _person(root)), stated_bpm=stated_rate(root))
    disclosure = root.find("FullDisclosure")
    if disclosure is None or disclosure.find("FullDisclosureData") is None:
        raise InputError(
            path,
            "no waveform: it has neither StripData nor FullDisclosure",
            "export it with its rhythm strip",
            code="no_waveform",
        )
    return replace(_read_full_disclosure(path, disclosure, _person(root)), stated_bpm=stated_rate(root))


def _descend(root: Element, parts: tuple[str, ...]) -> list[Element]:
    """The elements along a path, innermost first; empty where the path does not exist."""
    nesting: list[Element] = []
    for part in parts:
        child = (nesting[0] if nesting else root).find(part)
        if child is None:
            return []
        nesting.insert(0, child)
    return nesting


def _read_strip(path: Path, nesting: list[Element], person: Person) -> Recording:
    waveforms = nesting[0].findall("WaveformData")
    positions = name_channels(path, [waveform.get("lead") for waveform in waveforms])
    resolution = _resolution(path, nesting)
    return Recording(
        millivolts={
            lead: _counts(path, f"lead {lead}", waveforms[position].text) * resolution
            for lead, position in positions.items()
        },
        sampling_rate=positive_number_at(path, nesting, "SampleRate", "Hz"),
        person=person,
        others=len(waveforms) - len(positions),
    )


def _read_full_disclosure(path: Path, disclosure: Element, person: Person) -> Recording:
    """Sort the lines of a full disclosure. A line is one second of ONE lead, and the lines cycle through LeadOrder."""
    data = disclosure.find("FullDisclosureData")
    text = "".join([data.text or "", *(child.tail or "" for child in data)])  # not the child SampleCountTotal
    lines = [line.strip().removesuffix(",") for line in text.splitlines() if line.strip()]
    names = text_at([disclosure], "LeadOrder").split(",")
    positions = name_channels(path, names)
    if len(lines) % len(names):  # only counting tells which lead a line belongs to
        raise InputError(
            path,
            f"its FullDisclosure of {len(names)} leads has {len(lines)} lines: some are missing",
            "export it again",
            code="truncated",
        )
    rate = positive_number_at(path, [disclosure], "SampleRate", "Hz")
    resolution = _resolution(path, [disclosure])

    def millivolts(lead: str) -> np.ndarray:
        seconds = lines[positions[lead] :: len(names)][:FULL_DISCLOSURE_S]
        blocks = [_counts(path, f"lead {lead}", line) for line in seconds]
        if any(len(block) != rate for block in blocks):
            raise InputError(
                path,
                f"lead {lead}: a line of FullDisclosure is not one second",
                "export the ECG again",
                code="truncated",
            )
        return np.concatenate(blocks or [np.empty(0)]) * resolution

    seconds = len(lines) // len(names)
    words = f"its full disclosure lasts {seconds} s, and its first {FULL_DISCLOSURE_S} s are used"
    notes = (Finding("ecg_long", words),) if seconds > FULL_DISCLOSURE_S else ()
    return Recording({lead: millivolts(lead) for lead in positions}, rate, person, len(names) - len(positions), notes)


def _resolution(path: Path, nesting: list[Element]) -> float:
    """mV per count. The file says it, and it is not 1: several public readers forget this factor of 5 uV."""
    return positive_number_at(path, nesting, "Resolution", "uVperLsb") / 1000


def _counts(path: Path, what: str, text: str | None) -> np.ndarray:
    """Comma-separated signed 16-bit integers with white space between them, as (T,) int64."""
    check_length(path, (text or "").count(","))
    if text and INTEGERS.fullmatch(text):  # numpy alone would also take fractions, and stop silently at a letter
        counts = np.fromstring(text, np.int64, sep=",")
        if counts.min() >= -(2**15) and counts.max() < 2**15:
            return counts
    raise InputError(
        path, f"{what} has a sample that is not a whole number of 16 bits", "export the ECG again", code="samples"
    )


def _person(root: Element) -> Person:
    """Sex, age, height and weight, each only in the unit that CardioSoft is known to write."""
    patients = root.findall("PatientInfo")

    def in_unit(tag: str, unit: str) -> str:
        element = patients[0].find(tag) if patients else None
        known = element is not None and element.get("units", unit).upper() == unit
        return (element.text or "") if known else ""

    return Person.from_text(
        sex=text_at(patients, "Gender"),
        age_years=in_unit("Age", "YEARS"),
        height_cm=in_unit("Height", "CENTIMETERS"),
        weight_kg=in_unit("Weight", "KILOGRAMS"),
    )


# --- writing --------------------------------------------------------------------------------------------------------

# The measurements in the order of the real files, with their units.
_MEASUREMENTS = {
    "VentricularRate": "BPM",
    "PQInterval": "ms",
    "PDuration": "ms",
    "QRSDuration": "ms",
    "QTInterval": "ms",
    "QTCInterval": "ms",
    "RRInterval": "ms",
    "PPInterval": "ms",
    "SokolovLVHIndex": "mV",
    "PAxis": "degrees",
    "RAxis": "degrees",
    "TAxis": "degrees",
    "QTDispersion": "ms",
    "QTDispersionBazett": "ms",
    "QRSNum": None,
    "POnset": "ms",
    "POffset": "ms",
    "QOnset": "ms",
    "QOffset": "ms",
    "TOffset": "ms",
}
_FIDUCIALS = ("POnset", "POffset", "QOnset", "QOffset", "TOffset")

# Inverse Dower: Edenbrandt and Pahlm, J Electrocardiol 1988;21:361-7. Rows X (left), Y (foot), Z (back).
_INVERSE_DOWER_LEADS = ("V1", "V2", "V3", "V4", "V5", "V6", "I", "II")
_INVERSE_DOWER = np.array(
    [
        [-0.172, -0.074, 0.122, 0.231, 0.239, 0.194, 0.156, -0.010],
        [0.057, -0.019, -0.106, -0.022, 0.041, 0.048, -0.227, 0.887],
        [-0.229, -0.310, -0.246, -0.063, 0.055, 0.108, 0.022, 0.102],
    ]
)
_MEDIAN_RATE = 500  # Hz


def write_cardiosoft(
    path: str | Path,
    ecg: ECG,
    *,
    medians: np.ndarray | None = None,
    measurements: Mapping[str, float | None] | None = None,
) -> None:
    """Write a resting ECG as CardioSoft does: ISO-8859-1, CRLF, tabs, 5 uV a count. Equal input gives equal bytes.

    Args:
        path: appears when it is whole.
        ecg: all twelve leads. The limb leads III, aVR, aVL, aVF are computed from the counts of I and II, as the
            device does. Sex, age, height and weight are written. Names and PID are empty, and every date is 1/1/1.
        medians: (12, T) mV at 500 Hz in LEADS order, usually T = 600: the median beat. Its vector loop is added.
        measurements: by element name, e.g. {"VentricularRate": 62, "POnset": 178}. Absent ones and None stay empty.

    Raises:
        ValueError: a lead is absent or beyond 16 bits, or a measurement has an unknown name.
    """
    measurements = {name: value for name, value in (measurements or {}).items() if value is not None}
    if unknown := measurements.keys() - _MEASUREMENTS.keys():
        raise ValueError(f"CardioSoft has no measurement {', '.join(sorted(unknown))}")
    lines = [
        '<?xml version="1.0" encoding="ISO-8859-1" ?>',
        "<CardiologyXML>",
        *_HEAD.splitlines(),
        *_patient_lines(ecg.person),
        *_SETTINGS.splitlines(),
        "\t<RestingECGMeasurements>",
        *_measurement_lines(measurements),
    ]
    if medians is not None:
        median_counts = _device_counts(medians)
        lines += ["\t\t<MedianSamples>", *_block_lines(median_counts, _MEDIAN_RATE, "\t\t\t"), "\t\t</MedianSamples>"]
    lines += ["\t</RestingECGMeasurements>"]
    if medians is not None:
        lines += _vector_loop_lines(median_counts, measurements)
    strip = _block_lines(_device_counts(ecg.signal), ecg.sampling_rate, "\t\t")
    lines += ["\t<StripData>", *strip, "\t</StripData>", "</CardiologyXML>", ""]
    write_bytes(Path(path), "\r\n".join(lines).encode("iso-8859-1"))


def as_stored(ecg: ECG) -> ECG:
    """What reading back gives of the strip that `write_cardiosoft` writes: whole counts, and exact limb leads.

    Raises:
        ValueError: as `write_cardiosoft`.
    """
    return replace(ecg, signal=(_device_counts(ecg.signal) * (MICROVOLTS_PER_COUNT / 1000)).astype(np.float32))


def _device_counts(millivolts: np.ndarray) -> np.ndarray:
    """(12, T) mV -> (12, T) int64 counts that obey the identities of the device exactly."""
    if np.shape(millivolts)[0] != len(LEADS) or not np.isfinite(millivolts).all():
        raise ValueError("a CardioSoft file needs all twelve leads, finite")
    counts = np.rint(np.asarray(millivolts, dtype=np.float64) * 1000 / MICROVOLTS_PER_COUNT).astype(np.int64)
    one, two = counts[0], counts[1]
    three = two - one
    # Python's // rounds down, so that -(x // 2) is ceil(-x / 2).
    counts[2:6] = three, -((one + two) // 2), -((three - one) // 2), -(-(two + three) // 2)
    if np.abs(counts).max() >= 2**15:
        raise ValueError("a sample is beyond 16 bits of 5 uV")
    return counts


def _block_lines(counts: np.ndarray, sampling_rate: float, indent: str) -> Iterator[str]:
    yield f"{indent}<NumberOfLeads>{len(LEADS)}</NumberOfLeads>"
    yield f'{indent}<SampleRate units="Hz">{sampling_rate:.10g}</SampleRate>'
    yield f"{indent}<ChannelSampleCountTotal>{counts.shape[1]}</ChannelSampleCountTotal>"
    yield f'{indent}<Resolution units="uVperLsb">{MICROVOLTS_PER_COUNT}</Resolution>'
    for lead, row in zip(LEADS, counts, strict=True):
        yield f'{indent}<WaveformData lead="{lead}">{_waveform_text(row, indent)}</WaveformData>'


def _waveform_text(counts: np.ndarray, indent: str) -> str:
    """Samples joined by commas; a new line after the comma that follows sample 300, 600, ... (counted from 0)."""
    tokens = list(map(str, counts.tolist()))
    starts = [0, *range(301, len(tokens), 300)]
    return ",\r\n".join(
        indent + ",".join(tokens[start:stop]) for start, stop in zip(starts, [*starts[1:], None], strict=True)
    )


def _vector_loop_lines(median_counts: np.ndarray, measurements: Mapping[str, float]) -> Iterator[str]:
    """Inverse Dower times the medians, truncated toward zero; real files leave out the last sample."""
    eight = median_counts[[LEADS.index(lead) for lead in _INVERSE_DOWER_LEADS], :-1]
    # The coefficients have three decimals: rounding first keeps 4.999999 (that is, 5) from becoming 4.
    x, y, z = np.trunc(np.round(_INVERSE_DOWER @ eight, 6)).astype(np.int64)
    yield '\t<VectorLoops Creation="Inverse Dower">'
    yield f'\t\t<Resolution units="uVperLsb">{MICROVOLTS_PER_COUNT}</Resolution>'
    yield f"\t\t<ChannelSampleCountTotal>{eight.shape[1]}</ChannelSampleCountTotal>"
    for name in _FIDUCIALS:
        samples = f"{measurements[name] * _MEDIAN_RATE // 1000:.0f}" if name in measurements else ""
        yield f'\t\t<{name} units="sample">{samples}</{name}>'
    planes = (("Frontal", "X", x), ("Frontal", "-Y", -y), ("Horizontal", "X", x))
    planes += (("Horizontal", "Z", z), ("Sagittal", "-Z", -z), ("Sagittal", "-Y", -y))
    for plane, axis, row in planes:
        yield f'\t\t<{plane} Lead="{axis}">{_waveform_text(row, chr(9) * 2)}</{plane}>'
    yield "\t</VectorLoops>"


def _measurement_lines(measurements: Mapping[str, float]) -> Iterator[str]:
    for name, unit in _MEASUREMENTS.items():
        units = f' units="{unit}"' if unit else ""
        yield f"\t\t<{name}{units}>{_number(measurements.get(name))}</{name}>"


def _patient_lines(person: Person) -> list[str]:
    return [
        "\t<PatientInfo>",
        "\t\t<PID></PID>",
        "\t\t<Name>",
        "\t\t\t<FamilyName></FamilyName>",
        "\t\t\t<GivenName></GivenName>",
        "\t\t</Name>",
        f'\t\t<Age units="YEARS">{_number(person.age_years)}</Age>',
        "\t\t<BirthDateTime>",
        "\t\t\t<Day>1</Day>",
        "\t\t\t<Month>1</Month>",
        "\t\t\t<Year>1</Year>",
        "\t\t</BirthDateTime>",
        f"\t\t<Gender>{(person.sex or '').upper()}</Gender>",
        "\t\t<Race></Race>",
        f'\t\t<Height units="CENTIMETERS">{_number(person.height_cm)}</Height>',
        f'\t\t<Weight units="KILOGRAMS">{_number(person.weight_kg)}</Weight>',
        "\t\t<PaceMaker>no</PaceMaker>",
        "\t</PatientInfo>",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


_HEAD = """\
	<ObservationType>RestECG</ObservationType>
	<ObservationDateTime>
		<Hour>1</Hour>
		<Minute>1</Minute>
		<Second>1</Second>
		<Day>1</Day>
		<Month>1</Month>
		<Year>1</Year>
	</ObservationDateTime>
	<UID>
		<DICOMStudyUID></DICOMStudyUID>
	</UID>
	<ClinicalInfo>
		<ReasonForStudy></ReasonForStudy>
		<Technician>
			<FamilyName></FamilyName>
			<GivenName></GivenName>
			<PersonID></PersonID>
		</Technician>
		<ObservationComment></ObservationComment>
		<DeviceInfo>
			<Desc>CardioSoft</Desc>
			<SoftwareVer></SoftwareVer>
			<AnalysisVer></AnalysisVer>
		</DeviceInfo>
	</ClinicalInfo>
	<PatientVisit>
	</PatientVisit>"""

_SETTINGS = """\
	<FilterSetting>
		<CubicSpline>No</CubicSpline>
		<Filter50Hz>Yes</Filter50Hz>
		<Filter60Hz>No</Filter60Hz>
		<LowPass units="Hz">40</LowPass>
		<HighPass units="Hz">0.01</HighPass>
	</FilterSetting>
	<Device-Type>2</Device-Type>
	<Interpretation>
	</Interpretation>"""
