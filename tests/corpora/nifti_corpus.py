"""Row A4: NIfTI files that are damaged, hostile, contradictory or merely unusual, around one known volume."""

import bz2
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.errors import InputError
from tests.corpora.bomb import deflated_zeros
from tests.corpora.case import CANARY, Case, bytes_case

MB = 1 << 20
SPACING = (1.75, 1.5, 9.0)
DTYPES = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64)
FLIPS = 200


def read_case(path: Path) -> CineStack:
    return read_nifti(path, labels=path.name.startswith("seg"))


def nifti_cases() -> list[Case]:
    return [*_exact(), *_gzip(), *_dimensions(), *_types(), *_affines(), *_voxels(), *_labels(), *_no_nifti()]


def true_voxels(frames: int = 3, dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 120, (9, 11, 4, frames)).astype(dtype)


def true_affine() -> np.ndarray:
    """Oblique and left-handed, in eighths of a millimetre, so that float32 holds its place exactly."""
    turned = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = turned * [-np.sign(np.linalg.det(turned)), 1, 1] * SPACING
    affine[:3, 3] = [-31.5, 12.125, 77.0]
    return affine


def nifti(
    voxels: np.ndarray | None = None,
    affine: np.ndarray | None = None,
    kind: type = nib.Nifti1Image,
    order: str = "<",
    data: bytes | None = None,
    gap: bytes = b"",
    **fields,
) -> bytes:
    """A file as nibabel writes it, then header fields overwritten, `gap` put before the voxels, `data` in their place.

    Args:
        fields: name=value, or name__index=value for one number of an array.
    """
    voxels = true_voxels() if voxels is None else voxels
    affine = true_affine() if affine is None else affine
    image = kind(voxels, affine, kind.header_class(endianness=order), dtype=voxels.dtype)
    image.set_sform(affine, 2)
    if np.allclose(*np.broadcast_arrays(abs(np.linalg.det(affine[:3, :3])), np.prod(image.header.get_zooms()[:3]))):
        image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    if voxels.ndim == 4:
        image.header["pixdim"][4] = 0.03
    image.header["descrip"] = CANARY.encode()
    size = int(image.header["sizeof_hdr"])
    header = np.frombuffer(bytearray(image.header.binaryblock), image.header.template_dtype.newbyteorder(order)).copy()
    header["magic"] = b"n+1" if size == 348 else b"n+2\0\r\n\x1a\n"
    header["vox_offset"] = size + 4 + len(gap)
    for field, value in ({"scl_slope": 1, "scl_inter": 0} | fields).items():
        name, _, index = field.partition("__")
        header[name][(0, int(index)) if index else 0] = value
    stored = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F") if data is None else data
    return header.tobytes() + bytes(4) + gap + stored


def right_stack(
    voxels: np.ndarray | None = None, affine: np.ndarray | None = None, frame_interval_s: float | None = 0.03
) -> Callable[[CineStack], str]:
    """A check that the voxels are exactly these, the affine to float32, the frame interval to 1 us."""
    voxels = true_voxels() if voxels is None else voxels
    voxels = voxels.reshape((*voxels.shape, 1)[:4])
    affine = true_affine() if affine is None else affine

    def right(found: CineStack) -> str:
        if found.voxels.shape != voxels.shape or not np.array_equal(found.voxels, voxels):
            return f"other voxels, {found.voxels.shape} {found.voxels.dtype}"
        if np.abs(found.affine - affine).max() > 1e-5 * max(1.0, np.abs(affine).max()):
            return f"another affine:\n{found.affine}"
        if frame_interval_s is None or found.frame_interval_s is None:
            return "" if frame_interval_s is found.frame_interval_s else f"frame interval {found.frame_interval_s}"
        return "" if abs(found.frame_interval_s - frame_interval_s) < 1e-6 else f"interval {found.frame_interval_s}"

    return right


def _file(name: str, content: bytes | Callable, refused: str = "", right: Callable | None = None, **more) -> Case:
    more.setdefault("file", "case.nii.gz")
    return bytes_case(name, content, refused, right or right_stack(), **more)


def _exact() -> list[Case]:
    cases = [
        _file(f"{np.dtype(dtype)}", nifti(true_voxels(3, dtype)), right=right_stack(true_voxels(3, dtype)))
        for dtype in DTYPES
    ]
    for kind, version in ((nib.Nifti1Image, 1), (nib.Nifti2Image, 2)):
        for order, ends in (("<", "little"), (">", "big")):
            cases.append(_file(f"NIfTI-{version}, {ends} end first", nifti(kind=kind, order=order)))
    scaled = true_voxels() * 0.5 - 3
    big = true_voxels(3, np.int32) + 2**24  # beyond what float32 holds
    still, slab = true_voxels(1)[..., 0], true_voxels()[:, :, :1]
    return [
        *cases,
        _file("zipped", gzip.compress(nifti())),
        _file("zipped, under .nii", gzip.compress(nifti()), file="case.nii"),
        _file("not zipped, under .nii.gz", nifti()),
        _file("3D", nifti(still), right=right_stack(still, frame_interval_s=None)),
        _file("one slice", nifti(slab), right=right_stack(slab)),
        _file("scaled by 0.5 and -3", nifti(scl_slope=0.5, scl_inter=-3), right=right_stack(scaled.astype(np.float32))),
        _file(
            "NIfTI-2, big end first, scaled",
            nifti(kind=nib.Nifti2Image, order=">", scl_slope=0.5, scl_inter=-3),
            right=right_stack(scaled.astype(np.float32)),
        ),
        _file("a slope of 0, that is, none", nifti(scl_slope=0, scl_inter=7)),
        _file("a slope of 1", nifti(scl_slope=1)),
        _file("a slope of NaN, that is, none", nifti(scl_slope=np.nan, scl_inter=np.nan)),
        _file("an infinite slope, that is, none", nifti(scl_slope=np.inf)),
        _file("a negative slope", nifti(scl_slope=-2), right=right_stack(-2.0 * true_voxels())),
        _file("whole numbers beyond float32", nifti(big), right=right_stack(big)),
        _file("extensions before the voxels", nifti(gap=bytes(4096))),
        _file("bits that contradict the type", nifti(bitpix=64)),
        _file("a description, an intent, a slice code", nifti(intent_name=b"x", slice_code=1, cal_max=9)),
        _file("an interval in milliseconds", nifti(xyzt_units=2 | 16, pixdim__4=30)),
        _file("an interval in microseconds", nifti(xyzt_units=2 | 24, pixdim__4=30_000)),
        _file("an interval of 1 s, a writer's default", nifti(pixdim__4=1), right=right_stack(frame_interval_s=None)),
        _file("an interval of NaN", nifti(pixdim__4=np.nan), right=right_stack(frame_interval_s=None)),
        _file("units unknown", nifti(xyzt_units=0)),
    ]


def _gzip() -> list[Case]:
    content = nifti()
    zipped = gzip.compress(content, mtime=0)
    half = len(content) // 2
    named = io.BytesIO()
    with gzip.GzipFile("a name of " + CANARY, "wb", fileobj=named) as stream:
        stream.write(content)
    flags = bytearray(zipped)
    flags[3] |= 0xE0
    crc, length = bytearray(zipped), bytearray(zipped)
    crc[-8] ^= 1
    length[-4] ^= 1
    bad = {
        **{f"gzip cut at {part} of 8": zipped[: len(zipped) * part // 8] for part in range(1, 8)},
        "gzip without its CRC": zipped[:-8],
        "gzip with half its CRC": zipped[:-6],
        "gzip of another CRC": bytes(crc),
        "gzip of another length": bytes(length),
        "gzip and rubbish": zipped + b"rubbish",
        "gzip of another method": zipped[:2] + b"\x07" + zipped[3:],
        "gzip's first two bytes": zipped[:2],
        "gzip's header alone": zipped[:10],
        "deflate without gzip": zlib.compress(content),
        "gzip of nothing": gzip.compress(b""),
        "gzip of HTML": gzip.compress(b"<html><body>not found</body></html>" * 20),
        "gzip in gzip": gzip.compress(zipped),
        "gzip of a cut file": gzip.compress(content[:-1]),
        "gzip of a longer file": gzip.compress(content + b"\0"),
    }
    return [
        _file("gzip in two members", gzip.compress(content[:half]) + gzip.compress(content[half:])),
        _file("gzip in many members", b"".join(gzip.compress(content[i : i + 99]) for i in range(0, len(content), 99))),
        _file("gzip with a name in it", named.getvalue()),
        _file("gzip padded with zeros", zipped + bytes(512)),
        *(_file(name, spoiled, "gzip|shorter than|longer than|not a NIfTI|empty") for name, spoiled in bad.items()),
    ]


def _dimensions() -> list[Case]:
    two = nib.Nifti2Image
    sizes = {
        "0D": nifti(dim__0=0),
        "1D": nifti(dim__0=1),
        "2D": nifti(dim__0=2),
        "5D": nifti(true_voxels()[..., None, :]),
        "6D": nifti(dim__0=6),
        "7D": nifti(dim__0=7),
        "rank 8": nifti(dim__0=8),
        "rank 77": nifti(dim__0=77),
        "rank -3": nifti(dim__0=-3),
        "no slice": nifti(dim__3=0),
        "a negative size": nifti(dim__1=-9),
        "every size negative": nifti(dim=-9),
        "one row": nifti(true_voxels()[:, :1]),
        "one voxel": nifti(np.ones((1, 1, 1), np.int16)),
        "NIfTI-2 of a negative size": nifti(kind=two, dim__2=-(2**40)),
        "NIfTI-2 of rank 2^40": nifti(kind=two, dim__0=2**40),
    }
    claims = {
        "80 GB": nifti(dim__1=32767, dim__2=32767, dim__3=40, dim__4=1),
        "the largest NIfTI-1": nifti(dim=32767, dim__0=4),
        "2^160 bytes": nifti(kind=two, dim=2**40, dim__0=4),
        "2^64 bytes, which wraps to none": nifti(kind=two, dim__1=2**32, dim__2=2**30, dim__3=2, dim__4=1),
        "0.4 GB": nifti(dim__1=8000, dim__2=8000, dim__3=3, dim__4=1),
        "80 GB, zipped": gzip.compress(nifti(dim__1=32767, dim__2=32767, dim__3=40, dim__4=1)),
        "one voxel more": nifti(true_voxels(1), dim__1=10),
    }
    offsets = {
        "infinite": np.inf,
        "NaN": np.nan,
        "within the header": 4,
        "negative": -352,
        "broken": 352.5,
        "1e30": 1e30,
    }
    return [
        *(_file(name, content, "has dimensions|empty") for name, content in sizes.items()),
        *(_file(f"claims {name}", content, "claims|shorter than") for name, content in claims.items()),
        *(_file(f"voxels at {name}", nifti(vox_offset=at), "its voxels at byte") for name, at in offsets.items()),
        _file("NIfTI-2, voxels at 2^62", nifti(kind=two, vox_offset=2**62), "its voxels at byte"),
        _file("voxels behind the end", nifti(vox_offset=8e8), "shorter than"),
    ]


def _types() -> list[Case]:
    codes = {
        "binary": 1,
        "RGB": 128,
        "RGBA": 2304,
        "float128": 1536,
        "complex256": 2048,
        "unknown": 3,
        "none": 0,
        "-1": -1,
    }
    noise = true_voxels().astype(np.complex64)
    return [
        *(_file(f"type {name}", nifti(datatype=code), "type|voxels of") for name, code in codes.items()),
        _file("type complex64", nifti(noise), "voxels of type complex64"),
        _file("type complex128", nifti(noise.astype(np.complex128)), "voxels of type complex128"),
    ]


def _affines() -> list[Case]:
    affine = true_affine()
    sheared, permuted, mirrored = affine.copy(), affine[:, [2, 0, 1, 3]], affine.copy()
    sheared[:3, 2] += 0.4 * affine[:3, 0]
    mirrored[:3, 0] *= -1
    zooms = np.linalg.norm(sheared[:3, :3], axis=0)
    metres = affine.copy()
    metres[:3] /= 1000
    bare = np.diag([*SPACING, 1.0])
    good = {
        "sform alone": (nifti(qform_code=0), affine),
        "qform alone": (nifti(sform_code=0), affine),
        "qform alone, right-handed": (nifti(affine=mirrored, sform_code=0), mirrored),
        "a qform that contradicts the sform": (nifti(quatern_b=0.5, quatern_c=0.5), affine),
        "neither": (nifti(sform_code=0, qform_code=0), bare),
        "negative codes, that is, neither": (nifti(sform_code=-1, qform_code=-1), bare),
        "other axes": (nifti(affine=permuted), permuted),
        "a sheared sform": (nifti(affine=sheared, qform_code=0, pixdim__3=zooms[2]), sheared),
        "metres": (nifti(affine=metres, xyzt_units=1 | 8), affine),
        "micrometres": (nifti(affine=np.diag([1000, 1000, 1000, 1]) @ affine, xyzt_units=3 | 8), affine),
    }
    bad = {
        "spacing 0": nifti(pixdim__3=0),
        "spacing NaN": nifti(pixdim__1=np.nan),
        "spacing infinite": nifti(pixdim__1=np.inf),
        "spacing negative": nifti(pixdim__2=-1.5),
        "spacing that contradicts the sform": nifti(pixdim__3=8),
        "spacing of 1 mm that contradicts the sform": nifti(pixdim=1),
        "a unit unknown to NIfTI": nifti(xyzt_units=7),
        "sform NaN": nifti(srow_x__0=np.nan),
        "sform infinite": nifti(srow_x__3=np.inf),
        "sform 1e30": nifti(srow_y__3=1e30, srow_x=1e30),
        "sform singular": nifti(srow_x=0),
        "sform all zeros": nifti(srow_x=0, srow_y=0, srow_z=0),
        "sform of two equal axes": nifti(srow_x=1, srow_y=1, srow_z=1),
        "qform NaN": nifti(sform_code=0, quatern_b=np.nan),
        "qform no rotation": nifti(sform_code=0, quatern_b=2),
        "qform place NaN": nifti(sform_code=0, qoffset_x=np.nan),
    }
    return [
        *(_file(f"affine: {name}", content, right=right_stack(affine=at)) for name, (content, at) in good.items()),
        *(_file(name, content, "spacing|affine|qform") for name, content in bad.items()),
    ]


def _voxels() -> list[Case]:
    noise = true_voxels(3, np.float32)
    holed, infinite = noise.copy(), noise.copy()
    holed[4, 4, 2, 1], infinite[4, 4, 2, 1] = np.nan, -np.inf
    scales = {
        "1e30": (1e30, 0),
        "1, inter NaN": (1, np.nan),
        "0.5, -1e30": (0.5, -1e30),
    }
    return [
        *(
            _file(f"slope {name}", nifti(scl_slope=a, scl_inter=b), "scales its voxels")
            for name, (a, b) in scales.items()
        ),
        _file("a slope so small that all is one", nifti(scl_slope=1e-30, scl_inter=9), "one and the same value"),
        _file("constant", nifti(np.full((9, 11, 4, 3), 7, np.int16)), "one and the same value"),
        _file("constant 0", nifti(np.zeros((9, 11, 4), np.float32)), "one and the same value"),
        _file("a NaN among the voxels", nifti(holed), "not finite"),
        _file("all NaN", nifti(np.full((9, 11, 4), np.nan, np.float32)), "not finite"),
        _file("an infinite voxel", nifti(infinite), "not finite"),
        _file("constant but for one voxel", nifti(_lone()), right=right_stack(_lone())),
    ]


def _lone() -> np.ndarray:
    voxels = np.zeros((9, 11, 4, 3), np.int16)
    voxels[4, 5, 1, 2] = 1
    return voxels


def _labels() -> list[Case]:
    labels = np.zeros((9, 11, 4, 3), np.uint8)
    labels[3:6, 4:8] = 2
    labels[4, 5:7], labels[7, 5] = 1, 3

    def case(name: str, voxels: np.ndarray, refused: str = "", **fields) -> Case:
        right = right_stack(labels if voxels.any() else voxels)
        return _file(f"labels {name}", nifti(voxels, **fields), refused, right, file="seg_case.nii.gz")

    half, other = labels.astype(np.float32), labels.astype(np.int16)
    half[4, 4, 1, 1] += 0.5
    other[0, 0, 0, 0] = 4
    return [
        case("uint8", labels),
        case("float64", labels.astype(np.float64)),
        case("int64", labels.astype(np.int64)),
        case("of none", np.zeros_like(labels)),
        case("a hair off", labels.astype(np.float32) * np.float32(1.0003)),
        case("0.5", half, "not whole numbers"),
        case("0.01 off", labels.astype(np.float32) * np.float32(1.01), "not whole numbers"),
        case("4", other, "labels other than 0 to 3"),
        case("-1", -labels.astype(np.int8), "labels other than 0 to 3"),
        case("NaN", np.where(half % 1 > 0, np.nan, half).astype(np.float32), "not whole numbers"),
        case("of a probability map", labels / 3, "not whole numbers"),
    ]


def _no_nifti() -> list[Case]:
    content = nifti()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.nii", content)
    others = {
        "HTML": b"<!DOCTYPE html><html><body>Not found</body></html>" * 20,
        "a zip": archive.getvalue(),
        "bzip2": bz2.compress(content),
        "DICOM": bytes(128) + b"DICM" + content,
        "HDF5": b"\x89HDF\r\n\x1a\n" + content,
        "NRRD": b"NRRD0004\ntype: short\n" + content,
        "text": b"9000001\n" * 60,
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "shifted by a byte": b"\0" + content,
        "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    }

    def folder_case(folder: Path) -> Path:
        (folder / "case.nii.gz").mkdir()
        return folder / "case.nii.gz"

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "case.nii.gz")
        return folder / "case.nii.gz"

    def pair(folder: Path) -> Path:
        nib.save(nib.Nifti1Pair(true_voxels(), true_affine()), folder / "case.hdr")
        return folder / "case.hdr"

    def image_of_pair(folder: Path) -> Path:
        return pair(folder).with_suffix(".img")

    return [
        *(_file(name, content, "not a NIfTI file") for name, content in others.items()),
        _file("empty", b"", "is empty"),
        _file("its header alone", content[:348], "shorter than"),
        _file("half a header", content[:200], "ends within its header"),
        _file("the header's length alone", content[:4], "ends within its header"),
        _file("cut by a byte", content[:-1], "shorter than"),
        _file("longer by a byte", content + b"\0", "longer than"),
        _file("no magic", nifti(magic=b""), r"in another file \(.hdr and .img\)"),
        _file("the magic of a pair", nifti(magic=b"ni1"), r"in another file \(.hdr and .img\)"),
        Case(".hdr of a pair", pair, "in another file"),
        Case(".img of a pair", image_of_pair, "not a NIfTI file|ends within"),
        Case("a folder", folder_case, "it is no file"),
        Case("a named pipe", pipe, "it is no file"),
        Case("no file", lambda folder: folder / "case.nii.gz", "cannot be read"),
        Case("a name of 300 characters", lambda folder: folder / ("x" * 300 + ".nii"), "cannot be read"),
    ]


# --- bombs: few bytes on disk, many in memory -------------------------------------------------------------------------


def bomb_cases() -> list[Case]:
    frame = 256 * 256 * 16

    def bomb(name: str, refused: str, frames: int, dtype: type = np.int16, file: str = "case.nii.gz", **fields) -> Case:
        """A header that announces 256 x 256 x 16 x frames voxels, and as many zeros."""
        shape = {"dim__1": 256, "dim__2": 256, "dim__3": 16, "dim__4": frames}
        head = nifti(np.zeros((2, 2, 2, 2), dtype), data=b"", **shape, **fields)
        size = frames * frame * np.dtype(dtype).itemsize
        return _file(name, lambda: _inflating(head, size), refused, _no_labels, file=file)

    small, seg = nifti(), "seg_case.nii.gz"
    return [
        _file("4 GB of zeros in 4 MB", lambda: _inflating(b"", 4096 * MB), "not a NIfTI file"),
        _file("4 GB of zeros in 4 MB, many members", lambda: gzip.compress(bytes(16 * MB)) * 256, "not a NIfTI file"),
        _file("4 GB of zeros behind a sound file", lambda: _inflating(small, 4096 * MB), "longer than"),
        _file("gzip in gzip, 4 GB", lambda: gzip.compress(_inflating(b"", 4096 * MB)), "not a NIfTI file"),
        _file("1 GB of extensions", lambda: _inflating(nifti(vox_offset=1e9), 1000 * MB), "would inflate from"),
        _file("1 MB of empty members", lambda: gzip.compress(b"", mtime=0) * 50_000, "is empty"),
        _file("2 MB of name", lambda: _named(small, 2 * MB), "damaged gzip"),
        bomb("4 GB announced and delivered", "claims 4.3 GB", 2048),
        bomb("1 GB announced and delivered", "would inflate from", 500),
        bomb("0.2 GB announced and delivered", "would inflate from", 100),
        bomb("160 MB of one value", "one and the same value", 78),
        bomb("160 MB of one value, float32", "one and the same value", 39, np.float32),
        bomb("40 MB that grow to 160 by their scale", "one and the same value", 39, np.uint8, scl_slope=2.0),
        bomb("80 MB that grow to 0.3 GB by their scale", "would inflate from", 78, np.uint8, scl_slope=2.0),
        bomb("160 MB of labels", "", 78, file=seg),
        bomb("160 MB of labels, float32", "", 39, np.float32, file=seg),
    ]


def _no_labels(found: CineStack) -> str:
    return "" if found.voxels.dtype == np.uint8 and not found.voxels.any() else "labels out of nothing"


def _named(content: bytes, length: int) -> bytes:
    """A gzip whose header carries a file name of this length."""
    zipped = gzip.compress(content, mtime=0)
    return zipped[:3] + b"\x08" + zipped[4:10] + b"n" * length + b"\0" + zipped[10:]


def _inflating(head: bytes, zeros: int) -> bytes:
    """A gzip of `head` and then zeros. Many are whole but for their CRC, which who gets so far finds wrong."""
    if zeros <= 256 * MB:
        packer, packed = zlib.compressobj(9, wbits=31), io.BytesIO()
        packed.write(packer.compress(head))
        for _ in range(0, zeros, MB):
            packed.write(packer.compress(bytes(min(MB, zeros))))
        return packed.getvalue() + packer.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated_zeros(head, zeros) + bytes(8)


# --- flipped bits -----------------------------------------------------------------------------------------------------


def flipped_bits(folder: Path) -> tuple[int, int, int]:
    """Of FLIPS files with one bit flipped, each anywhere: how many are refused, read as they were, read as other."""
    path, stack = folder / "case.nii.gz", CineStack(true_voxels(), true_affine(), 0.03)
    write_nifti(path, stack)
    content, check = path.read_bytes(), right_stack()
    refused = same = 0
    for bit in np.random.default_rng(1).choice(8 * len(content), FLIPS, replace=False):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        try:
            same += not check(read_nifti(path))
        except InputError:
            refused += 1
    return refused, same, FLIPS - refused - same
