"""Options that several training scripts share. Light: `--help` imports this."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from cohort.errors import InputError, require_counts, require_within
from cohort.heart_grid import GridGeometry
from cohort.places import CohortPlaces
from sampling.ranges import SAMPLING_RATES_HZ

NONE_GIVEN = tyro.conf.arg(help_behavior_hint="(default: none)")  # else an empty list reads "(default: )"
Tracker = Literal["tensorboard", "wandb", "mlflow"]


@dataclass(frozen=True)
class CohortOptions(CohortPlaces):
    """Which cohort to learn from, and how it is laid down as arrays."""

    output: Path = Path("runs")
    """The run's folder."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which nothing is learned; excluded.csv beside the arrays lists them."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    sampling_rate: int = 250
    """Hz of the ECGs in the prepared arrays, which all trainings of a cohort share."""
    geometry: GridGeometry = field(default_factory=GridGeometry)
    """The heart grid."""
    seed: int = 0
    log_with: Annotated[tuple[Tracker, ...], NONE_GIVEN] = ()
    """Trackers that get the metrics of metrics.jsonl too. W&B and a remote MLflow use the network."""

    def require_sound(self) -> None:
        """Refuse numbers out of range before anything is read or learned."""
        require_counts(self, "steps", "batch_size", "checkpoint_every")
        require_within("--sampling-rate", self.sampling_rate, *SAMPLING_RATES_HZ)


@dataclass(frozen=True)
class StageSteps:
    """Optimiser steps of the stages beside the denoiser."""

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
    motion: int = 1000
    """How hearts move, of cines."""


LEARNING_RATES = (0.0, 1.0)
START_RATE = 0.5  # of the usual learning rate, where a stage begins with trained weights
LENGTHS = {  #  steps, patients per process and step, learning rate
    "nano": (4_000, 20, 1e-3),
    "base": (60_000, 64, 3e-4),
    "large": (150_000, 64, 2e-4),
}


@dataclass(frozen=True)
class DiffusionOptions(CohortOptions):
    """How the whole pipeline is trained."""

    MAY_CHANGE: ClassVar = (  # when a run goes on
        *("data", "ecg_dir", "mri_dir", "output", "prepared", "max_bad_fraction", "exclude", "log_with"),
        *("autoencoder", "segmenter"),
        "init",  # a place; the settings hold the hash of what lies there
    )

    init: Path | None = None
    """A trained pipeline to begin every stage with, as pretrained/phantom; what fits of it is taken and told."""
    autoencoder: Path = Path("runs/autoencoder")
    """Folder of the autoencoder's run; if it holds none, that of --init is put there, or one is trained first."""
    segmenter: Path = Path("runs/segmenter")
    """Folder of the segmenter's run; trained first if it holds none and there are label maps."""
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people without an MRI; only the regressions learn from them."""
    person_fields: Annotated[tuple[str, ...], NONE_GIVEN] = ()
    """Further columns of numbers in persons.csv, as systolic_bp_mmhg, told beside sex, age, height and weight."""
    preset: Literal["auto", "nano", "base", "large"] = "auto"
    """Size; auto is that of --init, else nano without a GPU and base with one."""
    steps: int | None = None
    """Optimiser steps; if not given 4,000 for nano, 60,000 for base, 150,000 for large."""
    stage_steps: StageSteps = field(default_factory=StageSteps)
    """Of the stages beside the denoiser."""
    hearts_per_batch: int | None = None
    """Patients per process and step; if not given 20 for nano, 64 for base and large."""
    slices_per_heart: int = 3
    """(position, phase) slices drawn of each heart."""
    learning_rate: float | None = None
    """Peak, after warm-up; by preset if not given, and half of that with --init."""
    condition_dropout: float = 0.1
    """How often in training a part of the input is hidden: 0.1 hides the ECG from one heart in ten. Sex, age, height
    and weight are hidden as often, and so is the code. So the model can draw a heart when a part is unknown."""
    motion: Literal["auto", "none"] = "auto"
    """auto: hearts learn to beat where the cohort has cines. none: a model of stills, whatever there is."""
    cines: int = 500
    """People whose cines are read, the first of those who have one; stills are of everybody."""
    shared_noise: float = 0.5
    """Fraction of the noise common to the slices of a heart."""
    checkpoint_every: int = 500
    evaluate_every: int = 250
    """Steps between validation losses and sample grids."""

    def require_sound(self) -> None:
        """Refuse numbers out of range before anything is read or learned."""
        super().require_sound()
        require_counts(self, "hearts_per_batch", "slices_per_heart", "evaluate_every", "cines")
        require_counts(self.stage_steps, *asdict(self.stage_steps), within="stage-steps.")
        rate = 0.0 if self.learning_rate is None else self.learning_rate
        require_within("--learning-rate", rate, *LEARNING_RATES)
        require_within("--condition-dropout", self.condition_dropout, 0, 1)
        require_within("--shared-noise", self.shared_noise, 0, 1)


@dataclass(frozen=True)
class DistillationOptions(CohortPlaces):
    """How a pipeline is distilled, on the cohort that taught the teacher."""

    MAY_CHANGE: ClassVar = (  # when a run goes on
        *("data", "ecg_dir", "mri_dir", "output", "pipeline", "prepared", "exclude", "log_with"),
    )

    pipeline: Path = Path("runs/diffusion/pipeline")
    """The teacher's folder."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    output: Path = Path("runs/distilled")
    """The run's folder; the student's pipeline is its pipeline/."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    steps: int = 2
    """Evaluations of the denoiser for each of the student's hearts."""
    teacher_steps: int | None = None
    """The same of the teacher's hearts; the teacher's own default if not given."""
    redraws: int = 0
    """How often each of the student's hearts is measured and drawn again."""
    steering: int = 4
    """Steps by which each of the student's hearts is moved until it measures what its code tells."""
    pairs: int = 2000
    """Hearts that the teacher makes for the student to learn from."""
    optimiser_steps: int = 1500
    """Of the student's learning."""
    hearts_per_batch: int = 8
    """Whole hearts per process and step."""
    learning_rate: float = 3e-4
    """Peak, after warm-up."""
    condition_dropout: float = 0.1
    """How often a part of the input is hidden: 0.1 hides the ECG from one heart in ten, and the person from another.
    So the student can draw a heart when a part is unknown."""
    checkpoint_every: int = 250
    evaluate_every: int = 100
    """Steps between comparisons with the teacher on held-out people."""
    seed: int = 0
    log_with: Annotated[tuple[Tracker, ...], NONE_GIVEN] = ()
    """Trackers that get the metrics of metrics.jsonl too. W&B and a remote MLflow use the network."""

    def require_sound(self) -> None:
        """Refuse numbers out of range before anything is read or learned."""
        counts = ("steps", "teacher_steps", "pairs", "optimiser_steps", "hearts_per_batch")
        require_counts(self, *counts, "checkpoint_every", "evaluate_every")
        require_within("--learning-rate", self.learning_rate, *LEARNING_RATES)
        require_within("--condition-dropout", self.condition_dropout, 0, 1)


@dataclass(frozen=True)
class CeilingOptions(CohortPlaces):
    """How the ceiling's learning curve is measured, on the cohort that taught the pipeline."""

    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    pipeline: Path | None = None
    """A trained pipeline; the newest one under runs/ if not given."""
    more_ecgs: Path | None = None
    """Folder with ECGs and phenotypes.csv of further people without an MRI."""
    sizes: tuple[int, ...] = (1250, 5000, 20_000)
    """How many people to learn from."""
    cines: int = 500
    """People whose cines are read, where the pipeline's hearts beat; as in its training."""
    output: Path = Path("runs/ceiling")
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    preset: str = "nano"
    """Size of the encoder, as of the pipeline."""
    learning_rate: float = 1e-3
    seed: int = 0
    log_with: Annotated[tuple[Tracker, ...], NONE_GIVEN] = ()
    """Trackers that get the metrics of metrics.jsonl too. W&B and a remote MLflow use the network."""

    def require_sound(self) -> None:
        """Refuse numbers out of range before anything is read or learned."""
        if min(self.sizes, default=0) < 1:
            raise InputError("--sizes", "names no number of people", "give numbers of at least 1")
        require_counts(self, "cines")
        require_within("--learning-rate", self.learning_rate, *LEARNING_RATES)
