"""The one error a user can act on."""

import errno
import os
import sys
from collections.abc import Callable

from .cores import let_threads_sleep
from .stop_signals import StopSignals

FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # no room on the disk, or for this user


class InputError(Exception):
    """A fault in what the user gave, in one line: which file or option, what is wrong, what to do.

    Every reader raises it. Scripts turn it into exit code 2 without a traceback.

    Args:
        source: the file, folder or option.
        fault: what is wrong. It never quotes a name, a birth date or an id found INSIDE a file.
        remedy: what to do.
        code: the fault in one word (`cohort.exclusion.REASONS`), for filters and counts. A new wording keeps it.
    """

    def __init__(self, source: object, fault: str, remedy: str, code: str = "other") -> None:
        self.source, self.fault, self.remedy, self.code = str(source), fault, remedy, code
        super().__init__(printable(f"{source}: {fault}; {remedy}"))

    def __reduce__(self) -> tuple:
        """Lets an error pass from one process to another."""
        return type(self), (self.source, self.fault, self.remedy, self.code)


def require_within(option: str, value: float, low: float, high: float) -> None:
    """Refuse (InputError) an option's number outside its limits, which both are allowed, or one that is none."""
    if not low <= value <= high:  # NaN fails
        raise InputError(option, f"{value} is out of range", f"give {low} to {high}")


def require_counts(options: object, *names: str, within: str = "") -> None:
    """Refuse (InputError) counts below 1 among an object's numbers. None, and a name it lacks, are passed over.

    Args:
        within: what stands before the names on the command line, as "stage-steps.".
    """
    for name in names:
        value = getattr(options, name, None)
        if value is not None and value < 1:
            raise InputError(f"--{within}{name.replace('_', '-')}", f"{value} is out of range", "give at least 1")


def printable(text: object) -> str:
    """Any value as one line that a terminal can show.

    A file's name may hold anything: line ends, and codes that a terminal obeys. Each such letter becomes "?".
    """
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def exit_code_of(main: Callable[[], None], once_stopped: str = "the same command continues") -> int:
    """Run a script's main, whose threads sleep while they wait (`cohort.cores.let_threads_sleep`).

    Args:
        once_stopped: what the line says behind "stopped".

    Returns:
        0 when it ends well, 2 and one line on stderr for an InputError or a full disk. 130 and one line when SIGTERM,
        SIGHUP or Ctrl-C stopped it: whatever was half-written is cleared away first. 130, too, when nobody reads what
        it prints any more. Any other error is a fault of ours, and is raised.
    """
    let_threads_sleep()
    with StopSignals() as stop:
        try:
            code = _code_of(main, stop, once_stopped)
            stop.settle()  # within the try: a signal is heard up to here, and none behind
            return code
        except KeyboardInterrupt:
            return _stopped(once_stopped)


def _code_of(main: Callable[[], None], stop: StopSignals, once_stopped: str) -> int:
    try:
        main()
    except Exception as error:
        if stop.asked:  # the interruption came out as another error
            return _stopped(once_stopped)
        if isinstance(error, BrokenPipeError):  # whoever reads what we print has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the last flush must not fail again
            return 130
        if isinstance(error, InputError):
            print(f"error: {error}", file=sys.stderr)
        elif isinstance(error, OSError) and error.errno in FULL:  # in a library, or on screen
            print(f"error: {printable(error)}; make room, and give the same command again", file=sys.stderr)
        else:
            raise
        return 2
    return 0


def _stopped(then: str) -> int:
    print(f"stopped; {then}", file=sys.stderr)
    return 130
