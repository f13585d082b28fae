"""How much of the heart can be read off ECG and person at all, and how that grows with the number of people.

    python train_ceiling.py --data UKBB --pipeline runs/diffusion/pipeline

train_diffusion.py trains a ceiling in passing. This script trains it to its best, on fewer people and on more, into
runs/ceiling. The learning curve, which the report shows, and the best of these regressions go to the pipeline's folder.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import InputError, exit_code_of
from training.options import CeilingOptions


@dataclass(frozen=True)
class Config(CeilingOptions):
    """Learning curve of the ceiling; the same command continues an interrupted one."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from sampling.pipeline import ECGToMRIPipeline, newest_pipeline
    from training import learning_curve as curve
    from training.accelerator import start_accelerator
    from training.cohort_arrays import open_arrays
    from training.run import told_finished

    accelerator = start_accelerator(config.log_with)
    folder = config.pipeline or newest_pipeline(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder)
    if not (folder / "ceiling").exists():
        raise InputError(folder, "holds no ceiling", "train the pipeline on a cohort with phenotypes")
    where = (config.places, config.prepared, pipeline.preparation, accelerator, config.more_ecgs)
    fields = pipeline.further_fields
    cohort, extra = open_arrays(*where, exclude=config.exclude, fields=fields)
    cohort, extra = curve.measured_like_the_pipeline(cohort, extra, folder, accelerator)
    motion = curve.motion_like_the_pipelines(config, cohort, folder, pipeline, accelerator, extra)
    given = (config, cohort, extra)
    settings = curve.point_settings(*given, motion, fields) | {"sizes": config.sizes}
    if curve.is_curve_of(folder, config.output, settings):
        return accelerator.print(told_finished(folder / "ceiling"))
    points = [curve.curve_point(*given, people, accelerator, motion, fields) for people in config.sizes]
    if accelerator.is_main_process:
        print(f"ceiling and learning curve: {curve.save_curve(folder, points)}")
        curve.record_curve(folder, config.output, settings)
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
