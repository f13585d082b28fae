"""Short-axis cine MRI and its label maps: one NIfTI reader, one writer."""

import gzip
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib  # Intel's inflate: the same bytes and CRC check in a third of the time

from cohort.disk import write_bytes
from cohort.errors import InputError
from cohort.input_file import unreadable

LARGEST_FILE_BYTES = 1 << 30  # of the inflated file; a UK Biobank cine is about 40 MB
DEFLATE_LIMIT = 1040  # no deflate stream inflates further than 1032 times
LARGEST_UNASKED_BYTES = 160 << 20  # in memory; beyond it, a file must not inflate further than images do
LARGEST_RATIO = 100  # cines are inflated 2 to 5 times, label maps a few hundred times and bombs a thousand
SPACING_TOLERANCE = 0.01  # between pixdim and the affine's columns, relative
SHEAR_TOLERANCE = 0.01  # the largest change of a unit axis that making them perpendicular may take
LARGEST_SCALE = 1e9
FLATTEST = 0.1  # determinant of the unit axes under which a voxel is no box
BEAT_S = (0.25, 2.5)  # 240 to 24 beats a minute; another length comes of a wrong frame interval
LONGEST_FRAME_S = 1.0  # a frame interval of 1.0 s or more is a writer's default, not a cine's
KEPT_DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units & 7: unknown (mm by custom), m, mm, um
S_PER_UNIT = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}  # xyzt_units & 56: unknown (s by custom), s, ms, us
PARALLEL = 1e-3  # direction cosines closer than this to 0, 1 or -1 are those of parallel axes
NEARLY_WHOLE = 1e-3  # labels that a scale left closer than this to a whole number mean that number
SAME_MM = 1e-3  # two affines closer than this are one
TOWARDS_APEX = np.array([-1.0, 1.0, -1.0])  # RAS: left, anterior, inferior, as the long axis of most hearts lies
GRID_FIELDS = (  # of a header: how voxels lie in space and time
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code", "toffset"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
LABELS_OFFSET = {nib.Nifti1Header: 352, nib.Nifti2Header: 544}  # of the voxels, behind a header and its four bytes
GZIP = b"\x1f\x8b"
PIECE_BYTES = 1 << 20  # gzip inflates a piece beside its place: one large piece would take the memory twice
COPY_AGAIN = "copy or download it again"
EXPORT_AGAIN = "export it again as a 3D or 4D short-axis NIfTI"


class Label(IntEnum):
    """Classes of a label map, as ukbb_cardiac numbers them."""

    BACKGROUND = 0
    LV_CAVITY = 1
    LV_MYOCARDIUM = 2
    RV_CAVITY = 3


@dataclass(frozen=True, eq=False)
class CineStack:
    """A stack of slices over time, in the patient's millimetres.

    Attributes:
        voxels: (x, y, z, t), any real dtype; a still volume has t = 1.
        affine: (4, 4), voxel index (x, y, z, 1) -> RAS mm.
        frame_interval_s: seconds from frame to frame; None where unknown.
        notes: what reading it had to mend, in words.
    """

    voxels: np.ndarray
    affine: np.ndarray
    frame_interval_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> np.ndarray:
        """(3,) distance between neighbouring voxel centres along x, y, z."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def beat_s(self) -> float | None:
        """Seconds that all frames last; None where unknown, or no beat of a heart lasts so long."""
        beat = (self.frame_interval_s or 0) * self.voxels.shape[3]
        return beat if BEAT_S[0] <= beat <= BEAT_S[1] else None

    @property
    def slice_axis(self) -> int:
        """The storage axis across the slices: the one of the largest step."""
        return int(np.argmax(self.spacing_mm))

    @property
    def states_orientation(self) -> bool:
        """Whether the affine says how the slices lie in the body.

        Writers that do not know put axes parallel to the scanner's, each with its own signs and origin. A short axis
        runs obliquely through the body, so such axes say nothing.
        """
        parts = np.abs(self.affine[:3, :3] / self.spacing_mm)
        return bool(np.minimum(parts, np.abs(parts - 1)).max() > PARALLEL)

    @property
    def normal(self) -> np.ndarray:
        """(3,) across its slices, in RAS, of length 1 and either sign."""
        first, second = (self.affine[:3, axis] for axis in self.in_plane_axes)
        across = np.cross(first, second)
        return across / np.linalg.norm(across)

    @property
    def in_plane_axes(self) -> tuple[int, int]:
        """The two storage axes within a slice."""
        first, second = (axis for axis in range(3) if axis != self.slice_axis)
        return first, second

    @property
    def slice_step_mm(self) -> float:
        """From slice to slice."""
        return float(self.spacing_mm[self.slice_axis])

    @property
    def pixel_mm(self) -> float:
        """The longer side of a pixel."""
        return float(max(self.spacing_mm[axis] for axis in self.in_plane_axes))


def same_affine(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two affines (voxel index -> mm) put every axis and the origin at the same place."""
    return bool(np.abs(one - other).max() <= SAME_MM)


def read_nifti(path: Path, labels: bool = False) -> CineStack:
    """Read a NIfTI-1 or -2 file, and check all of it. Content, not name, tells .nii from .nii.gz.

    Args:
        path: 3D (then t = 1) or 4D, of any real dtype and byte order.
        labels: True for a label map, which must hold numbers of `Label`; uint8 is returned. Numbers within NEARLY_WHOLE
            of them are rounded, with a note. False for an image, which must be finite and not constant; scaled values
            (scl_slope, scl_inter) become float32.

    Returns:
        CineStack; the affine is the sform, else the qform, else the bare spacing (no orientation known).

    Raises:
        InputError: unreadable, truncated, larger than LARGEST_FILE_BYTES, or no stack of slices by its header. Also
            where the gzip CRC is wrong, which nibabel never checks.
    """
    path = Path(path)
    with _opened(path) as (stream, header, affine):
        voxels = _read_voxels(path, stream, header)
    voxels = _scaled(path, voxels, header)
    voxels, notes = _as_labels(path, voxels) if labels else (_as_image(path, voxels), ())
    return CineStack(voxels, affine, _frame_interval_s(header), notes)


def read_nifti_header(path: Path, labels: bool = False) -> CineStack:
    """A NIfTI file by its header: the voxels are one 0 seen at every place, which takes no memory.

    Where the end of the file tells another size than the header, the file is damaged or packed in an unusual way. Then
    it is read whole, as `read_nifti` does.

    Args:
        path, labels: as of `read_nifti`, whose errors it raises, but for those that only voxels show.
    """
    path = Path(path)
    with _opened(path) as (_, header, affine):
        shape = (*_shape(header), 1)[:4]
        claimed = int(header["vox_offset"]) + header.get_data_dtype().itemsize * math.prod(shape)
    if _inflated_size(path) != claimed:
        return read_nifti(path, labels)
    return CineStack(np.broadcast_to(np.uint8(0), shape), affine, _frame_interval_s(header))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, nib.Nifti1Header, np.ndarray]]:
    """The inflated content behind the header, the header, and its affine. Whatever is wrong is an InputError."""
    try:
        if path.exists() and not path.is_file():  # opening a named pipe would wait for ever
            raise InputError(path, "cannot be read (it is no file)", "give a .nii.gz", code="unreadable")
        with path.open("rb") as raw:
            on_disk = os.fstat(raw.fileno()).st_size
            zipped = raw.read(2) == GZIP
            raw.seek(0)
            with igzip.open(raw) if zipped else raw as stream:
                header = _read_header(path, stream)
                affine = _affine(path, header)
                _check_claim(path, header, on_disk, zipped)
                yield stream, header, affine
    except (EOFError, OverflowError, gzip.BadGzipFile, isal_zlib.error) as error:  # overflow: a name of megabytes
        raise InputError(path, f"damaged gzip ({error})", COPY_AGAIN, code=_gzip_code(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _inflated_size(path: Path) -> int:
    """Bytes of the content by the file's end: a gzip's last four bytes tell them, of its last member."""
    try:
        with path.open("rb") as raw:
            if raw.read(2) != GZIP:
                return os.fstat(raw.fileno()).st_size
            raw.seek(-4, os.SEEK_END)
            return int.from_bytes(raw.read(4), "little")
    except OSError as error:
        raise unreadable(path, error) from error


def write_nifti(path: Path, stack: CineStack) -> None:
    """Write a NIfTI-1 file that names nobody: a new header, sform and qform of code 1, millimetres and seconds.

    The same stack gives the same bytes. The file appears when it is whole. A slightly sheared affine is made
    orthonormal, because ITK refuses shear. An unknown frame interval is written as 1 of an
    unknown unit.

    Args:
        path: ends in .nii or .nii.gz; its folder exists.
        stack: voxels uint8, int16, uint16, int32, float32 or float64 are kept; bool becomes uint8, int64 int32.

    Raises:
        InputError: another suffix, shape or dtype; values int32 cannot hold; an affine beyond SHEAR_TOLERANCE. Also
            where the folder is absent, closed to us, or on a full disk.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(path, "is not a NIfTI name", "let it end in .nii or .nii.gz")
    if stack.voxels.ndim != 4 or 0 in stack.voxels.shape:
        raise InputError(path, f"voxels of shape {stack.voxels.shape}", "give (x, y, z, t)")
    voxels = _storable(path, stack.voxels)
    still = voxels.shape[3] == 1 and stack.frame_interval_s is None
    image = nib.Nifti1Image(voxels[..., 0] if still else voxels, None, nib.Nifti1Header(), dtype=voxels.dtype)
    affine = _orthonormal(path, stack.affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    if not still:
        _put_frame_interval(image.header, stack.frame_interval_s)
    write_bytes(path, _zipped(image.to_bytes()) if path.name.endswith(".gz") else image.to_bytes())


def write_labels_like(path: Path, labels: np.ndarray, source: Path) -> None:
    """Write a label map in the grid of another NIfTI file: its dimensions, spacing, times, sform and qform, bit by bit.

    Nothing else of its header is copied: descriptions there may name somebody. The same labels are the same bytes.

    Args:
        path: ends in .nii.gz; its folder exists.
        labels: (x, y, z, t) uint8 of the source's size.
        source: a file that `read_nifti` reads.

    Raises:
        InputError: the source is unreadable, or of another size; or as `write_nifti`.
    """
    with _opened(Path(source)) as (_, given, _affine):
        given = given.as_byteswapped("<")
    if (*_shape(given), 1)[:4] != labels.shape:
        raise InputError(source, "changed its size while it was read", COPY_AGAIN, code="geometry")
    header = type(given)()
    for field in GRID_FIELDS:
        header[field] = given[field]
    header.set_data_dtype(np.uint8)
    header["vox_offset"] = LABELS_OFFSET[type(given)]
    head = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
    write_bytes(path, _zipped(head + labels.tobytes(order="F")))


def stored_affine(affine: np.ndarray) -> np.ndarray:
    """(4, 4) what reading back gives of an affine that `write_nifti` writes: orthonormal, of 32 bits a number."""
    return _orthonormal(Path("in memory"), affine).astype(np.float32).astype(float)


def _zipped(content: bytes) -> bytes:
    """As gzip, without a name and a time: the same voxels are the same bytes."""
    zipped = io.BytesIO()
    with gzip.GzipFile("", "wb", 1, zipped, mtime=0) as stream:
        stream.write(content)
    return zipped.getvalue()


def _put_frame_interval(header: nib.Nifti1Header, seconds: float | None) -> None:
    """ITK takes no interval of 0, and one of a second would be believed: so an unknown one has an unknown unit."""
    if seconds is None:
        header.set_xyzt_units("mm", "unknown")
    header["pixdim"][4] = seconds or 1.0


def _gzip_code(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "truncated"
    return "crc" if "CRC" in str(error) else "damaged"  # one type of error for both


def _read_header(path: Path, stream: BinaryIO) -> nib.Nifti1Header:
    """The header, in its own byte order, after the checks nibabel leaves out."""
    start = stream.read(4)
    size = min(int.from_bytes(start, "little"), int.from_bytes(start, "big"))  # 348 or 540, whichever the byte order
    kind = {348: nib.Nifti1Header, 540: nib.Nifti2Header}.get(size)
    if kind is None:
        fault, code = ("is not a NIfTI file", "format") if start else ("is empty", "empty")
        raise InputError(path, fault, EXPORT_AGAIN, code=code)
    start += stream.read(size - len(start))
    if len(start) < size:
        raise InputError(path, "ends within its header", COPY_AGAIN, code="truncated")
    header = kind(start, check=False)
    if header["magic"].item()[:3] not in (b"n+1", b"n+2"):
        raise InputError(
            path, "keeps its voxels in another file (.hdr and .img)", "convert it to one .nii.gz", code="format"
        )
    shape = _shape(header)
    if len(shape) not in (3, 4) or min(shape) < 1 or min(shape[:2]) < 2:
        raise InputError(path, f"has dimensions {shape}", EXPORT_AGAIN, code="geometry")
    try:
        dtype = header.get_data_dtype()
    except (KeyError, nib.spatialimages.HeaderDataError) as error:
        raise InputError(path, "has an unknown type of voxel", EXPORT_AGAIN, code="samples") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(path, f"has voxels of type {dtype}", "export real numbers of at most 64 bits", code="samples")
    return header


def _shape(header: nib.Nifti1Header) -> tuple[int, ...]:
    return tuple(int(size) for size in header["dim"][1 : 1 + max(0, int(header["dim"][0]))])


def _check_claim(path: Path, header: nib.Nifti1Header, on_disk: int, zipped: bool) -> None:
    """Refuse a header that claims more than its file can hold, or more than images do. Nothing is allocated yet."""
    offset, itemsize = float(header["vox_offset"]), header.get_data_dtype().itemsize
    if not int(header["sizeof_hdr"]) <= offset <= LARGEST_FILE_BYTES or offset != int(offset):
        raise InputError(path, f"has its voxels at byte {offset:g}", EXPORT_AGAIN, code="damaged")
    claimed = int(offset) + itemsize * math.prod(_shape(header))
    if claimed > LARGEST_FILE_BYTES:
        raise InputError(
            path, f"claims {claimed / 1e9:.1f} GB", f"{LARGEST_FILE_BYTES / 1e9:.1f} GB is the limit", code="too_large"
        )
    if claimed > on_disk * (DEFLATE_LIMIT if zipped else 1):
        raise InputError(path, "is shorter than its header says", COPY_AGAIN, code="truncated")
    needed = claimed if not _is_scaled(header) else max(claimed, 4 * math.prod(_shape(header)))
    if zipped and needed > max(LARGEST_UNASKED_BYTES, on_disk * LARGEST_RATIO):
        raise InputError(
            path,
            f"would inflate from {on_disk / 1e6:.1f} to {needed / 1e6:.0f} MB, as no image does",
            EXPORT_AGAIN,
            code="too_large",
        )


def _read_voxels(path: Path, stream: BinaryIO, header: nib.Nifti1Header) -> np.ndarray:
    """(x, y, z, t) as stored."""
    shape, dtype = _shape(header), header.get_data_dtype()
    filled, offset = int(header["sizeof_hdr"]), int(header["vox_offset"])
    claimed = offset + dtype.itemsize * math.prod(shape)
    content = np.empty(claimed, np.uint8)
    with memoryview(content) as view:
        while filled < claimed and (count := stream.readinto(view[filled : filled + PIECE_BYTES])):
            filled += count
    if filled < claimed:
        raise InputError(path, "is shorter than its header says", COPY_AGAIN, code="truncated")
    if stream.read(1):  # at the end of the stream this read is also what checks the gzip CRC
        raise InputError(path, "is longer than its header says", COPY_AGAIN, code="damaged")
    voxels = np.frombuffer(content, dtype, offset=offset).astype(dtype.newbyteorder("="), copy=False)
    return voxels.reshape((*shape, 1)[:4], order="F")


def _is_scaled(header: nib.Nifti1Header) -> bool:
    """As nibabel reads it: a slope of 0, or one that is no finite number, means: not scaled."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    return slope != 0 and np.isfinite(slope) and (slope, inter) != (1, 0)


def _scaled(path: Path, voxels: np.ndarray, header: nib.Nifti1Header) -> np.ndarray:
    if not _is_scaled(header):
        return voxels
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if not (abs(slope) < LARGEST_SCALE and abs(inter) < LARGEST_SCALE):  # NaN fails
        raise InputError(path, f"scales its voxels by {slope:g} and {inter:g}", EXPORT_AGAIN, code="scale")
    scaled = np.empty(voxels.shape, np.float32, order="F")
    for frame in range(voxels.shape[3]):  # in float64, and so not all at once
        scaled[..., frame] = voxels[..., frame] * slope + inter
    return scaled


def _as_image(path: Path, voxels: np.ndarray) -> np.ndarray:
    lowest, highest = voxels.min(), voxels.max()
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.float32(lowest)) and np.isfinite(np.float32(highest))  # all is computed in 32 bits
    if not finite:
        raise InputError(path, "has voxels that are not finite numbers", EXPORT_AGAIN, code="samples")
    if lowest == highest:
        raise InputError(path, "has one and the same value in every voxel", EXPORT_AGAIN, code="flat")
    return voxels


def _as_labels(path: Path, voxels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """uint8 of `Label`, and a note where numbers had to be rounded."""
    off = _off_whole(voxels)
    if not off <= NEARLY_WHOLE:  # NaN fails
        raise InputError(path, "has labels that are not whole numbers", "export the label map again", code="labels")
    if voxels.min() < min(Label) - NEARLY_WHOLE or voxels.max() > max(Label) + NEARLY_WHOLE:
        raise InputError(
            path,
            f"has labels other than 0 to {max(Label)}",
            "remap: 1 LV cavity, 2 LV myocardium, 3 RV cavity",
            code="labels",
        )
    if not off:
        return voxels.astype(np.uint8, copy=False), ()
    return np.rint(voxels).astype(np.uint8), ("labels a hair off whole numbers were rounded",)


def _off_whole(voxels: np.ndarray) -> float:
    """The largest distance of a voxel from a whole number; NaN where one is no finite number."""
    if voxels.dtype.kind != "f":
        return 0.0
    with np.errstate(invalid="ignore"):  # infinity less itself
        return float(np.max([np.abs(frame - np.rint(frame)).max() for frame in np.moveaxis(voxels, 3, 0)]))


def _affine(path: Path, header: nib.Nifti1Header) -> np.ndarray:
    """(4, 4) voxel index -> RAS mm."""
    spacing = header["pixdim"][1:4].astype(float)
    mm = MM_PER_UNIT.get(int(header["xyzt_units"]) & 7)
    if mm is None or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise InputError(
            path, f"has voxel spacing {spacing.round(4)} of no known unit or size", EXPORT_AGAIN, code="geometry"
        )
    try:
        known = header["sform_code"] > 0 or header["qform_code"] > 0
        affine = np.array(header.get_best_affine() if known else np.diag([*spacing, 1]), float)
    except (ValueError, nib.spatialimages.HeaderDataError) as error:
        raise InputError(path, "has an impossible qform", EXPORT_AGAIN, code="geometry") from error
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3] / spacing)) < FLATTEST:
        raise InputError(path, "has a singular or non-finite affine", EXPORT_AGAIN, code="geometry")
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(columns / spacing - 1).max() > SPACING_TOLERANCE:
        raise InputError(
            path,
            f"has spacing {spacing.round(4)} in pixdim, {columns.round(4)} in its affine",
            EXPORT_AGAIN,
            code="geometry",
        )
    affine[:3] *= mm
    return affine


def _frame_interval_s(header: nib.Nifti1Header) -> float | None:
    seconds = float(header["pixdim"][4]) * S_PER_UNIT.get(int(header["xyzt_units"]) & 56, np.nan)
    return seconds if header["dim"][0] == 4 and 0 < seconds < LONGEST_FRAME_S else None


def _storable(path: Path, voxels: np.ndarray) -> np.ndarray:
    if voxels.dtype == bool:
        return voxels.astype(np.uint8)
    if voxels.dtype in (np.int64, np.uint64) and np.abs(voxels).max() <= np.iinfo(np.int32).max:
        return voxels.astype(np.int32)
    if voxels.dtype not in KEPT_DTYPES:
        raise InputError(path, f"voxels of type {voxels.dtype}", "give uint8, int16, uint16, int32 or floats")
    return voxels


def _orthonormal(path: Path, affine: np.ndarray) -> np.ndarray:
    """The affine itself if its axes are perpendicular, else with the nearest perpendicular ones (polar part)."""
    affine = np.array(affine, float)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or not spacing.all():
        raise InputError(path, "the affine is singular or not finite", "give (4, 4), voxel index to RAS mm")
    directions = affine[:3, :3] / spacing
    left, _, right = np.linalg.svd(directions)
    change = np.abs(left @ right - directions).max()
    if change > SHEAR_TOLERANCE:
        raise InputError(path, "the affine is sheared", "give perpendicular axes")
    if change > 1e-6:
        affine[:3, :3] = left @ right * spacing
    return affine
