"""How well a pipeline moves true hearts: true ED, ES and motion numbers in, every frame out, beside a cross-fade.

    python benchmarks/motion_frames.py --pipeline runs/diffusion/pipeline --data runs/phantom

The people are those of `--data` who did not teach the pipeline: prepared arrays with cines. Each way of moving is held
against the true frames (dB) and the true volume's curve (mL), which the pipeline's segmenter measures. So is the true
timing of the walls. The order in which septum and lateral wall peak counts where they are clearly apart.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import InputError, exit_code_of


@dataclass(frozen=True)
class Config:
    """Measure the motion network on true hearts."""

    pipeline: Path
    """A pipeline whose hearts beat, with a segmenter."""
    data: Path
    """Prepared arrays with cines, of the pipeline's grid."""
    split: str = "test"
    """Whose: "test" or "validation" of the training cohort; "all" of people who taught nothing."""
    people: int = 48
    frames: int = 25
    cost_hearts: int = 4
    """Hearts drawn to measure the cost of a beat."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np

    from benchmarks.beating_pipeline import open_beating
    from benchmarks.moved_hearts import beat_cost, moved_hearts, table
    from cohort.cines import cohort_cines
    from cohort.places import CohortPlaces
    from cohort.prepared import load_prepared

    pipeline, segmenter = open_beating(config.pipeline)
    cohort = load_prepared(config.data)
    cines = cohort_cines(cohort, CohortPlaces(config.data), len(cohort.eid))
    if cines is None:
        raise InputError(config.data, "holds no cines", "write them with make_phantom.py --prepared DIR --cines N")
    mine = np.ones(len(cines.rows), bool) if config.split == "all" else np.isin(cines.rows, cohort.rows(config.split))
    which = np.flatnonzero(mine)[: config.people]
    beats, errors = moved_hearts(pipeline, segmenter, cohort, cines, which)
    print(f"{len(beats)} hearts of {config.data}, split {config.split}")
    for row in zip(*table(beats, errors), strict=True):  # ways across: the table is long
        print("| " + " | ".join(map(str, row)) + " |")
    cost = beat_cost(pipeline, cohort, config.cost_hearts, config.frames)
    print(f"CPU s a heart: {cost['stills']:.3f} drawn and decoded as stills, {cost['beat']:.3f} more to beat")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
