"""How well segmenters measure simulated hearts of every scanner and population, of a seed that none has seen.

python benchmarks/segmenter_accuracy.py --segmenter pretrained/segmenter pretrained/phantom/segmenter
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of, require_within


@dataclass(frozen=True)
class Config:
    """Dice by structure, and errors of volumes and of EF, ED and ES together, on the heart grid."""

    segmenter: tuple[Path, ...] = (Path("pretrained/segmenter"),)
    """Folders of trained segmenters."""
    hearts: int = 12
    """Of each scanner and population, and plain hearts."""
    seed: int = 7001
    output: Path | None = None
    """JSON to write the table to."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from benchmarks.segmented_phantoms import accuracy, every_kind
    from benchmarks.table import markdown
    from cohort.disk import write_json

    require_within("--hearts", config.hearts, 1, 10_000)
    rows = accuracy(config.segmenter, every_kind(), config.hearts, config.seed)
    print(markdown(rows))
    if config.output:
        write_json(config.output, rows)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
