"""How the ten seconds of a simulated ECG were recorded: electrodes, breathing, disturbances and filters."""

from dataclasses import dataclass

import numpy as np

from phantom.chance import log_normal, normal


@dataclass(frozen=True)
class Recording:
    """The circumstances of one recording. Another visit of the same heart has another one.

    Attributes:
        electrode_shift_mm: for V1 to V6, (towards the patient's left, upwards) along the skin.
        respiratory_rate_hz: of the breath, which moves the baseline and turns the heart.
        baseline_mv, mains_uv, muscle_uv: RMS of baseline wander, mains hum and muscle noise.
        mains_hz: 50, 60, or 0 where a filter has taken the hum away.
    """

    electrode_shift_mm: tuple[tuple[float, float], ...]
    respiratory_rate_hz: float
    baseline_mv: float
    mains_uv: float
    mains_hz: float
    muscle_uv: float


def draw_recording(rng: np.random.Generator) -> Recording:
    """Draw the circumstances of one visit's ECG."""
    return Recording(
        electrode_shift_mm=tuple((float(x), float(z)) for x, z in rng.normal(0, [8, 10], size=(6, 2)).clip(-30, 30)),
        respiratory_rate_hz=normal(rng, 0.25, 0.04, 0.12, 0.4),
        baseline_mv=log_normal(rng, 0.06, 0.5),
        mains_uv=log_normal(rng, 4, 0.6),
        mains_hz=float(rng.choice([0.0, 50.0, 60.0], p=[0.4, 0.4, 0.2])),
        muscle_uv=log_normal(rng, 7, 0.5),
    )
