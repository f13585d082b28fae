"""CSV tables that are whole or absent."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from cohort.disk import write_text


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable], line_end: str = "\r\n") -> None:
    """Write a CSV table in UTF-8: its header, then its rows.

    Raises:
        InputError: the disk is full, or nobody may write there.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows([columns, *rows])
    write_text(path, text.getvalue())
