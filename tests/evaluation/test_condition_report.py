"""Who tells the ill from the well: areas under the curve, calibration curves, trees, and what is measured on an ECG."""

from types import SimpleNamespace

import numpy as np
import pytest

from cohort.leads import LEADS
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES
from evaluation import condition_report as module
from evaluation import plots
from evaluation.condition_report import Measures, condition_report, trees_odds
from evaluation.conditions import conditions
from evaluation.ecg_measures import MEASURES, ecg_measures
from evaluation.ill_or_well import calibration_curve, told_apart
from evaluation.page import page
from evaluation.page_sections import TELLERS
from evaluation.report_pictures import drawn_from
from phantom.electrical import render_ecg
from phantom.heart import draw_heart

CALM = {
    "LVEDV": 140, "LVESV": 60, "LVSV": 80, "LVEF": 57, "LVM": 70, "RVEDV": 150, "RVESV": 70, "RVEF": 53,
    "wall_septal": 7, "wall_lateral": 6, "wall_anterior": 6.5, "wall_inferior": 6.5,
}  # fmt: skip
WOMAN = Person("female", 60.0, 165.0, 65.0)


def half_ill(n=400, share=0.5):
    return (np.arange(n) < share * n).astype(float)


# ---- Areas and calibration ----


def test_a_perfect_score_has_area_1_its_opposite_0_and_chance_a_half():
    ill = half_ill()
    noise = np.random.default_rng(0).normal(size=len(ill))
    told = told_apart(ill, {"perfect": ill, "opposite": -ill, "chance": noise})["auc"]
    assert told["perfect"] == 1 and told["perfect_ci"] == [1, 1] and told["opposite"] == 0
    low, high = told["chance_ci"]
    assert told["chance"] == pytest.approx(0.5, abs=0.06) and low < 0.5 < high and 0.05 < high - low < 0.2


@pytest.mark.parametrize(("ill", "well"), [(9, 300), (300, 9), (0, 0)])
def test_few_ill_or_few_well_people_get_a_sentence_and_no_figure(ill, well):
    cases = np.array([1.0] * ill + [0.0] * well)
    told = told_apart(cases, {"probability": cases})
    assert set(told) == {"n", "cases", "untold"} and told["cases"] == ill and told["n"] == ill + well
    assert f"{ill} people have it and {well} have not" in told["untold"]
    assert "auc" in told_apart(np.array([1.0] * 10 + [0.0] * 10), {"probability": np.linspace(0, 1, 20)})


def test_who_is_unknown_is_left_out_and_who_is_not_scored_is_counted():
    ill = half_ill()
    score = ill.copy()
    score[:50] = np.nan
    told = told_apart(np.r_[ill, np.full(30, np.nan)], {"some": np.r_[score, np.full(30, 9.0)]})
    assert told["n"] == 400 and told["scored"] == {"some": 350} and told["auc"]["some"] == 1


def test_the_curve_of_honest_probabilities_lies_on_the_diagonal_and_that_of_bold_ones_does_not():
    rng = np.random.default_rng(0)
    honest = rng.random(20_000)
    ill = rng.random(20_000) < honest
    curve = calibration_curve(honest, ill)
    assert len(curve) == 10 and sum(row["people"] for row in curve) == 20_000
    assert all(row["observed"] == pytest.approx(row["told"], abs=0.03) for row in curve)
    assert all(row["observed_ci"][0] <= row["observed"] <= row["observed_ci"][1] for row in curve)
    assert [row["told"] for row in curve] == sorted(row["told"] for row in curve)
    bold = calibration_curve(np.where(honest > 0.5, 0.99, 0.01), ill)
    assert bold[-1]["observed"] < 0.85 and bold[0]["observed"] > 0.15
    assert len(calibration_curve(honest[:100], ill[:100])) == 5


def test_no_bin_of_a_calibration_curve_holds_few_people_and_nobody_is_lost():
    told = np.r_[np.full(3, 0.05), np.full(40, 0.15), np.full(160, 0.35), np.full(4, 0.55), np.full(2, 0.99)]
    curve = calibration_curve(told, told > 0.5)
    assert [row["people"] for row in curve] == [43, 160, 6]
    assert curve[-1]["told"] == pytest.approx((4 * 0.55 + 2 * 0.99) / 6) and curve[-1]["observed"] == 1
    assert [row["people"] for row in calibration_curve(told[-2:], told[-2:] > 0.5)] == [2]


def test_the_brier_of_honest_probabilities_is_below_that_of_the_share():
    rng = np.random.default_rng(0)
    honest = rng.random(2000)
    told = told_apart((rng.random(2000) < honest).astype(float), {"probability": honest})
    assert told["brier"] == pytest.approx(1 / 6, abs=0.02) and told["brier_of_share"] == pytest.approx(0.25, abs=0.01)


# ---- Boosted trees ----


def measures(n=200, seed=0, telling=True):
    """People of whom every second has EF 40, which the first measure tells."""
    rng = np.random.default_rng(seed)
    truth = np.tile([float(CALM[name]) for name in PHENOTYPES], (n, 1))
    truth[::2, PHENOTYPES.index("LVEF")] = 40
    numbers = rng.normal(size=(n, len(MEASURES) + 4))
    numbers[::2, 0] += 4 * telling
    return Measures(numbers, truth, [WOMAN] * n)


def test_without_training_people_the_judged_teach_each_other_and_nobody_is_judged_by_what_he_taught():
    low_ef = next(conditions())
    ill = np.arange(200) % 2 == 0
    areas = {}
    for telling in (True, False):
        odds = trees_odds(low_ef, measures(telling=telling), None, seed=0)
        areas[telling] = told_apart(ill.astype(float), {"trees": odds})["auc"]["trees"]
    assert areas[True] > 0.95 and areas[False] == pytest.approx(0.5, abs=0.15)  # of its own people it would be 1
    assert np.isnan(trees_odds(low_ef, measures(12), None, seed=0)).all()  # six have it


def test_training_people_teach_the_trees_where_they_are_at_hand():
    low_ef = next(conditions())
    odds = trees_odds(low_ef, measures(seed=1), measures(300, seed=2), seed=0)
    assert told_apart((np.arange(200) % 2 == 0).astype(float), {"trees": odds})["auc"]["trees"] > 0.95
    assert np.isnan(trees_odds(low_ef, measures(seed=1), measures(12), seed=0)).all()


# ---- The report and its page ----


@pytest.fixture
def report(monkeypatch, tmp_path):
    """Of 240 women of whom every second has EF 40: codes and ceiling know it, drawn hearts know nothing."""
    own = measures(240, telling=False)
    rng = np.random.default_rng(0)
    spread = np.exp(0.1 * rng.normal(size=(240, 16, len(PHENOTYPES))))
    codes = own.truth[:, None] * spread
    codes[..., PHENOTYPES.index("LVEF")] = (
        own.truth[:, None, PHENOTYPES.index("LVEF")] + 5 * np.log(spread[..., 0]) / 0.1
    )
    drawn = np.tile([float(CALM[name]) for name in PHENOTYPES], (240, 4, 1)) + rng.normal(size=(240, 4, 1))
    monkeypatch.setattr(module.Measures, "of", classmethod(lambda cls, *_: own))
    study = SimpleNamespace(
        patients=[SimpleNamespace(person=np.array([0.0, 60.0, 165.0, 65.0]))] * 240,
        truth=own.truth,
        ceiling=own.truth + rng.normal(size=own.truth.shape),
        **{"codes": codes, "folder": tmp_path, "seed": 0, "cohort": None, "rows": None},
    )
    return condition_report(study, SimpleNamespace(phenotypes=drawn), None)


def test_the_report_sets_all_who_tell_of_a_condition_side_by_side(report):
    low_ef = report["conditions"]["EF_below_50"]
    assert low_ef["cases"] == 120 and low_ef["n"] == 240
    areas = low_ef["auc"]
    assert areas["probability"] > 0.99 and areas["ceiling"] > 0.99
    for name in ("generated", "trees"):
        low, high = areas[f"{name}_ci"]
        assert areas[name] == pytest.approx(0.5, abs=0.13) and low < areas[name] < high
    assert "sokolow_lyon" not in areas and low_ef["calibration"][0]["observed"] == 0
    assert "fifths of these 240 people" in report["trees_learned_from"]
    for name in ("LVH", "dilated_LV", "dilated_RV", "thin_septal", "dyssynchrony"):
        assert report["conditions"][name]["untold"] and "auc" not in report["conditions"][name]


def test_the_voltage_criteria_stand_beside_lv_hypertrophy_alone(monkeypatch, tmp_path, report):
    own = measures(240)
    own.truth[::3, PHENOTYPES.index("LVM")] = 160
    own.numbers[:, MEASURES.index("Sokolow-Lyon")] = own.truth[:, PHENOTYPES.index("LVM")]
    monkeypatch.setattr(module.Measures, "of", classmethod(lambda cls, *_: own))
    codes = own.truth[:, None] * np.linspace(0.9, 1.1, 8)[:, None]
    study = SimpleNamespace(
        patients=[SimpleNamespace(person=np.array([0.0, 60.0, 165.0, 65.0]))] * 240,
        **{"truth": own.truth, "ceiling": None, "codes": codes, "folder": tmp_path, "seed": 0},
        **{"cohort": None, "rows": None},
    )
    told = condition_report(study, SimpleNamespace(phenotypes=own.truth[:, None]), None)["conditions"]
    areas = told["LVH"]["auc"]
    assert areas["sokolow_lyon"] == 1 and areas["cornell"] == pytest.approx(0.5, abs=0.12) and "ceiling" not in areas
    assert not {"sokolow_lyon", "cornell"} & told["EF_below_50"]["auc"].keys()


def test_the_page_shows_areas_curves_and_why_there_are_none(report):
    whole = {"n_subjects": 240, "decision": report}
    pictures = drawn_from(whole)
    assert set(pictures) == {"chances"} and drawn_from({"decision": {"conditions": {}}}) == {}
    html = page(whole, pictures)
    assert "Are the ill told from the well?" in html and 'id="picture-chances"' in html
    assert TELLERS["probability"] in html and TELLERS["sokolow_lyon"] not in html.split("<table")[1]
    assert "0 people have it and 240 have not" in html and "dyssynchrony: not judged here" in html


def test_dots_of_a_calibration_curve_stand_at_what_was_told_and_seen_with_their_counts(report, monkeypatch):
    caught = []
    monkeypatch.setattr(plots, "_png", lambda made: caught.append(made) or b"")
    plots.calibration_curves({"decision": report})
    (axes,) = caught[0].axes
    curve = report["conditions"]["EF_below_50"]["calibration"]
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), [100 * row["told"] for row in curve])
    np.testing.assert_allclose(dots.get_ydata(), [100 * row["observed"] for row in curve])
    assert [text.get_text() for text in axes.texts] == [str(row["people"]) for row in curve]
    assert "probability" in axes.get_xlabel() and "share" in axes.get_ylabel()


# ---- What is measured on an ECG ----


@pytest.fixture(scope="module")
def strip():
    """An ECG at 500 Hz, and the heart it is of."""
    heart = draw_heart(3, 0)
    return render_ecg(heart), heart


def measured(signal, mask=None, rate=500):
    mask = np.ones(12, bool) if mask is None else mask
    return dict(zip(MEASURES, ecg_measures(signal, mask, rate), strict=True))


def test_voltages_and_rate_of_a_strip_are_those_of_its_median_beat(strip):
    rendered, heart = strip
    told, beat = measured(rendered.ecg.signal), rendered.medians[:, 190:300] - rendered.medians[:, 180:190].mean()
    v1, v5, v6, avl, v3 = (beat[LEADS.index(lead)] for lead in ("V1", "V5", "V6", "aVL", "V3"))
    assert told["Sokolow-Lyon"] == pytest.approx(-v1.min() + max(v5.max(), v6.max()), rel=0.1, abs=0.1)
    assert told["Cornell"] == pytest.approx(avl.max() - v3.min(), rel=0.1, abs=0.1)
    assert told["RR"] == pytest.approx(60 / heart.heart_rate_bpm, rel=0.08)
    assert 0.06 < told["QRS"] < 0.16 and 0.2 < told["T end"] < 0.45


def test_voltages_double_with_the_signal_and_times_stay(strip):
    once, twice = (measured(k * strip[0].ecg.signal) for k in (1, 2))
    for name in ("Sokolow-Lyon", "Cornell", "R V5", "T V3"):
        assert twice[name] == pytest.approx(2 * once[name], rel=0.02)
    for name in ("QRS", "T end", "RR", "axis sine"):
        assert twice[name] == pytest.approx(once[name], rel=0.02)


def test_an_absent_lead_takes_its_measures_with_it_and_noise_has_none(strip):
    mask = np.array([lead != "V1" for lead in LEADS])
    told = measured(strip[0].ecg.signal, mask)
    assert np.isnan(told["Sokolow-Lyon"]) and np.isnan(told["S V1"]) and np.isfinite(told["Cornell"])
    noise = np.random.default_rng(0).normal(size=(12, 5000))
    assert all(np.isnan(value) for value in measured(noise).values())
    assert all(np.isnan(value) for value in measured(strip[0].ecg.signal, np.zeros(12, bool)).values())
