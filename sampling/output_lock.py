"""One sample.py at a time in an output folder: two of other options would mix their hearts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate.state import AcceleratorState

from cohort.disk import remove_unfinished
from cohort.lock import lock_or_refuse


@contextmanager
def kept_apart(output: Path, state: AcceleratorState) -> Iterator[None]:
    """Hold an output folder for the processes of one command, and delete what killed ones left half-written.

    Raises:
        InputError: another command is writing there, or nobody may.
    """
    lock = None
    if state.is_main_process:
        who, remedy = "another sample.py is writing here", "wait for it, or choose another --output"
        lock = lock_or_refuse(output / "sample", who, remedy)
        remove_unfinished(output)
    state.wait_for_everyone()  # whoever shares the ECGs begins after that
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
