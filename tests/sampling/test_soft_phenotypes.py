"""Phenotypes of shares: on a label map those of `cohort.phenotypes`, and they carry a gradient."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import VOLUMES, WALLS, phenotypes_of, volume_ml
from sampling.soft_phenotypes import ED, ES, soft_phenotypes, soft_walls

GRID = GridGeometry(slices=9, phases=2, height=64, width=64, slice_step_mm=9.0, pixel_mm=1.6)
VOXEL_MM3 = GRID.pixel_mm**2 * GRID.slice_step_mm


def heart(turn: float = 0.0, thin: float = 0.0, shrunk: float = 0.7) -> np.ndarray:
    """(slices, 2, H, W) labels: a cavity in a ring that is thinner on one side, and a crescent beside it."""
    y, x = np.mgrid[:64, :64] - np.array([33.0, 30.0])[:, None, None]
    labels = np.zeros((9, 2, 64, 64), dtype=np.int64)
    for s in range(1, 8):
        for phase, size in ((0, 1.0), (1, shrunk)):
            radius = size * (15 - s)
            outer = radius + 5 - 2 * thin * (x > 0)
            angle = np.radians(turn)
            rv = np.hypot(x + 20 * np.cos(angle), y - 20 * np.sin(angle)) < 12 * size
            labels[s, phase][rv] = Label.RV_CAVITY
            labels[s, phase][np.hypot(x, y) < outer] = Label.LV_MYOCARDIUM
            labels[s, phase][np.hypot(x, y) < radius] = Label.LV_CAVITY
    return labels


def shares_of(labels: np.ndarray, phase: int) -> torch.Tensor:
    return one_hot(torch.from_numpy(labels[None, :, phase]), len(Label)).movedim(-1, 2).double()


@pytest.mark.parametrize("given", [{}, {"turn": 70.0}, {"thin": 1.0}, {"turn": -130.0, "thin": 1.0}])
def test_on_a_label_map_they_are_the_phenotypes_of_the_label_map(given):
    labels = heart(**given)
    expected = phenotypes_of(labels, GRID.pixel_mm, GRID.slice_step_mm)
    at_es = soft_phenotypes(shares_of(labels, ES), ES, GRID)
    assert float(at_es["LVM"]) == pytest.approx(1.05 * volume_ml(labels, Label.LV_MYOCARDIUM, VOXEL_MM3)[ES])
    found = at_es | soft_phenotypes(shares_of(labels, ED), ED, GRID)
    assert set(found) == {*VOLUMES, *WALLS}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: expected[name] for name in found}, rel=1e-4
    )


def test_a_share_of_a_half_counts_half():
    shares = shares_of(heart(), ED)
    half = shares.clone()
    half[:, :, Label.RV_CAVITY] /= 2
    whole, halved = (soft_phenotypes(given, ED, GRID)["RVEDV"] for given in (shares, half))
    assert float(halved) == pytest.approx(float(whole) / 2)


def test_more_wall_on_one_side_makes_that_wall_thicker_and_no_other():
    """The gradient of one wall lies in its own sector, and is positive there."""
    shares = shares_of(heart(), ED)[0].requires_grad_()
    lateral = list(WALLS).index("wall_lateral")
    (slope,) = torch.autograd.grad(soft_walls(shares)[lateral], shares)
    wall = slope[:, Label.LV_MYOCARDIUM]
    opposite = torch.arange(64) < 30  # towards the RV
    assert wall.max() > 0 and wall.min() >= 0 and not wall[:, :, opposite].any()


def test_a_heart_without_a_middle_slice_has_no_walls():
    nothing = torch.zeros(9, len(Label), 64, 64)
    nothing[:, Label.BACKGROUND] = 1
    assert soft_walls(nothing).isnan().all()
