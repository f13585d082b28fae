"""A job run in a process of its own: what it said, how long it took, how much memory; and tables of such rows."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import scipy.ndimage
import scipy.signal  # noqa: F401  (both load when first used, which must not count as a case's time and memory)

from tests.corpora.case import Case, verdict

LONGEST_S = 120  # by the clock of a busy machine, after which a job counts as hanging
MOST_BYTES = 6 << 30  # of address space, so that a bomb that goes off fails alone


@dataclass(frozen=True)
class Outcome:
    """What a job did.

    Attributes:
        said: what it returned, or how it ended.
        seconds: of processor, its own and the kernel's for it: a busy machine does not change it.
        megabytes: its peak of resident memory; of `tried`, what it took above that of a job that does nothing.
    """

    said: str
    seconds: float
    megabytes: float


def in_child(job: Callable[[], str]) -> Outcome:
    """Run a job in a forked process, so that it starts with everything imported; memory is the whole process's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(LONGEST_S)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        try:
            said = job()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode(errors="replace")[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status, used = os.wait4(child, 0)
    if status:
        said = f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {status}"
    return Outcome(said, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def tried(cases: Iterable[Case], read: Callable[[Path], object]) -> Iterator[tuple[Case, Outcome]]:
    """Every case in a process of its own; its files are written before and removed after."""
    idle = in_child(str)
    for case in cases:
        folder = Path(tempfile.mkdtemp(prefix="case-"))
        try:
            path = case.write(folder)
            done = in_child(lambda path=path, case=case: verdict(case, path, read))
            yield (
                case,
                Outcome(done.said, max(0.0, done.seconds - idle.seconds), max(0.0, done.megabytes - idle.megabytes)),
            )
        finally:
            shutil.rmtree(folder)


def judged(cases: Iterable[Case], read: Callable[[Path], object]) -> Iterator[tuple[str, str]]:
    """Name and verdict of every case, in this process: for corpora of which none could hurt it."""
    for case in cases:
        folder = Path(tempfile.mkdtemp(prefix="case-"))
        try:
            yield case.name, verdict(case, case.write(folder), read)
        finally:
            shutil.rmtree(folder)


def markdown_row(row: str, what: str, target: str, reached: str) -> str:
    return f"| {row} | {what} | {target} | {reached} |"
