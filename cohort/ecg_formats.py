"""The formats of ECG files. This is the only table of them: readers, scans of folders and messages follow it."""

from typing import Literal, NamedTuple

Reader = Literal["xml", "wfdb", "exchanged", "array"]


class ECGFormat(NamedTuple):
    """One format, known by how the file's name ends.

    Attributes:
        suffix: the ending, in lower case.
        reader: which reader of `cohort.ecg` takes it. Whatever the ending, the content of "exchanged" files tells more.
        says_rate: whether the file holds its sampling rate. A cohort takes no other.
        sidecars: endings of files that belong to it. Any of them names the same recording.
    """

    suffix: str
    reader: Reader
    says_rate: bool = True
    sidecars: tuple[str, ...] = ()


ECG_FORMATS = (  # of one recording in several formats, a cohort takes the first
    ECGFormat(".xml", "xml"),
    ECGFormat(".hea", "wfdb", sidecars=(".dat", ".mat")),
    ECGFormat(".dcm", "exchanged"),
    ECGFormat(".scp", "exchanged"),
    ECGFormat(".edf", "exchanged"),
    ECGFormat(".ecg", "exchanged"),  # ISHNE
    ECGFormat(".mwf", "exchanged"),  # MFER
    ECGFormat(".npy", "array", says_rate=False),
    ECGFormat(".csv", "array", says_rate=False),
)
ECG_SUFFIXES = tuple(one.suffix for one in ECG_FORMATS)
COHORT_SUFFIXES = tuple(one.suffix for one in ECG_FORMATS if one.says_rate)
SIDECARS = tuple(sidecar for one in ECG_FORMATS for sidecar in one.sidecars)
COHORT_SIDECARS = tuple(sidecar for one in ECG_FORMATS if one.says_rate for sidecar in one.sidecars)
HEADER_SUFFIXES = tuple(one.suffix for one in ECG_FORMATS if one.sidecars)


def reader_of(suffix: str) -> Reader:
    """The reader of files whose names end in `suffix`, in any case; XML for an ending nobody knows."""
    readers = {ending: one.reader for one in ECG_FORMATS for ending in (one.suffix, *one.sidecars)}
    return readers.get(suffix.lower(), "xml")
