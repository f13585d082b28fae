"""What a patient's folder holds: NIfTI in millimetres, a picture, and a record of how they were made."""

import json
import shutil
from pathlib import Path

import numpy as np

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.disk import remove_unfinished, write_json
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.phases import phase_stems
from cohort.subjects import IMAGE

from .grid import write_grid

INTENSITY_MAX = 1000  # of the int16 voxels written for intensity 1
NOT_FOR_DIAGNOSIS = (
    "A generated image, for research. Not for diagnosis: it shows what an ECG suggests, not what a scanner saw."
)


def write_patient(
    folder: Path,
    hearts: np.ndarray,
    geometry: GridGeometry,
    record: dict,
    true_heart: np.ndarray | None = None,
    beat_s: float | None = None,
) -> None:
    """Write one patient's samples. heart.json comes last: where it is, the folder is complete.

    Sample 1 lies in the folder itself, further ones in sample_2, sample_3, ..., each in the layout of ukbb_cardiac.
    With several samples, sd_ED and sd_ES (or sd) hold the standard deviation of every voxel.

    Args:
        hearts: (samples, slices, phases, height, width) in [0, 1].
        record: what heart.json says beside the note.
        true_heart: (slices, phases, height, width) in [0, 1], drawn on top of the picture.
        beat_s: how long a beat lasts, which the frames of a cine share; None where unknown.

    Raises:
        InputError: a link lies there, through which files would be written elsewhere. Or nobody may write there.
    """
    _refuse_links(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    if (folder / "heart.json").exists():  # an earlier run's, perhaps with more samples or other phases
        (folder / "heart.json").unlink()
        for stale in folder.glob("sample_[0-9]*"):
            shutil.rmtree(stale)
        for stale in (*folder.glob("sa*.nii.gz"), *folder.glob("sd*.nii.gz")):
            stale.unlink()
    if len(hearts) > 1:
        _write_stacks(folder, hearts.std(axis=0), geometry, beat_s, "sd")
    for number, heart in enumerate(hearts, start=1):
        _write_stacks(folder if number == 1 else folder / f"sample_{number}", heart, geometry, beat_s)
    rows = [] if true_heart is None else [("true heart", true_heart)]
    write_grid(folder / "grid.png", rows + [(f"generated, sample {n}", h) for n, h in enumerate(hearts, start=1)])
    write_json(folder / "heart.json", {"note": NOT_FOR_DIAGNOSIS, **record})


def _refuse_links(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise InputError(path, "is a link and may lead out of the output folder", "delete it")


def read_hearts(folder: Path) -> np.ndarray:
    """Read the samples that `write_patient` wrote: (samples, slices, phases, height, width) in [0, 1].

    Raises:
        InputError: the folder holds no finished patient.
    """
    record = folder / "heart.json"
    if not record.exists():
        raise InputError(folder, "holds no finished pseudo-MRI", "run sample.py for this patient")
    count = json.loads(record.read_text())["samples"]
    folders = [folder, *(folder / f"sample_{number}" for number in range(2, count + 1))]
    return np.stack([_read_stacks(sample) for sample in folders])


def _read_stacks(folder: Path) -> np.ndarray:
    cine = folder / f"{IMAGE}.nii.gz"
    paths = [cine] if cine.exists() else [folder / f"{stem}.nii.gz" for stem in phase_stems(IMAGE)]
    voxels = np.concatenate([read_nifti(path).voxels for path in paths], axis=3)  # (x, y, z, t)
    return voxels.transpose(2, 3, 1, 0).astype(np.float32) / INTENSITY_MAX


def _write_stacks(
    folder: Path, heart: np.ndarray, geometry: GridGeometry, beat_s: float | None, name: str = IMAGE
) -> None:
    """Two phases become two files, e.g. sa_ED and sa_ES; any other number becomes one cine, sa."""
    folder.mkdir(exist_ok=True)
    affine = canonical_affine(geometry)
    voxels = np.round(INTENSITY_MAX * heart.transpose(3, 2, 0, 1)).astype(np.int16)  # (x, y, z, t)
    if heart.shape[1] != 2:
        interval_s = beat_s / heart.shape[1] if beat_s and heart.shape[1] > 1 else None
        write_nifti(folder / f"{name}.nii.gz", CineStack(voxels, affine, interval_s))
        return
    for phase, stem in enumerate(phase_stems(name)):
        write_nifti(folder / f"{stem}.nii.gz", CineStack(voxels[..., phase : phase + 1], affine, None))
