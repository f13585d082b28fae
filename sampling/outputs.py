"""What a patient's folder holds: NIfTI in millimetres, a picture, and a record of how they were made."""

import json
import re
import shutil
from pathlib import Path

import numpy as np

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.disk import PARTIAL, sha256_of, whole_folder, write_json
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.phases import phase_stems
from cohort.subjects import IMAGE

from .grid import write_grid

RECORD, SPREAD = "heart.json", "sd"
INTENSITY_MAX = 1000  # of the int16 voxels written for intensity 1
NOT_FOR_DIAGNOSIS = (
    "A generated image, for research. Not for diagnosis: it shows what an ECG suggests, not what a scanner saw."
)


OURS = re.compile(rf"heart\.json|grid\.png|s[ad](_E[DS])?\.nii\.gz|sample_\d+|{re.escape(PARTIAL)}.*")
NOT_FINITE = "samples"  # code of a heart that is refused (cohort.exclusion.REASONS)
SAMPLE_AGAIN = "run sample.py for this patient"


def write_patient(
    folder: Path,
    hearts: np.ndarray,
    geometry: GridGeometry,
    record: dict,
    true_heart: np.ndarray | None = None,
    beat_s: float | None = None,
) -> None:
    """Write one patient's samples, whole or not at all; an earlier folder stays until the new one is complete.

    Sample 1 lies in the folder itself, further ones in sample_2, sample_3, ..., each in the layout of ukbb_cardiac.
    With several samples, sd_ED and sd_ES (or sd) hold the standard deviation of every voxel. heart.json says the sha256
    of every file beside it. Files that somebody else put into the folder are kept.

    Args:
        hearts: (samples, slices, phases, height, width) in [0, 1].
        record: what heart.json says beside the note.
        true_heart: (slices, phases, height, width) in [0, 1], drawn on top of the picture.
        beat_s: how long a beat lasts, which the frames of a cine share; None where unknown.

    Raises:
        InputError: a voxel or a number is not finite. A link lies there, through which files would be written
            elsewhere. Or nobody may write there.
    """
    _require_finite(folder, hearts, record)
    refuse_links(folder)
    with whole_folder(folder) as unfinished:
        if len(hearts) > 1:
            _write_stacks(unfinished, hearts.std(axis=0), geometry, beat_s, SPREAD)
        for number, heart in enumerate(hearts, start=1):
            _write_stacks(unfinished if number == 1 else unfinished / f"sample_{number}", heart, geometry, beat_s)
        rows = [] if true_heart is None else [("true heart", true_heart)]
        generated = [(f"generated, sample {n}", heart) for n, heart in enumerate(hearts, start=1)]
        write_grid(unfinished / "grid.png", rows + generated)
        _write_record(unfinished, record)
        _keep_strangers(folder, unfinished)


def written_names(samples: int, phases: int) -> list[str]:
    """What `write_patient` puts into a patient's folder: files, and a folder for each further sample."""
    stacks, spreads = (
        [f"{stem}.nii.gz" for stem in (phase_stems(name) if phases == 2 else [name])] for name in (IMAGE, SPREAD)
    )
    further = [f"sample_{number}" for number in range(2, samples + 1)]
    return [*stacks, *further, *(spreads if further else []), "grid.png", RECORD]


def read_record(folder: Path) -> dict | None:
    """The record of a finished patient; None where there is none, or a file is not the one that was written.

    An output may have been cut short, copied in part or changed since. What a record does not vouch for is not trusted.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record if record["files"] and record["files"].items() <= _checksums(folder).items() else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def refuse_links(folder: Path) -> None:
    """Refuse a patient's folder that is a link, or holds one.

    Raises:
        InputError: naming the link.
    """
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise InputError(path, "is a link and may lead out of the output folder", "delete it")


def read_hearts(folder: Path) -> np.ndarray:
    """Read the samples that `write_patient` wrote: (samples, slices, phases, height, width) in [0, 1].

    Raises:
        InputError: the folder holds no finished patient, or a file of it is not the one that was written.
    """
    if not (folder / RECORD).exists():
        raise InputError(folder, "holds no finished pseudo-MRI", SAMPLE_AGAIN)
    record = read_record(folder)
    if record is None or not isinstance(record.get("samples"), int):
        raise InputError(folder, "is not as sample.py left it: a file is missing, damaged or changed", SAMPLE_AGAIN)
    folders = [folder, *(folder / f"sample_{number}" for number in range(2, record["samples"] + 1))]
    return np.stack([_read_stacks(sample) for sample in folders])


def _require_finite(folder: Path, hearts: np.ndarray, record: dict) -> None:
    try:
        json.dumps(record, allow_nan=False)
        finite = bool(np.isfinite(hearts).all())
    except ValueError:
        finite = False
    if not finite:
        fault = "the heart made of this ECG holds numbers that are not finite"
        raise InputError(folder.name, fault, "check the ECG, --guidance-scale and the pipeline", code=NOT_FINITE)


def _write_record(folder: Path, record: dict) -> None:
    about = {"note": NOT_FOR_DIAGNOSIS, **record, "files": _checksums(folder)}
    write_json(folder / RECORD, about)


def _checksums(folder: Path) -> dict[str, str]:
    """The sha256 of every file `write_patient` makes, but for the record, by its path in the folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECORD]
    own = [path for path in paths if OURS.fullmatch(path.relative_to(folder).parts[0])]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in own}


def _keep_strangers(folder: Path, unfinished: Path) -> None:
    """Copy what somebody else put into the folder: label maps of the hearts, notes."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if not OURS.fullmatch(path.name):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, unfinished / path.name)


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
