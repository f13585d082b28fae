"""Distilling a pipeline: the teacher makes hearts, the student learns from them, and is saved as a pipeline."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.leakage import is_cohort_of
from cohort.lock import locked
from cohort.prepared import PreparedCohort
from cohort.provenance import made_by, settings_sha256
from models.denoiser import HeartDenoiser
from sampling.model_card import add_figures, add_section, renew_size
from sampling.pipeline import ECGToMRIPipeline, weights_sha256
from sampling.schedulers import is_flow

from .companions import copy_companions
from .distillation import FlowSampler, distillation, end_error, teacher_pairs
from .fit import fit
from .options import DistillationOptions
from .recipe import Recipe
from .run import Run, told_finished
from .session import Session
from .teacher import heart_maker

HELD_OUT_PAIRS = 64


def checked(options: DistillationOptions, teacher: ECGToMRIPipeline, cohort: PreparedCohort) -> DistillationOptions:
    """The options with the teacher's number of steps filled in.

    Raises:
        InputError: the student would not be faster, or the teacher's scheduler knows no flow. Or the people are not
            those who taught the teacher: evaluation could no longer tell who was seen.
    """
    steps = options.teacher_steps or teacher.config.steps
    if options.steps >= steps:
        fault = f"is no fewer than the teacher's {steps}"
        raise InputError(f"--steps {options.steps}", fault, "give fewer, or more --teacher-steps")
    about = options.pipeline / "training.json"
    if not (about.exists() and is_cohort_of(json.loads(about.read_text()), cohort)):
        fault = f"is not the cohort {options.pipeline} was trained on"
        raise InputError(options.data, fault, "name that one with --data")
    if not is_flow(teacher.scheduler):
        fault = f"samples by {type(teacher.scheduler).__name__}, which knows no flow"
        raise InputError(options.pipeline, fault, "train it anew, or mend its scheduler")
    return replace(options, teacher_steps=steps)


def distil(
    options: DistillationOptions, teacher: ECGToMRIPipeline, cohort: PreparedCohort, accelerator: Accelerator
) -> None:
    """Let the teacher make its hearts, teach the student, and save the student's pipeline; a finished one stays."""
    settings = {key: value for key, value in asdict(options).items() if key not in options.MAY_CHANGE}
    settings |= {"cohort": cohort.folder.name, "teacher": weights_sha256(options.pipeline)}
    every = {"checkpoint_every": options.checkpoint_every, "evaluate_every": options.evaluate_every}
    recipe = Recipe(options.optimiser_steps, options.learning_rate, ema_decay=0.99, **every)
    if is_taught(options.output / "pipeline", settings):
        accelerator.print(told_finished(options.output / "pipeline"))
        return
    run = Run(options.output, settings, accelerator.is_main_process, lengths=("optimiser_steps",))
    session = Session(run, recipe, accelerator, options.seed)
    counts = {"train": options.pairs, "validation": min(options.pairs, HELD_OUT_PAIRS)}
    pairs, held_out = (
        teacher_pairs(options.output / "pairs" / split, count, hearts_of(options, teacher, cohort, split), accelerator)
        for split, count in counts.items()
    )
    student, sampler = deepcopy(teacher.denoiser), FlowSampler(teacher.scheduler, options.steps)
    judge = (sampler, held_out, teacher.places, options.hearts_per_batch, accelerator.device)
    before = end_error(student, *judge)
    fit(distillation(session, student, sampler, pairs, held_out, teacher.places, options.hearts_per_batch), session)
    if session.main:
        errors = before, end_error(student, *judge)
        save_student(options, teacher, student, settings, errors, run.code_versions())


def is_taught(folder: Path, settings: dict) -> bool:
    """Whether a pipeline's folder holds the student of these settings."""
    try:
        about = json.loads((folder / "training.json").read_text())
        return about["configuration_sha256"] == settings_sha256(settings)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def hearts_of(
    options: DistillationOptions, teacher: ECGToMRIPipeline, cohort: PreparedCohort, split: str
) -> Callable[[Tensor], dict[str, Tensor]]:
    """What makes the teacher's hearts of a split (`heart_maker`). The condition is withheld in training alone."""
    dropout = options.condition_dropout if split == "train" else 0.0
    return heart_maker(teacher, options.teacher_steps, cohort, split, dropout, options.seed)


def save_student(
    options: DistillationOptions,
    teacher: ECGToMRIPipeline,
    student: HeartDenoiser,
    settings: dict,
    errors: tuple[float, float],
    learned_by: str,
) -> None:
    """Save the student's pipeline: the teacher's with another denoiser, number of steps and model card.

    A student of other weights, which was there before, is set aside.

    Args:
        settings: of the run. errors: `end_error` before and after learning. learned_by: Run.code_versions.
    """
    before, after = errors
    facts = distillation_facts(options, settings, errors) | {"code version": learned_by}

    def describe(folder: Path) -> None:
        copy_companions(options.pipeline, folder)  # calibrations too: they are of codes, which stay
        add_figures(folder, {})  # the teacher's figures are not the student's
        renew_size(folder)
        add_section(folder, "Distillation", facts)
        about = json.loads((folder / "training.json").read_text())
        own = {"teacher_sha256": settings["teacher"], "seed": options.seed, "learned_by": learned_by}
        write_json(folder / "training.json", about | own | made_by(settings))

    teacher.register_modules(denoiser=student.eval())
    corrections = {"redraws": options.redraws, "steering": options.steering}
    teacher.register_to_config(steps=options.steps, guidance_scale=1.0, **corrections)
    with locked(options.output / "pipeline"):
        teacher.save(options.output / "pipeline", describe=describe, keep=True)
    print(f"RMS distance from the teacher's hearts: {after:.3f} of the latents' RMS ({before:.3f} before)")
    print(f"pipeline: {options.output / 'pipeline'}")


def distillation_facts(options: DistillationOptions, settings: dict, errors: tuple[float, float]) -> dict[str, object]:
    """What the student's model card says of its distillation."""
    made = made_by(settings)
    return {
        "teacher": f"the pipeline whose weights have sha256 `{settings['teacher']}`; the recipe above is its own",
        "evaluations of the denoiser a heart": f"{options.steps}, the teacher's {options.teacher_steps}",
        "steps that steer a heart to its code": f"{options.steering}; measured and drawn again {options.redraws} times",
        "learned from": f"{options.pairs:_} of the teacher's hearts",
        "steps": f"{options.optimiser_steps:_} of {options.hearts_per_batch} hearts a process",
        "peak learning rate": options.learning_rate,
        "seed": options.seed,
        "RMS distance from the teacher's hearts of held-out people, in the RMS of the latents": (
            f"{errors[1]:.3f}; {errors[0]:.3f} before the student learned"
        ),
        "configuration sha256": made["configuration_sha256"],
        "date": date.today().isoformat(),
    }
