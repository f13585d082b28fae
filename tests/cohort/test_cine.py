"""What is written is what is read. Damaged, hostile and unusual files: test_bad_nifti.py."""

import itertools

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


@pytest.mark.parametrize(("interval", "beat"), [(0.04, 0.8), (None, None), (0.9, None), (0.001, None)])
def test_all_frames_last_a_beat_where_a_heart_can_beat_so(interval, beat):
    assert CineStack(np.zeros((2, 2, 2, 20)), np.eye(4), interval).beat_s == beat


def test_an_unknown_frame_interval_stays_unknown(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", CineStack(stack().voxels, oblique()))
    assert read_nifti(tmp_path / "a.nii.gz").frame_interval_s is None
    header = nib.load(tmp_path / "a.nii.gz").header
    assert header["pixdim"][4] == 1 and header.get_xyzt_units() == ("mm", "unknown")  # ITK takes no interval of 0


def test_the_same_stack_gives_the_same_bytes_and_leaves_nothing_else_behind(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, stack())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.nii.gz", "b.nii.gz"}


def test_no_link_is_followed(tmp_path, monkeypatch):
    """Neither one at the file's name, which is replaced, nor one at its temporary name, if that could be guessed."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "a.nii.gz").symlink_to(precious)
    write_nifti(tmp_path / "a.nii.gz", stack())
    assert not (tmp_path / "a.nii.gz").is_symlink()
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".partial-guessed-b.nii.gz").symlink_to(precious)
    with pytest.raises(InputError, match="cannot be written"):
        write_nifti(tmp_path / "b.nii.gz", stack())
    assert precious.read_text() == "precious" and not (tmp_path / "b.nii.gz").exists()


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be written .No such file"):
        write_nifti(tmp_path / "absent" / "a.nii.gz", stack())


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
    with pytest.raises(InputError, match="not whole numbers"):
        read_nifti(tmp_path / "a.nii", labels=True)
    assert Label(1) is Label.LV_CAVITY


def test_labels_a_hair_off_are_rounded_with_a_note(tmp_path):
    exact = np.random.default_rng(2).integers(0, 4, (5, 6, 3, 2)).astype(np.float32)
    for off, notes in ((0, 0), (9e-4, 1)):
        write_nifti(tmp_path / "a.nii", CineStack(exact - np.float32(off), oblique()))
        found = read_nifti(tmp_path / "a.nii", labels=True)
        assert np.array_equal(found.voxels, exact) and found.voxels.dtype == np.uint8 and len(found.notes) == notes
    write_nifti(tmp_path / "a.nii", CineStack(exact - np.float32(2e-3), oblique()))
    with pytest.raises(InputError, match="not whole numbers"):
        read_nifti(tmp_path / "a.nii", labels=True)


@pytest.mark.parametrize("signs", itertools.product((1, -1), repeat=3))
@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_axes_parallel_to_the_scanners_state_no_orientation_whatever_their_signs_and_origin(order, signs):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * signs * SPACING
    affine[:3, 3] = np.random.default_rng(1).choice([0, -65.0, 104.5], 3)
    affine[:3, :3] += 1e-5  # of a quaternion in 32 bits
    assert not CineStack(stack().voxels, affine).states_orientation
    tilted = affine.copy()
    tilted[:3, :3] = turned_by(2) @ affine[:3, :3]
    assert CineStack(stack().voxels, tilted).states_orientation and stack().states_orientation


def turned_by(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])


@pytest.mark.real
def test_the_real_cine_is_read_as_nibabel_reads_it(real_files):
    path = real_files / "mri" / "sa.nii.gz"
    ours, theirs = read_nifti(path), nib.load(path)
    assert np.array_equal(ours.voxels, np.asanyarray(theirs.dataobj)) and ours.voxels.dtype == np.int16
    assert np.allclose(ours.affine, theirs.affine) and ours.frame_interval_s == pytest.approx(0.03315, abs=1e-5)
