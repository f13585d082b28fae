import numpy as np
import pytest
from scipy.stats import chi2, norm

from evaluation.bootstrap import with_intervals
from evaluation.certainty import (
    INTERVAL_SAMPLES,
    calibrated,
    certainty,
    crps,
    fit_spread,
    interval,
    rank_histogram,
    summary_of,
)
from evaluation.scale import SCALES

PATIENTS = 4000


def posterior(m, spread=1.0, patients=PATIENTS, seed=0):
    """ECGs that tell the mean and the SD of a Gaussian: the truth is one draw of it, the samples m more.

    `spread` is a fault: the samples are drawn that many times as wide as they should be.
    """
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(150, 30, (patients, 1)), rng.uniform(5, 25, (patients, 1))
    truth = (mean + sd * rng.normal(size=(patients, 1)))[:, 0]
    return mean + spread * sd * rng.normal(size=(patients, m)), truth


def binomial_sd(level, n=PATIENTS):
    return 100 * (level * (1 - level) / n) ** 0.5


@pytest.mark.parametrize("m", [2, 4, 8, 16])
def test_a_known_posterior_has_nominal_coverage_and_an_honest_spread(m):
    report = certainty(*posterior(m))
    for key in ("50", "80", "90"):
        assert report[key] == pytest.approx(int(key), abs=4 * binomial_sd(int(key) / 100))
    assert report["spread_skill"] == pytest.approx(1, abs=0.06)
    widths = [report[f"width_{key}"] for key in ("50", "80", "90")]
    assert widths == sorted(widths) if m >= INTERVAL_SAMPLES else np.isnan(widths).all()
    assert report["n"] == PATIENTS


def test_the_range_of_eight_samples_covers_seven_ninths():
    """Why the interval is not one of sample quantiles."""
    samples, truth = posterior(8)
    inside = (samples.min(axis=1) <= truth) & (truth <= samples.max(axis=1))
    assert inside.mean() == pytest.approx(7 / 9, abs=0.03)


@pytest.mark.parametrize("m", [4, 8, 16])
def test_half_the_spread_is_found_out_and_the_factor_is_two(m):
    samples, truth = posterior(m, spread=0.5)
    report = certainty(samples, truth)
    assert report["90"] < 90 - 10 * binomial_sd(0.9) and report["spread_skill"] < 0.8
    # the samples' mean errs less than that of full-width samples would: sd^2 (1 + 1/(4m)), not sd^2 (1 + 1/m)
    expected = 2 * ((1 + 1 / (4 * m)) / (1 + 1 / m)) ** 0.5
    factor = fit_spread(samples[:, :, None], truth[:, None])
    assert factor == pytest.approx([expected], rel=0.05)
    assert expected == pytest.approx(2, rel=0.1)


def test_calibration_fitted_on_some_people_holds_for_others():
    """Three phenotypes, of half, the right and twice the spread."""
    faults = (0.5, 1.0, 2.0)
    drawn = [posterior(8, fault, seed=seed) for seed, fault in enumerate(faults)]
    samples, truth = np.stack([s for s, _ in drawn], axis=2), np.stack([t for _, t in drawn], axis=1)
    factors = fit_spread(samples[:2000], truth[:2000])
    assert factors[0] > 1.8 and factors[1] == pytest.approx(1, abs=0.07) and factors[2] < 0.6
    corrected = calibrated(samples[2000:], factors)
    for k in range(3):
        assert certainty(corrected[:, :, k], truth[2000:, k])["90"] == pytest.approx(90, abs=4 * binomial_sd(0.9, 1000))


@pytest.mark.parametrize("n", [20, 23, 29, 300])
def test_after_calibration_the_interval_covers_90_per_cent_of_the_same_people(n):
    samples, truth = posterior(6, spread=0.3, patients=n)
    factors = fit_spread(samples[:, :, None], truth[:, None])
    covered = certainty(calibrated(samples[:, :, None], factors)[:, :, 0], truth)["90"]
    assert 90 <= covered + 1e-9 < 90 + 100 / n + 1e-6


def test_calibration_moves_no_mean_and_multiplies_the_spread():
    samples = np.random.default_rng(0).normal(size=(5, 6, 4, 3))
    factors = np.array([0.5, 1.0, 3.0])
    corrected = calibrated(samples, factors)
    np.testing.assert_allclose(corrected.mean(axis=2), samples.mean(axis=2), atol=1e-12)
    np.testing.assert_allclose(corrected.std(axis=2), samples.std(axis=2) * factors)
    np.testing.assert_allclose(calibrated(samples, np.ones(3)), samples)


def test_an_unmeasured_sample_does_not_take_the_others_with_it():
    samples = np.random.default_rng(0).normal(size=(5, 4, 2))
    samples[1, 2, 0] = np.nan
    corrected = calibrated(samples, np.array([2.0, 2.0]))
    np.testing.assert_array_equal(np.isnan(corrected), np.isnan(samples))
    np.testing.assert_allclose(np.nanmean(corrected, axis=1), np.nanmean(samples, axis=1), atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_the_spread_of_too_few_people_is_left_alone():
    samples, truth = posterior(4, spread=0.1, patients=40)
    known = truth.copy()
    known[19:] = np.nan
    assert fit_spread(samples[:, :, None], known[:, None]) == [1.0]
    known[19] = truth[19]
    assert fit_spread(samples[:, :, None], known[:, None])[0] > 3
    constant = np.repeat(samples[:, :1, None], 3, axis=1)
    assert fit_spread(constant, truth[:, None]) == [1.0]  # no factor widens what has no width


def test_crps_of_a_perfect_point_is_0_and_of_another_point_its_error():
    truth = np.array([0.1, 150.3, 7.7])
    point = np.repeat(truth[:, None], 5, axis=1)
    assert (crps(point, truth) == 0).all()
    assert crps(point, truth + 2) == pytest.approx([2, 2, 2])


@pytest.mark.parametrize("m", [2, 4, 16])
def test_crps_of_gaussian_samples_is_the_analytic_one_whatever_m(m):
    """sigma (z (2 Phi(z) - 1) + 2 phi(z) - pi^-1/2), Gneiting et al., Mon. Weather Rev. 2005, eq. 5."""
    rng = np.random.default_rng(0)
    for z in (0.0, 0.7, -2.0):
        scores = crps(100 + 3 * rng.normal(size=(40_000, m)), np.full(40_000, 100 + 3 * z))
        expected = 3 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - np.pi**-0.5)
        assert scores.mean() == pytest.approx(expected, abs=4 * scores.std() / 200)


def test_crps_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    samples, truth = rng.normal(size=(6, 5)), rng.normal(size=6)
    pairs = np.abs(samples[:, :, None] - samples[:, None, :]).sum(axis=(1, 2)) / (5 * 4)
    assert crps(samples, truth) == pytest.approx(np.abs(samples - truth[:, None]).mean(axis=1) - pairs / 2)


def test_crps_prefers_the_right_spread():
    scores = {spread: certainty(*posterior(8, spread))["crps"] for spread in (0.3, 1.0, 3.0)}
    assert scores[1.0] < scores[0.3] and scores[1.0] < scores[3.0]


def test_the_rank_of_an_exchangeable_truth_is_uniform():
    counts = rank_histogram(*posterior(7), seed=0)
    assert counts.shape == (8,) and counts.sum() == PATIENTS
    expected = PATIENTS / 8
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(0.999, df=7)


def test_ties_take_a_random_place():
    rng = np.random.default_rng(0)
    counts = rank_histogram(rng.integers(3, size=(PATIENTS, 4)), rng.integers(3, size=PATIENTS), seed=1)
    assert ((counts - PATIENTS / 5) ** 2 / (PATIENTS / 5)).sum() < chi2.ppf(0.999, df=4)


def test_a_narrow_posterior_shows_as_a_u_and_a_biased_one_as_a_slope():
    narrow = rank_histogram(*posterior(7, spread=0.4), seed=0)
    assert narrow[[0, -1]].min() > 2 * narrow[3:5].max()
    samples, truth = posterior(7)
    biased = rank_histogram(samples + 20, truth, seed=0)
    assert biased[0] > 3 * biased[-1]


def test_the_interval_by_hand():
    """Mean 2, s 1, three samples: t_{2, 0.95} = 2.919986 (tables)."""
    low, high = interval(np.array([[1.0, 2.0, 3.0]]), 0.9)
    reach = 2.919986 * (1 + 1 / 3) ** 0.5
    assert low == pytest.approx([2 - reach]) and high == pytest.approx([2 + reach])


def test_one_sample_has_no_interval():
    with pytest.raises(ValueError, match="at least 2"):
        interval(np.ones((5, 1)), 0.9)


def test_widths_are_in_the_units_of_the_phenotype():
    samples, truth = posterior(6)
    litres, millilitres = certainty(samples / 1000, truth / 1000), certainty(samples, truth)
    for key in ("width_50", "width_90", "crps"):
        assert 1000 * litres[key] == pytest.approx(millilitres[key])
    for key in ("50", "80", "90", "spread_skill"):
        assert litres[key] == pytest.approx(millilitres[key])


def test_a_width_is_that_of_most_patients_and_not_of_one_whose_samples_lie_far_apart():
    samples, truth = np.tile([99.0, 100.0, 100.0, 101.0], (9, 1)), np.full(9, 100.0)
    usual = certainty(samples, truth, SCALES["LVSV"])["width_90"]
    samples[0] = 0.01, 1.0, 100.0, 300.0
    assert certainty(samples, truth, SCALES["LVSV"])["width_90"] == pytest.approx(usual) and 2 < usual < 10


def test_the_order_of_patients_and_of_samples_changes_nothing():
    samples, truth = posterior(6, patients=100)
    rng = np.random.default_rng(5)
    order, turned = rng.permutation(100), rng.permutation(6)
    expected = certainty(samples, truth)
    assert certainty(samples[order], truth[order]) == pytest.approx(expected)
    assert certainty(samples[:, turned], truth) == pytest.approx(expected)
    np.testing.assert_array_equal(rank_histogram(samples[order], truth[order], 0), rank_histogram(samples, truth, 0))
    factors = fit_spread(samples[:, :, None], truth[:, None])
    assert fit_spread(samples[order][:, :, None], truth[order][:, None]) == pytest.approx(factors)


def test_unknown_patients_are_left_out_and_counted_out():
    samples, truth = posterior(4, patients=50)
    expected = certainty(samples[3:], truth[3:])
    holes = samples.copy()
    holes[0, 1], holes[1] = np.nan, np.nan
    known = truth.copy()
    known[2] = np.nan
    assert certainty(holes, known) == pytest.approx(expected) and expected["n"] == 47
    assert rank_histogram(holes, known, 0).sum() == 47


@pytest.mark.filterwarnings("error")
def test_of_nobody_nothing_is_certain():
    report = certainty(np.full((3, 4), np.nan), np.ones(3))
    assert report["n"] == 0 and np.isnan([report[key] for key in report if key != "n"]).all()
    assert (rank_histogram(np.full((3, 4), np.nan), np.ones(3), 0) == 0).all()


def test_the_bootstrap_gives_every_number_of_certainty_an_interval():
    report = with_intervals(certainty, *posterior(4, patients=200), draws=50)
    for key in ("50", "80", "90", "width_90", "crps", "spread_skill"):
        low, high = report[f"{key}_ci"]
        assert low < report[key] < high
    assert "n_ci" not in report


@pytest.mark.parametrize(("samples", "told"), [(1, False), (3, False), (4, True)])
def test_few_samples_have_a_mean_and_no_interval(samples, told):
    summary = summary_of(np.array([*np.arange(1.0, samples + 1), np.nan]))
    assert summary["mean"] == (samples + 1) / 2 and ("sd" in summary) == (samples > 1)
    assert ("interval_90" in summary) == told
