"""The benchmark of difficulty: people that are drawn once, what they teach, and the product's own regression."""

import numpy as np
import pytest

import benchmarks.told_by_network as network
from benchmarks import drawn_people, told_by_ecg
from benchmarks.drawn_people import People, people, strips
from benchmarks.told_by_network import DrawnECGs, scores_of, told_by_network
from phantom.heart import Draw, draw_heart
from training.accelerator import start_accelerator


@pytest.fixture
def by_threes(monkeypatch):
    monkeypatch.setattr(drawn_people, "BLOCK", 3)


def test_people_are_drawn_once_and_do_not_depend_on_how_many_there_are(by_threes, tmp_path):
    few = people(5, 4, Draw(), 1, tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.npz")}
    more = people(5, 7, Draw(), 1, tmp_path)
    assert len(kept) == 2 and all(path.read_bytes() == written for path, written in kept.items())
    np.testing.assert_array_equal(more.ecg[:4], few.ecg)
    hearts = [draw_heart(5, index) for index in range(7)]
    np.testing.assert_array_equal(more.truth["LV mass"], [heart.lv_mass_g for heart in hearts])
    seen = strips(5, 7, Draw(), 1, tmp_path)
    assert seen.shape == (7, 12, 2500) and seen.dtype == np.float16 and np.isfinite(seen).all()
    assert np.abs(seen).max() > 0.3  # millivolts


def test_the_motion_of_late_people_is_left_out_and_nothing_else():
    heart = draw_heart(5, 0)
    whole, part = (drawn_people.truth_of(heart, moving) for moving in (True, False))
    assert whole.keys() == part.keys()
    missing = {name for name in whole if np.isnan(part[name]) and not np.isnan(whole[name])}
    assert missing == {"ES time", "peak filling rate", "dyssynchrony", "opening"}


def made_up(count: int, seed: int) -> People:
    """People whose R in one lead is their LV mass and little else; the rest is noise."""
    rng = np.random.default_rng(seed)
    mass = rng.normal(100, 20, count)
    ecg = rng.normal(size=(count, 800)).astype(np.float32)
    ecg[:, 700] = (mass - 100) / 20 + rng.normal(0, 0.5, count)
    amounts = ("LVEDV", "LVESV", "LVEF", "RVEDV", "RVESV")
    truth = {name: rng.normal(100, 20, count) for name in amounts} | {"LV mass": mass}
    truth |= {name: (rng.uniform(size=count) < 0.3).astype(float) for name in ("EF < 50", "LVH")}
    truth |= {"territory": rng.integers(0, 3, count).astype(float), "body surface": np.full(count, 1.9)}
    return People(ecg, rng.normal(size=(count, 5)).astype(np.float32), truth)


def test_what_the_ecg_tells_is_told_with_an_interval_and_the_network_counts_among_both(monkeypatch):
    for name, some in (("MOTION", ()), ("AMOUNTS", ("LV mass", "LVEDV")), ("DISEASES", ("EF < 50",))):
        monkeypatch.setattr(told_by_ecg, name, some)
    monkeypatch.setattr(told_by_ecg, "TREES", told_by_ecg.TREES | {"max_iter": 20})
    learners, judged, scarred = made_up(400, 1), made_up(150, 2), made_up(100, 3)
    alone = told_by_ecg.told(learners, judged, scarred, 400)
    heard = told_by_ecg.told(learners, judged, scarred, 400, {"LVEDV": judged.truth["LVEDV"]})
    assert alone["found"]["LV mass"]["ECG"] > 0.3 > 0.1 > alone["found"]["LV mass"]["person"]
    assert alone["found"]["LVEDV"]["both"] < 0.1
    assert heard["found"]["LVEDV"] == alone["found"]["LVEDV"] | {"both": 1.0}
    assert heard["found"]["LV mass"] == alone["found"]["LV mass"]
    low, high = alone["intervals"]["LV mass"]["ECG"]
    assert low < alone["found"]["LV mass"]["ECG"] < high and high - low > 0.05
    line = next(line for line in told_by_ecg.as_table([alone, heard]).splitlines() if line.startswith("| LVEDV"))
    assert "| 1.00 |" in line


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(network, "STEPS_FLOOR", 3)
    monkeypatch.setattr(network, "EPOCHS", 0)


def drawn(count: int, learners: int, source: str = "both", seed: int = 4) -> DrawnECGs:
    waves = np.random.default_rng(seed).normal(0, 0.3, (count, 12, 2500)).astype(np.float16)
    return DrawnECGs.of(made_up(count, seed), waves, learners, source)


def test_the_network_answers_in_units_and_never_looks_at_the_truth_of_the_judged(few_steps, tmp_path):
    judged = drawn(9, 0, seed=6)
    found = told_by_network(drawn(40, 30), judged, tmp_path / "one", start_accelerator())
    assert found.keys() == set(network.TRUTHS.values())
    assert all(60 < values.mean() < 140 for values in found.values())
    judged.phenotypes[:] = 1e4
    again = told_by_network(drawn(40, 30), judged, tmp_path / "one", start_accelerator())
    np.testing.assert_allclose(again["LV mass"], found["LV mass"], rtol=1e-5)


def test_a_source_that_is_withheld_is_not_there():
    both, ecg, person = (drawn(5, 3, source) for source in ("both", "ECG", "person"))
    assert np.isnan(ecg.person).all() and ecg.lead_mask.all() and np.array_equal(ecg.ecg, both.ecg)
    assert not person.ecg.any() and not person.lead_mask.any() and np.array_equal(person.person, both.person)
    assert (both.rows("train").tolist(), both.rows("validation").tolist()) == ([0, 1, 2], [3, 4])


def test_limits_of_a_phenotype_give_a_score_of_the_disease():
    people = made_up(2, 1)
    people.person[:, 0] = (1, 0)
    found = {"LVEF": np.array([40.0, 60.0]), "RVEDV": np.array([190.0, 190.0])}
    scores = scores_of(found, people)
    assert scores["EF < 50"][0] > scores["EF < 50"][1]
    assert scores["RV dilation"][1] > 1 > scores["RV dilation"][0]  # 100 mL/m2: large for her, not for him
