"""Train the segmenter that measures hearts, on the label maps of `--data`, into runs/segmenter.

    accelerate launch train_segmenter.py
    accelerate launch train_segmenter.py --domain-randomised --output runs/randomised

The second needs no data: it learns from simulated hearts of random contrast, for real ones.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of, require_counts
from training.options import CohortOptions


@dataclass(frozen=True)
class Config(CohortOptions):
    """Train the measuring segmenter; the same command continues an interrupted run."""

    output: Path = Path("runs/segmenter")
    """The run's folder; the segmenter itself is its model/."""
    steps: int = 1200
    """Optimiser steps."""
    batch_size: int = 32
    """Slices per process and step."""
    learning_rate: float = 2e-3
    domain_randomised: bool = False
    """Learn from simulated hearts of random contrast, drawn here, in place of `--data`: for hearts of any scanner."""
    hearts: int = 1200
    """With --domain-randomised: simulated hearts to learn from; they are kept in the run's folder."""
    unseen_hearts: int = 80
    """With --domain-randomised: simulated hearts of other kinds, by which the weights are chosen."""
    processes: int | None = None
    """With --domain-randomised: that draw hearts; one per core if not given."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    require_counts(config, "hearts", "unseen_hearts", "processes")
    from phantom.teaching_hearts import write_teaching_hearts
    from training.accelerator import start_accelerator
    from training.cohort_arrays import open_cohort, taught_by
    from training.randomised_segmenter import learn_from_folder, randomised_recipe
    from training.segmenter import learn_segmenter, segmenter_recipe

    accelerator = start_accelerator(config.log_with)
    if config.domain_randomised:
        if accelerator.is_main_process:
            write_teaching_hearts(config.output, config.hearts, config.unseen_hearts, config.seed, config.processes)
        accelerator.wait_for_everyone()
        recipe = randomised_recipe(config.steps, config.learning_rate)
        learn_from_folder(config.output, recipe, accelerator, config.seed, config.batch_size)
    else:
        cohort, _ = open_cohort(config, accelerator)
        recipe = segmenter_recipe(config.steps, config.learning_rate)
        whose = taught_by(config.places)
        learn_segmenter(cohort, config.output, recipe, accelerator, config.seed, config.batch_size, whose)
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
