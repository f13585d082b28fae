"""Which hearts an ECG may belong to: a small flow over the few numbers that sum up a whole heart."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

SIGMA_FEATURES = 32


class HeartPrior(ModelMixin, ConfigMixin):
    """Velocity of a heart code under rectified flow, given what the condition says.

    The code of a heart is its phenotypes and the principal components of its latents, each in the training cohort's
    SDs. It is drawn once per heart and told to the denoiser, so all slices and both phases agree on the heart they
    show. These are the two stages of unCLIP (Ramesh 2022, section 2.1): a prior over the code, a decoder given it.

    Args:
        code: length of the code. summary: of the condition's summary (HeartConditioner.summary_length).
        width, blocks: of the residual network.
        spread: (code,) factor of the code's deviation from its prediction, measured on held-out people; 1 as drawn.
    """

    @register_to_config
    def __init__(
        self, code: int, summary: int, width: int = 256, blocks: int = 3, spread: tuple[float, ...] | None = None
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(code, width)
        self.given = nn.Sequential(nn.Linear(summary + SIGMA_FEATURES, width), nn.SiLU())
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
        given = self.given(torch.cat([summary, when], dim=1))  # (B, W)
        hidden = self.enter(noisy)  # (B, W)
        for block in self.body:
            hidden = hidden + block(torch.cat([hidden, given], dim=1))  # (B, W)
        return self.leave(hidden)  # (B, K)

    def widened(self, code: Tensor, predicted: Tensor) -> Tensor:
        """A drawn code (batch, code) with the spread that held-out people were found to have about `predicted`."""
        if self.config.spread is None:
            return code
        return predicted + torch.tensor(self.config.spread, device=code.device) * (code - predicted)  # (B, K)
