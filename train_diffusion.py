"""Train the ECG-conditioned latent diffusion model on the people of `--data`, into runs/diffusion.

    accelerate launch train_diffusion.py

Trains the autoencoder first when runs/autoencoder holds none; then what the condition alone tells of the heart; then
the denoiser. The result is runs/diffusion/pipeline.
"""

import sys
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.heart_grid import GridGeometry

LENGTHS = {  #  steps, patients per process and step, learning rate
    "nano": (2_000, 20, 1e-3),
    "base": (60_000, 64, 3e-4),
    "large": (150_000, 64, 2e-4),
}
PLACES = ("data", "output", "autoencoder", "prepared")  # may change between a run and its continuation
CONDITION_PEOPLE = 64  # per process and step of the stage that reads the condition only
HEART_COMPONENTS = 16  # principal components of whole hearts that the condition is asked for
GRID_PATIENTS = 4  # held-out patients drawn every `evaluate_every` steps


@dataclass(frozen=True)
class Config:
    """Train the diffusion model; the same command continues an interrupted run."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    output: Path = Path("runs/diffusion")
    """The run's folder; the trained pipeline is its pipeline/."""
    autoencoder: Path = Path("runs/autoencoder")
    """Folder of the autoencoder's run; trained first if it holds none."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    preset: Literal["auto", "nano", "base", "large"] = "auto"
    """Size; auto is nano without a GPU and base with one."""
    steps: int | None = None
    """Optimiser steps; by preset if not given (LENGTHS)."""
    autoencoder_steps: int = 1500
    """Of the autoencoder, if it has to be trained."""
    hearts_per_batch: int | None = None
    """Patients per process and step; by preset if not given."""
    slices_per_heart: int = 3
    """(level, phase) slices drawn of each heart."""
    learning_rate: float | None = None
    """Peak, after warm-up; by preset if not given."""
    condition_dropout: float = 0.1
    """Probability with which ECG and person are dropped, independently."""
    condition_steps: int = 450
    """Optimiser steps of the stage before: encoder and conditioner learn what the condition tells of the heart."""
    target_weight: float = 0.1
    """Of the auxiliary loss: phenotypes and coarse appearance read off the condition."""
    shared_noise: float = 0.5
    """Fraction of the noise common to the slices of a heart."""
    guidance_scale: float = 2.0
    """Default of the pipeline."""
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
        cohort = prepare_cohort(config.data, config.prepared, Preparation(config.geometry, config.sampling_rate))
    autoencoder = trained_autoencoder(config, cohort, preset, accelerator)
    train(config, cohort, autoencoder, preset, accelerator)
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
        recipe = Recipe(config.autoencoder_steps, learning_rate=2e-3)
        learn_autoencoder(fresh, cohort, config.autoencoder, recipe, accelerator, batch=32, seed=config.seed)
    autoencoder = load_part(SliceAutoencoder, model).to(accelerator.device)  # the same bits on every process
    side, f = cohort.preparation.geometry, autoencoder.downsampling
    if side.height % f or side.width % f:
        raise InputError("--geometry", f"height and width must be multiples of {f}", "choose e.g. 96 x 96")
    return autoencoder


def train(config: Config, cohort, autoencoder, preset: str, accelerator) -> None:
    """Train encoder and conditioner first, then all with the UNet, and save the pipeline."""
    from accelerate.utils import set_seed

    from models.unet import denoise_heart
    from training.diffusion import Diet, Lesson, learn_condition, learn_diffusion
    from training.fit import Recipe
    from training.latents import autoencoder_fingerprint, cohort_latents
    from training.objectives import HeartDenoiser
    from training.run import Run
    from training.targets import condition_targets

    with accelerator.main_process_first():
        latents = cohort_latents(autoencoder, cohort, accelerator.device, accelerator.is_main_process)
    settings = {key: value for key, value in asdict(config).items() if key not in PLACES}
    settings |= {"cohort": cohort.folder.name, "autoencoder": autoencoder_fingerprint(autoencoder)}
    run = Run(config.output, settings, accelerator.is_main_process)
    set_seed(config.seed)  # again: the same fresh weights whether or not an autoencoder was trained before
    denoiser = HeartDenoiser(*build_networks(cohort, preset, latents.shape[-3:]), denoise_heart)
    diet = Diet(
        config.hearts_per_batch,
        config.slices_per_heart,
        config.condition_dropout,
        config.target_weight,
        config.shared_noise,
        config.seed,
    )
    lesson = Lesson(cohort, latents, condition_targets(cohort, latents, denoiser.conditioner), diet)
    first = Recipe(config.condition_steps, config.learning_rate, weight_decay=0.05, ema_decay=0.99)
    condition_run = Run(config.output / "condition", settings, accelerator.is_main_process)
    learn_condition(denoiser, lesson, condition_run, first, accelerator, CONDITION_PEOPLE)
    recipe = Recipe(
        config.steps,
        config.learning_rate,
        checkpoint_every=config.checkpoint_every,
        evaluate_every=config.evaluate_every,
    )
    pipeline = build_pipeline(config, cohort, denoiser, autoencoder)
    learn_diffusion(denoiser, lesson, run, recipe, accelerator, sample_grid_drawer(config, cohort, pipeline))
    if accelerator.is_main_process:
        pipeline.save(config.output / "pipeline")
        print(f"pipeline: {config.output / 'pipeline'}\nsamples during training: {config.output / 'samples'}")


def build_networks(cohort, preset: str, latent_shape: tuple[int, int, int]) -> tuple:
    """Fresh ECG encoder, conditioner (with the training cohort's statistics) and UNet of a preset."""
    import numpy as np

    from cohort.phenotypes import PHENOTYPES
    from models.conditioning import HeartConditioner
    from models.ecg_encoder import ECGEncoder
    from models.unet import PRESETS, build_unet

    sizes = PRESETS[preset]
    known = np.asarray(cohort.phenotypes[cohort.rows("train")], dtype=np.float64)
    columns = [k for k in range(len(PHENOTYPES)) if np.isfinite(known[:, k]).any()]
    names, known = tuple(PHENOTYPES[k] for k in columns), known[:, columns]
    person = np.asarray(cohort.person[cohort.rows("train")], dtype=np.float64)
    encoder = ECGEncoder(
        sampling_rate=cohort.preparation.sampling_rate,
        duration_s=cohort.preparation.duration_s,
        width=sizes.ecg_width,
        layers=sizes.ecg_layers,
        heads=sizes.ecg_heads,
    )
    conditioner = HeartConditioner(
        width=sizes.ecg_width,
        phenotypes=names,
        components=HEART_COMPONENTS,
        phenotype_mean=tuple(np.nanmean(known, axis=0).tolist()),
        phenotype_std=tuple(positive(np.nanstd(known, axis=0)).tolist()),
        **person_statistics(person),
    )
    return encoder, conditioner, build_unet(sizes, latent_shape[0], latent_shape[1:], conditioner.summary_length)


def positive(spread):
    """A spread to divide by: 1 where nothing varies (one person, one sex)."""
    import numpy as np

    return np.where(spread > 1e-6, spread, 1.0)


def person_statistics(person) -> dict[str, tuple[float, ...]]:
    """Mean and spread of sex, age, height and weight (n, 4); the conditioner's own where nobody's are known."""
    import numpy as np

    if not np.isfinite(person).any(axis=0).all():
        return {}
    mean, spread = np.nanmean(person, axis=0), positive(np.nanstd(person, axis=0))
    return {"person_mean": tuple(mean.tolist()), "person_std": tuple(spread.tolist())}


def build_pipeline(config: Config, cohort, denoiser, autoencoder):
    """The pipeline around the networks being trained."""
    from sampling.inputs import ecg_limits
    from sampling.pipeline import ECGToMRIPipeline
    from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

    rows = cohort.rows("train")[:2000]
    return ECGToMRIPipeline(
        denoiser.ecg_encoder,
        denoiser.conditioner,
        denoiser.unet,
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(cohort.preparation.geometry),
        ecg_limits=ecg_limits(cohort.ecg[rows], cohort.lead_mask[rows]),
        shared_noise=config.shared_noise,
        guidance_scale=config.guidance_scale,
    )


def sample_grid_drawer(config: Config, cohort, pipeline):
    """A function of the step that draws the same held-out patients with the same noise each time."""
    import torch

    from sampling.grid import write_grid
    from sampling.pipeline import Condition, sample_generator

    rows = cohort.rows("validation")[:GRID_PATIENTS]
    present = torch.ones(len(rows), dtype=torch.bool)
    condition = Condition(
        torch.from_numpy(cohort.ecg[rows]).float(),
        torch.from_numpy(cohort.lead_mask[rows]),
        torch.from_numpy(cohort.person[rows]),
        present,
        present,
    )
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
