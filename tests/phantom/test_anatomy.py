import numpy as np
import pytest

from phantom.anatomy import long_axes, lv_distances, lv_volumes_ml, rv_distance, wall_lattice
from phantom.beating import end_systolic_phase, geometry_at
from phantom.heart import draw_heart
from phantom.motion import beat_of
from phantom.population import CONDITIONS

STEP = 2.0


@pytest.fixture(scope="module", params=CONDITIONS)
def heart(request):
    return next(h for h in (draw_heart(2, i) for i in range(500)) if h.condition == request.param)


def counted_ml(geometry):
    """LV cavity, LV wall and RV cavity by counting lattice points, independent of the solver's integral."""
    axes = np.arange(-170, 90, STEP), np.arange(-90, 90, STEP), np.arange(-geometry.base + STEP / 2, 130, STEP)
    points = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    cavity, outer = lv_distances(geometry, points)
    right = (rv_distance(geometry, points) > 0) & (outer <= 0)
    return np.array([(cavity > 0).sum(), ((outer > 0) & (cavity <= 0)).sum(), right.sum()]) * STEP**3 / 1000


@pytest.mark.parametrize("moment", ["ED", "ES"])
def test_counted_volumes_are_the_drawn_ones(heart, moment):
    geometry = geometry_at(heart, end_systolic_phase(heart) if moment == "ES" else 0.0)
    drawn = (heart.lvedv_ml, heart.rvedv_ml) if moment == "ED" else (heart.lvesv_ml, heart.rvesv_ml)
    cavity, wall, right = counted_ml(geometry)
    np.testing.assert_allclose([cavity, wall], [drawn[0], heart.lv_mass_g / 1.05], rtol=0.025)
    np.testing.assert_allclose(right, drawn[1], rtol=0.05)


def test_solved_volumes_hold_to_one_percent_through_the_beat(heart):
    ejected = beat_of(heart).lv.ejected
    for phase in (0, 0.1, 0.25, 0.5, 0.8):
        cavity, wall = lv_volumes_ml(geometry_at(heart, phase))
        beat = np.interp(phase * len(ejected), np.arange(len(ejected) + 1), [*ejected, ejected[0]])
        expected = heart.lvedv_ml - beat * (heart.lvedv_ml - heart.lvesv_ml)
        np.testing.assert_allclose([cavity, wall], [expected, heart.lv_mass_g / 1.05], rtol=0.01)


def test_axes_are_right_handed_and_the_apex_points_left_forward_down(heart):
    u, v, w = long_axes(heart)
    np.testing.assert_allclose(np.cross(u, v), w, atol=1e-12)
    assert w[0] < 0 < w[1] and w[2] < 0


def test_lattice_mass_follows_the_drawn_mass_smoothly():
    heart = draw_heart(0, 3).replace(lvedv_ml=140.0, septal_thickness_ratio=1.0)
    masses = np.linspace(70, 180, 12)
    counted = []
    for mass in masses:
        lattice = wall_lattice(heart.replace(lv_mass_g=mass))
        counted.append(lattice.fill[lattice.mask == 1].sum() * lattice.step_mm**3 * 1.05 / 1000)
    np.testing.assert_allclose(counted, masses, rtol=0.03)


def test_lattice_holds_the_wall_that_the_bare_distances_give_at_every_point(heart):
    lattice, geometry = wall_lattice(heart), geometry_at(heart)
    points = np.moveaxis(lattice.heart_coordinates, -1, 0)
    cavity, outer = lv_distances(geometry, points)
    right = rv_distance(geometry, points)
    inner, whole, rv, rv_whole, below = (
        np.clip(0.5 + distance / lattice.step_mm, 0, 1)
        for distance in (cavity, outer, right, right + heart.rv_wall_mm, points[2] + geometry.base)
    )
    fill = np.maximum((whole - inner) * below, (rv_whole - rv) * (1 - whole) * below)
    np.testing.assert_allclose(lattice.fill, np.where(fill > 0.02, fill, 0), atol=1e-5)
    left = lattice.mask == 1
    assert left.any() and (lattice.mask == 2).any()
    thickness = np.maximum(outer - cavity, 0.1)
    depth = np.where(left, -cavity / thickness, -right / heart.rv_wall_mm).clip(0, 1)
    np.testing.assert_allclose(lattice.depth, np.where(lattice.mask > 0, depth, 0), atol=1e-4)


def test_lattice_is_told_in_body_axes(heart):
    lattice = wall_lattice(heart)
    where = np.argwhere(lattice.mask == 1)
    body = lattice.origin_mm + lattice.step_mm * where
    expected = geometry_at(heart).to_heart(body)
    np.testing.assert_allclose(lattice.heart_coordinates[tuple(where.T)], expected, atol=1e-3)
    assert set(np.unique(lattice.mask)) == {0, 1, 2}
    assert not any(lattice.mask.take(end, axis).any() for axis in range(3) for end in (0, -1))
    assert lattice.depth.min() == 0 and lattice.depth.max() == 1
    assert lattice.scar.any() == (heart.condition == "infarct")
    septal = lattice.heart_coordinates[lattice.septum]
    assert len(septal) and septal[:, 0].mean() < 0
