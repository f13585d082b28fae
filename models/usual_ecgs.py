"""How unlike an ECG is those a pipeline learned from: by numbers, by what the encoder sees, and by known faults."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

VIEWS = 3
FARTHEST_SD = 8.0  # a number beyond counts as this far
SHRUNK = 0.05  # share of the covariance that is the variances alone
QUANTILES = 46  # of a reference, from 0 to TAIL
TAIL = 0.9  # share of usual ECGs below which quantiles are kept; beyond, one exponential
MOST_SURPRISING = 100.0


class UsualECGs(ModelMixin, ConfigMixin):
    """Three views of how unlike an ECG is usual ones, and their sum.

    The first view is the Mahalanobis distance of the numbers (`cohort.ecg_numbers`), over those that are known. The
    second is that of the encoder's pooled vector, where no lead is absent. The third is a small network. It tells usual
    ECGs from the same ones spoiled at random, so it knows what a wrong scale looks like. This is outlier exposure
    (Hendrycks et al., 2019).

    Each view is told as a surprise: -log10 of the share of held-out people's ECGs that are more unlike. So is the sum.
    No ECG of a person is kept: only means, covariances, weights, and quantiles of single scores.

    Args:
        numbers, leads, pooled: how many numbers there are, leads they come from, and entries of the pooled vector.
        hidden: width of the network.
        surprises: increasing. widening: at each, the factor of a code's spread about its prediction.
        withheld_beyond: a surprise beyond which the ECG tells nothing that is known to hold.
    """

    @register_to_config
    def __init__(
        self,
        numbers: int,
        leads: int,
        pooled: int,
        hidden: int = 64,
        surprises: tuple[float, ...] = (0.0,),
        widening: tuple[float, ...] = (1.0,),
        withheld_beyond: float = MOST_SURPRISING,
    ) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(nn.Linear(numbers + leads, hidden), nn.SiLU(), nn.Dropout(0.2)),
            *(nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(0.2), nn.Linear(hidden, 1)),
        )
        for name, shape in {
            "centre": (numbers,),
            "scale": (numbers,),
            "covariance": (numbers, numbers),  # of standardised numbers
            "pooled_centre": (pooled,),
            "pooled_covariance": (pooled, pooled),
            "quantiles": (leads, VIEWS, QUANTILES),  # by how many leads are known, from one
            "tail": (leads, VIEWS),
            "sum_quantiles": (leads, QUANTILES),
            "sum_tail": (leads,),
        }.items():
            self.register_buffer(name, torch.zeros(shape))

    def standardised(self, numbers: Tensor) -> Tensor:
        """(B, F) in SDs of usual people; NaN where unknown."""
        return ((numbers - self.centre) / self.scale).clamp(-FARTHEST_SD, FARTHEST_SD)

    def spoiled_logit(self, numbers: Tensor, known: Tensor) -> Tensor:
        """(B,) log-odds that an ECG is spoiled. Arguments as of `forward`."""
        given = torch.cat([self.standardised(numbers).nan_to_num(), known.to(numbers.dtype)], dim=1)  # (B, F + 8)
        return self.network(given)[:, 0]

    @torch.no_grad()
    def views(self, numbers: Tensor, pooled: Tensor, known: Tensor) -> Tensor:
        """(B, VIEWS) the more unlike the larger; NaN where a view cannot tell. Arguments as of `forward`."""
        distance = mean_squared_distance(self.standardised(numbers), self.covariance)  # (B,)
        inner = mean_squared_distance(pooled - self.pooled_centre, self.pooled_covariance)  # (B,)
        inner = torch.where(known.all(dim=1), inner, torch.nan)
        return torch.stack([distance.log(), inner.log(), self.spoiled_logit(numbers, known)], dim=1)

    @torch.no_grad()
    def forward(self, numbers: Tensor, pooled: Tensor, known: Tensor) -> Tensor:
        """(B,) surprise: -log10 of the share of usual ECGs, with as many leads, that are more unlike.

        Args:
            numbers: (B, F) of `cohort.ecg_numbers`, NaN where unknown. pooled: (B, W) of the encoder.
            known: (B, 8) bool, which of the independent leads are there; one at least.
        """
        which = known.sum(dim=1) - 1  # (B,)
        total = self.total(self.views(numbers, pooled, known), which)
        return surprise(total, self.sum_quantiles[which], self.sum_tail[which])

    def total(self, views: Tensor, which: Tensor) -> Tensor:
        """(B,) sum of the views' surprises. views: (B, VIEWS); which: (B,) number of known leads less one."""
        return surprise(views, self.quantiles[which], self.tail[which]).nan_to_num(0.0).sum(dim=1)

    def widening_at(self, surprises: Tensor) -> Tensor:
        """(B,) factors of the codes' spread, linear between the measured ones."""
        at, factors = (surprises.new_tensor(s) for s in (self.config.surprises, self.config.widening))
        if len(at) == 1:
            return factors.expand(len(surprises))
        above = torch.searchsorted(at, surprises.contiguous()).clamp(1, len(at) - 1)  # (B,)
        share = ((surprises - at[above - 1]) / (at[above] - at[above - 1])).clamp(0, 1)
        return factors[above - 1] + share * (factors[above] - factors[above - 1])

    def withholds(self, surprise: float) -> bool:
        """Whether an answer about so unlike an ECG is withheld."""
        return surprise > self.config.withheld_beyond


def mean_squared_distance(centred: Tensor, covariance: Tensor) -> Tensor:
    """(B,) squared Mahalanobis distance over how many entries are known, of (B, F) with NaN where unknown.

    The unknown ones are integrated out: a part of a Gaussian's covariance is that part's covariance.
    """
    known = ~centred.isnan()  # (B, F)
    distances = centred.new_zeros(len(centred))
    for pattern in known.unique(dim=0):
        rows = (known == pattern).all(dim=1)
        part = covariance[pattern][:, pattern]
        part = (1 - SHRUNK) * part + SHRUNK * torch.diag(part.diagonal())
        whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(part), centred[rows][:, pattern].T, upper=False)
        distances[rows] = whitened.square().sum(dim=0) / max(1, int(pattern.sum()))
    return distances


def surprise(values: Tensor, quantiles: Tensor, tail: Tensor) -> Tensor:
    """-log10 of the share of usual values that are larger; NaN of NaN.

    Args:
        values: (...). quantiles: (..., QUANTILES) of usual values, shares 0 to TAIL. tail: (...) mean excess beyond.
    """
    below = (values.unsqueeze(-1) >= quantiles).sum(dim=-1)  # (...)
    low = quantiles.gather(-1, (below - 1).clamp(0, QUANTILES - 1).unsqueeze(-1)).squeeze(-1)
    high = quantiles.gather(-1, below.clamp(0, QUANTILES - 1).unsqueeze(-1)).squeeze(-1)
    within = torch.where(high > low, (values - low) / (high - low), 0.0).clamp(0, 1)
    share = ((below - 1).clamp(min=0) + within * (below > 0)) * TAIL / (QUANTILES - 1)  # (...)
    inside = -torch.log10(1 - share.clamp(max=TAIL))
    beyond = -math.log10(1 - TAIL) + (values - quantiles[..., -1]) / tail / math.log(10)
    told = torch.where(values > quantiles[..., -1], beyond, inside).clamp(max=MOST_SURPRISING)
    return torch.where(values.isnan(), torch.nan, told)


def reference(values: Tensor) -> tuple[Tensor, Tensor]:
    """Quantiles (QUANTILES,) and mean excess beyond them, of usual values (n,)."""
    shares = torch.linspace(0, TAIL, QUANTILES, dtype=values.dtype)
    quantiles = values.quantile(shares)
    excess = values[values > quantiles[-1]] - quantiles[-1]
    return quantiles, (excess.mean() if len(excess) else values.new_tensor(0.0)).clamp(min=1e-6)
