"""How bright each tissue is: the steady state of bSSFP, and what the drawn examination makes of it."""

import math
from dataclasses import dataclass

from phantom.acquisition import Acquisition


@dataclass(frozen=True)
class Tissue:
    """Relaxation times at 1.5 T (Stanisz 2005, Bojorquez 2017) and proton density relative to blood's."""

    t1_ms: float
    t2_ms: float
    density: float = 1.0


TISSUES = {
    "blood": Tissue(1500, 240),
    "venous_blood": Tissue(1500, 200),
    "myocardium": Tissue(1000, 46, 0.95),
    "fat": Tissue(290, 75, 0.85),
    "muscle": Tissue(1010, 38, 0.80),
    "liver": Tissue(590, 42, 0.85),
    "spleen": Tissue(1050, 61, 0.80),
    "lung": Tissue(1200, 40, 0.30),
    "bone": Tissue(1000, 1, 0.10),
    "marrow": Tissue(550, 50, 0.75),
    "content": Tissue(900, 60, 0.35),
    "fluid": Tissue(3000, 800),
}
TR_MS = 2.6


def bssfp_signal(tissue: Tissue, tr_ms: float = TR_MS, flip_deg: float = 80.0) -> float:
    """Steady-state signal on resonance, echo at TR/2 (Scheffler and Lehnhardt 2003); UK Biobank's TR and flip angle."""
    e1, e2 = math.exp(-tr_ms / tissue.t1_ms), math.exp(-tr_ms / tissue.t2_ms)
    flip = math.radians(flip_deg)
    steady = math.sin(flip) * (1 - e1) / (1 - (e1 - e2) * math.cos(flip) - e1 * e2)
    return tissue.density * steady * math.exp(-tr_ms / 2 / tissue.t2_ms)


def signals(acquisition: Acquisition) -> dict[str, float]:
    """Stored units by tissue; what flows in is brighter than its steady state, by the drawn ratios.

    At this TR fat has turned half round against water: where both share a voxel they cancel, the dark rim of bSSFP.
    So fat is negative.
    """
    blood = acquisition.blood_level
    muscle = blood / acquisition.blood_to_muscle
    still = muscle / bssfp_signal(TISSUES["myocardium"])
    level = {name: still * bssfp_signal(tissue) for name, tissue in TISSUES.items()}
    level["blood"] = blood
    level["venous_blood"] = 0.90 * blood * acquisition.venous_to_blood
    level["fat"] = -blood * acquisition.fat_to_blood
    level["marrow"] *= 0.55  # half of it is fat, which cancels the rest
    level["fluid"] = 0.65 * blood  # pulsation takes the rest
    level["liver"] = 0.95 * muscle * acquisition.liver_to_muscle
    return level
