"""Who is in the folder: UK Biobank's file names, people paired by (eid, instance), and the split by person.

    UKBB/ecg/<eid>_20205_<instance>_<array>.xml          or .hea (WFDB)
    UKBB/NIFTI/<eid>_20209_<instance>_<array>.nii.gz     a whole cine, flat
    UKBB/NIFTI/<eid>_20209_<instance>_<array>.zip        the same as DICOM
    UKBB/NIFTI/<folder>/sa.nii.gz, sa_ED.nii.gz, ...     ukbb_cardiac's layout; <folder> is <eid> (instance 2),
                                                         <eid>_<instance> or <eid>_20209_<instance>_<array>

An ECG belongs to an MRI only when eid AND instance are equal.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cohort.ecg_formats import COHORT_SIDECARS, COHORT_SUFFIXES
from cohort.errors import InputError
from cohort.finding import Finding
from cohort.phases import PHASES, phase_stems

ECG_FIELD, MRI_FIELD = "20205", "20209"  # resting 12-lead ECG, short-axis heart MRI
FIRST_IMAGING_VISIT = 2  # the instance of a folder that names none
FIRST_SIMULATED_EID = 9_000_001  # of the phantoms; UK Biobank's participants have smaller numbers
BULK_NAME = re.compile(r"([1-9]\d{6})_(\d{5})_(\d)_(\d+)")
FOLDER_NAME = re.compile(r"([1-9]\d{6})(?:_(\d))?")
Visit = tuple[int, int]  # eid, instance


@dataclass(frozen=True, slots=True)
class ShortAxis:
    """Paths of one short-axis MRI: the 4D cine, the ED and ES volumes, and the label map of each; any may be None.

    `dicom` is a zip or a folder of DICOM files with the cine; a NIfTI beside it goes first.

    A scan of a folder gives paths as text, which for 100,000 people needs a third of the memory of `Path`s.
    """

    cine: str | Path | None = None
    ed: str | Path | None = None
    es: str | Path | None = None
    labels_cine: str | Path | None = None
    labels_ed: str | Path | None = None
    labels_es: str | Path | None = None
    dicom: str | Path | None = None

    @property
    def files(self) -> tuple[str | Path | None, ...]:
        return (self.cine, self.ed, self.es, self.labels_cine, self.labels_ed, self.labels_es, self.dicom)


ZIP = ".zip"  # of DICOM files, as UK Biobank hands them out
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
        ecg: the ECG's file; None where there is none at this instance.
        images: the MRI's files at this instance.
        ecg_elsewhere, mri_elsewhere: other instances at which this person has one.
    """

    eid: int
    instance: int
    ecg: str | Path | None = None
    images: ShortAxis = ShortAxis()
    ecg_elsewhere: tuple[int, ...] = ()
    mri_elsewhere: tuple[int, ...] = ()

    @property
    def has_mri(self) -> bool:
        return bool(self.images.cine or self.images.dicom or (self.images.ed and self.images.es))

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


@dataclass(frozen=True)
class Scan:
    """What a folder holds: subjects in order of (eid, instance), and the number of entries that follow no rule."""

    subjects: list[Subject]
    strays: int


def find_subjects(data: Path) -> list[Subject]:
    """Every person and visit with an ECG or an MRI, incomplete ones included, in order of (eid, instance).

    Raises:
        InputError: no such folder, or nothing in it whose name follows the rules.
    """
    return scan(data).subjects


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


def too_few_to_split(splits: Iterable[str]) -> bool:
    """Whether the split leaves nobody to train on, or nobody to validate on. Then everybody is in every split."""
    return not {"train", "validation"} <= set(splits)


def scan(data: Path) -> Scan:
    """Read the names in data/ecg and data/NIFTI, and no file. Links are never followed; they count as strays.

    Raises:
        InputError: as `find_subjects`.
    """
    data = Path(data)
    subjects: dict[Visit, Subject] = {}
    strays = _scan_ecgs(data / "ecg", subjects) + _scan_images(data / "NIFTI", subjects)
    if not subjects:
        raise InputError(
            data,
            "holds no ECG and no MRI" if data.is_dir() else "is not a folder",
            f"put ECGs in {data / 'ecg'} as <eid>_20205_2_0.xml and cines in {data / 'NIFTI'} as "
            "<eid>_20209_2_0.nii.gz or <eid>/sa.nii.gz, or make some: python make_phantom.py --output UKBB",
        )
    return Scan(_with_other_visits([subjects[visit] for visit in sorted(subjects)]), strays)


def _elsewhere(instances: tuple[int, ...]) -> str:
    return f" (one at instance {', '.join(map(str, instances))})" if instances else ""


def _entries(folder: str | Path) -> Iterator[os.DirEntry]:
    """Entries in no order, without hidden ones; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.name[0] != ".")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(folder, f"cannot be listed ({error.strerror})", "check its permissions") from error


def _scan_ecgs(folder: Path, subjects: dict[Visit, Subject]) -> int:
    """Put the best ECG of each visit into `subjects` and return the number of strays.

    The best has the first format of the table, then the lowest array number, then the first name.
    """
    strays = 0
    for entry in _entries(folder):
        stem, suffix = _parts(entry.name)
        name = BULK_NAME.fullmatch(stem)
        known = suffix in COHORT_SUFFIXES or suffix in COHORT_SIDECARS
        if not (name and known and entry.is_file(follow_symlinks=False)):
            strays += 1
        elif name[2] == ECG_FIELD and suffix in COHORT_SUFFIXES:
            visit = (int(name[1]), int(name[3]))
            other = subjects.get(visit)
            path = entry.path if other is None else min(other.ecg, entry.path, key=_ecg_rank)
            subjects[visit] = Subject(*visit, path)
    return strays


def _ecg_rank(path: str) -> tuple[int, int, str]:
    stem, suffix = _parts(path)
    return COHORT_SUFFIXES.index(suffix), int(stem.rpartition("_")[2]), path


def _parts(name: str) -> tuple[str, str]:
    """A name less its ending, and the ending with its dot in lower case."""
    stem, dot, ending = name.rpartition(".")
    return stem, dot + ending.lower()


def _scan_images(folder: Path, subjects: dict[Visit, Subject]) -> int:
    """Put the MRI of each visit into `subjects` and return the number of strays.

    Where a visit has two, the one of more files is taken, then that of the first name.
    """
    strays = 0
    for entry in _entries(folder):
        is_folder = entry.is_dir(follow_symlinks=False)
        stem = entry.name if is_folder else _image_stem(entry)
        name = BULK_NAME.fullmatch(stem) or (FOLDER_NAME.fullmatch(stem) if is_folder else None)
        if name is None:
            strays += 1
            continue
        if name.re is BULK_NAME and name[2] != MRI_FIELD:
            continue  # long axis, scout, flow: not needed, not wrong
        instance = name[3] if name.re is BULK_NAME else name[2]
        visit = (int(name[1]), int(instance or FIRST_IMAGING_VISIT))
        images = _images_in(entry.path) if is_folder else _image_file(entry.path)
        known = subjects.get(visit)
        if known and any(known.images.files):
            images = min(known.images, images, key=_images_rank)
        if any(images.files):
            subjects[visit] = Subject(*visit, known and known.ecg, images)
    return strays


def _images_rank(images: ShortAxis) -> tuple[int, list[tuple[str, ...]]]:
    """More files first, then the first name. Paths are compared name by name, not letter by letter."""
    paths = [path for path in images.files if path]
    return -len(paths), [Path(path).parts for path in paths]


def _nifti_stem(entry: os.DirEntry) -> str:
    """The name without .nii or .nii.gz; empty where it is no such file."""
    stem = entry.name.removesuffix(".gz").removesuffix(".nii")
    return stem if ".nii" in entry.name and entry.is_file(follow_symlinks=False) else ""


def _image_stem(entry: os.DirEntry) -> str:
    """The name of a NIfTI or of a zip, less its ending; empty where it is neither."""
    stem, suffix = _parts(entry.name)
    return stem if suffix == ZIP and entry.is_file(follow_symlinks=False) else _nifti_stem(entry)


def _image_file(path: str) -> ShortAxis:
    return ShortAxis(dicom=path) if _parts(path)[1] == ZIP else ShortAxis(cine=path)


def _images_in(folder: str) -> ShortAxis:
    """What a person's folder holds. It takes .nii before .nii.gz, which is slower to read."""
    paths: dict[str, str] = {}
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        role = IMAGE_STEMS.get(_nifti_stem(entry))
        if role:
            paths.setdefault(role, entry.path)
    return ShortAxis(**paths)


def _with_other_visits(subjects: list[Subject]) -> list[Subject]:
    """The same subjects. Incomplete ones now know at which other visits this person has what they lack."""
    lacking = {subject.eid for subject in subjects if not complete(subject)}
    if not lacking:
        return subjects
    ecgs: dict[int, list[int]] = {eid: [] for eid in lacking}
    images: dict[int, list[int]] = {eid: [] for eid in lacking}
    for subject in subjects:
        if subject.eid in lacking and subject.ecg:
            ecgs[subject.eid].append(subject.instance)
        if subject.eid in lacking and subject.has_mri:
            images[subject.eid].append(subject.instance)
    return [
        subject
        if complete(subject)
        else replace(
            subject,
            ecg_elsewhere=tuple(i for i in ecgs[subject.eid] if i != subject.instance),
            mri_elsewhere=tuple(i for i in images[subject.eid] if i != subject.instance),
        )
        for subject in subjects
    ]
