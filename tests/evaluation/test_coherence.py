import numpy as np
import pytest

from cohort.cine import Label
from evaluation.coherence import MEASURES, centres, coherence, coherence_of, coherence_row

SLICES, SIDE = 8, 64
PIXEL_MM = 1.8
EVERYWHERE = np.ones((SLICES, 2), bool)


def ball(centre, radius):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - centre[0], columns - centre[1]) < radius


def drawn(at=lambda s, p: (32, 32), cavity=lambda s, p: 7.5, angle=lambda s, p: 180.0, wall=10.5):
    """A heart of discs, (8, 2, 64, 64): LV of `cavity` and `wall` pixels radius, the RV 18 pixels away at `angle`.

    The angle is in degrees from the patient's left (columns) towards posterior (rows).
    """
    labels = np.zeros((SLICES, 2, SIDE, SIDE), np.uint8)
    for s in range(SLICES):
        for p in range(2):
            centre, turn = np.array(at(s, p)), np.radians(angle(s, p))
            labels[s, p][ball(centre + 18 * np.array([np.sin(turn), np.cos(turn)]), 6.3)] = Label.RV_CAVITY
            labels[s, p][ball(centre, wall)] = Label.LV_MYOCARDIUM
            labels[s, p][ball(centre, cavity(s, p))] = Label.LV_CAVITY
    return labels


def measured(labels, mask=EVERYWHERE, pixel_mm=PIXEL_MM):
    return coherence_of(labels, pixel_mm, mask)


def test_a_straight_stack_of_equal_discs_is_perfectly_coherent():
    found = measured(drawn())
    assert tuple(found) == MEASURES
    assert found == pytest.approx(dict.fromkeys(MEASURES, 0), abs=1e-9)


def test_a_tilted_stack_is_as_coherent_as_a_straight_one():
    tilted = measured(drawn(at=lambda s, p: (20 + 2 * s, 38 - s)))
    assert tilted == pytest.approx(dict.fromkeys(MEASURES, 0), abs=1e-9)


def test_a_jittered_stack_has_the_jitter():
    """Every other slice 3 pixels aside: seven shifts of +-3, +3 once more, of mean 3 / 7."""
    found = measured(drawn(at=lambda s, p: (32 + 3 * (s % 2), 32)))
    own = 3 / 7
    expected = (4 * (3 - own) + 3 * (3 + own)) / 7 * PIXEL_MM
    assert found["centre_shift_mm"] == pytest.approx(expected)
    assert found["phase_centre_shift_mm"] == 0 and found["rv_angle_shift_deg"] == pytest.approx(0, abs=1e-9)


def test_one_bad_slice_shows_more_than_none():
    shifted = measured(drawn(at=lambda s, p: (32, 32 + 5 * (s == 4))))
    assert shifted["centre_shift_mm"] == pytest.approx(2 * 5 / 7 * PIXEL_MM)  # there and back, mean shift 0


def test_a_heart_beating_beside_itself_has_the_distance():
    found = measured(drawn(at=lambda s, p: (32 + 3 * p, 32 + 4 * p)))
    assert found["phase_centre_shift_mm"] == pytest.approx(5 * PIXEL_MM)
    assert found["centre_shift_mm"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("start", [0.0, 90.0, 150.0, 179.0])
def test_a_turning_right_ventricle_has_its_angle_also_across_180_degrees(start):
    found = measured(drawn(angle=lambda s, p: start + 12 * s))
    assert found["rv_angle_shift_deg"] == pytest.approx(12, abs=1.0)  # discs of pixels


def test_an_even_taper_has_no_second_difference_and_a_lost_cavity_its_area():
    even = drawn()
    area = (even[0, 0] == Label.LV_CAVITY).sum()
    assert measured(even)["area_second_difference_mm2"] == 0
    even[4, 0][even[4, 0] == Label.LV_CAVITY] = Label.LV_MYOCARDIUM
    # in one of two phases: |a - 2a + 0|, |a - 0 + a|, |0 - 2a + a| among six
    assert measured(even)["area_second_difference_mm2"] == pytest.approx(4 * area / 12 * PIXEL_MM**2)


def test_a_slice_that_lost_its_ventricle_counts_but_what_lies_beyond_the_apex_does_not():
    labels = drawn()
    area = (labels[0, 0] == Label.LV_CAVITY).sum() * PIXEL_MM**2
    labels[6:] = 0
    assert measured(labels)["area_second_difference_mm2"] == 0
    labels[3] = 0
    assert measured(labels)["area_second_difference_mm2"] == pytest.approx((1 + 2 + 1) * area / 4)


def test_the_wall_gained_is_a_share_of_the_wall_before():
    labels = drawn(cavity=lambda s, p: 7.5 - 3 * p)
    ed, es = ((labels[:, p] == Label.LV_MYOCARDIUM).sum() for p in (0, 1))
    assert measured(labels)["myocardial_volume_change_percent"] == pytest.approx(100 * (es - ed) / ed)
    assert measured(labels[:, ::-1])["myocardial_volume_change_percent"] == pytest.approx(100 * (es - ed) / es)


def test_a_heart_without_labels_cannot_be_measured():
    assert all(np.isnan(value) for value in measured(np.zeros((SLICES, 2, SIDE, SIDE))).values())
    assert all(np.isnan(value) for value in measured(drawn(), mask=np.zeros((SLICES, 2), bool)).values())


def test_one_phase_has_no_es_and_two_slices_no_line():
    found = coherence_of(drawn()[:, :1], PIXEL_MM, EVERYWHERE[:, :1])
    assert np.isnan(found["phase_centre_shift_mm"]) and np.isnan(found["myocardial_volume_change_percent"])
    assert found["centre_shift_mm"] == 0
    found = coherence_of(drawn()[:2], PIXEL_MM, EVERYWHERE[:2])
    assert np.isnan(found["centre_shift_mm"]) and np.isnan(found["area_second_difference_mm2"])
    assert found["rv_angle_shift_deg"] == pytest.approx(0, abs=1e-9)


def test_what_was_not_acquired_is_not_looked_at_and_makes_no_neighbours():
    labels = drawn(at=lambda s, p: (32, 30 + 5 * (s == 3)))
    mask = EVERYWHERE.copy()
    mask[3] = False
    assert measured(labels, mask) == pytest.approx(dict.fromkeys(MEASURES, 0), abs=1e-9)
    assert measured(np.where(mask[..., None, None], labels, Label.RV_CAVITY), mask) == measured(labels, mask)


def test_larger_pixels_scale_lengths_and_areas_and_nothing_else():
    labels = drawn(
        at=lambda s, p: (32 + s % 3, 30 + 2 * p), cavity=lambda s, p: 8 - s % 2 - 2 * p, angle=lambda s, p: 170 + 9 * s
    )
    one, two = (coherence_row(labels, pixel_mm, EVERYWHERE) for pixel_mm in (PIXEL_MM, 2 * PIXEL_MM))
    assert (one > 0).all()
    np.testing.assert_allclose(two / one, [2, 4, 1, 2, 1])


def test_a_few_stray_pixels_have_no_centre():
    slice_ = np.zeros((SIDE, SIDE), int)
    slice_[3, :9] = Label.RV_CAVITY
    assert np.isnan(centres(slice_, (Label.RV_CAVITY,))).all()
    slice_[3, 9] = Label.RV_CAVITY
    np.testing.assert_allclose(centres(slice_, (Label.RV_CAVITY,)), [3, 4.5])


def test_slices_of_different_hearts_are_less_coherent_than_one_heart():
    """The planted fault: each slice right in itself, and taken from somebody else."""
    rng = np.random.default_rng(0)
    centre, radius, angle = rng.normal(32, 3, (8, 2)), rng.uniform(5, 9, 8), rng.normal(180, 20, 8)
    hearts = [
        drawn(lambda s, p, i=i: centre[i], lambda s, p, i=i: radius[i] - p, lambda s, p, i=i: angle[i])
        for i in range(8)
    ]
    mixed = [np.stack([hearts[(i + s) % 8][s] for s in range(SLICES)]) for i in range(8)]
    rows = (np.array([coherence_row(labels, PIXEL_MM, EVERYWHERE) for labels in set_]) for set_ in (mixed, hearts))
    report = coherence(*rows)
    for name in ("centre_shift_mm", "area_second_difference_mm2", "rv_angle_shift_deg"):
        assert report[name]["generated"] > report[name]["real"] + 1


def test_the_report_is_the_median_of_those_that_could_be_measured():
    generated = np.array([[1.0] * 5, [2.0] * 5, [9.0] * 5, [np.nan] * 5])
    report = coherence(generated, np.full((2, 5), np.nan))
    assert tuple(report) == MEASURES
    for values in report.values():
        assert values["generated"] == 2 and values["n_generated"] == 3
        assert np.isnan(values["real"]) and values["n_real"] == 0
