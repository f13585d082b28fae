import numpy as np
import pytest

from cohort.ecg import read_ecg
from cohort.ecg_numbers import BANDS_HZ, HEIGHTS, INDEPENDENT, PAIRS, RHYTHM, ecg_numbers, known_leads, needed_leads
from cohort.preprocessing import ecg_input

RATE = 250
LOGS = len(INDEPENDENT) * (len(HEIGHTS) + len(BANDS_HZ))


@pytest.fixture(scope="module")
def strip(phantom_data):
    """(signal, lead_mask) of a phantom at 250 Hz."""
    return ecg_input(read_ecg(sorted((phantom_data / "ecg").iterdir())[0]), RATE)


def test_every_number_says_which_leads_it_needs(strip):
    numbers = ecg_numbers(*strip, RATE)
    assert needed_leads().shape == (len(numbers), len(INDEPENDENT)) and np.isfinite(numbers).all()


def test_a_scale_moves_the_logarithms_and_leaves_shape_and_rhythm(strip):
    signal, mask = strip
    before, after = (ecg_numbers(gain * signal, mask, RATE) for gain in (1, 2))
    moved = after - before
    assert np.median(moved[:LOGS]) == pytest.approx(np.log(2), abs=0.08)
    assert np.abs(moved[LOGS : LOGS + len(PAIRS) + len(RHYTHM)]).max() < 0.02
    assert np.abs(moved[LOGS + len(PAIRS) + len(RHYTHM) :]).max() < 0.15


def test_an_ecg_upside_down_has_another_shape_and_the_same_noise(strip):
    signal, mask = strip
    before, after = (ecg_numbers(sign * signal, mask, RATE) for sign in (1, -1))
    noise = slice(len(HEIGHTS) * len(INDEPENDENT), LOGS)
    np.testing.assert_allclose(after[noise], before[noise], atol=1e-3)
    shape = slice(LOGS + len(PAIRS) + len(RHYTHM), None)
    np.testing.assert_allclose(after[shape], -before[shape], atol=1e-3)
    assert np.abs(before[shape]).max() > 1


def test_numbers_of_an_absent_lead_are_unknown_and_its_samples_do_not_count(strip):
    signal, mask = strip
    fewer, noisy = mask.copy(), signal.copy()
    fewer[7] = False  # V2
    noisy[7] = 100
    numbers = ecg_numbers(noisy, fewer, RATE)
    lost = np.isnan(numbers)
    assert (lost == needed_leads()[:, INDEPENDENT.index("V2")]).all() and 0 < lost.sum() < len(lost)
    np.testing.assert_array_equal(numbers, ecg_numbers(signal, fewer, RATE))
    assert known_leads(fewer).tolist() == [lead != "V2" for lead in INDEPENDENT]


@pytest.mark.parametrize("make", [np.zeros_like, lambda signal: np.random.default_rng(0).normal(0, 0.2, signal.shape)])
def test_without_a_heart_the_numbers_are_finite(strip, make):
    assert np.isfinite(ecg_numbers(make(strip[0]), np.ones(12, bool), RATE)).all()


def test_another_rate_tells_nearly_the_same(phantom_data):
    ecg = read_ecg(sorted((phantom_data / "ecg").iterdir())[0])
    at_250, at_500 = (ecg_numbers(*ecg_input(ecg, rate), rate) for rate in (250, 500))
    heights = slice(0, len(HEIGHTS) * len(INDEPENDENT))
    np.testing.assert_allclose(at_500[heights], at_250[heights], atol=0.05)
