"""What it takes to know who is there: time and memory of the index of a large cohort, each in a fresh process.

    python benchmarks/data_index.py

Writes two empty files a person into a temporary folder, and sparse arrays beside them. Then it looks, as every training
does when it starts, at the folder (who is complete), at whether it still is the cohort that was prepared (names, sizes,
times), and at the prepared cohort's own index (eid, visit, split). Memory is what stays, and the peak on the way, above
a process that has only imported the code (Linux). Writes results/data_index.md and .json.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

FIRST_EID = 9_000_001
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
    jobs = {"folder -> complete subjects": in_folder, "the same, and its fingerprint": checked, "prepared": prepared}
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
    import json
    from dataclasses import asdict

    import numpy as np

    from cohort.prepared import Preparation, array_shapes

    folder.mkdir()
    for name, (shape, dtype) in array_shapes(people, Preparation()).items():
        array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        if name == "eid":
            array[:] = np.arange(FIRST_EID, FIRST_EID + people)
    (folder / "prepared.json").write_text(json.dumps({"people": people, "preparation": asdict(Preparation())}))


def in_folder(place: Path) -> object:
    from cohort.subjects import find_subjects, pairs

    return pairs(find_subjects(place / "UKBB"))


def checked(place: Path) -> object:
    from cohort.prepared import Preparation, cohort_fingerprint

    subjects = in_folder(place)
    return subjects, cohort_fingerprint(place / "UKBB", subjects, Preparation())


def prepared(place: Path) -> object:
    from cohort.prepared import load_prepared

    cohort = load_prepared(place / "prepared")
    return cohort, [cohort.rows(split) for split in ("train", "validation", "test")]


def in_fresh_process(job: Callable[[Path], object], place: Path) -> dict:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        cpu_s, stays_mb, peak_mb = pool.submit(_weighed, job, place).result()
    met = cpu_s <= MOST_S and stays_mb <= MOST_MB
    return {"s": cpu_s, "MB": stays_mb, "peak MB": peak_mb, "target met": "yes" if met else "**no**"}


def _weighed(job: Callable[[Path], object], place: Path) -> tuple[float, float, float]:
    """Seconds of processor, MB that stay and MB at the peak, of this process."""
    import time

    import cohort.prepared  # noqa: F401  (what the code itself weighs does not count)

    def megabytes(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

    before, begun = megabytes("VmRSS"), time.process_time()
    kept = job(place)
    spent = time.process_time() - begun
    stays, peak = megabytes("VmRSS") - before, megabytes("VmHWM") - before
    del kept
    return spent, stays, peak


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
