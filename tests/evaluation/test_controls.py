import numpy as np
import pytest

from evaluation.controls import derangement, nearest


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_nobody_keeps_their_own_heart_and_everyone_gets_one(n):
    for seed in range(20):
        other = derangement(n, seed)
        assert (other != np.arange(n)).all()
        np.testing.assert_array_equal(np.sort(other), np.arange(n))


@pytest.mark.parametrize("n", [2, 7, 50])
def test_a_derangement_is_one_cycle_through_all(n):
    other, patient, seen = derangement(n, 5), 0, set()
    while patient not in seen:
        seen.add(patient)
        patient = int(other[patient])
    assert len(seen) == n


def test_a_derangement_is_a_function_of_its_seed():
    np.testing.assert_array_equal(derangement(30, 1), derangement(30, 1))
    assert (derangement(30, 1) != derangement(30, 2)).any()


@pytest.mark.parametrize("n", [0, 1])
def test_one_patient_has_no_other(n):
    with pytest.raises(ValueError, match="at least 2"):
        derangement(n, 0)


@pytest.fixture
def bank():
    return np.random.default_rng(0).normal(3, [1, 50, 0.01, 7], (90, 4))


def test_the_nearest_is_that_of_the_full_table_of_standardised_distances(bank):
    query = np.random.default_rng(1).normal(3, [1, 50, 0.01, 7], (25, 4))
    apart = np.linalg.norm((query[:, None] - bank) / bank.std(axis=0), axis=2)
    np.testing.assert_array_equal(nearest(query, bank), apart.argmin(axis=1))


def test_everyone_of_the_bank_is_nearest_to_themselves(bank):
    np.testing.assert_array_equal(nearest(bank, bank), np.arange(90))
    np.testing.assert_array_equal(nearest(np.float32(bank[:, :2]), np.float32(bank[:, :2])), np.arange(90))


def test_the_units_of_a_feature_do_not_matter(bank):
    query = np.random.default_rng(1).normal(3, [1, 50, 0.01, 7], (25, 4))
    scale, offset = np.array([1e3, 1e-4, 5, 1]), np.array([0, 40, -7, 1])
    np.testing.assert_array_equal(nearest(query * scale + offset, bank * scale + offset), nearest(query, bank))


def test_a_feature_that_does_not_vary_decides_nothing(bank):
    query = np.random.default_rng(1).normal(3, [1, 50, 0.01, 7], (25, 4))
    flat_bank = np.column_stack([bank, np.full(90, 0.1)])
    flat_query = np.column_stack([query, np.arange(25.0)])
    np.testing.assert_array_equal(nearest(flat_query, flat_bank), nearest(query, bank))


def test_the_first_of_equals_is_taken(bank):
    twice = np.concatenate([bank, bank])
    np.testing.assert_array_equal(nearest(bank, twice), np.arange(90))
    np.testing.assert_array_equal(nearest(bank + 0.1, twice), nearest(bank + 0.1, bank))
    corners = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])  # all as far from the middle
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        np.testing.assert_array_equal(nearest(np.array([[0.0, 0.0], [0.0, 1.0]]), corners[order])[0], 0)


def test_an_empty_bank_and_unknown_features_are_refused(bank):
    for query, choice in ((bank, bank[:0]), (np.full((1, 4), np.nan), bank), (bank, np.full((2, 4), np.nan))):
        with pytest.raises(ValueError, match="finite"):
            nearest(query, choice)
