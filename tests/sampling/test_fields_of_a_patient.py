"""Further fields of one person: what the options and a table say, what is believed of it, and what is written down."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from cohort.errors import InputError
from cohort.person import Person
from cohort.pseudonym import Naming
from evaluation.heart_sampler import HeartSampler
from models.conditioning import USUAL_MEAN, USUAL_STD, HeartConditioner
from models.denoiser import HeartDenoiser
from models.heart_prior import HeartPrior
from phantom.cohort_writer import FIRST_EID, ecg_path
from sampling.measured_numbers import unsound_number
from sampling.options import SampleOptions
from sampling.patients import read_patient
from sampling.person_fields import stated_fields, told_fields
from sampling.pipeline import ECGToMRIPipeline
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

FIELDS = ("sbp", "hba1c")
KNOWN = {"further_fields": FIELDS, "person_mean": (*USUAL_MEAN, 140.0, 36.0), "person_std": (*USUAL_STD, 20.0, 6.0)}


@pytest.fixture
def conditioner():
    torch.manual_seed(0)
    return HeartConditioner(width=32, components=3, **KNOWN).eval()


@pytest.fixture
def pipeline(tiny_parts, conditioner, geometry):
    """An untrained pipeline that knows two further fields."""
    parts = tiny_parts | {
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
    }
    scheduler = make_scheduler(DEFAULT_SCHEDULER)
    return ECGToMRIPipeline(
        **{name: part.eval() for name, part in parts.items()},
        scheduler=scheduler,
        geometry=asdict(geometry),
        trained_on="simulated",
    )


def stated(conditioner, tmp_path, *given):
    return stated_fields(SampleOptions(ecg=tmp_path / "a.xml", person_field=given), conditioner)


def test_the_option_tells_numbers_by_name(conditioner, tmp_path):
    assert stated(conditioner, tmp_path) == {}
    assert stated(conditioner, tmp_path, "sbp=142", " hba1c = 40.5 ") == {"sbp": 142, "hba1c": 40.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("bmi=25",), "the pipeline knows no field bmi; it knows sbp, hba1c"),
        (("142",), "the pipeline knows no field 142"),
        (("sbp=142", "sbp=143"), "sbp is given twice"),
        (("sbp=high",), "what is given for sbp is no number; write sbp=NUMBER"),
        (("sbp=",), "what is given for sbp is no number"),
        (("sbp=nan",), "what is given for sbp is no number"),
        (("sbp=1_42",), "what is given for sbp is no number"),
        (("sbp=1420",), "sbp 1420 is 64 SDs from the training people's mean, 140"),
    ],
)
def test_what_cannot_be_believed_is_refused_by_the_option(conditioner, tmp_path, given, message):
    with pytest.raises(InputError, match=f"--person-field: {message}"):
        stated(conditioner, tmp_path, *given)


def test_a_field_is_of_one_person_and_of_a_pipeline_that_knows_it(conditioner, tmp_path):
    with pytest.raises(InputError, match="is of one person, and --ecg is a folder"):
        stated_fields(SampleOptions(ecg=tmp_path, person_field=("sbp=1",)), conditioner)
    with pytest.raises(InputError, match="it knows none: train one with --person-fields"):
        stated(HeartConditioner(width=8), tmp_path, "sbp=142")


def test_the_option_goes_before_the_table_and_odd_numbers_are_told(conditioner):
    values, words = told_fields(conditioner, {"sbp": 130.0, "hba1c": 40.0, "other": 1.0}, {"sbp": 150.0})
    assert values.tolist() == [150, 40] and values.dtype == np.float32 and words == ()
    values, words = told_fields(conditioner, {"sbp": 18.0}, {})
    assert values[0] == 18 and np.isnan(values[1])
    assert words[0] == "sbp 18 is 6 SDs from the training people's mean, 140: is it in another unit?"
    assert words[1] == "unknown: hba1c"
    values, words = told_fields(conditioner, {"sbp": 1420.0, "hba1c": 36.0}, {})
    assert (
        np.isnan(values[0])
        and values[1] == 36
        and words[0].endswith("SDs from the training people's mean, 140: it is left out")
    )
    assert words[1].startswith("unknown: sbp")


def test_a_patient_carries_them_beside_the_four(pipeline, tiny_pipeline, phantom_data):
    path = ecg_path(phantom_data, 0)
    plain = read_patient(path, pipeline, Person("male", 60, 170, 80))
    assert plain.person[:4].tolist() == [1, 60, 170, 80] and np.isnan(plain.person[4:]).all()
    assert "unknown: sbp, hba1c" in plain.warnings
    fields = told_fields(pipeline.conditioner, {"sbp": 18.0}, {})
    told = read_patient(path, pipeline, Person("male", 60, 170, 80), fields=fields)
    assert told.person[4] == 18 and told.sha256 != plain.sha256 and fields[1][0] in told.warnings
    before = read_patient(path, tiny_pipeline, Person("male", 60, 170, 80))
    assert before.person.shape == (4,) and not any("unknown" in words for words in before.warnings)


def test_a_heart_depends_on_a_field_that_is_known_and_its_record_never_says_the_number(
    pipeline, phantom_data, tmp_path, capsys
):
    pipeline.save(tmp_path / "pipeline")
    table = tmp_path / "persons.csv"
    table.write_text(f"eid,sex,age,height_cm,weight_kg,sbp\n{FIRST_EID},F,60,170,70,171.625\n")

    def sampled(name, **options):
        about = SampleOptions(ecg=None, output=tmp_path / name, samples=1, steps=1, **options)
        sampler = HeartSampler.open(about, tmp_path / "pipeline", Naming(None), torch.device("cpu"))
        patient = sampler.read(ecg_path(phantom_data, 0))
        (drawn,) = sampler.draw([patient])
        record = tmp_path / name / drawn.name / "heart.json"
        assert sampler.is_done(patient)
        return patient, drawn.hearts, record.read_text()

    tabled, one, said = sampled("tabled", persons=table)
    assert tabled.person[4] == np.float32(171.625) and np.isnan(tabled.person[5])
    assert json.loads(said)["person_fields_known"] == {"sbp": True, "hba1c": False}
    assert "171.6" not in said
    assert "no column is called hba1c" in capsys.readouterr().err
    stated, other, said = sampled("stated", persons=table, person_field=("sbp=100", "hba1c=40"))
    assert stated.person[4:].tolist() == [100, 40]
    assert json.loads(said)["person_fields_known"] == {"sbp": True, "hba1c": True}
    assert np.abs(one - other).max() > 1e-4


def test_a_record_of_a_pipeline_without_fields_says_nothing_of_them(tiny_pipeline, phantom_data, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    about = SampleOptions(ecg=None, output=tmp_path / "out", samples=1, steps=1)
    sampler = HeartSampler.open(about, tmp_path / "pipeline", Naming(None), torch.device("cpu"))
    drawn = sampler.sample(ecg_path(phantom_data, 0))
    assert "person_fields_known" not in json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())


# ---- Folders from strangers ----


def test_a_folder_keeps_its_fields_and_an_older_one_has_none(pipeline, tiny_pipeline, tmp_path):
    pipeline.save(tmp_path / "new")
    assert ECGToMRIPipeline.load(tmp_path / "new").further_fields == FIELDS
    tiny_pipeline.save(tmp_path / "old")
    assert "further_fields" not in (tmp_path / "old" / "conditioner" / "config.json").read_text()
    assert ECGToMRIPipeline.load(tmp_path / "old").further_fields == ()


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b\x1b[2J"], ["a", 7], "ab", ["a", ""]])
def test_names_that_no_field_has_are_refused(names):
    usual = dict(HeartConditioner(width=8).config)
    sound = usual | {"further_fields": ["a", "b"], "person_mean": [0.0] * 6, "person_std": [1.0] * 6}
    assert unsound_number("HeartConditioner", sound) is None
    assert "further_fields" in unsound_number("HeartConditioner", sound | {"further_fields": names})
    short = sound | {"person_mean": [0.0] * 4}
    assert unsound_number("HeartConditioner", short) == "person_mean holds 4 numbers, and 6 are needed"
