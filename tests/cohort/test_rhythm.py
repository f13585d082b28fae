"""One beat stands for a strip: that of sinus beats, the mean in fibrillation, or what the ECG's file states."""

import numpy as np
import pytest

from cohort.ecg import read_ecg, write_cardiosoft
from cohort.leads import ECG
from cohort.rhythm import ALL, FIBRILLATION, SINUS, STATED, beat_length
from phantom.electrical import render_ecg
from phantom.heart import draw_heart

RATE = 500
GAINS = np.array([0.5, 1, 0.6, -0.7, 0.2, 0.8, -0.3, 0.4, 0.8, 1.2, 1.1, 0.9])[:, None]


def ecg(beats_s, wide=(), p_waves=True, noise=0.01) -> ECG:
    """Ten seconds with a QRS at each time; those in `wide` are broad and upside down, without P."""
    time, rng = np.arange(10 * RATE) / RATE, np.random.default_rng(1)
    wave = np.zeros_like(time)
    for k, beat in enumerate(beats_s):
        since = time - beat
        if k in wide:
            wave += -1.5 * np.exp(-((since / 0.04) ** 2)) * np.cos(30 * since)
            continue
        wave += np.exp(-((since / 0.012) ** 2)) - 0.3 * np.exp(-(((since - 0.03) / 0.01) ** 2))
        wave += 0.25 * np.exp(-(((since - 0.28) / 0.05) ** 2))
        wave += p_waves * 0.12 * np.exp(-(((since + 0.16) / 0.025) ** 2))
    signal = GAINS * wave + noise * rng.normal(size=(12, len(time)))
    return ECG(signal.astype(np.float32), RATE)


def test_a_steady_rhythm_is_its_interval():
    found = beat_length(ecg(0.4 + 0.84 * np.arange(11)))
    assert found.rr_s == pytest.approx(0.84, abs=0.005) and found.which == SINUS and found.beats == 10


def test_noise_has_peaks_but_no_beats():
    """Its irregular peaks would pass for fibrillation."""
    noise = ECG(np.random.default_rng(0).normal(0, 0.05, (12, 10 * RATE)).astype(np.float32), RATE)
    assert beat_length(noise) is None and beat_length(noise, 75).which == STATED


def test_two_shapes_by_turns_are_beats():
    beats = 0.4 + 0.9 * np.arange(10)
    assert beat_length(ecg(beats, wide=(1, 3, 5, 7, 9))) is not None


def test_ectopic_beats_of_another_shape_are_left_out_with_the_pause_after_them():
    beats = 0.4 + 0.9 * np.arange(10)
    beats[[2, 4, 6, 8]] -= 0.35  # a run of bigeminy: the median of all intervals would be one of theirs
    found = beat_length(ecg(beats, wide=(2, 4, 6, 8)))
    assert found.rr_s == pytest.approx(0.9, abs=0.008) and found.which == SINUS
    assert found.beats == 1 and found.ectopic == 4


def test_an_early_beat_of_the_usual_shape_is_left_out_where_the_rhythm_is_regular():
    beats = 0.4 + 0.8 * np.arange(12)
    beats[[3, 7]] -= 0.3
    found = beat_length(ecg(beats))
    assert found.rr_s == pytest.approx(0.8, abs=0.005) and (found.which, found.ectopic) == (SINUS, 2)


def test_in_fibrillation_the_mean_is_told():
    intervals = 0.8 * np.array([0.7, 1.3, 0.85, 1.1, 1.4, 0.6, 0.75, 1.25, 0.9, 1.15, 0.65])
    beats = 0.4 + np.concatenate([[0], np.cumsum(intervals)])
    found = beat_length(ecg(beats, p_waves=False))
    assert found.which == FIBRILLATION and found.beats == len(intervals)
    assert found.rr_s == pytest.approx(intervals.mean(), abs=0.005)


def test_without_p_waves_less_irregularity_is_fibrillation():
    intervals = 0.8 * np.array([0.93, 1.08, 0.97, 1.06, 0.9, 1.02, 1.1, 0.95, 1.04, 0.92])
    beats = 0.4 + np.concatenate([[0], np.cumsum(intervals)])
    assert beat_length(ecg(beats, p_waves=False)).which == FIBRILLATION
    assert beat_length(ecg(beats)).which == SINUS


def test_where_every_other_beat_comes_early_the_rhythm_is_irregular():
    beats = 0.4 + np.cumsum([0, *[0.6, 1.0] * 5])
    found = beat_length(ecg(beats))
    assert found.which == FIBRILLATION and found.rr_s == pytest.approx(0.8, abs=0.01)


def test_the_median_is_not_swayed_by_one_long_interval():
    intervals = [0.8] * 5 + [0.95] + [0.8] * 4
    found = beat_length(ecg(0.4 + np.concatenate([[0], np.cumsum(intervals)])))
    assert found.which == SINUS and found.rr_s == pytest.approx(0.8, abs=0.004)


def test_a_breath_that_moves_the_rate_is_no_fibrillation():
    intervals = 0.9 * (1 + 0.12 * np.sin(2 * np.pi * np.arange(10) / 4.3))
    found = beat_length(ecg(0.4 + np.concatenate([[0], np.cumsum(intervals)])))
    assert found.which == SINUS and found.rr_s == pytest.approx(np.median(intervals), abs=0.008)


def test_where_no_two_sinus_beats_follow_one_another_all_count():
    found = beat_length(ecg(0.5 + 0.8 * np.arange(11), wide=(1, 3, 5, 7, 9)))
    assert found.which == ALL and found.rr_s == pytest.approx(0.8, abs=0.01)


def test_without_beats_the_files_own_rate_counts_and_else_nothing_is_known():
    flat = ECG(0.0001 * np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32), RATE)
    stated = beat_length(flat, 75.0)
    assert (stated.rr_s, stated.which) == (pytest.approx(0.8), STATED) and beat_length(flat) is None
    beats = beat_length(ecg(0.4 + 0.84 * np.arange(11)), 75.0)
    assert beats.which == SINUS and beats.rr_s == pytest.approx(0.84, abs=0.005)  # what is seen comes first


@pytest.mark.parametrize("beats", [[], [0.9], [0.9, 1.8]])
def test_fewer_than_three_beats_have_no_length(beats):
    assert beat_length(ecg(beats, noise=0)) is None


@pytest.mark.parametrize(("written", "read"), [(64, 64.0), (999, None), (None, None)])
def test_a_cardiosoft_file_states_its_rate(tmp_path, written, read):
    write_cardiosoft(tmp_path / "a.xml", ecg(0.4 + 0.84 * np.arange(11)), measurements={"VentricularRate": written})
    assert read_ecg(tmp_path / "a.xml").stated_bpm == read


@pytest.mark.parametrize("number", [0, 10, 18])
def test_a_phantoms_rate_is_the_drawn_one(number):
    heart = draw_heart(3, number)
    found = beat_length(render_ecg(heart).ecg)
    assert 60 / found.rr_s == pytest.approx(heart.heart_rate_bpm, rel=0.08)
    assert (found.which == FIBRILLATION) == (heart.rhythm == "af")
