"""What systolic blood pressure adds to ECG and person in simulated people, and what leaving it out costs.

    python make_phantom.py --output A --subjects 2100 --seed 21 --ecg-only
    python make_phantom.py --output B --subjects 1000 --seed 22 --ecg-only
    python benchmarks/field_worth.py --data A --judged B

Two regressions learn from A's training people, one with the field and one without (`benchmarks.told_by_field`). B's
people are judged without the field, with it, and with it withheld from the regression that knows it.
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
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    """One training each."""
    shown: tuple[str, ...] = ("LVM", "LVEDV")
    encoder: Path = Path(__file__).parents[1] / "pretrained" / "phantom" / "ceiling" / "ecg_encoder"
    folder: Path = Path("runs/field_worth")


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np

    from benchmarks.table import markdown
    from benchmarks.told_by_field import gain, learned, of_four, read_people, squared_errors, without

    where = (config.folder, config.fields, config.encoder)
    people, judged = (read_people(data, *where) for data in (config.data, config.judged))
    errors = {"without": [], "with": [], "withheld": []}
    for seed in config.seeds:
        plain, told = learned(of_four(people), (), seed), learned(people, config.fields, seed)
        errors["without"].append(squared_errors(plain, of_four(judged)))
        errors["with"].append(squared_errors(told, judged))
        errors["withheld"].append(squared_errors(told, without(judged)))
    rows = []
    for name in config.shown:
        of = {how: np.stack([one[name] for one in found]) for how, found in errors.items()}
        row = {"": name} | {f"R2 {how}": f"{1 - error.mean():.3f}" for how, error in of.items()}
        for how in ("with", "withheld"):
            more, sd = gain(of["without"], of[how])
            row[f"gain, {how}"] = f"{more:+.3f} (SD {sd:.3f})"
        row["SD between seeds"] = f"{of['without'].mean(axis=1).std():.3f}"
        rows.append(row)
    learners = len(people.rows("train"))
    print(f"{learners} people to learn from, {len(judged.pooled)} judged, {len(config.seeds)} seeds", markdown(rows))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
