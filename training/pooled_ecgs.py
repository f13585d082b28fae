"""What a frozen encoder makes of people's ECGs: read once, several copies of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner

from .augmentation import augment_ecg
from .ecg_set import EcgSet
from .order import keyed_generator
from .withholding import without_leads

AUGMENTED_COPIES = 4  # of every recording
COPIES_WITHOUT_LEADS = 2  # of every recording besides, each of which has lost some leads
AT_ONCE = 128  # recordings


@dataclass(frozen=True)
class PooledEcgs:
    """Pooled vectors (n, W) of n people. Attributes: augmented: copies. fewer: copies that lack leads, perhaps none."""

    augmented: tuple[Tensor, ...]
    fewer: tuple[Tensor, ...]

    @classmethod
    def of(cls, regressor: CodeRegressor, people: EcgSet, seed: int, device: torch.device, lose: bool) -> "PooledEcgs":
        """Encode everybody. lose: whether some copies are to lack leads."""
        augmented = [pooled(regressor, people, copy, seed, device) for copy in range(AUGMENTED_COPIES)]
        further = range(AUGMENTED_COPIES, AUGMENTED_COPIES + (COPIES_WITHOUT_LEADS if lose else 0))
        fewer = [pooled(regressor, people, copy, seed, device, lose=True) for copy in further]
        return cls(tuple(augmented), tuple(fewer))

    def drawn(self, rows: Tensor, dropout: float, generator: Generator) -> Tensor:
        """(B, W) of people `rows` (B,): one copy, or with probability `dropout` one that lacks leads."""
        ecg = self.augmented[_any_of(self.augmented, generator)][rows]
        if not self.fewer:
            return ecg
        copy = self.fewer[_any_of(self.fewer, generator)]
        return torch.where(torch.rand(len(rows), 1, generator=generator) < dropout, copy[rows], ecg)


def _any_of(copies: tuple[Tensor, ...], generator: Generator) -> int:
    return int(torch.randint(len(copies), (), generator=generator))


@torch.no_grad()
def pooled(
    regressor: CodeRegressor, people: EcgSet, copy: int | None, seed: int, device: torch.device, lose: bool = False
) -> Tensor:
    """The encoder's pooled vectors of everybody, (n, W).

    Args:
        copy: number of an augmented copy, None: not augmented. lose: it has lost a block of leads besides.
    """
    parts = []
    for number, part in enumerate(torch.arange(len(people)).split(AT_ONCE)):
        ecg, lead_mask, _, _ = people.take(part)
        if copy is not None:
            generator = keyed_generator(seed, "copy", copy, number)
            ecg, lead_mask = augment_ecg(ecg, lead_mask, generator)
            lead_mask = without_leads(lead_mask, 1.0, generator) if lose else lead_mask
        parts.append(regressor.ecg_encoder(ecg.to(device), lead_mask.to(device))[1].cpu())
    return torch.cat(parts)


def summary_of(
    conditioner: HeartConditioner, ecg: Tensor, person: Tensor, present: Sequence[Tensor], device: torch.device
) -> Tensor:
    """The summary (B, D + K) of pooled vectors (B, W) and people (B, 4 + F); present: whether each is known, (B,)."""
    given = (value.to(device) for value in (ecg.unsqueeze(1), ecg, person, *present))
    return conditioner(*given)[1]  # (B, D + K)
