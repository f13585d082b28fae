"""What a patient's folder holds: NIfTI in millimetres, a picture, and a record of how they were made."""

import json
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.disk import PARTIAL, sha256_of, whole_folder, write_bytes, write_json, write_text
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.phases import phase_stems
from cohort.subjects import IMAGE, LABELS

from .departure_picture import departure_picture
from .grid import write_grid
from .red_line import BESIDE_REAL, RED_LINE
from .true_heart import real_heart_words

RECORD, SPREAD, DEPARTURE = "heart.json", "sd", "z"
INTENSITY_MAX = 1000  # of the int16 voxels written for intensity 1
NOT_FOR_DIAGNOSIS = (
    "A generated image, for research. Not for diagnosis: it shows what an ECG suggests, not what a scanner saw."
)


OURS = re.compile(
    rf"heart\.(json|html|gif)|(grid|curve)\.png|(s[ad]|z)(_E[DS])?\.nii\.gz|z\.png|seg_sa(_E[DS])?\.nii\.gz|sample_\d+"
    rf"|{re.escape(PARTIAL)}.*"
)
LABEL_MAP = re.compile(r"seg_sa(_E[DS])?\.nii\.gz")  # ours, or somebody else's of our hearts
FILM, CURVE, PAGE, DEPARTURE_PICTURE = "heart.gif", "curve.png", "heart.html", "z.png"
NOT_FINITE = "samples"  # code of a heart that is refused (cohort.exclusion.REASONS)
SAMPLE_AGAIN = "run sample.py for this patient"


@dataclass(frozen=True, eq=False)
class Beating:
    """What is written of beating hearts beside their ED and ES.

    Attributes:
        cines: (samples, slices, frames, height, width) in [0, 1]; frame 0 is ED.
        film: GIF of sample 1.
        labels: (samples, slices, 2, height, width) `Label` at ED and ES; None where nothing measures hearts.
        cine_labels: of every frame, as cines, or None.
        curve: PNG of the volume's curve, or None.
    """

    cines: np.ndarray
    film: bytes
    labels: np.ndarray | None = None
    cine_labels: np.ndarray | None = None
    curve: bytes | None = None


def write_patient(
    folder: Path,
    hearts: np.ndarray,
    geometry: GridGeometry,
    record: dict,
    true_heart: np.ndarray | None = None,
    beat_s: float | None = None,
    beating: Beating | None = None,
    labels: np.ndarray | None = None,
    true_labels: np.ndarray | None = None,
    page: str | None = None,
    departure: np.ndarray | None = None,
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
        beating: cines of the same hearts, with their label maps and pictures; None of a pipeline of stills.
        labels: `Label` of every heart, as hearts, whose outlines the picture shows; None where nothing measures hearts.
        true_labels: of the true heart; None where nobody drew them.
        page: the patient's page (`sampling.heart_page`); None writes none.
        departure: z of every voxel of the true heart, (slices, phases, height, width); None writes no map.

    Raises:
        InputError: a voxel or a number is not finite. A link lies there, through which files would be written
            elsewhere. Or nobody may write there.
    """
    _require_finite(folder, record, hearts, *([beating.cines] if beating else []))
    refuse_links(folder)
    with whole_folder(folder) as unfinished:
        if len(hearts) > 1:
            _write_stacks(unfinished, hearts.std(axis=0), geometry, beat_s, SPREAD)
        for number, heart in enumerate(hearts, start=1):
            _write_stacks(unfinished if number == 1 else unfinished / f"sample_{number}", heart, geometry, beat_s)
        rows = [] if true_heart is None else [(real_heart_words(true_labels), true_heart)]
        generated = [(f"generated, sample {n}", heart) for n, heart in enumerate(hearts, start=1)]
        maps = ([true_labels] if rows else []) + ([None] * len(hearts) if labels is None else list(labels))
        write_grid(
            unfinished / "grid.png",
            rows + generated,
            labels=tuple(maps),
            pixel_mm=geometry.pixel_mm,
            line=BESIDE_REAL if rows else RED_LINE,
        )
        if beating:
            _write_beating(unfinished, beating, geometry, beat_s)
        if departure is not None:
            _write_departure(unfinished, departure, geometry, beat_s)
        if page is not None:
            write_text(unfinished / PAGE, page)
        _write_record(unfinished, record)
        _keep_strangers(folder, unfinished)


def departure_names(phases: int) -> list[str]:
    """What `write_patient` puts beside them of where a real heart departs."""
    stems = phase_stems(DEPARTURE) if phases == 2 else [DEPARTURE]
    return [*(f"{stem}.nii.gz" for stem in stems), DEPARTURE_PICTURE]


def written_names(
    samples: int, phases: int, beats: bool = False, measured: bool = True, page: bool = False
) -> list[str]:
    """What `write_patient` puts into every patient's folder: files, and a folder for each further sample.

    Args:
        beats: whether the hearts do. measured: whether there are label maps of beating hearts, and a curve.
        page: whether a page is written.
    """
    stacks, spreads = (
        [f"{stem}.nii.gz" for stem in (phase_stems(name) if phases == 2 else [name])] for name in (IMAGE, SPREAD)
    )
    further = [f"sample_{number}" for number in range(2, samples + 1)]
    moving = [f"{IMAGE}.nii.gz", FILM] if beats else []
    if beats and measured:
        moving += [f"{stem}.nii.gz" for stem in (LABELS, *phase_stems(LABELS))] + [CURVE]
    return [*stacks, *moving, *further, *(spreads if further else []), "grid.png", *([PAGE] if page else []), RECORD]


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


def _require_finite(folder: Path, record: dict, *hearts: np.ndarray) -> None:
    try:
        json.dumps(record, allow_nan=False)
        finite = all(bool(np.isfinite(voxels).all()) for voxels in hearts)
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
    """Copy what somebody else put into the folder: label maps of the hearts, notes.

    A label map is somebody else's where no record of ours lists it, and ours takes its place.
    """
    listed = _listed(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        theirs = LABEL_MAP.fullmatch(path.name) and path.name not in listed and not (unfinished / path.name).exists()
        if theirs or not OURS.fullmatch(path.name):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, unfinished / path.name)


def _listed(folder: Path) -> Collection[str]:
    """Files that a patient's record lists, by their paths in the folder; none where no record can be read."""
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()


def _read_stacks(folder: Path) -> np.ndarray:
    """The stills, where they are in files of their own; else the cine."""
    stills = [folder / f"{stem}.nii.gz" for stem in phase_stems(IMAGE)]
    paths = stills if all(path.exists() for path in stills) else [folder / f"{IMAGE}.nii.gz"]
    voxels = np.concatenate([read_nifti(path).voxels for path in paths], axis=3)  # (x, y, z, t)
    return voxels.transpose(2, 3, 1, 0).astype(np.float32) / INTENSITY_MAX


def _write_beating(folder: Path, beating: Beating, geometry: GridGeometry, beat_s: float | None) -> None:
    write_bytes(folder / FILM, beating.film)
    if beating.curve is not None:
        write_bytes(folder / CURVE, beating.curve)
    for number, cine in enumerate(beating.cines, start=1):
        place = folder if number == 1 else folder / f"sample_{number}"
        _write_cine(place / f"{IMAGE}.nii.gz", _thousandths(cine), geometry, beat_s)
        if beating.labels is not None:
            for phase, stem in enumerate(phase_stems(LABELS)):
                still = beating.labels[number - 1][:, phase : phase + 1]
                _write_cine(place / f"{stem}.nii.gz", still, geometry, None)
            _write_cine(place / f"{LABELS}.nii.gz", beating.cine_labels[number - 1], geometry, beat_s)


def _write_departure(folder: Path, z: np.ndarray, geometry: GridGeometry, beat_s: float | None) -> None:
    """z_ED and z_ES in SDs, or z of any other number of phases; and their picture."""
    z = z.astype(np.float32)
    if z.shape[1] == 2:
        for phase, stem in enumerate(phase_stems(DEPARTURE)):
            _write_cine(folder / f"{stem}.nii.gz", z[:, phase : phase + 1], geometry, None)
    else:
        _write_cine(folder / f"{DEPARTURE}.nii.gz", z, geometry, beat_s)
    write_bytes(folder / DEPARTURE_PICTURE, departure_picture(z))


def _write_stacks(
    folder: Path, heart: np.ndarray, geometry: GridGeometry, beat_s: float | None, name: str = IMAGE
) -> None:
    """Two phases become two files, e.g. sa_ED and sa_ES; any other number becomes one cine, sa."""
    folder.mkdir(exist_ok=True)
    heart = _thousandths(heart)
    if heart.shape[1] != 2:
        _write_cine(folder / f"{name}.nii.gz", heart, geometry, beat_s)
        return
    for phase, stem in enumerate(phase_stems(name)):
        _write_cine(folder / f"{stem}.nii.gz", heart[:, phase : phase + 1], geometry, None)


def _thousandths(heart: np.ndarray) -> np.ndarray:
    return np.round(INTENSITY_MAX * heart).astype(np.int16)


def _write_cine(path: Path, heart: np.ndarray, geometry: GridGeometry, beat_s: float | None) -> None:
    """Write (slices, frames, height, width); the frames share a beat."""
    interval_s = beat_s / heart.shape[1] if beat_s and heart.shape[1] > 1 else None
    voxels = np.ascontiguousarray(heart.transpose(3, 2, 0, 1))  # (x, y, z, t)
    write_nifti(path, CineStack(voxels, canonical_affine(geometry), interval_s))
