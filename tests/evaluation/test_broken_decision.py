"""What decision support says, one break of the code at a time: most of these breaks were seen by no test before."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES
from cohort.pseudonym import Naming
from cohort.reference_ranges import reference_range
from evaluation import doubtful_pairs
from evaluation.chances import Line, along, write_lines
from evaluation.decision import (
    DOUBTFUL,
    MATCHED,
    NOT_PROVEN,
    TOLD_NOTHING,
    beside_real,
    decision_support,
    is_unproven,
    verdict,
    why_withheld,
)
from evaluation.doubtful_pairs import list_pairs, pair_rows
from evaluation.drawn_codes import Expected
from evaluation.heart_sampler import HeartSampler
from evaluation.options import EvaluationOptions
from evaluation.pair_match import match_probability
from evaluation.people_of_codes import KnownPeople
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from sampling.options import SampleOptions
from sampling.patients import prepared_patients
from sampling.unlike import WITHHELD, Unlike

HEART = {
    "LVEDV": 140, "LVESV": 60, "LVSV": 80, "LVEF": 57, "LVM": 70, "RVEDV": 150, "RVESV": 70, "RVEF": 53,
    "wall_septal": 7, "wall_lateral": 6, "wall_anterior": 6.5, "wall_inferior": 6.5,
}  # fmt: skip
WOMAN = Person("female", 60.0, 165.0, 65.0)
WARNED, FAR = Unlike(5.0), Unlike(9.0, 3.0, withheld=True)


def hearts(count=64, seed=0, spread=0.05, **changes):
    """(count, K) PHENOTYPES about one heart."""
    middle = np.array([float((HEART | changes)[name]) for name in PHENOTYPES])
    return middle * np.exp(spread * np.random.default_rng(seed).normal(size=(count, len(PHENOTYPES))))


def support(person=WOMAN, lines=None, **changes):
    return decision_support(Expected(hearts(**changes), hearts()), person, lines or {})


# ---- Healthy people and body surface ----


def test_beside_healthy_people_a_heavy_heart_is_positive_and_a_weak_one_negative():
    limits, surface = reference_range("LVM", WOMAN, True), body_surface_m2(WOMAN)
    told = support(LVM=limits.high * surface)["z_scores_beside_healthy"]
    assert told["LVM_per_m2"] == pytest.approx(1.96, abs=0.15)
    assert support(LVM=limits.low * surface)["z_scores_beside_healthy"]["LVM_per_m2"] == pytest.approx(-1.96, abs=0.15)
    assert support(LVEF=35)["z_scores_beside_healthy"]["LVEF"] < -2


def test_indexed_values_are_divided_by_body_surface():
    told = support()["indexed_per_m2"]
    assert told["LVEDV"] == pytest.approx(HEART["LVEDV"] / body_surface_m2(WOMAN), rel=0.03)
    assert not {"LVEF", "wall_septal"} & told.keys()


@pytest.mark.parametrize("unknown", ["height_cm", "weight_kg"])
def test_without_height_or_weight_nothing_is_indexed_and_lv_mass_is_not_set_beside_healthy_people(unknown):
    told = support(Person(**(vars(WOMAN) | {unknown: None})))
    assert told["indexed_per_m2"] is None and set(told["z_scores_beside_healthy"]) == {"LVEF"}


def test_without_the_sex_nothing_is_set_beside_healthy_people_and_the_reason_is_told():
    told = support(replace(WOMAN, sex=None))
    assert told["z_scores_beside_healthy"] == {} and told["indexed_per_m2"]["LVM"] > 0
    assert told["probabilities"]["LVH"]["probability"] is None and "sex" in told["probabilities"]["LVH"]["why"]
    assert told["probabilities"]["EF_below_50"]["probability"] is not None


# ---- Calibration ----


def test_a_line_is_of_its_own_condition_and_what_it_set_right_is_marked():
    plain, lined = support()["probabilities"], support(lines={"LVH": Line(1.0, 1.0, 300, 40)})["probabilities"]
    assert lined["LVH"]["probability"] > plain["LVH"]["probability"] and lined["LVH"]["set_right_by_line"] is True
    assert not plain["LVH"]["set_right_by_line"] and not lined["EF_below_50"]["set_right_by_line"]
    assert lined["EF_below_50"] == plain["EF_below_50"]


def test_a_line_adds_its_intercept_to_the_log_odds_times_its_slope():
    assert along(Line(-1.0, 0.5, 300, 40), np.array(0.8)) == pytest.approx(expit(-1 + 0.5 * np.log(4)))
    assert along(Line(0.0, 1.0, 300, 40), np.array(0.3)) == pytest.approx(0.3)


def test_the_sampler_reads_the_lines_beside_its_weights(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path, {"segmenter": Segmenter(widths=(8, 16))})
    lines = {"LVH": Line(1.0, 0.5, 300, 40)}
    write_lines(tmp_path, lines)
    opened = HeartSampler.open(SampleOptions(tmp_path), tmp_path, Naming(None), torch.device("cpu"))
    assert opened.lines == lines


# ---- ECG and MRI ----


def test_the_real_heart_that_fits_its_ecg_is_of_one_person_and_one_that_fits_the_person_alone_is_not():
    expected = Expected(hearts(128, LVM=110, LVEDV=190), hearts(128, 1))
    own, others = (
        beside_real({"phenotypes": dict(zip(PHENOTYPES, one[0].tolist(), strict=True))}, expected, True)
        for one in (hearts(1, 5, LVM=110, LVEDV=190), hearts(1, 6))
    )
    assert own["log_likelihood_ratio"] > 0 > others["log_likelihood_ratio"]
    assert own["verdict"] == MATCHED and others["verdict"] == DOUBTFUL
    assert abs(own["z_scores"]["LVM"]) < 3 and others["z_scores"]["LVM"] < -4  # beside what the ECG tells


def test_a_verdict_doubts_the_improbable_pair_and_nothing_is_said_of_the_unknown():
    assert (verdict(0.89), verdict(0.91), verdict(None)) == (DOUBTFUL, MATCHED, TOLD_NOTHING)
    assert beside_real(None, Expected(hearts(), hearts()), False)["verdict"] == TOLD_NOTHING


def test_no_pair_is_surer_than_99_in_100():
    np.testing.assert_allclose(match_probability(np.array([-50.0, 50.0])), [0.01, 0.99])


def test_the_map_of_a_real_heart_is_silent_where_nothing_was_acquired(tiny_pipeline, prepared, monkeypatch, tmp_path):
    (patient,) = prepared_patients(prepared, np.arange(1))
    grid = tiny_pipeline.grid
    mask = np.ones((grid.slices, grid.phases), bool)
    mask[0] = False
    heart = SimpleNamespace(voxels=np.ones(grid.shape, np.float32), mask=mask)
    sampler = HeartSampler(SampleOptions(tmp_path), tiny_pipeline, None, None, {}, None, Naming(None), False)
    _, z = sampler._support(patient, Expected(hearts(), hearts()), np.zeros((3, *grid.shape)), heart, None)
    assert not z[0].any() and z[1].all()


# ---- What is withheld ----


def known(prepared, unlike, name=None, path=None):
    (patient,) = prepared_patients(prepared, np.arange(1))
    return replace(patient, unlike=unlike, path=path, name=name or patient.name)


def test_an_ecg_too_unlike_is_told_nothing_whoever_taught_and_whoever_asks(prepared):
    patient = known(prepared, FAR)
    for unproven in (True, False):
        for show in (True, False):
            assert why_withheld(patient, unproven, show) == WITHHELD


def test_a_phantoms_file_with_an_unusual_ecg_is_taken_for_no_phantom(prepared, phantom_data):
    path = ecg_path(phantom_data, 0)
    assert not is_unproven(known(prepared, Unlike(0.5), path=path), True)
    assert is_unproven(known(prepared, WARNED, path=path), True)
    assert not is_unproven(known(prepared, WARNED, path=path), False)


@pytest.mark.parametrize(("unlike", "why"), [(Unlike(0.5), ""), (WARNED, NOT_PROVEN), (FAR, WITHHELD)])
def test_pairs_are_withheld_one_by_one(tiny_pipeline, prepared, monkeypatch, unlike, why):
    monkeypatch.setattr(doubtful_pairs, "expected_hearts", lambda *_: [Expected(hearts(), hearts(seed=1))] * 2)
    patients = [known(prepared, unlike), known(prepared, Unlike(0.5))]
    people = KnownPeople(patients, hearts(2), ["9000001", "9000002"], [2, 2])
    rows = {row.name: row for row in pair_rows(tiny_pipeline, people, seed=0)}
    assert rows["9000001"].why == why and rows["9000002"].why == ""
    assert np.isnan(rows["9000001"].score) == bool(why)
    shown = {row.name: row.why for row in pair_rows(tiny_pipeline, people, seed=0, show_unproven=True)}
    assert shown["9000001"] == (WITHHELD if unlike is FAR else "")


@pytest.mark.parametrize("show", [True, False])
def test_show_unproven_reaches_the_list_of_pairs(tiny_pipeline, prepared, tmp_path, monkeypatch, show):
    people = KnownPeople([], np.zeros((0, len(PHENOTYPES))), [], [])
    asked = []
    monkeypatch.setattr(doubtful_pairs, "open_people", lambda *_: people)
    monkeypatch.setattr(doubtful_pairs, "pair_rows", lambda *given: asked.append(given[-1]) or [])
    options = EvaluationOptions(output=tmp_path, pairs=True, show_unproven=show)
    list_pairs(options, tiny_pipeline, tmp_path, torch.device("cpu"))
    assert asked == [show]


def test_a_patient_is_drawn_again_where_show_unproven_is_asked_for(tiny_pipeline, phantom_data, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter(widths=(8, 16))})

    def opened(show):
        options = SampleOptions(None, output=tmp_path / "out", samples=1, steps=1, show_unproven=show, page=False)
        return HeartSampler.open(options, tmp_path / "pipeline", Naming(None), torch.device("cpu"))

    patient = opened(False).read(ecg_path(phantom_data, 0))
    list(opened(False).draw([patient]))
    assert opened(False).is_done(patient) and not opened(True).is_done(patient)
