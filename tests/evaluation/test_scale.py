"""The scales of phenotypes: there and back again, and never out of what can be."""

import numpy as np
import pytest

from cohort.phenotypes import PHENOTYPES, TABLE
from evaluation.certainty import certainty, fit_spread, interval, summary_of, widened
from evaluation.scale import LEAST, PLAIN, SCALES, off_scale, on_scale


def test_there_and_back_again_is_the_same_wherever_hearts_are():
    low, high = (np.array([about.plausible[end] for about in TABLE.values()]) for end in (0, 1))
    phenotypes = low + np.linspace(0, 1, 7)[:, None] * (high - low)
    np.testing.assert_allclose(off_scale(on_scale(phenotypes)), phenotypes)
    assert np.isnan(on_scale(np.full((2, len(PHENOTYPES)), np.nan))).all()


def test_equal_steps_of_a_scale_are_equal_shares_of_an_amount_and_equal_odds_of_a_fraction():
    volume, fraction = SCALES["LVEDV"].forth, SCALES["RVEF"].forth
    assert volume(200.0) - volume(100.0) == pytest.approx(volume(80.0) - volume(40.0))
    assert fraction(50.0) == 0 and fraction(80.0) == pytest.approx(-fraction(20.0)) == pytest.approx(np.log(4))


def test_what_was_not_measured_counts_as_the_least_and_stretches_no_interval_without_end():
    for name, about in TABLE.items():
        assert np.isfinite(SCALES[name].forth(np.array([0.0, -40.0]))).all()
        assert SCALES[name].forth(np.array(0.0)) == SCALES[name].forth(np.array(LEAST[about.unit]))
    assert np.isfinite(SCALES["LVEF"].forth(np.array([100.0, 130.0]))).all()


@pytest.mark.parametrize("name", PHENOTYPES)
def test_no_interval_leaves_what_a_figure_can_be(name):
    """Not even where samples lie at the edge and far apart, or a factor widens them tenfold."""
    highest = 100.0 if TABLE[name].unit == "%" else np.inf
    for samples in ([0.0, 5.0, 90.0, 99.0], [-3.0, 1.0, 2.0, 3.0], [96.0, 97.0, 98.0, 120.0]):
        for factor in (1.0, 10.0):
            summary = summary_of(np.array(samples), SCALES[name], factor)
            for level in ("50", "80", "90"):
                low, high = summary[f"interval_{level}"]
                assert 0 < low < high <= highest
            assert summary["mean"] == pytest.approx(np.mean(samples))


def log_normal(patients, m, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    middle, sd = np.log(rng.uniform(60, 200, (patients, 1))), 0.4
    return np.exp(middle + spread * sd * rng.normal(size=(patients, m))), np.exp(
        middle + sd * rng.normal(size=(patients, 1))
    )[:, 0]


def test_skewed_amounts_are_covered_at_both_ends_on_their_scale_and_not_in_plain_units():
    samples, truth = log_normal(4000, 8)
    error = 4 * 100 * (0.9 * 0.1 / 4000) ** 0.5
    report = certainty(samples, truth, SCALES["LVM"])
    assert report["90"] == pytest.approx(90, abs=error)
    low, high = interval(samples, 0.9, SCALES["LVM"])
    below, above = (truth < low).mean(), (truth > high).mean()
    plain = interval(samples, 0.9, PLAIN)
    assert below == pytest.approx(0.05, abs=error / 100) and above == pytest.approx(0.05, abs=error / 100)
    assert (truth < plain[0]).mean() < 0.02 and (truth > plain[1]).mean() > 0.06
    assert (
        report["width_90"] == pytest.approx(np.median(high - low))
        and report["crps"] == certainty(samples, truth)["crps"]
    )


def test_a_factor_fitted_on_the_scale_makes_its_intervals_true():
    samples, truth = log_normal(3000, 8, spread=0.5)
    scale = SCALES["LVM"]
    factor = fit_spread(scale.forth(samples)[:1500, :, None], scale.forth(truth)[:1500, None])[0]
    assert factor > 1.7
    after = certainty(widened(samples[1500:], factor, scale), truth[1500:], scale)["90"]
    assert after == pytest.approx(90, abs=4 * 100 * (0.9 * 0.1 / 1500) ** 0.5)
    one = summary_of(samples[0], scale, factor)["interval_90"]
    assert one == pytest.approx([float(end[0]) for end in interval(widened(samples[:1], factor, scale), 0.9, scale)])
