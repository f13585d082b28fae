"""End-systole is the smallest cavity after end-diastole; the two phases have one order and one naming."""

import numpy as np

from cohort.phases import PHASES, end_diastole, end_systole, phase_stems
from cohort.subjects import IMAGE_STEMS


def test_end_diastole_is_frame_0_unless_another_cavity_is_clearly_larger():
    assert end_diastole(np.array([120, 90, 50, 123])) == 0  # a label map trembles
    assert end_diastole(np.array([60, 90, 50, 123])) == 3
    assert end_diastole(np.array([0, np.nan, 50, 0, 123])) == 4


def test_one_labelled_frame_may_be_ed_or_es():
    assert end_diastole(np.array([0, 0, 50])) == end_diastole(np.zeros(3)) == 0


def test_end_systole_comes_after_ed_round_the_cycle():
    assert end_systole(np.array([60, 50, 90, 123, 80]), ed=3) == 1
    assert end_systole(np.array([0, 50, 0, 123, 0]), ed=3) == 1
    assert end_systole(np.array([0, 0, 123]), ed=2) == 2


def test_end_systole_is_the_smallest_cavity_after_end_diastole():
    assert end_systole(np.array([120, 90, 50, 70, 115])) == 2
    assert end_systole(np.array([10, 90, 50])) == 2  # frame 0 is ED, however small


def test_frames_that_nobody_labelled_are_not_empty_hearts():
    assert end_systole(np.array([120, 0, 90, np.nan, 80, 0])) == 4
    assert end_systole(np.array([120, 0, 0])) == end_systole(np.array([120, np.nan])) == end_systole(np.array([9])) == 0


def test_files_and_phases_are_called_as_ukbb_cardiac_calls_them():
    assert phase_stems("sa") == ("sa_ED", "sa_ES") and PHASES == ("ED", "ES")
    assert IMAGE_STEMS == {
        "sa": "cine",
        "sa_ED": "ed",
        "sa_ES": "es",
        "seg_sa": "labels_cine",
        "seg_sa_ED": "labels_ed",
        "seg_sa_ES": "labels_es",
    }
