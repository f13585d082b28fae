"""Reading a file whole, after looking at its size."""

from pathlib import Path

from cohort.errors import InputError

SINGLE = "give the file of a single ECG"
LARGEST_FILE = 64 * 2**20  # bytes; a resting ECG has half a megabyte, a long full disclosure a few


def unreadable(path: Path, error: OSError) -> InputError:
    """What to raise where the system does not let us read a file."""
    code = "absent" if isinstance(error, FileNotFoundError) else "unreadable"
    return InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions", code=code)


def check_file(path: Path, largest: int = LARGEST_FILE, remedy: str = SINGLE) -> None:
    """Refuse (InputError) what is absent, not a regular file, or larger than `largest` bytes."""
    try:
        if not path.is_file():
            raise InputError(path, "there is no such file", "check the path", code="absent")
        if path.stat().st_size > largest:
            raise InputError(path, f"larger than {largest >> 20} MB", remedy, code="too_large")
    except OSError as error:
        raise unreadable(path, error) from None


def read_limited(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file of at most `largest` bytes."""
    check_file(path, largest)
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def read_beginning(path: Path, length: int, largest: int = LARGEST_FILE) -> bytes:
    """The first `length` bytes of a regular file of at most `largest` bytes, or all of a shorter one."""
    check_file(path, largest)
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError as error:
        raise unreadable(path, error) from None
