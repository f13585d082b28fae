"""Signals that ask a command to stop: they end it as Ctrl-C does, so that nothing is left half-written."""

import atexit
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ASKING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)
]  # Windows: no SIGHUP
PATIENCE_S = 5.0  # while what is half-written is cleared away, a second signal must not break that off


def heeded() -> list[signal.Signals]:
    """Those that this process was not started to ignore (nohup: SIGHUP; `&` in a script: Ctrl-C)."""
    return [number for number in ASKING if signal.getsignal(number) != signal.SIG_IGN]


class StopSignals:
    """Within it, such a signal raises KeyboardInterrupt, and so ends every `with` on the way out.

    A loop that can save its work first takes the signals over (training.stop_request).

    Attributes:
        asked: whether a signal came. Foreign code may turn a KeyboardInterrupt into another error.
    """

    def __init__(self) -> None:
        self.asked = False
        self._raised_at = -PATIENCE_S
        self._settled = False
        self._before: dict[signal.Signals, Callable | int | None] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread have signals
            self._before = {number: signal.signal(number, self._stop) for number in heeded()}
            atexit.unregister(_ignore_all)
            atexit.register(_ignore_all)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def settle(self) -> None:
        """From now on a signal comes too late: all is done, and the exit code is decided."""
        self._settled = True

    def _stop(self, *_: object) -> None:
        self.asked = True
        if not self._settled and time.monotonic() - self._raised_at >= PATIENCE_S:
            self._raised_at = time.monotonic()
            raise KeyboardInterrupt


@contextmanager
def starting_processes() -> Iterator[None]:
    """Processes that are started within it are started whole, and never hear Ctrl-C, which a terminal sends to all.

    A signal that asks this process to stop waits for the end of it: a child that is half started has a traceback to
    tell. Children keep the mask of the thread that starts them. Where the system knows no masks, they hear Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    masked = {signal.SIGINT} if hasattr(signal, "pthread_sigmask") else set()
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in heeded()}
    if masked:
        signal.pthread_sigmask(signal.SIG_BLOCK, masked)
    try:
        yield
    finally:
        if masked:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, masked)
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _ignore_all() -> None:
    """While Python takes itself down, all is done and the exit code is decided."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
