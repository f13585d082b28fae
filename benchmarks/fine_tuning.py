"""What a trained pipeline is worth as a start, by the number of people with an MRI: --init against nothing.

    python make_phantom.py --prepared runs/clinic --subjects 1300 --seed 51 --population clinic --scanner 3t
    python benchmarks/fine_tuning.py --data runs/clinic --init pretrained/phantom

The first row is of the pipeline as it is. Both ways take the same steps, with its autoencoder. R2 is of test people,
the flow loss of validation people. Each row's run lies under --output and goes on where it was interrupted. Prints a
table.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of
from training.options import DiffusionOptions, StageSteps


@dataclass(frozen=True)
class Config:
    """Compare trainings that begin with a pipeline and with fresh weights."""

    data: Path
    """Prepared arrays of a cohort of another population and scanner than taught the pipeline."""
    init: Path = Path("pretrained/phantom")
    output: Path = Path("runs/fine_tuning")
    sizes: tuple[int, ...] = (100, 300, 1000)
    """Training people with ECG and MRI."""
    ceiling: int = 150
    """Steps of this stage, and so on."""
    condition: int = 100
    prior: int = 200
    denoiser: int = 150
    learning_rate: float | None = None
    """Of both ways; if not given, each way's own."""
    seed: int = 0


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from benchmarks.fewer_pairs import rows_of
    from benchmarks.table import markdown
    from cohort.prepared import prepare_cohort
    from training.initial import opened_start

    start = opened_start(config.init)
    cohort = prepare_cohort(config.data, config.output, start.pipeline.preparation)
    lengths = StageSteps(ceiling=config.ceiling, condition=config.condition, prior=config.prior)
    options = DiffusionOptions(
        output=config.output,
        data=config.data,
        preset=start.preset or "auto",
        steps=config.denoiser,
        stage_steps=lengths,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )
    rows = []
    for row in rows_of(cohort, start, options, config.sizes):
        rows.append(row)
        print(markdown(rows), flush=True)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
