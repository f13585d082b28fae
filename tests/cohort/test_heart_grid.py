"""However a heart is stored, it lands on the grid in one and the same way, and comes back."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cohort.cine import CineStack, Label, read_nifti, write_nifti
from cohort.errors import InputError
from cohort.heart_grid import (
    GridGeometry,
    canonical_affine,
    cine_grid,
    estimate_es_frame,
    heart_grid,
    read_heart,
    to_cine,
)
from cohort.subjects import ShortAxis, Subject
from tests.corpora.orientations import ORDERS, SAME, difference_after_load, itk_disagrees, stored

SMALL = GridGeometry(slices=6, height=32, width=40, slice_step_mm=10.0, pixel_mm=3.0)


def short_axis_affine(spacing) -> np.ndarray:
    """A double-oblique stack whose rotation within the slice is nobody's canonical one."""
    normal = np.array([-0.5, 0.62, -0.6])
    normal /= np.linalg.norm(normal)
    x = np.cross(normal, [0.3, 0.2, 0.9])
    x /= np.linalg.norm(x)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([x, np.cross(normal, x), normal], axis=1) * spacing
    affine[:3, 3] = -affine[:3, :3] @ [25, 23, 4] + [20, -15, 8]
    return affine


def drawn_heart(frames=2, spacing=(2.0, 2.2, 10.0), shape=(52, 48, 9)) -> tuple[CineStack, CineStack]:
    """An LV of two ellipsoids with an RV towards the patient's right, in millimetres; it contracts to mid-cycle."""
    affine = short_axis_affine(spacing)
    index = np.stack([*np.indices(shape), np.ones(shape)]).reshape(4, -1)
    points = (affine @ index)[:3].T - [20, -15, 8]
    axes = affine[:3, :3] / spacing
    along, right = points @ axes[:, 2], points @ ([1, 0, 0] - axes[0, 2] * axes[:, 2])
    across = np.sqrt(np.maximum((points**2).sum(1) - along**2, 0))
    apart = points - np.outer(np.where(right > 0, 1, 0) * 26, [1, 0, 0])
    images, labels = [], []
    for frame in range(frames):
        squeeze = 1 - 0.3 * np.sin(np.pi * frame / max(frames - 1, 1) if frames > 2 else np.pi / 2 * frame)
        cavity = (across / (18 * squeeze)) ** 2 + (along / 31) ** 2 < 1
        wall = (across / 26) ** 2 + (along / 36) ** 2 < 1
        rv = ((apart**2).sum(1) < (24 * squeeze) ** 2) & (right > 0)
        label = np.select([cavity, wall, rv], [1, 2, 3], 0).reshape(shape).astype(np.uint8)
        texture = 20 * np.sin(points[:, 0] / 9) + 15 * np.cos(points[:, 1] / 11) + points[:, 2] / 5
        labels.append(label)
        images.append(np.array([60, 400, 120, 330])[label] + texture.reshape(shape))
    voxels = np.stack(images, axis=3).astype(np.int16)
    return CineStack(voxels, affine, 0.03), CineStack(np.stack(labels, axis=3), affine, 0.03)


def frame(stack: CineStack, number: int) -> CineStack:
    return CineStack(stack.voxels[..., number : number + 1], stack.affine)


def volume_ml(labels: np.ndarray, affine: np.ndarray, label: int) -> float:
    return float((labels == label).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)


@pytest.mark.parametrize("step_mm", [10.0, 13.0])
@pytest.mark.parametrize("labelled", [True, False])
def test_all_storage_orders_and_directions_give_the_same_grid(labelled, step_mm):
    cine, labels = drawn_heart(spacing=(2.0, 2.2, step_mm))
    expected = cine_grid(cine, labels if labelled else None, SMALL)
    for order, flips in ORDERS:
        other = stored(labels, order, flips) if labelled else None
        found = cine_grid(stored(cine, order, flips), other, SMALL)
        assert np.abs(found.voxels - expected.voxels).max() < 1e-5
        assert np.allclose(found.affine, expected.affine, atol=1e-4)
        assert np.array_equal(found.mask, expected.mask)
        assert not labelled or np.array_equal(found.labels, expected.labels)


def test_the_axes_are_left_posterior_inferior_and_towards_the_apex():
    cine, labels = drawn_heart()
    grid = cine_grid(cine, labels, SMALL)
    x, y, s = (grid.affine[:3, axis] / np.linalg.norm(grid.affine[:3, axis]) for axis in range(3))
    assert s @ [-1, 1, -1] > 0 and x[0] < 0 and y[1] < 0 and y[2] < 0
    assert np.allclose(y, np.cross(x, s), atol=1e-6)
    columns = np.arange(SMALL.width)
    lv = (grid.labels == Label.LV_CAVITY).sum((0, 1, 2)) @ columns / (grid.labels == Label.LV_CAVITY).sum()
    rv = (grid.labels == Label.RV_CAVITY).sum((0, 1, 2)) @ columns / (grid.labels == Label.RV_CAVITY).sum()
    assert rv < lv - 3  # the right ventricle lies on the left of the picture


def test_the_labelled_heart_is_in_the_middle():
    cine, labels = drawn_heart()
    grid = cine_grid(cine, labels, SMALL)
    rows, columns = (np.nonzero(grid.labels[:, 0])[axis] for axis in (1, 2))
    assert abs(rows.mean() - (SMALL.height - 1) / 2) < 0.3 and abs(columns.mean() - (SMALL.width - 1) / 2) < 0.3
    assert "centred on the label map at ED" in grid.notes


def test_without_a_label_map_motion_finds_the_heart_and_the_note_says_so():
    cine, labels = drawn_heart(frames=12)
    middle = [(SMALL.width - 1) / 2, (SMALL.height - 1) / 2, (SMALL.slices - 1) / 2, 1]
    found, expected = cine_grid(cine, geometry=SMALL), cine_grid(cine, labels, SMALL)
    assert np.linalg.norm((found.affine - expected.affine) @ middle) < 20
    assert "its middle from where the film moves" in found.notes
    still = CineStack(np.repeat(cine.voxels[..., :1], 2, axis=3), cine.affine)
    assert "its middle from that of the picture, for nothing moves" in cine_grid(still, geometry=SMALL).notes


def test_slices_of_the_same_step_are_not_blended():
    cine, labels = drawn_heart(spacing=(3.0, 3.0, 10.1))
    cine.voxels[:] = 0
    cine.voxels[5:40, 5:40, :, :] = np.arange(1, 10)[:, None]  # the slice's number is its brightness
    grid = cine_grid(cine, labels, SMALL)
    window = np.ptp(grid.voxels[:, 0, 16, 20]) / 5
    levels = grid.voxels[:, 0, 16, 20] / window
    assert np.allclose(np.diff(levels), 1, atol=1e-3)
    assert np.linalg.norm(grid.affine[:3, 2]) == pytest.approx(10.1, abs=1e-4)


def test_outside_the_acquisition_the_mask_is_false_and_the_voxels_are_zero():
    cine, labels = drawn_heart(shape=(52, 48, 4))
    geometry = GridGeometry(slices=10, height=32, width=96, pixel_mm=3.0)
    grid = cine_grid(cine, labels, geometry)
    assert grid.mask.sum(axis=0).tolist() == [4, 4] and grid.voxels.shape == geometry.shape
    assert not grid.voxels[~grid.mask].any() and not grid.labels[~grid.mask].any()
    assert not grid.voxels[..., 0].any() and grid.voxels[grid.mask].min() == 0 and grid.voxels.max() == 1


@pytest.mark.parametrize("step_mm", [10.0, 8.0, 5.0])
def test_volumes_on_the_grid_are_those_of_the_label_map(step_mm):
    cine, labels = drawn_heart(spacing=(1.6, 1.6, step_mm), shape=(80, 76, round(110 / step_mm)))
    labels.affine[:3, 3] = cine.affine[:3, 3]
    grid = cine_grid(cine, labels)
    for phase, label in itertools.product(range(2), (Label.LV_CAVITY, Label.LV_MYOCARDIUM)):
        native = volume_ml(labels.voxels[..., phase], labels.affine, label)
        assert volume_ml(grid.labels[:, phase], grid.affine, label) == pytest.approx(native, rel=0.05)


@pytest.mark.parametrize("spacing", [(2.0, 2.2, 10.0), (2.0, 2.2, 13.0)])
def test_a_grid_written_read_and_gridded_again_is_itself(tmp_path, spacing):
    grid = cine_grid(*drawn_heart(spacing=spacing, shape=(52, 48, 5)), SMALL)
    write_nifti(tmp_path / "a.nii.gz", to_cine(grid))
    stack = read_nifti(tmp_path / "a.nii.gz")
    assert np.array_equal(stack.affine, grid.affine) and np.array_equal(stack.voxels, to_cine(grid).voxels)
    again = cine_grid(stack, geometry=SMALL)
    assert np.array_equal(again.voxels, grid.voxels) and np.array_equal(again.mask, grid.mask)
    assert np.array_equal(again.affine, grid.affine)


def test_a_generated_heart_lies_about_the_origin_in_canonical_axes():
    affine = canonical_affine(SMALL)
    assert np.allclose(affine @ [19.5, 15.5, 2.5, 1], [0, 0, 0, 1], atol=1e-4)
    assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), [3, 3, 10])
    rng = np.random.default_rng(0)
    voxels = rng.random((SMALL.width, SMALL.height, SMALL.slices, 2), np.float32)
    grid = cine_grid(CineStack(voxels, affine), geometry=SMALL)
    assert np.array_equal(to_cine(grid).voxels, voxels)


def test_both_layouts_give_the_same_heart(tmp_path):
    cine, labels = drawn_heart(frames=9)
    names = ("cine", "ed", "es", "labels_cine", "labels_ed", "labels_es")
    stacks = (cine, frame(cine, 0), frame(cine, 4), labels, frame(labels, 0), frame(labels, 4))
    paths = {name: tmp_path / f"{name}.nii.gz" for name in names}
    for name, stack in zip(names, stacks, strict=True):
        write_nifti(paths[name], stack)
    whole = Subject(9_000_001, 2, images=ShortAxis(cine=paths["cine"], labels_cine=paths["labels_cine"]))
    stills = {name: paths[name] for name in ("ed", "es", "labels_ed", "labels_es")}
    two = Subject(9_000_001, 2, images=ShortAxis(**stills))
    one, other = read_heart(whole, SMALL), read_heart(two, SMALL)
    assert np.array_equal(one.voxels, other.voxels) and np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.affine, other.affine) and one.notes == other.notes
    with pytest.raises(InputError, match="is not there"):
        read_heart(Subject(9_000_001, 2), SMALL)


def test_es_is_the_smallest_cavity_else_estimated_within_a_frame_of_it():
    cine, labels = drawn_heart(frames=15)
    assert abs(estimate_es_frame(cine) - 7) <= 1
    labels.voxels[..., 3] = 0  # a frame nobody labelled is not an empty ventricle
    grid = cine_grid(cine, labels, SMALL)
    by_hand = heart_grid(frame(cine, 0), frame(cine, 7), frame(labels, 0), frame(labels, 7), SMALL)
    assert np.array_equal(grid.voxels, by_hand.voxels)


def test_a_label_map_of_ed_alone_gives_no_empty_ventricle_at_es():
    cine, labels = drawn_heart(frames=15)
    labels.voxels[..., 1:] = 0
    grid = cine_grid(cine, labels, SMALL)
    assert grid.labels is None and "the label map is empty at a phase: it is not used" in grid.notes
    assert np.abs(grid.voxels[:, 1] - grid.voxels[:, 0]).max() > 0.3


def test_more_phases_are_spread_over_the_cycle_from_ed():
    cine, labels = drawn_heart(frames=8)
    geometry = GridGeometry(slices=6, phases=4, height=32, width=40, pixel_mm=3.0)
    grid = cine_grid(cine, labels, geometry)
    every_second = CineStack(cine.voxels[..., ::2], cine.affine)
    assert np.array_equal(grid.voxels, cine_grid(every_second, frame_labels(labels, 2), geometry).voxels)
    cavity = (grid.labels == Label.LV_CAVITY).sum((0, 2, 3))
    assert cavity.argmax() == 0 and cavity.argmin() == 2
    with pytest.raises(InputError, match="4 phases need a cine"):
        heart_grid(frame(cine, 0), frame(cine, 4), geometry=geometry)


def rolled(stack: CineStack, frames: int) -> CineStack:
    return CineStack(np.roll(stack.voxels, frames, axis=3), stack.affine, stack.frame_interval_s)


@pytest.mark.parametrize("first", [1, 5, 11])
def test_ed_is_the_largest_cavity_wherever_the_cycle_begins(first):
    cine, labels = (CineStack(stack.voxels[..., :12], stack.affine) for stack in drawn_heart(frames=13))
    geometry = GridGeometry(slices=6, phases=4, height=32, width=40, pixel_mm=3.0)
    for grid in (SMALL, geometry):
        whole = cine_grid(cine, labels, grid)
        found = cine_grid(rolled(cine, first), rolled(labels, first), grid)
        assert np.array_equal(found.voxels, whole.voxels) and np.array_equal(found.labels, whole.labels)
        assert f"ED is frame {first} of the cine" in found.notes[0] and not whole.notes[0].startswith("ED is")


def test_ed_and_es_may_be_the_only_labelled_frames():
    cine, labels = drawn_heart(frames=12)
    cine, labels = rolled(cine, 7), rolled(labels, 7)
    by_hand = heart_grid(frame(cine, 7), frame(cine, 1), frame(labels, 7), frame(labels, 1), SMALL)
    labels.voxels[..., [t for t in range(12) if t not in (7, 1)]] = 0
    found = cine_grid(cine, labels, SMALL)
    assert np.array_equal(found.voxels, by_hand.voxels) and np.array_equal(found.labels, by_hand.labels)


def test_the_larger_of_two_frames_is_ed_and_files_of_their_own_are_believed():
    cine, labels = drawn_heart()
    found = cine_grid(rolled(cine, 1), rolled(labels, 1), SMALL)
    assert np.array_equal(found.voxels, cine_grid(cine, labels, SMALL).voxels)
    stills = heart_grid(frame(cine, 1), frame(cine, 0), frame(labels, 1), frame(labels, 0), SMALL)
    assert np.array_equal(stills.labels[:, 0].any(axis=(1, 2)), found.labels[:, 1].any(axis=(1, 2)))
    assert (stills.labels[:, 0] == Label.LV_CAVITY).sum() < (stills.labels[:, 1] == Label.LV_CAVITY).sum()


def exchanged(voxels: np.ndarray) -> np.ndarray:
    """Stored x, y, t, z."""
    return voxels.transpose(0, 1, 3, 2)


def interleaved(voxels: np.ndarray) -> np.ndarray:
    """Stored x, y, t, z under a header that says x, y, z, t."""
    return exchanged(voxels).ravel(order="F").reshape(voxels.shape, order="F")


@pytest.mark.parametrize("mixed", [exchanged, interleaved])
@pytest.mark.parametrize("labelled", [True, False])
def test_slices_and_frames_that_are_mixed_up_are_refused(mixed, labelled):
    cine, labels = drawn_heart(frames=20)
    one, other = (CineStack(mixed(stack.voxels), stack.affine, 0.03) for stack in (cine, labels))
    with pytest.raises(InputError, match="slices are more alike than its .* frames"):
        cine_grid(one, other if labelled else None, SMALL)


def test_one_slice_is_no_stack_and_no_heart_is_longer_than_a_chest():
    cine, _ = drawn_heart(frames=5)
    with pytest.raises(InputError, match="one slice, such as a long-axis view"):
        cine_grid(CineStack(cine.voxels[:, :, :1], cine.affine), geometry=SMALL)
    with pytest.raises(InputError, match="is 360 mm long"):
        cine_grid(CineStack(cine.voxels, cine.affine @ np.diag([1, 1, 4, 1])), geometry=SMALL)


def test_the_interval_of_phases_spread_over_a_cycle_is_written(tmp_path):
    cine, labels = drawn_heart(frames=8)
    geometry = GridGeometry(slices=6, phases=4, height=32, width=40, pixel_mm=3.0)
    write_nifti(tmp_path / "a.nii.gz", to_cine(cine_grid(cine, labels, geometry)))
    assert read_nifti(tmp_path / "a.nii.gz").frame_interval_s == pytest.approx(0.06)
    assert to_cine(cine_grid(cine, labels, SMALL)).frame_interval_s is None  # ED to ES is no interval of frames


def test_what_reading_mended_is_told(tmp_path):
    """In both layouts: labels a hair off, and numbered as ACDC does."""
    cine, labels = drawn_heart()
    acdc = np.array([0, 3, 2, 1], np.float32)[labels.voxels]
    off = CineStack(acdc * np.float32(1.0001), labels.affine)
    stacks = {"cine": cine, "ed": frame(cine, 0), "es": frame(cine, 1)}
    stacks |= {"labels_cine": off, "labels_ed": frame(off, 0), "labels_es": frame(off, 1)}
    paths = {name: tmp_path / f"{name}.nii.gz" for name in stacks}
    for name, stack in stacks.items():
        write_nifti(paths[name], stack)
    for names in (("cine", "labels_cine"), ("ed", "es", "labels_ed", "labels_es")):
        grid = read_heart(Subject(9_000_001, 2, images=ShortAxis(**{name: paths[name] for name in names})), SMALL)
        assert np.array_equal(grid.labels, cine_grid(cine, labels, SMALL).labels)
        assert [note.split(":")[0] for note in grid.notes[:2]] == [
            "labels a hair off whole numbers were rounded",
            "the label map has ACDC's numbers (1 RV, 3 LV)",
        ]


@pytest.mark.parametrize("labelled", [True, False])
def test_what_reading_the_image_mended_is_told_too(labelled):
    cine, labels = drawn_heart(frames=6)
    mended = replace(cine, notes=("frames are absent",))
    assert "frames are absent" in cine_grid(mended, labels if labelled else None, SMALL).notes
    stills = [replace(frame(cine, number), notes=("frames are absent",)) for number in (0, 3)]
    assert heart_grid(*stills, geometry=SMALL).notes.count("frames are absent") == 1


def frame_labels(labels: CineStack, every: int) -> CineStack:
    return CineStack(labels.voxels[..., ::every], labels.affine)


def test_what_cannot_be_gridded_is_refused():
    cine, labels = drawn_heart()
    moved = CineStack(labels.voxels, labels.affine + np.eye(4, k=3))
    with pytest.raises(InputError, match="differ in size or affine"):
        cine_grid(cine, moved, SMALL)
    with pytest.raises(InputError, match="is one frame"):
        cine_grid(frame(cine, 0), geometry=SMALL)
    with pytest.raises(InputError, match="number of frames"):
        cine_grid(cine, frame(labels, 0), SMALL)
    flat = CineStack(np.ones_like(cine.voxels), cine.affine)
    with pytest.raises(InputError, match="no contrast"):
        cine_grid(flat, labels, SMALL)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("origin", [0, -65.0])
def test_an_orientation_that_cannot_be_known_is_refused(signs, origin):
    cine, labels = drawn_heart()
    affine = np.diag([*np.array([2.0, 2.0, 10.0]) * signs, 1.0])
    affine[:2, 3] = origin
    for given in (labels, None):
        with pytest.raises(InputError, match="states no orientation .* the sform") as refusal:
            cine_grid(CineStack(cine.voxels, affine), given and CineStack(given.voxels, affine), SMALL)
        assert refusal.value.code == "orientation"


def test_odd_planes_are_told():
    cine, labels = drawn_heart()
    tilt = np.array([[0.1, 0, 10, 3], [2, 0, 0.5, 4], [0, 2, 0, 5], [0, 0, 0, 1.0]])
    for affine, note in (
        (tilt, "sagittal"),
        (short_axis_affine((2, 2, 10))[:, [2, 1, 0, 3]] * [0.2, 1, 5, 1], "is a guess"),
    ):
        grid = cine_grid(CineStack(cine.voxels, affine), CineStack(labels.voxels, affine), SMALL)
        assert any(note in told for told in grid.notes), grid.notes


@pytest.mark.parametrize("number", range(0, 96, 7))
def test_files_of_any_axis_order_and_rotation_load_as_the_same_slices(tmp_path, number):
    assert difference_after_load(number, tmp_path) <= SAME


@pytest.mark.parametrize("number", range(0, 96, 7))
def test_simpleitk_sees_what_we_write_where_it_is(tmp_path, number):
    pytest.importorskip("SimpleITK")
    assert itk_disagrees(number, tmp_path) == ""


@pytest.fixture(scope="module")
def real_heart(real_files):
    return read_nifti(real_files / "mri" / "sa.nii.gz"), read_nifti(real_files / "mri" / "seg_sa.nii.gz", labels=True)


@pytest.mark.real
def test_real_volumes_survive_slices_of_17_7_mm(real_heart):
    cine, labels = real_heart
    grid = cine_grid(cine, labels)
    for phase, number in ((0, 0), (1, 9)):
        for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM):
            native = volume_ml(labels.voxels[..., number], labels.affine, label)
            assert volume_ml(grid.labels[:, phase], grid.affine, label) == pytest.approx(native, rel=0.05)


@pytest.mark.real
def test_a_real_long_axis_view_is_refused_by_name(real_files):
    with pytest.raises(InputError, match="one slice, such as a long-axis view"):
        cine_grid(read_nifti(real_files / "mri" / "la_4ch.nii.gz"))


@pytest.mark.real
def test_the_real_heart_is_found_without_its_label_map(real_heart):
    cine, labels = real_heart
    middle = [47.5, 47.5, 4.5, 1]
    assert np.linalg.norm((cine_grid(cine).affine - cine_grid(cine, labels).affine) @ middle) < 20
    assert abs(estimate_es_frame(cine) - (labels.voxels == Label.LV_CAVITY).sum((0, 1, 2)).argmin()) <= 3
