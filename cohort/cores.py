"""How many cores this process may use."""

import os


def available_cores() -> int:
    """The cores granted to this process, which may be fewer than the machine has, else all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
