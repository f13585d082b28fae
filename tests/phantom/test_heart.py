import dataclasses

import numpy as np
import pytest

from phantom.heart import draw_heart
from phantom.population import CONDITIONS


@pytest.fixture(scope="module")
def hearts():
    return [draw_heart(0, index) for index in range(2500)]


def column(hearts, name):
    return np.array([getattr(heart, name) for heart in hearts])


def healthy(hearts, sex):
    return [heart for heart in hearts if heart.sex == sex and heart.condition == "normal"]


def test_a_subject_depends_on_seed_and_index_alone(hearts):
    assert draw_heart(0, 17) == hearts[17]
    assert draw_heart(1, 17) != hearts[17] != hearts[18]


# 95 % ranges of UK Biobank's healthy women (Petersen 2017), and means per body surface area.
@pytest.mark.parametrize(
    ("name", "low", "high", "slack"),
    [("lvedv_ml", 88, 161, 8), ("lvesv_ml", 31, 68, 5), ("rvedv_ml", 85, 166, 20), ("rvef_percent", 47, 68, 2)],
)
def test_healthy_women_lie_in_the_published_range(hearts, name, low, high, slack):
    found = np.percentile(column(healthy(hearts, "female"), name), [2.5, 97.5])
    np.testing.assert_allclose(found, [low, high], atol=slack)


@pytest.mark.parametrize(("sex", "ef", "mass_index", "mass_sd"), [("female", 61, 42, 7), ("male", 58, 53, 9)])
def test_healthy_means(hearts, sex, ef, mass_index, mass_sd):
    group = healthy(hearts, sex)
    index = column(group, "lv_mass_g") / column(group, "bsa_m2")
    np.testing.assert_allclose([index.mean(), index.std()], [mass_index, mass_sd], atol=1.5)
    np.testing.assert_allclose(column(group, "lvef_percent").mean(), ef, atol=1)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_size_mass_and_the_two_ventricles_go_together(hearts, sex):
    edv, mass, rvedv = (np.log(column(healthy(hearts, sex), name)) for name in ("lvedv_ml", "lv_mass_g", "rvedv_ml"))
    assert 0.6 < np.corrcoef(edv, mass)[0, 1] < 0.8
    assert 0.75 < np.corrcoef(edv, rvedv)[0, 1] < 0.9


def test_conditions_have_their_prevalence_and_their_marks(hearts):
    groups = {name: [heart for heart in hearts if heart.condition == name] for name in CONDITIONS}
    for name, group in groups.items():
        assert abs(len(group) / len(hearts) - CONDITIONS[name]) < 0.03
    for name, number, sign in (
        ("dcm", "lvef_percent", -1),
        ("hcm", "septal_thickness_ratio", 1),
        ("rv_overload", "rv_wall_mm", 1),
    ):  # half of all disease is mild, and severity tells how far it goes
        found, usual = column(groups[name], number), column(groups["normal"], number)
        severity = column(groups[name], "severity")
        assert sign * (np.median(found) - np.median(usual)) > 2 * usual.std()
        assert sign * np.corrcoef(found, severity)[0, 1] > 0.4  # mass, size and function suffer each to its own degree
    assert column(groups["lbbb"], "lv_delay_ms").min() >= 40 <= column(groups["rbbb"], "rv_delay_ms").min()
    assert all((heart.scar_territory is None) == (heart.condition != "infarct") for heart in hearts)


def test_both_ventricles_eject_one_stroke_volume(hearts):
    left = column(hearts, "lvedv_ml") - column(hearts, "lvesv_ml")
    right = column(hearts, "rvedv_ml") - column(hearts, "rvesv_ml")
    np.testing.assert_allclose(right / left, 1, atol=0.15)
    np.testing.assert_allclose(column(hearts, "lvef_percent"), 100 * left / column(hearts, "lvedv_ml"))


def test_every_number_is_finite_and_plain(hearts):
    for heart in hearts[:50]:
        numbers = [value for value in dataclasses.astuple(heart) if isinstance(value, float)]
        assert np.isfinite(numbers).all()
        assert all(type(value) is float for value in numbers) and type(heart.noise_seed) is int
