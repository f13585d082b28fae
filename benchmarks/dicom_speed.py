"""What it costs to read a short-axis cine from a DICOM zip of 500 files, beside its floor, on one core.

    python benchmarks/dicom_speed.py

A zip as of UK Biobank's field 20209 is made: 10 slices of 50 frames, 208 x 256 uint16. It has the noise of an image,
and private elements as scanners write them. The floor is what nobody can do without: zipfile inflates every file and
pydicom parses it. Beside it stand our stack (`read_dicom`) and the whole way to the heart grid. Writes
results/dicom_speed.md and .json.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

TARGET_TIMES, TARGET_S, TARGET_MB = 1.5, 0.5, 350.0


@dataclass(frozen=True)
class Config:
    """Time the reading of one person's DICOM."""

    rounds: int = 7
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import multiprocessing

    import torch

    from benchmarks.dicom_person import floor, grid_of, inflated, peak_mb_of_reading, stack_of, write_zip
    from benchmarks.machine import alternated, described
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(1)
    device = torch.device("cpu")
    machine = described(device, "numpy", "pydicom", "isal")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "9000001_20209_2_0.zip"
        write_zip(path)
        jobs = {
            "zipfile inflates": lambda: inflated(path),
            "**floor: zipfile inflates, pydicom parses**": lambda: floor(path),
            "**ours: the zip to a stack**": lambda: stack_of(path),
            "the zip to the heart grid": lambda: grid_of(path),
        }
        seconds = alternated(jobs, config.rounds, 1, device)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            megabytes = pool.apply(peak_mb_of_reading, (path,))
        size = path.stat().st_size / 1e6
    rows = rows_of(seconds)
    ours = rows[2]["s of processor"]
    times = rows[2]["times the floor"]
    note = (
        f"{size:.1f} MB, 500 files, {config.rounds} rounds in turn; least of the rounds. "
        f"Goal: at most {TARGET_TIMES} times the floor ({times:.2f}), {TARGET_S} s ({ours:.2f}), "
        f"{TARGET_MB:.0f} MB in a process that reads one ({megabytes:.0f})."
    )
    write_tables(config.output, "dicom_speed", machine, {"one zip, one core": rows}, note)
    print(note, markdown(rows), sep="\n\n")


def rows_of(seconds: dict[str, list[float]]) -> list[dict]:
    """A row for each job: the least of its rounds, and its ratio to the floor's."""
    floor = min(next(values for name, values in seconds.items() if "floor" in name))
    return [
        {"what": name, "s of processor": round(min(values), 3), "times the floor": round(min(values) / floor, 2)}
        for name, values in seconds.items()
    ]


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
