"""Phenotypes: numbers counted on the label map of a heart. This file is all there is to change for a new one."""

from typing import NamedTuple

import numpy as np

from .cine import Label


class Phenotype(NamedTuple):
    """How a phenotype is shown: its unit, its name in words, and its digits after the point.

    `plausible` holds every living heart, ill ones too: (lowest, highest) in that unit. `label` is the short name on a
    page or a plot, where the name in arrays and files is none to read.
    """

    unit: str
    words: str
    plausible: tuple[float, float]
    digits: int = 0
    label: str = ""


TABLE = {  # the order is that of every array of phenotypes
    "LVEDV": Phenotype("mL", "left-ventricular (LV) volume at end-diastole", (30, 700)),
    "LVESV": Phenotype("mL", "LV volume at end-systole", (5, 650)),
    "LVSV": Phenotype("mL", "LV stroke volume", (10, 300)),
    "LVEF": Phenotype("%", "LV ejection fraction", (3, 95)),
    "LVM": Phenotype("g", "mass of the LV's wall", (20, 600)),
    "RVEDV": Phenotype("mL", "right-ventricular (RV) volume at end-diastole", (30, 700)),
    "RVESV": Phenotype("mL", "RV volume at end-systole", (5, 650)),
    "RVEF": Phenotype("%", "RV ejection fraction", (3, 95)),
    "wall_septal": Phenotype("mm", "thickness of the septum", (2, 40), digits=1, label="septal wall"),
    "wall_lateral": Phenotype("mm", "thickness of the lateral wall", (2, 40), digits=1, label="lateral wall"),
    "wall_anterior": Phenotype("mm", "thickness of the anterior wall", (2, 40), digits=1, label="anterior wall"),
    "wall_inferior": Phenotype("mm", "thickness of the inferior wall", (2, 40), digits=1, label="inferior wall"),
}
PHENOTYPES = tuple(TABLE)
UNITS = {name: about.unit for name, about in TABLE.items()}
LABELS = {name: about.label or name for name, about in TABLE.items()}
WALLS = {"wall_septal": 180.0, "wall_lateral": 0.0, "wall_anterior": 90.0, "wall_inferior": 270.0}  # direction, degrees
VOLUMES = ("LVEDV", "LVESV", "LVM", "RVEDV", "RVESV")  # counted on label maps, or drawn for a phantom
CLASSES = (Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY)
WALL_SECTOR = np.pi / 2  # radians of the wall whose thickness is averaged: four quarters
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


def phenotypes_of(labels: np.ndarray, pixel_mm: float, step_mm: float, absent_ml: float = 0.0) -> dict[str, float]:
    """PHENOTYPES of a label map (slices, phases, height, width); phase 0 is ED, ES the smallest LV cavity.

    LV mass is wall volume at ED x 1.05 g/mL. NaN marks what cannot be known: a fraction of an empty cavity, and a
    wall that no slice shows. With one phase only it marks everything at ES.

    Args:
        absent_ml: volume of a class that a phase has no pixel of. It is 0 for a segmenter that looks for all classes.
            It is NaN for a label map from elsewhere, in which nobody may have drawn that class.
    """
    voxel_mm3 = pixel_mm**2 * step_mm
    counted = (volume_ml(labels, label, voxel_mm3) for label in CLASSES)
    lv, wall, rv = (np.where(volume > 0, volume, absent_ml) for volume in counted)
    if len(lv) == 1:
        lv, rv = (np.array([volume[0], np.nan]) for volume in (lv, rv))
    es = int(lv.argmin())  # numpy takes NaN for the smallest
    mass = MYOCARDIAL_DENSITY_G_ML * float(wall[0])
    volumes = with_derived({"LVEDV": lv[0], "LVESV": lv[es], "LVM": mass, "RVEDV": rv[0], "RVESV": rv[es]})
    walls = sector_thickness_mm(labels[:, 0], pixel_mm, tuple(WALLS.values()))
    known = volumes | dict(zip(WALLS, walls, strict=True))
    return {name: known[name] for name in PHENOTYPES}


def sector_thickness_mm(labels: np.ndarray, pixel_mm: float, directions_deg: tuple[float, ...]) -> tuple[float, ...]:
    """Mean thickness of the LV's wall in sectors, over the middle third of the LV's slices.

    Each sector is taken as part of a ring. Inside an angle a at the cavity's centre lie a cavity of area C and W of
    wall. The radii are then sqrt(2 C / a) and sqrt(2 (C + W) / a).

    Args:
        labels: (slices, height, width) label map of one phase, anterior wall on top, RV on the left.
        directions_deg: middles of the sectors. 180 is the septum, which faces the RV wherever the RV lies in the
            image; 0 is the lateral wall, 90 the anterior one.

    Returns:
        mm for each direction; NaN where no middle slice shows the LV's cavity and wall and the RV.
    """
    shown = [s for s in labels if all((s == part).any() for part in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))]
    third = len(shown) // 3
    middle = [s for s in shown[third : len(shown) - third] if (s == Label.RV_CAVITY).any()]
    if not middle:
        return (float("nan"),) * len(directions_deg)
    means = np.mean([[_thickness(slice_, degrees) for degrees in directions_deg] for slice_ in middle], axis=0)
    return tuple(float(pixels) * pixel_mm for pixels in means)


def _thickness(slice_: np.ndarray, degrees: float) -> float:
    """Thickness in pixels of one slice's wall; the direction is counted from the lateral wall, opposite the septum."""
    cavity = np.argwhere(slice_ == Label.LV_CAVITY)
    centre = cavity.mean(axis=0)
    from_rv = centre - np.argwhere(slice_ == Label.RV_CAVITY).mean(axis=0)
    turn = np.arctan2(-from_rv[0], from_rv[1]) + np.radians(degrees)  # rows count downwards
    towards = np.array([-np.sin(turn), np.cos(turn)])

    def within(points: np.ndarray) -> int:
        offset = points - centre
        return int((offset @ towards > np.cos(WALL_SECTOR / 2) * np.linalg.norm(offset, axis=1)).sum())

    inner, ring = within(cavity), within(np.argwhere(slice_ == Label.LV_MYOCARDIUM))
    return float(np.sqrt(2 * (inner + ring) / WALL_SECTOR) - np.sqrt(2 * inner / WALL_SECTOR))


def with_derived(volumes: dict[str, float]) -> dict[str, float]:
    """All phenotypes that follow from VOLUMES, in the order of PHENOTYPES."""
    known = {name: float(volumes[name]) for name in VOLUMES}
    known["LVSV"] = known["LVEDV"] - known["LVESV"]
    known["LVEF"] = _percent(known["LVSV"], known["LVEDV"])
    known["RVEF"] = _percent(known["RVEDV"] - known["RVESV"], known["RVEDV"])
    return {name: known[name] for name in PHENOTYPES if name in known}


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else float("nan")


def dice(one: np.ndarray, other: np.ndarray, label: int) -> float:
    """Overlap of one label in two label maps of the same shape; NaN where neither has it."""
    a, b = one == label, other == label
    both = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / both if both else float("nan")
