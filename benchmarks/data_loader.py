"""How many hearts a second the loader delivers: one process, memory-mapped latents and ECGs, people in random order.

    python benchmarks/data_loader.py
    python benchmarks/data_loader.py --prepared runs/prepared/UKBB-...   # a prepared cohort of yours, with its latents

A batch is what a training step asks for: `training.order.rows_of_step`, then `training.batch.heart_batch`. "No ECG" is
the same with recordings of length 0, for a training whose ECGs are encoded already. Times are those of the processor:
a busy machine, on which all others wait too, does not change them much. Writes results/data_loader.md and .json.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


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

    from benchmarks.loader_speed import forget, loader_rows, opened
    from benchmarks.machine import described
    from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(1)
    machine, asked = described(torch.device("cpu")), (config.hearts, config.slices, config.training_hearts_s)
    rows = []
    if config.prepared:
        title = f"prepared, {config.prepared.name.rpartition('-')[0]}"
        rows += loader_rows(title, *opened(config.prepared), *asked)
    with TemporaryDirectory() as folder:
        size = CohortSize(config.people, strip_s=0.0)
        write_noise(Path(folder), size)
        cohort, latents = synthetic_cohort(Path(folder), size)
        forget(Path(latents.filename))
        rows += loader_rows("synthetic", cohort, latents, *asked)
    write_tables(config.output, "data_loader", machine, {"hearts a second, one process": rows})
    print(markdown(rows))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
