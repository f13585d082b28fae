"""One process at a time: whoever else wants to write the same thing waits, and then sees that it is done."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from cohort.disk import writing
from cohort.errors import InputError, printable

# What `flock` answers on a disk without it: NFS without a lock daemon, Lustre mounted without -o flock.
NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
LOOK_AGAIN_S = 0.05
LONGEST_HOLDER = 300  # letters of a process and its machine


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on what is about to be written at `path`. Wait while another process holds it.

    The system releases the lock of a process that ends, in whatever way. The empty file `.lock-<name>` stays: without
    it, two processes could hold two locks of one name. Where the disk has no such locks, see `try_locked`.

    Raises:
        InputError: nobody may write there.
    """
    lock = try_locked(path)
    if lock is None:
        print(f"another process is writing {path}; waiting for it{_holder(path)}")
    while lock is None:
        time.sleep(LOOK_AGAIN_S)
        lock = try_locked(path)
    try:
        yield
    finally:
        lock.release()


def lock_or_refuse(path: Path, who: str, remedy: str) -> BaseFileLock:
    """The lock of `try_locked`; keep it as that says.

    Args:
        path: of what is about to be written; the fault names its folder.
        who: else writes there, as a fault says it. remedy: what to do then.

    Raises:
        InputError: another process holds it, or nobody may write there.
    """
    lock = try_locked(path)
    if lock is None:
        raise InputError(path.parent, f"{who}{_holder(path)}", remedy)
    return lock


def try_locked(path: Path) -> BaseFileLock | None:
    """The lock that `locked` takes, or None while another process (or another part of this one) holds it.

    Keep what is returned: the lock is free again after its `release()`, or when the last reference to it goes.

    On a disk without `flock`, the lock is a file `.held-<name>` that says which process of which machine holds it. It
    is taken over once that process has ended, if it ran on this machine.

    Raises:
        InputError: nobody may write there.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _taken(FileLock(path.with_name(f".lock-{path.name}"), thread_local=False, fallback_to_soft=False))
        except OSError as error:
            if error.errno not in NO_FLOCK:
                raise
        return _taken(SoftFileLock(_marker(path), thread_local=False))


def _taken(lock: BaseFileLock) -> BaseFileLock | None:
    try:
        lock.acquire(blocking=False)
    except Timeout:  # which is an OSError too
        return None
    return lock


def _marker(path: Path) -> Path:
    return path.with_name(f".held-{path.name}")


def _holder(path: Path) -> str:
    """On a disk without `flock`: whose lock it is, and what to delete if that process is gone. Elsewhere nothing."""
    try:
        number, machine = _marker(path).read_text(encoding="utf-8")[:LONGEST_HOLDER].splitlines()[:2]
    except (OSError, ValueError):
        return ""
    who = printable(f"process {number} on {machine}")
    return f" ({who}; if it has ended, delete {_marker(path)})"
