"""The drawn thickness of the LV's wall, beside what a label map of the same heart shows."""

import csv

import numpy as np
import pytest

from cohort.phenotypes import PHENOTYPES, WALLS
from cohort.prepared import load_prepared
from cohort.shown_phenotypes import with_shown
from phantom.cohort_plan import CohortPlan
from phantom.heart import SCAR_TERRITORIES, Draw, draw_heart
from phantom.prepared_writer import write_prepared
from phantom.walls import drawn_walls

PEOPLE = 6


def test_the_table_tells_the_walls_that_label_maps_show(tmp_path):
    """Within a quarter of a pixel of 1.8 mm, and which of the four is the thinner one too."""
    write_prepared(tmp_path / "people", CohortPlan(seed=1, subjects=PEOPLE, prepared=True), processes=1)
    cohort, _ = with_shown(load_prepared(tmp_path / "people"))
    shown = cohort.phenotypes[:, [PHENOTYPES.index(wall) for wall in WALLS]]
    with (tmp_path / "people" / "phenotypes.csv").open(newline="") as file:
        told = np.array([[float(row[wall]) for wall in WALLS] for row in csv.DictReader(file)])
    apart = np.abs(shown - told - 0.15)  # pixels are coarse: a map shows a wall 0.15 mm thicker on average
    assert apart.mean() < 0.15 and apart.max() < 0.45
    beside = [walls - walls.mean(axis=1, keepdims=True) for walls in (shown, told)]
    assert np.corrcoef(*(one.ravel() for one in beside))[0, 1] > 0.9


@pytest.mark.parametrize("territory", SCAR_TERRITORIES)
def test_a_scar_thins_the_wall_of_its_territory_most(territory):
    normal = draw_heart(5, 0, Draw(condition="normal"))
    scarred = normal.replace(scar_territory=territory, scar_extent=0.8)
    ratio = {wall: drawn_walls(scarred)[wall] / told for wall, told in drawn_walls(normal).items()}
    assert min(ratio, key=ratio.get) == f"wall_{territory}" and ratio[f"wall_{territory}"] < 0.9
