"""Hearts that no scanner sees so: each tissue's signal is drawn, and the examination's circumstances are drawn wide.

A network that learns from them has no contrast to rely on (SynthSeg, Billot 2023, doi:10.1016/j.media.2023.102789).
"""

import numpy as np

from phantom.acquisition import Acquisition
from phantom.chance import log_normal, normal

INVERTED = 0.05  # share of examinations whose muscle is brighter than its blood
TOP = 1.3  # the brightest of the other tissues, against blood


def random_signals(rng: np.random.Generator, usual: dict[str, float]) -> dict[str, float]:
    """A signal for each tissue of `usual` (`phantom.contrast.signals`), in its stored units.

    The blood of both ventricles stays nearly alike, because it is one tissue. Fat is in phase or out of it.
    """
    blood = usual["blood"]
    drawn = {name: blood * float(rng.uniform(0.05, TOP)) for name in usual}
    inverted = rng.random() < INVERTED
    drawn["blood"] = blood
    drawn["venous_blood"] = blood * float(np.clip(log_normal(rng, 0.93, 0.15), 0.6, 1.4))
    drawn["myocardium"] = blood * float(rng.uniform(1.3, 2.0) if inverted else rng.uniform(0.12, 0.65))
    drawn["fat"] = blood * float(rng.uniform(0.1, 1.5) * rng.choice([-1, 1], p=[0.7, 0.3]))
    drawn["lung"] = blood * float(rng.uniform(0.0, 0.3))
    return drawn


def wide_acquisition(rng: np.random.Generator, usual: Acquisition) -> dict[str, object]:
    """Fields of an `Acquisition` drawn wider than any of SCANNERS has them: slices, tilt, noise, texture, coils."""
    return {
        "slice_mm": float(rng.uniform(5.0, 11.0)),
        "gap_mm": float(rng.uniform(2.0, 9.0)),
        "plan_tilt_deg": tuple(float(x) for x in rng.normal(0, 6.0, size=2).clip(-14, 14)),
        "noise_share": usual.noise_share * float(rng.uniform(0.5, 3.0)),
        "muscle_texture": float(rng.uniform(0.02, 0.25)),
        "flow_share": float(rng.uniform(0.02, 0.22)),
        "ejection_loss": float(rng.uniform(0.0, 0.5)),
        "coil_reach_mm": float(rng.uniform(40, 150)),
        "susceptibility_hz": normal(rng, 90, 50, 0, 220),
    }
