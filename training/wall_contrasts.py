"""Which wall is the thinner one: each wall of a heart code beside the mean of all, as further numbers of a loss.

The walls of one heart are alike. So which of them is thinned is a small part of a code's variance, and a loss of the
code alone learns it last.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.phenotypes import WALLS
from models.conditioning import HeartConditioner

from .objectives import target_loss

WEIGHT = 0.3  # of the mean over walls, beside the mean over a code's numbers
NARROWEST = 0.05  # SD of a contrast, below which it is not scaled up further


@dataclass(frozen=True)
class WallContrasts:
    """Attributes: places: of the walls in a code. spread: (W,) SD of each contrast in those who teach."""

    places: tuple[int, ...]
    spread: Tensor

    @classmethod
    def of(cls, conditioner: HeartConditioner, codes: Tensor) -> "WallContrasts":
        """Of codes (n, K) that a conditioner names; of one that knows less than two walls there are none."""
        names = conditioner.config.phenotypes
        places = tuple(names.index(wall) for wall in WALLS if wall in names)
        if len(places) < 2:
            return cls((), torch.ones(0))
        known = _beside_mean(codes[:, places])
        known = known[~known.isnan().any(dim=1)]  # (m, W)
        spread = known.std(dim=0) if len(known) > 1 else torch.ones(len(places))
        return cls(places, spread.clamp(min=NARROWEST))

    def loss(self, predicted: Tensor, codes: Tensor) -> Tensor:
        """`target_loss` of codes (B, K), and of which wall is the thinner one."""
        loss = target_loss(predicted, codes)
        return loss + WEIGHT * target_loss(self(predicted), self(codes)) if self.places else loss

    def __call__(self, codes: Tensor) -> Tensor:
        """(B, W) of codes (B, K), or of any difference of codes, in SDs; NaN where a wall is not known."""
        return _beside_mean(codes[:, self.places]) / self.spread.to(codes)


def _beside_mean(walls: Tensor) -> Tensor:
    return walls - walls.mean(dim=1, keepdim=True)
