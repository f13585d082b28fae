"""The DICOM objects of a zip, a folder or a file, as bytes in memory: nothing is ever unpacked to the disk.

Content decides what is DICOM, never a name. Sizes are checked before anything is inflated.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from isal import isal_zlib  # Intel's inflate: the same bytes in a third of the time

from cohort.errors import InputError
from cohort.folder_entries import folder_entries
from cohort.input_file import unreadable
from cohort.passed_over import PassedOver

MOST_FILES = 20_000  # a whole heart study has some thousands
LARGEST_BYTES = 2 << 30  # of all files together, inflated; 500 frames of UK Biobank have 53 MB
LARGEST_UNASKED_BYTES = 160 << 20  # beyond it, a zip must not inflate further than images do
LARGEST_RATIO = 100  # images are inflated 2 to 5 times, bombs a thousand times
DEFLATE_LIMIT = 1040  # no deflate stream inflates further than 1032 times
LARGEST_LIST_BYTES = 8 << 20  # of the list of files in a zip
DEEPEST = 2  # folders below the one given
LOCAL_HEADER = struct.Struct("<4s22xHH")
END_OF_ZIP = struct.Struct("<4s8xL")
LOCATOR, END_OF_ZIP64 = struct.Struct("<4s4xQ"), struct.Struct("<4s36xQ")  # before that record, in a large zip
LOCATOR_BYTES, ZIP64_END_BYTES = 20, 56
LONGEST_END = 22 + 0xFFFF  # of a zip: its last record and the comment
ZIP_START, ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
ZIP64_LOCATOR, ZIP64_END = b"PK\x06\x07", b"PK\x06\x06"
IN_ZIP64 = 0xFFFFFFFF  # in place of a length that the zip64 record tells
OFFICE = (b"[Content_Types].xml", b"mimetype", b"_rels/", b"docProps/", b"xl/", b"word/", b"ppt/")
PREAMBLE = 128
EARLY_TAGS = (b"\x08\x00", b"\x02\x00")  # how objects without a preamble begin: groups 0008 and 0002, low byte first
MANIFESTS = ("manifest.csv", "manifest.cvs")  # UK Biobank's; the second is a slip of years
LARGEST_MANIFEST_BYTES = 4 << 20
COPY_AGAIN = "copy or download it again"


def dicom_objects(path: Path) -> Iterator[bytes]:
    """The content of every DICOM object, in an order that depends on the input alone; all else is passed over.

    Args:
        path: a zip, a folder (looked into DEEPEST folders deep), or one DICOM file.

    Raises:
        InputError: absent, damaged, encrypted, too large, a zip in a zip, or without any DICOM object.
    """
    path = Path(path)
    found = False
    for content in _contents(path):
        if content.startswith(ZIP_START) and not _is_office(content):
            raise InputError(path, "holds a zip in it", "unpack that one, and give it alone", code="format")
        if is_dicom(content):
            found = True
            yield content
    if not found:
        raise InputError(path, "holds no DICOM file", "give a DICOM zip, or a folder of DICOM files", code="format")


class Glance(NamedTuple):
    """What a zip or a folder shows without being read.

    Attributes:
        files: how many there are. contents: some of its DICOM objects.
        listed, absent: how many files its manifest names, and how many of those are not there.
    """

    files: int
    contents: list[bytes]
    listed: int = 0
    absent: int = 0


def glance(path: Path, objects: int) -> Glance:
    """The list of files of a zip or a folder, its manifest, and `objects` of its files, from the first to the last.

    Raises:
        InputError: as `dicom_objects`, but for what only the other files show.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _glance_at_folder(path, objects)
        with path.open("rb") as file:
            if file.read(4) in (ZIP_START, ZIP_END):
                return _glance_at_zip(path, file, objects)
    except OSError as error:
        raise unreadable(path, error) from error
    contents = [*dicom_objects(path)]  # of one file
    return Glance(len(contents), contents)


def _glance_at_folder(folder: Path, objects: int) -> Glance:
    paths = dicom_paths(folder)
    _check_size(folder, len(paths), sum(os.stat(path).st_size for path in paths))  # noqa: PTH116 (thousands of them)
    manifests = [Path(path) for path in paths if _is_manifest(path)]
    others = [path for path in paths if not _is_manifest(path)]
    contents = [Path(path).read_bytes() for path in _spread(others, objects)]
    listed = absent = 0
    if manifests and manifests[0].stat().st_size <= LARGEST_MANIFEST_BYTES:
        listed, absent = _held_against(manifests[0].read_bytes(), paths)
    return Glance(len(paths), [content for content in contents if is_dicom(content)], listed, absent)


def _glance_at_zip(path: Path, file: BinaryIO, objects: int) -> Glance:
    members = _members(path, file)
    manifests = [member for member in members if _is_manifest(member.filename)]
    others = [member for member in members if not _is_manifest(member.filename)]
    contents = [_inflated(path, file, member) for member in _spread(others, objects)]
    listed = absent = 0
    if manifests and manifests[0].file_size <= LARGEST_MANIFEST_BYTES:
        names = [member.filename for member in members]
        listed, absent = _held_against(_inflated(path, file, manifests[0]), names)
    return Glance(len(members), [content for content in contents if is_dicom(content)], listed, absent)


def _spread(all_of: list, count: int) -> list:
    """So many of a list, from its first to its last."""
    if len(all_of) <= count:
        return all_of
    return [all_of[number * (len(all_of) - 1) // max(1, count - 1)] for number in range(count)]


def _is_manifest(name: str) -> bool:
    return name.rpartition("/")[2].lower() in MANIFESTS


def _held_against(manifest: bytes, names: list[str]) -> tuple[int, int]:
    """How many files a manifest names in its first column, and how many of them are absent.

    Zeros where none is there: then the first column says something else.
    """
    lines = manifest.decode("utf-8", errors="replace").splitlines()[1:]
    listed = {line.split(",", 1)[0].strip("\"' ").rpartition("/")[2] for line in lines if line.strip()}
    absent = listed - {name.rpartition("/")[2] for name in names}
    return (len(listed), len(absent)) if len(absent) < len(listed) else (0, 0)


def is_dicom(content: bytes) -> bool:
    """Whether bytes begin as a DICOM object does, with the preamble or, as old archives have it, without."""
    return content[PREAMBLE : PREAMBLE + 4] == b"DICM" or (
        content[:2] in EARLY_TAGS and content[3:4] == b"\0" and len(content) > PREAMBLE
    )


def _is_office(content: bytes) -> bool:
    """Whether a zip is a spreadsheet or another document, by the name of the first file in it."""
    if len(content) < LOCAL_HEADER.size:
        return False
    _, length, _ = LOCAL_HEADER.unpack_from(content)
    return content[LOCAL_HEADER.size :][:length].startswith(OFFICE)


def holds_dicom(path: Path) -> bool:
    """Whether a file begins as a zip or a DICOM object does, or a folder holds a DICOM object.

    Raises:
        InputError: there is no such path, or it is closed to us.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return any(is_dicom(_beginning(file)) for file in dicom_paths(path))
        start = _beginning(path) if path.is_file() else b""
    except OSError as error:
        raise unreadable(path, error) from error
    return start.startswith((ZIP_START, ZIP_END)) or is_dicom(start)


def _beginning(path: str | Path) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 (thousands of them)
        return file.read(PREAMBLE + 5)


def dicom_paths(folder: str | Path) -> list[str]:
    """Regular files of a folder and of DEEPEST folders below it, in order of their names, hidden ones left out.

    Links are followed as in a cohort (`folder_entries`).

    Raises:
        InputError: a folder cannot be listed.
    """
    found: list[str] = []
    _list_files((str(folder),), found)
    return sorted(found)


def _list_files(above: tuple[str, ...], found: list[str]) -> None:
    for entry in folder_entries(above[-1], above, PassedOver(), above[0]):
        if not entry.is_folder:
            found.append(entry.path)
        elif len(above) <= DEEPEST:
            _list_files((*above, entry.path), found)


def _contents(path: Path) -> Iterator[bytes]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from _contents_of_folder(path)
            return
        if not stat.S_ISREG(mode):  # opening a named pipe would wait for ever
            raise InputError(path, "cannot be read (it is no file)", "give a DICOM zip or folder", code="unreadable")
        with path.open("rb") as file:
            start = file.read(4)
            if start in (ZIP_START, ZIP_END):
                yield from _contents_of_zip(path, file)
                return
            size = os.fstat(file.fileno()).st_size
            _check_size(path, 1, size)
            file.seek(0)
            yield file.read()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        if isinstance(error, OSError):
            raise unreadable(path, error) from error
        raise InputError(path, "cannot be read (no such name)", "check the path", code="unreadable") from error


def _check_size(path: Path, files: int, size: int) -> None:
    if files > MOST_FILES:
        fault = f"holds more than {MOST_FILES:_} files"
        raise InputError(path, fault, "give the short-axis series alone", code="too_large")
    if size > LARGEST_BYTES:
        fault = f"holds more than {LARGEST_BYTES / 1e9:.1f} GB"
        raise InputError(path, fault, "give the short-axis series alone", code="too_large")


def _contents_of_folder(folder: Path) -> Iterator[bytes]:
    paths = dicom_paths(folder)
    _check_size(folder, len(paths), sum(os.stat(path).st_size for path in paths))  # noqa: PTH116 (thousands of them)
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123 (as above)
            content = file.read(PREAMBLE + 5)
            if not is_dicom(content):
                continue  # a table, a note, or another zip: left unread
            yield content + file.read()


def _contents_of_zip(path: Path, file: BinaryIO) -> Iterator[bytes]:
    for member in _members(path, file):
        yield _inflated(path, file, member)


def _members(path: Path, file: BinaryIO) -> list[zipfile.ZipInfo]:
    """The files of a zip by its list, which is checked. Nothing is inflated yet."""
    size = os.fstat(file.fileno()).st_size
    _check_list(path, file, size)
    try:
        members = [member for member in zipfile.ZipFile(file).infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, IndexError) as error:
        raise InputError(path, "is a damaged or truncated zip", COPY_AGAIN, code="truncated") from error
    _check_claims(path, members, size)
    return members


def _check_list(path: Path, file: BinaryIO, size: int) -> None:
    """Refuse a list of files that would take long to read; it is looked at before the zipfile module reads it."""
    file.seek(max(0, size - LONGEST_END))
    tail = file.read(LONGEST_END)
    at = tail.rfind(ZIP_END)
    if at < 0 or at + END_OF_ZIP.size > len(tail):
        raise InputError(path, "is a damaged or truncated zip", COPY_AGAIN, code="truncated")
    _, length = END_OF_ZIP.unpack_from(tail, at)
    lengths = _lengths_in_zip64(file, size - len(tail) + at)
    if length == IN_ZIP64 and not lengths:
        raise InputError(path, "is a damaged or truncated zip", COPY_AGAIN, code="truncated")
    if max(lengths or [length]) > LARGEST_LIST_BYTES:
        _check_size(path, MOST_FILES + 1, 0)


def _lengths_in_zip64(file: BinaryIO, end: int) -> list[int]:
    """What the zip64 record says of the list's length; nothing where there is none.

    It should stand where its locator says. The zipfile module takes the one right before the locator.
    """
    at = end - LOCATOR_BYTES
    if at < 0:
        return []
    file.seek(at)
    mark, said = LOCATOR.unpack_from(file.read(LOCATOR_BYTES))
    if mark != ZIP64_LOCATOR:
        return []
    lengths = []
    for place in {said, at - ZIP64_END_BYTES}:
        if 0 <= place <= at - END_OF_ZIP64.size:
            file.seek(place)
            mark, length = END_OF_ZIP64.unpack(file.read(END_OF_ZIP64.size))
            lengths += [length] if mark == ZIP64_END else []
    return lengths


def _check_claims(path: Path, members: list[zipfile.ZipInfo], on_disk: int) -> None:
    """Refuse what claims more than it can hold, or more than images do. Nothing is inflated yet."""
    claimed, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    _check_size(path, len(members), claimed)
    if any(member.flag_bits & 0x1 for member in members):
        raise InputError(path, "is encrypted", "give it without a password", code="unreadable")
    if packed > on_disk or any(m.file_size > DEFLATE_LIMIT * (m.compress_size + 1) for m in members):
        raise InputError(path, "claims more than it can hold, as a damaged zip does", COPY_AGAIN, code="damaged")
    if claimed > max(LARGEST_UNASKED_BYTES, on_disk * LARGEST_RATIO):
        fault = f"would inflate from {on_disk / 1e6:.1f} to {claimed / 1e6:.0f} MB, as no images do"
        raise InputError(path, fault, "zip the DICOM files again", code="too_large")


def _inflated(path: Path, file: BinaryIO, member: zipfile.ZipInfo) -> bytes:
    """The content of a member, of the size and CRC that the list says."""
    file.seek(member.header_offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(ZIP_START):
        raise InputError(path, "is a damaged zip", COPY_AGAIN, code="damaged")
    _, name, extra = LOCAL_HEADER.unpack(header)
    file.seek(name + extra, os.SEEK_CUR)
    packed = file.read(member.compress_size)
    if member.compress_type == zipfile.ZIP_STORED:
        content = packed
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        stream = isal_zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = stream.decompress(packed, member.file_size + 1)
        except isal_zlib.error as error:
            raise InputError(path, "is a damaged zip", COPY_AGAIN, code="damaged") from error
    else:
        raise InputError(path, "is packed by another method than deflate", "zip the files again", code="format")
    if len(content) != member.file_size:
        raise InputError(path, "holds a file that is shorter or longer than it says", COPY_AGAIN, code="truncated")
    if isal_zlib.crc32(content) != member.CRC:
        raise InputError(path, "holds a file whose checksum is wrong", COPY_AGAIN, code="crc")
    return content
