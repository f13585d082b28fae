"""Does a pipeline tell ECGs that are unlike those it learned from, and are its answers about them honest?

    python make_phantom.py --output A --subjects 1000 --seed 43 --ecg-only
    python make_phantom.py --output B --subjects 400 --seed 43 --ecg-only --population clinic
    python benchmarks/unlike.py --pipeline runs/diffusion/pipeline --data A --others B --foreign shared/real

A's people are usual and unseen. Their ECGs count as they are, and damaged (`benchmarks.damaged_ecgs`). B's are of
another population: a moderate shift. Foreign ECGs are of people whose hearts nobody knows. Only codes are drawn.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


@dataclass(frozen=True)
class Config:
    """Measure how unlike ECGs are told."""

    pipeline: Path
    data: Path
    """Usual people, of a seed that nobody learned from, with ECGs and tables."""
    others: tuple[Path, ...] = ()
    """People of other populations, with ECGs and tables."""
    foreign: tuple[Path, ...] = ()
    """Folders of ECGs of anybody."""
    people: int = 400
    """Usual people whose ECGs are damaged."""
    codes: int = 16
    """Drawn for each ECG."""
    prepared: Path = Path("runs/prepared")


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.table import markdown
    from benchmarks.unlike_ecgs import answers, damaged, foreign_people, people_of, rows_of
    from sampling.pipeline import ECGToMRIPipeline

    torch.set_num_threads(1)
    pipeline = ECGToMRIPipeline.load(config.pipeline)
    usual = people_of(config.data, config.prepared, pipeline)
    kinds = {"usual": usual} | damaged(usual.first(config.people))
    kinds |= {folder.name: people_of(folder, config.prepared, pipeline) for folder in config.others}
    if config.foreign:
        kinds["foreign"] = foreign_people(config.foreign, pipeline)
    found = {}
    for kind, people in kinds.items():
        found[kind] = answers(pipeline, people, config.codes)
        print(f"{kind}: {len(people.ecg)} ECGs", file=sys.stderr)
    print(markdown(rows_of(found)))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
