"""Options of sampling. Light: `--help` imports this."""

import math
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, require_counts, require_within

from .ranges import MOST_REDRAWS, MOST_STEERING, require_sampling

FEWEST_FRAMES, MOST_FRAMES = 2, 200  # a scanner makes 100 at most; every frame of every sample is held in memory

STILLS = "the stills are written in any case, as sa_ED and sa_ES"


@dataclass(frozen=True)
class SampleOptions:
    """How hearts are generated from ECGs."""

    ecg: Path
    """An ECG file, or a folder of them, also in folders up to two below it."""
    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    output: Path = Path("out")
    """One folder a patient is written here."""
    pseudonymise: Path | None = None
    """A key file: folders, captions, heart.json and screen call patients by a keyed hash (see cohort/pseudonym.py)."""
    samples: int = 4
    """Hearts per ECG."""
    frames: int = 25
    """Of a beat, where the pipeline lets hearts beat; without effect where it draws stills."""
    mri: Path | None = None
    """The real heart (a short-axis NIfTI, DICOM zip or folder, or a UKBB layout), drawn above the generated ones."""
    persons: Path | None = None
    """A persons.csv (eid or file, sex, age, height_cm, weight_kg), or UK Biobank's export. It precedes the ECG file."""
    sex: str | None = None
    """female or male, F or M, of the person of a single ECG. As age, height and weight it precedes --persons and the
    ECG file."""
    age: float | None = None
    """Years at the ECG."""
    height_cm: float | None = None
    weight_kg: float | None = None
    person_field: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=NUMBER of a single ECG's person, as systolic_bp_mmhg=142, of the further fields that the pipeline knows."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list near the ECGs names. They get no hearts."""
    show_unproven: bool = False
    """Tell probabilities and z-scores, marked, of real ECGs too where simulated patients alone taught the weights."""
    guidance_scale: float | None = None
    """1 follows the ECG, above 1 exaggerates it; the pipeline's own if not given."""
    steps: int | None = None
    """Evaluations of the denoiser; the pipeline's own number if not given."""
    redraws: int | None = None
    """How often a heart is measured and drawn again, so that it obeys its code; the pipeline's own if not given."""
    steering: int | None = None
    """Steps by which a heart is moved until it measures what its code tells; the pipeline's own if not given."""
    scheduler: str | None = None
    """Name of a diffusers scheduler; the pipeline's own if not given."""
    seed: int = 0
    """A heart depends on (seed, subject, sample number) only."""
    batch_size: int = 8
    """Hearts denoised at once; changes nothing but speed and memory."""
    sampling_rate: float | None = None
    """Hz, for ECG files that do not say it (.npy, .csv)."""
    allow_missing_leads: bool = False
    """Accept an ECG without some chest leads; they are masked."""
    page: bool = True
    """Write each patient's page, heart.html, and index.html of several; --no-page writes neither."""

    def require_sound(self) -> None:
        """Refuse counts below 1, and numbers that are not finite or out of range."""
        require_counts(self, "samples", "steps", "batch_size")
        if self.frames < FEWEST_FRAMES:
            raise InputError(
                "--frames", f"{self.frames} do not show a beat", f"give at least {FEWEST_FRAMES}; {STILLS}"
            )
        if self.frames > MOST_FRAMES:
            raise InputError("--frames", f"{self.frames} are more than a scanner makes", f"give at most {MOST_FRAMES}")
        require_sampling(self.guidance_scale, self.steps)
        if self.redraws is not None:
            require_within("--redraws", self.redraws, 0, MOST_REDRAWS)
        if self.steering is not None:
            require_within("--steering", self.steering, 0, MOST_STEERING)
        if self.sampling_rate is not None and not 0 < self.sampling_rate < math.inf:
            raise InputError("--sampling-rate", "is no number of Hz", "give a positive number")
