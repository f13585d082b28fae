"""A short-axis cine as the zip that UK Biobank hands out: field 20209, one DICOM file a frame, and a manifest.

Every slice is a series of its own, CINE_segmented_SAX_b1 and so on. Names of series and of the manifest's columns are
those that readers of the field look for (ukbb_cardiac, data/biobank_utils.py). No patient is named.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from cohort.disk import whole_file

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = "filename,patientid,date,seriesid,series discription"  # UK Biobank's spelling
STUDY_DATE = "Jan 1, 2020"  # UK Biobank's manifests have such a comma, which splits the cell
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
COMPRESSION = 1  # zlib's level: three times as fast as 6, for a tenth more bytes
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def write_dicom_zip(
    path: Path, eid: int, voxels: np.ndarray, affine: np.ndarray, times_ms: list[float], cycle_ms: float
) -> None:
    """Write a cine as a zip of DICOM files. The same cine gives the same bytes.

    Args:
        path: of the zip; its folder exists.
        eid: in the manifest, and in all that makes the UIDs.
        voxels: (x, y, slices, frames), whole numbers of 0 to 65_535, which are kept exactly.
        affine: (4, 4) voxel index -> RAS mm.
        times_ms: of each frame after the R wave. cycle_ms: from R wave to R wave.

    Raises:
        ValueError: a voxel that 16 bits cannot hold.
        InputError: the disk is full, or nobody may write there.
    """
    if voxels.min() < 0 or voxels.max() > np.iinfo(np.uint16).max:
        raise ValueError("voxels must be 0 to 65_535")
    lines = [MANIFEST_COLUMNS]
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, series, frame in _frames(eid, voxels, affine, times_ms, cycle_ms):
            lines.append(f"{name},{eid},{STUDY_DATE},{frame.SeriesInstanceUID},{series}")
            _add(archive, name, _bytes_of(frame))
        _add(archive, MANIFEST, "\n".join([*lines, ""]).encode())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    about = zipfile.ZipInfo(name, ZIP_TIME)
    about.external_attr = 0o644 << 16
    archive.writestr(about, content, zipfile.ZIP_DEFLATED, COMPRESSION)


def _frames(
    eid: int, voxels: np.ndarray, affine: np.ndarray, times_ms: list[float], cycle_ms: float
) -> Iterator[tuple[str, str, FileDataset]]:
    """(file name, series description, content) of every frame of every slice."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    x, y = (RAS_TO_LPS * affine[:3, axis] / spacing[axis] for axis in (0, 1))
    for z in range(voxels.shape[2]):
        series = f"CINE_segmented_SAX_b{z + 1}"
        corner = RAS_TO_LPS * (affine[:3, 3] + z * affine[:3, 2])
        for t, time_ms in enumerate(times_ms):
            frame = _empty_frame(_uid(eid, z, t))
            frame.StudyInstanceUID, frame.SeriesInstanceUID = _uid(eid), _uid(eid, z)
            frame.SeriesDescription, frame.SeriesNumber, frame.InstanceNumber = series, z + 1, t + 1
            frame.TriggerTime, frame.NominalInterval = DSfloat(time_ms, auto_format=True), round(cycle_ms)
            frame.CardiacNumberOfImages = len(times_ms)
            frame.ImagePositionPatient = [DSfloat(mm, auto_format=True) for mm in corner]
            frame.ImageOrientationPatient = [DSfloat(part, auto_format=True) for part in (*x, *y)]
            frame.PixelSpacing = [DSfloat(mm, auto_format=True) for mm in (spacing[1], spacing[0])]  # rows first
            _put_pixels(frame, voxels[:, :, z, t])
            yield f"{frame.SOPInstanceUID}.dcm", series, frame


def _empty_frame(uid: UID) -> FileDataset:
    """A MR image that says nothing yet. What DICOM wants said of a patient is there and empty."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, uid
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, _uid("phantom")
    frame = FileDataset(None, {}, preamble=bytes(128), file_meta=meta)
    frame.SOPClassUID, frame.SOPInstanceUID, frame.Modality = MRImageStorage, uid, "MR"
    frame.ImageType = ["ORIGINAL", "PRIMARY", "M", "RETRO"]
    for empty in ("StudyDate", "StudyTime", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"):
        setattr(frame, empty, "")
    return frame


def _put_pixels(frame: FileDataset, pixels: np.ndarray) -> None:
    """Put (x, y) pixels into a frame: x runs along its rows, y down its columns."""
    frame.SamplesPerPixel, frame.PhotometricInterpretation = 1, "MONOCHROME2"
    frame.Columns, frame.Rows = pixels.shape
    frame.BitsAllocated, frame.BitsStored, frame.HighBit, frame.PixelRepresentation = 16, 16, 15, 0
    frame.PixelData = np.ascontiguousarray(pixels.T).astype("<u2").tobytes()


def _uid(*parts: object) -> UID:
    """A UID that follows from its parts alone (DICOM PS3.5, B.2)."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _bytes_of(frame: FileDataset) -> bytes:
    content = io.BytesIO()
    frame.save_as(content, enforce_file_format=True)
    return content.getvalue()
