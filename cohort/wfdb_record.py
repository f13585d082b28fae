"""WFDB records (PhysioNet): a .hea header and its signal files, decoded by the `wfdb` package.

The package sees copies of the signal files and a plain header of ours. So it decides nothing about names, scales,
lengths and rates, and is asked for no more than fits.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np
import wfdb

from cohort.disk import writing
from cohort.errors import InputError
from cohort.finding import Finding
from cohort.input_file import check_file
from cohort.leads import LEADS, MOST_SAMPLES, Recording, check_length, millivolts_per, name_channels
from cohort.person import Person
from cohort.wfdb_header import (
    COMPRESSED,
    DEFAULT_GAIN,
    DEFAULT_RATE,
    FORMATS,
    Header,
    Signal,
    plain_header,
    read_header,
)

MOST_VALUES = 16 * MOST_SAMPLES  # of all signals: PTB has 15 leads


def read_wfdb(path: Path, sampling_rate: float | None = None) -> Recording:
    """The twelve leads of a record, in mV. Other channels (Frank leads, pulse) are counted and dropped.

    Args:
        path: the header, or a signal file beside a header of the same stem.
        sampling_rate: Hz, of a header that says none. Without it that is 250 Hz, as header(5) has it, with a note.

    Raises:
        InputError: the header or a signal file is absent or unreadable. A checksum fails. A lead is in an unknown
            unit. There are too many samples.
    """
    header_path = path if path.suffix.lower() == ".hea" else path.with_suffix(".hea")
    if not header_path.is_file():
        raise InputError(
            path, f"there is no WFDB header {header_path.name}", "keep the .hea file beside its signals", code="absent"
        )
    header = read_header(header_path)
    positions = name_channels(header_path, [signal.name for signal in header.signals])
    leads = {lead: header.signals[position] for lead, position in positions.items()}
    return Recording(
        _millivolts(header_path, header, leads) if leads else {},
        _rate(header_path, header, leads.values(), sampling_rate),
        _person(header.comments),
        len(header.signals) - len(leads),
        tuple(_notes(header, leads, sampling_rate)),
    )


def _rate(path: Path, header: Header, leads: Iterable[Signal], sampling_rate: float | None) -> float:
    """Hz, of samples: a frame may hold several of each lead."""
    a_frame = {signal.samples_a_frame for signal in leads} or {1}
    if len(a_frame) > 1:
        raise InputError(path, "its leads have different sampling rates", "export them at one rate", code="rate")
    frames_hz = header.rate if header.rate is not None else sampling_rate or DEFAULT_RATE
    return frames_hz * a_frame.pop()


def _notes(header: Header, leads: dict[str, Signal], sampling_rate: float | None) -> Iterable[Finding]:
    """What the header leaves to its reader."""
    if header.rate is None and sampling_rate is None:
        yield Finding("ecg_rate", f"the header names no sampling rate: {DEFAULT_RATE:g} Hz is taken, as WFDB does")
    if without := [lead for lead, signal in leads.items() if signal.gain is None]:
        which = f"{len(without)} leads" if len(without) > 1 else f"lead {without[0]}"
        words = f"the header names no gain of {which}: {DEFAULT_GAIN:g} units per mV is taken, as WFDB does"
        yield Finding("ecg_gain", words)


def _millivolts(path: Path, header: Header, leads: dict[str, Signal]) -> dict[str, np.ndarray]:
    scales = {lead: _scale(path, lead, signal) for lead, signal in leads.items()}
    files = list(dict.fromkeys(signal.file for signal in leads.values()))
    signals = [signal for signal in header.signals if signal.file in files]
    for file in files:
        _require_beside(path.with_name(file))
    stored, physical = _decoded(path, _frames(path, header, signals), files, signals)
    rows = dict(zip(map(id, signals), zip(stored, physical, strict=True), strict=True))
    _check_sums(path, {lead: rows[id(signal)][0] for lead, signal in leads.items()}, leads)
    starts = {lead: signal.skew * signal.samples_a_frame for lead, signal in leads.items()}
    last = max(starts.values())  # where every lead still has a sample
    return {
        lead: rows[id(signal)][1][starts[lead] : len(rows[id(signal)][1]) - last + starts[lead]] * scales[lead]
        for lead, signal in leads.items()
    }


def _require_beside(signals: Path) -> None:
    """Refuse a file of signals that the header names and that is not there, or is none."""
    try:
        check_file(signals)
    except InputError as fault:
        if fault.code != "absent":
            raise
        words = "there is no such file, and the header names it"
        raise InputError(signals, words, "put it beside the header", code="absent") from None


def _scale(path: Path, lead: str, signal: Signal) -> float:
    """mV per physical unit; mV where the header names none."""
    scale = millivolts_per(signal.unit or "mV")
    if scale is None:
        raise InputError(
            path, f"lead {lead} is in a unit other than mV, uV or V", "correct the unit in the header", code="unit"
        )
    return scale


def _frames(path: Path, header: Header, signals: list[Signal]) -> int:
    """How many frames are to be decoded. It is known to be within bounds before anything is."""
    frames = header.frames if header.frames is not None else _frames_held(path, signals)
    check_length(path, frames * max(signal.samples_a_frame for signal in signals))
    if frames * sum(signal.samples_a_frame for signal in signals) > MOST_VALUES:
        raise InputError(
            path, f"it has more than {MOST_VALUES} samples", "give a resting ECG of 10 s", code="too_large"
        )
    return frames


def _frames_held(path: Path, signals: list[Signal]) -> int:
    """What the shortest signal file has room for, where the header does not say."""
    held = []
    for file in {signal.file for signal in signals}:
        of_file = [signal for signal in signals if signal.file == file]
        if of_file[0].format in COMPRESSED:
            fault = "its header says no number of samples, and its signals are compressed"
            raise InputError(path, fault, "write the number of samples into the header", code="damaged")
        content = path.with_name(file).stat().st_size - of_file[0].offset
        held.append(content / FORMATS[of_file[0].format] / sum(signal.samples_a_frame for signal in of_file))
    return max(0, int(min(held) + 1e-6))  # a third of four bytes is no binary fraction


def _decoded(
    path: Path, frames: int, files: list[str], signals: list[Signal]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of every signal, the stored integers (T,), and the same in its physical unit; NaN where nothing was recorded."""
    names = {file: f"f{number}.dat" for number, file in enumerate(files)}
    size = sum(path.with_name(file).stat().st_size for file in files)
    with writing(Path(gettempdir()), size), TemporaryDirectory() as folder:
        for file, name in names.items():
            shutil.copyfile(path.with_name(file), Path(folder) / name)
        (Path(folder) / "record.hea").write_text(plain_header("record", frames, signals, names), encoding="ascii")
        try:
            record = wfdb.rdrecord(str(Path(folder) / "record"), physical=False, smooth_frames=False)
            record.adc_gain = [signal.gain or DEFAULT_GAIN for signal in signals]
            record.baseline = [signal.baseline for signal in signals]
            with np.errstate(over="ignore"):  # of a gain near 0: `twelve_leads` refuses what comes of it
                return record.e_d_signal, record.dac(expanded=True)
        except Exception:  # wfdb raises whatever its decoding stumbles over
            raise InputError(
                path, "its signals do not agree with its header", "copy the record again", code="damaged"
            ) from None


def _check_sums(path: Path, stored: dict[str, np.ndarray], leads: dict[str, Signal]) -> None:
    """Refuse leads with another sum than the header's. A header of noughts alone was written without sums."""
    stated = {lead: signal.checksum for lead, signal in leads.items() if signal.checksum is not None}
    wrong = [lead for lead in LEADS if lead in stated and (int(stored[lead].sum()) - stated[lead]) % 2**16]
    if wrong and any(stated.values()):
        raise InputError(
            path,
            f"the samples of {', '.join(wrong)} do not add up to the header's checksum: they are damaged or exchanged",
            "copy the record again",
            code="crc",
        )


def _person(comments: Iterable[str]) -> Person:
    """Sex and age from comment lines such as "Age: 59" and "sex: female"."""
    stated = {key.strip(): text for key, _, text in (line.lower().partition(":") for line in reversed([*comments]))}
    return Person.from_text(*(stated.get(key, "") for key in ("sex", "age", "height", "weight")))
