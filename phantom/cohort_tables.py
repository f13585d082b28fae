"""The tables of a phantom cohort: what a study would know of its people, and the truth.

A cohort of several visits has a row for each, with a column `instance`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from cohort.motion_table import MOTION_TABLE
from cohort.person import PERSON_COLUMNS
from cohort.phenotypes import PHENOTYPES, with_derived
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.table import write_table
from phantom.cohort_plan import CohortPlan, instance_of
from phantom.heart import Heart
from phantom.truth import motion_truth, told_motion
from phantom.walls import drawn_walls

PRESSURE = "systolic_bp_mmhg"  # a number beside the person's own, as cohort.further keeps it
# column of persons.csv -> attribute of a heart
TOLD = dict(zip(PERSON_COLUMNS[1:], ("sex", "age_years", "height_cm", "weight_kg"), strict=True)) | {PRESSURE: PRESSURE}


class Drawn(NamedTuple):
    """Rows of one person, without their keys: of truth.csv, and of motion.csv."""

    truth: dict[str, object]
    motion: dict[str, float | None]


def write_study_tables(output: Path, plan: CohortPlan) -> None:
    """Write persons.csv and phenotypes.csv of everybody in a plan."""
    hearts = [plan.heart(*person) for person in plan.people]
    keys = list(_keys(plan))
    people = ([getattr(heart, name) for name in TOLD.values()] for heart in hearts)
    _write(output / "persons.csv", (*keys[0], *TOLD), _keyed(keys, people))
    measured = (drawn_phenotypes(heart).values() for heart in hearts)
    _write(output / "phenotypes.csv", (*keys[0], *PHENOTYPES), _keyed(keys, measured))


def write_truth(output: Path, plan: CohortPlan, people: Iterable[Drawn]) -> None:
    """Write truth.csv and motion.csv of everybody, in the plan's order."""
    people, keys = list(people), list(_keys(plan))
    tables = {"truth.csv": [drawn.truth for drawn in people], MOTION_TABLE: [drawn.motion for drawn in people]}
    for name, rows in tables.items():
        _write(output / name, (*keys[0], *rows[0]), _keyed(keys, (row.values() for row in rows)))


def drawn_phenotypes(heart: Heart) -> dict[str, float]:
    """PHENOTYPES of the drawn heart itself (mL, percent, g, mm): the truth that a segmentation approaches."""
    volumes = {
        "LVEDV": heart.lvedv_ml,
        "LVESV": heart.lvesv_ml,
        "LVM": heart.lv_mass_g,
        "RVEDV": heart.rvedv_ml,
        "RVESV": heart.rvesv_ml,
    }
    return with_derived(volumes) | drawn_walls(heart)


def drawn_of(heart: Heart) -> Drawn:
    """A person's rows of truth.csv and motion.csv."""
    return Drawn(truth_of(heart), told_motion(heart))


def truth_of(heart: Heart) -> dict[str, object]:
    """One row of truth.csv, without its keys: what was drawn, then what the walls make of it.

    A tuple becomes columns numbered from 1, as in electrode_shift_mm_3_1 (V3, leftwards). What stands in a heart's
    `recording` or `acquisition` keeps its own name.
    """
    row: dict[str, object] = {}

    def put(name: str, value: object) -> None:
        if isinstance(value, dict):
            for part, inner in value.items():
                put(part, inner)
        elif isinstance(value, tuple):
            for number, part in enumerate(value, start=1):
                put(f"{name}_{number}", part)
        elif name in row:
            raise ValueError(f"two columns of truth.csv would be called {name}")
        else:
            row[name] = value

    for name, value in (asdict(heart) | motion_truth(heart)).items():
        put(name, value)
    return row


def _keys(plan: CohortPlan) -> Iterator[dict[str, int]]:
    """What a row begins with."""
    for index, visit in plan.people:
        key = {"eid": FIRST_EID + index}
        yield key | {"instance": instance_of(visit)} if plan.visits > 1 else key


def _keyed(keys: Iterable[dict[str, int]], rows: Iterable[Iterable]) -> Iterator[tuple]:
    return ((*key.values(), *row) for key, row in zip(keys, rows, strict=True))


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    cells = ([_cell(value) for value in row] for row in rows)
    write_table(path, columns, cells, line_end="\n")


def _cell(value: object) -> object:
    """A number of seven digits; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return value
