"""Label maps of an external segmenter: read from a folder, brought to one numbering, and checked.

    <labels>/<patient>/seg_sa_ED.nii.gz, seg_sa_ES.nii.gz     of sample 1, or seg_sa.nii.gz with the phases in time
    <labels>/<patient>/sample_2/ ...                          of further samples

This is the layout in which sample.py writes hearts (sa_ED.nii.gz, ...), on the same grid. Which number is which:
cohort.label_numbering.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cohort.cine import Label, read_nifti, same_affine
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.label_numbering import Convention, detect_convention, to_ukbb
from cohort.label_quality import FEWEST_PIXELS, FEWEST_SLICES, LabelQuality
from cohort.phases import phase_stems
from cohort.subjects import IMAGE, LABELS

NAMES = {Label.LV_CAVITY: "LV cavity", Label.LV_MYOCARDIUM: "LV myocardium", Label.RV_CAVITY: "RV cavity"}
SEGMENT_AS_IS = "segment the hearts on the grid in which they were written, and write the maps on it"


# ---- Which numbering ----


def one_convention(by_patient: dict[str, Convention], source: object = "label maps") -> Convention:
    """The convention that all patients share.

    Raises:
        InputError: they disagree, or there is nobody.
    """
    examples = {convention: patient for patient, convention in by_patient.items()}
    if len(examples) == 1:
        return next(iter(examples))
    if not examples:
        raise InputError(source, "holds no label map", "put a folder for each patient in it")
    raise InputError(
        source,
        f"{examples['ukbb']} seems to follow ukbb and {examples['acdc']} acdc",
        "give the label maps of one segmenter, or state their convention",
    )


# ---- A segmenter's folder ----


def read_labels(
    folder: Path,
    geometry: GridGeometry | None = None,
    patients: Iterable[str] | None = None,
    hearts: Path | None = None,
    convention: Convention | None = None,
) -> dict[str, np.ndarray]:
    """Label maps of generated hearts, drawn by an external segmenter.

    Args:
        folder: laid out as the head of this file says.
        geometry: of the hearts; the maps have its shape.
        patients: names of their folders. If not given, all folders are read.
        hearts: the folder of the hearts themselves, laid out alike. Every sample must then have a map on its heart's
            affine. If not given, hearts are looked for beside the maps. Where there is none, the affine has to be that
            of generated hearts (`canonical_affine`).
        convention: the numbering of the files. If not given, it is detected for each patient, and must be the same.

    Returns:
        patient -> (samples, slices, phases, height, width) uint8 in the numbers of `Label`.

    Raises:
        InputError: a map is absent, unreadable or on another grid; the convention is unclear or differs.
    """
    folder, geometry = Path(folder), geometry or GridGeometry()
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder of label maps, one folder in it a patient")
    if patients is None:
        patients = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    by_patient = {name: _patient_labels(folder / name, geometry, hearts and Path(hearts) / name) for name in patients}
    if convention is None:
        detected = {name: detect_convention(np.concatenate(maps), folder / name) for name, maps in by_patient.items()}
        convention = one_convention(detected, folder)
    return {name: to_ukbb(maps, convention) for name, maps in by_patient.items()}


def _patient_labels(folder: Path, geometry: GridGeometry, heart: Path | None) -> np.ndarray:
    """(samples, slices, phases, height, width) as numbered in the files."""
    further = [path for path in (heart or folder).glob("sample_[0-9]*") if path.is_dir()]
    samples = [".", *(f"sample_{number}" for number in range(2, len(further) + 2))]
    maps = []
    for sample in samples:
        affine = _heart_affine((heart or folder) / sample)
        if affine is None and heart:
            raise InputError(heart / sample, "holds no heart", "give the folder that sample.py wrote")
        maps.append(_read_map(folder / sample, geometry, canonical_affine(geometry) if affine is None else affine))
    return np.stack(maps)


def _heart_affine(folder: Path) -> np.ndarray | None:
    """(4, 4) of the heart's first file; None where there is none."""
    paths = (folder / f"{stem}.nii.gz" for stem in (IMAGE, *phase_stems(IMAGE)))
    return next((read_nifti(path).affine for path in paths if path.exists()), None)


def _read_map(folder: Path, geometry: GridGeometry, affine: np.ndarray) -> np.ndarray:
    """(slices, phases, height, width) of one heart."""
    cine, stills = folder / f"{LABELS}.nii.gz", [folder / f"{stem}.nii.gz" for stem in phase_stems(LABELS)]
    paths = stills if geometry.phases == 2 and not cine.exists() else [cine]
    if absent := [path.name for path in paths if not path.exists()]:
        raise InputError(folder, f"has no {' and no '.join(absent)}", "write a label map for every heart")
    expected = (geometry.width, geometry.height, geometry.slices, geometry.phases // len(paths))
    stacks = []
    for path in paths:
        stack = read_nifti(path, labels=True)
        if stack.voxels.shape != expected:
            raise InputError(path, f"has shape (x, y, z, t) {stack.voxels.shape}, not {expected}", SEGMENT_AS_IS)
        if not same_affine(stack.affine, affine):
            raise InputError(path, "has another affine than the heart", SEGMENT_AS_IS)
        stacks.append(stack.voxels)
    return np.concatenate(stacks, axis=3).transpose(2, 3, 1, 0)


# ---- Is it whole ----


def quality_faults(labels: np.ndarray, mask: np.ndarray | None = None) -> list[str]:
    """What keeps a label map from being measured, a sentence each, by the rule of `LabelQuality`. Empty when nothing.

    Args:
        labels: (slices, phases, height, width) of `Label`, phase 0 being ED.
        mask: (slices, phases) bool. Labels outside the acquisition do not count.
    """
    acquired = np.ones(len(labels), bool) if mask is None else np.asarray(mask)[:, 0]
    quality = LabelQuality(labels[:, 0], acquired)
    faults = [
        f"{NAMES[label]} has {quality.pixels[label].sum()} pixels at ED, fewer than {FEWEST_PIXELS}"
        for label in quality.small
    ]
    if quality.shown.sum() < FEWEST_SLICES:
        slices = f"{quality.shown.sum()} of {acquired.sum()} slices"
        faults.append(f"LV cavity and myocardium are on {slices} at ED, fewer than {FEWEST_SLICES}")
    if gaps := ", ".join(str(number + 1) for number in quality.gaps):
        faults.append(f"LV cavity and myocardium are interrupted at slice {gaps} of {len(labels)} at ED")
    return faults
