"""What a training withholds of ECG and person, so that whatever sampling is given has been learned.

Independent dropping of ECG and person leaves a hundredth of the training to "nothing known". So every case has its own
share. Sampling then knows how unsure it has to be in each of them.
"""

import torch
from torch import Generator, Tensor

from cohort.leads import LEADS
from cohort.limb_leads import LIMB_LEADS
from models.conditioning import PERSON_FIELDS

CASES = ("ECG only", "person only", "nothing", "person in part")  # each withheld with the same probability
CHEST_LEADS = len(LEADS) - len(LIMB_LEADS)  # which come after the limb leads


def withheld(person: Tensor, probability: float, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Which people of a batch are known in part only; the rest of them is whole.

    A person "in part" loses each of the four standard fields with probability one half.

    Args:
        person: (batch, 4 + F) in its own units, NaN where absent.
        probability: of each of CASES; a quarter at most, for there are four.

    Returns:
        ecg_present, person_present: (batch,) bool. person: (batch, 4 + F), a new tensor.
    """
    batch = len(person)
    ends = min(probability, 1 / len(CASES)) * torch.arange(1, len(CASES) + 1)  # of each case's share
    case = torch.bucketize(torch.rand(batch, generator=generator), ends, right=True)  # (B,) number, or their count
    lost = torch.rand(batch, len(PERSON_FIELDS), generator=generator) < 0.5  # (B, 4)
    lost &= (case == CASES.index("person in part"))[:, None]
    standard = torch.where(lost, torch.nan, person[:, : len(PERSON_FIELDS)])
    no_person, no_ecg = (
        (case == CASES.index(one)) | (case == CASES.index("nothing")) for one in ("ECG only", "person only")
    )
    return ~no_ecg, ~no_person, torch.cat([standard, person[:, len(PERSON_FIELDS) :]], dim=1)


def without_leads(lead_mask: Tensor, probability: float, generator: Generator) -> Tensor:
    """Recordings of which some lose a block of leads: (batch, 12) bool.

    Lost are, equally often: the chest leads, half of them, all leads but one, or as many as chance will have.

    Args:
        probability: with which a recording loses any.
    """
    batch, leads = lead_mask.shape
    order = torch.rand(batch, leads, generator=generator)  # (B, 12)
    place = order.argsort(dim=1).argsort(dim=1)  # (B, 12) of each lead in a random order
    chest = torch.arange(leads) >= len(LIMB_LEADS)  # (12,)
    place_in_chest = order[:, chest].argsort(dim=1).argsort(dim=1)  # (B, 6)
    half = torch.ones_like(lead_mask)
    half[:, chest] = place_in_chest < CHEST_LEADS // 2
    some = place < torch.randint(1, leads + 1, (batch, 1), generator=generator)
    kept = torch.stack([(~chest).expand(batch, -1), half, place == 0, some])  # (4, B, 12)
    kind = torch.randint(len(kept), (batch,), generator=generator)
    loses = torch.rand(batch, generator=generator) < probability  # (B,)
    fewer = lead_mask & kept[kind, torch.arange(batch)]
    loses &= fewer.any(dim=1)  # a recording without any lead is none
    return torch.where(loses[:, None], fewer, lead_mask)
