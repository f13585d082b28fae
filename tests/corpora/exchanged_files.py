"""One known ECG in the formats that devices exchange, written by hand from their standards."""

import base64
import binascii
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

from cohort.leads import LEADS
from tests.corpora.case import CANARY, CANARY_PID
from tests.corpora.device_files import STEP_UV, counts_of, true_ecg

RATE = 500
SCP_CODES = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))  # ISO 11073-91064
PHILIPS_UV = 5  # a count


def known_counts(step_uv: float = STEP_UV) -> np.ndarray:
    """(12, 5000) integers of `step_uv`."""
    return counts_of(true_ecg(RATE), step_uv)


# --- DICOM ----------------------------------------------------------------------------------------------------------


def dicom(
    counts: np.ndarray | None = None,
    names: tuple[str, ...] = LEADS,
    unit: str = "uV",
    change: Callable[[Dataset], None] = lambda dataset: None,
    syntax: str = ExplicitVRLittleEndian,
) -> Callable[[Path], Path]:
    """A writer of a 12-lead ECG waveform (PS3.3 A.34.3) of a woman of 61 years."""

    def write(path: Path) -> Path:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = TwelveLeadECGWaveformStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.PatientName, dataset.PatientID = f"{CANARY}^Ada", CANARY_PID
        dataset.PatientSex, dataset.PatientAge, dataset.PatientSize, dataset.PatientWeight = "F", "061Y", 1.64, 70.5
        dataset.WaveformSequence = Sequence([_dicom_wave(known_counts() if counts is None else counts, names, unit)])
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def _dicom_wave(counts: np.ndarray, names: tuple[str, ...], unit: str) -> Dataset:
    wave = Dataset()
    wave.WaveformOriginality, wave.SamplingFrequency = "ORIGINAL", RATE
    wave.NumberOfWaveformChannels, wave.NumberOfWaveformSamples = counts.shape
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    wave.ChannelDefinitionSequence = Sequence([_dicom_channel(name, unit) for name in names])
    wave.add_new(0x54001010, "OW", counts.T.astype("<i2").tobytes())
    return wave


def _dicom_channel(name: str, unit: str) -> Dataset:
    channel, source, units = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator = f"2:{SCP_CODES.get(name, 0)}", "MDC"
    source.CodeMeaning = f"Lead {name}"
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = Sequence([source]), Sequence([units])
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = STEP_UV, 1
    channel.ChannelBaseline, channel.WaveformBitsStored = 0, 16
    return channel


# --- XML ------------------------------------------------------------------------------------------------------------


def hl7(
    counts: np.ndarray | None = None,
    names: tuple[str, ...] = LEADS,
    unit: str = "uV",
    increment: str = '<increment value="0.002" unit="s"/>',
    before: str = "",
    birth: str = "19600101",
) -> str:
    """The text of an annotated ECG (HL7 v3) of a woman, recorded on 1 July 2021."""
    counts = known_counts() if counts is None else counts
    lists = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{name.upper()}"/><value xsi:type="SLIST_PQ"><origin value="0" '
        f'unit="{unit}"/><scale value="{STEP_UV}" unit="{unit}"/><digits>{" ".join(map(str, row))}</digits></value>'
        "</sequence></component>"
        for name, row in zip(names, counts.tolist(), strict=True)
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{before}<AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><effectiveTime><low value="20210701120000"/>'
        '<high value="20210701120010"/></effectiveTime><componentOf><timepointEvent><componentOf><subjectAssignment>'
        f'<subject><trialSubject><id extension="{CANARY_PID}"/><subjectDemographicPerson><name>{CANARY}</name>'
        f'<administrativeGenderCode code="F"/><birthTime value="{birth}"/></subjectDemographicPerson></trialSubject>'
        "</subject></subjectAssignment></componentOf></timepointEvent></componentOf><component><series>"
        '<code code="RHYTHM"/><component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/>'
        f'<value xsi:type="GLIST_TS"><head value="20210701120000"/>{increment}</value></sequence></component>'
        f"{lists}</sequenceSet></component></series></component></AnnotatedECG>"
    )


def mortara(counts: np.ndarray | None = None, per_mv: str = str(round(1000 / STEP_UV)), rate: str = str(RATE)) -> str:
    """The text of a Mortara ELI export."""
    rows = zip(LEADS, known_counts() if counts is None else counts, strict=True)
    channels = "".join(
        f'<CHANNEL NAME="{name}" UNITS_PER_MV="{per_mv}" SAMPLE_FREQ="{rate}" DURATION="{len(row)}" OFFSET="0" '
        f'BITS="16" FORMAT="SIGNED" ENCODING="BASE64" DATA="{base64.b64encode(row.astype("<i2").tobytes()).decode()}"/>'
        for name, row in rows
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><ECG ACQUISITION_TIME="20210701120000" AGE="61" AGE_UNITS="YEARS">'
        f'<SUBJECT LAST_NAME="{CANARY}" ID="{CANARY_PID}" GENDER="Female"/>{channels}</ECG>'
    )


def philips(
    counts: np.ndarray | None = None, packed: str | None = None, calibrated: bool = True, resolution: str = "5"
) -> str:
    """The text of a Philips Sierra export 1.03, its leads packed; behind 10 s comes a pulse of 1 mV in every lead."""
    counts = known_counts(PHILIPS_UV) if counts is None else counts
    if calibrated:
        pulse = np.zeros(RATE, int)
        pulse[100:200] = 1000 // PHILIPS_UV
        counts = np.concatenate([counts, np.tile(pulse, (len(counts), 1))], axis=1)
    packed = base64.b64encode(b"".join(map(xli_chunk, _residuals(counts)))).decode() if packed is None else packed
    return (
        '<?xml version="1.0" encoding="utf-8"?><restingecgdata><documentinfo><documenttype>SierraECG</documenttype>'
        "<documentversion>1.03</documentversion></documentinfo><dataacquisition><signalcharacteristics>"
        f"<samplingrate>{RATE}</samplingrate><signalresolution>{resolution}</signalresolution>"
        "<numberchannelsallocated>12</numberchannelsallocated><leadset>STD-12</leadset></signalcharacteristics>"
        f"</dataacquisition><patient><generalpatientdata><name><lastname>{CANARY}</lastname></name>"
        f"<sex>Female</sex><age><years>61</years></age></generalpatientdata></patient><waveforms>"
        f'<parsedwaveforms compressflag="True" compressmethod="XLI" dataencoding="Base64" '
        f'durationperchannel="{counts.shape[1] * 1000 // RATE}" nbitspersample="16">{packed}</parsedwaveforms>'
        "</waveforms></restingecgdata>"
    )


def _residuals(counts: np.ndarray) -> np.ndarray:
    """(12, T): in place of III, aVR, aVL and aVF what I and II leave of them."""
    one, two, three, right, left, foot = counts[:6]
    rest = (two - one - three, -right - (one + two) // 2, (one - three) // 2 - left, (two + three) // 2 - foot)
    return np.stack([one, two, *rest, *counts[6:]])


def xli_chunk(samples: np.ndarray) -> bytes:
    """One lead, packed: what is left of going straight on, plus 64, as big-endian bytes in two halves, by LZW."""
    off = 2 * samples[1:-1] - samples[:-2] - samples[2:]
    codes = np.concatenate([samples[:2], off[1:] + 64, [64]]).astype(np.int16).view(np.uint16)
    body = lzw(np.concatenate([codes >> 8, codes & 255]).astype(np.uint8).tobytes())
    return struct.pack("<IHh", len(body), 0, int(off[0])) + body


def lzw(content: bytes, bits: int = 10) -> bytes:
    """Packed by LZW, with codes of fixed width, highest bit first."""
    known = {bytes([value]): value for value in range(256)}
    codes, word = [], b""
    for value in content:
        longer = word + bytes([value])
        if longer in known:
            word = longer
            continue
        codes.append(known[word])
        if len(known) < (1 << bits) - 1:
            known[longer] = len(known)
        word = bytes([value])
    text = "".join(f"{code:0{bits}b}" for code in [*codes, known[word]])
    return int(text.ljust(-(-len(text) // 8) * 8, "1"), 2).to_bytes(-(-len(text) // 8), "big")


# --- Binary ---------------------------------------------------------------------------------------------------------


def scp(counts: np.ndarray | None = None, nanovolts: int = round(1000 * STEP_UV), crc: bool = True) -> bytes:
    """SCP-ECG 2.0 without compression: pointers, patient, leads, rhythm."""
    counts = known_counts() if counts is None else counts
    leads, length = counts.shape
    patient = b"".join(
        struct.pack("<BH", tag, len(value)) + value
        for tag, value in (
            (0, CANARY.encode() + b"\0"),
            (2, CANARY_PID.encode() + b"\0"),
            (4, struct.pack("<HB", 61, 1)),
            (8, b"\2"),
            (255, b""),
        )
    )
    names = b"".join(struct.pack("<IIB", 1, length, SCP_CODES[name]) for name in LEADS[:leads])
    rhythm = struct.pack("<HHBB", nanovolts, 1_000_000 // RATE, 0, 0) + struct.pack("<H", 2 * length) * leads
    bodies = {1: patient, 3: struct.pack("<BB", leads, 4 | leads << 3) + names}
    bodies[6] = rhythm + counts.astype("<i2").tobytes()
    sections = {number: _scp_section(number, body) for number, body in bodies.items()}
    begin, pointers = 7 + 16 + 40, struct.pack("<HII", 0, 56, 7)
    for number, section in sections.items():
        pointers += struct.pack("<HII", number, len(section), begin)
        begin += len(section)
    whole = _scp_section(0, pointers, b"SCPECG") + b"".join(sections.values())
    sized = struct.pack("<I", 6 + len(whole)) + whole
    return struct.pack("<H", binascii.crc_hqx(sized, 0xFFFF) ^ (not crc)) + sized


def _scp_section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    body += b"\0" * (len(body) % 2)
    rest = struct.pack("<HIBB", number, 16 + len(body), 20, 20) + reserved + body
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


def edf(counts: np.ndarray | None = None, names: tuple[str, ...] = LEADS, unit: str = "uV", records: int = 10) -> bytes:
    """EDF+ of records of one second; EDF's ten years of age come from birth and recording."""
    counts = known_counts() if counts is None else counts
    signals, per_record = len(counts), counts.shape[1] // 10
    patient = f"{CANARY_PID} F 01-JAN-1960 {CANARY}"
    head = f"{'0':8}{patient:80}{'Startdate 01-JUL-2021 X X X':80}01.07.2112.00.00{256 * (signals + 1):<8}{'EDF+C':44}"
    head += f"{records:<8}{1:<8}{signals:<4}"
    high = 32767 * STEP_UV
    fields = [(16, list(names)), (80, [""] * signals), (8, [unit] * signals), (8, [f"{-high:.1f}"] * signals)]
    fields += [(8, [f"{high:.1f}"] * signals), (8, ["-32767"] * signals), (8, ["32767"] * signals)]
    fields += [(80, [""] * signals), (8, [str(per_record)] * signals), (32, [""] * signals)]
    head += "".join(f"{text:{width}}" for width, texts in fields for text in texts)
    data = counts.reshape(signals, 10, per_record).transpose(1, 0, 2).astype("<i2")
    return head.encode("ascii") + data.tobytes()


def ishne(counts: np.ndarray | None = None, crc: bool = True) -> bytes:
    """ISHNE's standard output format (Badilini 1998)."""
    counts = known_counts() if counts is None else counts
    leads, length = counts.shape
    codes = dict(zip(LEADS, range(5, 17), strict=True))
    head = struct.pack("<iiii", 0, length, 522, 522) + struct.pack("<h", 1)
    head += b"Ada".ljust(40, b"\0") + CANARY.encode().ljust(40, b"\0") + CANARY_PID.encode().ljust(20, b"\0")
    head += struct.pack("<hh", 2, 0) + struct.pack("<3h", 1, 1, 1960) + struct.pack("<3h", 1, 7, 2021)
    head += struct.pack("<3h", 1, 7, 2021) + struct.pack("<3h", 12, 0, 0) + struct.pack("<h", leads)
    head += struct.pack("<12h", *(codes[name] for name in LEADS)) + bytes(24)
    head += struct.pack("<12h", *[round(1000 * STEP_UV)] * 12) + struct.pack("<h", 0)
    head += b"digital".ljust(40, b"\0") + struct.pack("<h", RATE)
    head = head.ljust(522 - 10, b"\0")
    checksum = binascii.crc_hqx(head, 0xFFFF) ^ (0 if crc else 0x5A5A)
    return b"ISHNE1.0" + struct.pack("<H", checksum) + head + counts.T.astype("<i2").tobytes()


def mfer(
    counts: np.ndarray | None = None,
    unit: int = 0,
    little: bool = False,
    pieces: tuple[tuple[int, int], ...] = ((0, 5000),),
    preamble: bytes = b"MFR Standard 12 leads ECG",
    pointers: bool = False,
) -> bytes:
    """MFER (ISO 22077-1): one block of all samples a lead, in as many frames as there are pieces (begin, end).

    `unit` is the code of the scale's, of which 0 is volts.
    """
    counts = known_counts() if counts is None else counts
    order = "little" if little else "big"

    def one(tag: int, content: bytes) -> bytes:
        size = len(content)
        return bytes([tag]) + (bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")) + content

    def number(value: int, size: int = 2) -> bytes:
        return value.to_bytes(size, order)

    content = (
        one(0x40, preamble) + one(0x01, bytes([little])) + one(0x81, CANARY.encode()) + one(0x82, CANARY_PID.encode())
    )
    content += one(0x84, b"\x02") + one(0x83, bytes([61]) + number(0)) + one(0x08, number(1)) + one(0x05, number(12))
    content += one(0x0B, b"\x01\xfd" + number(1000 // RATE)) + one(0x0A, b"\0")
    content += one(0x0C, bytes([unit]) + b"\xf7" + number(round(1000 * STEP_UV)))
    for channel, lead in enumerate(LEADS):
        name = one(0x09, number(SCP_CODES[lead]))
        content += bytes([0x3F, channel, len(name)]) + name
    for begin, end in pieces:
        content += one(0x07, number(begin, 4)) if pointers else b""
        content += one(0x04, number(end - begin)) + one(0x06, number(1))
        content += one(0x1E, counts[:, begin:end].astype("<i2" if little else ">i2").tobytes())
    return content + b"\x80\0"


config.settings.writing_validation_mode = config.IGNORE  # odd values are what the corpus is for
