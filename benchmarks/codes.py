"""Are the intervals honest whatever is known of a person, and who is told ill? At the level of heart codes, no images.

    python make_phantom.py --ecg-only --subjects 2500 --seed 41 --output runs/codes
    python benchmarks/codes.py --pipeline pretrained/phantom --data runs/codes

Codes are drawn for everybody under each condition: ECG and person, either alone, neither, single fields and leads
missing. With --learn the diseases and the infarct's territory are told from the codes too, and directly from the ECG,
by models that other people teach. The people of both folders must be phantoms of the usual population. Their seeds must
differ.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of, require_within


@dataclass(frozen=True)
class Config:
    """Draw codes and judge them."""

    pipeline: Path
    data: Path
    """An ECG-only phantom cohort whose people taught nothing."""
    learn: Path | None = None
    """Another, whose people teach who is ill."""
    people: int = 2500
    """Of --data, the first of them."""
    draws: int = 32
    seed: int = 0
    processes: int = 1
    kept: Path = Path("runs/codes-kept")
    """Where arrays and drawn people are kept from run to run."""
    output: Path = Path("runs/codes-report")
    """Folder for codes.md and codes.json."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    require_within("--people", config.people, 20, 1_000_000)
    require_within("--draws", config.draws, 4, 1000)
    import torch

    from benchmarks.code_report import (
        diseases_table,
        honesty_table,
        illness,
        opened,
        study,
        territories,
        told_of,
    )
    from benchmarks.machine import described
    from benchmarks.table import write_tables

    people = opened(config.pipeline, config.data, config.kept, config.people)
    report = study(people, config.draws, config.seed)
    tables = {"Intervals, by condition": honesty_table(report["conditions"])}
    if config.learn:
        taught = opened(config.pipeline, config.learn, config.kept)
        told = told_of(people, taught, config.draws, config.seed, config.processes, config.kept)
        report["diseases"] = illness(people, taught, told)
        tables["Area under the curve"] = diseases_table(report["diseases"])
        tables["Where the infarct is"] = territories(people, taught, told)
    write_tables(config.output, "codes", described(torch.device("cpu")), tables, more={"report": report})
    print((config.output / "codes.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
