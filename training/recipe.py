"""How long and how fast one stage learns."""

from dataclasses import dataclass, replace

import torch

from cohort.errors import require_within

from .options import LEARNING_RATES

BEGUN_EVALUATE_EVERY = 20


@dataclass(frozen=True)
class Recipe:
    """`steps` are optimiser steps; `learning_rate` is the peak after `warmup` steps."""

    steps: int
    learning_rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    clip: float = 1.0
    ema_decay: float = 0.998
    checkpoint_every: int = 500
    evaluate_every: int = 250

    def __post_init__(self) -> None:
        """Refuse (InputError) a rate that no training can have: nothing would be learned, or only NaN."""
        require_within("--learning-rate", self.learning_rate, *LEARNING_RATES)

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero. It depends on the step alone: a resumed run has no state."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = torch.tensor((step - self.warmup) / max(1, self.steps - self.warmup)).clamp(0, 1)
        return self.learning_rate * float(0.5 * (1 + torch.cos(torch.pi * progress)))

    def slower(self, share: float) -> "Recipe":
        """The same at a share of its learning rate."""
        return replace(self, learning_rate=share * self.learning_rate)

    def often_judged(self) -> "Recipe":
        """The same, judged every BEGUN_EVALUATE_EVERY steps at least: trained weights forget within a few steps."""
        return replace(self, evaluate_every=min(BEGUN_EVALUATE_EVERY, self.evaluate_every))
