import numpy as np
import pytest

from cohort.cine import Label
from cohort.phenotypes import (
    MYOCARDIAL_DENSITY_G_ML,
    PHENOTYPES,
    TABLE,
    WALLS,
    dice,
    phenotypes_of,
    sector_thickness_mm,
    volume_ml,
    with_derived,
)

PIXEL_MM, STEP_MM = 1.0, 2.0
VOXEL_MM3 = PIXEL_MM**2 * STEP_MM


def ellipsoid(semi_axes_mm, centre_mm=(0, 0, 0), shape=(60, 120, 120)):
    """(slices, height, width) bool; voxel centres at whole steps from the middle."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    steps = (STEP_MM, PIXEL_MM, PIXEL_MM)
    axes = [((g - (n - 1) / 2) * s - c) for g, n, s, c in zip((z, y, x), shape, steps, centre_mm, strict=True)]
    return sum((a / r) ** 2 for a, r in zip(axes, semi_axes_mm, strict=True)) <= 1


def heart(ed_mm=(45, 25, 25), es_mm=(40, 18, 18), wall_mm=10):
    """(slices, 2, height, width): an ellipsoidal left ventricle in its wall, and a right one beside it."""
    labels = np.zeros((60, 2, 120, 120), np.uint8)
    for phase, axes in enumerate((ed_mm, es_mm)):
        outer = tuple(a + wall_mm for a in axes)
        labels[:, phase][ellipsoid((30, 10, 10), (0, 0, -48))] = Label.RV_CAVITY
        labels[:, phase][ellipsoid(outer)] = Label.LV_MYOCARDIUM
        labels[:, phase][ellipsoid(axes)] = Label.LV_CAVITY
    return labels


def ellipsoid_ml(a, b, c):
    return 4 / 3 * np.pi * a * b * c / 1000


def test_an_ellipsoid_of_known_volume():
    found = phenotypes_of(heart(), PIXEL_MM, STEP_MM)
    assert tuple(found) == PHENOTYPES
    edv, esv = ellipsoid_ml(45, 25, 25), ellipsoid_ml(40, 18, 18)
    assert found["LVEDV"] == pytest.approx(edv, rel=0.005) and found["LVESV"] == pytest.approx(esv, rel=0.005)
    assert found["LVSV"] == pytest.approx(edv - esv, rel=0.01)
    assert found["LVEF"] == pytest.approx(100 * (edv - esv) / edv, abs=0.5)
    assert found["LVM"] == pytest.approx(MYOCARDIAL_DENSITY_G_ML * (ellipsoid_ml(55, 35, 35) - edv), rel=0.005)
    assert found["RVEDV"] == pytest.approx(ellipsoid_ml(30, 10, 10), rel=0.02)


def test_a_frozen_heart_ejects_nothing():
    found = phenotypes_of(heart(es_mm=(45, 25, 25)), PIXEL_MM, STEP_MM)
    assert found["LVEF"] == 0 and found["RVEF"] == 0 and found["LVSV"] == 0
    assert found["LVEDV"] > 0


def test_volumes_scale_with_the_voxel_and_fractions_do_not():
    once, thrice = phenotypes_of(heart(), PIXEL_MM, STEP_MM), phenotypes_of(heart(), PIXEL_MM, 3 * STEP_MM)
    for name in PHENOTYPES:
        factor = 3 if TABLE[name].unit in ("mL", "g") else 1
        assert thrice[name] == pytest.approx(factor * once[name], rel=1e-12)


def test_an_empty_cavity_has_no_fraction():
    found = phenotypes_of(np.zeros((3, 2, 4, 4), np.uint8), 1.0, 1.0)
    assert found["LVEDV"] == 0 and np.isnan(found["LVEF"]) and np.isnan(found["RVEF"])


def test_end_systole_is_the_smallest_left_cavity_and_the_right_one_is_read_there():
    labels = np.repeat(heart(), 2, axis=1)[:, [0, 2, 3]]  # ED, ES, ES
    labels[0, 1, 0, :50] = Label.LV_CAVITY  # so phase 2 is the smallest
    labels[0, 2, 1, :50] = Label.RV_CAVITY
    found = phenotypes_of(labels, PIXEL_MM, STEP_MM)
    assert found["LVESV"] == volume_ml(labels, Label.LV_CAVITY, VOXEL_MM3)[2]
    assert found["RVESV"] == volume_ml(labels, Label.RV_CAVITY, VOXEL_MM3)[2] > found["RVEDV"]


def test_derived_phenotypes_follow_from_volumes():
    measured = {"LVEDV": 150, "LVESV": 60, "LVM": 100, "RVEDV": 160, "RVESV": 80}
    found = with_derived(measured)
    assert tuple(found) == tuple(name for name in PHENOTYPES if name not in WALLS)
    assert found.items() >= (measured | {"LVSV": 90, "LVEF": 60, "RVEF": 50}).items()


def test_every_phenotype_has_a_unit_a_name_in_words_and_a_number():
    assert all(about.unit and about.words and about.digits >= 0 for about in TABLE.values())
    assert len({about.words for about in TABLE.values()}) == len(PHENOTYPES)
    assert np.isfinite(list(phenotypes_of(heart(), PIXEL_MM, STEP_MM).values())).all()


def ring(inner_mm=22.0, septal_mm=12.0, lateral_mm=8.0, turn_deg=0.0, size=121):
    """(1, height, width): an LV whose wall is thicker where it faces the RV, the whole turned in the image."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    turn = np.deg2rad(turn_deg)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    radius = np.hypot(x, y)
    labels = np.zeros((1, size, size), np.uint8)
    labels[0][np.hypot(along + 45, across) < 9] = Label.RV_CAVITY
    labels[0][radius < inner_mm + np.where(along < 0, septal_mm, lateral_mm)] = Label.LV_MYOCARDIUM
    labels[0][radius < inner_mm] = Label.LV_CAVITY
    return labels


@pytest.mark.parametrize("turn_deg", [0, 50, 145, 270])
def test_the_thickness_of_a_ring_is_its_own_wherever_the_right_ventricle_lies(turn_deg):
    assert sector_thickness_mm(ring(turn_deg=turn_deg), 1.0, (180, 0)) == pytest.approx((12, 8), abs=0.3)
    assert sector_thickness_mm(ring(turn_deg=turn_deg), 1.8, (180, 0)) == pytest.approx((21.6, 14.4), abs=0.6)


def test_a_wall_is_read_in_the_middle_third_and_is_nan_without_a_right_ventricle():
    thin, thick = ring(septal_mm=6), ring(septal_mm=12)
    (septal,) = sector_thickness_mm(np.concatenate([thin, thick, thin]), 1.0, (180,))
    assert septal == pytest.approx(12, abs=0.3)
    alone = np.where(thick == Label.RV_CAVITY, 0, thick)
    assert np.isnan(sector_thickness_mm(alone, 1.0, tuple(WALLS.values()))).all()


@pytest.mark.parametrize("turn_deg", [0, 30])
def test_sectors_count_from_the_lateral_wall_over_the_anterior_one(turn_deg):
    labels = ring(septal_mm=10, lateral_mm=10, turn_deg=turn_deg)
    y, x = np.mgrid[:121, :121] - 60.0
    above = np.degrees(np.arctan2(-y, x))
    thin = (np.hypot(x, y) > 22 + 5) & (np.abs((above + turn_deg - 90 + 180) % 360 - 180) < 45)
    labels[0][thin & (labels[0] == Label.LV_MYOCARDIUM)] = Label.BACKGROUND  # the anterior wall is half as thick
    anterior, inferior, lateral = sector_thickness_mm(labels, 1.0, (90, 270, 0))
    assert (anterior, inferior, lateral) == pytest.approx((5, 10, 10), abs=0.4)


def test_dice_of_identical_maps_is_1_and_of_disjoint_ones_0():
    labels = heart()
    assert all(dice(labels, labels, label) == 1 for label in list(Label)[1:])
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[:2], b[2:] = 1, 1
    assert dice(a, b, 1) == 0
    b[1] = 1  # |a| = 8, |b| = 12, both 4
    assert dice(a, b, 1) == pytest.approx(2 * 4 / 20)
    assert np.isnan(dice(a, b, 2))


def test_a_class_that_nobody_drew_is_unknown_and_not_empty():
    labels = heart()
    labels[labels == Label.RV_CAVITY] = Label.BACKGROUND
    found = phenotypes_of(labels, PIXEL_MM, STEP_MM, absent_ml=np.nan)
    assert all(np.isnan(found[name]) for name in ("RVEDV", "RVESV", "RVEF"))
    whole = phenotypes_of(heart(), PIXEL_MM, STEP_MM)
    assert all(found[name] == whole[name] for name in ("LVEDV", "LVESV", "LVEF", "LVM"))
    assert phenotypes_of(labels, PIXEL_MM, STEP_MM)["RVEDV"] == 0


def test_an_lv_that_was_drawn_at_ed_alone_has_no_ejection_fraction():
    labels = heart()
    labels[:, 1][labels[:, 1] == Label.LV_CAVITY] = Label.BACKGROUND
    found = phenotypes_of(labels, PIXEL_MM, STEP_MM, absent_ml=np.nan)
    assert found["LVEDV"] > 0 and np.isnan(found["LVESV"]) and np.isnan(found["LVEF"]) and np.isnan(found["LVSV"])
    assert np.isfinite(phenotypes_of(heart(), PIXEL_MM, STEP_MM, absent_ml=np.nan)["LVEF"])


def test_a_wall_that_nobody_drew_has_no_mass():
    labels = heart()
    labels[labels == Label.LV_MYOCARDIUM] = Label.BACKGROUND
    assert np.isnan(phenotypes_of(labels, PIXEL_MM, STEP_MM, absent_ml=np.nan)["LVM"])
