"""Patients by what is wrong with their hearts, where a phantom cohort's truth says it; else by sex."""

import csv
from pathlib import Path

import numpy as np

FEWEST = 5  # people; a correlation of fewer says nothing
HEALTHY, ILL = "normal", "any disease"
SEX = {0: "women", 1: "men"}


def disease_groups(data: Path, eids: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows of `eids` (n,) by condition, and rows of those with a scar by its territory.

    Both are columns of data/truth.csv. Only a phantom cohort has this file; without it both are empty. Conditions with
    fewer than FEWEST people are left out.
    """
    path = Path(data) / "truth.csv"
    if not path.exists():
        return {}, {}
    with path.open(newline="") as file:
        truth = {int(row["eid"]): row for row in csv.DictReader(file)}
    known = [truth.get(int(eid), {}) for eid in eids]
    conditions, scars = (_rows_by(known, column) for column in ("condition", "scar_territory"))
    return {name: rows for name, rows in conditions.items() if len(rows) >= FEWEST}, scars


def _rows_by(known: list[dict], column: str) -> dict[str, np.ndarray]:
    values = [row.get(column) or "" for row in known]
    return {v: np.flatnonzero([value == v for value in values]) for v in sorted(set(values) - {""})}


def with_pooled_disease(groups: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The groups of `disease_groups`, and all the ill together: one disease alone may have too few people to tell."""
    ill = [rows for name, rows in groups.items() if name != HEALTHY]
    return groups | ({ILL: np.sort(np.concatenate(ill))} if len(ill) > 1 else {})


def sex_groups(person: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of women and of men by `models.conditioning.PERSON_FIELDS`, of (n, 4 or more); the unknown are left out."""
    groups = {name: np.flatnonzero(person[:, 0] == number) for number, name in SEX.items()}
    return {name: rows for name, rows in groups.items() if len(rows) >= FEWEST}
