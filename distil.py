"""Distil a trained pipeline to one, two or four evaluations of its denoiser a heart, into runs/distilled.

    python distil.py --pipeline runs/diffusion/pipeline --data UKBB --steps 2

The teacher, a whole pipeline, makes hearts of the people who taught it. The student begins as a copy of its denoiser.
It learns to reach the same hearts from the same noise in fewer steps. Result: runs/distilled/pipeline. Keep it only if
evaluate_samples.py finds as much information kept, and as good a coverage, as of the teacher.
"""

import sys
from dataclasses import dataclass

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import exit_code_of
from training.options import DistillationOptions


@dataclass(frozen=True)
class Config(DistillationOptions):
    """Distil a pipeline; the same command continues an interrupted run."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from sampling.pipeline import ECGToMRIPipeline
    from training.accelerator import start_accelerator
    from training.cohort_arrays import open_arrays
    from training.student import checked, distil

    accelerator = start_accelerator(config.log_with)
    teacher = ECGToMRIPipeline.load(config.pipeline).to(accelerator.device)
    where = (config.places, config.prepared, teacher.preparation, accelerator)
    cohort, _ = open_arrays(*where, exclude=config.exclude, fields=teacher.further_fields)
    distil(checked(config, teacher, cohort), teacher, cohort, accelerator)
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
