"""Formats known by their first bytes or their root element: which they are, and why some are not read.

This is the only table of them. Those named in `cohort.exchanged_ecg` are read.
"""

from pathlib import Path
from typing import NamedTuple

from cohort.errors import InputError
from cohort.input_file import read_beginning
from cohort.person_folder import nifti_stem

EXPORT = "export the ECG as CardioSoft, MUSE or HL7 XML or as DICOM, or convert it to WFDB"
ELSEWHERE = "give the ECG that the device exported (CardioSoft, MUSE, HL7 or Philips XML, DICOM, SCP-ECG, EDF, WFDB)"
FROM_DEVICE = "export it from the device's own program as HL7 XML, DICOM or SCP-ECG"
FROM_TENSORS = "give the XML it was made of, or numpy.save its 12 leads in mV as .npy with --sampling-rate"
UNPACK = "unpack it, and give the ECG inside"
LOOKED_AT = 512  # bytes


class Signature(NamedTuple):
    """Bytes by which a format is known.

    Attributes:
        content: the bytes; at: how many stand before them.
        name: of the format, after "it is".
        remedy: what to do instead.
        suffix: of such files as are read.
    """

    content: bytes
    name: str
    remedy: str = EXPORT
    at: int = 0
    suffix: str = ""


GZIP = b"\x1f\x8b"
NIFTI = Signature(b"n+1\0", "NIfTI, the format of an MRI", "give it with --mri", at=344)
SIGNATURES = (
    NIFTI,
    Signature(b"DICM", "DICOM", at=128),
    Signature(b"SCPECG", "SCP-ECG", at=12),
    Signature(b"SCPECG", "SCP-ECG", at=16),
    Signature(b"ISHNE1.0", "ISHNE Holter"),
    Signature(b"ANN  1.0", "ISHNE annotations"),
    Signature(b"@\x20MFR", "MFER"),
    Signature(b"MFR ", "MFER"),
    Signature(b"MFR ", "MFER", at=2),
    Signature(
        b"##NEUTRAL HOLTER RECORDING##", "an Edan Holter archive, which says no unit of voltage", FROM_DEVICE, at=4
    ),
    Signature(b"0       ", "EDF"),
    Signature(b"\xffBIOSEMI", "BDF"),
    Signature(b"GDF ", "GDF"),
    Signature(b"\x89HDF\r\n\x1a\n", "HDF5, which says no unit, rate or visit of an ECG", FROM_TENSORS),
    Signature(b"CDF\x01", "NetCDF"),
    Signature(b"CDF\x02", "NetCDF"),
    Signature(b"MATLAB 5.0", "MATLAB 5"),
    Signature(b"PAR1", "Parquet"),
    Signature(b"SQLite format 3", "SQLite"),
    Signature(b"fLaC", "FLAC", "give the .hea file of the record"),
    Signature(b"RIFF", "RIFF (sound or pictures)"),
    Signature(b"\x93NUMPY", "NumPy", "name it .npy, and give its sampling rate", suffix=".npy"),
    Signature(b"\x80\x04\x95", "a Python pickle, which may run code", "write it with numpy.save"),
    Signature(b"%PDF", "PDF", ELSEWHERE),
    Signature(b"%!PS", "PostScript", ELSEWHERE),
    Signature(b"{\\rtf", "RTF", ELSEWHERE),
    Signature(b"\x89PNG", "a picture (PNG)", ELSEWHERE),
    Signature(b"\xff\xd8\xff", "a picture (JPEG)", ELSEWHERE),
    Signature(b"GIF8", "a picture (GIF)", ELSEWHERE),
    Signature(b"II*\0", "a picture (TIFF)", ELSEWHERE),
    Signature(b"MM\0*", "a picture (TIFF)", ELSEWHERE),
    Signature(b"\0\0\0\x0cjP", "a picture (JPEG 2000)", ELSEWHERE),
    Signature(b"ftyp", "a picture or a film (HEIC, MP4)", ELSEWHERE, at=4),
    Signature(b"\xd0\xcf\x11\xe0", "an old Office file (.xls or .doc)", "save the table as CSV"),
    Signature(b"PK\x03\x04", "ZIP (also .xlsx and .docx)", UNPACK),
    Signature(GZIP, "gzip-compressed", "unzip it first"),
    Signature(b"BZh", "bzip2-compressed", UNPACK),
    Signature(b"\xfd7zXZ", "xz-compressed", UNPACK),
    Signature(b"\x28\xb5\x2f\xfd", "Zstandard-compressed", UNPACK),
    Signature(b"7z\xbc\xaf\x27\x1c", "7-Zip", UNPACK),
    Signature(b"Rar!", "RAR", UNPACK),
    Signature(b"ustar", "a tar archive", UNPACK, at=257),
    Signature(b"version https://git-lfs", "a pointer of git-lfs and not the file", "run git lfs pull"),
)
# Letters at the beginning, in lower case, behind blanks and marks.
TEXTS = (
    Signature(b"<!doctype html", "HTML, perhaps a page to sign in", "download it again, signed in"),
    Signature(b"<html", "HTML, perhaps a page to sign in", "download it again, signed in"),
    Signature(b"<svg", "a picture (SVG)", ELSEWHERE),
    Signature(b"{", "JSON"),
    Signature(b"[", "JSON"),
)
# By a name alone: no public description says how such a file begins.
ENDINGS = {
    ".arc": Signature(b"", "an Edan Holter archive, which says no unit of voltage", FROM_DEVICE),
    ".xle": Signature(b"", "XLE, which says neither rate nor unit", FROM_DEVICE),
}
EDAN_HEADER = "patient.hea"  # of an Edan Holter; binary, while a WFDB record's is text
# Root elements without their namespace, in lower case.
ROOTS = {
    "annotatedecg": "HL7 annotated ECG (aECG)",
    "restingecgdata": "Philips Sierra XML",
    "clinicaldocument": "an HL7 clinical document (CDA)",
    "nativedicommodel": "DICOM in XML",
    "sapphire": "GE Sapphire XML",
    "ecg": "Mortara XML",
    "examdescript": "Schiller XML",
    "html": "HTML",
    "svg": "a picture (SVG)",
}
_MARKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


def signature_of(path: Path) -> Signature | None:
    """The format whose first bytes a file has; None where it is none of these."""
    content = read_beginning(path, LOOKED_AT)
    if content.startswith(GZIP) and nifti_stem(path.name):
        return NIFTI
    letters = content.lstrip(_MARKS).replace(b"\0", b"").lower()
    for one in SIGNATURES:
        if content.startswith(one.content, one.at) and path.suffix.lower() != one.suffix:
            return one
    if path.name.lower() == EDAN_HEADER and b"\0" in content:
        return ENDINGS[".arc"]
    return next((one for one in TEXTS if letters.startswith(one.content)), ENDINGS.get(path.suffix.lower()))


def refused(path: Path, signature: Signature) -> InputError:
    """Why a file with these first bytes is not read."""
    return _not_read(path, signature.name, signature.remedy)


def refuse_text(path: Path) -> None:
    """Refuse (InputError) what does not begin as XML does, and is in no other known format either."""
    content = read_beginning(path, LOOKED_AT).lstrip(_MARKS)
    if content and not content.startswith(b"<"):
        kind = "text" if content.isascii() and b"\0" not in content else "a file"
        raise InputError(path, f"{kind} of no known format, not well-formed XML", ELSEWHERE, code="format")


def refused_root(path: Path, root: str) -> InputError:
    """Why XML with this root element is not read: by the name of its format, where that is known."""
    if root.lower() in ROOTS:
        return _not_read(path, ROOTS[root.lower()], EXPORT)
    return InputError(
        path, "not an ECG: its root is neither CardiologyXML nor RestingECG", "give an ECG file", code="format"
    )


def _not_read(path: Path, name: str, remedy: str) -> InputError:
    return InputError(path, f"it is {name}: not read{' yet' if remedy == EXPORT else ''}", remedy, code="format")
