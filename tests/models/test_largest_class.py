"""The class with the largest score."""

import torch

from models.largest_class import largest_class


def test_it_is_argmax_and_takes_the_first_of_equal_ones():
    scores = torch.randn(6, 4, 9, 7, generator=torch.Generator().manual_seed(0))
    scores[:, 2] = scores[:, 1]  # a tie wherever these two lead
    found = largest_class(scores)
    assert found.dtype == torch.uint8
    assert torch.equal(found.long(), scores.argmax(1))
    assert (found == 1).any()
    assert not (found == 2).any()
