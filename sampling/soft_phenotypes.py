"""Phenotypes counted on shares of the classes in place of labels, so that they have a gradient.

A pixel counts by its shares. On a label map, which is all zeros and ones, the numbers are those of `cohort.phenotypes`.
"""

import math

import torch
from torch import Tensor

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import MYOCARDIAL_DENSITY_G_ML, WALL_SECTOR, WALLS

ED, ES = 0, 1
TINY = 1e-6  # pixels; a root has no slope at 0


def soft_volumes(shares: Tensor, geometry: GridGeometry) -> Tensor:
    """(B, classes) mL of hearts at one phase: shares (B, slices, classes, height, width)."""
    return shares.sum(dim=(1, 3, 4)) * (geometry.pixel_mm**2 * geometry.slice_step_mm / 1000)  # (B, 4)


def soft_phenotypes(shares: Tensor, phase: int, geometry: GridGeometry) -> dict[str, Tensor]:
    """What one phase tells of VOLUMES and WALLS, each (B,) in its own unit. "LVM" at ES is the wall's mass there.

    Args:
        shares: (B, slices, classes, height, width) of hearts at one phase. phase: ED or ES.
    """
    volume = soft_volumes(shares, geometry)  # (B, 4)
    lv, wall, rv = (volume[:, label] for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY))
    mass = MYOCARDIAL_DENSITY_G_ML * wall  # (B,)
    if phase == ES:
        return {"LVESV": lv, "LVM": mass, "RVESV": rv}
    walls = torch.stack([soft_walls(heart) for heart in shares]) * geometry.pixel_mm  # (B, 4)
    return {"LVEDV": lv, "LVM": mass, "RVEDV": rv} | dict(zip(WALLS, walls.unbind(1), strict=True))


def soft_walls(shares: Tensor) -> Tensor:
    """Thickness of the LV's wall in the sectors of WALLS, (4,) pixels; NaN where no middle slice shows a heart.

    Sectors and slices are those of the likeliest labels (`cohort.phenotypes.sector_thickness_mm`). They are taken as
    given; only the shares within them carry a gradient.

    Args:
        shares: (slices, classes, height, width) of one heart at ED.
    """
    labels = shares.detach().argmax(dim=1).cpu()  # (S, H, W); not every device knows double precision
    middle = middle_slices(labels)
    if not middle:
        return shares.new_full((len(WALLS),), torch.nan)
    sectors = torch.stack([sectors_of(labels[s]) for s in middle]).to(shares)  # (M, 4, H, W)
    inner, ring = (
        torch.einsum("mhw,mkhw->mk", shares[middle, label], sectors) for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM)
    )  # (M, 4) each
    outer, cavity = (torch.sqrt(2 * area / WALL_SECTOR + TINY) for area in (inner + ring, inner))
    return (outer - cavity).mean(dim=0)  # (4,)


def middle_slices(labels: Tensor) -> list[int]:
    """The middle third of the slices that show cavity and wall, as far as they show the RV: of labels (S, H, W)."""
    has = {label: (labels == label).flatten(1).any(dim=1) for label in Label}
    shown = (has[Label.LV_CAVITY] & has[Label.LV_MYOCARDIUM]).nonzero()[:, 0].tolist()
    third = len(shown) // 3
    return [s for s in shown[third : len(shown) - third] if has[Label.RV_CAVITY][s]]


def sectors_of(labels: Tensor) -> Tensor:
    """(4, H, W) bool: which pixels lie in each sector of WALLS, as the cavity's centre and the RV turn them."""
    cavity, rv = ((labels == label).nonzero().double().mean(dim=0) for label in (Label.LV_CAVITY, Label.RV_CAVITY))
    from_rv = cavity - rv
    rows, columns = (torch.arange(side).double() for side in labels.shape)
    down, right = (rows - cavity[0])[:, None], (columns - cavity[1])[None]  # rows count downwards
    reach = math.cos(WALL_SECTOR / 2) * torch.hypot(*torch.broadcast_tensors(down, right))  # (H, W)
    facing = torch.atan2(-from_rv[0], from_rv[1])
    turns = [facing + math.radians(degrees) for degrees in WALLS.values()]
    return torch.stack([right * torch.cos(turn) - down * torch.sin(turn) > reach for turn in turns])
