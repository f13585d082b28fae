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


@dataclass(frozen=True)
class Config:
    """Time a few steps."""

    cohort: Path
    people: int = 1000
    phases: int = 2
    side: int = 12
    """Of the latents, in cells."""
    strip_s: float = 10.0
    """Length of the ECGs."""
    hearts: int = 8
    """Per process and step."""
    slices: int = 3
    steps: int = 5
    threads: int = 1


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    from benchmarks.contenders import Load, OurTraining
    from benchmarks.machine import WARMUP, Clock, seconds_of
    from benchmarks.synthetic_cohort import CHANNELS, CohortSize, synthetic_cohort
    from models.presets import PRESETS

    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    before, clock, laps = peak_mb(), Clock(accelerator.device), []
    size = CohortSize(config.people, config.phases, config.side, strip_s=config.strip_s)
    load = Load(config.hearts, config.slices, (CHANNELS, config.side, config.side))

    def begins(step: int) -> None:
        if step > WARMUP:
            laps.append(clock.lap())
        clock.start()

    training = OurTraining(*synthetic_cohort(config.cohort, size), load, PRESETS["nano"], accelerator)
    training.run(WARMUP + config.steps, begins)
    point = {
        "ms": 1e3 * median(seconds_of(lap, accelerator.device) for lap in laps),
        "wall_ms": 1e3 * median(lap.wall_s for lap in laps),
        "imports_mb": before,
        "peak_mb": peak_mb(),
    }
    if accelerator.is_main_process:
        print(json.dumps(point))
    accelerator.end_training()


def peak_mb() -> float:
    """Most memory this process has held; pages of memory-mapped files that it looked at are counted as well."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
