"""Phenotypes counted on label maps: volumes in mL, ejection fraction in %, mass in g, wall thickness in mm."""

import numpy as np

from .cine import Label

VOLUMETRIC = ("LVEDV", "LVESV", "LVSV", "LVEF", "LVM", "RVEDV", "RVESV", "RVEF")
WALLS = {"wall_septal": 180.0, "wall_lateral": 0.0, "wall_anterior": 90.0, "wall_inferior": 270.0}  # direction, degrees
PHENOTYPES = (*VOLUMETRIC, *WALLS)
UNITS = dict.fromkeys(PHENOTYPES, "mL") | {"LVEF": "%", "RVEF": "%", "LVM": "g"} | dict.fromkeys(WALLS, "mm")
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


def phenotypes_of(labels: np.ndarray, pixel_mm: float, step_mm: float) -> dict[str, float]:
    """PHENOTYPES of a label map (slices, phases, height, width); phase 0 is ED, ES the smallest LV cavity.

    LV mass is wall volume at ED x 1.05 g/mL. A fraction of an empty cavity is NaN, and so is all that needs ES where
    there is one phase only, and a wall where no slice shows it.
    """
    voxel_mm3 = pixel_mm**2 * step_mm
    lv, rv = volume_ml(labels, Label.LV_CAVITY, voxel_mm3), volume_ml(labels, Label.RV_CAVITY, voxel_mm3)
    if len(lv) == 1:
        lv, rv = (np.array([volume[0], np.nan]) for volume in (lv, rv))
    es = int(lv.argmin())  # of one NaN: the NaN
    mass = MYOCARDIAL_DENSITY_G_ML * float(volume_ml(labels, Label.LV_MYOCARDIUM, voxel_mm3)[0])
    volumes = with_derived({"LVEDV": lv[0], "LVESV": lv[es], "LVM": mass, "RVEDV": rv[0], "RVESV": rv[es]})
    walls = sector_thickness_mm(labels[:, 0], pixel_mm, tuple(WALLS.values()))
    return volumes | dict(zip(WALLS, walls, strict=True))


def sector_thickness_mm(labels: np.ndarray, pixel_mm: float, directions_deg: tuple[float, ...]) -> tuple[float, ...]:
    """Mean thickness of the LV's wall in sectors, over the middle third of the LV's slices.

    A sector of a ring: with cavity area C and wall area W inside an angle a at the cavity's centre, the radii are
    sqrt(2 C / a) and sqrt(2 (C + W) / a).

    Args:
        labels: (slices, height, width) label map of one phase, anterior wall on top, RV on the left.
        directions_deg: middles of the sectors, from the lateral wall (0) over the anterior one (90); the septum, which
            faces the RV wherever that lies in the image, is 180.

    Returns:
        mm for each direction; NaN where no middle slice shows the LV's cavity and wall and the RV.
    """
    shown = [s for s in labels if all((s == part).any() for part in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))]
    third = len(shown) // 3
    middle = [s for s in shown[third : len(shown) - third] if (s == Label.RV_CAVITY).any()]
    if not middle:
        return (float("nan"),) * len(directions_deg)
    found = np.mean([[_thickness(slice_, degrees) for degrees in directions_deg] for slice_ in middle], axis=0)
    return tuple(float(thickness) * pixel_mm for thickness in found)


def _thickness(slice_: np.ndarray, degrees: float) -> float:
    """Thickness in pixels of one slice's wall in one direction from the septum's opposite."""
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
    """Add stroke volume and ejection fractions to ED and ES volumes; order and names as VOLUMETRIC."""
    found = {name: float(value) for name, value in volumes.items()}
    found["LVSV"] = found["LVEDV"] - found["LVESV"]
    found["LVEF"] = _percent(found["LVSV"], found["LVEDV"])
    found["RVEF"] = _percent(found["RVEDV"] - found["RVESV"], found["RVEDV"])
    return {name: found[name] for name in VOLUMETRIC}


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else float("nan")


def dice(found: np.ndarray, truth: np.ndarray, label: int) -> float:
    """Overlap of one label in two label maps of the same shape; NaN where neither has it."""
    a, b = found == label, truth == label
    both = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / both if both else float("nan")
