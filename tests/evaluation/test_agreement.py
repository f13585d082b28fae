import numpy as np
import pytest

from evaluation.agreement import agreement, information_kept, information_kept_of_many, pearson, r_squared
from evaluation.controls import derangement


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
    """r of n independent pairs has a standard deviation of n^-1/2, and R2 an expectation of -1."""
    scores = [agreement(truth[derangement(400, seed)], truth) for seed in range(20)]
    assert np.abs([score["r"] for score in scores]).max() < 4 / 400**0.5
    assert np.mean([score["r2"] for score in scores]) == pytest.approx(-1, abs=0.1)


def test_95_per_cent_of_gaussian_differences_lie_within_the_limits_of_agreement(truth):
    found = truth + np.random.default_rng(1).normal(4, 15, 400)
    report = agreement(found, truth)
    assert report["limit_low"] == pytest.approx(4 - 1.96 * 15, abs=4 * 15 * (3 / 400) ** 0.5)  # Bland and Altman's SE
    assert report["limit_high"] == pytest.approx(4 + 1.96 * 15, abs=4 * 15 * (3 / 400) ** 0.5)
    assert report["limit_low"] + report["limit_high"] == pytest.approx(2 * report["bias"])
    inside = (found - truth > report["limit_low"]) & (found - truth < report["limit_high"])
    assert inside.mean() == pytest.approx(0.95, abs=0.03)


def test_the_limits_of_two_patients_by_hand():
    """Differences 0 and 2: bias 1, sample SD 2^1/2."""
    report = agreement(np.array([5.0, 9.0]), np.array([5.0, 7.0]))
    assert report["limit_low"] == pytest.approx(1 - 1.96 * 2**0.5)
    assert report["limit_high"] == pytest.approx(1 + 1.96 * 2**0.5)


def test_a_constant_offset_has_limits_of_no_width(truth):
    report = agreement(truth + 7, truth)
    assert report["limit_low"] == pytest.approx(7) and report["limit_high"] == pytest.approx(7)


def test_the_order_of_patients_changes_nothing(truth):
    rng = np.random.default_rng(3)
    found, ceiling, order = truth + rng.normal(0, 20, 400), truth + rng.normal(0, 9, 400), rng.permutation(400)
    assert agreement(found[order], truth[order]) == pytest.approx(agreement(found, truth))
    kept = information_kept(found, ceiling, truth)
    assert information_kept(found[order], ceiling[order], truth[order]) == pytest.approx(kept)


def test_the_ceiling_keeps_all_it_knows_and_the_mean_heart_nothing(truth):
    ceiling = truth + np.random.default_rng(1).normal(0, 15, 400)
    assert information_kept(ceiling, ceiling, truth) == {"information_kept": 1.0, "n": 400}
    mean = np.full_like(truth, truth.mean())
    assert information_kept(mean, ceiling, truth)["information_kept"] == pytest.approx(0, abs=1e-12)
    assert information_kept(mean + 10, ceiling, truth)["information_kept"] < 0


def test_information_kept_is_the_ratio_of_two_r2_of_the_same_patients(truth):
    rng = np.random.default_rng(2)
    found, ceiling, known = truth + rng.normal(0, 15, 400), truth + rng.normal(0, 6, 400), truth.copy()
    found[:10], ceiling[5:20], known[30] = np.nan, np.nan, np.nan
    both = np.r_[20:30, 31:400]
    report = information_kept(found, ceiling, known)
    assert report["n"] == len(both)
    expected = r_squared(found[both], truth[both]) / r_squared(ceiling[both], truth[both])
    assert report["information_kept"] == pytest.approx(expected)


def test_of_a_ceiling_that_knows_nothing_nothing_can_be_kept(truth):
    noise = np.random.default_rng(5).normal(150, 30, 400)
    assert np.isnan(information_kept(truth, noise, truth)["information_kept"])
    assert np.isnan(information_kept(truth, np.full(400, np.nan), truth)["information_kept"])
    assert information_kept(truth, np.full(400, np.nan), truth)["n"] == 0


def test_unknown_patients_are_left_out_and_counted_out(truth):
    found, known = truth + 2, truth.copy()
    found[:3], known[5] = np.nan, np.nan
    report = agreement(found, known)
    assert report["n"] == 396 and report["bias"] == pytest.approx(2)


@pytest.mark.filterwarnings("error")
def test_nobody_known_is_no_agreement():
    report = agreement(np.full(4, np.nan), np.ones(4))
    assert report["n"] == 0 and np.isnan([report[key] for key in report if key != "n"]).all()


@pytest.mark.filterwarnings("error")
def test_one_patient_has_an_error_and_no_spread():
    report = agreement(np.array([3.0]), np.array([1.0]))
    assert report["bias"] == 2 and report["mae"] == 2 and report["n"] == 1
    assert np.isnan([report[key] for key in ("r", "r2", "limit_low", "limit_high")]).all()
    assert set(report) == set(agreement(np.array([np.nan]), np.array([1.0])))


def test_pearson_is_numpys_and_nan_where_it_means_nothing(truth):
    other = np.random.default_rng(2).normal(size=400)
    assert pearson(truth, other) == pytest.approx(np.corrcoef(truth, other)[0, 1])
    assert np.isnan(pearson(np.ones(5), np.arange(5.0))) and np.isnan(pearson(np.arange(2.0), np.arange(2.0)))


def test_what_many_samples_would_keep_is_told_by_a_few(truth):
    rng = np.random.default_rng(7)
    known = truth + rng.normal(0, 12, 400)  # what the ECG tells
    samples = known[:, None] + rng.normal(0, 20, (400, 500))
    of_all = information_kept(samples.mean(axis=1), known, truth)["information_kept"]
    few = information_kept(samples[:, :3].mean(axis=1), known, truth)["information_kept"]
    told = information_kept_of_many(samples[:, :3], known, truth)["information_kept"]
    assert few < of_all - 0.05 and told == pytest.approx(of_all, abs=0.03)
    assert np.isnan(information_kept_of_many(samples[:, :1], known, truth)["information_kept"])
