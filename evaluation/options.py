"""Options of an evaluation. Light: `--help` imports this."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cohort.errors import InputError, require_counts
from cohort.places import CohortPlaces
from sampling.ranges import require_sampling

from .arms import CONTROLS, Control

MOST_PEOPLE = 300  # whose hearts are drawn, if nothing else is said


@dataclass(frozen=True)
class EvaluationOptions(CohortPlaces):
    """Whom a pipeline is measured on, and how."""

    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which a cohort is refused, that of `--training-data` too."""
    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    output: Path | None = None
    """For report.json and report.html; report/<pipeline>/<cohort> if not given. They name nobody."""
    training_data: Path | None = None
    """The folder the pipeline was trained on, for mean heart, nearest ECG and memorisation; `--data` if not given."""
    segmenter: Path | None = None
    """A trained segmenter, if not the one in the pipeline's folder, or else the released one."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once. Measurements of single people are kept beside the arrays."""
    group_readable: bool = False
    """Let your group read the arrays and the measurements; else they are yours alone."""
    hearts: Path | None = None
    """A folder of hearts already made by sample.py; without controls then."""
    labels: Path | None = None
    """Label maps of `--hearts` by another segmenter: <labels>/<patient>/seg_sa_ED.nii.gz ..."""
    label_convention: Literal["ukbb", "acdc"] | None = None
    """Numbering of `--labels`; found out if not given."""
    split: Literal["test", "validation", "all"] | None = None
    """Whom to measure; everybody the pipeline never saw if not given."""
    subjects: int | None = None
    """At most so many people; if not given 300, and everybody with `--calibrate`."""
    samples: int = 8
    """Hearts per person."""
    controls: tuple[Control, ...] = CONTROLS
    """Hearts to set beside them: of another's ECG, of the person alone, of the ECG alone, of nothing."""
    guidance_scale: float | None = None
    steps: int | None = None
    """Evaluations of the denoiser; the pipeline's own number if not given."""
    scheduler: str | None = None
    batch_size: int = 8
    curves: bool = False
    """Also try other guidance scales and numbers of steps, on fewer people."""
    calibrate: bool = False
    """Only fit the calibration of intervals and probabilities on these people, and store it (--split validation).
    No heart is drawn."""
    pairs: bool = False
    """Only list whose ECG and heart are probably of two people, in report/cohort. The list names people."""
    show_unproven: bool = False
    """With --pairs: verdicts on real people too, where simulated patients alone taught the weights."""
    seed: int = 0

    @property
    def most_people(self) -> int | None:
        """How many at most; None for everybody."""
        return self.subjects or (None if self.calibrate else MOST_PEOPLE)

    def require_sound(self) -> None:
        """Refuse counts below 1, and numbers that are not finite or out of range, before anything is read."""
        require_counts(self, "subjects", "samples", "batch_size", "steps")
        require_sampling(self.guidance_scale, self.steps)
        if (self.labels or self.label_convention) and not self.hearts:
            raise InputError("--labels, --label-convention", "are of hearts already made", "name these with --hearts")
        if self.calibrate and self.split != "validation":
            raise InputError("--calibrate", "is for validation people only", "add --split validation")
        if self.show_unproven and not self.pairs:
            raise InputError("--show-unproven", "is of --pairs", "add --pairs, or leave it out")
