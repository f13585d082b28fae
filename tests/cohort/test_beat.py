"""A beat measured on label maps: of drawn rings whose motion is known, and of phantoms."""

import numpy as np
import pytest

from cohort.beat import (
    NUMBERS,
    QUARTERS,
    beat_of,
    measured_beat,
    sector_thickness,
    thickening,
    time_to_peak,
)
from cohort.beat_clock import frame_times
from cohort.cine import Label
from phantom.cohort_plan import CohortPlan
from phantom.motion import beat_of as drawn_beat
from phantom.scanner import scan

FRAMES = 25
ES = 0.36


def share_inside(times: np.ndarray) -> np.ndarray:
    """Ejection to ES, rest, early filling to 70 % by 0.6, rest, and 30 % by an atrial wave from 0.85 on."""
    return np.interp(times, [0, ES, 0.42, 0.6, 0.85, 1], [1, 0, 0, 0.7, 0.7, 1])


def rings(frames: int = FRAMES, span: float = 1.0, late: float = 0.0, size: int = 80) -> np.ndarray:
    """Three alike slices (3, frames, size, size): a wall about a cavity, and the RV on its left.

    The wall is thickest at ES, and the lateral half `late` of the cycle after it.
    """
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius, turn = np.hypot(x, y), np.arctan2(-y, x)
    slices = []
    for time in np.arange(frames) / frames * span:
        inner = np.sqrt(144 + 256 * share_inside(time))
        thick = 6 + 4 * (1 - share_inside((time - np.where(np.abs(turn) < np.pi / 2, late, 0)) % 1))
        labels = np.zeros((size, size), np.uint8)
        labels[(x < 0) & (radius < 38)] = Label.RV_CAVITY
        labels[radius < inner + thick] = Label.LV_MYOCARDIUM
        labels[radius < inner] = Label.LV_CAVITY
        slices.append(labels)
    return np.stack([np.stack(slices)] * 3)


def test_the_numbers_of_drawn_rings_are_those_they_were_drawn_by():
    beat = measured_beat(rings(100), 1.0, 10.0)
    assert beat.closes and set(beat.numbers) == set(NUMBERS)
    assert beat.numbers["ES_share"] == pytest.approx(ES, abs=0.02)
    assert beat.numbers["atrial_share"] == pytest.approx(0.3, abs=0.06)  # the course is smoothed
    assert beat.numbers["peak_ejection"] == pytest.approx(1 / ES, rel=0.15)
    for quarter in QUARTERS:
        assert beat.numbers[f"thickening_{quarter}"] == pytest.approx(100 * 4 / 6, abs=8)
        assert beat.numbers[f"peak_{quarter}"] == pytest.approx((ES + 0.42) / 2, abs=0.03)
    assert beat.numbers["dyssynchrony"] < 0.01
    np.testing.assert_allclose(beat.inside[[0, 100 * 39 // 100]], [1, 0], atol=0.01)


def test_a_wall_that_is_late_is_found_in_its_quarter():
    late = measured_beat(rings(late=0.08), 1.0, 10.0).numbers
    assert late["peak_lateral"] - late["peak_septal"] == pytest.approx(0.08, abs=0.02)
    assert late["dyssynchrony"] > 0.02


def test_a_turned_heart_has_the_same_septum():
    late = rings(late=0.08)
    turned = measured_beat(np.rot90(late, axes=(2, 3)).copy(), 1.0, 10.0).numbers
    for name, number in measured_beat(late, 1.0, 10.0).numbers.items():
        assert turned[name] == pytest.approx(number, abs=0.03 * max(1, abs(number)))


def test_a_cine_that_ends_before_the_atrial_wave_does_not_close_and_tells_no_time():
    beat = measured_beat(rings(span=0.8), 1.0, 10.0)
    assert not beat.closes
    assert beat.es == pytest.approx(ES / 0.8, abs=0.03)
    known = {name for name, number in beat.numbers.items() if np.isfinite(number)}
    assert known == {f"thickening_{quarter}" for quarter in QUARTERS}


@pytest.mark.parametrize(
    "labels",
    [rings(6), np.zeros((3, FRAMES, 8, 8), np.uint8), np.repeat(rings(1), FRAMES, axis=1)],
    ids=["few frames", "no LV", "still"],
)
def test_what_is_no_beat_is_not_measured(labels):
    assert measured_beat(labels, 1.0, 10.0) is None


def test_no_wall_has_no_time_to_peak():
    assert np.isnan(time_to_peak(np.full(25, 3.0)))
    assert np.isnan(sector_thickness(np.zeros((3, 4, 8, 8), np.uint8))).all()


def test_a_wall_without_thickness_at_ed_thickens_by_no_number(recwarn):
    thickness = np.full((FRAMES, 12), 10.0)
    thickness[0, 4:8] = 0
    numbers = beat_of(60 + 80 * share_inside(frame_times(FRAMES)), thickness).numbers
    unknown = {name for name in numbers if name.startswith("thickening") and np.isnan(numbers[name])}
    assert unknown and unknown < {f"thickening_{quarter}" for quarter in QUARTERS}
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]
    assert (
        thickening(6, 10) == pytest.approx(200 / 3) and np.isnan(thickening(0, 4)) and np.isnan(thickening(np.nan, 4))
    )


def test_phantoms_are_measured_as_their_truth_says():
    plan = CohortPlan(seed=5, subjects=2)
    for person in plan.people:
        heart = plan.heart(*person)
        cine = scan(heart, frame_times(FRAMES).tolist())
        labels = np.asarray(cine.labels).transpose(2, 3, 1, 0)
        beat = measured_beat(labels, *(float(abs(s)) for s in np.linalg.norm(cine.affine[:3, [0, 2]], axis=0)))
        assert beat.numbers["ES_share"] == pytest.approx(drawn_beat(heart).end_systole, abs=0.06)
        assert beat.numbers["atrial_share"] == pytest.approx(heart.atrial_share, abs=0.2)


def test_sectors_that_peak_in_two_far_clusters_have_no_spread(recwarn):
    """Half of them at a quarter of the cycle, half at three quarters: none is near the median."""
    times = 2 * np.pi * frame_times(FRAMES)[:, None]
    thickness = 10 + np.cos(times - np.where(np.arange(12) < 6, 0.5, 1.5) * np.pi)
    assert np.isnan(beat_of(60 + 80 * share_inside(frame_times(FRAMES)), thickness).numbers["dyssynchrony"])
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]
