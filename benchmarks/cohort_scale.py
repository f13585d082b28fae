"""What 40,000 people cost before the first image is read: time and memory of discovery, tables and the plan of parts.

    python benchmarks/cohort_scale.py

Writes a tree in UK Biobank's layout into a temporary folder: an empty ECG and an empty zip each, in shards of two
digits. Beside them lie participant.csv of some hundred columns, pairs.csv of some people, and a list of who withdrew.
Every job runs in a fresh process. Memory is the peak above that of a process that has only imported the code (Linux).
Writes results/cohort_scale.md and .json.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from benchmarks.data_index import megabytes
from cohort.discovery import scan
from cohort.errors import exit_code_of
from cohort.examination import examine_cohort
from cohort.further import further_numbers, write_further
from cohort.parts import Part
from cohort.places import CohortPlaces
from cohort.prepared import Preparation, cohort_fingerprint, complete_subjects
from cohort.study_tables import EXPORTS, read_tables
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.subjects import names_of
from cohort.withdrawal import withdrawn_eids

OURS = ("p31", "p21003_i2", "p50_i2", "p21002_i2", "p24103_i2", "p24100_i2")  # of fields that the field map knows
EVERY_WITHDREW, EVERY_PAIRED = 500, 100  # one of so many people
PARTS = 64


@dataclass(frozen=True)
class Config:
    """Time what comes before the images."""

    people: int = 40_000
    columns: int = 300
    """Of participant.csv."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.machine import described
    from benchmarks.table import markdown, write_tables

    machine = described(torch.device("cpu"))
    with TemporaryDirectory() as folder:
        rows = rows_of(Path(folder) / "UKBB", config.people, config.columns)
    title = f"{config.people:_} people, {config.columns} columns"
    write_tables(config.output, "cohort_scale", machine, {title: rows})
    print(markdown(rows))


def rows_of(data: Path, people: int, columns: int) -> list[dict]:
    """One row a job, of a cohort that is written there."""
    write_tree(data, people)
    write_export(data / EXPORTS[0], people, columns)
    write_lists(data, people)
    return [{"what": name} | in_fresh_process(job, data) for name, job in JOBS.items()]


# ---- The cohort ----


def ecg_path(data: Path, eid: int) -> Path:
    return data / "Bulk" / "Electrocardiogram" / "Resting" / f"{eid}"[:2] / f"{eid}_20205_2_0.xml"


def zip_path(data: Path, eid: int) -> Path:
    return data / "Bulk" / "Heart MRI" / "Short axis" / f"{eid}"[:2] / f"{eid}_20209_2_0.zip"


def write_tree(data: Path, people: int) -> None:
    """An empty ECG and an empty zip each."""
    for eid in range(FIRST_EID, FIRST_EID + people):
        for path in (ecg_path(data, eid), zip_path(data, eid)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def write_export(path: Path, people: int, columns: int) -> None:
    """A table as the research platform exports it: OURS, then fields that nobody maps, a quarter of them empty."""
    rng = np.random.default_rng(0)
    others = [f"p{30_000 + number}_i2" for number in range(columns - len(OURS))]
    texts = np.array([f"{number:.4g}" for number in rng.lognormal(3, 1, 1000)] + [""] * 300)
    with path.open("w") as file:
        file.write(",".join(("eid", *OURS, *others)) + "\n")
        for row in range(people):
            ours = [row % 2, 45 + row % 35, 150 + row % 40, 55 + row % 40, 50 + row % 20, 120 + row % 60]
            cells = rng.choice(texts, len(others))
            file.write(",".join((str(FIRST_EID + row), *map(str, ours), *cells)) + "\n")


def write_lists(data: Path, people: int) -> None:
    """pairs.csv, which says of some people what their names say already, and the list of who withdrew."""
    eids = range(FIRST_EID, FIRST_EID + people)
    pairs = (f"{ecg_path(Path(), eid)},{zip_path(Path(), eid)},{eid}" for eid in eids[::EVERY_PAIRED])
    (data / "pairs.csv").write_text("\n".join(("ecg,mri,person", *pairs)) + "\n")
    withdrew = map(str, eids[1::EVERY_WITHDREW])
    (data / "w12345_20260101.csv").write_text("\n".join(withdrew) + "\n")


# ---- What is timed: each gives the number of people that it knows of ----


def discovery(data: Path) -> int:
    return len(scan(data).subjects)


def withdrawals(data: Path) -> int:
    return len(withdrawn_eids(data))


def tables(data: Path) -> int:
    return len(read_tables(data).persons.rows)


def further(data: Path) -> int:
    eids = [subject.eid for subject in scan(data).subjects]
    names, columns = further_numbers(data, [(eid, 2) for eid in eids])
    return len(columns[0]) if names else 0


def further_written(data: Path) -> int:
    eids = [subject.eid for subject in scan(data).subjects]
    write_further(data.parent, data, [(eid, 2) for eid in eids])
    return len(eids)


def names_alone(data: Path) -> int:
    return len(examine_cohort(data, depth="names").usable)


def plan(data: Path) -> int:
    """What one job of PARTS does before it reads anybody: who is there, which are its own, and what they hold."""
    subjects = complete_subjects(CohortPlaces(data))
    rows = Part(PARTS, PARTS).rows(len(subjects))
    cohort_fingerprint(data, subjects[rows.start : rows.stop], Preparation())
    read_tables(data, names_of(subjects))
    return len(subjects)


JOBS: dict[str, Callable[[Path], int]] = {
    "discovery: folders and pairs.csv": discovery,
    "list of who withdrew": withdrawals,
    "participant.csv by the field map": tables,
    "discovery, further numbers": further,
    "discovery, further.csv written": further_written,
    "data doctor, --names-only": names_alone,
    "plan of one part of 64": plan,
}


def in_fresh_process(job: Callable[[Path], int], data: Path) -> dict:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_weighed, job, data).result()


def _weighed(job: Callable[[Path], int], data: Path) -> dict:
    """People known, seconds of processor and MB at the peak, of this process."""
    before, begun = megabytes("VmRSS"), time.process_time()
    known = job(data)
    return {"people": known, "s": time.process_time() - begun, "peak MB": megabytes("VmHWM") - before}


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
