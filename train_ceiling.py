"""How much of the heart can be read off ECG and person at all, and how that grows with the number of people.

    python train_ceiling.py --data UKBB --pipeline runs/diffusion/pipeline

train_diffusion.py trains a ceiling in passing. This script trains it to its best, on fewer people and on more, into
runs/ceiling; the learning curve, which the report shows, and the best of these regressions go to the pipeline's folder.
"""

import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import InputError, exit_code_of

STEPS_FLOOR, EPOCHS = 400, 8  # few people are seen more often, and stopped early all the same


@dataclass(frozen=True)
class Config:
    """Learning curve of the ceiling; the same command continues an interrupted one."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/: the cohort the pipeline was trained on."""
    pipeline: Path | None = None
    """A trained pipeline; the newest one under runs/ if not given."""
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people, with no MRI."""
    sizes: tuple[int, ...] = (1250, 5000, 20_000)
    """How many people to learn from."""
    output: Path = Path("runs/ceiling")
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    preset: str = "nano"
    """Size of the encoder, as of the pipeline."""
    learning_rate: float = 1e-3
    seed: int = 0


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    from cohort.ecg_cohort import prepare_ecgs
    from cohort.leakage import require_separate_splits
    from cohort.prepared import prepare_cohort
    from sampling.pipeline import ECGToMRIPipeline, newest_pipeline
    from training.run import save_model, write_json
    from training.threads import share_cores

    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))])
    share_cores(accelerator.num_processes)
    folder = config.pipeline or newest_pipeline(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder)
    if not (folder / "ceiling").exists():
        raise InputError(folder, "holds no ceiling", "train the pipeline on a cohort with phenotypes")
    laid = pipeline.preparation
    with accelerator.main_process_first():
        cohort = prepare_cohort(config.data, config.prepared, laid)
        more = config.more_ecgs and prepare_ecgs(config.more_ecgs, config.prepared, laid.sampling_rate, laid.duration_s)
        require_separate_splits(cohort, more)
    points = [point(config, cohort, more, size, accelerator) for size in config.sizes]
    if accelerator.is_main_process:
        reader, _ = max(points, key=lambda found: sum(found[1]["r2"].values()))
        for name in ("ecg_encoder", "conditioner"):
            save_model(getattr(reader, name), folder / "ceiling" / name)
        write_json(folder / "ceiling" / "learning_curve.json", [found for _, found in points])
        print(f"ceiling and learning curve: {folder / 'ceiling'}")
    accelerator.end_training()


def point(config: Config, cohort, more, size: int, accelerator) -> tuple:
    """The regression of so many people; their number, and R2 of each phenotype on the validation people."""
    from accelerate.utils import set_seed

    from models.unet import PRESETS
    from training.ceiling import PEOPLE, explained, learn_ceiling
    from training.fit import Recipe
    from training.run import Run

    set_seed(config.seed)
    recipe = Recipe(
        max(STEPS_FLOOR, EPOCHS * size // PEOPLE // accelerator.num_processes),
        config.learning_rate,
        weight_decay=0.05,
        ema_decay=0.99,
        evaluate_every=50,
    )
    settings = {k: v for k, v in asdict(config).items() if k in ("preset", "learning_rate", "seed")}
    settings |= {"size": size, "cohort": cohort.folder.name}
    run = Run(config.output / f"people_{size}", settings, accelerator.is_main_process)
    options = (PRESETS[config.preset], run, recipe, accelerator, config.seed, size)
    reader, people = learn_ceiling(cohort, more, *options)
    found = {"people": len(people.train), "r2": explained(reader, people.held_out, accelerator.device)}
    accelerator.print(", ".join(f"{name} {r2:.2f}" for name, r2 in found["r2"].items()), f"of {found['people']} people")
    return reader, found


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
