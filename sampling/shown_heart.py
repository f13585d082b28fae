"""A heart over its frames, true or generated, as films and pages show it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ShownHeart:
    """A heart that beats, or stands still at ED and ES.

    Attributes:
        name: in words. frames: (slices, frames, height, width) in [0, 1]. labels: `Label` of the same shape, or None.
    """

    name: str
    frames: np.ndarray
    labels: np.ndarray | None = None
