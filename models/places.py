"""Where the planes of a heart lie and when in the cycle they were seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Places:
    """Planes of B hearts, S of each, in the heart's own frame.

    The frame's origin is the centre of the heart grid. Its third axis is the long axis, towards the apex.

    Attributes:
        pose: (B, S, 3, 4). The columns are the plane's column axis, row axis and normal (unit vectors), and its centre
            in mm. A short-axis plane has the frame's own axes and a centre on the long axis.
        phase: (B, S) share of the cycle, in [0, 1): ED is 0, of two phases ES is 0.5.
    """

    pose: Tensor
    phase: Tensor

    @classmethod
    def short_axis(cls, slice_position_mm: Tensor, phase: Tensor) -> "Places":
        """Short-axis planes from their positions (B, S) along the long axis and their phases (B, S)."""
        pose = torch.eye(3, 4).repeat(*slice_position_mm.shape, 1, 1).to(slice_position_mm)  # (B, S, 3, 4)
        pose[..., 2, 3] = slice_position_mm
        return cls(pose, phase)

    @classmethod
    def stack(cls, slice_position_mm: Sequence[float], phase: Sequence[float]) -> "Places":
        """Every slice position at every phase of one heart (B = 1), position by position."""
        position, moment = (torch.as_tensor(value, dtype=torch.float32) for value in (slice_position_mm, phase))
        return cls.short_axis(position.repeat_interleave(len(moment))[None], moment.repeat(len(position))[None])

    @property
    def slice_position_mm(self) -> Tensor:
        """(B, S) distance of the plane's centre from the heart's, along the long axis towards the apex."""
        return self.pose[..., 2, 3]

    def of(self, chosen: Tensor) -> "Places":
        """Planes of one heart (B = 1) by number: chosen (B, S) -> Places of B hearts."""
        return Places(self.pose[0, chosen], self.phase[0, chosen])

    def repeated(self, hearts: int) -> "Places":
        """The planes of one heart (B = 1) for each of so many hearts."""
        return Places(self.pose.expand(hearts, -1, -1, -1), self.phase.expand(hearts, -1))

    def to(self, device: torch.device) -> "Places":
        return Places(self.pose.to(device, non_blocking=True), self.phase.to(device, non_blocking=True))
