import numpy as np
import pytest

from evaluation.controls import derangement
from evaluation.retrieval import masked_distances, rank_percentiles, retrieval

N = 120


@pytest.fixture
def hearts():
    """(n, S, F) true hearts in [0, 1] and the (n, S) slices acquired, at least two of each."""
    rng = np.random.default_rng(0)
    mask = rng.random((N, 6)) < 0.7
    mask[:, 2:4] = True
    return rng.random((N, 6, 20)), mask


def percentiles_of(generated, true, mask):
    return rank_percentiles(masked_distances(generated, true, mask))


def test_distances_are_those_of_the_definition(hearts):
    true, mask = hearts
    generated = np.random.default_rng(1).random(true.shape)
    found = masked_distances(generated, true, mask)
    for i, j in ((0, 0), (3, 8), (50, 2)):
        expected = np.sqrt(((generated[i] - true[j]) ** 2)[mask[j]].mean())
        assert found[i, j] == pytest.approx(expected)


def test_what_was_not_acquired_is_not_looked_at(hearts):
    true, mask = hearts
    generated = np.random.default_rng(1).random(true.shape)
    blind = np.where(mask[:, :, None], true, np.nan)
    np.testing.assert_array_equal(masked_distances(generated, blind, mask), masked_distances(generated, true, mask))


@pytest.mark.filterwarnings("error")
def test_a_heart_without_a_slice_is_at_no_distance(hearts):
    true, mask = hearts
    mask[4] = False
    found = masked_distances(true, true, mask)
    assert np.isnan(found[:, 4]).all() and np.isfinite(np.delete(found, 4, axis=1)).all()
    percentiles = rank_percentiles(found)
    assert np.isnan(percentiles[4]) and retrieval(percentiles)["n"] == N - 1


def test_the_brightness_of_all_hearts_changes_no_distance(hearts):
    """Also the check that expanding the square loses no digits."""
    true, mask = hearts
    generated = np.random.default_rng(1).random(true.shape)
    np.testing.assert_allclose(
        masked_distances(generated + 1000, true + 1000, mask), masked_distances(generated, true, mask), rtol=1e-9
    )


def test_the_truth_finds_itself(hearts):
    percentiles = percentiles_of(hearts[0], *hearts)
    assert (percentiles == 0).all()
    assert retrieval(percentiles) == {"median_percentile": 0, "top_1": 100, "top_5": 100, "n": N}
    assert np.diagonal(masked_distances(hearts[0], *hearts)) == pytest.approx(np.zeros(N), abs=1e-7)


def test_the_truth_of_another_is_at_chance(hearts):
    """The median of n uniform percentiles has a standard deviation of 100 / (2 n^1/2)."""
    true, mask = hearts
    medians = [
        retrieval(percentiles_of(true[derangement(N, seed)], true, mask))["median_percentile"] for seed in range(10)
    ]
    assert np.mean(medians) == pytest.approx(50, abs=4 * 50 / N**0.5 / 10**0.5)


def test_the_mean_heart_finds_nobody(hearts):
    true, mask = hearts
    report = retrieval(percentiles_of(np.broadcast_to(true.mean(axis=0), true.shape), true, mask))
    assert report["median_percentile"] == pytest.approx(50, abs=1)
    assert report["top_5"] == pytest.approx(5, abs=1)


def test_a_hint_of_the_patient_is_better_than_chance_and_more_of_it_better_still(hearts):
    true, mask = hearts
    noise = np.random.default_rng(2).random(true.shape)
    medians = [
        retrieval(percentiles_of(share * true + (1 - share) * noise, true, mask))["median_percentile"]
        for share in (0.1, 0.2, 0.5)
    ]
    assert 45 > medians[0] > medians[1] > medians[2]


def test_ranks_and_ties_by_hand():
    distances = np.array(
        [
            [2.0, 1.0, 3.0, 4.0, 5.0],  # one of four is nearer
            [1.0, 5.0, 2.0, 3.0, 4.0],  # all are
            [7.0, 7.0, 7.0, 7.0, 7.0],  # none can be told apart
            [1.0, 4.0, 5.0, 4.0, 6.0],  # one nearer, one as near
            [np.nan, 3.0, 1.0, 3.0, 2.0],  # one of the three that are known
        ]
    )
    assert rank_percentiles(distances) == pytest.approx([25, 100, 50, 37.5, 100 / 3])


def test_the_order_of_patients_changes_nothing(hearts):
    true, mask = hearts
    generated = 0.2 * true + np.random.default_rng(1).random(true.shape)
    order = np.random.default_rng(4).permutation(N)
    np.testing.assert_array_equal(
        percentiles_of(generated[order], true[order], mask[order]), percentiles_of(generated, true, mask)[order]
    )


@pytest.mark.filterwarnings("error")
def test_one_patient_or_none_has_no_rank():
    assert np.isnan(rank_percentiles(np.zeros((1, 1)))).all()
    report = retrieval(np.array([np.nan]))
    assert report["n"] == 0 and np.isnan([report[key] for key in ("median_percentile", "top_1", "top_5")]).all()


def test_shares_are_of_patients_in_per_cent():
    report = retrieval(np.array([0.0, 1.0, 1.5, 5.0, 80.0, np.nan]))
    assert report == {"median_percentile": 1.5, "top_1": pytest.approx(40), "top_5": pytest.approx(80), "n": 5}
