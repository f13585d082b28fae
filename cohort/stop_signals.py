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

    def _stop(self, *_: object) -> None:
        self.asked = True
        if time.monotonic() - self._raised_at >= PATIENCE_S:
            self._raised_at = time.monotonic()
            raise KeyboardInterrupt


@contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Processes that are started within it never hear Ctrl-C, which a terminal sends to all: their parent ends them.

    Where the system can, a Ctrl-C of this moment waits for the end of it. Else it is lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    holds_back = hasattr(signal, "pthread_sigmask")
    if holds_back:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if holds_back:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _ignore_all() -> None:
    """While Python takes itself down, all is done and the exit code is decided."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
