"""One beat stands for a strip: that of the sinus beats, or the mean where no two are alike."""

import numpy as np
import pytest

from cohort.ecg import ECG
from cohort.rhythm import IRREGULAR, SINUS, beat_length

RATE = 500.0


def strip(intervals_s: list[float]) -> ECG:
    """Beats as narrow waves in all leads."""
    time = np.arange(5000) / RATE
    moments = 0.5 + np.concatenate([[0.0], np.cumsum(intervals_s)])
    beats = sum(np.exp(-(((time - moment) / 0.015) ** 2)) for moment in moments if moment < 9.8)
    return ECG(np.tile(beats, (12, 1)).astype(np.float32), RATE)


def test_ectopic_beats_and_their_pauses_are_left_out():
    found = beat_length(strip([0.8, 0.5, 1.1, 0.82, 0.5, 1.1, 0.78, 0.5, 1.1, 0.8]))
    assert found.which == SINUS and found.beats == 4
    assert found.rr_s == pytest.approx(0.8, abs=0.005)


def test_the_median_is_of_the_sinus_beats_and_not_swayed_by_one_long_interval():
    assert beat_length(strip([0.8] * 5 + [0.9] + [0.8] * 5)).rr_s == pytest.approx(0.8, abs=0.005)


def test_an_irregular_rhythm_has_the_mean_of_all():
    intervals = [0.9, 0.55, 0.62, 1.1, 0.95, 0.7, 0.52, 0.58, 1.2, 0.8]
    found = beat_length(strip(intervals))
    assert found.which == IRREGULAR and found.beats == len(intervals)
    assert found.rr_s == pytest.approx(np.mean(intervals), abs=0.005)


@pytest.mark.parametrize("intervals", [[], [0.9]])
def test_fewer_than_three_beats_have_no_length(intervals):
    assert beat_length(strip(intervals)) is None


def test_a_flat_strip_has_no_length():
    assert beat_length(ECG(np.zeros((12, 5000), np.float32), RATE)) is None
