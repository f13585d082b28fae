"""A signal asks for a checkpoint and a clean end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from cohort.stop_signals import heeded

from . import launcher


class CutShort(BaseException):
    """A stop was asked for, in the middle of something that may be left undone."""


class StopRequest:
    """SIGTERM, SIGHUP, Ctrl-C or the end of our launcher asks for a checkpoint and a clean end.

    A signal that this process was started to ignore is still ignored (nohup: SIGHUP; `&` in a script: Ctrl-C).
    A launcher that is killed says nothing to its children, nor does `accelerate launch` of one process on SIGTERM. The
    children would go on as orphans, and keep the next start out of the run's folder.
    """

    def __init__(self) -> None:
        self._signalled = self._cutting = False
        self._before = {number: signal.signal(number, self._ask) for number in heeded()}

    def _ask(self, *_: object) -> None:
        self._signalled = True
        if self._cutting:
            self._cutting = False
            raise CutShort

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """Within it, a signal raises CutShort at once: a cluster may not wait until the work is done."""
        self._cutting = True
        try:
            if self._signalled:  # before this began
                raise CutShort
            yield
        finally:
            self._cutting = False

    @property
    def asked(self) -> bool:
        return self._signalled or launcher.is_gone()

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
