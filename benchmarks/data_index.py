"""What it takes to know who is there: time and memory of the index of a large cohort, each in a fresh process.

    python benchmarks/data_index.py

Writes two empty files a person into a temporary folder, and sparse arrays beside them. Then it looks where every
training looks when it starts. In the folder: who is complete? By what the files hold: is it still the cohort that was
prepared? The first time every file is read, later only those that have changed. In the prepared cohort's own index:
eid, visit, split. Memory is what stays, and the peak on the way. It is counted above that of a process that has only
imported the code (Linux). Writes results/data_index.md and .json.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.discovery import find_subjects
from cohort.errors import exit_code_of
from cohort.prepared import Preparation, PreparedCohort, array_shapes, cohort_fingerprint, load_prepared
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.subjects import Subject, pairs

MOST_S, MOST_MB = 2.0, 50.0


@dataclass(frozen=True)
class Config:
    """Time the index."""

    people: int = 100_000
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.machine import described
    from benchmarks.table import markdown, write_tables

    machine = described(torch.device("cpu"))
    jobs = {
        "folder -> complete subjects": in_folder,
        "the same, and its first fingerprint": checked,
        "the same, and its fingerprint": checked,
        "prepared": prepared,
    }
    with TemporaryDirectory() as folder:
        write_names(Path(folder) / "UKBB", config.people)
        write_arrays(Path(folder) / "prepared", config.people)
        rows = [{"index of": name} | in_fresh_process(job, Path(folder)) for name, job in jobs.items()]
    write_tables(config.output, "data_index", machine, {f"index of {config.people:_} people": rows})
    print(markdown(rows))


def write_names(data: Path, people: int) -> None:
    """An empty ECG and an empty cine each."""
    for name in ("ecg", "NIFTI"):
        (data / name).mkdir(parents=True)
    for eid in range(FIRST_EID, FIRST_EID + people):
        (data / "ecg" / f"{eid}_20205_2_0.xml").touch()
        (data / "NIFTI" / f"{eid}_20209_2_0.nii.gz").touch()


def write_arrays(folder: Path, people: int) -> None:
    """A prepared cohort of nothing but holes, with its eids."""
    folder.mkdir()
    for name, (shape, dtype) in array_shapes(people, Preparation()).items():
        array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        if name == "eid":
            array[:] = np.arange(FIRST_EID, FIRST_EID + people)
    (folder / "prepared.json").write_text(json.dumps({"people": people, "preparation": asdict(Preparation())}))


# ---- What is timed ----


def in_folder(place: Path) -> list[Subject]:
    return pairs(find_subjects(place / "UKBB"))


def checked(place: Path) -> tuple[list[Subject], str]:
    subjects = in_folder(place)
    return subjects, cohort_fingerprint(place / "UKBB", subjects, Preparation(), place / "memory.npy")


def prepared(place: Path) -> tuple[PreparedCohort, list[np.ndarray]]:
    cohort = load_prepared(place / "prepared")
    return cohort, [cohort.rows(split) for split in ("train", "validation", "test")]


# ---- In a fresh process, which has imported this file and nothing else ----


def in_fresh_process(job: Callable[[Path], object], place: Path) -> dict:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        cpu_s, stays_mb, peak_mb = pool.submit(_weighed, job, place).result()
    met = cpu_s <= MOST_S and stays_mb <= MOST_MB
    return {"s": cpu_s, "MB": stays_mb, "peak MB": peak_mb, "target met": "yes" if met else "**no**"}


def _weighed(job: Callable[[Path], object], place: Path) -> tuple[float, float, float]:
    """Seconds of processor, MB that stay and MB at the peak, of this process."""
    before, begun = megabytes("VmRSS"), time.process_time()
    kept = job(place)
    spent = time.process_time() - begun
    stays, peak = megabytes("VmRSS") - before, megabytes("VmHWM") - before
    del kept
    return spent, stays, peak


def megabytes(field: str) -> float:
    """A line of this process's /proc/self/status, in MB: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
