"""Copies of what a frozen encoder makes of ECGs, and which of them a step hears."""

import pytest
import torch

from tests.training.small_people import everybody, fresh_regressor
from training.pooled_ecgs import AUGMENTED_COPIES, COPIES_WITHOUT_LEADS, PooledEcgs


@pytest.mark.parametrize(("dropout", "share"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_so_many_of_a_step_hear_an_ecg_that_lacks_leads(dropout, share):
    rows, generator = torch.arange(20).repeat(200), torch.Generator().manual_seed(0)
    whole, fewer = torch.zeros(20, 3), torch.ones(20, 3)
    heard = PooledEcgs((whole,), (fewer,)).drawn(rows, dropout, generator)
    assert float(heard.mean()) == pytest.approx(share, abs=0.03)


def test_without_copies_that_lack_leads_everybody_hears_whole_ones():
    rows = torch.tensor([2, 0])
    copy = torch.arange(9.0).view(3, 3)
    assert torch.equal(PooledEcgs((copy,), ()).drawn(rows, 0.9, torch.Generator()), copy[rows])


@pytest.mark.parametrize("lose", [False, True])
def test_copies_differ_and_those_without_leads_only_where_asked_for(lose):
    ecgs = PooledEcgs.of(fresh_regressor().eval(), everybody(4), 0, torch.device("cpu"), lose)
    assert (len(ecgs.augmented), len(ecgs.fewer)) == (AUGMENTED_COPIES, COPIES_WITHOUT_LEADS * lose)
    copies = [*ecgs.augmented, *ecgs.fewer]
    assert all(not torch.equal(a, b) for k, a in enumerate(copies) for b in copies[:k])
