"""Train the autoencoder alone: slices of `--data` <-> latents, into runs/autoencoder.

accelerate launch train_autoencoder.py
"""

import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of
from cohort.heart_grid import GridGeometry


@dataclass(frozen=True)
class Config:
    """Train the autoencoder; the same command continues an interrupted run."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    output: Path = Path("runs/autoencoder")
    """The run's folder; the autoencoder itself is its model/."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which nothing is learned; excluded.csv beside the arrays lists them."""
    preset: Literal["auto", "nano", "base", "large"] = "auto"
    """Size; auto is nano without a GPU and base with one."""
    steps: int = 1500
    """Optimiser steps."""
    batch_size: int = 32
    """Slices per process and step."""
    learning_rate: float = 2e-3
    checkpoint_every: int = 500
    sampling_rate: int = 250
    """Of the ECGs in the prepared arrays, so that they are shared with train_diffusion.py."""
    seed: int = 0
    geometry: GridGeometry = field(default_factory=GridGeometry)
    """The heart grid."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs, set_seed

    from cohort.leakage import require_separate_splits
    from cohort.prepared import Preparation, prepare_cohort
    from models.autoencoder import SliceAutoencoder
    from models.unet import PRESETS, preset_for
    from training.autoencoder import learn_autoencoder
    from training.fit import Recipe
    from training.threads import share_cores

    # reading a large cohort takes one process hours, while the others wait
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))])
    share_cores(accelerator.num_processes)
    set_seed(config.seed)  # of the fresh weights
    with accelerator.main_process_first():
        laid = Preparation(config.geometry, config.sampling_rate)
        cohort = prepare_cohort(config.data, config.prepared, laid, config.max_bad_fraction)
        require_separate_splits(cohort)
    recipe = Recipe(config.steps, config.learning_rate, checkpoint_every=config.checkpoint_every)
    width = PRESETS[preset_for(config.preset, accelerator.device.type)].autoencoder_width
    learn_autoencoder(
        SliceAutoencoder(width), cohort, config.output, recipe, accelerator, config.batch_size, config.seed
    )
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
