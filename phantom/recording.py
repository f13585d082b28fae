"""How the ten seconds of a simulated ECG were recorded: electrodes, breathing, disturbances and filters."""

from dataclasses import dataclass

import numpy as np

from phantom.chance import log_normal, normal

# Diagnostic recorders pass 0.05 Hz, most of them 0.5 Hz by a filter that shifts no phase. IEC 60601-2-25 and AHA 2007
# (Kligfield et al.) ask for 150 Hz. Hospitals often set 100 or 40 Hz. 0 is no filter but the converter's own.
HIGH_PASS_HZ = {0.05: 0.45, 0.15: 0.2, 0.5: 0.35}
LOW_PASS_HZ = {0.0: 0.10, 150.0: 0.50, 100.0: 0.28, 40.0: 0.12}


@dataclass(frozen=True)
class Recording:
    """The circumstances of one recording. Another visit of the same heart has another one.

    Attributes:
        electrode_shift_mm: for V1 to V6, (towards the patient's left, upwards) along the skin; this visit's mistake.
        heart_turn_deg: about the body axes x, y, z. heart_shift_mm: along them. By posture, against the MRI.
        respiratory_rate_hz: of the breath, which moves the baseline, turns the heart and moves it down.
        breath_turn_deg: about the body axes, at full breath. breath_shift_mm: downwards.
        breath_gain: share by which a full breath lessens every lead. beat_gain_sd: by which beats differ besides.
        baseline_mv, motion_uv, mains_uv, muscle_uv: RMS of baseline wander, electrode motion, mains hum, muscle noise.
        mains_hz: 50, 60, or 0 where a filter has taken the hum away.
        high_pass_hz, low_pass_hz: of the recorder; a low pass of 0 is none.
    """

    electrode_shift_mm: tuple[tuple[float, float], ...]
    heart_turn_deg: tuple[float, float, float]
    heart_shift_mm: tuple[float, float, float]
    respiratory_rate_hz: float
    breath_turn_deg: tuple[float, float, float]
    breath_shift_mm: float
    breath_gain: float
    beat_gain_sd: float
    baseline_mv: float
    motion_uv: float
    mains_uv: float
    mains_hz: float
    muscle_uv: float
    high_pass_hz: float
    low_pass_hz: float


def draw_recording(rng: np.random.Generator) -> Recording:
    """Draw the circumstances of one visit's ECG."""
    return Recording(
        electrode_shift_mm=tuple((float(x), float(z)) for x, z in rng.normal(0, [7, 8], size=(6, 2)).clip(-30, 30)),
        heart_turn_deg=_triple(rng, (2.5, 2.5, 3.0)),
        heart_shift_mm=_triple(rng, (2.5, 2.5, 4.0)),
        respiratory_rate_hz=normal(rng, 0.25, 0.04, 0.12, 0.4),
        breath_turn_deg=_triple(rng, (2.6, 2.6, 2.6)),
        breath_shift_mm=log_normal(rng, 5.0, 0.45),
        breath_gain=log_normal(rng, 0.025, 0.5),
        beat_gain_sd=log_normal(rng, 0.015, 0.4),
        baseline_mv=log_normal(rng, 0.06, 0.5),
        motion_uv=log_normal(rng, 6, 0.6),
        mains_uv=log_normal(rng, 4, 0.8),
        mains_hz=float(rng.choice([0.0, 50.0, 60.0], p=[0.6, 0.25, 0.15])),
        muscle_uv=log_normal(rng, 7, 0.5),
        high_pass_hz=float(rng.choice(list(HIGH_PASS_HZ), p=list(HIGH_PASS_HZ.values()))),
        low_pass_hz=float(rng.choice(list(LOW_PASS_HZ), p=list(LOW_PASS_HZ.values()))),
    )


def _triple(rng: np.random.Generator, sd: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = rng.normal(0, sd).tolist()
    return (x, y, z)
