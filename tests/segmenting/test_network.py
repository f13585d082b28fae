"""Label maps lie where the heart lies in the file, whatever the order and the signs of its axes."""

import numpy as np
import pytest
import torch

from cohort.cine import CineStack
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, own_slices_grid
from cohort.phenotypes import CLASSES, dice
from segmenting.flags import flags_of
from segmenting.measured_cine import measure_cine
from segmenting.network import remove_islands, segment_cine


@pytest.fixture(scope="module")
def found(short_beat, segmenter):
    return segment_cine(segmenter, short_beat, "a cine")


def overlaps(one, other):
    return [dice(one, other, int(label)) for label in CLASSES]


def as_stored(cine: CineStack, order: tuple[int, int, int], flipped: tuple[int, ...]) -> CineStack:
    """The same heart in another storage: axes in another order, some of them reversed."""
    affine = cine.affine.copy()
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (cine.voxels.shape[axis] - 1)
        affine[:3, axis] *= -1
    voxels = np.flip(cine.voxels, flipped).transpose(*order, 3)
    return CineStack(voxels, affine[:, [*order, 3]], cine.frame_interval_s)


def test_labels_lie_on_the_true_ones(beat, found):
    assert found.labels.shape == beat.labels[..., ::5].shape
    assert min(overlaps(found.labels, beat.labels[..., ::5])) > 0.8
    shifted = np.roll(found.labels, 3, axis=0)
    assert max(overlaps(shifted, beat.labels[..., ::5])) < 0.95


@pytest.mark.parametrize(("order", "flipped"), [((0, 1, 2), (0, 2)), ((1, 0, 2), (1,)), ((2, 0, 1), (2,))])
def test_labels_follow_the_files_axes(short_beat, segmenter, found, order, flipped):
    two = CineStack(short_beat.voxels[..., :2], short_beat.affine, short_beat.frame_interval_s)
    other = as_stored(two, order, flipped)
    expected = np.flip(segment_cine(segmenter, two, "a cine").labels, flipped).transpose(*order, 3)
    labels = segment_cine(segmenter, other, "a cine").labels
    assert labels.shape == other.voxels.shape
    assert min(overlaps(labels, expected)) > 0.99


def test_a_finer_file_gets_labels_on_its_own_pixels(short_beat, segmenter, found):
    doubled = CineStack(np.repeat(np.repeat(short_beat.voxels[..., :2], 2, 0), 2, 1), short_beat.affine.copy())
    doubled.affine[:3, 3] -= doubled.affine[:3, :2].sum(axis=1) / 4
    doubled.affine[:3, :2] /= 2
    labels = segment_cine(segmenter, doubled, "a cine").labels
    expected = np.repeat(np.repeat(found.labels[..., :2], 2, 0), 2, 1)
    assert labels.shape == doubled.voxels.shape
    assert min(overlaps(labels, expected)) > 0.9


def test_every_slice_of_the_file_is_one_of_the_grid_and_none_is_cut(short_beat):
    grid = own_slices_grid(short_beat)
    assert grid.voxels.shape == (short_beat.voxels.shape[2], short_beat.voxels.shape[3], 96, 96)
    steps = np.linalg.inv(short_beat.affine) @ grid.affine
    at = steps[2, 2] * np.arange(len(grid.voxels)) + steps[2, 3]
    assert sorted(np.round(at, 3).tolist()) == list(range(len(grid.voxels)))
    assert own_slices_grid(short_beat, pixels=GridGeometry(height=48, width=64)).voxels.shape[2:] == (48, 64)


def test_a_file_that_states_no_orientation_is_turned_by_what_the_network_finds(short_beat, segmenter, found):
    spacing = short_beat.spacing_mm
    plain = CineStack(short_beat.voxels, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]))
    with pytest.raises(InputError, match="orientation"):
        own_slices_grid(plain)
    other = segment_cine(segmenter, plain, "a cine")
    assert min(overlaps(other.labels, found.labels)) > 0.9
    assert any("turned" in note for note in other.grid.notes)


def test_a_heart_far_from_what_moves_is_looked_for_again(short_beat, segmenter, found, monkeypatch):
    """What moves is said to lie 60 mm aside: without a second look, the heart would be cut."""
    aside = np.argwhere(found.labels[..., 0] > 0).mean(axis=0) + [60 / short_beat.pixel_mm, 0, 0]
    monkeypatch.setattr("cohort.heart_grid._motion_centre", lambda _: (aside.copy(), True))
    assert min(overlaps(segment_cine(segmenter, short_beat, "a cine").labels, found.labels)) > 0.9


def test_islands_are_no_heart():
    labels = np.zeros((4, 20, 20), np.uint8)
    labels[:, 5:12, 5:12], labels[:, 7:10, 7:10], labels[:, 5:12, 12:16] = 2, 1, 3
    whole = labels.copy()
    labels[1, 17:19, 2:4], labels[2, 1, 18], labels[0, 19, 19] = 3, 2, 1
    apart = remove_islands(labels)
    assert apart == 2 / (4 * 49 + 2)  # of the LV alone
    np.testing.assert_array_equal(labels, whole)


class SeesTheLVEverywhere:
    """A segmenter that answers LV cavity for every pixel."""

    device = torch.device("cpu")

    def logits_and_features(self, slices):
        logits = torch.zeros(len(slices), 4, *slices.shape[2:])
        logits[:, 1] = 5
        return logits, torch.zeros(len(slices), 1)


class SeesTwoLVs(SeesTheLVEverywhere):
    """A segmenter that answers two discs of LV, one of them a ninth of the other."""

    def logits_and_features(self, slices):
        logits, features = super().logits_and_features(slices)
        row, column = np.mgrid[: slices.shape[2], : slices.shape[3]]
        lv = (np.hypot(row - 45, column - 45) < 15) | (np.hypot(row - 75, column - 75) < 5)
        logits[:, 1] = torch.from_numpy(np.where(lv, 5.0, -5.0))
        return logits, features


def test_an_lv_in_pieces_is_flagged_by_what_was_removed(short_beat):
    two = CineStack(short_beat.voxels[..., :2], short_beat.affine)
    found = segment_cine(SeesTwoLVs(), two, "a cine")
    assert found.lv_apart == pytest.approx([0.1, 0.1], abs=0.01)
    measured = measure_cine(found.labels, two, found.grid_labels, found.grid.geometry.pixel_mm)
    flags = flags_of(measured, found.grid_labels, found.lv_apart)
    assert any(flag.code == "lv_in_pieces" and "10 % at ED" in flag.words for flag in flags)


def test_outside_of_the_grid_and_where_nothing_was_acquired_is_background(short_beat):
    dark = CineStack(short_beat.voxels[..., :2].copy(), short_beat.affine)
    dark.voxels[:, :, 4] = 0
    found = segment_cine(SeesTheLVEverywhere(), dark, "a cine")
    assert not found.labels[:, :, 4].any()
    assert not found.grid_labels[~found.grid.mask].any()
    side = 96 * found.grid.geometry.pixel_mm
    covered = (found.labels[:, :, 5, 0] == 1).sum() * short_beat.spacing_mm[0] * short_beat.spacing_mm[1]
    assert covered == pytest.approx(side**2, rel=0.02)  # the grid's window, and nothing beyond
