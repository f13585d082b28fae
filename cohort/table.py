"""CSV tables that are whole or absent."""

import csv
from collections.abc import Iterable
from pathlib import Path

from cohort.disk import whole_file


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable], line_end: str = "\r\n") -> None:
    """Write a CSV table in UTF-8: its header, then its rows.

    Raises:
        InputError: the disk is full, or nobody may write there.
    """
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=line_end).writerows([columns, *rows])
