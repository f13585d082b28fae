"""What a study knows beside its recordings: persons.csv and phenotypes.csv of a folder, by person and visit.

A repeat visit has its own row. What another visit's row says of age, weight or the heart is not taken for it.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

from cohort.finding import Finding
from cohort.person import COMMON_BMI, PERSON_COLUMNS, QUANTITIES, Person, TabledPerson
from cohort.phenotypes import PHENOTYPES, TABLE, UNITS
from cohort.subjects import Visit
from cohort.table_reader import InputTable, read_table

TABLES = ("persons.csv", "phenotypes.csv")  # of a data folder; what is prepared is named by them, too
PERSON_UNITS = {"sex": "", "age": "years", "height_cm": "cm", "weight_kg": "kg"}
OTHER_UNITS = {  # factor to our unit -> how a stranger's is called
    "mL": {1000: "litres", 0.001: "cubic millimetres"},
    "%": {100: "a share of 1"},
    "g": {1000: "kilograms", 0.001: "milligrams"},
    "mm": {10: "centimetres", 1000: "metres"},
}
FEWEST_FOR_POUNDS = 5  # people whose median body-mass index tells the unit of a column
SEXES = {"female": "female", "f": "female", "woman": "female", "male": "male", "m": "male", "man": "male", "": None}
SEXES |= {"0": "female", "0.0": "female", "1": "male", "1.0": "male"}  # coding 9; as float where pandas met a gap
LASTING_TOLERANCE_CM = 10
SLIP_ML, SLIP_PERCENT = 15, 10  # by which phenotypes of one heart may disagree, which were rounded or measured twice


@dataclass(frozen=True)
class PersonTable:
    """Rows of a persons.csv.

    Attributes:
        rows: visit -> what its row says.
        notes: what whoever gave the table should know.
    """

    rows: dict[Visit, Person] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def _instances(self) -> dict[int, list[int]]:
        instances: dict[int, list[int]] = {}
        for eid, instance in sorted(self.rows):
            instances.setdefault(eid, []).append(instance)
        return instances

    def at(self, eid: int, instance: int) -> TabledPerson:
        """What the table says of a person at one visit; sex and height may come from the nearest other one."""
        others = [other for other in self._instances.get(eid, ()) if other != instance]
        lasting = Person()
        for other in sorted(others, key=lambda other: abs(other - instance)):
            row = self.rows[eid, other]
            lasting = lasting.filled_from(Person(row.sex, height_cm=row.height_cm))
        return TabledPerson(*self.rows.get((eid, instance), Person()).row, lasting)

    def other_visit_only(self, eid: int, instance: int) -> bool:
        """Whether this person has a row, and none of this visit."""
        return eid in self._instances and (eid, instance) not in self.rows


@dataclass(frozen=True)
class PhenotypeTable:
    """Rows of a phenotypes.csv.

    Attributes:
        rows: visit -> phenotype -> value; without empty cells, and without values that no heart has.
        findings: visit -> what is wrong in its row.
        notes: what whoever gave the table should know.
    """

    rows: dict[Visit, dict[str, float]] = field(default_factory=dict)
    findings: dict[Visit, tuple[Finding, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyTables:
    """Both tables of a folder. One that is not there has no rows."""

    persons: PersonTable = PersonTable()
    phenotypes: PhenotypeTable = PhenotypeTable()

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever gave the tables should know."""
        return self.persons.notes + self.phenotypes.notes

    def notes_on(self, visits: Iterable[Visit]) -> tuple[str, ...]:
        """`notes`, with how many of these visits have faulty rows, or rows of another visit only."""
        visits = list(visits)
        elsewhere = sum(self.persons.other_visit_only(*visit) for visit in visits)
        faulty = sum(visit in self.phenotypes.findings for visit in visits)
        told = {
            f"persons.csv: rows of another visit, whose age and weight are not taken: {elsewhere}": elsewhere,
            f"phenotypes.csv: faulty rows, which `python -m cohort.report` names: {faulty}": faulty,
        }
        return (*self.notes, *(words for words, count in told.items() if count))

    def findings(self, visit: Visit, stated: Person | None) -> Iterator[Finding]:
        """What is wrong in the rows of a visit, and what contradicts the ECG file.

        Args:
            stated: what the ECG file says of the person; None where it was not read.
        """
        yield from self.phenotypes.findings.get(visit, ())
        person = self.persons.at(*visit)
        if stated is not None:
            yield from (Finding(f"table_{name}", words) for name, words in person.contradictions(stated))
        yield from (Finding("table_weight", words) for words in person.filled_from(stated or Person()).doubts)


def read_tables(data: Path) -> StudyTables:
    """Read persons.csv and phenotypes.csv of a folder, each if it is there.

    Raises:
        InputError: as `read_persons` and `read_phenotypes`.
    """
    persons, phenotypes = (Path(data) / name for name in TABLES)
    return StudyTables(
        read_persons(persons) if os.path.lexists(persons) else PersonTable(),  # a broken link is refused
        read_phenotypes(phenotypes) if os.path.lexists(phenotypes) else PhenotypeTable(),
    )


# ---- Persons ----


def read_persons(path: str | Path) -> PersonTable:
    """Read a table of people at their visits.

    Args:
        path: CSV (`cohort.table_reader`) with the columns eid, sex, age (years), height_cm, weight_kg in any order.
            `instance` tells the visit; without it, all rows are of instance 2. Sex is female or male, F or M, or UK
            Biobank's coding 9 (0 female, 1 male). An empty cell is None.

    Raises:
        InputError: a column is missing, a cell cannot be understood, a number is impossible or evidently in another
            unit, or a visit occurs twice. The message names row and column (the header is row 1), never the eid.
    """
    table = read_table(Path(path), PERSON_UNITS, PERSON_COLUMNS[1:])
    persons, first_row = {}, 0
    for row, visit, cells in table.by_visit():
        persons[visit] = _person(table, row, cells)
        first_row = first_row or row
    _refuse_pounds(table, first_row, persons.values())
    return PersonTable(persons, table.notes + _disagreements(table.path, persons))


def _person(table: InputTable, row: int, cells: dict[str, str]) -> Person:
    sex = cells["sex"].lower().replace(",", ".")
    if sex not in SEXES:
        raise table.fault(row, "sex", "neither female nor male", "write female, male, F, M, 0 or 1")
    person = Person(SEXES[sex], *(_quantity(table, row, column, cells[column]) for column in QUANTITIES))
    if person.misfit:
        column, what = person.misfit
        raise table.fault(row, column, what, f"give {QUANTITIES[column].give}")
    return person


def _quantity(table: InputTable, row: int, column: str, cell: str) -> float | None:
    number, quantity = table.number(row, column, cell), QUANTITIES[column]
    if number is None or quantity.holds(number):
        return number
    unit = quantity.other_unit(number)
    if not unit:
        what = f"not within {quantity.low:g} to {quantity.high:g}"
        raise table.fault(row, column, what, f"give {quantity.give}, or leave the cell empty")
    shown = "no age" if column == "age" else f"{number:g}"  # a year of birth is never quoted
    raise table.fault(row, column, f"{shown}, which looks like {unit}", f"give {quantity.give}")


def _refuse_pounds(table: InputTable, row: int, persons: Iterable[Person]) -> None:
    """Pounds are possible kilograms, one by one; their owners' median body-mass index is not."""
    indices = [person.bmi for person in persons if person.bmi is not None]
    if len(indices) >= FEWEST_FOR_POUNDS and median(indices) > 0.9 * COMMON_BMI[1]:
        what = f"one of many that look like pounds (their median body-mass index is {median(indices):.0f})"
        raise table.fault(row, "weight_kg", what, "give kg")


def _disagreements(path: Path, persons: dict[Visit, Person]) -> tuple[str, ...]:
    """A note on people whose visits tell another sex, or another height."""
    by_eid: dict[int, list[Person]] = {}
    for (eid, _), person in persons.items():
        by_eid.setdefault(eid, []).append(person)
    sexes = sum(len({person.sex for person in visits} - {None}) > 1 for visits in by_eid.values())
    heights = sum(_height_span(visits) > LASTING_TOLERANCE_CM for visits in by_eid.values())
    told = {"sex": sexes, "height": heights}
    return tuple(f"{path}: people whose {what} differs between visits: {n}" for what, n in told.items() if n)


def _height_span(visits: list[Person]) -> float:
    heights = [person.height_cm for person in visits if person.height_cm is not None]
    return max(heights) - min(heights) if heights else 0.0


# ---- Phenotypes ----


def read_phenotypes(path: str | Path) -> PhenotypeTable:
    """Read a table of measurements at visits.

    Args:
        path: CSV (`cohort.table_reader`) with the column eid, perhaps `instance`, and at least one of PHENOTYPES in
            its unit. Other columns are named in a note.

    Raises:
        InputError: as `read_persons`; or most of a column is evidently in another unit.
    """
    table = read_table(Path(path), UNITS, ())
    values = {}
    row_of = {}
    for row, visit, cells in table.by_visit():
        numbers = {name: table.number(row, name, cells[name]) for name in PHENOTYPES if name in cells}
        values[visit] = {name: number for name, number in numbers.items() if number is not None}
        row_of[visit] = row
    for name in PHENOTYPES:
        _refuse_other_unit(table, name, [(row_of[v], row[name]) for v, row in values.items() if name in row])
    findings = {visit: tuple(_row_findings(row_of[visit], row)) for visit, row in values.items()}
    rows = {visit: {name: v for name, v in row.items() if _is_plausible(name, v)} for visit, row in values.items()}
    return PhenotypeTable(rows, {visit: found for visit, found in findings.items() if found}, table.notes)


def _is_plausible(name: str, value: float) -> bool:
    low, high = TABLE[name].plausible
    return low <= value <= high


def _likely_unit(name: str, value: float) -> str:
    """The unit in which an implausible value would be plausible; empty where there is none."""
    units = OTHER_UNITS[UNITS[name]]
    return next((unit for factor, unit in units.items() if _is_plausible(name, factor * value)), "")


def _refuse_other_unit(table: InputTable, name: str, values: list[tuple[int, float]]) -> None:
    """Refuse a column of which most values (row, value) would be plausible in one other unit."""
    units = Counter(_likely_unit(name, value) for _, value in values if not _is_plausible(name, value))
    unit, count = next(iter(units.most_common(1)), ("", 0))
    if unit and count > len(values) / 2:
        row, value = next(pair for pair in values if not _is_plausible(name, pair[1]))
        what = f"{value:g}, which looks like {unit}, as in {count} of {len(values)} rows"
        raise table.fault(row, name, what, f"give {UNITS[name]}")


def _row_findings(number: int, row: dict[str, float]) -> Iterator[Finding]:
    """Values that no heart has, and values of which one must be wrong."""
    at = f"phenotypes.csv, row {number}"
    for name, value in row.items():
        if not _is_plausible(name, value):
            low, high = TABLE[name].plausible
            unit = _likely_unit(name, value)
            guess = f" (is it {unit}?)" if unit else ""
            words = f"{at}: {name} {value:g} is not within {low:g} to {high:g} {UNITS[name]}{guess}; it is left out"
            yield Finding("table_implausible", words)
    for words in _contradictions(row):
        yield Finding("table_contradiction", f"{at}: {words}")


def _contradictions(row: dict[str, float]) -> Iterator[str]:
    for side in ("LV", "RV"):
        at_ed, at_es = row.get(f"{side}EDV"), row.get(f"{side}ESV")
        if at_ed is None or at_es is None:
            continue
        if at_es >= at_ed:
            yield f"{side}ESV {at_es:g} is not below {side}EDV {at_ed:g}"
            continue
        stroke, share = row.get(f"{side}SV"), row.get(f"{side}EF")
        if stroke is not None and abs(stroke - (at_ed - at_es)) > SLIP_ML:
            yield f"{side}SV {stroke:g} is not {side}EDV {at_ed:g} less {side}ESV {at_es:g}"
        if share is not None and abs(share - 100 * (at_ed - at_es) / at_ed) > SLIP_PERCENT:
            yield f"{side}EF {share:g} % does not follow from {side}EDV {at_ed:g} and {side}ESV {at_es:g}"
