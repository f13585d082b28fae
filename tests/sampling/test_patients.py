from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.person import Person
from cohort.study_tables import read_persons
from phantom.cohort_writer import ecg_path
from sampling.patients import generate, patient_batch, pooled_ecgs, prepared_patients, read_patient


def by_name(pipeline, patients, batch_size, samples=2, seed=0, **options):
    made = generate(pipeline, patients, samples, seed, batch_size, steps=2, **options)
    return {patient.name: hearts for patient, hearts in made}


@pytest.fixture
def patients(prepared):
    return prepared_patients(prepared, np.array([0, 5, 9]))


def test_a_heart_is_the_same_at_any_batch_size_and_order(tiny_pipeline, patients):
    reference = by_name(tiny_pipeline, patients, batch_size=1)
    assert list(reference) == [patient.name for patient in patients]
    assert all(hearts.shape == (2, *tiny_pipeline.grid.shape) for hearts in reference.values())
    for batch_size, order in ((2, patients), (8, patients[::-1]), (3, patients[1:])):
        for name, hearts in by_name(tiny_pipeline, order, batch_size).items():
            np.testing.assert_allclose(hearts, reference[name], atol=1e-5)


def test_more_samples_leave_the_first_as_they_are(tiny_pipeline, patients):
    few, many = (by_name(tiny_pipeline, patients[:1], 4, samples)[patients[0].name] for samples in (1, 3))
    np.testing.assert_allclose(many[:1], few, atol=1e-5)
    assert np.abs(many[1] - many[0]).max() > 0.01


def test_another_seed_is_another_heart(tiny_pipeline, patients):
    first, second = (by_name(tiny_pipeline, patients[:1], 1, 1, seed)[patients[0].name] for seed in (0, 1))
    assert np.abs(first - second).max() > 0.01


def test_a_file_and_the_prepared_arrays_are_one_patient(tiny_pipeline, prepared, phantom_data):
    prepared_one = prepared_patients(prepared, np.array([0]))[0]
    known = read_persons(phantom_data / "persons.csv").at(int(prepared.eid[0]), 2)
    read = read_patient(ecg_path(phantom_data, 0), tiny_pipeline, known)
    assert read.name == prepared_one.name
    np.testing.assert_allclose(read.signal, prepared_one.signal, atol=2e-3)  # float16
    np.testing.assert_array_equal(read.lead_mask, prepared_one.lead_mask)
    np.testing.assert_allclose(read.person, prepared_one.person, rtol=1e-5)


def write_npy(path, millivolts):
    np.save(path, millivolts.astype(np.float32))
    return path


def strip(seconds=10, rate=500):
    time = np.arange(seconds * rate) / rate
    beat = np.exp(-((time % 1 - 0.3) ** 2) / 2e-4)
    ecg = np.linspace(0.5, 1.5, 12)[:, None] * beat
    one, two = ecg[:2]
    ecg[2:6] = two - one, -(one + two) / 2, one - two / 2, two - one / 2  # Einthoven and Goldberger
    return ecg


@pytest.mark.parametrize(("source", "called"), [({}, "the caller"), ({"source": "my notebook"}, "my notebook")])
def test_a_contradiction_names_who_told_it_and_no_file_that_is_not_there(tiny_pipeline, phantom_data, source, called):
    path = ecg_path(phantom_data, 0)
    stated = read_ecg(path).person.age_years
    told = read_patient(path, tiny_pipeline, Person(age_years=stated + 13), **source).warnings
    words = f"{called} says age {stated + 13:g}, the ECG file says {stated:g}: {called} counts"
    assert words in told and "persons.csv" not in " ".join(told)


def test_what_makes_a_result_less_sure_is_said(tiny_pipeline, tmp_path):
    flat = strip(seconds=6)
    flat[8] = 0
    read = read_patient(write_npy(tmp_path / "a.npy", flat), tiny_pipeline, Person(age_years=50), sampling_rate=500)
    said = "; ".join(read.warnings)
    assert "lead V3 is flat" in said and "lasts 6.0 s" in said
    assert "unknown: sex, height, weight" in said and "--" not in said  # a page shows it, which has no options
    assert not read.lead_mask[8] and read.lead_mask.sum() == 11


def test_an_ecg_beyond_the_training_cohort_is_said_to_be(tiny_pipeline, tmp_path):
    tiny_pipeline.register_to_config(ecg_limits=[[0.0, 1.2]] * 12)
    read = read_patient(write_npy(tmp_path / "a.npy", strip()), tiny_pipeline, Person(), sampling_rate=500)
    assert any(text.startswith("lead V6") and "training cohort" in text for text in read.warnings)
    assert not any(text.startswith("lead I ") for text in read.warnings)


def test_a_pipeline_without_limits_warns_of_none(tiny_pipeline, tmp_path):
    tiny_pipeline.register_to_config(ecg_limits=None)
    read = read_patient(write_npy(tmp_path / "a.npy", strip()), tiny_pipeline, Person(), sampling_rate=500)
    assert not any("training cohort" in text for text in read.warnings)


def test_an_ecg_of_flat_leads_only_is_refused(tiny_pipeline, tmp_path):
    with pytest.raises(InputError, match="every lead is flat"):
        read_patient(write_npy(tmp_path / "a.npy", np.zeros((12, 5000))), tiny_pipeline, Person(), sampling_rate=500)


def test_parts_of_the_condition_can_be_withheld(patients):
    full, bare = patient_batch(patients), patient_batch(patients, ecg=False, person=False)
    assert full.ecg_present.all() and full.person_present.all()
    assert not bare.ecg_present.any() and not bare.person_present.any()
    assert torch.equal(full.ecg, bare.ecg) and full.ecg.shape == (3, 12, 2500)


def test_a_heart_made_without_the_ecg_does_not_change_with_it_nor_one_without_the_person(tiny_pipeline, patients):
    """Under one name: the noise is the patient's own, whatever the network is given."""
    patient, other = patients[:2]
    other_ecg = replace(patient, signal=other.signal, lead_mask=other.lead_mask)
    other_person = replace(patient, person=patient.person + np.float32([1, 9, 9, 20]))

    def heart(of, **withheld):
        return by_name(tiny_pipeline, [of], 1, samples=1, **withheld)[patient.name]

    for unchanged, withheld in ((other_ecg, {"ecg": False}), (other_person, {"person": False})):
        np.testing.assert_array_equal(heart(unchanged, **withheld), heart(patient, **withheld))
        assert np.abs(heart(unchanged) - heart(patient)).max() > 1e-4
        changed = other_person if "ecg" in withheld else other_ecg
        assert np.abs(heart(changed, **withheld) - heart(patient, **withheld)).max() > 1e-4
    nobodys = heart(patient, ecg=False, person=False)
    both = replace(other_ecg, person=other_person.person)
    np.testing.assert_array_equal(heart(both, ecg=False, person=False), nobodys)


@torch.no_grad()
def test_a_pooled_ecg_is_the_encoders_own_whatever_the_batch(tiny_pipeline, patients):
    together = pooled_ecgs(tiny_pipeline, patients)
    assert together.shape == (3, tiny_pipeline.ecg_encoder.config.width)
    for k, patient in enumerate(patients):
        signal, lead_mask = torch.tensor(patient.signal)[None], torch.tensor(patient.lead_mask)[None]
        np.testing.assert_allclose(together[k], tiny_pipeline.ecg_encoder(signal, lead_mask)[1][0], atol=1e-5)
    np.testing.assert_allclose(pooled_ecgs(tiny_pipeline, patients, batch=2), together, atol=1e-5)
    stranger = [replace(patient, person=patient.person + 5, name="another") for patient in patients[::-1]]
    np.testing.assert_allclose(pooled_ecgs(tiny_pipeline, stranger)[::-1], together, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3
