"""The myocardium tells which number is the left ventricle's cavity; what cannot be told is refused."""

import numpy as np
import pytest

from cohort.cine import CineStack, read_nifti
from cohort.errors import InputError
from cohort.heart_grid import canonical_affine
from cohort.label_numbering import RENUMBERED, detect_convention, in_ukbb_numbers, to_ukbb
from tests.cohort.drawn_labels import GEOMETRY, LV, RV, WALL, as_acdc, drawn_heart


def test_the_cavity_within_the_ring_tells_the_convention():
    heart = drawn_heart()
    assert detect_convention(heart) == "ukbb"
    assert detect_convention(as_acdc(heart)) == "acdc"


@pytest.mark.parametrize("slice_", range(1, 9))
@pytest.mark.parametrize("phase", (0, 1))
def test_a_single_slice_of_either_phase_suffices(slice_, phase):
    one = drawn_heart()[slice_ : slice_ + 1, phase : phase + 1]
    assert (detect_convention(one), detect_convention(as_acdc(one))) == ("ukbb", "acdc")


def test_the_convention_does_not_depend_on_how_the_heart_lies():
    heart = drawn_heart()
    for turned in (heart.swapaxes(2, 3), heart[:, :, ::-1], heart[::-1], np.roll(heart, (30, -17), axis=(2, 3))):
        assert (detect_convention(turned), detect_convention(as_acdc(turned))) == ("ukbb", "acdc")


def test_an_open_base_and_a_few_stray_pixels_leave_it_clear():
    heart = drawn_heart()
    heart[1, :, :, 52:][heart[1, :, :, 52:] == WALL] = 0  # the basal slice's lateral wall
    heart[5, :, 3:6, 3:6] = LV
    assert (detect_convention(heart), detect_convention(as_acdc(heart))) == ("ukbb", "acdc")


@pytest.mark.real
def test_the_convention_of_a_real_heart(real_files):
    heart = read_nifti(real_files / "mri" / "seg_sa.nii.gz", labels=True).voxels.transpose(2, 3, 1, 0)
    assert (detect_convention(heart), detect_convention(as_acdc(heart))) == ("ukbb", "acdc")


def test_two_cavities_alike_are_refused():
    labels = np.full((1, 1, 40, 40), WALL)
    labels[..., 5:15, 5:15], labels[..., 25:35, 25:35] = LV, RV
    with pytest.raises(InputError, match=r"somebody: label 2 borders 100% of label 1's .* 100% of label 3's"):
        detect_convention(labels, "somebody")


def test_cavities_away_from_the_wall_are_refused():
    labels = np.zeros((1, 1, 40, 40), np.uint8)
    labels[..., 5:15, 5:15], labels[..., 25:35, 25:35], labels[..., 15:20, 5:15] = LV, RV, WALL
    with pytest.raises(InputError, match="25% of label 1's outline and 0% of label 3's.*state its convention"):
        detect_convention(labels)


@pytest.mark.parametrize("value", (1, 2, 3))
def test_a_missing_class_is_refused(value):
    heart = drawn_heart()
    with pytest.raises(InputError, match=f"somebody: has no label {value}"):
        detect_convention(np.where(heart == value, 0, heart), "somebody")


@pytest.mark.parametrize("value", (4, 255, -1, 0.5))
def test_other_values_are_refused(value):
    heart = drawn_heart().astype(float)
    heart[0, 0, 0, 0] = value
    with pytest.raises(InputError, match="labels other than 0 to 3"):
        detect_convention(heart)


def test_remapping_swaps_the_cavities_and_twice_is_the_identity():
    heart = drawn_heart()
    np.testing.assert_array_equal(to_ukbb(heart, "ukbb"), heart)
    np.testing.assert_array_equal(to_ukbb(as_acdc(heart), "acdc"), heart)
    np.testing.assert_array_equal(to_ukbb(to_ukbb(heart, "acdc"), "acdc"), heart)
    assert to_ukbb(heart, "acdc").dtype == np.uint8


# ---- the label maps of one heart ----


def a_map(labels: np.ndarray) -> CineStack:
    """(slices, phases, height, width) as a stack (x, y, z, t)."""
    return CineStack(labels.transpose(3, 2, 0, 1), canonical_affine(GEOMETRY))


def stills(labels: np.ndarray) -> list[CineStack]:
    return [a_map(labels[:, [phase]]) for phase in range(labels.shape[1])]


def test_acdc_numbers_become_ours_with_a_note_and_ours_stay():
    heart = drawn_heart()
    (ours,) = in_ukbb_numbers([a_map(heart)], ["a"])
    (theirs,) = in_ukbb_numbers([a_map(as_acdc(heart))], ["a"])
    np.testing.assert_array_equal(ours.voxels, a_map(heart).voxels)
    np.testing.assert_array_equal(theirs.voxels, ours.voxels)
    assert (ours.notes, theirs.notes) == ((), (RENUMBERED,))


def test_each_map_is_judged_by_itself_however_its_axes_are_stored():
    ed, es = stills(drawn_heart())
    other = CineStack(as_acdc(es.voxels).transpose(2, 0, 1, 3), es.affine[:, [2, 0, 1, 3]])
    found = in_ukbb_numbers([ed, other], ["ED", "ES"])
    np.testing.assert_array_equal(found[1].voxels, es.voxels.transpose(2, 0, 1, 3))
    assert (found[0].notes, found[1].notes) == ((), (RENUMBERED,))


def test_a_map_that_cannot_tell_goes_by_the_other():
    heart = as_acdc(drawn_heart())
    at_es = heart[:, 1]
    at_es[at_es == WALL] = 0  # neither cavity is enclosed
    assert in_ukbb_numbers(stills(heart), ["ED", "ES"])[1].notes == (RENUMBERED,)


def test_one_labelled_frame_of_a_cycle_tells():
    heart = np.concatenate([np.zeros((10, 7, 96, 96), np.uint8), as_acdc(drawn_heart())], axis=1)
    assert in_ukbb_numbers([a_map(heart)], ["a"])[0].notes == (RENUMBERED,)


@pytest.mark.parametrize("value", (1, 2, 3))
def test_a_map_of_one_class_cannot_be_what_it_says(value):
    with pytest.raises(InputError, match="somebody: label 2 borders 0% .* is unclear") as refusal:
        in_ukbb_numbers([a_map(np.full(GEOMETRY.shape, value, np.uint8))], ["somebody"])
    assert refusal.value.code == "labels"


def test_an_empty_map_and_no_map_stay_as_they_are():
    empty = a_map(np.zeros(GEOMETRY.shape, np.uint8))
    assert in_ukbb_numbers([empty, None], ["a", None]) == (empty, None)
