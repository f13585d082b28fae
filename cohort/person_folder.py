"""What a person's folder of NIfTI files holds, by their names, in the layouts of several collections.

sa.nii.gz, sa_ED.nii.gz, seg_sa.nii.gz                ukbb_cardiac
patient001_4d.nii.gz, patient001_frame01.nii.gz,      ACDC; Info.cfg says which frames are ED and ES
    patient001_frame01_gt.nii.gz
A0S9V9_sa.nii.gz, A0S9V9_sa_gt.nii.gz                 M&Ms
001_SA_CINE.nii.gz, 001_SA_ED.nii.gz, ..._gt          M&Ms-2
sa_1.nii.gz, CINE_segmented_SAX_b1.nii.gz, ...        one slice a file, as dcm2niix writes UK Biobank's series
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cohort.input_file import read_limited
from cohort.long_axis_views import VIEWS
from cohort.subjects import IMAGE_STEMS, ShortAxis

NIFTI_ENDINGS = (".nii.gz", ".nii")
AFTER_FOLDER_NAME = {  # what follows the folder's name -> field of ShortAxis
    "4d": "cine",
    "4d_gt": "labels_cine",
    "sa": "cine",
    "sa_gt": "labels_cine",
    "sa_cine": "cine",
    "sa_ed": "ed",
    "sa_es": "es",
    "sa_ed_gt": "labels_ed",
    "sa_es_gt": "labels_es",
}
FRAME = re.compile(r"frame(\d+)(_gt)?")
ACDC_NOTE = "Info.cfg"
ACDC_FRAME = re.compile(r"^\s*(ED|ES)\s*:\s*(\d+)\s*$", re.MULTILINE)
LARGEST_NOTE = 1 << 16  # bytes
SLICE = re.compile(r"(?:.*[^a-z])?sax?[-_ ]?(?:b|slice)?[-_ ]?\d+(?:[^a-z0-9].*)?")


def nifti_stem(name: str) -> str:
    """A name without .nii or .nii.gz; empty where it has neither."""
    ending = next((ending for ending in NIFTI_ENDINGS if name.lower().endswith(ending)), None)
    return name[: -len(ending)] if ending else ""


def images_by_name(folder: str, files: Mapping[str, str]) -> ShortAxis:
    """The short-axis MRI among the files of a folder. It takes .nii before .nii.gz, which is slower to read.

    Args:
        folder: its name.
        files: name -> path.

    Raises:
        InputError: ACDC's note cannot be read.
    """
    roles: dict[str, str] = {}
    slices: dict[str, str] = {}
    frames: dict[tuple[int, str], str] = {}
    for name in sorted(files):
        stem = nifti_stem(name)
        rest = stem[len(folder) + 1 :].lower() if stem.lower().startswith(f"{folder}_".lower()) else ""
        role = IMAGE_STEMS.get(stem) or AFTER_FOLDER_NAME.get(rest)
        frame = FRAME.fullmatch(rest)
        if role:
            roles.setdefault(role, files[name])
        elif frame:
            frames.setdefault((int(frame[1]), "labels_" if frame[2] else ""), files[name])
        elif stem and SLICE.fullmatch(stem.lower()) and not stem.lower().startswith("seg") and "_gt" not in stem:
            slices.setdefault(stem, files[name])
    if frames and ACDC_NOTE in files:
        for phase, number in _acdc_phases(Path(files[ACDC_NOTE])).items():
            for kind in ("", "labels_"):
                if (number, kind) in frames:
                    roles.setdefault(f"{kind}{phase}", frames[number, kind])
    if not roles and len(slices) > 1:
        return ShortAxis(slices=tuple(slices.values()))
    return ShortAxis(**roles)


def views_by_name(files: Iterable[str]) -> tuple[str, ...]:
    """The long-axis views among the names of files, in ukbb_cardiac's layout: "2ch", "3ch", "4ch"."""
    stems = {nifti_stem(name) for name in files}
    return tuple(view for view in VIEWS if f"la_{view}" in stems)


def frames_without_note(folder: str, files: Iterable[str]) -> bool:
    """Whether a folder has ACDC's numbered frames, and no note that says which of them are ED and ES.

    Args:
        folder: its name. files: names.
    """
    names = list(files)
    stems = (nifti_stem(name).lower() for name in names)
    prefix = f"{folder}_".lower()
    return ACDC_NOTE not in names and any(
        stem.startswith(prefix) and FRAME.fullmatch(stem.removeprefix(prefix)) for stem in stems
    )


def _acdc_phases(note: Path) -> dict[str, int]:
    """The numbers of the frames "ed" and "es" that ACDC's note tells."""
    text = read_limited(note, LARGEST_NOTE).decode("utf-8", errors="replace")
    return {phase.lower(): int(number) for phase, number in ACDC_FRAME.findall(text)}
