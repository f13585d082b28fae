"""How many cores this process may use."""

import os


def available_cores() -> int:
    """The cores this process is granted (a job of a cluster has fewer than the machine), else all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
