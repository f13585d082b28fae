"""A signal asks for a checkpoint and a clean end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from . import launcher


class CutShort(BaseException):
    """Asked to stop, in the middle of what may be left undone."""


class StopRequest:
    """SIGTERM, SIGHUP, Ctrl-C or the end of our launcher asks for a checkpoint and a clean end.

    A signal that whoever started us has us ignore is still ignored (nohup: SIGHUP; `&` in a script: Ctrl-C).
    A launcher that is killed says nothing to its children. `accelerate launch` of one process that gets SIGTERM says
    nothing either. They would go on as orphans, and keep the next start out of the run's folder.
    """

    def __init__(self) -> None:
        self._signalled = self._cutting = False
        heeded = [s for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) if signal.getsignal(s) != signal.SIG_IGN]
        self._before = {s: signal.signal(s, self._ask) for s in heeded}

    def _ask(self, *_: object) -> None:
        self._signalled = True
        if self._cutting:
            self._cutting = False
            raise CutShort

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """A signal leaves what is done within at once, by CutShort: a cluster may not wait for its end."""
        self._cutting = True
        try:
            if self._signalled:  # since somebody last looked
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
