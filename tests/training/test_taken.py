"""Trained weights in a fresh network: where the names agree they are kept, in whatever order, and elsewhere is 0."""

import pytest
import torch
from torch import nn

from training.taken import Named, by_name, take

HAD, NAMES = ("LVM", "LVEDV", "LVEF"), ("LVEF", "RVEDV", "LVM")


@pytest.mark.parametrize("each", [1, 2])
def test_places_follow_their_names_and_what_lies_around_them_stays(each):
    old = torch.arange(2 * (1 + 3 * each + 2)).float().reshape(2, -1) + 1  # one place before the names, two after
    moved, count = by_name(torch.full_like(old, -1), old, Named(1, NAMES, HAD, 1, each))
    lvm, _, lvef = old[:, 1:-2].split(each, dim=1)
    expected = torch.cat([old[:, :1], lvef, torch.zeros(2, each), lvm, old[:, -2:]], dim=1)
    assert torch.equal(moved, expected) and count == 2 * (3 + 2 * each)


def test_names_may_lie_along_the_first_axis_and_be_more_or_fewer_than_there_were():
    old = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    more, count = by_name(torch.ones(4, 2), old, Named(0, (*NAMES, "x"), HAD))
    assert more.tolist() == [[5, 6], [0, 0], [1, 2], [0, 0]] and count == 4
    fewer, count = by_name(torch.ones(1), torch.tensor([7.0, 8.0, 9.0]), Named(0, ("LVEDV",), HAD))
    assert fewer.tolist() == [8] and count == 1


@pytest.mark.parametrize("old", [torch.ones(2, 5), torch.ones(3, 3), torch.ones(3)])
def test_of_a_tensor_that_does_not_fit_nothing_is_taken(old):
    fresh = torch.full((2, 3), 4.0)
    kept, count = by_name(fresh, old, Named(1, NAMES, HAD))
    assert torch.equal(kept, fresh) and count == 0


def test_a_network_told_the_same_numbers_in_another_order_says_the_same():
    torch.manual_seed(0)
    old, new = nn.Sequential(nn.Linear(3, 8), nn.SiLU()), nn.Sequential(nn.Linear(3, 8), nn.SiLU())
    taken = take("prior", new, old, {"0.weight": Named(1, NAMES, HAD)})
    told = torch.randn(5, 3)
    told[:, 1] = 0  # LVEDV is average
    torch.testing.assert_close(new(torch.stack([told[:, 2], torch.randn(5), told[:, 0]], dim=1)), old(told))
    assert (taken.weights, taken.of) == (8 * 2 + 8, 8 * 3 + 8) and taken.share == "75 %"
    said = "prior: 24 of 32 weights (in the pipeline alone, left out: LVEDV; not in the pipeline, start at 0: RVEDV)"
    assert str(taken) == said


def test_layers_of_another_size_stay_fresh_and_that_is_said():
    torch.manual_seed(0)
    old, new = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 2)), nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 5))
    fresh = new[1].weight.clone()
    taken = take("segmenter", new, old)
    assert torch.equal(new[0].weight, old[0].weight) and torch.equal(new[1].weight, fresh)
    assert str(taken) == "segmenter: 32 of 77 weights (layers of another size)"
    assert str(take("segmenter", new, new)) == "segmenter: 77 of 77 weights"
    more = nn.Sequential(*new, nn.Linear(5, 1))
    assert str(take("segmenter", more, new)) == "segmenter: 77 of 83 weights (no such layer in the pipeline)"
