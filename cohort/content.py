"""What files hold, as hashes: the keys of all that is made of them.

A file is read again only after its size, its times or its place on the disk have changed. A name and a time decide
nothing else: a copy of a file has the key of the file.
"""

import hashlib
import io
import json
import os
import stat
import time
from collections.abc import Iterable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from cohort.dicom_files import dicom_paths
from cohort.disk import write_array
from cohort.ecg_formats import HEADER_SUFFIXES
from cohort.errors import InputError
from cohort.private import private

DIGEST_BYTES = 16  # of a SHA-256; by chance, two of a million files agree in one archive of 1e27
WHOLE_BYTES = 4 << 20  # a gzip or zip file up to this size is hashed whole
END_BYTES = 256 << 10  # of each end of a larger one: a gzip's CRC, or a zip's list of 2_000 files with their CRCs
PACKED = (b"\x1f\x8b\x08", b"PK\x03\x04")
GZIP_EXTRA = 4  # in the byte of flags: a file of many blocks (bgzip), whose last CRC is that of the last block
LONGEST_HEADER = 1 << 20  # bytes
SETTLED_S = 2.0  # a file changed later than this ago may change again without another time
READERS = 8  # threads that wait for the disk
REMEMBERED = np.dtype([("stamp", "u8"), ("content", f"V{DIGEST_BYTES}")])
NOTHING = bytes(DIGEST_BYTES)  # the hash of a file that is absent or closed to us


def content_hashes(paths: Sequence[str | Path], memory: Path | None = None) -> np.ndarray:
    """(n,) hashes of DIGEST_BYTES bytes of n files; NOTHING of a file that cannot be opened.

    Args:
        memory: a file that keeps the hashes of these files from call to call. If not given, all are read.
    """
    stamps = np.fromiter((_stamp(path) for path in paths), np.uint64, len(paths))
    known = _remembered(memory)
    place = np.searchsorted(known["stamp"], stamps)
    found = place < len(known)
    found[found] = known["stamp"][place[found]] == stamps[found]
    contents = np.zeros(len(paths), REMEMBERED["content"])
    contents[found] = known["content"][place[found]]
    new = np.flatnonzero(~found & (stamps != 0))
    begun = time.time_ns()
    for row, content in zip(new, _read([paths[row] for row in new]), strict=True):
        contents[row] = np.void(content)
    if memory is not None and (len(new) or len(known) != np.count_nonzero(stamps)):
        settled = np.array([_is_settled(path, begun) for path in paths], bool) if len(new) else found
        _remember(memory, stamps[settled], contents[settled])
    return contents


def join_memories(memory: Path, others: Iterable[Path]) -> None:
    """Let a memory know what others know, so that no file is read again."""
    known = np.concatenate([_remembered(one) for one in (memory, *others)])
    _, first = np.unique(known["stamp"], return_index=True)
    _remember(memory, known["stamp"][first], known["content"][first])


def fingerprint(decides: dict, files: Iterable[tuple[str, str | Path | None]], memory: Path | None = None) -> str:
    """Twelve hexadecimal digits of all that decides an output: settings, code, and what the files hold.

    Args:
        decides: as JSON can hold it.
        files: (what the file is for, path). Its place and its name do not count. None and absent files count as none.
            A file that is there and cannot be read, as a broken link, counts as such.
        memory: as of `content_hashes`.
    """
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    used = [(use, path) for use, path in files if path]
    contents = content_hashes([path for _, path in used], memory)
    for (use, path), content in zip(used, contents, strict=True):
        if content.item() != NOTHING or os.path.lexists(path):
            digest.update(use.encode() + b"\0" + content.item())
    return digest.hexdigest()[:12]


def content_of(path: str | Path) -> bytes:
    """DIGEST_BYTES of a file's SHA-256; of a large gzip or zip file, that of both its ends and its size.

    The ends hold the CRC of the content, so another content makes another hash, without the time to read all.
    """
    with open(path, "rb") as file:  # noqa: PTH123 (making 200,000 Paths takes a second)
        start, size = file.read(END_BYTES), os.fstat(file.fileno()).st_size
        if size <= WHOLE_BYTES or not start.startswith(PACKED) or (start[0] == PACKED[0][0] and start[3] & GZIP_EXTRA):
            file.seek(0)
            return hashlib.file_digest(file, "sha256").digest()[:DIGEST_BYTES]
        file.seek(-END_BYTES, io.SEEK_END)
        return hashlib.sha256(f"{size}".encode() + start + file.read()).digest()[:DIGEST_BYTES]


def files_of_ecg(path: str | Path) -> list[str | Path]:
    """The file of an ECG and, of a header, all files beside it that it names, or that its segments name."""
    if not str(path).lower().endswith(HEADER_SUFFIXES):
        return [path]
    named = _named_in(Path(path))
    signals = [file for file in named if file.is_file()]
    segments = [header for file in named if (header := file.with_name(f"{file.name}.hea")) != Path(path)]
    segments = [header for header in segments if header.is_file()]
    of_segments = [file for header in segments for file in _named_in(header) if file.is_file()]
    return [path, *signals, *segments, *of_segments]


def files_of_image(path: str | Path) -> list[str | Path]:
    """The file of an image; of a folder of DICOM files, all that are read from it. None where it cannot be listed."""
    try:
        return [*dicom_paths(path)] if os.path.isdir(path) else [path]  # noqa: PTH112 (as above)
    except (OSError, InputError):
        return []


def _named_in(header: Path) -> list[Path]:
    """What stands first in the lines of a WFDB header, as files beside it."""
    try:
        with header.open("rb") as file:
            lines = file.read(LONGEST_HEADER).decode("utf-8-sig", errors="replace").splitlines()[1:]
    except OSError:
        return []
    names = sorted({line.split()[0] for line in lines if line.strip() and not line.startswith("#")})
    return [header.with_name(name) for name in names if Path(name).name == name]  # no way out of the folder


def _stamp(path: str | Path) -> int:
    """A number of 64 bits that changes when the file may have; 0 of what is no file.

    The time of the last change of the entry and its number on the disk are part of it. So two files that were
    exchanged are noticed, and so is one whose time was set back.
    """
    try:
        about = os.stat(path)  # noqa: PTH116 (as above)
    except (OSError, ValueError):
        return 0
    if not stat.S_ISREG(about.st_mode):
        return 0
    said = f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0{about.st_ctime_ns}\0{about.st_ino}"
    return int.from_bytes(hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=8).digest(), "big") or 1


def _is_settled(path: str | Path, begun: int) -> bool:
    """Whether a file was last changed long enough before it was read: two changes may share one time."""
    try:
        about = os.stat(path)  # noqa: PTH116 (as above)
    except (OSError, ValueError):
        return False
    return max(about.st_mtime_ns, about.st_ctime_ns) < begun - SETTLED_S * 1e9


def _read(paths: list[str | Path]) -> Iterable[bytes]:
    """The hashes of files, in their order."""
    if len(paths) < READERS:
        return map(_content_or_nothing, paths)
    with ThreadPool(READERS) as pool:
        return pool.map(_content_or_nothing, paths)


def _content_or_nothing(path: str | Path) -> bytes:
    try:
        return content_of(path)
    except OSError:
        return NOTHING


def _remembered(memory: Path | None) -> np.ndarray:
    """(m,) REMEMBERED in order of stamps. A memory that is absent or damaged is an empty one."""
    try:
        known = np.load(memory) if memory is not None else None
    except (OSError, ValueError, EOFError):
        known = None
    sound = known is not None and known.dtype == REMEMBERED and (np.diff(known["stamp"].astype(float)) >= 0).all()
    return known if sound else np.empty(0, REMEMBERED)


def _remember(memory: Path, stamps: np.ndarray, contents: np.ndarray) -> None:
    """Keep the hashes of files that can be known again. Where nobody may write, they are read next time."""
    kept = np.empty(len(stamps), REMEMBERED)
    kept["stamp"], kept["content"] = stamps, contents
    kept = kept[(stamps != 0) & (contents != np.void(NOTHING))]
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with private():
            write_array(memory, np.sort(kept, order="stamp"))
    except (OSError, InputError):
        return
