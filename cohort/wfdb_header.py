"""The header of a WFDB record (PhysioNet, header(5)), in as many hands as write it, and in ours."""

import re
from dataclasses import dataclass
from pathlib import Path

from cohort.errors import InputError
from cohort.input_file import read_limited

LARGEST_HEADER = 2**20  # bytes
DEFAULT_GAIN = 200.0  # units per mV; header(5): of a gain that is absent or 0
DEFAULT_RATE = 250.0  # Hz; header(5)
# Bytes a sample; None where the format is compressed. signal(5)
FORMATS = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
COMPRESSED = ("508", "516", "524")
# Numbers are of bounded length: a regular expression would try every way to cut a long one in two.
# Whatever comes behind the number of samples (time, date) is left unread: it is the patient's, and often misspelt.
_RECORD = re.compile(
    r"\S+?(?:/(?P<segments>\d{1,9}))?\s+(?P<signals>\d{1,4})"
    r"(?:\s+(?P<rate>\d{1,12}\.?\d{0,30}(?:[eE][-+]?\d{1,3})?)(?:/\S*)?(?:\s+(?P<samples>\d{1,12})(?:\s.*)?)?)?"
)
_SIGNAL = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,9}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,9}))?"
    r"(?:\s+(?P<gain>[-+]?\d{0,30}\.?\d{0,30}(?:[eE][-+]?\d{1,4})?)(?:\((?P<baseline>-?\d{1,12})\))?(?:/(?P<unit>\S+))?)?"
    r"(?:\s+\d{1,12})?(?:\s+(?P<zero>-?\d{1,12}))?(?:\s+(?P<initial>-?\d{1,12}))?(?:\s+(?P<checksum>-?\d{1,12}))?"
    r"(?:\s+-?\d{1,12})?(?:\s+(?P<name>.*))?"
)


@dataclass(frozen=True)
class Signal:
    """One line of a header.

    Attributes:
        file: beside the header; format: of FORMATS or COMPRESSED.
        samples_a_frame: 1 where the signal is sampled at the record's rate.
        skew: how many frames later than the others it is stored.
        offset: bytes before the first sample; samples where the file is compressed.
        gain: stored units per physical unit; None where the header says none, or 0.
        unit: "" where the header says none; baseline: the stored value of 0.
        initial: the first sample.
        checksum: the sum of all samples, modulo 65,536; None where the header says none.
    """

    file: str
    format: str
    samples_a_frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int
    unit: str
    initial: int
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Header:
    """A record of one segment.

    Attributes:
        rate: Hz, of frames; None where the header says none.
        frames: None where the header says none.
        comments: lines behind "#".
    """

    rate: float | None
    frames: int | None
    signals: tuple[Signal, ...]
    comments: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Parse a header. Ends of lines, the record's own name, and date and time are of no importance.

    Raises:
        InputError: it is none, or is of several segments, or lacks lines.
    """
    lines = [line.strip() for line in _text_of(path).splitlines()]
    record, *signals = [line for line in lines if line and not line.startswith("#")] or [""]
    match = _RECORD.fullmatch(record)
    if match is None:
        raise InputError(path, "not a readable WFDB header: its first line", "copy the record again", code="format")
    if match["segments"]:
        raise InputError(
            path,
            f"a WFDB record of {int(match['segments'])} segments, which are not joined here",
            "give the header of one segment, or join them with wfdb.rdrecord and wfdb.wrsamp",
            code="format",
        )
    if len(signals) != int(match["signals"]):
        fault = f"a WFDB header with missing entries: {match['signals']} signals, {len(signals)} lines"
        raise InputError(path, fault, "copy the record again", code="damaged")
    return Header(
        rate=float(match["rate"]) if match["rate"] else None,
        frames=int(match["samples"] or 0) or None,
        signals=tuple(_signal(path, number, line) for number, line in enumerate(signals, 1)),
        comments=tuple(line.lstrip("# \t") for line in lines if line.startswith("#")),
    )


def _text_of(path: Path) -> str:
    content = read_limited(path, LARGEST_HEADER)
    if not content.strip(b"\0 \t\r\n"):
        raise InputError(path, "empty: not a readable WFDB header", "copy the record again", code="empty")
    return content.decode("utf-8-sig", errors="replace")


def _signal(path: Path, number: int, line: str) -> Signal:
    match = _SIGNAL.fullmatch(line)
    sound = match is not None and (match["format"] in FORMATS or match["format"] in COMPRESSED)
    if not sound or Path(match["file"]).name != match["file"] or "\\" in match["file"]:
        fault = f"not a readable WFDB header: the line of signal {number}"
        raise InputError(path, fault, "copy the record again", code="format")
    try:
        gain = float(match["gain"] or 0)
    except ValueError:
        gain = float("nan")
    if not 0 <= gain < float("inf"):
        fault = f"the gain of signal {number} is no positive number"
        raise InputError(path, fault, "correct the gain in the header", code="scale")
    zero = int(match["zero"] or 0)
    return Signal(
        file=match["file"],
        format=match["format"],
        samples_a_frame=int(match["frame"] or 1),
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=gain or None,
        baseline=int(match["baseline"]) if match["baseline"] else zero,
        unit=match["unit"] or "",
        initial=int(match["initial"] or zero),
        checksum=int(match["checksum"]) if match["checksum"] else None,
        name=(match["name"] or "").strip(),
    )


def plain_header(name: str, frames: int, signals: list[Signal], files: dict[str, str]) -> str:
    """A header of the same signals that every reader understands: stored integers, in files renamed by `files`."""
    lines = [f"{name} {len(signals)} {DEFAULT_RATE:g} {frames}"]
    for number, one in enumerate(signals):
        stored = f"{files[one.file]} {one.format}x{one.samples_a_frame}+{one.offset}"
        lines.append(f"{stored} {DEFAULT_GAIN:g}(0)/mV 16 0 {one.initial} 0 0 s{number}")
    return "\n".join([*lines, ""])
