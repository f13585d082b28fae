"""One odd or bad input, and what must happen to it: refused for a stated reason, or read right."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cohort.errors import InputError
from cohort.exclusion import REASONS

CANARY = "Canarina"  # a patient's name inside the files, which no message may quote
CANARY_PID = "9000077"


@dataclass(frozen=True)
class Case:
    """A named input.

    Attributes:
        write: puts it into an empty folder and returns the path to read.
        refused: regular expression that the refusal must contain; "" where it must be read.
        right: what was read -> "" or what is wrong with it.
    """

    name: str
    write: Callable[[Path], Path]
    refused: str = ""
    right: Callable[[object], str] = lambda found: ""


def bytes_case(
    name: str,
    content: bytes | Callable[[], bytes],
    refused: str = "",
    right: Callable = lambda found: "",
    file: str = "case.xml",
) -> Case:
    """A case that is one file of these bytes; large ones are made only when they are written."""

    def write(folder: Path) -> Path:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content())
        return folder / file

    return Case(name, write, refused, right)


def verdict(case: Case, path: Path, read: Callable[[Path], object]) -> str:
    """Empty when reading `path`, which the case wrote, ends as it must; else what happened instead."""
    try:
        found = read(path)
    except InputError as refusal:
        return _fault_of(refusal, case, path)
    except Exception as error:
        return f"{type(error).__name__} and not InputError: {error}"
    return f"read, and not refused for {case.refused!r}" if case.refused else case.right(found)


def _fault_of(refusal: InputError, case: Case, path: Path) -> str:
    told = str(refusal)
    if not case.refused:
        return f"refused: {told}"
    if not re.search(case.refused, told):
        return f"refused for another reason: {told}"
    if refusal.code not in REASONS:
        return f"refused without a code: {told}"
    if path.stem not in refusal.source:
        return f"the refusal names another file: {told}"
    if not (refusal.fault and refusal.remedy) or "\n" in told:
        return f"the refusal is not one line of file, fault, remedy: {told!r}"
    shown = told
    while refusal := refusal.__cause__ or (None if refusal.__suppress_context__ else refusal.__context__):
        shown += f" {refusal}"  # what a traceback would print
    return f"the refusal quotes the patient: {shown}" if CANARY in shown or CANARY_PID in shown else ""
