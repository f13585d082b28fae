import dataclasses

import numpy as np
import pytest

from phantom.heart import Draw, _draw_conduction, _stretch, draw_heart
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


def test_patients_differ_more_than_the_healthy_beyond_size():
    """Load, valves and treatment: their LVEDV for their size spreads by a quarter, that of the healthy by a sixth."""
    spread = {}
    for condition in ("normal", "rbbb"):  # a block of the right bundle itself remodels nothing
        group = [draw_heart(0, index, Draw(condition)) for index in range(600)]
        sexes = [[h.lvedv_ml / h.bsa_m2 for h in group if h.sex == sex] for sex in ("female", "male")]
        spread[condition] = np.mean([np.std(np.log(values)) for values in sexes])
    assert 0.14 < spread["normal"] < 0.19 and 0.22 < spread["rbbb"] < 0.29


def test_a_stretched_right_ventricle_is_excited_late_in_most_and_another_hardly_ever():
    late = {}
    for stretched, factor in ((False, 1.0), (True, 1.55)):
        person = {"sex": "male", "bsa_m2": 1.9}
        stretch = _stretch(person, {"rvedv_ml": 85 * 1.9 * factor})
        draws = [_draw_conduction(np.random.default_rng(k), "normal", 0.0, stretch)["rv_delay_ms"] for k in range(400)]
        late[stretched] = np.array(draws)
    assert np.mean(late[False] > 0) < 0.08 and 0.65 < np.mean(late[True] > 0) < 0.85
    assert late[True].max() < 40  # none is a complete block


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
