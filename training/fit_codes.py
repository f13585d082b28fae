"""Teach a trained pipeline anew which heart codes ECG and person tell; what it draws of a code stays.

    python -m training.fit_codes --data UKBB --more-ecgs UKBB_without_MRI --pipeline pretrained/phantom

For whoever has many more people with an ECG and phenotypes than with an MRI. The conditioner's head learns from all of
them, then a prior from those with an MRI. Encoder and denoiser stay, so it takes minutes of a CPU. Most is gained from
people whom the encoder has not seen. Result: runs/codes/pipeline, without calibration: fit it and measure again.
"""

import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
import tyro
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from cohort.disk import write_json
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError, exit_code_of, require_within
from cohort.leakage import BEGAN_WITH, keyed_recordings, recordings_sha256
from cohort.lock import locked
from cohort.places import CohortPlaces
from cohort.prepared import PreparedCohort
from cohort.provenance import made_by
from cohort.simulated import VERSION_TAUGHT
from models.conditioning import HeartConditioner
from sampling.model_card import add_figures, add_section, renew_size

from .accelerator import start_accelerator
from .code_head import code_head, head_recipe
from .code_prior import code_prior, measured_spread, prior_recipe
from .cohort_arrays import open_arrays, taught_by
from .companions import copy_companions
from .ecg_set import EcgSet, training_ecgs, validation_ecgs
from .fit import fit
from .initial import Start, opened_start
from .latents import cohort_latents
from .learning_curve import measured_like_the_pipeline
from .motion_targets import standardised_motion, told_values
from .networks import fresh_prior
from .recipe import Recipe
from .run import Run
from .session import Session
from .targets import heart_codes
from .told_motion import told_motion
from .usual_ecgs import usual_ecgs

SECTION = "Heart codes learned anew"
FITTED = ("calibration.json", "chances.json")  # of the codes before


@dataclass(frozen=True)
class Options(CohortPlaces):
    """Which pipeline, and who teaches it; the same command continues an interrupted run."""

    MAY_CHANGE: ClassVar = ("data", "ecg_dir", "mri_dir", "output", "pipeline", "prepared", "exclude", "more_ecgs")

    pipeline: Path = Path("pretrained/phantom")
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people without an MRI."""
    output: Path = Path("runs/codes")
    """The run's folder; the pipeline is its pipeline/."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    head_steps: int = 1500
    prior_steps: int = 1500
    condition_dropout: float = 0.1
    """How often a part of the input is hidden, as in a training."""
    seed: int = 0


class Earlier(NamedTuple):
    """What is said of the pipeline as it was: on the card, and in training.json."""

    said: str
    record: dict


def fit_codes(options: Options, accelerator: Accelerator) -> Path:
    """Learn head, prior and what is usual, and save the pipeline; returns its folder.

    Raises:
        InputError: the pipeline or the cohort cannot be read, or the cohort tells nothing of its numbers.
    """
    start = opened_start(options.pipeline)
    earlier = Earlier(start.said, start.record)
    start.pipeline.register_modules(conditioner=with_ecg_head(start.pipeline.conditioner))
    pipeline = start.pipeline.to(accelerator.device)
    if start.components is None:
        raise InputError(options.pipeline, "holds no components/, the meaning of its heart codes", "train it anew")
    where = (options.places, options.prepared, pipeline.preparation, accelerator, options.more_ecgs)
    cohort, extra = open_arrays(*where, exclude=options.exclude, fields=pipeline.further_fields)
    cohort, extra = measured_like_the_pipeline(cohort, extra, options.pipeline, accelerator)
    codes, everybody = known_codes(options, start, cohort, extra, accelerator)
    settings = {key: value for key, value in asdict(options).items() if key not in options.MAY_CHANGE}
    settings |= {"init": start.sha256, "cohort": cohort.folder.name, "more_ecgs": extra and extra.folder.name}
    held_out, rows = validation_ecgs(cohort, codes), cohort.rows("train")

    def session(stage: str, recipe: Recipe) -> Session:
        run = Run(options.output / stage, settings, accelerator.is_main_process)
        return Session(run, recipe, accelerator, options.seed, stage)

    regressor, given = start.regressor.to(accelerator.device).eval(), (held_out, options.condition_dropout)
    head = session("head", head_recipe(options.head_steps))
    fit(code_head(head, regressor, everybody, *given), head)
    set_seed(options.seed)
    prior = fresh_prior(regressor.conditioner)
    learns = session("prior", prior_recipe(options.prior_steps))
    fit(code_prior(learns, prior, regressor, EcgSet.of((cohort, rows, codes[rows])), *given), learns)
    pipeline.register_modules(prior=prior.eval(), usual_ecgs=None)
    prior.register_to_config(spread=measured_spread(pipeline, held_out, options.seed))
    pipeline.register_modules(usual_ecgs=usual_ecgs(pipeline, everybody, held_out, options.seed))
    whose = start.taught_by(taught_by(options.places, options.more_ecgs))
    pipeline.register_to_config(trained_on=whose)
    if accelerator.is_main_process:
        save(options, start, earlier, (cohort, extra), settings, learns.run.code_versions())
    return options.output / "pipeline"


def with_ecg_head(conditioner: HeartConditioner) -> HeartConditioner:
    """The same conditioner with an ECG head, which adds 0 at first where there was none."""
    if conditioner.ecg_head is not None:
        return conditioner
    about = {name: value for name, value in conditioner.config.items() if not name.startswith("_")}
    fuller = HeartConditioner(**about | {"with_ecg_head": True})
    fuller.load_state_dict(fuller.state_dict() | conditioner.state_dict())
    return fuller.eval()


def known_codes(
    options: Options, start: Start, cohort: PreparedCohort, extra: ECGCohort | None, accelerator: Accelerator
) -> tuple[Tensor, EcgSet]:
    """Heart codes (N, K) of a cohort in a pipeline's own numbers, and all training people, further ones included."""
    pipeline, conditioner = start.pipeline, start.pipeline.conditioner
    latents = cohort_latents(pipeline.autoencoder, cohort, accelerator.device, accelerator.is_main_process)
    codes, more = heart_codes(cohort, latents, conditioner, components=start.components), None
    if pipeline.motion is not None:
        told = told_motion(options.places, cohort, options.more_ecgs, extra)
        own = told_values(told.cohort, len(cohort.eid), pipeline.motion)
        codes = torch.cat([codes, standardised_motion(own, conditioner)], dim=1)
        more = told_values(told.more, told.people, pipeline.motion) if told.more else None
    return codes, training_ecgs(cohort, codes, extra, conditioner, more)


def save(
    options: Options,
    start: Start,
    earlier: Earlier,
    taught: tuple[PreparedCohort, ECGCohort | None],
    settings: dict,
    learned_by: str,
) -> None:
    """Save the pipeline beside what travelled with it, and say who taught it now and before."""
    cohort, extra = taught
    made, folder = made_by(settings), options.output / "pipeline"
    facts = {
        "began with": earlier.said,
        "taught by people who are": start.pipeline.config.trained_on or "unknown",
        "people with an MRI who taught": f"{len(cohort.rows('train')):_} of {cohort.folder.name}",
        "people without": f"{len(extra.eid) if extra else 0:_}, those of the training split",
        "steps": f"head {options.head_steps:_}, prior {options.prior_steps:_}",
        "seed": options.seed,
        "configuration sha256": made["configuration_sha256"],
        "date": date.today().isoformat(),
        "code version": learned_by,
    }
    about = {"cohort": cohort.folder.name, "recordings_sha256": recordings_sha256(cohort), "seed": options.seed}
    about |= {"learned_by": learned_by, "taught": keyed_recordings(cohort, extra), BEGAN_WITH: earlier.record}
    about |= {VERSION_TAUGHT: start.about[VERSION_TAUGHT]} if VERSION_TAUGHT in start.about else {}

    def describe(unfinished: Path) -> None:
        copy_companions(options.pipeline, unfinished, but=FITTED)
        add_figures(unfinished, {})  # they were of other codes
        renew_size(unfinished)
        add_section(unfinished, SECTION, facts)
        write_json(unfinished / "training.json", about | made)

    with locked(folder):
        start.pipeline.save(folder, describe=describe, keep=True)


def main() -> None:
    """Fit the codes, and say what comes next."""
    options = tyro.cli(Options, prog="python -m training.fit_codes", description=__doc__)
    for name in ("head_steps", "prior_steps"):
        require_within(f"--{name.replace('_', '-')}", getattr(options, name), 1, 1_000_000)
    require_within("--condition-dropout", options.condition_dropout, 0, 1)
    folder = fit_codes(options, start_accelerator(()))
    print(f"pipeline: {folder}")
    print(f"fit the calibration: python evaluate_samples.py --pipeline {folder} --split validation --calibrate")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
