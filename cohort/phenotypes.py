"""Phenotypes counted on label maps: volumes in mL, ejection fraction in %, mass in g."""

import numpy as np

from .cine import Label

PHENOTYPES = ("LVEDV", "LVESV", "LVSV", "LVEF", "LVM", "RVEDV", "RVESV", "RVEF")
MYOCARDIAL_DENSITY_G_ML = 1.05


def volume_ml(labels: np.ndarray, label: int, voxel_mm3: float) -> np.ndarray:
    """Volume of one label by Simpson's rule (area x slice step).

    Args:
        labels: (slices, phases, height, width) label map.
        voxel_mm3: pixel area x slice step.

    Returns:
        (phases,) mL.
    """
    return (labels == label).sum(axis=(0, 2, 3)) * voxel_mm3 / 1000


def phenotypes_of(labels: np.ndarray, voxel_mm3: float) -> dict[str, float]:
    """PHENOTYPES of a label map (slices, phases, height, width); phase 0 is ED, ES the smallest LV cavity.

    LV mass is wall volume at ED x 1.05 g/mL. A fraction of an empty cavity is NaN, and so is all that needs ES where
    there is one phase only.
    """
    lv, rv = volume_ml(labels, Label.LV_CAVITY, voxel_mm3), volume_ml(labels, Label.RV_CAVITY, voxel_mm3)
    if len(lv) == 1:
        lv, rv = (np.array([volume[0], np.nan]) for volume in (lv, rv))
    es = int(lv.argmin())  # of one NaN: the NaN
    mass = MYOCARDIAL_DENSITY_G_ML * float(volume_ml(labels, Label.LV_MYOCARDIUM, voxel_mm3)[0])
    return with_derived({"LVEDV": lv[0], "LVESV": lv[es], "LVM": mass, "RVEDV": rv[0], "RVESV": rv[es]})


def with_derived(volumes: dict[str, float]) -> dict[str, float]:
    """Add stroke volume and ejection fractions to ED and ES volumes; order and names as PHENOTYPES."""
    found = {name: float(value) for name, value in volumes.items()}
    found["LVSV"] = found["LVEDV"] - found["LVESV"]
    found["LVEF"] = _percent(found["LVSV"], found["LVEDV"])
    found["RVEF"] = _percent(found["RVEDV"] - found["RVESV"], found["RVEDV"])
    return {name: found[name] for name in PHENOTYPES}


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else float("nan")
