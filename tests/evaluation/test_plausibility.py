"""Figures that no heart has are told, and those of any heart are not."""

import numpy as np
import pytest

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES
from evaluation.plausibility import implausible, wall_masses

USUAL = {"LVEDV": 150.0, "LVESV": 60.0, "LVEF": 60.0, "RVEF": 55.0, "LVM": 100.0}


def hearts(**values):
    """(1, K) phenotypes of a usual heart but for these."""
    return np.array([[(USUAL | values).get(name, 1.0) for name in PHENOTYPES]])


def test_nothing_is_told_of_a_usual_heart():
    assert implausible(hearts(), np.array([[100.0, 95.0]])) == []
    assert implausible(hearts(LVEDV=399.0, LVEF=12.0), np.array([[100.0, 124.0]])) == []
    assert implausible(hearts(RVEF=np.nan), np.array([[np.nan, np.nan]])) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"LVEDV": 623.0}, "LVEDV of 623 mL"),
        ({"LVEDV": 0.0}, "LVEDV of 0 mL"),
        ({"LVEF": 95.0}, "LVEF of 95 %"),
        ({"LVEF": -3.0}, "LVEF of -3 %"),
        ({"RVEF": 91.0}, "RVEF of 91 %"),
    ],
)
def test_a_figure_that_no_heart_has_is_told_with_its_value(values, words):
    told = implausible(np.concatenate([hearts(), hearts(**values), hearts()]), np.full((3, 2), 100.0))
    assert len(told) == 1 and told[0].startswith(words) and "1 of 3 hearts" in told[0]


@pytest.mark.parametrize(("at_es", "told"), [(124.0, 0), (126.0, 1), (76.0, 0), (74.0, 1)])
def test_a_wall_is_one_muscle_whose_mass_stays(at_es, told):
    assert len(implausible(hearts(), np.array([[100.0, at_es]]))) == told


def test_masses_are_those_of_the_wall_at_ed_and_where_the_cavity_is_smallest():
    geometry = GridGeometry(slices=1, phases=3, height=10, width=10, pixel_mm=1.0, slice_step_mm=10.0)
    labels = np.zeros(geometry.shape, np.uint8)
    for phase, (cavity, wall) in enumerate(((40, 20), (10, 30), (30, 25))):
        labels[0, phase].flat[:cavity] = Label.LV_CAVITY
        labels[0, phase].flat[50 : 50 + wall] = Label.LV_MYOCARDIUM
    assert wall_masses(labels, geometry) == pytest.approx((20 * 0.01 * 1.05, 30 * 0.01 * 1.05))
