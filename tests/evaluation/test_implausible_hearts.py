"""Implausible hearts: a sound one breaks no limit, and each fault breaks its own alone."""

import numpy as np
import pytest

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from evaluation.implausible_hearts import (
    KINDS,
    NEEDS_BASE,
    base_is_shown,
    implausible_kinds,
    implausible_row,
    widest_gap_mm,
)

GEOMETRY = GridGeometry()
RADII = (0, 16, 16, 15, 14, 12, 10, 7, 4, 0)  # pixels of the cavity at ED, base to apex
WALL = 6.0


def ring(radius: float, wall: float) -> np.ndarray:
    """(96, 96) of one slice: a round cavity in a wall, and the RV beside it; nothing where the radius is 0."""
    rows, columns = np.mgrid[:96, :96]
    slice_ = np.zeros((96, 96), np.uint8)
    if radius > 0:
        slice_[np.hypot(rows - 48, columns - 25) < radius * 1.05] = Label.RV_CAVITY
        away = np.hypot(rows - 48, columns - 52)
        slice_[away < radius + wall] = Label.LV_MYOCARDIUM
        slice_[away < radius] = Label.LV_CAVITY
    return slice_


def heart(shrink: float = 0.7) -> np.ndarray:
    """(10, 2, 96, 96) whose wall keeps its area from ED to ES."""
    es = [radius * shrink for radius in RADII]
    walls = [np.sqrt((r + WALL) ** 2 - r**2 + s**2) - s for r, s in zip(RADII, es, strict=True)]
    ed_slices = [ring(radius, WALL) for radius in RADII]
    return np.stack([np.stack(ed_slices), np.stack([ring(*pair) for pair in zip(es, walls, strict=True)])], axis=1)


def broken(labels: np.ndarray) -> set[str]:
    return {name for name, found in implausible_kinds(labels, GEOMETRY).items() if found}


def test_a_sound_heart_breaks_no_limit() -> None:
    assert broken(heart()) == set()
    assert implausible_row(heart(), GEOMETRY).tolist() == [0] * len(KINDS)


def test_a_wall_that_loses_mass() -> None:
    labels = heart()
    for part in labels[:, 1]:
        part[:40][part[:40] == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert "mass" in broken(labels)


def test_a_heart_without_a_wall_is_implausible() -> None:
    labels = heart()
    labels[labels == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert {"mass", "open_ring"} <= broken(labels)


@pytest.mark.parametrize("keep", [0.35, 3.0])
def test_ventricles_that_eject_different_volumes(keep: float) -> None:
    """The RV at ES takes its own shape, drawn so that it ejects too little, or more than it may."""
    labels = heart()
    rv = labels == Label.RV_CAVITY
    if keep > 1:
        labels[:, 1][rv[:, 1]] = Label.BACKGROUND
    else:
        full = rv[:, 0] & (labels[:, 1] == Label.BACKGROUND)
        labels[1:4, 1][full[1:4]] = Label.RV_CAVITY
    assert broken(labels) == {"stroke_volumes"}


def test_a_wall_with_a_gap_in_a_middle_slice() -> None:
    labels = heart()
    gap = labels[4, 0, 45:51, 52:]
    gap[gap == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert broken(labels) == {"open_ring"}
    assert widest_gap_mm(labels[:, 0], GEOMETRY.pixel_mm) == pytest.approx(6 * GEOMETRY.pixel_mm, abs=GEOMETRY.pixel_mm)


def test_a_stray_pixel_is_no_gap() -> None:
    labels = heart()
    stray = labels[4, 0, 48:49, 52:]
    stray[stray == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert broken(labels) == set()


def test_a_gap_near_the_base_is_natural() -> None:
    labels = heart()
    gap = labels[1, 0, 45:51, 52:]
    gap[gap == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert broken(labels) == set()


def test_a_heart_that_widens_again_towards_the_apex() -> None:
    labels = heart()
    labels[[5, 6]] = labels[[6, 5]]
    assert broken(labels) == {"widens_again"}


def test_what_a_stack_without_a_base_cannot_tell() -> None:
    """The stack begins inside the LV, and the base has moved out of it at ED alone."""
    cut = heart()
    upper = cut[4:, 0, :48]
    upper[upper == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert "mass" in broken(cut)
    acquired = np.ones((10, 2), bool)
    acquired[:3] = False
    kinds = implausible_kinds(np.where(acquired[..., None, None], cut, 0), GEOMETRY, acquired)
    assert not base_is_shown(cut, acquired)
    assert not any(kinds[name] for name in NEEDS_BASE)
    row = dict(zip(KINDS, implausible_row(cut, GEOMETRY, acquired), strict=True))
    assert np.isnan([row[name] for name in NEEDS_BASE]).all()


def test_a_heart_that_does_not_contract_is_implausible() -> None:
    labels = heart(shrink=1.0)
    assert broken(labels) == {"stroke_volumes"}


def test_one_phase_tells_nothing_of_a_beat() -> None:
    assert broken(heart()[:, :1]) == set()
