"""Files and folders that are whole or absent, and one line for the user where a disk takes no more."""

import contextlib
import filecmp
import hashlib
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from cohort.errors import InputError

PARTIAL = ".partial-"  # how the names of unfinished files and folders begin


@contextlib.contextmanager
def whole_file(path: Path, size: int = 0) -> Iterator[Path]:
    """Write a file so that it is whole or absent.

    Yields an empty file beside `path` to write to. It replaces `path` at the end, or goes when an error is raised. A
    file that holds the same bytes already is left as it is, with its time. The empty file's name ends as `path` does,
    and is new each time. It was taken exclusively: no link can lead the writer elsewhere.

    Args:
        path: of the file; its folder must exist.
        size: bytes about to be written, where that is known; an error names them.

    Raises:
        InputError: the disk is full, or nobody may write there.
    """
    unfinished = _unfinished(path)
    with writing(path.parent, size):
        try:
            unfinished.touch(exist_ok=False)
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
        reason = error.strerror if isinstance(error, OSError) else str(error)
        room = f": {size:_} bytes are needed and {free_bytes(folder):_} are free" if size else ""
        remedy = "make room, or allow writing there; the same command continues"
        raise InputError(folder, f"cannot be written ({reason or type(error).__name__}){room}", remedy) from error


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of a folder, or of the nearest folder above it that exists."""
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path, len(text)) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
