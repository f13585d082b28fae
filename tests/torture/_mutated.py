"""Mutated files by the thousand: only our own error may come of them, it quotes nobody, and none takes long."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cohort.errors import InputError
from tests.corpora.case import CANARY, CANARY_PID
from tests.corpora.trial import in_child


class Reading(NamedTuple):
    """How many files were read and refused, CPU seconds of the slowest, and what went wrong."""

    read: int
    refused: int
    slowest: float
    wrong: list[str]

    def reached(self, count: int) -> str:
        """In words, of `count` files."""
        rest = count - self.read - self.refused
        return f"{self.read} read, {self.refused} refused, {rest} otherwise; the slowest took {self.slowest:.2f} s"


def read_all(
    count: int, at_once: int, name: str, made: Callable[[int], bytes], read: Callable[[int, Path], str]
) -> Reading:
    """Read `count` files, by their numbers, `at_once` in a process, which is ended when it hangs.

    Args:
        name: of each file. made: its content, by number.
        read: reads it, and returns what is told of it; raises InputError where it is refused.
    """
    good, bad, slowest, wrong = 0, 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, at_once):
            numbers = range(first, first + at_once)
            said = in_child(lambda numbers=numbers: _read_each(numbers, Path(folder) / name, made, read)).said
            if said.count("|") != 3:
                wrong.append(f"{first} to {first + at_once - 1}: {said}")
                continue
            was_read, was_refused, seconds, faults = said.split("|")
            good, bad, slowest = good + int(was_read), bad + int(was_refused), max(slowest, float(seconds))
            wrong += [faults] if faults else []
    return Reading(good, bad, slowest, wrong)


def _read_each(numbers: range, path: Path, made: Callable[[int], bytes], read: Callable[[int, Path], str]) -> str:
    """The fields of a Reading, separated by bars."""
    good, refused, slowest, wrong = 0, 0, 0.0, ""
    for number in numbers:
        path.write_bytes(made(number))
        start = time.process_time()
        told = ""
        try:
            told = read(number, path)
            good += 1
        except InputError as refusal:
            refused += 1
            told = str(refusal)
        except Exception as error:
            wrong += f" {number}: {type(error).__name__} {error}"
        slowest = max(slowest, time.process_time() - start)
        wrong += f" {number} quotes the patient" if CANARY in told or CANARY_PID in told else ""
    return f"{good}|{refused}|{slowest}|{wrong}"
