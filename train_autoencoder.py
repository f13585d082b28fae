"""Train the autoencoder alone: slices of `--data` <-> latents, into runs/autoencoder.

accelerate launch train_autoencoder.py
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of
from training.options import CohortOptions


@dataclass(frozen=True)
class Config(CohortOptions):
    """Train the autoencoder; the same command continues an interrupted run."""

    output: Path = Path("runs/autoencoder")
    """The run's folder; the autoencoder itself is its model/."""
    preset: Literal["auto", "nano", "base", "large"] = "auto"
    """Size; auto is nano without a GPU and base with one."""
    steps: int = 1500
    """Optimiser steps."""
    batch_size: int = 32
    """Slices per process and step."""
    learning_rate: float = 2e-3
    checkpoint_every: int = 500


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from models.presets import PRESETS, preset_for
    from training.accelerator import start_accelerator
    from training.autoencoder import autoencoder_recipe, learn_autoencoder
    from training.cohort_arrays import open_cohort

    accelerator = start_accelerator(config.log_with)
    cohort, _ = open_cohort(config, accelerator)
    recipe = autoencoder_recipe(config.steps, config.learning_rate, config.checkpoint_every)
    width = PRESETS[preset_for(config.preset, accelerator.device.type)].autoencoder_width
    learn_autoencoder(width, cohort, config.output, recipe, accelerator, config.seed, config.batch_size)
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
