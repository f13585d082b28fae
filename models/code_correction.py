"""What to tell the denoiser next, when the heart it drew is not the one it was told."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

LARGEST_SD = 1.5  # of an error that is corrected: a segmenter that fails must not drive a heart away
RIDGE = 0.01  # of the covariance that directions are fitted with


class CodeCorrection(ModelMixin, ConfigMixin):
    """A told heart code, moved by the error of what was drawn.

    The denoiser follows its code with a slope below 1, and draws some size by chance. A heart measured after drawing
    shows by how much. The code is moved against the error, and the heart drawn again from the same noise. A code
    moves as hearts of the cohort differ: along with LVEDV go its other numbers.

    Args:
        code: length K of the heart code.
        corrected: names of the P phenotypes whose errors count. What follows from them (LVSV, LVEF, RVEF) is not among
            them.
        places: of `corrected` in the code.
        gain: share of an error that is corrected at a time.
    """

    @register_to_config
    def __init__(
        self, code: int, corrected: tuple[str, ...] = (), places: tuple[int, ...] = (), gain: float = 0.8
    ) -> None:
        super().__init__()
        self.register_buffer("directions", torch.zeros(len(corrected), code))  # SDs of the code an SD of a phenotype
        self.register_buffer("seen", torch.tensor([[1.0, 0.0]]).repeat(len(corrected), 1))  # slope and offset, SDs

    def forward(self, told: Tensor, meant: Tensor, measured: Tensor) -> Tensor:
        """The code to tell next, (B, K).

        Args:
            told: (B, K) what the denoiser was told last. meant: (B, K) what was to be drawn. Both in the cohort's SDs.
            measured: (B, P) `corrected` of the hearts drawn, in the cohort's SDs; NaN where it cannot be measured.
        """
        slope, offset = self.seen.unbind(1)  # (P,) each
        due = slope * meant[:, list(self.config.places)] + offset  # (B, P) what is found on a true heart of that code
        error = (due - measured).nan_to_num().clamp(-LARGEST_SD, LARGEST_SD)  # (B, P)
        return told + self.config.gain * error @ self.directions  # (B, K)

    @torch.no_grad()
    def fit_directions(self, codes: Tensor) -> None:
        """Learn how codes (N, K) move together: each phenotype itself by 1, the rest by regression on all of them."""
        known = codes.double().nan_to_num()
        covariance = (known - known.mean(0)).T.cov()  # (K, K)
        places = list(self.config.places)
        among = covariance[places][:, places] + RIDGE * torch.eye(len(places), dtype=torch.float64)
        directions = torch.linalg.solve(among, covariance[places])  # (P, K)
        directions[:, places] = torch.eye(len(places), dtype=torch.float64)
        self.directions.copy_(directions)

    @torch.no_grad()
    def fit_seen(self, codes: Tensor, measured: Tensor, fewest: int) -> None:
        """Learn what the segmenter finds on true hearts, as a line over their codes.

        Args:
            codes: (n, K). measured: (n, P) on those hearts. Both in the cohort's SDs, NaN where unknown.
            fewest: people who know both; with fewer the line stays 1 and 0.
        """
        for p, place in enumerate(self.config.places):
            x, y = codes[:, place].double(), measured[:, p].double()
            both = ~(x.isnan() | y.isnan())
            if both.sum() < fewest or x[both].std() == 0:
                continue
            slope = (x[both] - x[both].mean()) @ y[both] / ((x[both] - x[both].mean()) ** 2).sum()
            self.seen[p] = torch.stack([slope, y[both].mean() - slope * x[both].mean()])
