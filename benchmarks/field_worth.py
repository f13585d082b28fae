"""What systolic blood pressure adds to ECG and person in simulated people, and what leaving it out costs.

    python make_phantom.py --output A --subjects 3700 --seed 21 --ecg-only
    python make_phantom.py --output B --subjects 1000 --seed 22 --ecg-only
    python benchmarks/field_worth.py --data A --judged B

Two regressions learn from A's training people, one with the field and one without. B's people are judged three times:
without the field, with it, and with it withheld from the regression that knows it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


@dataclass(frozen=True)
class Config:
    """Measure what a further field of the person is worth."""

    data: Path
    """People to learn from, with ECGs and tables."""
    judged: Path
    """People to judge, of another seed."""
    fields: tuple[str, ...] = ("systolic_bp_mmhg",)
    seeds: tuple[int, ...] = (0, 1)
    """One training each."""
    shown: tuple[str, ...] = ("LVM", "LVEDV")
    folder: Path = Path("runs/field_worth")


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np

    from benchmarks.table import markdown
    from benchmarks.told_by_field import gain, learned, read_people, squared_errors, without
    from training.accelerator import start_accelerator

    accelerator = start_accelerator(())
    people, judged = (read_people(data, config.folder, config.fields) for data in (config.data, config.judged))
    bare = without(judged, "none")
    errors = {"without": [], "with": [], "withheld": []}
    for seed in config.seeds:
        plain = learned(without(people, "none"), (), config.folder / f"without-{seed}", accelerator, seed)
        told = learned(people, config.fields, config.folder / f"with-{seed}", accelerator, seed)
        errors["without"].append(squared_errors(plain, bare, accelerator.device))
        errors["with"].append(squared_errors(told, judged, accelerator.device))
        errors["withheld"].append(squared_errors(told, without(judged, "withheld"), accelerator.device))
    rows = []
    for name in config.shown:
        of = {how: np.stack([one[name] for one in found]) for how, found in errors.items()}
        row = {"": name} | {f"R2 {how}": f"{1 - error.mean():.3f}" for how, error in of.items()}
        row["seeds apart"] = f"{np.ptp(of['without'].mean(axis=1)):.3f}"
        for how in ("with", "withheld"):
            more, sd = gain(of["without"], of[how])
            row[f"gain, {how}"] = f"{more:+.3f} (SD {sd:.3f})"
        rows.append(row)
    learners = len(people.rows("train"))
    print(
        f"{learners} people to learn from, {len(judged.eid)} judged, seeds {config.seeds}", markdown(rows), sep="\n\n"
    )


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
