"""The ECG transformer: lead-time patches and the rhythm of a strip -> tokens and one pooled vector."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional

RHYTHM_RATE = 50  # Hz of the steepness whose autocorrelation tells the beat
RHYTHM_LAGS_S = (0.3, 2.0)  # 200 to 30 beats a minute
RHYTHM_LAGS = 86  # from the one to the other


class ECGEncoder(ModelMixin, ConfigMixin):
    """Transformer over lead-time patches.

    A convolutional stem cuts the strip into patches of all leads. A wave's shape survives wherever the border of a
    patch falls. Attention then gathers the beats. How long a beat is decides most of its timing, and attention learns
    that late. So the pooled vector is told the strip's rhythm besides (`rhythm_features`). The strip's rate and
    duration are part of the configuration: whoever feeds the network resamples to them
    (`cohort.preprocessing.ecg_input`).

    Args:
        sampling_rate: Hz of the strip the network was built for.
        duration_s: seconds of it.
        leads: number of leads.
        width, layers, heads, dropout: of the transformer.
        rhythm: whether the pooled vector is told the rhythm; earlier encoders were not.
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
        rhythm: bool = False,
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
        self.of_rhythm = (
            nn.Sequential(nn.Linear(RHYTHM_LAGS, width), nn.GELU(), nn.Linear(width, width)) if rhythm else None
        )

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
        pooled = tokens.mean(dim=1)  # (B, D)
        if self.of_rhythm is None:
            return tokens, pooled
        told = rhythm_features(signal, self.config.sampling_rate)  # (B, L)
        return tokens, pooled + self.of_rhythm(told.to(pooled.dtype))  # (B, N, D), (B, D)


def rhythm_features(signal: Tensor, sampling_rate: int) -> Tensor:
    """The autocorrelation of a strip's steepness at lags of RHYTHM_LAGS_S: it peaks where a beat follows a beat.

    Args:
        signal: (batch, leads, samples) mV, 0 where a lead is absent.

    Returns:
        (batch, lags), 1 for a strip that repeats itself exactly; 0 of a flat strip.
    """
    steep = signal.float().diff(dim=-1).square().sum(dim=1).sqrt()  # (B, T - 1) mV a sample, over all leads
    steep = functional.adaptive_avg_pool1d(steep, round(signal.shape[-1] / sampling_rate * RHYTHM_RATE))  # (B, n)
    steep = steep - steep.mean(dim=1, keepdim=True)
    n = steep.shape[1]
    power = torch.fft.rfft(steep, 2 * n).abs().square()  # (B, n + 1), padded: no lag wraps round
    together = torch.fft.irfft(power)[:, :n] / torch.arange(n, 0, -1, device=steep.device)  # (B, n) per pair of samples
    first, last = (round(lag * RHYTHM_RATE) for lag in RHYTHM_LAGS_S)
    together = functional.pad(together, (0, max(0, last + 1 - n)))  # (B, at least last + 1): a strip may be short
    return together[:, first : last + 1] / together[:, :1].clamp(min=1e-12)  # (B, L)
