"""One array in a file that says whether it is still what was written: it can be made again, so a fault is no error."""

import hashlib
from pathlib import Path

import numpy as np

from cohort.disk import whole_file


def write_checked(path: Path, array: np.ndarray) -> None:
    """Write an array and, behind it, its SHA-256.

    Raises:
        InputError: the disk is full, or nobody may write there.
    """
    with whole_file(path, array.nbytes) as unfinished, unfinished.open("wb") as file:
        np.save(file, array)
        np.save(file, _check_of(array))


def read_checked(path: Path) -> np.ndarray | None:
    """The array; None where it is absent, damaged, or something else than was written."""
    try:
        with path.open("rb") as file:
            array, check = np.load(file), np.load(file)
    except (OSError, ValueError, EOFError):
        return None
    return array if np.array_equal(check, _check_of(array)) else None


def _check_of(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(array.tobytes()).digest(), np.uint8)
