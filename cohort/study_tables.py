"""What a study knows beside its recordings: persons.csv, phenotypes.csv and UK Biobank's exports, by person and visit.

A repeat visit has its own row. What another visit's row says of age, weight or the heart is not taken for it.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from math import nan
from pathlib import Path
from statistics import median

from cohort.column_names import shown
from cohort.errors import InputError
from cohort.field_map import FIELD_MAP, Field, read_field_map
from cohort.finding import Finding
from cohort.person import COMMON_BMI, PERSON_COLUMNS, QUANTITIES, SEX_WORDS, Person, TabledPerson
from cohort.person_number import person_number
from cohort.phenotypes import PHENOTYPES, TABLE, UNITS
from cohort.subjects import FIRST_IMAGING_VISIT, Visit
from cohort.table_reader import FILE, SPARE, InputTable, file_stem, read_table

PERSONS, PHENOTYPES_TABLE = "persons.csv", "phenotypes.csv"
EXPORTS = ("participant.csv", "participant.tsv", "data_participant.csv", "data_participant.tsv")  # UK Biobank's
TABLES = (PERSONS, PHENOTYPES_TABLE, *EXPORTS, FIELD_MAP)  # of a data folder; what is prepared is named by them, too
PERSON_UNITS = {"sex": "", "age": "years", "height_cm": "cm", "weight_kg": "kg"}
FURTHER_UNITS = {"systolic_bp_mmhg": ""}  # of persons.csv, kept beside the arrays as every number is there
HEART_UNITS = UNITS | {f"{SPARE}{name}": unit for name, unit in UNITS.items()}
OTHER_UNITS = {  # factor to our unit -> how a stranger's is called
    "mL": {1000: "litres", 0.001: "cubic millimetres"},
    "%": {100: "a share of 1"},
    "g": {1000: "kilograms", 0.001: "milligrams"},
    "mm": {10: "centimetres", 1000: "metres"},
}
FEWEST_FOR_POUNDS = 5  # people whose median body-mass index tells the unit of a column
SEXES = SEX_WORDS | {"": None}
SEXES |= {"0": "female", "0.0": "female", "1": "male", "1.0": "male"}  # coding 9; as float where pandas met a gap
MOST_ODD = 0.01  # of an export's rows: half a million people have some slips, a wrong unit makes most rows odd
LASTING_TOLERANCE_CM = 10
SLIPS = {
    "mL": 15,
    "%": 10,
    "g": 15,
    "mm": 3,
}  # by which phenotypes of one heart may disagree, which were rounded or measured twice


@dataclass(frozen=True)
class PersonTable:
    """Rows of a persons.csv.

    Attributes:
        rows: visit -> what its row says.
        notes: what whoever gave the table should know.
        name: of the file, or of several.
        findings: visit -> where several tables contradict each other.
        files: stem of an ECG's file -> what its row says; of a table with a column `file` or `stem`.
        file_rows: stem -> the number of its row.
    """

    rows: dict[Visit, Person] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    name: str = PERSONS
    findings: dict[Visit, tuple[Finding, ...]] = field(default_factory=dict)
    files: dict[str, Person] = field(default_factory=dict)
    file_rows: dict[str, int] = field(default_factory=dict)

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

    def of_file(self, path: Path, visit: Visit | None) -> Person:
        """What the table says of the person of an ECG's file.

        It goes by the file's name, then by the visit that it tells, then by a person who is called as the file.
        """
        stem = file_stem(path.name)
        if stem in self.files:
            return self.files[stem]
        if visit is None and person_number(stem) in self._instances:
            visit = (person_number(stem), FIRST_IMAGING_VISIT)
        return self.at(*visit) if visit else Person()

    def of_no_file(self, files: Collection[Path]) -> str:
        """How many rows name none of these ECGs' files, and the first of them; empty where there is none.

        Of a single ECG it is told only where no row is the ECG's own: a table may serve many.
        """
        stems = {file_stem(path.name) for path in files}
        rows = [row for stem, row in self.file_rows.items() if stem not in stems]
        if not rows or (len(stems) == 1 and stems & self.file_rows.keys()):
            return ""
        return f"{self.name}: rows that name no file among the ECGs: {len(rows)} (first row {rows[0]})"

    def other_visit_only(self, eid: int, instance: int) -> bool:
        """Whether this person has a row, and none of this visit."""
        return eid in self._instances and (eid, instance) not in self.rows

    def filled_from(self, other: "PersonTable") -> "PersonTable":
        """This table with what it leaves unsaid taken from another; what contradicts it is told."""
        found = {}
        for visit in self.rows.keys() & other.rows.keys():
            differences = self.rows[visit].contradictions(other.rows[visit], self.name, other.name)
            if differences:
                found[visit] = tuple(Finding(f"table_{what}", words) for what, words in differences)
        rows = {
            visit: self.rows.get(visit, Person()).filled_from(other.rows.get(visit, Person()))
            for visit in self.rows.keys() | other.rows.keys()
        }
        told = (f"{other.name} contradicts {self.name}, which counts, in rows: {len(found)}",) if found else ()
        return PersonTable(rows, (*self.notes, *other.notes, *told), f"{self.name} and {other.name}", found)


@dataclass(frozen=True)
class PhenotypeTable:
    """Rows of a phenotypes.csv.

    Attributes:
        rows: visit -> phenotype -> value; without empty cells, and without values that no heart has.
        findings: visit -> what is wrong in its row, and where several tables contradict each other.
        notes: what whoever gave the table should know.
        spare: as `rows`, of columns that are used only where nothing else is known: neither a table nor a label map.
        name: of the file, or of several.
    """

    rows: dict[Visit, dict[str, float]] = field(default_factory=dict)
    findings: dict[Visit, tuple[Finding, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spare: dict[Visit, dict[str, float]] = field(default_factory=dict)
    name: str = PHENOTYPES_TABLE

    def filled_from(self, other: "PhenotypeTable") -> "PhenotypeTable":
        """This table with what it leaves unsaid taken from another; what contradicts it is told."""
        found = {}
        for visit in self.rows.keys() & other.rows.keys():
            pairs = (
                (name, self.rows[visit][name], value)
                for name, value in other.rows[visit].items()
                if name in self.rows[visit]
            )
            words = [
                f"{self.name} says {name} {mine:g}, {other.name} says {theirs:g}: {self.name} counts"
                for name, mine, theirs in pairs
                if abs(mine - theirs) > SLIPS[UNITS[name]]
            ]
            if words:
                found[visit] = tuple(Finding("table_contradiction", text) for text in words)
        told = (f"{other.name} contradicts {self.name}, which counts, in rows: {len(found)}",) if found else ()
        findings = _joined(_joined(self.findings, other.findings), found)
        names = f"{self.name} and {other.name}"
        rows, spare = _filled(self.rows, other.rows), _filled(self.spare, other.spare)
        return PhenotypeTable(rows, findings, (*self.notes, *other.notes, *told), spare, names)

    def known(self, visit: Visit) -> dict[str, float]:
        """What is known of a visit; a spare value stands under SPARE and its name (`phenotype_values`)."""
        spare = {name: value for name, value in self.spare.get(visit, {}).items() if name not in self._measured}
        return self.rows.get(visit, {}) | {f"{SPARE}{name}": value for name, value in spare.items()}

    @cached_property
    def _measured(self) -> frozenset[str]:
        """Phenotypes that somebody has by other means. Spare ones would mix two ways of measuring."""
        return frozenset(name for row in self.rows.values() for name in row)


def phenotype_values(known: Mapping[str, float], measured: Mapping[str, float]) -> list[float]:
    """The value of each of PHENOTYPES: of a table, else measured on a label map, else a spare one; else NaN.

    Args:
        known: of `PhenotypeTable.known`. measured: of `cohort.phenotypes.phenotypes_of`; empty without a label map.
    """
    return [known.get(name, measured.get(name, known.get(f"{SPARE}{name}", nan))) for name in PHENOTYPES]


def _filled(mine: dict[Visit, dict], theirs: dict[Visit, dict]) -> dict[Visit, dict]:
    return {visit: theirs.get(visit, {}) | mine.get(visit, {}) for visit in mine.keys() | theirs.keys()}


def _joined(mine: dict[Visit, tuple], theirs: dict[Visit, tuple]) -> dict[Visit, tuple]:
    return {visit: (*mine.get(visit, ()), *theirs.get(visit, ())) for visit in mine.keys() | theirs.keys()}


@dataclass(frozen=True)
class StudyTables:
    """The tables of a folder. One that is not there has no rows."""

    persons: PersonTable = PersonTable()
    phenotypes: PhenotypeTable = PhenotypeTable()

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever gave the tables should know."""
        return tuple(dict.fromkeys(self.persons.notes + self.phenotypes.notes))

    def notes_on(self, visits: Iterable[Visit]) -> tuple[str, ...]:
        """`notes`, with how many of these visits have faulty rows, or rows of another visit only."""
        visits = list(visits)
        elsewhere = sum(self.persons.other_visit_only(*visit) for visit in visits)
        faulty = sum(visit in self.phenotypes.findings for visit in visits)
        told = {
            f"{self.persons.name}: rows of another visit, whose age and weight are not taken: {elsewhere}": elsewhere,
            f"{self.phenotypes.name}: faulty rows, which `python -m cohort.report` names: {faulty}": faulty,
        }
        return (*self.notes, *(words for words, count in told.items() if count))

    def findings(self, visit: Visit, stated: Person | None) -> Iterator[Finding]:
        """What is wrong in the rows of a visit, and what contradicts the ECG file.

        Args:
            stated: what the ECG file says of the person; None where it was not read.
        """
        yield from self.phenotypes.findings.get(visit, ())
        yield from self.persons.findings.get(visit, ())
        person = self.persons.at(*visit)
        if stated is not None:
            yield from (
                Finding(f"table_{name}", words) for name, words in person.contradictions(stated, self.persons.name)
            )
        yield from (Finding("table_weight", words) for words in person.filled_from(stated or Person()).doubts)


def read_tables(data: Path, names: Collection[str] = ()) -> StudyTables:
    """Read persons.csv, phenotypes.csv and UK Biobank's EXPORTS of a folder, each if it is there.

    persons.csv and phenotypes.csv come before an export, and where they contradict it, that is told.

    Args:
        names: of the cohort's people whom no eid calls; their rows are those of `cohort.person_number`.

    Raises:
        InputError: as `read_persons` and `read_phenotypes`.
    """
    data = Path(data)
    there = {name: data / name for name in TABLES if os.path.lexists(data / name)}  # a broken link is refused
    persons = [read_persons(there[PERSONS], names)] if PERSONS in there else []
    phenotypes = [read_phenotypes(there[PHENOTYPES_TABLE], names)] if PHENOTYPES_TABLE in there else []
    for name in (name for name in EXPORTS if name in there):
        table = read_table(there[name], PERSON_UNITS | HEART_UNITS, (), _fields(there[name]))
        persons += [_persons_of(table, names)] if set(table.columns) & PERSON_UNITS.keys() else []
        phenotypes += [_phenotypes_of(table, names)] if set(table.columns) & HEART_UNITS.keys() else []
    return StudyTables(
        reduce(PersonTable.filled_from, persons) if persons else PersonTable(),
        reduce(PhenotypeTable.filled_from, phenotypes) if phenotypes else PhenotypeTable(),
    )


def _fields(table: Path) -> dict[int, Field]:
    """UK Biobank's fields, by the map beside a table or else by ours."""
    return read_field_map(table.parent, PERSON_UNITS | UNITS)


# ---- Persons ----


def read_persons(path: str | Path, names: Collection[str] = ()) -> PersonTable:
    """Read a table of people at their visits, or of people by the names of their ECG files.

    Args:
        path: CSV (`cohort.table_reader`) with the columns eid, sex, age (years), height_cm, weight_kg in any order.
            `instance` tells the visit; without it, all rows are of instance 2. Sex is female or male, F or M, or UK
            Biobank's coding 9 (0 female, 1 male). An empty cell is None. UK Biobank's own columns are known, too
            (`cohort.field_map`); such a table need not have all. A column `file` or `stem` may stand for eid: the name
            of an ECG's file, with its ending or without. Other columns of numbers are kept by `cohort.further`.
        names: of people whom no eid calls; where there are any, the column eid may hold names.

    Raises:
        InputError: a column is missing, a cell cannot be understood, a number is impossible or evidently in another
            unit, or a visit occurs twice. The message names row and column (the header is row 1), never the eid. In an
            export, up to MOST_ODD of the rows may be so: their impossible numbers are left out with a note.
    """
    path = Path(path)
    return _persons_of(
        read_table(path, PERSON_UNITS | FURTHER_UNITS | {FILE: ""}, PERSON_COLUMNS[1:], _fields(path)), names
    )


def _persons_of(table: InputTable, names: Collection[str]) -> PersonTable:
    persons, files, file_rows, odd, first_row, first_fault = {}, {}, {}, 0, 0, None
    keyed = FILE in table.columns
    for row, key, cells in table.by_file(FILE) if keyed else table.by_visit(names):
        person, fault = _person(table, row, cells)
        if fault and not table.spelled:
            raise fault
        odd, first_fault = odd + bool(fault), first_fault or fault
        first_row = first_row or row
        if not table.spelled or person != Person():  # an export has a row of everybody, and of visits nobody made
            (files if keyed else persons)[key] = person
        if keyed:
            file_rows[key] = row
    if odd > MOST_ODD * len(persons):
        raise first_fault
    _refuse_pounds(table, first_row, (*persons.values(), *files.values()))
    told = (f"{table.path}: rows whose impossible age, height or weight is left out: {odd}",) if odd else ()
    notes = (*_further_columns(table), *told, *_disagreements(table.path, persons))
    return PersonTable(persons, notes, table.path.name, files=files, file_rows=file_rows)


def _further_columns(table: InputTable) -> tuple[str, ...]:
    """A note on columns that nobody knows; `cohort.further` keeps those of persons.csv that hold numbers."""
    if not table.unknown or table.path.name != PERSONS:
        return table.notes
    return (f"{table.path}: columns nobody knows, kept if they hold numbers only: {shown(table.unknown)}",)


def _person(table: InputTable, row: int, cells: dict[str, str]) -> tuple[Person, InputError | None]:
    """The person of a row without what is impossible, and the refusal of it."""
    sex = cells.get("sex", "").lower().replace(",", ".")
    if sex not in SEXES:
        raise table.fault(row, "sex", "neither female nor male", "write female, male, F, M, 0 or 1")
    numbers = {column: table.number(row, column, cells.get(column, "")) for column in QUANTITIES}
    faults = [_impossible(table, row, column, number) for column, number in numbers.items()]
    kept = (None if fault else number for fault, number in zip(faults, numbers.values(), strict=True))
    person, fault = Person(SEXES[sex], *kept), next(filter(None, faults), None)
    if person.misfit:
        column, what = person.misfit
        fault = fault or table.fault(row, column, what, f"give {QUANTITIES[column].give}")
        person = Person(person.sex, person.age_years)
    return person, fault


def _impossible(table: InputTable, row: int, column: str, number: float | None) -> InputError | None:
    quantity = QUANTITIES[column]
    if number is None or quantity.holds(number):
        return None
    unit = quantity.other_unit(number)
    if not unit:
        what = f"not within {quantity.low:g} to {quantity.high:g}"
        return table.fault(row, column, what, f"give {quantity.give}, or leave the cell empty")
    shown = "no age" if column == "age" else f"{number:g}"  # a year of birth is never quoted
    return table.fault(row, column, f"{shown}, perhaps {unit}", f"give {quantity.give}")


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
    return tuple(
        f"{path}: people whose {what} differs between visits, each row counts for its own: {n}"
        for what, n in told.items()
        if n
    )


def _height_span(visits: list[Person]) -> float:
    heights = [person.height_cm for person in visits if person.height_cm is not None]
    return max(heights) - min(heights) if heights else 0.0


# ---- Phenotypes ----


def read_phenotypes(path: str | Path, names: Collection[str] = ()) -> PhenotypeTable:
    """Read a table of measurements at visits.

    Args:
        path: CSV (`cohort.table_reader`) with the column eid, perhaps `instance`, and at least one of PHENOTYPES in
            its unit. Other columns are named in a note.
        names: as `read_persons`.

    Raises:
        InputError: as `read_persons`; or most of a column is evidently in another unit.
    """
    path = Path(path)
    return _phenotypes_of(read_table(path, HEART_UNITS, (), _fields(path)), names)


def _phenotypes_of(table: InputTable, names: Collection[str]) -> PhenotypeTable:
    values, spare, row_of = {}, {}, {}
    for row, visit, cells in table.by_visit(names):
        values[visit], spare[visit] = (_numbers(table, row, cells, before) for before in ("", SPARE))
        row_of[visit] = row
    for name in PHENOTYPES:
        _refuse_other_unit(table, name, [(row_of[v], row[name]) for v, row in values.items() if name in row])
    findings = {visit: tuple(_row_findings(table, row_of[visit], row)) for visit, row in values.items()}
    findings = {visit: found for visit, found in findings.items() if found}
    name = table.path.name
    return PhenotypeTable(
        _plausible(values, empty=not table.spelled), findings, table.notes, _plausible(spare, empty=False), name
    )


def _numbers(table: InputTable, row: int, cells: Mapping[str, str], before: str) -> dict[str, float]:
    """Phenotype -> value, of columns that are called `before` and its name."""
    there = {name: f"{before}{name}" for name in PHENOTYPES if f"{before}{name}" in cells}
    numbers = {name: table.number(row, column, cells[column]) for name, column in there.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _plausible(rows: dict[Visit, dict[str, float]], empty: bool = True) -> dict[Visit, dict[str, float]]:
    """The rows without values that no heart has, and perhaps without rows that have none left."""
    kept = {visit: {name: v for name, v in row.items() if _is_plausible(name, v)} for visit, row in rows.items()}
    return kept if empty else {visit: row for visit, row in kept.items() if row}


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
        what = f"{value:g}, perhaps {unit}, as in {count} of {len(values)} rows"
        raise table.fault(row, name, what, f"give {UNITS[name]}")


def _row_findings(table: InputTable, number: int, row: dict[str, float]) -> Iterator[Finding]:
    """Values that no heart has, and values of which one must be wrong."""
    at = f"{table.path.name}, row {number}"
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
        if stroke is not None and abs(stroke - (at_ed - at_es)) > SLIPS["mL"]:
            yield f"{side}SV {stroke:g} is not {side}EDV {at_ed:g} less {side}ESV {at_es:g}"
        if share is not None and abs(share - 100 * (at_ed - at_es) / at_ed) > SLIPS["%"]:
            yield f"{side}EF {share:g} % does not follow from {side}EDV {at_ed:g} and {side}ESV {at_es:g}"
