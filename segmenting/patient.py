"""One patient from the MRI's files to a whole folder of label maps, a picture and numbers."""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from cohort.disk import whole_folder, write_bytes
from cohort.errors import InputError
from cohort.phases import PHASES
from cohort.private import private
from cohort.pseudonym import Naming
from cohort.step_code import code_sha256
from models.segmenter import Segmenter
from sampling.measured_phenotypes import said_of, segmenter_sha256
from sampling.outputs import refuse_links
from sampling.pipeline import load_part

from .contours import contours_png
from .flags import flags_of, flags_of_file
from .measured_cine import MeasuredCine, measure_cine
from .network import SegmentedCine, segment_cine
from .reading import ReadMRI, read_mri
from .record import PICTURE, RECORD, is_whole, read_record, record_of, write_record
from .sources import Source

NO_HEART = 0.2  # Dice to expect, below which a label map is a guess; pure noise has 0.1, damaged hearts 0.4
OURS = ("seg_sa", PICTURE, RECORD, ".")  # how names of what is written here begin


@dataclass(frozen=True)
class Settings:
    """How every patient is segmented.

    Attributes:
        segmenter: its folder. device: a name of torch's. threads: of torch, in each process.
        output: where the patients' folders lie.
    """

    segmenter: Path
    output: Path
    naming: Naming
    device: str = "cpu"
    batch_size: int = 32
    threads: int = 1


class Outcome(NamedTuple):
    """What became of a patient.

    Attributes:
        name: in outputs.
        refusal: why there is none; None where there is.
        before: whether an earlier run had finished it. frames: segmented now.
        line: of its main numbers, for the screen.
    """

    name: str
    refusal: InputError | None = None
    before: bool = False
    frames: int = 0
    line: str = ""


def segment_patient(settings: Settings, source: Source) -> Outcome:
    """Segment, measure and write one patient. A file that is refused is an outcome; nothing is written of it."""
    name = settings.naming(source.name)
    try:
        return _segmented(settings, source, name)
    except InputError as fault:
        return Outcome(name, settings.naming.of_fault(fault, source.path, source.name))


def _segmented(settings: Settings, source: Source, name: str) -> Outcome:
    segmenter = loaded(settings.segmenter, settings.device, settings.threads)
    folder = settings.output / name
    about = {
        "patient": name,
        "input": settings.naming(_fingerprint(source)),
        "measured_by": said_of(segmenter),
        "segmenter_sha256": segmenter_hash(settings.segmenter, settings.device, settings.threads),
        "code": code_sha256("segmenting.patient"),
    }
    if _is_done(folder, about):
        return Outcome(name, before=True)
    mri = read_mri(source)
    found = segment_cine(segmenter, mri.cine, str(source.path), settings.batch_size)
    pixel_mm = found.grid.geometry.pixel_mm
    measured = measure_cine(found.labels, mri.cine, found.grid_labels, pixel_mm, mri.is_cycle)
    confidence = confidence_of(segmenter, found, measured)
    _require_heart(source, measured, confidence)
    flags = flags_of(measured, found.grid_labels, found.lv_apart, confidence)
    flags += flags_of_file(found.labels, mri.cine, (measured.lv.ed, measured.lv.es), found.grid)
    record = record_of(about, measured, flags, confidence, found.grid.notes)
    with private():
        _write(folder, mri, found, measured, record)
    return Outcome(name, frames=found.labels.shape[3], line=_line(name, measured, confidence))


def _require_heart(source: Source, measured: MeasuredCine, confidence: float | None) -> None:
    """Refuse (InputError) what shows no heart: noise, another organ, another view."""
    remedy = "look at it: is it a short-axis cine?"
    if not measured.lv.volume_ml.any():
        raise InputError(source.path, "shows the segmenter no left ventricle", remedy, code="geometry")
    if confidence is not None and confidence < NO_HEART:
        fault = f"shows the segmenter no heart (it expects a Dice of {confidence:.2f})"
        raise InputError(source.path, fault, remedy, code="geometry")


def confidence_of(segmenter: Segmenter, found: SegmentedCine, measured: MeasuredCine) -> float | None:
    """The Dice to expect at ED and ES, of a segmenter that learned to tell it; else None."""
    if not segmenter.config.get("dice_expected"):
        return None
    logits = found.logits[[measured.lv.ed, measured.lv.es]].flatten(0, 1)  # (N, classes, H, W)
    return float(segmenter.confidence_of_heart(logits.float()))


@cache
def loaded(folder: Path, device: str, threads: int) -> Segmenter:
    """The segmenter of a folder, once a process, which gets its share of the cores.

    Raises:
        InputError: the folder is refused.
    """
    torch.set_num_threads(threads)
    return load_part(Segmenter, folder).to(device=device, memory_format=torch.channels_last)


@cache
def segmenter_hash(folder: Path, device: str, threads: int) -> str:
    """`segmenter_sha256` of the segmenter that `loaded` gives."""
    return segmenter_sha256(loaded(folder, device, threads))


def _fingerprint(source: Source) -> str:
    """A hash of the files' sizes and times; it changes when one of them does. Reading them all would take as long."""
    try:
        known = [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in source.files)]
    except OSError as error:
        raise InputError(source.path, f"cannot be read ({error.strerror})", "check it", code="unreadable") from error
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _is_done(folder: Path, about: dict) -> bool:
    """Whether an earlier run finished this patient from the same files, network and code, and all of it is there.

    Raises:
        InputError: the folder is a link, holds one, or is somebody else's.
    """
    refuse_links(folder)
    record = read_record(folder)
    if record is None and folder.is_dir() and any(folder.iterdir()):
        raise InputError(folder, "is there, and segment.py did not write it", "choose another --output")
    return record is not None and about.items() <= record.items() and is_whole(folder, record)


def _write(folder: Path, mri: ReadMRI, found: SegmentedCine, measured: MeasuredCine, record: dict) -> None:
    """All of a patient's folder, or nothing of it. What somebody else put into it is kept."""
    at = [measured.lv.ed, measured.lv.es]
    captions = tuple(f"{phase} {frame}" for phase, frame in zip(PHASES, at, strict=True))
    picture = contours_png(found.grid.voxels[:, at], found.grid_labels[:, at], captions, record["patient"])
    with whole_folder(folder) as unfinished:
        mri.write_labels(unfinished, found.labels)
        write_bytes(unfinished / PICTURE, picture)
        write_record(unfinished, record)
        for path in folder.iterdir() if folder.is_dir() else ():
            if not path.name.startswith(OURS):
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, unfinished / path.name)


def _line(name: str, measured: MeasuredCine, confidence: float | None) -> str:
    numbers = measured.phenotypes
    told = ", ".join(f"{key} {numbers[key]:.0f} {unit}" for key, unit in (("LVEDV", "mL"), ("LVEF", "%"), ("LVM", "g")))
    return f"{name}: {told}" + ("" if confidence is None else f"; Dice to expect {confidence:.2f}")
