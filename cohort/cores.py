"""How many cores this process may use, and how its threads wait for work."""

import os

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # the standard's, and two libraries' own


def available_cores() -> int:
    """The cores granted to this process, which may be fewer than the machine has, else all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def let_threads_sleep() -> None:
    """Let OpenMP's threads sleep while they wait for work. It counts where torch is not imported yet.

    By default they spin, each on a core of its own. On a busy machine they take the cores from those that compute: a
    sample took three times as long. Whoever set one of WAITING keeps it.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
