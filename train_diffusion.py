"""Train the ECG-conditioned latent diffusion model on the people of `--data`, into runs/diffusion.

    accelerate launch train_diffusion.py

Trains what is missing first: the autoencoder (runs/autoencoder) and, where there are label maps, the segmenter that
measures hearts (runs/segmenter). Then come the ceiling, which regresses phenotypes from ECG and person, and the
regression of the heart code, which begins with the ceiling's weights. Then the prior over heart codes and the denoiser.
Where people have cines, a motion network is last: it makes a whole beat of ED and ES. Result: runs/diffusion/pipeline.
A finished training is left as it is. With more steps it goes on: the learning rate is then that of the longer run, from
the next step on. The pipeline before is kept beside the new one.

With --init every stage begins with a trained pipeline, as pretrained/phantom. That helps most where few people have an
MRI. Its lines say how many of each part's weights were taken, and why not the others.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of
from training.options import DiffusionOptions


@dataclass(frozen=True)
class Config(DiffusionOptions):
    """Train the diffusion model; the same command continues an interrupted run."""

    output: Path = Path("runs/diffusion")
    """The run's folder; the trained pipeline is its pipeline/."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from training.accelerator import start_accelerator
    from training.cohort_arrays import open_cines, open_cohort
    from training.initial import opened_start
    from training.pipeline_folder import learn_pipeline
    from training.stages import Training, with_lengths

    accelerator = start_accelerator(config.log_with)
    start = opened_start(config.init)
    config = with_lengths(config, accelerator.device.type, start)
    cohort, extra_ecgs = open_cohort(config, accelerator, config.more_ecgs, config.person_fields)
    cines = open_cines(config, cohort, accelerator)
    learn_pipeline(Training(config, accelerator, cohort, extra_ecgs, cines, start=start))
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
