"""How a folder of ECGs fares: which are refused and why, in a table and on screen, and how many are not."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from cohort.disk import PARTIAL, writing
from cohort.errors import InputError
from cohort.pseudonym import Naming
from cohort.table import write_table
from sampling.inputs import subject_name
from sampling.person_fields import OPTION, UNKNOWN
from sampling.refused_table import COLUMNS
from sampling.refused_table import REFUSED as TABLE

TOLD_BY = f" (--persons, --sex, --age, --height-cm, --weight-kg, {OPTION})"


class Tally:
    """Counts of one process, and the rows it adds to the table of refused files; both take no memory to speak of.

    Args:
        output: the table lies in this folder once there is a row.
        alone: whether there is one file in all, whose fault ends everything.
        rank: of this process among those that share the ECGs. Each writes a table of its own (`join_tables`).
    """

    def __init__(self, output: Path, naming: Naming, alone: bool = False, rank: int = 0) -> None:
        self.path, self.naming, self.alone = _part(output, rank), naming, alone
        self.refused = self.finished_before = self.written = 0
        self._bar: tqdm | None = None

    def refuse(self, path: Path, fault: InputError) -> None:
        """Tell of a file that is refused, and add it to the table.

        Raises:
            InputError: the fault itself, of a file that is alone.
        """
        fault = self.naming.of_fault(fault, path, subject_name(path))
        if self.alone:
            raise fault from None
        tell(f"error: {fault}")
        new = not self.refused  # what a killed run left is written over
        self.refused += 1
        self._advance()
        said = map(self.naming.shown, (fault.fault, fault.remedy))
        row = (self.naming.of_file(path, subject_name(path)), fault.code, *said)
        with writing(self.path.parent, len("".join(row))):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w" if new else "a", encoding="utf-8", newline="") as file:
                csv.writer(file).writerow(row)

    def finish_before(self) -> None:
        """Count a patient whom an earlier run has finished."""
        self.finished_before += 1
        self._advance()

    def write(self) -> None:
        """Count a patient whose hearts were written."""
        self.written += 1
        self._advance()

    @contextmanager
    def progress(self, total: int, said: str, hidden: bool) -> Iterator[tqdm]:
        """A bar of `total` ECGs. It moves on when one is done with, however many are read ahead for a batch."""
        with tqdm(total=total, desc=said, unit="ECG", disable=hidden) as self._bar:
            yield self._bar

    def _advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    @contextmanager
    def withdrawn_when_interrupted(self) -> Iterator[None]:
        """Leave no rows behind where what is done within does not come to its end."""
        try:
            yield
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise

    @property
    def counts(self) -> tuple[int, int, int]:
        """Refused, finished by an earlier run, written now."""
        return self.refused, self.finished_before, self.written

    def warn(self, path: Path, warnings: tuple[str, ...]) -> None:
        """Tell what makes a result less sure, with options where something is unknown: no page shows those."""
        for warning in warnings:
            how = TOLD_BY if warning.startswith(UNKNOWN) else ""
            tell(f"warning: {self.naming.of_file(path, subject_name(path))}: {self.naming.shown(warning)}{how}")


def left_alone(finished: int) -> str:
    """What is said of patients whom an earlier run has finished."""
    who = "1 patient was" if finished == 1 else f"{finished} patients were"
    return f"{who} finished by an earlier run; their files are left as they are"


def tell(line: str) -> None:
    """A line on stderr, above a progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)


def join_tables(output: Path, refused: list[int]) -> None:
    """Put the rows of all processes into one table; without a row there is none, not even an earlier run's.

    Args:
        refused: how many files each process refused, in order of rank.
    """
    rows = []
    for rank, count in enumerate(refused):
        if count:
            with _part(output, rank).open(encoding="utf-8", newline="") as file:
                rows += csv.reader(file)
    if rows:
        write_table(output / TABLE, COLUMNS, rows)
    else:
        (output / TABLE).unlink(missing_ok=True)
    for part in output.glob(f"{PARTIAL}*-{TABLE}"):
        part.unlink()


def _part(output: Path, rank: int) -> Path:
    return output / f"{PARTIAL}{rank}-{TABLE}"  # what a kill leaves is cleared away by the next run
