"""One known ECG as four devices would write it, without the project's own writers: what readers are judged by."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cohort.ecg import ECG, LEADS
from cohort.preprocessing import HIGHPASS_HZ, ecg_input
from tests.corpora.case import CANARY, CANARY_PID

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
STEP_UV = 0.1  # of the stored integers: far under the 1 uV that is asked for
WITHIN_MV = 1e-3
_RATE, _SECONDS = 250, 10  # what `ecg_input` makes of it


def true_ecg(rate: float = 500.0, seconds: float = 10.0) -> np.ndarray:
    """(12, T) mV: four tones between 5 and 14 Hz on each independent lead; the limb leads follow from I and II."""
    return _limbed(_tones(rate, seconds)[0])


def _tones(rate: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """(8, T) mV as recorded, and as the analytic high pass of `ecg_input` leaves them."""
    rng = np.random.default_rng(11)
    hertz, phase = rng.uniform(5, 14, (8, 4, 1)), rng.uniform(0, 2 * np.pi, (8, 4, 1))
    tones = rng.uniform(0.05, 0.3, (8, 4, 1)) * np.sin(
        2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate + phase
    )
    return tones.sum(axis=1), (tones / (1 + (HIGHPASS_HZ / hertz) ** 4)).sum(axis=1)


def _limbed(eight: np.ndarray) -> np.ndarray:
    one, two = eight[:2]
    return np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *eight[2:]])


def right_ecg(
    expected: np.ndarray | None = None,
    rate: float = 500.0,
    seconds: float = 10.0,
    flat: tuple[str, ...] = (),
    absent: tuple[str, ...] = (),
) -> Callable[[ECG], str]:
    """A check of what was read: the samples to 1 uV, the rate, and the tones to 1 uV after resampling.

    Args:
        expected: (12, T) mV; `true_ecg` if not given. Only then are the resampled tones looked at.
        flat, absent: leads that must be masked.
    """
    samples = true_ecg(rate, seconds) if expected is None else expected

    def right(found: ECG) -> str:
        if found.signal.shape != samples.shape or abs(found.sampling_rate - rate) > 1e-6:
            return f"read as {found.signal.shape} at {found.sampling_rate:g} Hz"
        kept = [i for i, lead in enumerate(LEADS) if lead not in absent]
        worst = np.abs(found.signal - samples)[kept].max()
        if not worst <= WITHIN_MV:
            return f"samples are {1000 * worst:.3g} uV wrong"
        signal, mask = ecg_input(found, _RATE, _SECONDS)
        if [lead for lead, there in zip(LEADS, mask, strict=True) if not there] != [*absent, *flat]:
            return f"masked leads: {[lead for lead, there in zip(LEADS, mask, strict=True) if not there]}"
        if expected is not None:
            return ""
        middle = slice(2 * _RATE, round((min(seconds, _SECONDS) - 2) * _RATE))  # the ends miss their past and future
        worst = np.abs(signal - _limbed(_tones(_RATE, _SECONDS)[1]))[mask, middle].max()
        return "" if worst <= WITHIN_MV else f"resampled tones are {1000 * worst:.3g} uV wrong"

    return right


def counts_of(millivolts: np.ndarray, step_uv: float = STEP_UV) -> np.ndarray:
    return np.rint(millivolts * 1000 / step_uv).astype(int)


def true_leads(rate: float = 500.0, seconds: float = 10.0, step_uv: float = STEP_UV) -> dict[str, str]:
    """Lead -> its samples as CardioSoft's text."""
    rows = counts_of(true_ecg(rate, seconds), step_uv).tolist()
    return {lead: ",".join(map(str, row)) for lead, row in zip(LEADS, rows, strict=True)}


def cardiosoft(
    leads: Mapping[str, str] | list[tuple[str, str]] | None = None,
    rate: str = '<SampleRate units="Hz">500</SampleRate>',
    resolution: str = f'<Resolution units="uVperLsb">{STEP_UV}</Resolution>',
    kind: str = "RestECG",
    strip: str | None = None,
    end: str = "\r\n",
) -> str:
    """The text of a CardioSoft file; every part of it may be replaced. It names a patient, as a hospital's does."""
    leads = true_leads() if leads is None else leads
    waves = [
        f'\t\t<WaveformData lead="{lead}">\r\n\t\t{text}</WaveformData>'
        for lead, text in (leads.items() if isinstance(leads, Mapping) else leads)
    ]
    strip = strip or "\r\n".join(["\t<StripData>", f"\t\t{rate}", f"\t\t{resolution}", *waves, "\t</StripData>"])
    lines = (
        '<?xml version="1.0" encoding="ISO-8859-1" ?>\r\n<CardiologyXML>\r\n'
        f"\t<ObservationType>{kind}</ObservationType>\r\n\t<PatientInfo>\r\n\t\t<PID>{CANARY_PID}</PID>\r\n"
        f'\t\t<Name><FamilyName>{CANARY}</FamilyName></Name>\r\n\t\t<Age units="YEARS">61</Age>\r\n'
        f"\t\t<Gender>FEMALE</Gender>\r\n\t</PatientInfo>\r\n{strip}\r\n</CardiologyXML>\r\n"
    )
    return lines.replace("\r\n", end)


def full_disclosure(seconds: int = 10, order: tuple[str, ...] = LEADS, rate: int = 500) -> str:
    """The element FullDisclosure: a line is one second of one lead; the lines cycle through the order."""
    rows = dict(zip(LEADS, counts_of(true_ecg(rate, seconds)), strict=True))
    lines = [
        ",".join(map(str, rows[lead][second * rate : (second + 1) * rate])) + ","
        for second in range(seconds)
        for lead in order
    ]
    return (
        f"<FullDisclosure><SampleRate>{rate}</SampleRate><Resolution>{STEP_UV}</Resolution>"
        f"<LeadOrder>{','.join(order)}</LeadOrder><FullDisclosureData><SampleCountTotal>{seconds * rate}"
        "</SampleCountTotal>\r\n" + "\r\n".join(lines) + "\r\n</FullDisclosureData></FullDisclosure>"
    )


def muse(
    counts: np.ndarray | None = None,
    leads: tuple[str, ...] = INDEPENDENT,
    step: str = str(STEP_UV),
    unit: str = "MICROVOLTS",
    base: str = "500",
    exponent: str = "0",
    before: str = "",
    data: str | None = None,
    kind: str = "Rhythm",
) -> str:
    """The text of a MUSE file: a median waveform, `before`, and the rhythm of `leads`, base64 of int16."""
    counts = counts_of(true_ecg()) if counts is None else counts
    rows = dict(zip(LEADS, counts, strict=True))

    def waveform(kind: str, stop: int | None) -> str:
        parts = [
            f"<LeadData><LeadByteCountTotal>{2 * len(rows[lead][:stop])}</LeadByteCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>{unit}"
            f"</LeadAmplitudeUnits><LeadID>{lead}</LeadID><WaveFormData>\n"
            f"{data or base64.encodebytes(rows[lead][:stop].astype('<i2').tobytes()).decode()}</WaveFormData>"
            "</LeadData>"
            for lead in leads
        ]
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>{base}</SampleBase><SampleExponent>{exponent}"
            f"</SampleExponent>{''.join(parts)}</Waveform>"
        )

    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
        f"<PatientDemographics><PatientID>{CANARY_PID}</PatientID><PatientLastName>{CANARY}</PatientLastName>"
        f"</PatientDemographics>{waveform('Median', 600)}{before}{waveform(kind, None)}</RestingECG>"
    )


def write_wfdb(
    folder: Path,
    leads: tuple[str, ...] = LEADS,
    unit: str = "mV",
    units_per_mv: float = 1.0,
    rate: float = 500.0,
    seconds: float = 10.0,
    counts: np.ndarray | None = None,
    baseline: int = 0,
    header: Callable[[str], str] = lambda text: text,
    sums: bool = True,
) -> Path:
    """A record of format 16, header and signals written by hand (PhysioNet's header(5)); returns the header.

    Args:
        sums: whether the header states the checksums.
        counts: (leads, T) integers of STEP_UV; those of `true_ecg` if not given. Leads of other names are noise.
        header: changes the header's text.
    """
    if counts is None:
        rows = dict(zip((lead.lower() for lead in LEADS), counts_of(true_ecg(rate, seconds)), strict=True))
        counts = np.stack([rows.get(lead.lower(), rows["i"][::-1]) for lead in leads])
    stored = (counts + baseline).astype("<i2")
    gain = 1000 / STEP_UV / units_per_mv
    lines = [f"case {len(leads)} {rate:.10g} {stored.shape[1]}"]
    totals = stored.sum(axis=1, dtype=int).astype("<i2") if sums else np.zeros(len(leads), int)
    lines += [
        f"case.dat 16 {gain:.10g}({baseline})/{unit} 16 0 0 {total} 0 {lead}"
        for lead, total in zip(leads, totals, strict=True)
    ]
    text = header("\n".join([*lines, "# Age: 61", f"# Name: {CANARY}", ""]))
    (folder / "case.hea").write_bytes(text.encode())
    (folder / "case.dat").write_bytes(stored.T.tobytes())
    return folder / "case.hea"
