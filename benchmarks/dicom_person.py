"""One person's short-axis cine as a zip of DICOM files, and the ways of reading it that are timed."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from cohort.cine import CineStack
from cohort.dicom_stack import read_short_axis
from cohort.heart_grid import HeartGrid, cine_grid

SLICES, FRAMES, ROWS, COLUMNS = 10, 50, 208, 256
GAP_MM, PIXEL_MM, INTERVAL_MS = 10.0, 1.4, 18.5
TURN = (0.792067, 0.0, 0.610434, 0.377686, 0.785613, -0.490067)  # LPS direction cosines of rows and columns
NORMAL = np.cross(TURN[:3], TURN[3:])
NOISE = 34.0  # of the real and of the imaginary channel, in stored units
PRIVATE = 60  # elements that a scanner adds of its own, beside a block of bytes
BLOCK = 100_000  # bytes of that block, of which most are zeros


def write_zip(path: Path, slices: int = SLICES, frames: int = FRAMES) -> None:
    """A zip of one file a frame, as of UK Biobank's field 20209: a disc that shrinks and grows, in noise."""
    rng = np.random.default_rng(0)
    block = rng.bytes(BLOCK // 10).ljust(BLOCK, b"\0")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place in range(slices):
            for frame in range(frames):
                values = _picture(place, frame / frames, rng)
                file = BytesIO()
                dcmwrite(file, _dataset(values, place, frame, frames, block), enforce_file_format=True)
                archive.writestr(f"{place:02d}-{frame:03d}.dcm", file.getvalue())
        archive.writestr("manifest.csv", "filename,date\n" + "a.dcm,Jan 1, 2020\n" * slices * frames)


def _picture(place: int, phase: float, rng: np.random.Generator) -> np.ndarray:
    row, column = np.ogrid[:ROWS, :COLUMNS]
    radius = 26.0 - 1.5 * place - 7 * np.sin(np.pi * phase)
    away = np.hypot(row - ROWS / 2, column - COLUMNS / 2)
    still = 90 + 500 * (away < radius) + 150 * ((away > radius + 7) & (away < 70))
    still = still + 200 * (np.sin((row + 40 * place) / 15) * np.cos((column + 25 * place) / 15) > 0)
    real, imaginary = rng.normal(0, NOISE, (2, ROWS, COLUMNS))
    return np.hypot(still + real, imaginary).astype("<u2")


def _dataset(values: np.ndarray, place: int, frame: int, frames: int, block: bytes) -> Dataset:
    made = Dataset()
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM", "DIS2D"]
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"1.2.3.{place + 1}.{frame + 1}"
    made.SeriesInstanceUID, made.StudyInstanceUID = f"1.2.3.{place + 1}", "1.2.3"
    made.Modality, made.SeriesDescription = "MR", f"CINE_segmented_SAX_b{place + 1}"
    made.SeriesNumber, made.InstanceNumber = place + 1, frame + 1
    made.TriggerTime, made.NominalInterval = f"{frame * INTERVAL_MS:g}", round(frames * INTERVAL_MS)
    made.ImagePositionPatient = [f"{value:.8g}" for value in (-190.0, -90.0, 10.0) - NORMAL * place * GAP_MM]
    made.ImageOrientationPatient, made.PixelSpacing = [f"{value:g}" for value in TURN], [PIXEL_MM, PIXEL_MM]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = values.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    private = made.private_block(0x0021, "OURS", create=True)
    for number in range(PRIVATE):
        private.add_new(number, "LO", f"value {number}")
    private.add_new(PRIVATE, "OB", block)
    made.PixelData = values.tobytes()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def inflated(path: Path) -> list[bytes]:
    """The files of a zip, by Python's own zipfile."""
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def floor(path: Path) -> int:
    """Inflate and parse every file, and keep nothing; how many were images."""
    count = 0
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            count += content[128:132] == b"DICM" and "PixelData" in dcmread(BytesIO(content))
    return count


def stack_of(path: Path) -> CineStack:
    return read_short_axis(path)


def grid_of(path: Path) -> HeartGrid:
    return cine_grid(read_short_axis(path))


def peak_mb_of_reading(path: Path) -> float:
    """The most memory that this process ever held, after reading the zip onto the grid; Linux alone tells it."""
    grid_of(path)
    status = Path("/proc/self/status").read_text()
    return next(float(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM"))
