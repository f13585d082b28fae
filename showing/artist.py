"""One heart of one page: the very calls of sample.py, told of in words while they last."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from cohort.pseudonym import OWN_NAMES
from evaluation.heart_sampler import HeartSampler
from sampling.inputs import stated_person, without_withdrawn_files
from sampling.options import SampleOptions
from sampling.outputs import FILM, PAGE, RECORD

from .uploads import Upload, laid_ecg, laid_mri
from .words import ECG, MRI, OUT, OwnFileNames

SINGLE_FILES = (PAGE, FILM, RECORD, "sa.nii.gz", "seg_sa.nii.gz", "sa_ED.nii.gz", "sa_ES.nii.gz")


@dataclass(frozen=True)
class Asked:
    """What a page asks for: the files of one ECG and perhaps of an MRI, and who the person is; None is unknown.

    Attributes:
        sampling_rate: Hz, of files that do not say it.
    """

    ecg: list[Upload]
    mri: list[Upload]
    sex: Literal["female", "male"] | None = None
    age: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    sampling_rate: float | None = None
    allow_missing_leads: bool = False


@dataclass(frozen=True)
class Shown:
    """A heart that is drawn.

    Attributes:
        page: heart.html as sample.py writes it.
        files: to be downloaded: the most wanted of the patient's folder, and a zip of the whole.
        warnings: what makes the heart less sure. The page begins with them.
        seconds: it took.
    """

    page: str
    files: list[Path]
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Artist:
    """Draws hearts with one pipeline, which is loaded once."""

    sampler: HeartSampler

    @classmethod
    def of(cls, options: SampleOptions, pipeline: Path, device: torch.device) -> "Artist":
        """Load a pipeline folder.

        Raises:
            InputError: an option, or the folder, is refused.
        """
        options.require_sound()
        return cls(HeartSampler.open(options, pipeline, OWN_NAMES, device))

    def draw(self, asked: Asked, folder: Path) -> Iterator[str | Shown]:
        """Draw one heart in a new folder.

        Yields:
            What is being done, in words; at the end the heart.

        Raises:
            InputError: whatever of sample.py's; its paths lie below `folder`.
        """
        began = time.monotonic()
        yield "Reading the ECG" + (" and the true MRI" if asked.mri else "")
        ecg = laid_ecg(asked.ecg, folder / ECG)
        sampler = self._asked(asked, folder, ecg, laid_mri(asked.mri, folder / MRI, ecg))
        patient = sampler.read(ecg)
        samples = sampler.options.samples
        yield f"Drawing {samples} hearts" if samples > 1 else "Drawing a heart"
        drawn = next(sampler.draw([patient]))
        yield "Packing the files"
        written = sampler.options.output / drawn.name
        zipped = shutil.make_archive(str(folder / drawn.name), "zip", sampler.options.output, drawn.name)
        files = [path for path in (written / name for name in SINGLE_FILES) if path.exists()]
        page = (written / PAGE).read_text(encoding="utf-8")
        yield Shown(page, [*files, Path(zipped)], drawn.warnings, time.monotonic() - began)

    def _asked(self, asked: Asked, folder: Path, ecg: Path, mri: Path | None) -> HeartSampler:
        """The sampler with what this page asks for."""
        options = replace(
            self.sampler.options,
            ecg=ecg,
            mri=mri,
            output=folder / OUT,
            sex=asked.sex,
            age=asked.age,
            height_cm=asked.height_cm,
            weight_kg=asked.weight_kg,
            sampling_rate=asked.sampling_rate,
            allow_missing_leads=asked.allow_missing_leads,
        )
        options.require_sound()
        without_withdrawn_files([ecg], ecg, options.exclude)
        naming = OwnFileNames(folder=folder)
        return replace(self.sampler, options=options, stated=stated_person(options), naming=naming)
