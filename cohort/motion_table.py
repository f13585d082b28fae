"""motion.csv: how the hearts of a study's people beat, measured once on their cines and kept as a table.

Few cines are kept as arrays, because they are large. The table tells of everybody's: segment.py writes it.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np

from .beat import NUMBERS, QUARTERS, MeasuredBeat, at_moments
from .beat_clock import LONGEST_SYSTOLE, SHORTEST_SYSTOLE
from .discovery import find_subjects
from .person_number import FIRST_NUMBER
from .places import CohortPlaces, as_places
from .stored_arrays import ABOUT
from .subjects import Visit, names_of
from .table_reader import InputTable, read_table

MOTION_TABLE = "motion.csv"
MOMENTS = 25  # of the cycle, spread evenly, at which the curve is kept; at the first all is inside
INSIDE = tuple(f"inside_{100 * k // MOMENTS}" for k in range(1, MOMENTS))  # share of SV still inside at % of the cycle
COLUMNS = (*NUMBERS, *INSIDE)
POSSIBLE = {  # (lowest, highest); a number beyond is in another unit, or an error
    "ES_share": (SHORTEST_SYSTOLE, LONGEST_SYSTOLE),
    "peak_ejection": (0, 60),
    "peak_filling": (0, 60),
    "atrial_share": (0, 1),
    "dyssynchrony": (0, 0.5),
    **{f"thickening_{quarter}": (-100, 500) for quarter in QUARTERS},
    **{f"peak_{quarter}": (0, 1) for quarter in QUARTERS},
    **dict.fromkeys(INSIDE, (-0.5, 1.5)),
}


@dataclass(frozen=True, eq=False)
class KnownBeat:
    """A row. Attributes: numbers: of NUMBERS, NaN where unknown. inside: (MOMENTS,), or None if not all is known."""

    numbers: dict[str, float]
    inside: np.ndarray | None


def read_motion(data: Path, names: Collection[str] = ()) -> dict[Visit, KnownBeat]:
    """The rows of a folder's motion.csv by visit; none where there is no such table.

    Args:
        data: the folder. names: of people whom no eid calls, as `cohort.study_tables.read_tables` takes them.

    Raises:
        InputError: as `cohort.table_reader.read_table`; or a number is none, or impossible.
    """
    path = Path(data) / MOTION_TABLE
    if not os.path.lexists(path):  # a broken link is refused
        return {}
    table = read_table(path, dict.fromkeys(COLUMNS, ""), ())
    return {visit: _known(table, row, cells) for row, visit, cells in table.by_visit(names)}


def require_motion_table(places: CohortPlaces | Path) -> None:
    """Refuse (InputError) a motion.csv that cannot be read, before anything else of the cohort is."""
    places = as_places(places)
    if not os.path.lexists(places.data / MOTION_TABLE):
        return
    arrays = (places.data / ABOUT).exists()  # of a cohort whose files are elsewhere
    read_motion(places.data, () if arrays else names_of(find_subjects(places)))


def _known(table: InputTable, row: int, cells: Mapping[str, str]) -> KnownBeat:
    told = {name: _number(table, row, name, cells.get(name, "")) for name in COLUMNS}
    inside = np.array([1.0, *(told[name] for name in INSIDE)])
    return KnownBeat({name: told[name] for name in NUMBERS}, inside if np.isfinite(inside).all() else None)


def _number(table: InputTable, row: int, name: str, cell: str) -> float:
    number = table.number(row, name, cell)
    low, high = POSSIBLE[name]
    if number is not None and not low <= number <= high:
        unit = "in percent" if name.startswith("thickening_") else "as a share of the cycle or of the stroke volume"
        unit = "in stroke volumes a cycle" if name in ("peak_ejection", "peak_filling") else unit
        raise table.fault(row, name, f"not {low:g} to {high:g}", f"give it {unit}, or leave the cell empty")
    return float("nan") if number is None else number


def told_beats(places: CohortPlaces, eid: np.ndarray, instance: np.ndarray) -> dict[int, KnownBeat]:
    """What a cohort's motion.csv tells of these people's visits, (N,) each: row -> beat.

    Raises:
        InputError: as `read_motion`.
    """
    by_name = (np.asarray(eid) >= FIRST_NUMBER).any()
    told = read_motion(places.data, names_of(find_subjects(places)) if by_name else ())
    visits = enumerate(zip(eid.tolist(), instance.tolist(), strict=True))
    return {row: told[visit] for row, visit in visits if visit in told}


def motion_row(beat: MeasuredBeat | None) -> dict[str, float | None]:
    """COLUMNS of one person, None where unknown; the curve is known of a beat that closes."""
    if beat is None:
        return dict.fromkeys(COLUMNS)
    row = {name: None if isnan(number) else number for name, number in beat.numbers.items()}
    curve = at_moments(beat.inside, np.arange(1, MOMENTS) / MOMENTS).tolist() if beat.closes else [None] * len(INSIDE)
    return row | dict(zip(INSIDE, curve, strict=True))
