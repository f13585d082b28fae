"""One process at a time: whoever else wants to write the same thing waits, and then finds it done."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on what is about to be written at `path`, waiting while another process holds it.

    The system releases the lock of a process that ends in whatever way, so none is ever left behind; the empty file
    `.lock-<name>` stays (taking it away would let two processes hold two locks of one name).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".lock-{path.name}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process is writing {path}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
