"""What a training withholds: every case has the share it was promised, and what is kept is kept as it was."""

import pytest
import torch

from training.order import keyed_generator
from training.withholding import CASES, withheld, without_leads

N, P = 20_000, 0.1
ERROR = 4 * (P * (1 - P) / N) ** 0.5


def people(count=N, further=2):
    person = torch.arange(count * (4 + further), dtype=torch.float32).view(count, -1)
    person[::7, 1] = torch.nan
    return person


def shares(probability):
    """Of ECG only, person only, nothing, and a person of whom a field was withheld beside the ECG."""
    before = people()
    ecg, person, told = withheld(before, probability, keyed_generator(0))
    lost = (told.isnan() & ~before.isnan()).any(dim=1)
    assert not (lost & ~(ecg & person)).any()  # one case at a time
    cases = (ecg & ~person, person & ~ecg, ~ecg & ~person, lost)
    return [float(case.float().mean()) for case in cases]


def test_every_case_has_its_share():
    *ends, part = shares(P)
    assert len(ends) + 1 == len(CASES) and ends == pytest.approx([P] * 3, abs=ERROR)
    assert part == pytest.approx(P * (1 - 0.5**4), abs=2 * ERROR)  # by chance one in sixteen loses no field
    assert shares(0.0) == [0.0] * 4
    assert sum(shares(1.0)[:3]) == pytest.approx(0.75, abs=2 * ERROR)  # nothing else is left than the four cases


def test_what_is_not_withheld_stays_and_further_fields_always_do():
    before = people()
    _, _, told = withheld(before, 0.25, keyed_generator(1))
    assert torch.equal(told[:, 4:], before[:, 4:])
    torch.testing.assert_close(before, people(), equal_nan=True, rtol=0, atol=0)  # the caller's own is not touched
    kept = ~told.isnan()
    assert torch.equal(told[kept], before[kept])
    lost = (told.isnan() & ~before.isnan())[:, :4]
    assert {int(count) for count in lost.sum(1)} == {0, 1, 2, 3, 4}


def kept_leads(probability, mask=None):
    return without_leads(torch.ones(N, 12, dtype=torch.bool) if mask is None else mask, probability, keyed_generator(2))


def test_leads_are_lost_in_blocks():
    kept = kept_leads(1.0)
    limb, chest = kept[:, :6].sum(1), kept[:, 6:].sum(1)
    error = 4 * (0.25 * 0.75 / N) ** 0.5
    for block in ((limb == 6) & (chest == 0), (limb == 6) & (chest == 3), limb + chest == 1):
        assert float(block.float().mean()) == pytest.approx(0.27, abs=0.02 + error)  # a quarter, and some by chance
    assert set((limb + chest).tolist()) == set(range(1, 13))
    halves = kept[(limb == 6) & (chest == 3)][:, 6:]
    assert len({tuple(half) for half in halves.tolist()}) == 20  # every three of six


def test_as_many_recordings_lose_leads_as_are_to():
    assert kept_leads(0.0).all()
    lost = float((~kept_leads(P).all(dim=1)).float().mean())
    assert lost == pytest.approx(P, abs=ERROR + P / 40)  # of the last kind, one in twelve keeps all


def test_no_lead_comes_back_and_none_is_left_without_any():
    mask = torch.zeros(N, 12, dtype=torch.bool)
    mask[:, 8] = True
    mask[::2, 1] = True
    kept = kept_leads(1.0, mask)
    assert not (kept & ~mask).any() and kept.any(dim=1).all() and not torch.equal(kept, mask)
