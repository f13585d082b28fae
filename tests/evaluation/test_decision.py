"""Probabilities, z-scores, departures and pairs: what they say, and when they are withheld."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from cohort.body_surface import body_surface_m2
from cohort.doubtful_pairs import NAME as PAIRS
from cohort.doubtful_pairs import read_pairs
from cohort.errors import InputError
from cohort.leakage import keyed_recordings
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES
from cohort.pseudonym import Naming
from cohort.subjects import split_of
from evaluation.chances import MOST_SURE, Line, along, chance, chance_of, fit_lines, read_lines, write_lines
from evaluation.conditions import conditions
from evaluation.decision import NOT_PROVEN, decision_support, z_scores
from evaluation.departures import FLOOR, MOST_Z, departure_map, departures
from evaluation.doubtful_pairs import PairRow, pair_rows, write_pairs
from evaluation.drawn_codes import Expected, expected_codes, expected_hearts
from evaluation.heart_sampler import HeartSampler
from evaluation.options import EvaluationOptions
from evaluation.pair_match import match_probability, match_score
from evaluation.people_of_codes import KnownPeople, open_people
from evaluation.scale import off_scale, on_scale
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from sampling.options import SampleOptions
from sampling.outputs import departure_names
from sampling.patients import prepared_patients
from sampling.unlike import Unlike

HEART = {
    "LVEDV": 140, "LVESV": 60, "LVSV": 80, "LVEF": 57, "LVM": 70, "RVEDV": 150, "RVESV": 70, "RVEF": 53,
    "wall_septal": 7, "wall_lateral": 6, "wall_anterior": 6.5, "wall_inferior": 6.5,
}  # fmt: skip
WOMAN = Person("female", 60.0, 165.0, 65.0)


def hearts(count: int = 200, spread: float = 0.1, seed: int = 0, **changes) -> np.ndarray:
    """(count, K) phenotypes about one heart, Gaussian on the scale."""
    middle = on_scale(np.array([(HEART | changes)[name] for name in PHENOTYPES], float))
    noise = np.random.default_rng(seed).normal(size=(count, len(PHENOTYPES)))
    return off_scale(middle + spread * noise)


def named(name: str):
    return next(condition for condition in conditions() if condition.name == name)


def test_a_probability_is_how_often_one_more_draw_lies_beyond_the_limit():
    draws = np.random.default_rng(0).normal(size=(20_000, 5)) - 1
    truth = np.random.default_rng(1).normal(size=20_000) - 1
    told = chance(draws)
    sure = (told > 0.2) & (told < 0.3)
    assert told[sure].mean() > (truth > 0)[sure].mean() - 0.1
    assert chance(np.random.default_rng(0).normal(size=100_000) - 1) == pytest.approx(0.159, abs=0.005)


def test_no_probability_is_0_or_100_in_100():
    assert chance(np.array([9.0, 9.1, 9.2, 9.1])) == MOST_SURE
    assert chance(-np.array([9.0, 9.1, 9.2, 9.1])) == pytest.approx(1 - MOST_SURE)
    assert along(Line(9.0, 9.0, 100, 50), np.array(0.9)) == MOST_SURE


def test_draws_that_do_not_differ_tell_no_probability():
    assert np.isnan(chance(np.zeros(8)))
    assert chance_of(named("EF_below_50"), np.full((8, len(PHENOTYPES)), np.nan), WOMAN) is None


@pytest.mark.parametrize(
    ("name", "ill"),
    [
        ("EF_below_50", {"LVEF": 40}),
        ("LVH", {"LVM": 130}),
        ("dilated_LV", {"LVEDV": 220}),
        ("dilated_RV", {"RVEDV": 250}),
        ("thin_septal", {"wall_septal": 3.5}),
        ("thin_inferior", {"wall_inferior": 3.5}),
    ],
)
def test_each_condition_is_likely_in_a_heart_that_has_it_and_no_other_is(name, ill):
    sound, sick = hearts(), hearts(**ill)
    assert chance_of(named(name), sound, WOMAN) < 0.2 and chance_of(named(name), sick, WOMAN) > 0.8
    others = [condition for condition in conditions() if condition.name != name]
    assert all(chance_of(other, sick, WOMAN) < 0.2 for other in others)


def test_a_limit_per_body_surface_lies_where_the_reference_says():
    limit = 55.7 * body_surface_m2(WOMAN)  # g/m2 of a woman
    assert chance_of(named("LVH"), hearts(20_000, LVM=limit), WOMAN) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("unknown", ["sex", "age_years", "height_cm", "weight_kg"])
def test_a_limit_by_sex_and_size_is_not_judged_without_them_and_the_reason_is_told(unknown):
    person = Person(**(vars(WOMAN) | {unknown: None}))
    for condition in conditions():
        judged = condition.name == "EF_below_50" or condition.name.startswith("thin")
        assert bool(condition.why_not(person)) is not judged
        assert (chance_of(condition, hearts(), person) is None) is not judged


def test_a_line_sets_right_what_is_too_bold():
    noise = np.random.default_rng(0)
    people, expected, truth = [], [], []
    for seed in range(400):
        middle = noise.normal(50, 6)
        people.append(WOMAN)
        expected.append(hearts(30, spread=0.05, seed=seed, LVEF=float(np.clip(middle, 20, 80))))
        told = chance_of(named("EF_below_50"), expected[-1], WOMAN)
        ill = noise.random() < expit(-1 + 0.5 * logit(told))
        truth.append(hearts(1, spread=0, LVEF=40 if ill else 60)[0])
    line = fit_lines(expected, people, np.array(truth))["EF_below_50"]
    assert line.intercept == pytest.approx(-1, abs=0.4) and line.slope == pytest.approx(0.5, abs=0.15)
    assert line.people == 400


def test_too_few_cases_fit_no_line():
    assert fit_lines([hearts()] * 30, [WOMAN] * 30, hearts(30, spread=0.01)) == {}


def test_lines_survive_the_disk_and_damaged_ones_are_refused(tmp_path):
    assert read_lines(tmp_path) == {}
    lines = {"LVH": Line(-0.5, 0.9, 300, 40)}
    write_lines(tmp_path, lines)
    assert read_lines(tmp_path) == lines
    for damage in ("{", "[]", '{"LVH": {"intercept": 0}}', '{"LVH": null}', '{"LVH": {"intercept": "a"}}'):
        (tmp_path / "chances.json").write_text(damage)
        with pytest.raises(InputError):
            read_lines(tmp_path)
    write_lines(tmp_path, {"LVH": Line(0.0, -1.0, 300, 40)})
    with pytest.raises(InputError, match="out of range"):
        read_lines(tmp_path)


def test_a_departure_is_counted_in_the_sds_of_what_is_expected():
    true = hearts(1, spread=0)[0].copy()
    true[PHENOTYPES.index("LVM")] *= np.exp(0.3)
    told = departures(true, hearts(5000))
    assert told["LVM"] == pytest.approx(3, abs=0.1) and told["LVEDV"] == pytest.approx(0, abs=0.1)
    true[PHENOTYPES.index("LVM")] = np.nan
    assert "LVM" not in departures(true, hearts())


def test_a_z_score_says_where_the_ecg_moves_what_the_person_alone_leads_to_expect():
    told = z_scores(Expected(hearts(2000, LVM=HEART["LVM"] * np.exp(0.2)), hearts(2000)))
    assert told["LVM"] == pytest.approx(2, abs=0.15) and abs(told["LVEDV"]) < 0.15


def test_a_map_is_z_with_a_floor_and_is_clipped_and_silent_outside_the_acquisition():
    samples = np.stack([np.full((2, 1, 1, 2), value) for value in (0.4, 0.5, 0.6)])
    true = np.full((2, 1, 1, 2), 0.5)
    true[0, 0, 0] = 0.7, 0.5
    z = departure_map(true, samples, np.array([[True], [False]]))
    assert z[0, 0, 0, 0] == pytest.approx(0.2 / np.hypot(0.1, FLOOR)) and z[0, 0, 0, 1] == 0 and not z[1].any()
    assert departure_map(true, samples[:2]) is None
    assert np.abs(departure_map(true * 100, samples)).max() == MOST_Z


def test_the_heart_of_the_same_person_scores_above_anothers():
    noise = np.random.default_rng(0)
    own, others = [], []
    for seed in range(60):
        moved = {name: HEART[name] * np.exp(noise.normal(0, 0.15)) for name in ("LVEDV", "LVESV", "LVM", "RVEDV")}
        given = hearts(32, seed=seed, **moved)
        own.append(match_score(hearts(1, seed=1000 + seed, **moved)[0], given, hearts(32, 0.18, seed)))
        others.append(match_score(hearts(1, 0.18, 2000 + seed)[0], given, hearts(32, 0.18, seed)))
    assert np.mean(own) > 0 > np.mean(others)


def test_an_ecg_that_tells_no_more_than_the_person_leaves_the_supposed_share():
    same = hearts()
    assert match_score(hearts(1, seed=5)[0], same, same) == 0
    assert match_probability(0.0) == pytest.approx(0.98)


def test_of_few_measured_phenotypes_no_pair_is_judged():
    unknown = np.full(len(PHENOTYPES), np.nan)
    unknown[:2] = 140, 60
    assert np.isnan(match_score(unknown, hearts(), hearts()))


# ---- of a patient ----


def record_of(pipeline, phantom_data, tmp_path, name=None, mri=False, **options):
    """What heart.json says of one phantom's ECG, under any file name."""
    folder = tmp_path / "pipeline"
    if not folder.exists():
        pipeline.save(folder, {"segmenter": Segmenter(widths=(8, 16))})
    path = ecg_path(phantom_data, 0)
    path = path if name is None else shutil.copy(path, tmp_path / name)
    options = {"samples": 3, "steps": 1, "mri": phantom_data if mri else None} | options
    about = SampleOptions(ecg=None, output=tmp_path / "out", **options)
    drawn = HeartSampler.open(about, folder, Naming(None), torch.device("cpu")).sample(path)
    own = tmp_path / "out" / drawn.name
    return json.loads((own / "heart.json").read_text()), own


def test_a_phantom_is_told_probabilities_and_z_scores(tiny_pipeline, phantom_data, tmp_path):
    record, own = record_of(tiny_pipeline, phantom_data, tmp_path)
    support = record["decision_support"]
    assert set(support["probabilities"]) == {condition.name for condition in conditions()} | {"dyssynchrony"}
    assert support["probabilities"]["dyssynchrony"]["probability"] is None  # stills have no motion
    assert all("limit" in about and "words" in about for about in support["probabilities"].values())
    assert "beside_mri" not in support and "unproven" not in support
    assert "In support of a decision" in (own / "heart.html").read_text() and not list(own.glob("z*"))


def test_dyssynchrony_is_told_of_codes_that_hold_motion(beating_pipeline, prepared):
    place = beating_pipeline.conditioner.config.motion.index("dyssynchrony")
    expected = expected_hearts(beating_pipeline, prepared_patients(prepared, np.arange(2)), 8, 0)[1]
    codes = expected_codes(beating_pipeline, prepared_patients(prepared, np.arange(2)), 8, 0)
    own = beating_pipeline.conditioner.motion_part(codes.flatten(0, 1)).unflatten(0, (2, 8))[1, :, place]
    np.testing.assert_array_equal(expected.dyssynchrony, own.numpy())
    sound, ill = (
        decision_support(
            replace(expected, dyssynchrony=expected.dyssynchrony - expected.dyssynchrony.mean() + sd), WOMAN, {}
        )
        for sd in (-2.0, 9.0)
    )
    told = [support["probabilities"]["dyssynchrony"]["probability"] for support in (sound, ill)]
    assert told[0] < 0.1 and told[1] > 0.9


def test_a_real_ecg_is_told_nothing_by_simulated_weights_unless_asked_and_then_it_is_marked(
    tiny_pipeline, phantom_data, tmp_path
):
    record, own = record_of(tiny_pipeline, phantom_data, tmp_path, "somebody.xml")
    assert record["decision_support"] is None and record["decision_support_withheld"] == NOT_PROVEN
    page = (own / "heart.html").read_text()
    assert "--show-unproven" in page and "in 100" not in page
    shown, own = record_of(tiny_pipeline, phantom_data, tmp_path, "somebody.xml", show_unproven=True)
    assert shown["decision_support"]["unproven"].startswith("UNPROVEN")
    assert "UNPROVEN" in (own / "heart.html").read_text()


def test_weights_of_real_people_tell_a_real_ecg(tiny_pipeline, phantom_data, tmp_path):
    tiny_pipeline.register_to_config(trained_on="real")
    record, _ = record_of(tiny_pipeline, phantom_data, tmp_path, "somebody.xml")
    assert record["decision_support"]["probabilities"]


def test_beside_a_real_heart_stand_departures_maps_and_a_verdict(tiny_pipeline, phantom_data, tmp_path):
    record, own = record_of(tiny_pipeline, phantom_data, tmp_path, mri=True)
    beside = record["decision_support"]["beside_mri"]
    assert beside["verdict"] and beside["z_maps"] is True
    assert {"z_ED.nii.gz", "z_ES.nii.gz", "z.png"} <= {path.name for path in own.iterdir()} & set(record["files"])
    written = {path.name for path in own.iterdir()}
    assert set(departure_names(2)) == {name for name in written if name.startswith("z")}
    few, own = record_of(tiny_pipeline, phantom_data, tmp_path, mri=True, samples=2)
    assert few["decision_support"]["beside_mri"]["z_maps"] is False
    assert "why_no_z_maps" in few["decision_support"]["beside_mri"] and not list(own.glob("z*"))


def test_the_line_of_written_files_names_maps_only_where_they_were_written(tiny_pipeline, phantom_data, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter(widths=(8, 16))})
    for mri, samples in ((phantom_data, 3), (phantom_data, 2), (None, 3)):
        options = SampleOptions(None, mri=mri, samples=samples, steps=1, output=tmp_path / f"out{mri is None}{samples}")
        sampler = HeartSampler.open(options, tmp_path / "pipeline", Naming(None), torch.device("cpu"))
        drawn = sampler.sample(ecg_path(phantom_data, 0))
        there = {path.name for path in (options.output / drawn.name).iterdir()}
        assert set(sampler.said_of_files(1, int(drawn.departs)).split(", ")) == there
        assert drawn.departs == (mri is not None and samples == 3)
    assert "for 2 of 5 also z_ED.nii.gz, z_ES.nii.gz, z.png" in sampler.said_of_files(5, 2)


# ---- of a cohort ----


def test_the_most_doubtful_pair_stands_first_and_the_data_doctor_reads_the_table(tmp_path):
    rows = [PairRow("9000002", 2, -4.0), PairRow("9000001", 2, 1.0), PairRow("9000003", 2, float("nan"), "unlike")]
    assert "1 of 2" in write_pairs(tmp_path, rows)
    pairs = read_pairs(tmp_path)
    assert [pair.eid for pair in pairs] == ["9000002", "9000001"] and float(pairs[0].probability) < 0.9
    assert pairs[0].taught == "" and "taught" not in write_pairs(tmp_path, rows)
    said = write_pairs(tmp_path, [rows[0], replace(rows[1], taught=True), rows[2]])
    assert "1 of 3 people taught the weights" in said and [pair.taught for pair in read_pairs(tmp_path)] == ["", "yes"]
    (tmp_path / PAIRS).write_text("a,b\n1,2\n")
    with pytest.raises(InputError):
        read_pairs(tmp_path)


def test_everybody_with_ecg_and_heart_gets_a_row(tiny_pipeline, phantom_data, prepared_folder, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter(widths=(8, 16))})
    options = EvaluationOptions(data=phantom_data, prepared=prepared_folder)
    people = open_people(options, tiny_pipeline, tmp_path / "pipeline", torch.device("cpu"))
    rows = pair_rows(tiny_pipeline, people, seed=0)
    assert sorted(row.name for row in rows) == sorted(people.names) and len(rows) == len(people.truth)
    scores = [row.score for row in rows if np.isfinite(row.score)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("images", [True, False])
def test_people_who_taught_the_weights_are_known_among_the_pairs(
    tiny_pipeline, phantom_data, prepared, prepared_folder, tmp_path, images
):
    data = phantom_data
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter(widths=(8, 16))})
    if not images:
        data = tmp_path / "ecgs"
        shutil.copytree(phantom_data / "ecg", data / "ecg")
        shutil.copy(phantom_data / "phenotypes.csv", data)
    (tmp_path / "pipeline" / "training.json").write_text(json.dumps({"taught": keyed_recordings(prepared)}))
    options = EvaluationOptions(data=data, prepared=prepared_folder if images else tmp_path)
    rows = pair_rows(
        tiny_pipeline, open_people(options, tiny_pipeline, tmp_path / "pipeline", torch.device("cpu")), seed=0
    )
    taught = {int(eid) for eid in prepared.eid if split_of(int(eid)) != "test"}
    assert 0 < len(taught) < len(rows) and {int(row.name) for row in rows if row.taught} == taught


def test_pairs_of_real_people_are_withheld_by_simulated_weights(tiny_pipeline, prepared):
    patients = prepared_patients(prepared, np.arange(2))
    people = KnownPeople(patients, np.asarray(prepared.phenotypes[:2], float), ["anna", "berta"], [2, 2])
    with pytest.raises(InputError, match="withheld"):
        pair_rows(tiny_pipeline, people, seed=0)
    assert len(pair_rows(tiny_pipeline, people, seed=0, show_unproven=True)) == 2


def test_what_is_expected_depends_on_seed_and_name_alone(tiny_pipeline, prepared):
    patients = prepared_patients(prepared, np.arange(3))
    together, alone = expected_hearts(tiny_pipeline, patients, 4, 0), expected_hearts(tiny_pipeline, patients[2:], 4, 0)
    np.testing.assert_allclose(together[2].given, alone[0].given, rtol=1e-4)
    assert not np.allclose(together[2].given, together[2].without_ecg)
    assert isinstance(patients[0].unlike, Unlike)
