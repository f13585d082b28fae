"""The table of ECGs that a run refused, beside the patients' folders."""

import csv
from pathlib import Path

REFUSED, COLUMNS = "refused.csv", ("file", "code", "fault", "remedy")


def said_of_refused(refused: int, total: int, what: str) -> str:
    """What is said of files that were refused; what: they are, in the plural."""
    return f"{refused} of {total} {what} {'was' if refused == 1 else 'were'} refused"


def read_refused(output: Path) -> list[dict[str, str]]:
    """Its rows by COLUMNS; none where there is no table, or one of something else."""
    try:
        with (output / REFUSED).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return []
    return [row for row in rows if all(isinstance(row.get(name), str) for name in COLUMNS)]
