"""Seconds stay seconds and millivolts stay millivolts, whatever the recorder's rate."""

import numpy as np
import pytest

from cohort import preprocessing
from cohort.ecg import ECG, read_ecg
from cohort.preprocessing import LARGEST_MV, ecg_input, part_used


def sines(frequency_hz: float, rate: float, seconds: float = 10.0, amplitude: float = 1.0) -> ECG:
    time = np.arange(round(seconds * rate)) / rate
    row = amplitude * np.sin(2 * np.pi * frequency_hz * time)
    return ECG(np.tile(row, (12, 1)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [1000, 500, 257.3, 250, 128, 100])
def test_a_10_hz_sine_arrives_the_same_at_every_rate(rate):
    signal, lead_mask = ecg_input(sines(10, rate, seconds=12))
    expected = np.sin(2 * np.pi * 10 * np.arange(2500) / 250)
    assert signal.shape == (12, 2500) and signal.dtype == np.float32 and lead_mask.all()
    assert np.abs(signal - expected)[:, 250:].max() < 0.01
    assert np.abs(signal - expected).max() < 0.1  # the first second misses its past


def test_what_lies_above_half_the_new_rate_is_gone_and_not_folded():
    signal, _ = ecg_input(sines(200, 1000))
    assert np.abs(signal[:, 50:-50]).max() < 0.01


def test_a_recording_that_ends_on_an_r_peak_keeps_its_baseline():
    signal = np.zeros((12, 5000))
    signal[:, ::400] = 0.5  # beats, so that no lead is flat
    cut = signal.copy()
    cut[:, -5:] = 2.0
    (whole, _), (ends_on_peak, _) = ecg_input(ECG(signal, 500)), ecg_input(ECG(cut, 500))
    assert np.abs(whole - ends_on_peak)[:, :-10].max() < 0.1


@pytest.mark.parametrize("rate", [1000, 500, 100])
def test_offset_and_slow_wander_are_removed_and_a_slow_t_wave_is_not(rate):
    time = np.arange(10 * rate) / rate
    beats = np.exp(-((((time % 1.0) - 0.4) / 0.1) ** 2))  # a T wave a second
    beats -= beats.mean()
    wander = 1.7 + 0.8 * np.sin(2 * np.pi * 0.1 * time)
    signal, _ = ecg_input(ECG(np.tile(beats + wander, (12, 1)), rate))
    error = signal[0, 250:-250] - np.interp(np.arange(2500) / 250, time, beats)[250:-250]
    assert np.abs(error).max() < 0.1


def test_amplitude_is_kept_and_only_the_impossible_is_clipped():
    small, large = (ecg_input(sines(10, 500, amplitude=mv))[0] for mv in (0.1, 4.0))
    assert np.allclose(large, 40 * small, atol=1e-4)
    assert np.abs(ecg_input(sines(10, 500, amplitude=60.0))[0]).max() == LARGEST_MV


def test_absent_and_flat_leads_are_zero_and_masked():
    signal = sines(10, 500).signal.copy()
    signal[3] = np.nan
    signal[7] = 1.2
    found, lead_mask = ecg_input(ECG(signal, 500))
    assert np.flatnonzero(~lead_mask).tolist() == [3, 7]
    assert not found[[3, 7]].any() and found[[0, 1, 2, 4]].all(axis=0).any()
    nothing, none = ecg_input(ECG(np.zeros((12, 5000)), 500))
    assert not nothing.any() and not none.any()


def test_a_short_recording_is_followed_by_zeros():
    signal, lead_mask = ecg_input(sines(10, 500, seconds=6))
    assert lead_mask.all() and np.abs(signal[:, 1400:1500]).max() > 0.9 and not signal[:, 1500:].any()


def test_a_long_recording_is_cut_to_its_first_seconds():
    long, short = (ecg_input(sines(10, 500, seconds=seconds))[0] for seconds in (600, 12))
    assert np.array_equal(long, short)


@pytest.mark.parametrize("seconds", [6, 10, 600])
def test_what_is_left_out_or_filled_up_is_told(seconds):
    told = {6: ["it lasts 6.0 s, not 10 s"], 600: ["it lasts 600.0 s, and its first 10 s are used"]}
    assert [note.words for note in part_used(sines(10, 500, seconds=seconds))] == told.get(seconds, [])


def test_a_lead_that_is_flat_in_the_seconds_used_is_masked_whatever_follows():
    signal = sines(10, 500, seconds=60).signal.copy()
    signal[7, :5000] = 0
    assert np.flatnonzero(~ecg_input(ECG(signal, 500))[1]).tolist() == [7]


def test_what_comes_out_is_finite_or_nothing_comes_out(monkeypatch):
    monkeypatch.setattr(preprocessing, "_resample", lambda millivolts, *rates: millivolts * np.nan)
    with pytest.raises(ValueError, match="not numbers"):
        ecg_input(sines(10, 500))


def test_another_rate_and_duration_may_be_asked_for():
    assert ecg_input(sines(10, 500), sampling_rate=100, duration_s=5.0)[0].shape == (12, 500)


def test_the_ecg_itself_is_left_alone():
    ecg = sines(10, 250)
    before = ecg.signal.copy()
    ecg_input(ecg)
    assert np.array_equal(ecg.signal, before)


@pytest.mark.real
def test_real_ecgs_become_finite_millivolts(real_files):
    for path in (real_files / "ecg_cardiosoft" / "athlete.xml", *(real_files / "ecg_wfdb").glob("[EHJs0]*.hea")):
        signal, lead_mask = ecg_input(read_ecg(path))
        assert signal.shape == (12, 2500) and np.isfinite(signal).all()
        assert 0.1 < np.abs(signal[lead_mask]).max() < LARGEST_MV
        assert np.abs(np.median(signal, axis=1)).max() < 0.2
