import time
import warnings

import numpy as np
import pytest

from evaluation.agreement import agreement
from evaluation.bootstrap import with_intervals


def mean_of(values):
    return {"mean": float(values.mean()), "n": len(values)}


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(10, 2, 400)


def test_the_interval_of_a_mean_is_its_analytic_standard_error(values):
    low, high = with_intervals(mean_of, values, draws=4000)["mean_ci"]
    error = values.std() / 400**0.5
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_95_per_cent_of_the_intervals_hold_the_true_mean():
    """200 studies of 60 patients; the binomial SD is 1.5 %, and a percentile interval of 60 is 1 % too narrow."""
    studies = np.random.default_rng(1).normal(size=(200, 60))
    intervals = np.array([with_intervals(mean_of, study, draws=200)["mean_ci"] for study in studies])
    covered = (intervals[:, 0] <= 0) & (intervals[:, 1] >= 0)
    assert 0.88 < covered.mean() < 0.99


def test_numbers_are_those_of_the_measure_and_counts_get_no_interval(values):
    report = with_intervals(mean_of, values)
    assert list(report) == ["mean", "mean_ci", "n"]
    assert report["mean"] == values.mean() and report["n"] == 400


def test_nested_numbers_have_their_interval_beside_them(values):
    report = with_intervals(lambda a: {"group": {"men": mean_of(a)}, "share": np.float32(0.5)}, values)
    assert report["group"]["men"] == with_intervals(mean_of, values)
    assert report["share_ci"] == [0.5, 0.5]


def test_a_patient_is_drawn_with_all_their_rows(values):
    """What agrees in every patient agrees in every draw."""
    pair = np.stack([values, values], axis=1)
    report = with_intervals(lambda a, b: {"apart": float(np.abs(a[:, None] - b).max())}, values, pair)
    assert report["apart_ci"] == [0, 0]


def test_the_same_seed_draws_the_same_patients(values):
    assert with_intervals(mean_of, values, seed=3) == with_intervals(mean_of, values, seed=3)
    assert with_intervals(mean_of, values, seed=3) != with_intervals(mean_of, values, seed=4)


@pytest.mark.filterwarnings("error")
def test_degenerate_draws_are_left_out_in_silence():
    def noisy(values):
        if len(np.unique(values)) == 1:
            warnings.warn("nothing varies", RuntimeWarning, stacklevel=1)
        return {"ratio": float(np.float64(1.0) / np.ptp(values)) if np.ptp(values) else float("nan")}

    assert with_intervals(noisy, np.array([0.0, 2, 2, 2, 2]))["ratio_ci"] == [0.5, 0.5]


def test_a_handful_of_patients_have_numbers_and_no_interval(values):
    """Four would have one that holds the truth far less often than it says; a single one, of no width."""
    for few in (1, 4):
        report = with_intervals(mean_of, values[:few])
        assert report["mean"] == values[:few].mean() and np.isnan(report["mean_ci"]).all()
    assert np.isfinite(with_intervals(mean_of, values[:5])["mean_ci"]).all()


@pytest.mark.filterwarnings("error")
def test_nobody_has_no_interval():
    report = with_intervals(agreement, np.array([]), np.array([]))
    assert report["n"] == 0 and np.isnan(report["r_ci"]).all() and np.isnan(report["bias_ci"]).all()
    assert np.isnan(with_intervals(agreement, np.full(5, np.nan), np.ones(5))["r2_ci"]).all()


def test_arrays_of_different_patients_are_refused(values):
    with pytest.raises(ValueError, match="400, 399"):
        with_intervals(agreement, values, values[1:])


def test_an_interval_of_agreement_costs_a_fraction_of_a_second(values):
    """Processor time, the best of three: what else runs on the machine is not the matter."""
    truth, found = values[:300], values[:300] + np.random.default_rng(2).normal(size=300)
    spent = []
    for _ in range(3):
        start = time.process_time()
        report = with_intervals(agreement, found, truth)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.3
    assert report["r_ci"][0] < report["r"] < report["r_ci"][1]
