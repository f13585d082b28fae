"""Teach a trained pipeline which ECGs are unlike those it learned from; its other weights stay.

    python -m training.fit_usual_ecgs --data UKBB --pipeline runs/diffusion/pipeline

A training does this by itself. This is for a pipeline from before that. It takes some minutes, and widens answers: so
fit the calibration after it, and measure again (evaluate_samples.py).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.disk import whole_folder, write_text
from cohort.errors import InputError, exit_code_of
from cohort.leakage import is_cohort_of
from cohort.places import CohortPlaces
from cohort.prepared import PreparedCohort
from models.usual_ecgs import UsualECGs
from sampling.additions import adding_to
from sampling.model_card import renew_size
from sampling.pipeline import ECGToMRIPipeline, weights_sha256

from .accelerator import start_accelerator
from .cohort_arrays import open_arrays
from .ecg_set import EcgSet, training_ecgs, validation_ecgs
from .learning_curve import measured_like_the_pipeline
from .targets import standardised_phenotypes
from .usual_ecgs import usual_ecgs

PART = "usual_ecgs"


@dataclass(frozen=True)
class Options(CohortPlaces):
    """Which pipeline, and who taught it."""

    pipeline: Path = Path("runs/diffusion/pipeline")
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people without an MRI, as in the pipeline's training."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    seed: int = 0


def people_of(pipeline: ECGToMRIPipeline, cohort: PreparedCohort, extra: object) -> tuple[EcgSet, EcgSet]:
    """Those who taught a pipeline and the validation people, with the phenotypes of their codes alone."""
    conditioner = pipeline.conditioner
    phenotypes = standardised_phenotypes(cohort.phenotypes, conditioner)  # (N, K)
    codes = phenotypes.new_full((len(phenotypes), conditioner.code_length), float("nan"))
    codes[:, : phenotypes.shape[1]] = phenotypes
    return training_ecgs(cohort, codes, extra, conditioner), validation_ecgs(cohort, codes)


def add_part(folder: Path, part: UsualECGs) -> None:
    """Write the part into a pipeline's folder, and name it in the index. Hold the folder meanwhile."""
    with whole_folder(folder / PART) as unfinished:
        part.save_pretrained(unfinished, safe_serialization=True)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index[PART] = [UsualECGs.__module__, UsualECGs.__name__]
    write_text(folder / "model_index.json", json.dumps(dict(sorted(index.items())), indent=2) + "\n")
    renew_size(folder)
    ECGToMRIPipeline.load(folder)  # refuses what would not load


def main() -> None:
    """Fit the part on the people who taught the pipeline, and add it to the pipeline's folder."""
    options = tyro.cli(Options, prog="python -m training.fit_usual_ecgs", description=__doc__)
    accelerator, folder = start_accelerator(()), options.pipeline
    weights, pipeline = weights_sha256(folder), ECGToMRIPipeline.load(folder).to(accelerator.device)
    where = (options.places, options.prepared, pipeline.preparation, accelerator, options.more_ecgs)
    cohort, extra = open_arrays(*where, exclude=options.exclude, fields=pipeline.further_fields)
    cohort, extra = measured_like_the_pipeline(cohort, extra, folder, accelerator)
    about = folder / "training.json"
    if not (about.exists() and is_cohort_of(json.loads(about.read_text(encoding="utf-8")), cohort)):
        raise InputError(options.data, f"is not the cohort {folder} was trained on", "name that one with --data")
    pipeline.register_modules(usual_ecgs=None)  # what was fitted before widens nothing now
    part = usual_ecgs(pipeline, *people_of(pipeline, cohort, extra), options.seed)
    if part is None:
        raise InputError(options.data, "has too few people to tell which ECGs are unlike theirs", "give --more-ecgs")
    with adding_to(folder, weights):
        add_part(folder, part)
    widened = ", ".join(f"{s:g}: {w:.2f}" for s, w in zip(part.config.surprises, part.config.widening, strict=True))
    print(f"{folder} tells unlike ECGs. The codes' spread by surprise: {widened}")
    print(f"fit the calibration anew: python evaluate_samples.py --pipeline {folder} --split validation --calibrate")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
