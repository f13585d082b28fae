"""The instrument that judges heart codes: honest codes pass it, others are found out, and conditions hold."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import code_report, drawn_people, told_by_ecg, told_territory
from benchmarks.told_by_codes import (
    CONDITIONS,
    honesty,
    judged,
    limits_of,
    patients_of,
    read_truth,
    share_beyond,
    told_ill,
)
from benchmarks.told_territory import learned, territory_table, thinnest
from cohort.phenotypes import PHENOTYPES
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort

N = 3000


def volumes(spread=1.0, bias=0.0, draws=16, seed=0):
    """People's drawn volumes (N, draws) and their truth, alike on the logarithm; `spread` and `bias` are faults."""
    rng = np.random.default_rng(seed)
    middle = np.log(150) + 0.3 * rng.normal(size=(N, 1))
    truth = np.exp(middle + 0.2 * rng.normal(size=(N, 1)))[:, 0]
    return np.exp(middle + bias + spread * 0.2 * rng.normal(size=(N, draws))), truth


def test_honest_codes_are_found_honest_and_others_are_found_out():
    error = 4 * 100 * (0.9 * 0.1 / N) ** 0.5
    good = honesty(*volumes(), "LVEDV")
    assert good["cover_90"] == pytest.approx(90, abs=error) and good["cover_50"] == pytest.approx(50, abs=2 * error)
    assert good["sd_needed"] == pytest.approx(1, abs=0.05) and abs(good["bias"]) < 0.05
    narrow, wide = honesty(*volumes(0.5), "LVEDV"), honesty(*volumes(2.0), "LVEDV")
    assert narrow["cover_90"] < 75 and narrow["sd_needed"] == pytest.approx(2, rel=0.1)
    assert wide["cover_90"] > 97 and wide["sd_needed"] == pytest.approx(0.5, rel=0.1)
    assert honesty(*volumes(bias=0.2), "LVEDV")["bias"] > 0.4


def test_r2_is_that_of_many_draws_however_few_are_drawn():
    few, many = (honesty(*volumes(draws=draws), "LVEDV")["r2"] for draws in (4, 64))
    assert few == pytest.approx(many, abs=0.03) and 0.5 < many < 0.8


def test_somebody_whose_truth_is_unknown_is_left_out():
    samples, truth = volumes()
    holes = np.where(np.arange(N) < N // 2, np.nan, truth)
    assert honesty(samples, holes, "LVEDV") == honesty(samples[N // 2 :], truth[N // 2 :], "LVEDV")


def everyone(count=8):
    rng = np.random.default_rng(0)
    person = np.array([[1.0, 60.0, 170.0, 70.0]] * count, np.float32)
    phenotypes = np.full((count, len(PHENOTYPES)), np.nan, np.float32)
    phenotypes[:, PHENOTYPES.index("LVM")] = rng.normal(100, 20, count)
    ecg = rng.normal(size=(count, 12, 2500)).astype(np.float16)
    arrays = {"ecg": ecg, "lead_mask": np.ones((count, 12), bool), "person": person, "phenotypes": phenotypes}
    return SimpleNamespace(**arrays, eid=np.arange(count))


def test_people_are_known_as_far_as_a_condition_says():
    known = {title: patients_of(everyone(), condition)[0].known for title, condition in CONDITIONS.items()}
    counts = {title: known[title][0].tolist() for title in known}
    assert all((known[title] == known[title][0]).all() for title in known)
    assert counts["ECG and person"] == [8, 4] and counts["nothing"] == [0, 0]
    assert counts["ECG only"] == [8, 0] and counts["person only"] == [0, 4]
    assert {counts[f"without {field}"][1] for field in ("sex", "age", "height", "weight")} == {3}
    assert counts["half of the chest leads"] == [5, 4] and counts["limb leads"] == [2, 4]
    assert counts["lead I, no person"] == [1, 0]
    (batch,) = patients_of(everyone(), CONDITIONS["without height"])
    assert batch.person[0].isnan().tolist() == [False, False, True, False]


@pytest.fixture
def knowing(tiny_pipeline):
    """The tiny pipeline, whose code is three phenotypes."""
    names, mean, std = ("LVEDV", "LVM", "LVEF"), (150.0, 100.0, 60.0), (30.0, 20.0, 8.0)
    conditioner = HeartConditioner(width=32, phenotypes=names, phenotype_mean=mean, phenotype_std=std).eval()
    tiny_pipeline.register_modules(conditioner=conditioner)
    return tiny_pipeline


@torch.no_grad()
def test_codes_are_judged_in_their_own_units_and_by_condition(knowing, monkeypatch):
    """A prior that knows everybody's LV mass to a hundredth of an SD where there is an ECG, and else nothing."""
    people, about = everyone(64), knowing.conditioner.config
    names = tuple(about.phenotypes)
    k, truth = names.index("LVM"), people.phenotypes[:, PHENOTYPES.index("LVM")]
    code = torch.tensor((truth - about.phenotype_mean[k]) / about.phenotype_std[k])

    def told(summary, generators, scale=1.0, known=None, widening=None):
        codes = torch.randn(len(generators), knowing.conditioner.code_length, generator=generators[0]) * 0.01
        draws = len(generators) // len(code)  # of one person stand together
        codes[:, k] += code.repeat_interleave(draws) * (known[:, 0] > 0)
        return codes

    monkeypatch.setattr(knowing, "draw_codes", told)
    some = {title: CONDITIONS[title] for title in ("ECG and person", "nothing")}
    report = judged(knowing, people, 8, 0, some)
    assert list(report) == list(some) and set(report["nothing"]) == {"LVM"}  # of no other is the truth known
    assert report["ECG and person"]["LVM"]["r2"] > 0.99 and report["nothing"]["LVM"]["r2"] < 0.2


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "people"
    write_cohort(folder, CohortPlan(seed=5, subjects=24, ecg_only=True), processes=1)
    return folder


def test_the_illnesses_of_a_cohort_are_those_its_table_defines(phantoms):
    eids = np.arange(9_000_001, 9_000_025)
    truth = read_truth(phantoms, eids)
    backwards = read_truth(phantoms, eids[::-1])
    assert all((truth[name] == backwards[name][::-1]).all() for name in truth)
    ill = {name for name in truth if truth[name].any()}
    assert {"any disease", "EF < 50"} <= ill
    assert (truth["any disease"] >= np.maximum(truth["infarct"], truth["RV overload"])).all()


def test_a_limit_divides_ill_from_well_by_sex_and_size():
    surface = np.array([1.5, 2.0, 2.0])
    limits = limits_of(["female", "female", "male"], surface)
    assert limits["LVH"][1] == pytest.approx(limits["LVH"][0] * 2 / 1.5) and (
        limits["RV dilation"][2] > limits["RV dilation"][1]
    )
    drawn = {name: np.full((3, 4), 100.0) for name in ("LVM", "LVEDV", "RVEDV")}
    drawn["LVEF"] = np.array([[40.0, 60, 60, 60], [40, 40, 40, 40], [60, 60, 60, 60]])
    drawn["LVM"][0, :2] = 500.0
    beyond = share_beyond(drawn, limits)
    assert beyond["EF < 50"].tolist() == [0.25, 1.0, 0.0] and beyond["LVH"][0] >= 0.5
    assert (beyond["LV dilation"] == 0).all()


def test_illness_is_told_by_whoever_knows_it(monkeypatch):
    monkeypatch.setattr(told_by_ecg, "TREES", told_by_ecg.TREES | {"max_iter": 20})
    rng = np.random.default_rng(0)
    sick = [(rng.uniform(size=400) < 0.3).astype(float) for _ in range(2)]
    knows = [np.stack([s + 0.3 * rng.normal(size=400), rng.normal(size=400)], axis=1) for s in sick]
    noise = [rng.normal(size=(400, 3)) for _ in range(2)]
    report = told_ill(
        {"codes": noise[0], "ceiling": knows[0]},
        {"codes": noise[1], "ceiling": knows[1]},
        ({"LVH": sick[0], "infarct": sick[0]}, {"LVH": sick[1], "infarct": sick[1]}),
        {"LVH": sick[1]},
    )
    assert report["infarct"]["ceiling"][0] > 0.95 and report["infarct"]["codes"][0] < 0.65
    assert report["LVH"]["codes"][0] > 0.99  # by the share of codes beyond the limit


@torch.no_grad()
def test_the_report_has_a_line_for_every_condition_and_the_ceiling_beside_the_whole(knowing):
    people = everyone(30)
    ceiling = CodeRegressor(knowing.ecg_encoder, knowing.conditioner)
    studied = code_report.Studied(knowing, ceiling, None, people)
    some = {title: CONDITIONS[title] for title in ("ECG and person", "person only")}
    report = code_report.study(studied, 4, 0, some)
    assert np.isfinite(report["conditions"]["ECG and person"]["LVM"]["r2_ceiling"])
    assert "r2_ceiling" not in report["conditions"]["person only"]["LVM"]
    rows = code_report.honesty_table(report["conditions"])
    assert [row["known"] for row in rows] == list(some)
    covered = report["conditions"]["person only"]["LVM"]["cover_90"]
    assert rows[1]["LVM"] == f"{covered:.1f}"


@torch.no_grad()
def test_people_of_a_folder_are_opened_judged_and_told_ill_from_well(phantoms, knowing, tmp_path, monkeypatch):
    knowing.save(tmp_path / "pipeline")
    studied = code_report.opened(tmp_path / "pipeline", phantoms, tmp_path / "kept", 20)
    assert len(studied.people.eid) == len(studied.people.ecg) == 20 and studied.ceiling is None
    truth = [row["LVM"] for row in csv.DictReader((phantoms / "phenotypes.csv").open())]
    np.testing.assert_allclose(
        studied.people.phenotypes[:, PHENOTYPES.index("LVM")], np.array(truth[:20], float), rtol=1e-5
    )
    monkeypatch.setattr(told_by_ecg, "TREES", told_by_ecg.TREES | {"max_iter": 5})
    monkeypatch.setattr(code_report, "features_of", lambda one, *_: one.people.phenotypes[:, :8])
    taught = code_report.opened(tmp_path / "pipeline", phantoms, tmp_path / "kept")
    names = ("any disease", "EF < 50")  # of which there are some among so few
    monkeypatch.setattr(code_report, "read_truth", lambda *given: {name: read_truth(*given)[name] for name in names})
    known = code_report.told_of(studied, taught, 4, 0, 1, tmp_path)
    told = code_report.illness(studied, taught, known)
    assert code_report.territories(studied, taught, known) == [], "of a handful of scars no share is told"
    assert set(told) == set(names) and set(told["EF < 50"]) == {"codes", "ECG features"}
    assert told["EF < 50"]["ECG features"][0] > 0.9  # whoever is told the phenotypes knows it
    rows = code_report.diseases_table(told)
    assert rows[0]["codes"] == f"{told[rows[0]['disease']]['codes'][0]:.3f}"


def scarred(count=300, seed=0):
    """Walls (n, 3) mm, of which an infarct thins its own, and territories."""
    rng = np.random.default_rng(seed)
    scars = np.where(np.arange(count) % 3 == 0, rng.choice(3, count, p=[0.5, 0.3, 0.2]), told_territory.NO_SCAR)
    walls = np.array([6.0, 7.0, 9.0]) + 0.1 * rng.normal(size=(count, 3))
    walls[scars >= 0, scars[scars >= 0]] *= 0.8
    return walls, scars


def test_the_thinnest_wall_names_the_territory_though_walls_differ_in_everybody():
    walls, scars = scarred()
    sick = scars >= 0
    assert (thinnest(walls, scars)[sick] == scars[sick]).mean() > 0.95
    assert (walls.argmin(axis=1)[sick] == scars[sick]).mean() < 0.8, "without the healthy, one wall is always thinnest"


def test_a_territory_is_learned_from_numbers_that_know_it_and_not_from_others():
    (taught, first), (heard, second) = scarred(), scarred(seed=1)
    noise = np.random.default_rng(2).normal(size=(2, 300, 4))
    named = {"walls": learned(taught, first, heard), "noise": learned(noise[0], first, noise[1])}
    rows = {row["told by"]: row for row in territory_table(named, second)}
    right = {who: float(row["right"].split()[0]) for who, row in rows.items()}
    assert right["walls"] > 90 > 65 > right["noise"] and rows["walls"]["people"] == 100
    assert abs(right["always anterior"] - 50) < 15


def test_features_are_of_the_same_people(phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_people, "BLOCK", 3)
    eids = np.array([9_000_002, 9_000_005])
    found = code_report.features_of(code_report.Studied(None, None, phantoms, SimpleNamespace(eid=eids)), 1, tmp_path)
    with (phantoms / "persons.csv").open() as file:
        ages = {int(row["eid"]): float(row["age"]) for row in csv.DictReader(file)}
    assert found[:, -4].tolist() == pytest.approx([ages[eid] for eid in eids.tolist()], rel=1e-4)
