"""Which hearts an ECG may belong to: a small flow over the few numbers that sum up a whole heart."""

from itertools import product

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

SIGMA_FEATURES = 32
# Where the spread is measured: so many of the eight independent leads are known, and so many of the person's fields.
LEADS_KNOWN, FIELDS_KNOWN = (0, 1, 2, 5, 8), (0, 3, 4)
CASES = tuple(product(LEADS_KNOWN, FIELDS_KNOWN))  # of the rows of a spread


class HeartPrior(ModelMixin, ConfigMixin):
    """Velocity of a heart code under rectified flow, given what the condition says.

    The code of a heart is its phenotypes and the principal components of its latents, each in the training cohort's
    SDs. It is drawn once per heart and told to the denoiser, so all slices and both phases agree on the heart they
    show. These are the two stages of unCLIP (Ramesh 2022, section 2.1): a prior over the code, a decoder given it.

    Args:
        code: length of the code. summary: of the condition's summary (HeartConditioner.summary_length).
        width, blocks: of the residual network.
        spread: factors of the code's deviation from its prediction, measured on held-out people; None as drawn. They
            are (code,) for whatever is known, or a row (code,) for each of CASES.
        about_predicted: whether it is a flow of the code's deviation from the summary's prediction, given that alone.
            Then the few people with an MRI teach how a code may deviate, and what many taught the prediction stands.
            Earlier priors were not.
    """

    @register_to_config
    def __init__(
        self,
        code: int,
        summary: int,
        width: int = 256,
        blocks: int = 3,
        spread: tuple[float, ...] | tuple[tuple[float, ...], ...] | None = None,
        about_predicted: bool = False,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(code, width)
        told = code if about_predicted else summary
        self.given = nn.Sequential(nn.Linear(told + SIGMA_FEATURES, width), nn.SiLU())
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(2 * width),
                nn.Linear(2 * width, width),
                nn.SiLU(),
                nn.Dropout(0.1),
                nn.Linear(width, width),
            )
            for _ in range(blocks)
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, code))

    def forward(self, noisy: Tensor, sigma: Tensor, summary: Tensor) -> Tensor:
        """Predict noise - code.

        Args:
            noisy: (batch, code); sigma: (batch,) in [0, 1]; summary: (batch, summary).

        Returns:
            (batch, code).
        """
        when = get_timestep_embedding(sigma * 100, SIGMA_FEATURES, downscale_freq_shift=0, max_period=1000)  # (B, F)
        if not self.config.about_predicted:
            return self._velocity(noisy, torch.cat([summary, when], dim=1))  # (B, K)
        predicted = summary[:, -self.config.code :]  # (B, K)
        deviation = noisy - (1 - sigma)[:, None] * predicted  # (B, K), on its own path from noise
        return self._velocity(deviation, torch.cat([predicted, when], dim=1)) - predicted  # (B, K)

    def _velocity(self, noisy: Tensor, told: Tensor) -> Tensor:
        """(batch, code) of a noisy code or deviation (batch, code); told: (batch, code or summary + F)."""
        given = self.given(told)  # (B, W)
        hidden = self.enter(noisy)  # (B, W)
        for block in self.body:
            hidden = hidden + block(torch.cat([hidden, given], dim=1))  # (B, W)
        return self.leave(hidden)  # (B, K)

    def widened(self, code: Tensor, predicted: Tensor, known: Tensor | None = None) -> Tensor:
        """A drawn code (batch, code) with the spread that held-out people were found to have about `predicted`.

        Args:
            known: (batch, 2) independent leads and standard fields of the person that are known.

        Raises:
            ValueError: the spread goes by what is known, and nobody says what is.
        """
        if self.config.spread is None:
            return code
        spread = torch.tensor(self.config.spread, device=code.device)  # (K,) or (cases, K)
        if spread.dim() == 2:
            if known is None:
                raise ValueError("this prior's spread goes by what is known of a patient")
            spread = _weights(known).to(spread) @ spread  # (B, K)
        return predicted + spread * (code - predicted)  # (B, K)


def _weights(known: Tensor) -> Tensor:
    """(batch, cases): the share of each of CASES in what is known (batch, 2), by bilinear interpolation."""
    leads, fields = (_between(points, known[:, k]) for k, points in enumerate((LEADS_KNOWN, FIELDS_KNOWN)))
    return (leads.unsqueeze(2) * fields.unsqueeze(1)).flatten(1)


def _between(points: tuple[int, ...], at: Tensor) -> Tensor:
    """(batch, points) shares of the two points that `at` (batch,) lies between; beyond the ends, of the end."""
    grid = torch.tensor(points, dtype=torch.float32, device=at.device)
    at = at.float().clamp(grid[0], grid[-1])
    high = torch.searchsorted(grid, at).clamp(min=1)  # (B,)
    share = (at - grid[high - 1]) / (grid[high] - grid[high - 1])  # (B,)
    shares = torch.zeros(len(at), len(points), device=at.device)
    rows = torch.arange(len(at), device=at.device)
    shares[rows, high - 1], shares[rows, high] = 1 - share, share
    return shares
