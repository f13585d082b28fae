"""Worker processes that end with their command, whatever ends it."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from .stop_signals import starting_processes


def in_pool(job: Callable, items: Sequence, workers: int, chunksize: int) -> Iterator:
    """job(item) of every item, in their order, by so many processes."""
    with process_pool(workers) as pool:
        with starting_processes():  # all processes start here
            results = pool.map(job, items, chunksize=chunksize)
        yield from results


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes ("spawn"): they inherit no threads, and a fork of one with CUDA or threads may hang.

    A command that is stopped waits for the jobs being done, and for no others. Start the jobs within
    `cohort.stop_signals.starting_processes`.
    """
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_the_parent)
    with _silent_on_cancelled_jobs():
        try:
            yield pool
        finally:
            if _is_broken(pool):  # a process that was started after the others had been ended is waited for in vain
                for child in multiprocessing.active_children():
                    child.kill()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _silent_on_cancelled_jobs() -> Iterator[None]:
    """Without the traceback of the pool's own thread that fails a job which the stopped command has just cancelled.

    Where all processes are told to stop, both happen at once, and Python's pool does not expect it.
    """
    usual = threading.excepthook

    def hook(told: threading.ExceptHookArgs) -> None:
        if not issubclass(told.exc_type, InvalidStateError):
            usual(told)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual


def _is_broken(pool: ProcessPoolExecutor) -> bool:
    try:
        pool.submit(int)
    except BrokenProcessPool:
        return True
    return False


def _end_with_the_parent() -> None:
    """Without it, a worker whose parent was killed would wait for work for ever."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
