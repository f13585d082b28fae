"""What it costs to prepare one person: a 27 MB gzipped cine of 208 x 210 x 10 x 50 int16 and an ECG, on one core.

    python benchmarks/data_preparation.py

The cine is a simulated heart that beats, with the noise at which gzip leaves some 27 of 44 MB, as it does of UK
Biobank's. It is read with its label map and without. Without one, ES and the heart's centre are looked for in all
frames. Every byte is inflated and its CRC checked, always. To stop at the last frame that is needed would take half the
time, and 183 of 200 flipped bits would become voxels (docs of `cohort.cine`). Writes results/data_preparation.md and
.json.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

TARGET_MS = 120.0


@dataclass(frozen=True)
class Config:
    """Time the preparation of one person."""

    rounds: int = 9
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.machine import described
    from benchmarks.one_person import jobs, write_subject
    from benchmarks.table import markdown, write_tables
    from cohort.cine import igzip

    torch.set_num_threads(1)
    machine = described(torch.device("cpu"), "numpy", "scipy")
    with TemporaryDirectory() as folder:
        megabytes = write_subject(Path(folder))
        rows = [timed(name, job, config.rounds) for name, job in jobs(Path(folder)).items()]
    note = f"{megabytes:.1f} MB gzipped, inflated by {igzip.__name__}; ms of processor, {config.rounds} rounds in turn."
    write_tables(config.output, "data_preparation", machine, {"one person, one core": rows}, note)
    print(note, markdown(rows), sep="\n\n")


def timed(name: str, job: Callable[[], object], rounds: int) -> dict:
    """The first of `rounds` + 1 is not counted."""
    spent = []
    for _ in range(rounds + 1):
        begun = time.process_time()
        job()
        spent.append(1000 * (time.process_time() - begun))
    least, middle = min(spent[1:]), median(spent[1:])
    met = ("yes" if middle <= TARGET_MS else "**no**") if "person" in name else None
    return {"": name, "ms": middle, "least": least, "target met": met}


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
