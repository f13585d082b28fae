"""The ECG transformer: lead-time patches of a strip -> tokens and one pooled vector."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional


class ECGEncoder(ModelMixin, ConfigMixin):
    """Transformer over lead-time patches.

    A convolutional stem cuts the strip into patches of all leads. A wave's shape survives wherever the border of a
    patch falls. Attention then gathers the beats. The strip's rate and duration are part of the configuration:
    whoever feeds the network resamples to them (`cohort.preprocessing.ecg_input`).

    Args:
        sampling_rate: Hz of the strip the network was built for.
        duration_s: seconds of it.
        leads: number of leads.
        width, layers, heads, dropout: of the transformer.
    """

    STRIDES = (2, 5, 5)  # 250 Hz: 125, 25, 5 tokens a second

    @register_to_config
    def __init__(
        self,
        sampling_rate: int = 250,
        duration_s: float = 10.0,
        leads: int = 12,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        a, b, c = self.STRIDES
        self.stem = nn.Sequential(
            nn.Conv1d(leads, width // 2, 4 * a - 1, stride=a, padding=2 * a - 1),
            nn.GELU(),
            nn.Conv1d(width // 2, width, 2 * b + 1, stride=b, padding=b),
            nn.GELU(),
            nn.Conv1d(width, width, c, stride=c),
        )
        self.lead_absent = nn.Parameter(torch.zeros(leads, width))
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, signal: Tensor, lead_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode strips.

        Args:
            signal: (batch, leads, samples) mV.
            lead_mask: (batch, leads) bool, False where a lead is absent; its samples are then not looked at.

        Returns:
            tokens (batch, patches, width) and the pooled vector (batch, width).
        """
        stride = math.prod(self.STRIDES)
        mask = lead_mask.to(signal.dtype)
        signal = torch.where(lead_mask.unsqueeze(-1), signal, 0.0)  # (B, leads, T)
        signal = functional.pad(signal, (0, -signal.shape[-1] % stride))  # (B, leads, N * stride)
        tokens = self.stem(signal).transpose(1, 2)  # (B, N, D)
        tokens = tokens + ((1 - mask) @ self.lead_absent).unsqueeze(1)  # (B, N, D)
        place = torch.arange(tokens.shape[1], device=tokens.device)
        features = get_timestep_embedding(place, tokens.shape[-1], downscale_freq_shift=0)  # (N, D), Vaswani 2017, 3.5
        tokens = tokens + features.to(tokens.dtype)  # (B, N, D)
        tokens = self.norm(self.transformer(tokens))  # (B, N, D)
        return tokens, tokens.mean(dim=1)  # (B, N, D), (B, D)
