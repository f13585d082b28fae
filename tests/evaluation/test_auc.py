import numpy as np
import pytest

from evaluation.auc import area_under_curve


def test_it_counts_the_pairs_in_order():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.5, 9.0, 0.0])
    pairs = [(y > x) + 0.5 * (y == x) for x in a for y in b]
    assert area_under_curve(a, b) == pytest.approx(np.mean(pairs))
    assert area_under_curve(a, a) == 0.5 and area_under_curve(a, a + 5) == 1 and area_under_curve(a, a - 5) == 0


def test_infinite_scores_have_their_place_and_any_shape_will_do():
    a, b = np.array([[1.0, np.inf], [2.0, 3.0]]), np.array([2.5, np.inf])
    pairs = [(y > x) + 0.5 * (y == x) for x in a.ravel() for y in b]
    assert area_under_curve(a, b) == pytest.approx(np.mean(pairs))


@pytest.mark.filterwarnings("error")
def test_an_empty_group_has_no_area():
    assert np.isnan(area_under_curve(np.array([]), np.ones(3))) and np.isnan(area_under_curve(np.ones(3), np.array([])))


def test_single_precision_costs_no_pair():
    """Sums of thousands of ranks have more digits than single precision keeps."""
    scores = np.arange(4000, dtype=np.float32)
    assert area_under_curve(scores[:2000], scores[1000:]) == 1 - 1000 * 1000 / 2 / (2000 * 3000)
