"""Files that are whole or absent, and one line for the user where a disk takes no more."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from cohort.errors import InputError


@contextlib.contextmanager
def writing(folder: Path, size: int = 0) -> Iterator[None]:
    """Tell in one line that a disk is full or that nobody may write there.

    Args:
        size: bytes about to be written, told where it is known.

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
    """What the disk of a folder, or of the nearest folder above it that exists, still takes."""
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name, then rename."""
    partial = path.with_name(f".{path.name}.partial")
    with writing(path.parent, len(text)):
        partial.write_text(text)
        partial.replace(path)


def write_json(path: Path, content: object) -> None:
    """Indented JSON, written whole or not at all."""
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
