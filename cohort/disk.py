"""Files and folders that are whole or absent, and one line for the user where a disk takes no more.

Whoever writes says how many bytes they need. These are reserved first, so a disk that is too small is told at once, and
what was there before stays. A memory-mapped file without them would kill its process (SIGBUS).
"""

import contextlib
import errno
import filecmp
import hashlib
import itertools
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from cohort.errors import InputError

PARTIAL = ".partial-"  # how the names of unfinished files and folders begin
MAKE_ROOM = "make room, or allow writing there; the same command continues"
PIECE_BYTES = 1 << 20
LONGEST_ARRAY_HEADER = 4096  # bytes before the numbers of a .npy file
NOT_RESERVABLE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # what a disk answers that cannot


@contextlib.contextmanager
def whole_file(path: Path, size: int = 0) -> Iterator[Path]:
    """Write a file so that it is whole or absent.

    With a size, the file yielded holds so many noughts: open it to write ("wb"), or write over all of them ("r+b").

    Yields a file beside `path` to write to. It replaces `path` at the end, or goes when an error is raised. A file that
    holds the same bytes already is left as it is, with its time. The name of the file yielded ends as `path` does, and
    is new each time. It was taken exclusively: no link can lead the writer elsewhere.

    Args:
        path: of the file; its folder must exist.
        size: bytes about to be written, where that is known. They are reserved; an error names them.

    Raises:
        InputError: the disk is full, or nobody may write there.
    """
    unfinished = _unfinished(path)
    with writing(path.parent, size):
        try:
            unfinished.touch(exist_ok=False)
            with unfinished.open("r+b") as file:
                reserve(file.fileno(), 0, size)
            yield unfinished
            if not _same_file(unfinished, path):
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder: Path, size: int = 0, keep: bool = False) -> Iterator[Path]:
    """Write a folder so that it is whole or absent; arguments and errors as of `whole_file`.

    Yields an empty folder beside `folder`. An existing `folder` gives way when the new one takes its name. One that
    holds the same files already is left as it is.

    Args:
        keep: set an existing folder aside as <name>-earlier-1, -2, ... and say so, else it is deleted.
    """
    unfinished, former = _unfinished(folder), _free_name(folder) if keep else _unfinished(folder)
    with writing(folder.parent, size):
        try:
            unfinished.mkdir(parents=True)
            yield unfinished
            if _same_files(unfinished, folder):
                return
            if folder.is_dir() and not folder.is_symlink():
                folder.rename(former)
            unfinished.rename(folder)
            if keep and former.exists():
                print(f"{folder} is new; the one before, with all that was added to it, is {former}")
        finally:
            if former.exists() and not folder.exists():  # stopped in between
                former.rename(folder)
            shutil.rmtree(unfinished, ignore_errors=True)
            if not keep:
                shutil.rmtree(former, ignore_errors=True)


def _free_name(folder: Path) -> Path:
    numbered = (folder.with_name(f"{folder.name}-earlier-{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists())


def _same_file(one: Path, other: Path) -> bool:
    """Whether both are plain files of the same bytes."""
    plain = other.is_file() and not other.is_symlink()
    return plain and filecmp.cmp(one, other, shallow=False)


def _same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same plain files, and nothing else."""
    if other.is_symlink() or not other.is_dir():
        return False
    names = [sorted(path.relative_to(root) for path in root.rglob("*")) for root in (one, other)]
    return names[0] == names[1] and all(
        _same_file(one / name, other / name) if (one / name).is_file() else (other / name).is_dir() for name in names[0]
    )


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{path.name}")


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes left half-written in a folder; only for whoever alone writes there."""
    for path in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextlib.contextmanager
def writing(folder: Path, size: int = 0) -> Iterator[None]:
    """Tell in one line that a disk is full or that nobody may write there.

    Args:
        size: bytes about to be written, where that is known.

    Raises:
        InputError: whatever is written within cannot be.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        in_the_way = next((place for place in (folder, *folder.absolute().parents) if place.is_file()), None)
        if in_the_way and isinstance(error, FileExistsError | NotADirectoryError):
            fault = "is a file, where a folder is to be written"
            raise InputError(in_the_way, fault, "name another folder") from error
        needed = f"{size:_} bytes are needed and " if size else ""
        fault = f"cannot be written ({_reason(error)}): {needed}{free_bytes(folder):_} are free"
        raise InputError(_finished(folder), fault, MAKE_ROOM) from error


def _reason(error: OSError | SafetensorError) -> str:
    """What the system says. numpy and shutil wrap it, and some of them drop it."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][-1])
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _finished(path: Path) -> Path:
    """The path that an unfinished one stands for: a user never sees the other."""
    parts = (re.sub(rf"^{re.escape(PARTIAL)}[0-9a-f]{{8}}-", "", part) for part in path.parts)
    return Path(*(part.removeprefix(PARTIAL) for part in parts))


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of a folder, or of the nearest folder above it that exists."""
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def require_room(folder: Path, size: int) -> None:
    """Refuse to begin what the disk cannot hold, before hours are spent on it.

    Raises:
        InputError: fewer than `size` bytes are free.
    """
    if (free := free_bytes(folder)) < size:
        fault = f"{size:_} bytes are needed and {free:_} are free"
        raise InputError(_finished(folder), fault, MAKE_ROOM)


def reserve(handle: int, start: int, size: int) -> None:
    """Take `size` bytes of the disk for an open file, from byte `start` on. What is written there already is kept.

    Where the system or the disk cannot reserve, noughts are written behind the file's end. A disk that compresses or
    copies on write (ZFS, btrfs) may still get full afterwards.

    Raises:
        OSError: the disk is full.
    """
    if size <= 0:
        return
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, start, size)
            return
        except OSError as error:
            if error.errno not in NOT_RESERVABLE:
                raise
    begin = max(start, os.fstat(handle).st_size)
    os.lseek(handle, begin, os.SEEK_SET)
    for at in range(begin, start + size, PIECE_BYTES):
        piece = memoryview(bytes(min(PIECE_BYTES, start + size - at)))
        while piece:
            piece = piece[os.write(handle, piece) :]


def new_array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """A zeroed array in a new .npy file, memory-mapped. All its bytes are reserved: writing to it cannot fail.

    Raises:
        OSError: the disk is full (`whole_file` turns it into an InputError).
    """
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        reserve(file.fileno(), file.tell(), array_bytes(shape, dtype))
    return np.lib.format.open_memmap(path, mode="r+")


def array_bytes(shape: tuple[int, ...], dtype: type) -> int:
    """Bytes of an array's numbers."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file, whole or not at all."""
    with whole_file(path, array.nbytes + LONGEST_ARRAY_HEADER) as unfinished, unfinished.open("r+b") as file:
        np.save(file, array)
        file.truncate()


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with whole_file(path, len(content)) as unfinished, unfinished.open("r+b") as file:  # "wb" would give the room back
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; line ends are written as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, whole or not at all.

    Raises:
        InputError: a number is not finite, which JSON cannot say (`known_only` makes it null); or as `whole_file`.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False)
    except ValueError:
        fault = "will not be written: it would hold a number that is not finite"
        raise InputError(_finished(path), fault, "look at the input and at the options for one") from None
    write_text(path, text + "\n")


def known_only(content: object) -> object:
    """The same with None in place of every number that is not finite: it is not known."""
    if isinstance(content, dict):
        return {key: known_only(value) for key, value in content.items()}
    if isinstance(content, list):
        return [known_only(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folder, and keeps names by itself
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
