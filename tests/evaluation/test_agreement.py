import numpy as np
import pytest

from evaluation.agreement import agreement, pearson, shuffled_agreement


@pytest.fixture
def truth():
    return np.random.default_rng(0).normal(150, 30, 400)


def test_the_truth_agrees_with_itself(truth):
    found = agreement(truth, truth)
    assert found["r"] == pytest.approx(1) and found["r2"] == pytest.approx(1)
    assert found["mae"] == 0 and found["bias"] == 0 and found["n"] == 400


def test_the_mean_heart_explains_nothing(truth):
    found = agreement(np.full_like(truth, truth.mean()), truth)
    assert np.isnan(found["r"]) and found["r2"] == pytest.approx(0, abs=1e-12)
    assert agreement(np.full_like(truth, truth.mean() + 5), truth)["r2"] < 0


def test_r2_judges_the_numbers_and_r_only_their_order_along_a_line(truth):
    stretched = 2 * truth + 10
    assert agreement(stretched, truth)["r"] == pytest.approx(1)
    assert agreement(stretched, truth)["r2"] < 0
    assert agreement(stretched, truth)["bias"] == pytest.approx((truth + 10).mean())
    assert agreement(truth - 3, truth)["bias"] == pytest.approx(-3)
    assert agreement(truth - 3, truth)["mae"] == pytest.approx(3)


def test_r2_of_noise_of_known_size(truth):
    noisy = truth + np.random.default_rng(1).normal(0, 15, 400)
    assert agreement(noisy, truth)["r2"] == pytest.approx(1 - 15**2 / 30**2, abs=0.06)
    assert agreement(noisy, truth)["r"] == pytest.approx((1 + 15**2 / 30**2) ** -0.5, abs=0.04)


def test_the_truth_shuffled_scores_at_chance(truth):
    """r of n independent pairs has a standard deviation of n^-1/2."""
    scores = [shuffled_agreement(truth, truth, seed)["r"] for seed in range(20)]
    assert np.abs(scores).max() < 4 / 400**0.5
    assert np.mean([shuffled_agreement(truth, truth, seed)["r2"] for seed in range(20)]) == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_nobody_keeps_their_own_heart(n):
    """With found equal to one-hot identities, a patient who kept their own would show."""
    for seed in range(20):
        for patient in range(n):
            own = (np.arange(n) == patient).astype(float)
            # mean |found - truth| of a one-hot vector moved elsewhere is 2 / n, and 0 if it stayed
            assert shuffled_agreement(own, own, seed)["mae"] == pytest.approx(2 / n)


def test_unknown_patients_are_left_out_and_counted_out(truth):
    found, known = truth + 2, truth.copy()
    found[:3], known[5] = np.nan, np.nan
    report = agreement(found, known)
    assert report["n"] == 396 and report["bias"] == pytest.approx(2)


def test_nobody_known_is_no_agreement():
    report = agreement(np.full(4, np.nan), np.ones(4))
    assert report["n"] == 0 and np.isnan(report["r"]) and np.isnan(report["r2"])


def test_pearson_is_numpys_and_nan_where_it_means_nothing(truth):
    other = np.random.default_rng(2).normal(size=400)
    assert pearson(truth, other) == pytest.approx(np.corrcoef(truth, other)[0, 1])
    assert np.isnan(pearson(np.ones(5), np.arange(5.0))) and np.isnan(pearson(np.arange(2.0), np.arange(2.0)))
