"""doubtful_pairs.csv: which ECGs and hearts are probably of two people, as `evaluate_samples.py --pairs` found."""

import csv
from pathlib import Path
from typing import NamedTuple

from .errors import InputError

NAME = "doubtful_pairs.csv"
COLUMNS = ("eid", "instance", "log_likelihood_ratio", "probability_of_one_person", "verdict", "taught_the_weights")
SHOWN = 50  # rows
MAKE_AGAIN = "make it again (evaluate_samples.py --pairs), or delete it"


class DoubtfulPair(NamedTuple):
    """One row, as texts."""

    eid: str
    instance: str
    score: str
    probability: str
    verdict: str
    taught: str  # "yes" of who taught the weights, else empty


def read_pairs(folder: Path) -> list[DoubtfulPair]:
    """The first SHOWN rows of a folder's table that have a probability, in its order; none where there is no table.

    Raises:
        InputError: it is no such table.
    """
    path = folder / NAME
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        pairs = [DoubtfulPair(*row) for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as fault:
        raise InputError(path, "is no table of doubtful pairs", MAKE_AGAIN) from fault
    if tuple(header) != COLUMNS:
        raise InputError(path, "has other columns", MAKE_AGAIN)
    return [pair for pair in pairs if pair.probability][:SHOWN]
