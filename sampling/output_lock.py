"""One sample.py at a time in an output folder: two of other options would mix their hearts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate.state import AcceleratorState

from cohort.disk import remove_unfinished
from cohort.errors import InputError
from cohort.lock import try_locked


@contextmanager
def kept_apart(output: Path, state: AcceleratorState) -> Iterator[None]:
    """Hold an output folder for the processes of one command, and delete what killed ones left half-written.

    Raises:
        InputError: another command is writing there, or nobody may.
    """
    lock = None
    if state.is_main_process:
        lock = try_locked(output / "sample")
        if lock is None:
            raise InputError(output, "another sample.py is writing here", "wait for it, or choose another --output")
        remove_unfinished(output)
    state.wait_for_everyone()  # whoever shares the ECGs begins after that
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
