"""How much of a simulated heart its ECG tells, beside what is published of real people.

    python benchmarks/phantom_difficulty.py --people 2500
    python benchmarks/phantom_difficulty.py --people 2500 5000 10000 20000 --network

Learned on people of one cohort by ridge regression and by boosted trees, on features of the noisy median beat; judged
on others. With --network the product's own regression learns from the strips as well. The best of them, or their mean,
counts. The learning curve says how far more people would carry.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of, require_within


@dataclass(frozen=True)
class Config:
    """Learn from ECG, from the person, and from both."""

    people: tuple[int, ...] = (2500,)
    """To learn from; several give a learning curve."""
    judged: int = 2000
    """Others, who are judged."""
    infarcts: int = 600
    """People with a scar, half to learn its territory from and half to judge."""
    network: bool = False
    """Train the product's own regression on the strips, too: minutes for thousands of people."""
    seed: int = 31
    processes: int = 2
    kept: Path = Path("runs/difficulty")
    """Where drawn people and trained networks are kept from run to run. Delete it when the phantom has changed."""
    output: Path | None = None
    """JSON to write the table to."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from benchmarks.drawn_people import people
    from benchmarks.told_by_ecg import as_table, told

    if config.network:
        from benchmarks.told_by_network import heard_by_network
    from phantom.heart import Draw

    for name, number in (
        ("--people", min(config.people)),
        ("--judged", config.judged),
        ("--infarcts", config.infarcts),
    ):
        require_within(name, number, 100, 1_000_000)  # fewer than the principal components teach nothing
    drawn = (Draw(), config.processes, config.kept)
    learners = people(config.seed, max(config.people), *drawn)
    judged = people(config.seed + 1, config.judged, *drawn)
    infarct = replace(Draw(), condition="infarct")
    scarred = people(config.seed + 2, config.infarcts, infarct, config.processes, config.kept)
    rows = []
    for count in config.people:
        heard = heard_by_network(config.seed, count, config.judged, *drawn) if config.network else None
        rows.append(told(learners, judged, scarred, count, heard))
    print(as_table(rows))
    if config.output:
        config.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
