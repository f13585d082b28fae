"""Figures that no heart has: they are told, whoever drew the heart."""

import numpy as np

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import MYOCARDIAL_DENSITY_G_ML, PHENOTYPES, volume_ml

LARGEST_LVEDV = 400.0  # mL; dilated hearts reach it
LARGEST_EF = 90.0  # %
MASS_CHANGE = 0.25  # of the wall's mass from ED to ES, which is one and the same muscle


def implausible(phenotypes: np.ndarray, masses: np.ndarray) -> list[str]:
    """A sentence for every kind of figure that no heart has.

    Args:
        phenotypes: (m, K) PHENOTYPES of one patient's hearts. masses: (m, 2) g of the LV's wall at ED and ES.
    """
    of = {name: phenotypes[:, k] for k, name in enumerate(PHENOTYPES)}
    ed, es = masses.T
    change = np.abs(es - ed) / np.where(ed > 0, ed, np.nan)
    kinds = [
        ("LVEDV of {:.0f} mL", of["LVEDV"], of["LVEDV"] > LARGEST_LVEDV),
        ("LVEDV of {:.0f} mL", of["LVEDV"], ~(of["LVEDV"] > 0)),
        *((f"{name} of {{:.0f}} %", of[name], (of[name] < 0) | (of[name] > LARGEST_EF)) for name in ("LVEF", "RVEF")),
        ("a wall whose mass changes by {:.0f} % from ED to ES", 100 * change, change > MASS_CHANGE),
    ]
    return [
        f"{words.format(values[which][0])} in {which.sum()} of {len(which)} hearts: no heart is like that"
        for words, values, which in kinds
        if which.any()
    ]


def wall_masses(labels: np.ndarray, geometry: GridGeometry) -> tuple[float, float]:
    """Mass in g of the LV's wall at ED and at ES, the phase with the smallest LV cavity.

    Args:
        labels: (slices, phases, height, width) label map on the grid.
    """
    voxel_mm3 = geometry.pixel_mm**2 * geometry.slice_step_mm
    mass = MYOCARDIAL_DENSITY_G_ML * volume_ml(labels, Label.LV_MYOCARDIUM, voxel_mm3)
    es = int(volume_ml(labels, Label.LV_CAVITY, voxel_mm3).argmin())
    return float(mass[0]), float(mass[es])
