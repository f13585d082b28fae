"""How many hearts a second the loader delivers: one process, memory-mapped latents and ECGs, people in random order.

    python benchmarks/data_loader.py
    python benchmarks/data_loader.py --prepared runs/prepared/UKBB-...   # a prepared cohort of yours, with its latents

A batch is what a training step asks for: `training.order.rows_of_step`, then `cohort.dataset.heart_batch`. "No ECG" is
the same with recordings of length 0, for a training whose ECGs are encoded already. Times are those of the processor:
a busy machine, on which all others wait too, does not change them much. Writes results/data_loader.md and .json.
"""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

TARGET_HEARTS_S, TARGET_TIMES = 5_000, 20
WARM_UP, AT_LEAST_S = 10, 1.0  # batches; of processor, for each row


@dataclass(frozen=True)
class Config:
    """Time the loader."""

    prepared: Path | None = None
    """Folder of a prepared cohort with latents; a synthetic one is measured in any case."""
    people: int = 100_000
    """Of the synthetic cohort, 23 kB each on disk: latents only."""
    hearts: int = 20
    """A batch's."""
    slices: tuple[int, ...] = (3, 20)
    """Of each heart."""
    training_hearts_s: float = 40.0
    """What a training on CPU asks for: 2 steps of 20 hearts a second (nano, benchmarks/training_step.py)."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.machine import described
    from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(1)
    machine = described(torch.device("cpu"))
    rows = []
    if config.prepared:
        rows += measured(config, *opened(config.prepared), f"prepared, {config.prepared.name.rpartition('-')[0]}")
    with TemporaryDirectory() as folder:
        size = CohortSize(config.people, strip_s=0.0)
        write_noise(Path(folder), size)
        cohort, latents = synthetic_cohort(Path(folder), size)
        forget(Path(latents.filename))
        rows += measured(config, cohort, latents, "synthetic")
    write_tables(config.output, "data_loader", machine, {"hearts a second, one process": rows})
    print(markdown(rows))


def opened(folder: Path):
    """A prepared cohort and the newest latents beside it."""
    import numpy as np

    from cohort.errors import InputError
    from cohort.prepared import load_prepared

    found = sorted(folder.glob("latents-*.npy"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(folder, "holds no latents", "train a pipeline on it first")
    return load_prepared(folder), np.load(found[-1], mmap_mode="r")


def forget(path: Path) -> None:
    """Drop a file from the system's memory, so that its first pages come from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(config: Config, cohort, latents, what: str) -> list[dict]:
    """A row for every number of slices, with the ECG gathered (if there is one) and without."""
    silent = replace(cohort, ecg=cohort.ecg[:, :, :0])
    ways = [("no", silent), *([("yes", cohort)] if cohort.ecg.shape[2] else [])]
    return [
        {"cohort": what, "people": len(cohort.eid), "slices": slices, "ECG": ecg}
        | rates(config, people, latents, slices)
        for slices in config.slices
        for ecg, people in ways
    ]


def rates(config: Config, cohort, latents, slices: int) -> dict:
    """Hearts a second of processor and by the clock, beside what is asked for."""
    import torch
    from cohort.dataset import heart_batch

    from benchmarks.machine import Clock
    from training.order import keyed_generator, rows_of_step

    train, generator = torch.from_numpy(cohort.rows("train")), keyed_generator("loader")

    def batch(step: int) -> None:
        heart_batch(cohort, latents, rows_of_step(train, config.hearts, step, seed=0), slices, generator)

    for step in range(WARM_UP):
        batch(step)
    clock, step = Clock(torch.device("cpu")), WARM_UP
    while (spent := clock.lap()).cpu_s < AT_LEAST_S:
        batch(step)
        step += 1
    hearts = (step - WARM_UP) * config.hearts
    per_s = hearts / spent.cpu_s
    return {
        "hearts/s": per_s,
        "by the clock": hearts / spent.wall_s,
        "x training": per_s / config.training_hearts_s,
        "target met": "yes" if per_s >= max(TARGET_HEARTS_S, TARGET_TIMES * config.training_hearts_s) else "**no**",
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
