"""Where the time of an evaluation goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the wall seconds of what is done within, under `name`."""
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun
