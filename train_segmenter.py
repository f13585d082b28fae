"""Train the segmenter that measures hearts, on the label maps of `--data`, into runs/segmenter.

accelerate launch train_segmenter.py
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of
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


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from training.accelerator import start_accelerator
    from training.cohort_arrays import open_cohort, taught_by
    from training.segmenter import learn_segmenter, segmenter_recipe

    accelerator = start_accelerator(config.log_with)
    cohort, _ = open_cohort(config, accelerator)
    recipe = segmenter_recipe(config.steps, config.learning_rate)
    whose = taught_by(config.places)
    learn_segmenter(cohort, config.output, recipe, accelerator, config.seed, config.batch_size, whose)
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
