"""A small beating stack as DICOM: one object a frame, as UK Biobank has it, and every part of it can be changed.

The patient in them has the name and the number of `tests.corpora.case`, which nothing may repeat.
"""

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.corpora.case import CANARY, CANARY_PID

SLICES, FRAMES, ROWS, COLUMNS = 6, 8, 12, 10
GAP_MM, PIXEL_MM = 9.0, (1.5, 1.75)  # between slices; from row to row, and from column to column
INTERVAL_MS = 110.0
MR_IMAGE, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
TOWARDS_APEX = np.array([1.0, -1.0, -1.0]) / np.sqrt(3)  # LPS: left, anterior, inferior
FIRST_PLACE = np.array([-60.0, -20.5, 40.25])  # LPS mm of the first pixel of the most basal slice


@dataclass(frozen=True)
class Image:
    """One frame: its values, and attributes by keyword that replace those of `dataset`; None takes one away."""

    values: np.ndarray
    slice: int
    frame: int
    changes: tuple[tuple[str, object], ...] = ()
    syntax: str = ExplicitVRLittleEndian

    def but(self, syntax: str | None = None, **changes: object) -> "Image":
        return replace(self, syntax=syntax or self.syntax, changes=(*self.changes, *changes.items()))


def true_values(slices: int = SLICES, frames: int = FRAMES, seed: int = 3) -> np.ndarray:
    """(slices, frames, rows, columns) of 12 bits, none like another."""
    return np.random.default_rng(seed).integers(0, 4000, (slices, frames, ROWS, COLUMNS)).astype(np.uint16)


def turn(normal: np.ndarray = TOWARDS_APEX) -> np.ndarray:
    """(2, 3) direction cosines of rows and columns of a plane whose normal is this one."""
    row = np.cross([0.1, 0.2, 1.0], normal)
    row /= np.linalg.norm(row)
    return np.array([row, np.cross(normal, row)])


def place_of(number: float, normal: np.ndarray = TOWARDS_APEX) -> np.ndarray:
    return FIRST_PLACE + number * GAP_MM * normal


def true_affine(normal: np.ndarray = TOWARDS_APEX, gap_mm: float = GAP_MM) -> np.ndarray:
    """(4, 4) (column, row, slice) -> RAS mm."""
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turn(normal)[0] * PIXEL_MM[1], turn(normal)[1] * PIXEL_MM[0]
    affine[:3, 2], affine[:3, 3] = normal * gap_mm, FIRST_PLACE
    affine[:2] *= -1
    return affine


def images(values: np.ndarray | None = None, **changes: object) -> list[Image]:
    """Every frame of every slice, in order; `changes` in each."""
    values = true_values() if values is None else values
    return [Image(values[s, t], s, t).but(**changes) for s in range(values.shape[0]) for t in range(values.shape[1])]


def numbers(values: Iterable[float]) -> list[str]:
    return [f"{value:.10g}"[:16] for value in values]


def dataset(image: Image) -> Dataset:
    """A series a slice; times from 0 on; a patient who has a name."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM"]
    made.SOPClassUID = MR_IMAGE
    made.SOPInstanceUID = f"1.2.3.{image.slice + 1}.{image.frame + 1}"
    made.SeriesInstanceUID = f"1.2.3.{image.slice + 1}"
    made.StudyInstanceUID = "1.2.3"
    made.Modality = "MR"
    made.PatientName, made.PatientID, made.PatientBirthDate = f"{CANARY}^Berta", CANARY_PID, "19570302"
    made.SeriesDescription = f"CINE_segmented_SAX_b{image.slice + 1}"
    made.AcquisitionDate, made.AcquisitionTime = "20240102", f"1030{image.slice:02d}.{image.frame:03d}"
    made.SeriesNumber, made.InstanceNumber = image.slice + 5, image.frame + 1
    made.TriggerTime = f"{image.frame * INTERVAL_MS:g}"
    made.NominalInterval = round(FRAMES * INTERVAL_MS)
    made.RepetitionTime, made.SliceThickness = "34", "8"
    made.ImagePositionPatient = numbers(place_of(image.slice))
    made.ImageOrientationPatient = numbers(turn().ravel())
    made.PixelSpacing = numbers(PIXEL_MM)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = image.values.shape
    bits = 8 * image.values.dtype.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, min(bits, 12), min(bits, 12) - 1
    made.PixelRepresentation = int(image.values.dtype.kind == "i")
    big = image.syntax == "1.2.840.10008.1.2.2"
    made.PixelData = image.values.astype(image.values.dtype.newbyteorder(">" if big else "<")).tobytes()
    made["PixelData"].VR = "OW" if bits > 8 else "OB"
    for keyword, value in image.changes:
        if value is None:
            if keyword in made:
                delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def written(made: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """As a file, with its header."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID", MR_IMAGE)
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "1.2.3.4")
    file = io.BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


def contents(made: Iterable[Image]) -> list[bytes]:
    return [written(dataset(image), image.syntax) for image in made]


def zipped(files: Iterable[bytes], method: int = zipfile.ZIP_DEFLATED, **more: bytes) -> bytes:
    """A zip of objects, with names that say nothing; `more` by name, dots for double underscores."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, content in enumerate(files):
            archive.writestr(f"{number:05d}.dcm", content)
        for name, content in more.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def enhanced(
    values: np.ndarray, change: Callable[[Dataset], None] = lambda made: None, syntax: str = ExplicitVRLittleEndian
) -> bytes:
    """All slices and frames as one enhanced object."""
    made = dataset(images(values)[0])
    made.SOPClassUID, made.NumberOfFrames = ENHANCED_MR, values.shape[0] * values.shape[1]
    for keyword in ("TriggerTime", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(made, keyword)
    made.PixelData = values.astype("<u2").tobytes()
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=numbers(turn().ravel()))])
    shared.PixelMeasuresSequence = Sequence([_item(PixelSpacing=numbers(PIXEL_MM), SliceThickness="8")])
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for s in range(values.shape[0]):
        for t in range(values.shape[1]):
            group = Dataset()
            group.PlanePositionSequence = Sequence([_item(ImagePositionPatient=numbers(place_of(s)))])
            group.CardiacSynchronizationSequence = Sequence([_item(NominalCardiacTriggerDelayTime=t * INTERVAL_MS)])
            group.FrameContentSequence = Sequence([_item(TemporalPositionIndex=t + 1)])
            groups.append(group)
    made.PerFrameFunctionalGroupsSequence = Sequence(groups)
    change(made)
    return written(made, syntax)


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def write_folder(folder: Path, files: Iterable[bytes], below: str = "") -> Path:
    """A folder of objects, `below` a folder in it."""
    place = folder / "case" / below
    place.mkdir(parents=True)
    for number, content in enumerate(files):
        (place / f"{number:05d}").write_bytes(content)
    return folder / "case"
