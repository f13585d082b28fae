"""One point of a curve of benchmarks/growth.py, in a fresh process: step time and peak memory of our training.

    python benchmarks/growth_point.py --cohort FOLDER --hearts 20 --slices 3

Prints one line of JSON. Under torchrun every process works on its own batch and the first one prints. The folder is
written by benchmarks.synthetic_cohort.write_noise, elsewhere: writing it would count as memory of the training.
"""

import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

STRIP_S = 5.0  # half an ECG: 100,000 whole ones would fill 6 GB


@dataclass(frozen=True)
class Config:
    """Time a few steps."""

    cohort: Path
    people: int = 1000
    phases: int = 2
    side: int = 12
    """Of the latents, in cells."""
    hearts: int = 8
    """Per process and step."""
    slices: int = 3
    steps: int = 5
    threads: int = 1


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    point = measured(config, accelerator)
    if accelerator.is_main_process:
        print(json.dumps(point))
    accelerator.end_training()


def measured(config: Config, accelerator) -> dict[str, float]:
    """Medians of a step's time (CPU time on one thread) and wall time; MB before there was a cohort, and at most."""
    from models.unet import PRESETS

    from benchmarks.contenders import Load, OurTraining
    from benchmarks.machine import WARMUP, Clock, seconds_of
    from benchmarks.synthetic_cohort import CHANNELS, CohortSize, synthetic_cohort

    before, clock, laps = peak_mb(), Clock(accelerator.device), []
    cohort, latents = synthetic_cohort(
        config.cohort, CohortSize(config.people, config.phases, config.side, strip_s=STRIP_S)
    )
    load = Load(config.hearts, config.slices, (CHANNELS, config.side, config.side))

    def begins(step: int) -> None:
        if step > WARMUP:
            laps.append(clock.lap())
        clock.start()

    OurTraining(cohort, latents, load, PRESETS["nano"], accelerator).run(WARMUP + config.steps, begins)
    return {
        "ms": 1e3 * median(seconds_of(lap, accelerator.device) for lap in laps),
        "wall_ms": 1e3 * median(lap.wall_s for lap in laps),
        "imports_mb": before,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Most memory this process has held; pages of memory-mapped files that it looked at are counted as well."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
