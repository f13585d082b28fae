"""One process at a time: whoever else wants to write the same thing waits, and then sees that it is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cohort.disk import writing


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on what is about to be written at `path`. Wait while another process holds it.

    The system releases the lock of a process that ends, in whatever way. The empty file `.lock-<name>` stays: without
    it, two processes could hold two locks of one name.

    Raises:
        InputError: nobody may write there.
    """
    lock = _lock_of(path)
    if not _taken(lock):
        print(f"another process is writing {path}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def try_locked(path: Path) -> FileLock | None:
    """The lock that `locked` takes, or None while another process (or another part of this one) holds it.

    Keep what is returned: the lock is free again after its `release()`, or when the last reference to it goes.
    """
    lock = _lock_of(path)
    return lock if _taken(lock) else None


def _lock_of(path: Path) -> FileLock:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".lock-{path.name}"), thread_local=False)


def _taken(lock: FileLock) -> bool:
    with writing(Path(lock.lock_file).parent):
        try:
            lock.acquire(blocking=False)
        except Timeout:  # which is an OSError too
            return False
    return True
