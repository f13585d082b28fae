"""Is a left bundle branch block drawn? ECGs of one heart with and without it, and how the drawn walls then move.

    python benchmarks/block_pairs.py --pipeline runs/diffusion/pipeline

Septum and lateral wall peak earlier or later with the block. The table tells by how much in truth, by the drawn heart
codes, and as measured in the drawn frames.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


@dataclass(frozen=True)
class Config:
    """Draw hearts with and without a left bundle branch block."""

    pipeline: Path
    """A pipeline whose hearts beat, with a segmenter."""
    hearts: int = 50
    samples: int = 8
    """Hearts drawn of each ECG."""
    measured: int = 2
    """Of them, whose frames are measured."""
    seed: int = 77


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np
    from tqdm import tqdm

    from benchmarks.beating_pipeline import open_beating
    from benchmarks.drawn_blocks import TIMES, pairs, right_signs

    pipeline, segmenter = open_beating(config.pipeline)
    found = pairs(pipeline, segmenter, config.seed, config.hearts, config.samples, config.measured)
    rows = list(tqdm(found, total=config.hearts, desc="pairs"))
    true = np.array([row.true for row in rows])
    print("| with the block, less without, % of the cycle | " + " | ".join(TIMES) + " |")
    print("|---|---|---|---|")
    print("| truth, mean | " + " | ".join(f"{100 * value:+.1f}" for value in np.nanmean(true, axis=0)) + " |")
    for name in ("drawn", "measured"):
        own = np.array([getattr(row, name) for row in rows])
        print(f"| {name}, mean | " + " | ".join(f"{100 * value:+.1f}" for value in np.nanmean(own, axis=0)) + " |")
        signs = (f"{right} of {known}" for right, known in right_signs(true, own))
        print(f"| {name}, right sign | " + " | ".join(signs) + " |")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
