"""ECGs of everybody whose phenotypes are known, with an MRI or without, as arrays for an ECG regressor.

A table of phenotypes reaches a study long before the images do, and for many more people.
"""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .content import fingerprint
from .discovery import find_subjects
from .disk import array_bytes, new_array, write_array, writing
from .ecg import LEADS, read_ecg
from .errors import InputError
from .exclusion import EXCLUDED, Exclusion, counts, reason_code, write_excluded
from .lock import locked
from .person import Person
from .phenotypes import PHENOTYPES
from .places import CohortPlaces, as_places
from .prepared import draft_of, in_processes, memory_of, source_files
from .preprocessing import ecg_input
from .private import private
from .provenance import made_by
from .step_code import code_sha256
from .stored_arrays import open_arrays, read_about, write_about
from .study_tables import TABLES, StudyTables, phenotype_values, read_tables
from .subjects import Subject, names_of
from .withdrawal import withdrawn_eids, without_withdrawn

CHUNK = 16  # ECGs a process is handed at a time, some 20 ms each


@dataclass(frozen=True, eq=False)
class ECGCohort:
    """N people, one ECG each; row i is one person in order of eid.

    Attributes:
        folder: of the arrays; its name is a hash of all that decides them (`prepare_ecgs`).
        ecg: (N, 12, samples) float16 mV, memory-mapped; lead_mask: (N, 12) bool.
        person: (N, 4) float32 sex (0 female, 1 male), age, height cm, weight kg; NaN where absent.
        phenotypes: (N, K) float32 in the order of PHENOTYPES; NaN where unknown.
        eid: (N,) int64; instance: (N,) int64 visit of the ECG.
    """

    folder: Path
    ecg: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    phenotypes: np.ndarray
    eid: np.ndarray
    instance: np.ndarray


def prepare_ecgs(
    data: Path | CohortPlaces,
    folder: Path,
    sampling_rate: int,
    duration_s: float,
    quiet: bool = False,
    exclude: Path | None = None,
) -> ECGCohort:
    """Read one ECG of every person who has a row of the same visit in data/phenotypes.csv, once.

    It is the ECG of the first such visit. The arrays go to a folder inside `folder`, which appears when whole and
    which only its owner may open. Its name is a hash of the settings, of what the files hold, and of the code that
    reads them. ECGs that cannot be read are left out and listed in its excluded.csv (`cohort.exclusion`).

    Args:
        sampling_rate: Hz; duration_s: of the strip, as `ecg_input` takes them.
        exclude: a list of people who withdrew (`cohort.withdrawal`).

    Raises:
        InputError: nobody has both an ECG and a row, or no ECG can be read.
    """
    places = as_places(data)
    data, phenotypes_csv = places.data, places.data / "phenotypes.csv"
    found = find_subjects(places)
    names = names_of(found)
    tables = read_tables(data, names)
    people = without_withdrawn(found, withdrawn_eids(data, exclude, names))
    subjects = _first_measured(people, tables)
    if not subjects:
        raise InputError(
            phenotypes_csv,
            "has no row of anybody with an ECG" if phenotypes_csv.exists() else "there is no such table",
            f"list eid and {', '.join(PHENOTYPES[:3])}, ... of the people of {data / 'ecg'}",
        )
    settings = {"sampling_rate": sampling_rate, "duration_s": duration_s}
    name = f"{data.resolve().name}-ecg"
    files = [(table, data / table) for table in TABLES]
    files += (file for s in subjects for file in source_files(Subject(s.eid, s.instance, s.ecg)))
    decides = settings | {"code": code_sha256("cohort.ecg_cohort")}
    final = Path(folder) / f"{name}-{fingerprint(decides, files, memory_of(Path(folder), name))}"
    if not final.exists():
        visits = [(subject.eid, subject.instance) for subject in subjects]
        known = [(tables.persons.at(*visit), tables.phenotypes.known(visit)) for visit in visits]
        jobs = [(subject, *row) for subject, row in zip(subjects, known, strict=True)]
        with locked(final), private():
            if not final.exists():
                for note in tables.notes_on(visits):
                    print(f"note: {note}")
                _write(data, final, jobs, settings, quiet)
    names = [field.name for field in fields(ECGCohort) if field.name != "folder"]
    arrays = open_arrays(final, read_about(final), [name for name in names if name != "ecg"])
    return ECGCohort(final, **{name: arrays[name] for name in names})


def _first_measured(subjects: list[Subject], tables: StudyTables) -> list[Subject]:
    """Everybody's first visit with an ECG and a row of phenotypes, in order of eid."""
    rows = tables.phenotypes.rows.keys() | tables.phenotypes.spare.keys()
    with_ecg = [subject for subject in subjects if subject.ecg]
    first = {s.eid: s for s in reversed(with_ecg) if (s.eid, s.instance) in rows}
    lost = len({s.eid for s in with_ecg} & {eid for eid, _ in rows}) - len(first)
    if lost:
        print(f"note: phenotypes.csv: people left out because their rows are of another visit than their ECG: {lost}")
    return [first[eid] for eid in sorted(first)]


def _write(data: Path, final: Path, jobs: list[tuple], settings: dict, quiet: bool) -> None:
    """The arrays of whoever can be read. They lie in a draft until they are whole."""
    draft, (sampling_rate, duration_s) = draft_of(final), settings.values()
    shape = (len(jobs), len(LEADS), round(sampling_rate * duration_s))
    with writing(draft, array_bytes(shape, np.float16)):
        strips = new_array(draft / "ecg.npy", shape, np.float16)
    people, excluded = [], []
    read = in_processes(partial(_person, sampling_rate, duration_s), jobs, CHUNK)
    for row in tqdm(read, total=len(jobs), desc="reading the ECGs", unit="ECG", disable=quiet):
        if isinstance(row, Exclusion):
            excluded.append(row)
        else:
            strips[len(people)] = row.pop("ecg")
            people.append(row)
    if not people:
        raise InputError(data / "ecg", f"none of {len(jobs)} ECGs can be read", f"the first: {excluded[0].remark}")
    write_excluded(draft, excluded)
    if excluded:
        summary = f"{len(excluded)} of {len(jobs)} ECGs cannot be read and are left out ({counts(excluded)})"
        print(f"{summary}; {final / EXCLUDED} says why")
        write_array(draft / "ecg.npy", strips[: len(people)])
    strips.flush()
    for name in people[0]:
        write_array(draft / f"{name}.npy", np.stack([person[name] for person in people]))
    write_about(draft, ("ecg", *people[0]), {"people": len(people), "settings": settings, **made_by(settings)})
    draft.rename(final)


def _person(sampling_rate: int, duration_s: float, job: tuple[Subject, Person, dict[str, float]]) -> dict | Exclusion:
    """One person's row of every array, or why the ECG cannot be read."""
    subject, person, known = job
    try:
        ecg = read_ecg(subject.ecg)
    except InputError as refusal:
        return Exclusion(subject.eid, subject.instance, reason_code("ecg", refusal), str(refusal))
    signal, lead_mask = ecg_input(ecg, sampling_rate, duration_s)
    return {
        "ecg": signal.astype(np.float16),
        "lead_mask": lead_mask,
        "person": person.filled_from(ecg.person).vector,
        "phenotypes": np.array(phenotype_values(known, {}), np.float32),
        "eid": np.int64(subject.eid),
        "instance": np.int64(subject.instance),
    }
