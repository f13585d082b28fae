import math

import pytest
import torch

from models.usual_ecgs import (
    MOST_SURPRISING,
    SHRUNK,
    UsualECGs,
    mean_squared_distance,
    reference,
    surprise,
)


@pytest.fixture
def usual():
    """(5000,) scores of usual people."""
    return torch.randn(5000, generator=torch.Generator().manual_seed(0)).exp()


def test_a_surprise_is_the_share_of_usual_scores_that_are_larger(usual):
    quantiles, tail = reference(usual)
    for share in (0.1, 0.5, 0.85, 0.97):
        value = usual.quantile(share)
        assert float(10 ** -surprise(value, quantiles, tail)) == pytest.approx(1 - share, rel=0.35)


def test_a_surprise_grows_with_the_score_and_ends(usual):
    quantiles, tail = reference(usual)
    values = torch.tensor([-5.0, 0.1, 1.0, 3.0, 10.0, 30.0, 1e9])
    told = surprise(values, quantiles.expand(7, -1), tail.expand(7))
    assert told[0] == 0 and told[-1] == MOST_SURPRISING
    assert (told.diff()[1:] > 0).all()
    assert surprise(torch.tensor(math.nan), quantiles, tail).isnan()


def test_unknown_numbers_are_integrated_out():
    """Of a Gaussian: the distance over the known ones is that of their own covariance."""
    covariance = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    given = torch.tensor([[1.0, -1.0, 0.0], [1.0, math.nan, math.nan], [1.0, 1.0, 0.0]])
    off = 0.9 * (1 - SHRUNK)
    expected = [2 / (1 - off) / 3, 1.0, 2 / (1 + off) / 3]
    assert mean_squared_distance(given, covariance).tolist() == pytest.approx(expected, rel=1e-4)


def test_widening_is_linear_between_what_was_measured():
    part = UsualECGs(3, 8, 2, surprises=(0.0, 2.0, 4.0), widening=(1.0, 1.0, 3.0), withheld_beyond=4.0)
    assert part.widening_at(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 50.0])).tolist() == [1, 1, 1, 2, 3, 3]
    assert not part.withholds(4.0) and part.withholds(4.1)
    assert UsualECGs(3, 8, 2).widening_at(torch.tensor([0.0, 9.0])).tolist() == [1, 1]


def test_the_pooled_vector_has_a_say_only_where_all_leads_are_known():
    torch.manual_seed(0)
    part = UsualECGs(3, 8, 2).eval()
    part.scale.fill_(1)
    part.covariance.copy_(torch.eye(3))
    part.pooled_covariance.copy_(torch.eye(2))
    known = torch.ones(2, 8, dtype=torch.bool)
    known[1, 3] = False
    views = part.views(torch.ones(2, 3), torch.tensor([[3.0, 0.0], [3.0, 0.0]]), known)
    assert float(views[0, 1]) == pytest.approx(math.log(9 / 2), rel=1e-5) and views[1, 1].isnan()
