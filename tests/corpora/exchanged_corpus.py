"""ECGs in exchanged formats, odd and broken: every case is read right, to 1 uV, or refused by name."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cohort.ecg import ECG
from cohort.person import Person
from tests.corpora import exchanged_files as files
from tests.corpora.bomb import deflated_zeros
from tests.corpora.case import Case, bytes_case
from tests.corpora.device_files import INDEPENDENT, counts_of, right_ecg, true_ecg
from tests.corpora.ecg_corpus import noted

WOMAN = Person("female", 61.0)
CHUNK_HEADER = 8  # bytes in front of a packed lead of Philips


def exchanged_cases() -> list[Case]:
    return [*_plain(), *_dicom(), *_hl7(), *_philips(), *_binary(), *_mfer(), *_unscaled(), *_bombs()]


def _case(name: str, content: str | bytes, refused: str = "", right: Callable | None = None, file: str = "") -> Case:
    content, file = (content.encode(), file or "case.xml") if isinstance(content, str) else (content, file)
    return bytes_case(name, content, refused, right or right_ecg(), file)


def _dicom_case(name: str, refused: str = "", right: Callable | None = None, **parts) -> Case:
    return Case(name, lambda folder: files.dicom(**parts)(folder / "case.dcm"), refused, right or right_ecg())


def _also(person: Person, *codes: str) -> Callable[[ECG], str]:
    """A check of the samples, of the person, and of the reader's notes."""
    right, told = right_ecg(), noted(*codes)
    return lambda found: right(found) or told(found) or ("" if found.person == person else f"person: {found.person}")


def _near(step_uv: float, *codes: str) -> Callable[[ECG], str]:
    """A check of samples that were stored in coarse steps, and of the reader's notes."""
    told = noted(*codes)

    def near(found: ECG) -> str:
        if found.signal.shape != (12, 5000):
            return f"read as {found.signal.shape}"
        worst = 1000 * np.abs(found.signal - true_ecg()).max()
        return told(found) or ("" if worst <= step_uv / 2 + 0.01 else f"samples are {worst:.3g} uV wrong")

    return near


def _plain() -> list[Case]:
    return [
        _dicom_case("DICOM", right=_also(Person("female", 61.0, 164.0, 70.5))),
        _case("HL7", files.hl7(), right=_also(WOMAN)),
        _case("Mortara", files.mortara(), right=_also(WOMAN)),
        _case("Philips", files.philips(), right=_near(files.PHILIPS_UV, "ecg_calibration")),
        _case("SCP-ECG", files.scp(), file="case.scp", right=_also(WOMAN)),
        _case("EDF", files.edf(), file="case.edf", right=_also(WOMAN)),
        _case("ISHNE", files.ishne(), file="case.ecg", right=_also(WOMAN)),
        _case("MFER", files.mfer(), file="case.mwf", right=_also(WOMAN)),
        _case("SCP-ECG under another ending", files.scp(), file="case.bin"),
    ]


def _dicom() -> list[Case]:
    def padded(dataset):
        dataset.WaveformSequence[0].add_new(0x5400100A, "OW", struct.pack("<h", int(files.known_counts()[0, 7])))

    def image(dataset):
        del dataset.WaveformSequence

    def short(dataset):
        dataset.WaveformSequence[0].NumberOfWaveformSamples = 5001

    def contradictory(dataset):
        dataset.PatientBirthDate, dataset.AcquisitionDateTime = "19800101", "20210701120000"

    twice = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V5")
    eight = files.known_counts()[[0, 1, 6, 7, 8, 9, 10, 11]]
    aged = Person("female", None, 164.0, 70.5)
    return [
        _dicom_case("eight leads", counts=eight, names=INDEPENDENT),
        _dicom_case("a lead twice", "lead V5 is given twice", names=twice),
        _dicom_case("no unit of voltage", "in no unit of voltage", unit="mm[Hg]"),
        _dicom_case("a padded sample", "samples that are not numbers", change=padded),
        _dicom_case("no waveform", "DICOM and holds no ECG", change=image),
        _dicom_case("fewer samples than it says", "cannot be decoded", change=short),
        _dicom_case("an age that is not its dates'", right=_also(aged, "ecg_age"), change=contradictory),
    ]


def _hl7() -> list[Case]:
    milliseconds = '<increment value="2" unit="ms"/>'
    return [
        _case("HL7: milliseconds", files.hl7(increment=milliseconds)),
        _case("HL7: no increment", files.hl7(increment=""), "cannot be decoded"),
        _case("HL7: in no unit", files.hl7(unit="mm"), "in no unit of voltage"),
        _case("HL7: entities", files.hl7(before='<!DOCTYPE a [<!ENTITY b "c">]>\n'), "declares entities"),
        _case("HL7: cut", files.hl7()[:-2000], "not well-formed"),
        _case("HL7: three leads", files.hl7(files.known_counts()[:3], ("I", "II", "III")), "not a 12-lead ECG"),
        _case(
            "HL7: rate that is no whole number",
            files.hl7(increment='<increment value="0.00201" unit="s"/>'),
            right=_odd,
        ),
    ]


def _odd(found: ECG) -> str:
    return noted("ecg_departure")(found) or ("" if found.sampling_rate == 498 else f"{found.sampling_rate} Hz")


def _philips() -> list[Case]:
    contradictory = counts_of(true_ecg(), files.PHILIPS_UV)
    contradictory[2, 1000:1010] += 200
    near = _near(files.PHILIPS_UV)
    return [
        _case("Philips: no pulse", files.philips(calibrated=False), right=near),
        _case("Philips: a contradiction", files.philips(contradictory), "lead III is not II - I at 10 samples"),
        _case("Philips: no scale", files.philips(resolution=""), "in no unit of voltage"),
        _case("Philips: not base64", files.philips(packed="&lt;"), "cannot be decoded"),
        _case("Philips: no leads", files.philips(packed=""), "cannot be decoded"),
    ]


def _binary() -> list[Case]:
    other_rate = files.mortara().replace('SAMPLE_FREQ="500"', 'SAMPLE_FREQ="250"', 1)
    return [
        _case("Mortara: a lead at another rate", other_rate, "differ in their sampling rate"),
        _case("SCP-ECG: wrong checksum", files.scp(crc=False), "its own checksum", file="case.scp"),
        _case("SCP-ECG: cut", files.scp()[:-2000], "cannot be decoded", file="case.scp"),
        _case("SCP-ECG: no scale", files.scp(nanovolts=0), "in no unit of voltage", file="case.scp"),
        _case("ISHNE: wrong checksum", files.ishne(crc=False), "its own checksum", file="case.ecg"),
        _case("ISHNE: cut", files.ishne()[:-3], "cut short", file="case.ecg"),
        _case("EDF: cut", files.edf()[:-2000], "cut short", file="case.edf"),
        _case("EDF: in no unit", files.edf(unit="mmHg"), "in no unit of voltage", file="case.edf"),
        _case("EDF: no end", files.edf(records=-1), file="case.edf", right=_also(WOMAN, "ecg_departure")),
    ]


def _mfer() -> list[Case]:
    halves, apart = ((0, 2500), (2500, 5000)), ((0, 2500), (3000, 5500))
    doubled = np.concatenate([files.known_counts(), files.known_counts()], axis=1)
    other = counts_of(true_ecg())
    other[2] *= -1
    return [
        _case("MFER: little end first", files.mfer(little=True), file="case.mwf", right=_also(WOMAN)),
        _case("MFER: two frames", files.mfer(pieces=halves), file="case.mwf", right=_also(WOMAN)),
        _case("MFER: two frames with pointers", files.mfer(pieces=halves, pointers=True), file="case.mwf"),
        _case("MFER: a gap", files.mfer(doubled, pieces=apart, pointers=True), "samples have gaps", file="case.mwf"),
        _case("MFER: a longer preamble", files.mfer(preamble=b"MFR ".ljust(60)), file="case.bin"),
        _case("MFER: in no unit of voltage", files.mfer(unit=1), "in no unit of voltage", file="case.mwf"),
        _case("MFER: cut", files.mfer()[:-2000], "cannot be decoded", file="case.mwf"),
        _case("MFER: fewer samples than it says", _with_block(files.mfer(), 6000), "cut short", file="case.mwf"),
        _case("MFER: another scale on the way", _scaled_again(), "change their rate or scale", file="case.mwf"),
    ]


def _with_block(content: bytes, samples: int) -> bytes:
    """The same file with another number of samples a lead."""
    said = b"\x04\x02" + (5000).to_bytes(2, "big")
    assert content.count(said) == 1
    return content.replace(said, said[:2] + samples.to_bytes(2, "big"))


def _scaled_again() -> bytes:
    """Two frames, and another scale for the second."""
    content = files.mfer(pieces=((0, 2500), (2500, 5000)))
    at = content.rindex(b"\x04\x02" + (2500).to_bytes(2, "big"))
    return content[:at] + b"\x0c\x04\0\xf7\0\x01" + content[at:]


def _unscaled() -> list[Case]:
    """Formats whose files say no scale: refused by name, with what to do instead."""
    holter = b"\3\0\0\0##NEUTRAL HOLTER RECORDING##" + bytes(5000)
    edan = "Edan Holter archive, which says no unit.* HL7 XML, DICOM or SCP-ECG"
    return [
        _case("Edan: an archive", holter, edan, file="case.bin"),
        _case("Edan: an archive of another kind", bytes(5000), edan, file="case.arc"),
        _case("Edan: a header", bytes(3672), edan, file="patient.hea"),
        _case("XLE", bytes(0x40000 + 160), "XLE, which says neither rate nor unit.* HL7 XML", file="case.xle"),
        _case(
            "HDF5, as ml4h writes it",
            b"\x89HDF\r\n\x1a\n" + bytes(5000),
            "HDF5, which says no unit, rate or visit.* the XML it was made of, or numpy.save",
            file="case.hd5",
        ),
    ]


def _bombs() -> list[Case]:
    """Small files that would become gigabytes, and large ones."""
    return [
        Case("a deflated DICOM", _deflated, "deflated DICOM"),
        bytes_case("Philips: leads of gigabytes", _packed_bomb, "unpack to too much"),
        bytes_case("Philips: a million leads", _many_chunks, "more than 64 leads"),
        bytes_case("SCP-ECG: large", lambda: files.scp()[:100] + bytes(1 << 20), "larger than 1 MB", file="case.scp"),
        bytes_case(
            "MFER: gigabytes in many frames",
            lambda: files.mfer() + b"\x1e\x02\0\0" * 60_000,
            "16 frames",
            file="case.mwf",
        ),
        bytes_case("MFER: gigabytes of events", lambda: files.mfer() + b"\x41\x02\0\1" * 900_000, "10_000 definitions"),
        bytes_case(
            "MFER: gigabytes of events in groups",
            lambda: (
                files.mfer() + b"\x67\x84" + (900_000 * 4 + 2).to_bytes(4, "big") + b"\x41\x02\0\1" * 900_000 + b"\0\0"
            ),
            "10_000 definitions",
        ),
        bytes_case("MFER: gigabytes of leads", _many_leads, "more than 64 leads"),
        bytes_case("MFER: gigabytes in large blocks", _large_blocks, "cut short", file="case.mwf"),
        bytes_case("EDF: large", lambda: files.edf() + bytes(8 << 20), "larger than 8 MB", file="case.edf"),
        bytes_case("HL7: large", lambda: files.hl7(np.full((12, 110_000), -12_345)).encode(), "larger than 8 MB"),
    ]


def _deflated(folder: Path) -> Path:
    """A gigabyte of zeros behind a sound header."""
    path = files.dicom(syntax=DeflatedExplicitVRLittleEndian)(folder / "case.dcm")
    content = path.read_bytes()
    header = content[: 132 + 12 + struct.unpack("<I", content[140:144])[0]]
    path.write_bytes(header + deflated_zeros(b"", 1 << 30))
    return path


def _many_leads() -> bytes:
    return files.mfer().replace(b"\x05\x02\0\x0c", b"\x05\x04\0\x0f\0\0") + bytes(1 << 20)


def _large_blocks() -> bytes:
    """Sixteen frames of few bytes, each of which says that it has a megabyte."""
    frame = b"\x04\x04" + (40_000).to_bytes(4, "big") + b"\x06\x04" + (1).to_bytes(4, "big") + b"\x1e\x18" + bytes(24)
    return files.mfer(pieces=()).removesuffix(b"\x80\0") + frame * 16


def _packed_bomb() -> bytes:
    """Codes that each repeat the longest word so far, and a zero more."""
    codes = np.array([0, *range(256, 1023), *[1022] * 3_000_000], np.uint16)
    bits = (codes[:, None] >> np.arange(9, -1, -1, dtype=np.uint16) & 1).astype(bool).ravel()
    body = np.packbits(np.append(bits, np.ones(-len(bits) % 8, bool))).tobytes()
    return _philips_of(struct.pack("<IHh", len(body), 0, 0) + body)


def _many_chunks() -> bytes:
    return _philips_of(struct.pack("<IHh", 1, 0, 0).ljust(CHUNK_HEADER + 1, b"\0") * 300_000)


def _philips_of(content: bytes) -> bytes:
    return files.philips(packed=files.base64.b64encode(content).decode()).encode()
