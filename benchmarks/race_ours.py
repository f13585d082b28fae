"""Our arm of the race: the stages of training, short."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from benchmarks.race_judge import Race
from cohort.prepared import PreparedCohort
from sampling.patients import Patient, generate
from training.options import DiffusionOptions, StageSteps
from training.stages import STAGES, Training, with_lengths

JUDGED_EVERY = 100  # of our steps
HEARTS_AT_ONCE = 8


class Enough(Exception):
    """The goal is reached: our arm need not learn on."""


def our_options(folder: Path, segmenter: Path, steps: int) -> DiffusionOptions:
    """Of a short training of the nano preset.

    Args:
        folder: of the arm. segmenter: the judge's own run, so that none is trained. steps: of the denoiser.
    """
    return DiffusionOptions(
        output=folder,
        autoencoder=folder / "autoencoder",
        segmenter=segmenter,
        preset="nano",
        steps=steps,
        stage_steps=StageSteps(autoencoder=450, ceiling=800, condition=500, prior=600),
        evaluate_every=JUDGED_EVERY,
    )


def learn_ours(options: DiffusionOptions, cohort: PreparedCohort, accelerator: Accelerator, race: Race) -> None:
    """The stages of train_diffusion.py, until the goal is reached; judged whenever the denoiser is evaluated."""
    training = Training(with_lengths(options, accelerator.device.type), accelerator, cohort)

    def hearts(patients: list[Patient], samples: int) -> np.ndarray:
        training.pipeline.set_progress_bar_config(disable=True)
        made = generate(training.pipeline, patients, samples, options.seed, HEARTS_AT_ONCE)
        return np.stack([hearts for _, hearts in made])

    def watch(step: int) -> None:
        if race.reached(hearts, step):
            raise Enough

    training.watch = watch
    with suppress(Enough):
        for learn in STAGES.values():
            learn(training)
