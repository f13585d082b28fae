"""The twelve leads: their names, how limb leads follow from I and II, and what makes channels a 12-lead ECG."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from cohort.errors import InputError
from cohort.finding import Finding
from cohort.limb_leads import derived_limb_leads
from cohort.person import Person

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SHORTEST_S = 5.0
FLAT_MV = 0.02  # peak to peak: 4 counts of 5 uV. The smallest lead of the real ECGs looked at spans 0.27 mV.
LOWEST_SAMPLING_RATE = 100.0  # Hz; below it a QRS complex of 80 ms is a handful of samples
MOST_SAMPLES = 600_000  # of a lead: 20 min at 500 Hz. Bounds the time and memory that a file can claim.
# IEC 60601-2-25 asks recorders to bear 300 mV between electrodes. What is above a volt was not recorded but scaled.
LARGEST_RECORDED_MV = 1_000.0
ALLOWED = ", or allow missing chest leads (--allow-missing-leads)"
RATES_BPM = (20.0, 300.0)  # that a file may state

_CANONICAL = {lead.lower(): lead for lead in LEADS} | {"di": "I", "dii": "II", "diii": "III"}
_PREFIX = re.compile(r"(?:mdc_)?(?:ecg[ _:]*)?lead(?:-|[ _:]*)|ecg[ _:]+")  # "Lead -aVR" is no aVR
_MILLIVOLTS_PER_UNIT = {"n": 1e-6, "nano": 1e-6, "u": 1e-3, "micro": 1e-3, "m": 1.0, "milli": 1.0, "": 1e3}


@dataclass(frozen=True)
class Recording:
    """What a file holds, before it is known to be a 12-lead ECG.

    Attributes:
        millivolts: canonical lead name -> (T,) float array in mV. All NaN means "not recorded".
        sampling_rate: Hz.
        person: what the file says of sex, age, height and weight.
        others: how many channels of the file are none of the twelve leads.
        notes: what the file leaves unsaid and the reader took for granted.
        stated_bpm: the heart rate that the file states; None where it states none.
    """

    millivolts: Mapping[str, np.ndarray]
    sampling_rate: float
    person: Person
    others: int = 0
    notes: tuple[Finding, ...] = ()
    stated_bpm: float | None = None


@dataclass(frozen=True, eq=False)
class ECG:
    """A resting 12-lead ECG. Names, ids and dates of its file are not kept.

    Attributes:
        signal: (12, T) float32 mV in the order of LEADS; a row of NaN is an absent lead.
        sampling_rate: Hz.
        person: what the file says of sex, age, height and weight.
        notes: what the file leaves unsaid and the reader took for granted.
        stated_bpm: the heart rate that the file states; None where it states none.
    """

    signal: np.ndarray
    sampling_rate: float
    person: Person = Person()
    notes: tuple[Finding, ...] = ()
    stated_bpm: float | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.signal) != 2 or len(self.signal) != len(LEADS):
            raise ValueError(f"an ECG has shape (12, T), not {np.shape(self.signal)}")
        if np.isinf(self.signal).any():
            raise ValueError("an ECG has no infinite sample")

    def first(self, seconds: float) -> "ECG":
        """The first seconds of it; itself where it is no longer."""
        samples = round(seconds * self.sampling_rate)
        return self if self.signal.shape[1] <= samples else replace(self, signal=self.signal[:, :samples])

    @cached_property
    def absent(self) -> np.ndarray:
        """(12,) bool: leads that were not recorded."""
        return np.isnan(self.signal).any(axis=1)

    @cached_property
    def flat(self) -> np.ndarray:
        """(12,) bool: leads that are there and carry no heart."""
        return np.ptp(self.signal, axis=1) < FLAT_MV


def plausible_rate(bpm: float | None) -> float | None:
    """A heart rate that a file states, where a heart can beat so; else None."""
    return bpm if bpm is not None and RATES_BPM[0] <= bpm <= RATES_BPM[1] else None


def canonical_lead(name: str | None) -> str | None:
    """The lead of LEADS that a file calls `name`; None for any other channel.

    Case does not matter. "Lead I", "ECG I", "MDC_ECG_LEAD_I" and "DI" are I.
    """
    plain = (name or "").strip().lower()
    prefix = _PREFIX.match(plain)
    return _CANONICAL.get(plain[prefix.end() :] if prefix else plain)


def millivolts_per(unit: str) -> float | None:
    """How many mV one of a voltage unit is, e.g. mV, uV, µV, MICROVOLTS; None for any other unit."""
    plain = unit.strip().lower().replace("\u00b5", "u").replace("\u03bc", "u")
    short = re.fullmatch(r"(n|u|m|nano|micro|milli|)(?:v|volts?)", plain)
    return _MILLIVOLTS_PER_UNIT[short[1]] if short else None


def check_length(path: Path, samples: int) -> None:
    """Refuse (InputError) a recording of more than MOST_SAMPLES a lead, before they are decoded."""
    if samples > MOST_SAMPLES:
        raise InputError(
            path,
            f"it has {samples} samples a lead, more than {MOST_SAMPLES}",
            "give a resting ECG, or cut 10 s out of it",
            code="too_large",
        )


def name_channels(path: Path, names: list[str | None]) -> dict[str, int]:
    """Map each of the twelve leads in `names` to its position there. A lead given twice is refused (InputError)."""
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        lead = canonical_lead(name)
        if lead in positions:
            raise InputError(
                path, f"lead {lead} is given twice", "export the ECG again with each lead once", code="leads"
            )
        if lead:
            positions[lead] = position
    return positions


def twelve_leads(path: Path, recording: Recording, allow_missing_leads: bool) -> np.ndarray:
    """Arrange a recording as (12, T) float32 mV in the order of LEADS.

    Absent limb leads are derived when I and II exist. With `allow_missing_leads`, any other absent lead becomes a row
    of NaN.

    Raises:
        InputError: a lead is absent, or differs in length. A value is not a number, or one that nobody records. The
            sampling rate is impossible. There are less than 5 s, or more than MOST_SAMPLES.
    """
    channels = {lead: values for lead, values in recording.millivolts.items() if not np.isnan(values).all()}
    _check_sampling(path, channels, recording.sampling_rate)
    if {"I", "II"} <= channels.keys():
        channels = derived_limb_leads(channels["I"], channels["II"]) | channels
    missing = [lead for lead in LEADS if lead not in channels]
    if missing and not (allow_missing_leads and channels):
        there = ", ".join(lead for lead in LEADS if lead in channels) or "none of the twelve leads"
        others = f" and {recording.others} other channels" if recording.others else ""
        fault = f"not a 12-lead ECG: it has {there}{others}; missing {', '.join(missing)}"
        only_chest = {"I", "II"} <= channels.keys()
        raise InputError(path, fault, f"give a 12-lead ECG{ALLOWED if only_chest else ''}", code="leads")
    samples = len(next(iter(channels.values())))
    absent = np.full(samples, np.nan, dtype=np.float32)
    return np.stack([channels.get(lead, absent) for lead in LEADS]).astype(np.float32)


def _check_sampling(path: Path, channels: Mapping[str, np.ndarray], sampling_rate: float) -> None:
    if not (math.isfinite(sampling_rate) and sampling_rate >= LOWEST_SAMPLING_RATE):
        raise InputError(
            path,
            f"its sampling rate is not a number of at least {LOWEST_SAMPLING_RATE:g} Hz",
            "export the ECG again at its recorded rate",
            code="rate",
        )
    lengths = {len(values) for values in channels.values()}
    if len(lengths) > 1:
        raise InputError(
            path,
            f"its leads differ in length ({min(lengths)} to {max(lengths)} samples)",
            "export the ECG again",
            code="duration",
        )
    check_length(path, max(lengths, default=0))
    for lead, values in channels.items():
        _check_samples(path, lead, values)
    if lengths and max(lengths) / sampling_rate < SHORTEST_S:
        raise InputError(
            path,
            f"it lasts {max(lengths) / sampling_rate:.2f} s and at least {SHORTEST_S:g} s are needed",
            "give a 10 s recording",
            code="duration",
        )


def _check_samples(path: Path, lead: str, values: np.ndarray) -> None:
    """Refuse what is no number, and what would be none as float32."""
    if not np.isfinite(values).all():
        raise InputError(
            path, f"lead {lead} has samples that are not numbers", "export the ECG again without gaps", code="samples"
        )
    if len(values) and (largest := np.abs(values).max()) > LARGEST_RECORDED_MV:
        raise InputError(
            path,
            f"lead {lead} reaches {largest:.3g} mV, which no ECG does: its scale or its samples are wrong",
            "export the ECG again",
            code="scale",
        )
