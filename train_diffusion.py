"""Train the ECG-conditioned latent diffusion model on the people of `--data`, into runs/diffusion.

    accelerate launch train_diffusion.py

Trains what is missing first: the autoencoder (runs/autoencoder) and, where there are label maps, the segmenter that
measures hearts (runs/segmenter). Then the ceiling, a regression of the phenotypes from ECG and person; the reader of
the condition, which begins from it; the prior over heart codes; and the denoiser. Result: runs/diffusion/pipeline.
"""

import sys
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import tyro

import training.launcher  # noqa: F401  remembers who started us
from cohort.errors import InputError, exit_code_of
from cohort.heart_grid import GridGeometry

LENGTHS = {  #  steps, patients per process and step, learning rate
    "nano": (4_000, 20, 1e-3),
    "base": (60_000, 64, 3e-4),
    "large": (150_000, 64, 2e-4),
}
PLACES = ("data", "output", "autoencoder", "segmenter", "prepared", "max_bad_fraction")  # may change in a run
PRIOR_PEOPLE = 256
HEART_COMPONENTS = 24  # principal components of whole hearts in the heart code
SPREAD_PEOPLE, SPREAD_CODES = 512, 16  # held-out people and codes drawn for each, to measure the prior's spread
GRID_PATIENTS = 4  # held-out patients drawn every `evaluate_every` steps


@dataclass(frozen=True)
class StageSteps:
    """Optimiser steps of the stages before the denoiser."""

    autoencoder: int = 1500
    """If it has to be trained."""
    segmenter: int = 1200
    """If it has to be trained."""
    ceiling: int = 1500
    """The regression of phenotypes from ECG and person."""
    condition: int = 700
    """What ECG and person tell of the heart code."""
    prior: int = 1500
    """Which heart codes they leave possible."""


@dataclass(frozen=True)
class Config:
    """Train the diffusion model; the same command continues an interrupted run."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    output: Path = Path("runs/diffusion")
    """The run's folder; the trained pipeline is its pipeline/."""
    autoencoder: Path = Path("runs/autoencoder")
    """Folder of the autoencoder's run; trained first if it holds none."""
    segmenter: Path = Path("runs/segmenter")
    """Folder of the segmenter's run; trained first if it holds none and there are label maps."""
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people, with no MRI: they teach the ECG's reading only."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which nothing is learned; excluded.csv beside the arrays lists them."""
    preset: Literal["auto", "nano", "base", "large"] = "auto"
    """Size; auto is nano without a GPU and base with one."""
    steps: int | None = None
    """Optimiser steps; by preset if not given (LENGTHS)."""
    stage_steps: StageSteps = field(default_factory=StageSteps)
    """Of the stages before the denoiser."""
    hearts_per_batch: int | None = None
    """Patients per process and step; by preset if not given."""
    slices_per_heart: int = 3
    """(level, phase) slices drawn of each heart."""
    learning_rate: float | None = None
    """Peak, after warm-up; by preset if not given."""
    condition_dropout: float = 0.1
    """Probability with which ECG and person are dropped, independently."""
    shared_noise: float = 0.5
    """Fraction of the noise common to the slices of a heart."""
    checkpoint_every: int = 500
    evaluate_every: int = 250
    """Steps between validation losses and sample grids."""
    sampling_rate: int = 250
    """Hz at which the encoder sees the ECG."""
    seed: int = 0
    geometry: GridGeometry = field(default_factory=GridGeometry)
    """The heart grid."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs, set_seed

    from cohort.leakage import require_separate_splits
    from cohort.prepared import Preparation, prepare_cohort
    from models.unet import preset_for
    from training.threads import share_cores

    # reading a large cohort takes one process hours, while the others wait
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))])
    share_cores(accelerator.num_processes)
    set_seed(config.seed)  # of the fresh weights
    preset = preset_for(config.preset, accelerator.device.type)
    config = with_lengths(config, preset)
    with accelerator.main_process_first():
        laid = Preparation(config.geometry, config.sampling_rate)
        cohort = prepare_cohort(config.data, config.prepared, laid, config.max_bad_fraction)
        require_separate_splits(cohort, further_people(config, cohort))
    autoencoder = trained_autoencoder(config, cohort, preset, accelerator)
    segmenter = trained_segmenter(config, cohort, accelerator)
    train(config, cohort, autoencoder, segmenter, preset, accelerator)
    accelerator.end_training()


def with_lengths(config: Config, preset: str) -> Config:
    """The configuration with everything decided that a preset decides."""
    steps, hearts, rate = LENGTHS[preset]
    return replace(
        config,
        preset=preset,
        steps=config.steps or steps,
        hearts_per_batch=config.hearts_per_batch or hearts,
        learning_rate=config.learning_rate or rate,
    )


def trained_autoencoder(config: Config, cohort, preset: str, accelerator):
    """The autoencoder of `--autoencoder`, trained now if that folder holds none."""
    from models.autoencoder import SliceAutoencoder
    from models.unet import PRESETS
    from sampling.pipeline import load_part
    from training.autoencoder import learn_autoencoder
    from training.fit import Recipe

    model = config.autoencoder / "model"
    if not model.exists():
        accelerator.print(f"no trained autoencoder in {config.autoencoder}: training one first")
        fresh = SliceAutoencoder(PRESETS[preset].autoencoder_width)
        recipe = Recipe(config.stage_steps.autoencoder, learning_rate=2e-3)
        learn_autoencoder(fresh, cohort, config.autoencoder, recipe, accelerator, batch=32, seed=config.seed)
    autoencoder = load_part(SliceAutoencoder, model).to(accelerator.device)  # the same bits on every process
    side, f = cohort.preparation.geometry, autoencoder.downsampling
    if side.height % f or side.width % f:
        raise InputError("--geometry", f"height and width must be multiples of {f}", "choose e.g. 96 x 96")
    return autoencoder


def trained_segmenter(config: Config, cohort, accelerator):
    """The segmenter of `--segmenter`, trained now if that folder holds none; None for a cohort without label maps."""
    from accelerate.utils import set_seed

    from models.segmenter import Segmenter
    from sampling.pipeline import load_part
    from training.fit import Recipe
    from training.segmenter import labelled_rows, learn_segmenter

    model = config.segmenter / "model"
    if not model.exists():
        if not all(map(len, labelled_rows(cohort).values())):
            accelerator.print("no label maps: the pipeline will have no segmenter and cannot measure its hearts")
            return None
        accelerator.print(f"no trained segmenter in {config.segmenter}: training one first")
        recipe = Recipe(config.stage_steps.segmenter, learning_rate=2e-3, ema_decay=0.99)
        settings = {"seed": config.seed, "steps": config.stage_steps.segmenter}
        set_seed(config.seed)  # of the fresh weights: the same whether or not an autoencoder was trained just before
        learn_segmenter(cohort, config.segmenter, recipe, accelerator, batch=32, settings=settings)
    return load_part(Segmenter, model)


def train(config: Config, cohort, autoencoder, segmenter, preset: str, accelerator) -> None:
    """Train the stages one after the other, and save the pipeline."""
    from accelerate.utils import set_seed

    from models.unet import PRESETS, denoise_heart
    from training.ceiling import readings
    from training.condition import recordings
    from training.diffusion import Diet, Lesson, learn_diffusion
    from training.fit import Recipe, checkpoint_bytes
    from training.latents import autoencoder_fingerprint, cohort_latents
    from training.networks import fresh_generator, fresh_reader
    from training.objectives import HeartDenoiser
    from training.run import Run
    from training.targets import heart_codes

    with accelerator.main_process_first():
        latents = cohort_latents(autoencoder, cohort, accelerator.device, accelerator.is_main_process)
    settings = {key: value for key, value in asdict(config).items() if key not in PLACES}
    settings["more_ecgs"] = config.more_ecgs and config.more_ecgs.name
    settings |= {"cohort": cohort.folder.name, "autoencoder": autoencoder_fingerprint(autoencoder)}

    def run_of(stage: str) -> Run:
        return Run(config.output / stage, settings, accelerator.is_main_process)

    set_seed(config.seed)  # again: the same fresh weights whether or not an autoencoder was trained before
    reader = fresh_reader(cohort, PRESETS[preset], HEART_COMPONENTS)
    prior, unet = fresh_generator(reader.conditioner, PRESETS[preset], latents.shape[-3:])
    run = run_of(".")  # locked, and its disk looked at, before the stages that come first
    run.require_space(checkpoint_bytes(unet))
    codes = heart_codes(cohort, latents, reader.conditioner)
    more = further_people(config, cohort)
    people = readings(cohort, codes, more, reader.conditioner)
    ceiling = learn_to_read(config, cohort, more, reader, people, PRESETS[preset], run_of, accelerator)
    pipeline = build_pipeline(config, cohort, reader, prior, unet, autoencoder)
    imaged = recordings((cohort, cohort.rows("train"), codes[cohort.rows("train")]))  # only theirs are whole codes
    learn_codes(config, pipeline, reader, imaged, people.held_out, run_of, accelerator)
    diet = Diet(
        config.hearts_per_batch, config.slices_per_heart, config.condition_dropout, config.shared_noise, config.seed
    )
    recipe = Recipe(
        config.steps,
        config.learning_rate,
        checkpoint_every=config.checkpoint_every,
        evaluate_every=config.evaluate_every,
    )
    draw = sample_grid_drawer(config, cohort, pipeline)
    denoiser, lesson = HeartDenoiser(unet, denoise_heart), Lesson(cohort, latents, codes, diet)
    learn_diffusion(denoiser, reader, lesson, run, recipe, accelerator, draw)
    if accelerator.is_main_process:
        parts = {"segmenter": segmenter} if segmenter else {}
        if ceiling:
            parts |= {"ceiling/ecg_encoder": ceiling.ecg_encoder, "ceiling/conditioner": ceiling.conditioner}
        pipeline.save(config.output / "pipeline", parts, lambda folder: describe(folder, config, cohort, settings))
        print(f"pipeline: {config.output / 'pipeline'}\nsamples during training: {config.output / 'samples'}")


def describe(folder: Path, config: Config, cohort, settings: dict) -> None:
    """The model card, and which cohort the pipeline has seen: whoever evaluates it must not measure these people.

    Args:
        settings: of the run.
    """
    from datetime import date

    from cohort.leakage import recordings_sha256
    from cohort.provenance import made_by
    from sampling.model_card import write_model_card
    from training.run import environment, write_json

    made = made_by(settings)
    about = {"cohort": cohort.folder.name, "recordings_sha256": recordings_sha256(cohort), "seed": config.seed}
    write_json(folder / "training.json", about | made)
    recipe = {
        "steps": config.steps,
        "stage_steps": asdict(config.stage_steps),
        "batch": f"{config.hearts_per_batch} hearts x {config.slices_per_heart} slices a process",
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "preset": config.preset,
        "date": date.today().isoformat(),
        "packages": environment(),
        **made,
    }
    people = {split: len(cohort.rows(split)) for split in ("train", "validation", "test")}
    data = {"cohort": config.data, "people": people, "phantom": (config.data / "cohort.json").exists()}
    write_model_card(folder, {"name": f"ECG to cardiac MRI, {config.preset}", "data": data, "recipe": recipe})


def learn_to_read(config: Config, cohort, more, reader, people, preset, run_of, accelerator):
    """The ceiling's regression where phenotypes are known, and the reader of the condition, which begins from it.

    Both learn from the further people too: an encoder that has seen the cohort alone trusts what it has seen too much.
    """
    from training.ceiling import PEOPLE, learn_ceiling
    from training.condition import learn_reading
    from training.fit import Recipe
    from training.networks import begin_from

    ceiling = None

    def recipe(steps: int, rate: float) -> Recipe:
        return Recipe(steps, rate, weight_decay=0.05, ema_decay=0.99, evaluate_every=100)

    rate = config.learning_rate
    if reader.conditioner.config.phenotypes:
        first = recipe(config.stage_steps.ceiling, rate)
        ceiling, _ = learn_ceiling(cohort, more, preset, run_of("ceiling"), first, accelerator, config.seed)
        begin_from(reader, ceiling)
        rate = rate / 2
    learn_reading(
        reader,
        people.train,
        people.held_out,
        run_of("condition"),
        recipe(config.stage_steps.condition, rate),
        accelerator,
        PEOPLE,
        config.condition_dropout,
        config.seed,
        "condition",
    )
    return ceiling


def further_people(config: Config, cohort):
    """The people of `--more-ecgs`, or None."""
    if config.more_ecgs is None:
        return None
    from cohort.ecg_cohort import prepare_ecgs

    p = cohort.preparation
    return prepare_ecgs(config.more_ecgs, config.prepared, p.sampling_rate, p.duration_s)


def learn_codes(config: Config, pipeline, reader, train, held_out, run_of, accelerator) -> None:
    """The prior over heart codes, and how widely held-out people spread about what is predicted for them."""
    from training.condition import learn_prior
    from training.fit import Recipe

    recipe = Recipe(config.stage_steps.prior, 1e-3, weight_decay=0.01, ema_decay=0.995, evaluate_every=100)
    learn_prior(
        pipeline.prior,
        reader,
        train,
        held_out,
        run_of("prior"),
        recipe,
        accelerator,
        PRIOR_PEOPLE,
        config.condition_dropout,
        config.seed,
    )
    pipeline.prior.register_to_config(spread=measured_spread(config, pipeline, held_out))


def measured_spread(config: Config, pipeline, held_out) -> tuple[float, ...]:
    """Per number of the code: RMS error of held-out people's codes / SD the prior gives them, both about its mean."""
    import torch

    from sampling.pipeline import Condition, sample_generator

    which = torch.arange(min(len(held_out), SPREAD_PEOPLE))
    ecg, lead_mask, person, codes = held_out.take(which)
    present = torch.ones(len(which), dtype=torch.bool)
    _, summary = pipeline.encode(Condition(ecg, lead_mask, person, present, present), guided=False)
    drawn = []
    for number in range(SPREAD_CODES):
        generators = [sample_generator(config.seed, f"spread {k}", number) for k in which.tolist()]
        drawn.append(pipeline.draw_codes(summary, generators).cpu())
    drawn = torch.stack(drawn)  # (draws, B, K)
    error = (codes - drawn.mean(0)).square().nanmean(0)  # of the mean of so many draws
    within = drawn.var(0).mean(0)
    factor = (error / (within * (1 + 1 / SPREAD_CODES))).sqrt()
    return tuple(factor.nan_to_num(1.0).clamp(0.5, 2.0).tolist())


def build_pipeline(config: Config, cohort, reader, prior, unet, autoencoder):
    """The pipeline around the networks being trained."""
    from sampling.inputs import ecg_limits
    from sampling.pipeline import ECGToMRIPipeline
    from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

    rows = cohort.rows("train")[:2000]
    return ECGToMRIPipeline(
        reader.ecg_encoder,
        reader.conditioner,
        prior,
        unet,
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(cohort.preparation.geometry),
        ecg_limits=ecg_limits(cohort.ecg[rows], cohort.lead_mask[rows]),
        shared_noise=config.shared_noise,
    )


def sample_grid_drawer(config: Config, cohort, pipeline):
    """A function of the step that draws the same held-out patients with the same noise each time."""
    from sampling.grid import write_grid
    from sampling.patients import condition_of, prepared_patients
    from sampling.pipeline import sample_generator

    rows = cohort.rows("validation")[:GRID_PATIENTS]
    condition = condition_of(prepared_patients(cohort, rows))
    pipeline.set_progress_bar_config(disable=True)

    def draw(step: int) -> None:
        generators = [sample_generator(config.seed, f"grid {k}", 1) for k in range(len(rows))]
        hearts = pipeline(condition, generators).numpy()
        pairs = [(cohort.hearts[row] / 255.0, heart) for row, heart in zip(rows, hearts, strict=True)]
        named = [
            (f"patient {k} {kind}", h)
            for k, pair in enumerate(pairs, 1)
            for kind, h in zip(("true", "generated"), pair, strict=True)
        ]
        folder = config.output / "samples"
        folder.mkdir(exist_ok=True)
        write_grid(folder / f"step_{step:06d}.png", named)

    return draw


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
