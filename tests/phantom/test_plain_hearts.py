"""Plain hearts: what a segmenter that learned from phantoms is watched on."""

import numpy as np
import pytest

from cohort.cine import CineStack, Label
from cohort.heart_grid import cine_grid
from cohort.labelled_orientation import USUAL_RV_DEG
from cohort.phenotypes import phenotypes_of
from phantom.plain_hearts import BLOOD, plain_scan
from phantom.scanner import Scan

HEARTS = 4


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [plain_scan(np.random.default_rng(number), (0.0, "es")) for number in range(HEARTS)]


def test_a_heart_depends_on_its_generator_alone(scans):
    again = plain_scan(np.random.default_rng(1), (0.0, "es"))
    assert np.array_equal(again.voxels, scans[1].voxels) and np.array_equal(again.labels, scans[1].labels)
    assert (
        not np.array_equal(scans[0].labels.shape, scans[1].labels.shape) or (scans[0].labels != scans[1].labels).any()
    )


def test_hearts_lie_on_the_grid_as_others_do_and_beat_plausibly(scans):
    """The RV at its usual side, the base first, volumes and EF within what people have."""
    for scan in scans:
        grid = cine_grid(CineStack(scan.voxels, scan.affine), CineStack(scan.labels, scan.affine))
        assert set(np.unique(grid.labels)) == set(Label)
        lv, rv = (np.argwhere(grid.labels[:, 0] == label).mean(axis=0) for label in (Label.LV_CAVITY, Label.RV_CAVITY))
        _, down, right = rv - lv
        assert abs(np.degrees(np.arctan2(-down, -right)) - USUAL_RV_DEG) < 36
        area = (grid.labels[:, 0] == Label.LV_CAVITY).sum(axis=(1, 2))
        shown = np.flatnonzero(area)
        assert area[shown[0]] > 2 * area[shown[-1]]
        found = phenotypes_of(grid.labels, grid.geometry.pixel_mm, grid.slice_step_mm)
        assert 40 < found["LVEDV"] < 250 and 35 < found["LVEF"] < 80 and 40 < found["LVM"] < 260


def test_the_wall_is_darker_than_the_blood_beside_it(scans):
    for scan in scans:
        blood, wall = (np.median(scan.voxels[scan.labels == label]) for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
        assert wall < 0.6 * blood and blood == pytest.approx(BLOOD, rel=0.15)


def test_a_heart_contracts_and_relaxes_through_its_cycle():
    scan = plain_scan(np.random.default_rng(2), (0.0, 0.2, 0.35, 0.6, 0.9))
    volumes = (scan.labels == Label.LV_CAVITY).sum(axis=(0, 1, 2))
    assert volumes[0] > volumes[1] > volumes[2] < volumes[3] < volumes[4] == volumes[0]
