"""What is written is what is read; what is damaged is refused."""

import gzip
import io
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cohort.cine import CineStack, Label, read_nifti, write_nifti
from cohort.errors import InputError

SPACING = (1.8, 1.9, 10.0)


def oblique(spacing=SPACING, shift=(12.0, -30.0, 41.5)) -> np.ndarray:
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = shift
    return affine


def stack(dtype=np.int16, frames=3) -> CineStack:
    voxels = np.random.default_rng(7).integers(0, 200, (12, 14, 5, frames)).astype(dtype)
    return CineStack(voxels, oblique(), 0.031 if frames > 1 else None)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("frames", [1, 3])
def test_voxels_affine_spacing_and_frame_interval_survive_a_round_trip(tmp_path, name, dtype, frames):
    before = stack(dtype, frames)
    write_nifti(tmp_path / name, before)
    after = read_nifti(tmp_path / name)
    assert after.voxels.dtype == dtype and np.array_equal(after.voxels, before.voxels)
    assert np.allclose(after.affine, before.affine, rtol=1e-6, atol=1e-6)
    assert np.allclose(after.spacing_mm, SPACING)
    assert after.frame_interval_s == (pytest.approx(0.031) if frames > 1 else None)


def test_an_unknown_frame_interval_stays_unknown(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", CineStack(stack().voxels, oblique()))
    assert read_nifti(tmp_path / "a.nii.gz").frame_interval_s is None


def test_the_same_stack_gives_the_same_bytes_and_leaves_nothing_else_behind(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, stack())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.nii.gz", "b.nii.gz"}


def test_the_written_header_is_new_complete_and_names_nobody(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", stack())
    header = nib.load(tmp_path / "a.nii.gz").header
    assert (header["sform_code"], header["qform_code"], header.get_xyzt_units()) == (1, 1, ("mm", "sec"))
    assert np.allclose(header.get_qform(), header.get_sform(), atol=1e-4)
    assert not any(header[field].item() for field in ("descrip", "db_name", "aux_file", "intent_name"))


@pytest.mark.parametrize("handedness", [1, -1])
def test_simpleitk_sees_the_same_place(tmp_path, handedness):
    itk = pytest.importorskip("SimpleITK")
    before = stack(frames=1)
    before.affine[:3, 0] *= handedness
    write_nifti(tmp_path / "a.nii.gz", before)
    image = itk.ReadImage(str(tmp_path / "a.nii.gz"))
    to_lps = np.diag([-1.0, -1.0, 1.0])
    assert np.allclose(image.GetSpacing(), SPACING, atol=1e-4)
    assert np.allclose(image.GetOrigin(), to_lps @ before.affine[:3, 3], atol=1e-3)
    directions = to_lps @ before.affine[:3, :3] / SPACING
    assert np.allclose(np.reshape(image.GetDirection(), (3, 3)), directions, atol=1e-4)
    assert np.array_equal(itk.GetArrayFromImage(image).T, before.voxels[..., 0])


def test_a_slight_shear_is_made_perpendicular_and_a_real_one_refused(tmp_path):
    slight, sheared = oblique(), oblique()
    slight[:3, 2] += 0.001 * slight[:3, 0]
    write_nifti(tmp_path / "a.nii.gz", CineStack(stack().voxels, slight))
    axes = read_nifti(tmp_path / "a.nii.gz").affine[:3, :3] / SPACING
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    sheared[:3, 2] += 2 * sheared[:3, 0]
    with pytest.raises(InputError, match="sheared"):
        write_nifti(tmp_path / "b.nii.gz", CineStack(stack().voxels, sheared))
    assert not (tmp_path / "b.nii.gz").exists()


def test_int64_is_stored_if_it_fits_and_complex_never(tmp_path):
    write_nifti(tmp_path / "a.nii", CineStack(stack(np.int64).voxels, oblique()))
    assert read_nifti(tmp_path / "a.nii").voxels.dtype == np.int32
    for voxels in (np.full((2, 2, 2, 1), 2**40), stack(np.complex64).voxels):
        with pytest.raises(InputError, match="voxels of type"):
            write_nifti(tmp_path / "b.nii", CineStack(voxels, oblique()))


def test_labels_are_whole_numbers_of_the_four_classes_and_may_be_constant(tmp_path):
    for dtype, highest, good in ((np.float32, 3, True), (np.int16, 3, True), (np.int16, 4, False), (np.uint8, 0, True)):
        voxels = np.zeros((4, 4, 2, 1), dtype)
        voxels[1, 1] = highest
        write_nifti(tmp_path / "a.nii", CineStack(voxels, oblique()))
        if good:
            labels = read_nifti(tmp_path / "a.nii", labels=True).voxels
            assert labels.dtype == np.uint8 and labels.max() == highest
        else:
            with pytest.raises(InputError, match="labels other than 0 to 3"):
                read_nifti(tmp_path / "a.nii", labels=True)
    voxels = np.full((4, 4, 2, 1), 0.5, np.float32)
    write_nifti(tmp_path / "a.nii", CineStack(voxels, oblique()))
    with pytest.raises(InputError, match="labels other"):
        read_nifti(tmp_path / "a.nii", labels=True)
    assert Label(1) is Label.LV_CAVITY


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_scale_units_byte_order_and_both_versions_are_honoured(tmp_path, kind, order):
    voxels = stack(frames=2).voxels.astype(np.int16)
    image = kind(voxels, oblique(np.array(SPACING) / 1000, np.zeros(3)), kind.header_class(endianness=order))
    image.header.set_xyzt_units("meter", "msec")
    image.header["pixdim"][4] = 40
    content = bytearray(image.to_bytes())
    slope = {nib.Nifti1Image: (112, np.float32), nib.Nifti2Image: (176, np.float64)}[kind]
    content[slope[0] : slope[0] + 2 * np.dtype(slope[1]).itemsize] = (
        np.array([0.5, -3], slope[1]).astype(np.dtype(slope[1]).newbyteorder(order)).tobytes()
    )
    (tmp_path / "a.nii").write_bytes(content)
    after = read_nifti(tmp_path / "a.nii")
    assert np.array_equal(after.voxels, voxels * np.float32(0.5) - 3) and after.voxels.dtype == np.float32
    assert np.allclose(after.spacing_mm, SPACING, rtol=1e-4) and after.frame_interval_s == pytest.approx(0.04)


def raw(**fields) -> bytes:
    """A 3D NIfTI-1 file with header fields overwritten after nibabel made it consistent."""
    voxels = fields.pop("voxels", stack(frames=1).voxels[..., 0])
    image = nib.Nifti1Image(voxels, oblique())
    image.set_qform(oblique(), 1)
    content = bytearray(image.to_bytes())
    header = np.frombuffer(content, image.header.template_dtype, 1)
    for field, value in fields.items():
        name, _, index = field.partition("__")
        if index:
            header[name][0][int(index)] = value
        else:
            header[name][0] = value
    return bytes(content)


NOISE = np.random.default_rng(0).normal(size=(6, 6, 4)).astype(np.float32)
BAD = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><body>Not found</body></html>" * 20,
    "header only": raw()[:348],
    "half a header": raw()[:200],
    "truncated": raw()[:-1],
    "longer": raw() + b"\0",
    "1D": raw(dim__0=1),
    "2D": raw(dim__0=2),
    "5D": raw(voxels=stack().voxels[..., None, :]),
    "7D": raw(dim__0=7),
    "rank 77": raw(dim__0=77),
    "rank -3": raw(dim__0=-3),
    "no slice": raw(dim__3=0),
    "negative dim": raw(dim__1=-12),
    "80 GB": raw(dim__1=32767, dim__2=32767, dim__3=40),
    "claims 0.3 GB": raw(dim__1=8000, dim__2=8000, dim__3=3),
    "complex": raw(voxels=NOISE.astype(np.complex64)),
    "rgb": raw(datatype=128),
    "unknown dtype": raw(datatype=3),
    "dtype 0": raw(datatype=0),
    "slope NaN": raw(scl_slope=np.nan),
    "slope 1e30": raw(scl_slope=1e30),
    "inter inf": raw(scl_slope=1, scl_inter=np.inf),
    "spacing 0": raw(pixdim__3=0),
    "spacing NaN": raw(pixdim__1=np.nan),
    "spacing negative": raw(pixdim__2=-1.9),
    "spacing contradicts the sform": raw(pixdim__3=5),
    "sform NaN": raw(srow_x__0=np.nan),
    "sform inf": raw(srow_x__3=np.inf),
    "sform singular": raw(srow_x=0),
    "qform NaN": raw(sform_code=0, quatern_b=np.nan),
    "qform too long": raw(sform_code=0, quatern_b=2),
    "offset inf": raw(vox_offset=np.inf),
    "offset NaN": raw(vox_offset=np.nan),
    "offset in the header": raw(vox_offset=4),
    "unit unknown": raw(xyzt_units=7),
    ".hdr": raw(magic=b"ni1"),
    "no magic": raw(magic=b""),
    "constant": raw(voxels=np.ones((6, 6, 4), np.int16)),
    "NaN voxel": raw(voxels=np.where(NOISE > 2, np.nan, NOISE)),
    "inf voxel": raw(voxels=np.where(NOISE > 2, np.inf, NOISE)),
    "gz truncated": gzip.compress(raw())[:-9],
    "gz without CRC": gzip.compress(raw())[:-8],
    "gz and rubbish": gzip.compress(raw()) + b"rubbish",
    "gz of html": gzip.compress(b"<html>" * 100),
    "gz in gz": gzip.compress(gzip.compress(raw())),
    "gz magic only": b"\x1f\x8b",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name(tmp_path, name):
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(BAD[name])
    with pytest.raises(InputError, match="bad.nii.gz: ") as refusal:
        read_nifti(path)
    assert "\n" not in str(refusal.value)


def test_folders_and_absent_files_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.nii.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            read_nifti(path)


def test_every_flipped_bit_of_a_gzip_is_refused_or_harmless(tmp_path):
    path = tmp_path / "a.nii.gz"
    write_nifti(path, stack())
    content, rng = path.read_bytes(), np.random.default_rng(1)
    for bit in rng.integers(0, 8 * len(content), 200):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        try:
            after = read_nifti(path)
        except InputError:
            continue
        assert np.array_equal(after.voxels, stack().voxels) and np.allclose(after.affine, oblique(), atol=1e-5)


def bomb(path: Path, head: bytes) -> None:
    """256 MB of zeros after a header, in a quarter of a megabyte."""
    packer, packed = zlib.compressobj(9, wbits=31), io.BytesIO()
    packed.write(packer.compress(head))
    for _ in range(64):
        packed.write(packer.compress(bytes(1 << 22)))
    path.write_bytes(packed.getvalue() + packer.flush())


@pytest.mark.parametrize("head", [b"", raw()], ids=["zeros", "after a sound file"])
def test_a_gzip_bomb_is_refused_in_little_memory(tmp_path, head):
    bomb(tmp_path / "bomb.nii.gz", head)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"bomb.nii.gz: is (not a NIfTI file|longer than)"):
        read_nifti(tmp_path / "bomb.nii.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.real
def test_the_real_cine_is_read_as_nibabel_reads_it(real_files):
    path = real_files / "mri" / "sa.nii.gz"
    ours, theirs = read_nifti(path), nib.load(path)
    assert np.array_equal(ours.voxels, np.asanyarray(theirs.dataobj)) and ours.voxels.dtype == np.int16
    assert np.allclose(ours.affine, theirs.affine) and ours.frame_interval_s == pytest.approx(0.03315, abs=1e-5)
