"""From ECG and person to the heart code: the two networks that read the condition, as one module."""

from torch import Tensor, nn

from .conditioning import HeartConditioner
from .ecg_encoder import ECGEncoder


class CodeRegressor(nn.Module):
    """ECG encoder and conditioner as the one module that Accelerate wraps."""

    def __init__(self, ecg_encoder: ECGEncoder, conditioner: HeartConditioner) -> None:
        super().__init__()
        self.ecg_encoder, self.conditioner = ecg_encoder, conditioner

    def forward(
        self, ecg: Tensor, lead_mask: Tensor, person: Tensor, ecg_present: Tensor, person_present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (batch, n, width) and summary (batch, summary_length); arguments as of the two networks."""
        tokens, pooled = self.ecg_encoder(ecg, lead_mask)  # (B, N, D), (B, D)
        return self.conditioner(tokens, pooled, person, ecg_present, person_present)  # (B, M, D), (B, D + K)
