"""How the MRI of a simulated patient was taken: the planned stack, the breath-holds, the scanner."""

from dataclasses import dataclass

import numpy as np

SCANNERS = ("usual",)


@dataclass(frozen=True)
class Acquisition:
    """The circumstances of one examination. Another visit of the same heart has another one.

    Attributes:
        plan_tilt_deg: two small angles by which the short-axis stack misses the long axis.
        plan_shift_mm: (u, v, w) by which the stack's middle misses the heart's.
        slice_shift_mm: SD of the breath-hold position from slice to slice.
    """

    plan_tilt_deg: tuple[float, float]
    plan_shift_mm: tuple[float, float, float]
    slice_shift_mm: float


def draw_acquisition(rng: np.random.Generator, scanner: str = "usual") -> Acquisition:
    """Draw the circumstances of one visit's MRI."""
    return Acquisition(
        plan_tilt_deg=tuple(float(x) for x in rng.normal(0, 2.0, size=2).clip(-5, 5)),
        plan_shift_mm=tuple(float(x) for x in rng.normal(0, [5.0, 5.0, 0.5]).clip(-12, 12)),
        slice_shift_mm=float(rng.uniform(0.5, 1.8)),
    )
