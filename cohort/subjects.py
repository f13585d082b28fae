"""Who is a subject: a person at a visit, the files of both modalities, and the split by person.

An ECG belongs to an MRI only when person AND instance are equal. `cohort.discovery` finds them in folders.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cohort.finding import Finding
from cohort.phases import PHASES, phase_stems

ECG_FIELD, MRI_FIELD, LONG_AXIS_FIELD = "20205", "20209", "20208"  # resting 12-lead ECG, short-axis heart MRI
FIRST_IMAGING_VISIT = 2  # the instance of a folder that names none
FIRST_SIMULATED_EID = 9_000_001  # of the phantoms; UK Biobank's participants have smaller numbers
BULK_NAME = re.compile(r"([1-9]\d{6})_(\d{5})_(\d)_(\d+)")
FOLDER_NAME = re.compile(r"([1-9]\d{6})(?:_(\d))?")
NOBODY = "absent"  # code of a folder in which no name follows the rules
Visit = tuple[int, int]  # eid, instance


@dataclass(frozen=True, slots=True)
class ShortAxis:
    """Paths of one short-axis MRI: the 4D cine, the ED and ES volumes, and the label map of each; any may be None.

    `dicom` is a zip or a folder of DICOM files with the cine; a NIfTI beside it goes first. `slices` are NIfTI files
    of one slice each.

    A scan of a folder gives paths as text, which for 100,000 people needs a third of the memory of `Path`s.
    """

    cine: str | Path | None = None
    ed: str | Path | None = None
    es: str | Path | None = None
    labels_cine: str | Path | None = None
    labels_ed: str | Path | None = None
    labels_es: str | Path | None = None
    dicom: str | Path | None = None
    slices: tuple[str | Path, ...] = ()

    @property
    def files(self) -> tuple[str | Path | None, ...]:
        whole = (self.cine, self.ed, self.es, self.labels_cine, self.labels_ed, self.labels_es)
        return (*whole, self.dicom, *self.slices)

    @property
    def is_there(self) -> bool:
        """Whether there are images of at least ED and ES. Label maps alone are no MRI."""
        return bool(self.cine or self.dicom or self.slices or (self.ed and self.es))


IMAGE, LABELS = "sa", "seg_sa"  # names of ukbb_cardiac's files, less their endings
IMAGE_STEMS = {  # name -> field of ShortAxis
    IMAGE: "cine",
    LABELS: "labels_cine",
    **dict(zip(phase_stems(IMAGE), ("ed", "es"), strict=True)),
    **dict(zip(phase_stems(LABELS), ("labels_ed", "labels_es"), strict=True)),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One person at one visit.

    Attributes:
        eid, instance: the participant's number and the visit, from the file's name.
            Whoever is called by a name has a number of `cohort.person_number`.
        ecg: the ECG's file; None where there is none at this instance.
        images: the MRI's files at this instance.
        ecg_elsewhere, mri_elsewhere: other instances at which this person has one.
        long_axis: a zip, a folder or a NIfTI of long-axis MRI (field 20208) at this instance, or a folder with
            la_2ch.nii.gz, la_3ch.nii.gz or la_4ch.nii.gz. `cohort.convert` and `cohort.report` read it; training not.
        name: of a person whom no eid calls.
    """

    eid: int
    instance: int
    ecg: str | Path | None = None
    images: ShortAxis = ShortAxis()
    ecg_elsewhere: tuple[int, ...] = ()
    mri_elsewhere: tuple[int, ...] = ()
    long_axis: str | Path | None = None
    name: str = ""

    @property
    def called(self) -> str:
        """Person and visit, for files and messages."""
        return f"{self.name or self.eid}_{self.instance}"

    @property
    def short_axis_called(self) -> str:
        """What to call the MRI in an error."""
        return f"short-axis MRI of {self.name or self.eid} at instance {self.instance}"

    @property
    def has_mri(self) -> bool:
        return self.images.is_there

    @property
    def missing(self) -> tuple[Finding, ...]:
        """What keeps this subject from being a pair; empty when complete."""
        findings = []
        if self.ecg is None:
            words = f"no ECG at instance {self.instance}{_elsewhere(self.ecg_elsewhere)}"
            findings.append(Finding("visit_no_ecg", words))
        if not self.has_mri:
            findings.append(self._missing_mri())
        return tuple(findings)

    def _missing_mri(self) -> Finding:
        if self.images.ed or self.images.es:
            there, absent = PHASES if self.images.ed else reversed(PHASES)
            return Finding("visit_half_mri", f"short-axis MRI has {there} but no {absent}")
        at = f" at instance {self.instance}{_elsewhere(self.mri_elsewhere)}" if self.mri_elsewhere else ""
        return Finding("visit_no_mri", f"no short-axis MRI{at}")


def complete(subject: Subject) -> bool:
    """Whether a subject has both an ECG and a short-axis MRI."""
    return subject.ecg is not None and subject.has_mri


def pairs(subjects: Iterable[Subject]) -> list[Subject]:
    """The complete ones, in the order given."""
    return [subject for subject in subjects if complete(subject)]


def split_of(eid: int) -> Literal["train", "validation", "test"]:
    """80 / 10 / 10 by a hash of the person alone. So both visits go together, and newcomers move nobody."""
    share = int(hashlib.sha256(str(eid).encode()).hexdigest()[:8], 16) / 16**8
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def names_of(subjects: Iterable[Subject]) -> frozenset[str]:
    """The names of those whom no eid calls."""
    return frozenset(subject.name for subject in subjects if subject.name)


def too_few_to_split(splits: Iterable[str]) -> bool:
    """Whether the split leaves nobody to train on, or nobody to validate on. Then everybody is in every split."""
    return not {"train", "validation"} <= set(splits)


def _elsewhere(instances: tuple[int, ...]) -> str:
    return f" (one at instance {', '.join(map(str, instances))})" if instances else ""
