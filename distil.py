"""Distil a trained pipeline to one, two or four evaluations of its denoiser a heart, into runs/distilled.

    python distil.py --pipeline runs/diffusion/pipeline --data UKBB --steps 2

The teacher, a whole pipeline, makes hearts of the people who taught it; the student, which begins as a copy of its
denoiser, learns to reach the same hearts from the same noise in fewer steps. Result: runs/distilled/pipeline. Keep it
only if evaluate_samples.py finds as much information kept, and as good a coverage, as of the teacher.
"""

import json
import shutil
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import InputError, exit_code_of

PLACES = ("data", "output", "pipeline", "prepared")  # may change when a run goes on
HELD_OUT_PAIRS = 64
MEASURED_ON_THE_TEACHER = ("calibration.json",)  # not true of the student before it is measured


@dataclass(frozen=True)
class Config:
    """Distil a pipeline; the same command continues an interrupted run."""

    pipeline: Path = Path("runs/diffusion/pipeline")
    """The teacher's folder."""
    data: Path = Path("UKBB")
    """The folder the teacher was trained on."""
    output: Path = Path("runs/distilled")
    """The run's folder; the student's pipeline is its pipeline/."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    steps: int = 2
    """Evaluations of the student's denoiser a heart."""
    teacher_steps: int | None = None
    """Of the teacher's; its own default if not given."""
    pairs: int = 2000
    """Hearts the teacher makes to be learned from."""
    optimiser_steps: int = 1500
    """Of the student's learning."""
    hearts_per_batch: int = 8
    """Whole hearts per process and step."""
    learning_rate: float = 3e-4
    """Peak, after warm-up."""
    condition_dropout: float = 0.1
    """Probability with which ECG and person are withheld from the teacher, independently."""
    checkpoint_every: int = 250
    evaluate_every: int = 100
    """Steps between comparisons with the teacher on held-out people."""
    seed: int = 0


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    from cohort.leakage import require_separate_splits
    from cohort.prepared import prepare_cohort
    from sampling.pipeline import ECGToMRIPipeline
    from training.threads import share_cores

    for option in ("steps", "pairs", "optimiser_steps", "hearts_per_batch"):
        if getattr(config, option) < 1:
            raise InputError(f"--{option.replace('_', '-')}", "is below 1", "give at least 1")
    # the teacher's hearts take one process an hour or more, while others may be done
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))])
    share_cores(accelerator.num_processes)
    teacher = ECGToMRIPipeline.load(config.pipeline).to(accelerator.device)
    with accelerator.main_process_first():
        cohort = prepare_cohort(config.data, config.prepared, teacher.preparation)
        require_separate_splits(cohort)
    config = with_teacher_steps(config, teacher)
    refuse_others(config, teacher, cohort)
    distil(config, teacher, cohort, accelerator)
    accelerator.end_training()


def with_teacher_steps(config: Config, teacher) -> Config:
    """The configuration with the teacher's number of steps decided.

    Raises:
        InputError: the student would not be faster.
    """
    steps = config.teacher_steps or teacher.config.steps
    if config.steps >= steps:
        raise InputError(
            f"--steps {config.steps}", f"is no fewer than the teacher's {steps}", "give fewer, or more --teacher-steps"
        )
    return replace(config, teacher_steps=steps)


def refuse_others(config: Config, teacher, cohort) -> None:
    """Refuse people who did not teach the teacher: evaluation could no longer tell who was seen.

    Raises:
        InputError: other people, or a walk that is not a flow's.
    """
    from cohort.leakage import is_cohort_of
    from sampling.schedulers import is_flow

    about = config.pipeline / "training.json"
    if not (about.exists() and is_cohort_of(json.loads(about.read_text()), cohort)):
        raise InputError(
            config.data, f"is not the cohort {config.pipeline} was trained on", "name that one with --data"
        )
    if not is_flow(teacher.scheduler):
        kind = type(teacher.scheduler).__name__
        raise InputError(
            config.pipeline, f"walks by {kind}, which knows no flow", "train it anew, or mend its scheduler"
        )


def distil(config: Config, teacher, cohort, accelerator) -> None:
    """Let the teacher make its hearts, teach the student, and save the student's pipeline."""
    from models.unet import denoise_heart
    from sampling.pipeline import slice_places, weights_sha256
    from training.distillation import Places, Walk, end_error, learn_strides, teacher_pairs
    from training.fit import Recipe
    from training.objectives import HeartDenoiser
    from training.run import Run

    settings = {key: value for key, value in asdict(config).items() if key not in PLACES}
    settings |= {"cohort": cohort.folder.name, "teacher": weights_sha256(config.pipeline)}
    run = Run(config.output, settings, accelerator.is_main_process)
    places = Places(*slice_places(teacher.grid))
    counts = {"train": config.pairs, "validation": min(config.pairs, HELD_OUT_PAIRS)}
    pairs, held_out = (
        teacher_pairs(
            config.output / "pairs" / split, count, heart_maker(config, teacher, cohort, split, places), accelerator
        )
        for split, count in counts.items()
    )
    student = HeartDenoiser(deepcopy(teacher.unet), denoise_heart)
    walk = Walk(teacher.scheduler, config.steps)
    judge = (walk, held_out, places, config.hearts_per_batch, accelerator.device)
    before = end_error(student, *judge)
    recipe = Recipe(
        config.optimiser_steps,
        config.learning_rate,
        ema_decay=0.99,
        checkpoint_every=config.checkpoint_every,
        evaluate_every=config.evaluate_every,
    )
    learn_strides(
        student, walk, pairs, held_out, places, run, recipe, accelerator, config.hearts_per_batch, config.seed
    )
    if accelerator.is_main_process:
        errors = before, end_error(student, *judge)
        save(config, teacher, student.unet, settings, errors)


def heart_maker(config: Config, teacher, cohort, split: str, places) -> Callable:
    """A function of the pairs' numbers (B,) that makes them (fields of training.distillation.Pairs).

    They are the hearts the pipeline itself would make: same codes, same noise, same walk, its guidance included. So
    the student follows the guided flow by one pass (Meng 2023, section 3.1, at one scale).
    """
    import torch

    from models.noise import heart_noise
    from models.unet import denoise_heart
    from sampling.patients import condition_of, prepared_patients
    from training.distillation import Walk
    from training.objectives import HeartDenoiser, dropped
    from training.order import keyed_generator, rows_of_step

    rows, scale = torch.from_numpy(cohort.rows(split)), teacher.config.guidance_scale
    denoiser, walk = HeartDenoiser(teacher.unet, denoise_heart), Walk(teacher.scheduler, config.teacher_steps)
    grid, f = teacher.grid, teacher.autoencoder.downsampling
    shape = (grid.slices * grid.phases, teacher.unet.config.out_channels, grid.height // f, grid.width // f)

    @torch.no_grad()
    def make(numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        generators = [keyed_generator(config.seed, "pair", split, number) for number in numbers.tolist()]
        people = torch.cat([rows_of_step(rows, 1, number, config.seed) for number in numbers.tolist()])  # in turns
        dropout = config.condition_dropout if split == "train" else 0.0
        draws = [dropped(1, dropout, keyed_generator(config.seed, "present", n)) for n in numbers.tolist()]
        ecg_present, person_present = (torch.cat(part) for part in zip(*draws, strict=True))
        condition = condition_of(prepared_patients(cohort, people.numpy()))
        condition = replace(condition, ecg_present=ecg_present, person_present=person_present)
        tokens, summary = teacher.encode(condition, guided=scale != 1.0)  # of B, or 2 B with the empty condition
        codes = teacher.draw_codes(summary, generators, scale)  # (B, K)
        passes = len(summary) // len(codes)
        has_code = torch.arange(len(summary), device=summary.device) < len(codes)
        told = teacher.conditioner.told(summary, codes.repeat(passes, 1), has_code)
        noise = heart_noise((len(codes), *shape), teacher.config.shared_noise, generators).to(summary.device)

        def velocity(points: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            points, time = points.repeat(passes, 1, 1, 1, 1), time.repeat(passes)
            found = denoiser(points, time, places.of(points), tokens, told)
            return found if passes == 1 else torch.lerp(*reversed(found.chunk(2)), scale)  # from empty towards given

        latents = walk.until(walk.steps, velocity, noise)
        halves = {"noise": noise.half(), "latents": latents.half(), "tokens": tokens[: len(codes)].half()}
        return halves | {"told": told[: len(codes)]}

    return make


def save(config: Config, teacher, unet, settings: dict, errors: tuple[float, float]) -> None:
    """The student's pipeline folder: the teacher's with another denoiser, another default and another card.

    Args:
        settings: of the run.
    """
    from cohort.provenance import made_by
    from sampling.model_card import add_figures, add_section, renew_size
    from sampling.pipeline import PARTS
    from training.run import write_json

    (before, after), teacher_sha256, made = errors, settings["teacher"], made_by(settings)
    facts = {
        "teacher": f"the pipeline whose weights have sha256 `{teacher_sha256}`; the recipe above is its own",
        "evaluations of the denoiser a heart": f"{config.steps}, the teacher's {config.teacher_steps}",
        "learned from": f"{config.pairs:_} of the teacher's hearts",
        "steps": f"{config.optimiser_steps:_} of {config.hearts_per_batch} hearts a process",
        "peak learning rate": config.learning_rate,
        "seed": config.seed,
        "RMS distance from the teacher's hearts of held-out people, in the RMS of the latents": (
            f"{after:.3f}; {before:.3f} before the student learned"
        ),
        "configuration sha256": made["configuration_sha256"],
        "code version": made["code_version"],
        "date": date.today().isoformat(),
    }

    def describe(folder: Path) -> None:
        ours = {"model_index.json", "scheduler", *PARTS, *MEASURED_ON_THE_TEACHER}
        for path in sorted(config.pipeline.iterdir()):
            if path.name not in ours and not path.name.startswith("."):
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
        add_figures(folder, {})  # the teacher's figures are not the student's
        renew_size(folder)
        add_section(folder, "Distillation", facts)
        about = json.loads((folder / "training.json").read_text())
        write_json(folder / "training.json", about | {"teacher_sha256": teacher_sha256, "seed": config.seed, **made})

    teacher.register_modules(unet=unet.eval())
    teacher.register_to_config(steps=config.steps, guidance_scale=1.0)
    teacher.save(config.output / "pipeline", describe=describe)
    print(f"RMS distance from the teacher's hearts: {after:.3f} of the latents' RMS ({before:.3f} before)")
    print(f"pipeline: {config.output / 'pipeline'}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
