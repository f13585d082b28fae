"""What a patient is told of each phenotype: by whom, whatever is drawn, and what is said where hearts disagree."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import LABELS, PHENOTYPES, WALLS
from cohort.pseudonym import Naming
from evaluation.calibration import calibrate, write_calibration
from evaluation.certainty import summary_of
from evaluation.drawn_codes import DRAWS, expected_codes, expected_hearts, phenotypes_of_codes
from evaluation.heart_sampler import Drawn, HeartSampler
from evaluation.phenotype_lines import phenotype_lines
from evaluation.scale import SCALES, off_scale, on_scale
from evaluation.study import Study
from evaluation.told_numbers import disagreements, told_numbers
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.heart_prior import HeartPrior
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from sampling.card_numbers import measured
from sampling.decision_rows import OF_SIMULATED
from sampling.heart_page import person_of
from sampling.options import SampleOptions
from sampling.patients import prepared_patients
from sampling.phenotype_table import BY_CODES, BY_HEARTS, phenotype_rows

LVM, LVEF = PHENOTYPES.index("LVM"), PHENOTYPES.index("LVEF")
MIDDLE = np.array([140.0, 60, 80, 57, 110, 150, 70, 53, 7, 6, 6.5, 6.5])


def drawn_about(middle=MIDDLE, count: int = 128, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """(count, K), Gaussian on the scale."""
    noise = np.random.default_rng(seed).normal(size=(count, len(PHENOTYPES)))
    return off_scale(on_scale(np.asarray(middle, float)) + spread * noise)


@pytest.fixture
def knowing(tiny_pipeline):
    """A tiny pipeline whose codes tell phenotypes of living hearts, but no LVEF."""
    names = tuple(name for name in PHENOTYPES if name != "LVEF")
    mean = tuple(float(MIDDLE[PHENOTYPES.index(name)]) for name in names)
    torch.manual_seed(0)
    about = {"phenotypes": names, "phenotype_mean": mean, "phenotype_std": tuple(0.1 * value for value in mean)}
    conditioner = HeartConditioner(32, components=3, **about)
    parts = {
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
    }
    tiny_pipeline.register_modules(**{name: part.eval() for name, part in parts.items()})
    return tiny_pipeline


def told(pipeline, phantom_data, folder, samples: int = 2, path=None, **options):
    """heart.json of one patient, and what was drawn; a folder already saved is opened."""
    if not (folder / "pipeline").exists():
        pipeline.save(folder / "pipeline", {"segmenter": Segmenter(widths=(8, 16))})
    about = SampleOptions(None, samples=samples, steps=1, output=folder / f"out{samples}", **options)
    sampler = HeartSampler.open(about, folder / "pipeline", Naming(None), torch.device("cpu"))
    drawn = sampler.sample(path or ecg_path(phantom_data, 0))
    return json.loads((about.output / drawn.name / "heart.json").read_text()), drawn


# ---- who tells ----


def test_codes_tell_and_what_the_hearts_measure_stands_beside():
    codes, hearts = drawn_about(), drawn_about(2 * MIDDLE.clip(0, 40), count=3, seed=1)
    hearts[1, LVM] = np.nan
    found = told_numbers(codes, hearts, None)
    assert tuple(found) == PHENOTYPES
    about = dict(found["LVM"])
    assert about.pop("told_by") == BY_CODES
    values = about.pop("drawn")
    assert about == summary_of(codes[:, LVM], SCALES["LVM"]) and {"mean", "sd", "interval_90"} <= about.keys()
    assert values["values"] == [hearts[0, LVM], None, hearts[2, LVM]]
    assert values["mean"] == pytest.approx(hearts[[0, 2], LVM].mean())
    other = told_numbers(codes, hearts[:1] * 0.9, None)["LVM"]
    assert other["interval_90"] == about["interval_90"] and other["mean"] == about["mean"]


def test_a_phenotype_that_no_code_holds_is_told_by_the_hearts_and_no_factor_scales_it():
    codes, hearts = drawn_about(), drawn_about(count=4, seed=1)
    codes[:, LVEF] = np.nan
    factors = np.full(len(PHENOTYPES), 3.0)
    found = told_numbers(codes, hearts, factors)
    assert [name for name, about in found.items() if about["told_by"] == BY_HEARTS] == ["LVEF"]
    expected = summary_of(hearts[:, LVEF], SCALES["LVEF"])
    assert found["LVEF"] == expected | {"told_by": BY_HEARTS, "drawn": found["LVEF"]["drawn"]}
    assert "interval_90" not in told_numbers(codes, hearts[:3], factors)["LVEF"]
    assert "LVEF" not in told_numbers(codes, None, factors) and len(told_numbers(codes, None, None)) == 11


def test_factors_widen_intervals_about_the_same_middle_and_move_no_mean():
    codes = drawn_about()
    plain, wide = (told_numbers(codes, None, given)["LVM"] for given in (None, np.full(len(PHENOTYPES), 2.0)))
    assert wide["mean"] == plain["mean"] and wide["sd"] > 1.9 * plain["sd"]
    for level in (50, 80, 90):  # on the scale of mass
        (low, high), (lower, higher) = (np.log(about[f"interval_{level}"]) for about in (plain, wide))
        assert lower + higher == pytest.approx(low + high)
        assert higher - lower == pytest.approx(2 * (high - low))


# ---- where they disagree ----


def test_a_mean_of_hearts_outside_of_the_interval_is_said_in_words():
    far = MIDDLE.copy()
    far[LVM] = 180.0
    hearts = np.tile(far, (4, 1))
    (sentence,) = disagreements(told_numbers(drawn_about(), hearts, None))
    low, high = told_numbers(drawn_about(), None, None)["LVM"]["interval_90"]
    assert sentence == (
        "the 4 drawn hearts are not what the ECG leads one to expect, on average: "
        f"LVM 180 g (90 % interval {low:.0f} to {high:.0f})"
    )


def test_nothing_is_said_of_hearts_within_of_few_hearts_or_where_hearts_tell_themselves():
    codes, far = drawn_about(), MIDDLE * np.where(np.arange(len(MIDDLE)) == LVM, 2, 1)
    assert disagreements(told_numbers(codes, np.tile(MIDDLE, (4, 1)), None)) == []
    assert disagreements(told_numbers(codes, np.tile(far, (4, 1)), None)) != []
    assert disagreements(told_numbers(codes, np.tile(far, (3, 1)), None)) == []
    assert disagreements(told_numbers(codes, None, None)) == []
    codes[:, LVM] = np.nan
    assert disagreements(told_numbers(codes, np.tile(far, (4, 1)), None)) == []


def test_readers_meet_the_labels_of_phenotypes_and_never_their_identifiers(tmp_path, capsys):
    far = np.where(np.array([name in WALLS for name in PHENOTYPES]), 2, 1) * MIDDLE
    found = told_numbers(drawn_about(), np.tile(far, (4, 1)), None)
    calibrate(tmp_path, drawn_about()[None].repeat(40, 0), drawn_about(count=40, seed=1))
    agreement = {"agreement": {name: {"r2": 0.5} for name in PHENOTYPES}}
    texts = [
        disagreements(found)[0],
        phenotype_lines("anna", found, 4),
        capsys.readouterr().out,
        measured(agreement),
        " ".join(row.name for row in phenotype_rows(found, Person())),
    ]
    for text in texts:
        assert all(LABELS[wall] in text for wall in WALLS) and "wall_" not in text


# ---- in what is written ----


def test_the_interval_does_not_depend_on_how_many_hearts_are_drawn(knowing, phantom_data, tmp_path):
    one, three = (told(knowing, phantom_data, tmp_path, samples)[0]["phenotypes"] for samples in (1, 3))
    of_codes = [{name: about for name, about in found.items() if name != "LVEF"} for found in (one, three)]
    hearts = [[about.pop("drawn") for about in found.values()] for found in of_codes]
    assert of_codes[0] == of_codes[1] and all("interval_90" in about for about in of_codes[0].values())
    assert [len(one[0]["values"]) for one in hearts] == [1, 3]
    assert one["LVEF"]["told_by"] == BY_HEARTS and "interval_90" not in one["LVEF"]


def test_table_page_and_support_are_of_one_distribution(knowing, phantom_data, tmp_path):
    record, drawn = told(knowing, phantom_data, tmp_path)
    patient = HeartSampler.open(
        SampleOptions(None, samples=2, steps=1, output=tmp_path / "other"),
        tmp_path / "pipeline",
        Naming(None),
        torch.device("cpu"),
    ).read(ecg_path(phantom_data, 0))
    codes = expected_hearts(knowing, [patient], DRAWS, 0)[0].given
    assert codes.shape == (128, len(PHENOTYPES))
    about = record["phenotypes"]["LVEDV"]
    assert about["mean"] == pytest.approx(codes[:, 0].mean(), rel=1e-4)
    per_m2 = record["decision_support"]["indexed_per_m2"]["LVEDV"]
    assert per_m2 == pytest.approx(about["mean"] / body_surface_m2(person_of(patient.person)), abs=0.01)
    page = re.sub(r"<[^>]+>", " ", (tmp_path / "out2" / drawn.name / "heart.html").read_text())
    assert "{:.0f} to {:.0f} mL".format(*about["interval_90"]) in page
    assert "{:.0f} to {:.0f}".format(*about["interval_90"]) in phenotype_lines("x", drawn.phenotypes, 2)


def test_an_unlike_ecg_has_wider_intervals(knowing, phantom_data, tmp_path, monkeypatch):
    usual = told(knowing, phantom_data, tmp_path)[0]["phenotypes"]["LVM"]
    monkeypatch.setattr(type(knowing), "widening", lambda self, given: torch.full((len(given.ecg),), 3.0))
    unlike = told(knowing, phantom_data, tmp_path, 3)[0]["phenotypes"]["LVM"]
    (low, high), (lower, higher) = (np.log(about["interval_90"]) for about in (usual, unlike))
    assert higher - lower > 2 * (high - low)


@pytest.mark.parametrize("of", ["heart codes", "drawn hearts"])
def test_a_calibration_of_codes_is_applied_and_an_old_one_is_passed_over(knowing, phantom_data, tmp_path, capsys, of):
    plain = told(knowing, phantom_data, tmp_path)[0]
    write_calibration(tmp_path / "pipeline", np.full(len(PHENOTYPES), 2.0))
    path = tmp_path / "pipeline" / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of": of}))
    record = told(knowing, phantom_data, tmp_path, 3)[0]
    (low, high), (lower, higher) = (np.log(one["phenotypes"]["LVM"]["interval_90"]) for one in (plain, record))
    applied = of == "heart codes"
    assert higher - lower == pytest.approx((2 if applied else 1) * (high - low))
    assert record["calibrated"] is applied and plain["calibrated"] is False
    assert ("was fitted on drawn hearts" in capsys.readouterr().err) is not applied


def test_a_report_measures_the_codes_that_heart_json_tells(knowing, prepared, tmp_path):
    rows = np.arange(3)
    study = Study(knowing, tmp_path, None, prepared, rows, seed=5)
    patients = prepared_patients(prepared, rows)
    expected = phenotypes_of_codes(knowing, expected_codes(knowing, patients, DRAWS, 5))
    np.testing.assert_array_equal(study.codes, expected)
    one = expected_hearts(knowing, [replace(patients[2])], DRAWS, 5)[0]
    np.testing.assert_allclose(study.codes[2], one.given, rtol=1e-4)


def test_the_screen_says_who_tells_and_what_the_hearts_measure():
    codes, hearts = drawn_about(), drawn_about(count=2, seed=1)
    codes[:, LVEF] = np.nan
    found = told_numbers(codes, hearts, None)
    lines = phenotype_lines("anna", found, 2).splitlines()
    assert lines[0] == "anna: mean, told by heart codes; in brackets what the 2 hearts drawn measure on average"
    (mass,) = [line for line in lines if "LVM" in line]
    low, high = found["LVM"]["interval_90"]
    assert f"{codes[:, LVM].mean():.0f} g, 90 % interval {low:.0f} to {high:.0f} ({hearts[:, LVM].mean():.0f})" in mass
    (fraction,) = [line for line in lines if "LVEF" in line]
    assert fraction.endswith(", told by the drawn hearts") and "interval" not in fraction
    assert phenotype_lines("anna", told_numbers(codes, None, None), 2).splitlines()[0] == "anna: mean"


def test_the_screen_says_above_the_table_that_numbers_are_of_simulated_patients(knowing, phantom_data, tmp_path):
    phantom = told(knowing, phantom_data, tmp_path, 1)[1]
    real = told(knowing, phantom_data, tmp_path, 1, path=shutil.copy(ecg_path(phantom_data, 0), tmp_path / "anna.xml"))[
        1
    ]
    said = [lines_of(drawn).splitlines()[0] for drawn in (phantom, real)]
    assert said == ["x: mean, told by heart codes; in brackets what the heart drawn measures", f"x: {OF_SIMULATED}"]


def lines_of(drawn: Drawn) -> str:
    return phenotype_lines("x", drawn.phenotypes, len(drawn.hearts), drawn.of_simulated)
