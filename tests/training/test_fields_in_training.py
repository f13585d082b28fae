"""Further fields of the person in training: told, sometimes withheld, measured on training people, and recorded."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from cohort.errors import InputError
from cohort.further import FURTHER
from cohort.prepared import Preparation, prepare_cohort
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.conditioning import USUAL_MEAN, USUAL_STD, HeartConditioner
from tests.training.small_people import CODE, RECIPE, WIDTH, cohort_of_splits, crowd, fresh_regressor, session_in
from training.code_prior import code_prior
from training.code_regression import code_regression, predict_codes
from training.cohort_arrays import open_cohort
from training.denoising import BatchPlan, TrainingData
from training.ecg_set import EcgSet
from training.fit import fit
from training.learning_curve import point_settings
from training.networks import fresh_regressor as regressor_of
from training.objectives import FIELD_DROPOUT, without_some_fields
from training.options import CeilingOptions, DiffusionOptions
from training.order import keyed_generator
from training.run import Run
from training.stages import recorded_settings
from training.teacher import heart_maker

CPU = torch.device("cpu")
TOLD = {"further_fields": ("code",), "person_mean": (*USUAL_MEAN, 0.0), "person_std": (*USUAL_STD, 1.0)}


def crowd_with_a_field(people, seed=0):
    """A crowd whose first code stands in a further field, and no longer in the ECG."""
    cohort, codes = crowd(people, seed)
    cohort.ecg = np.zeros_like(cohort.ecg) + cohort.ecg[:1]
    cohort.person = np.hstack([cohort.person, codes[:, :1].numpy()])
    return EcgSet.of((cohort, np.arange(people), codes))


def withheld(people):
    """The same people, of whom the further field is not known."""
    (cohort,) = people.cohorts
    person = cohort.person.copy()
    person[:, 4] = np.nan
    return replace(people, cohorts=(SimpleNamespace(**vars(cohort) | {"person": person}),))


def field_regressor():
    encoder = fresh_regressor().ecg_encoder
    return CodeRegressor(encoder, HeartConditioner(width=WIDTH, components=CODE, **TOLD))


# ---- Withheld ----


def test_each_further_field_is_dropped_for_itself_and_the_four_never():
    people = torch.arange(6.0).repeat(4000, 1)
    told = without_some_fields(people, keyed_generator(0))
    assert torch.equal(told[:, :4], people[:, :4])
    gone = told[:, 4:].isnan()
    assert gone.float().mean(0).tolist() == pytest.approx([FIELD_DROPOUT] * 2, abs=0.03)
    assert float((gone[:, 0] & gone[:, 1]).float().mean()) == pytest.approx(FIELD_DROPOUT**2, abs=0.03)
    assert torch.equal(told[:, 4:][~gone], people[:, 4:][~gone])


def test_without_further_fields_nothing_is_drawn():
    generator, people = keyed_generator(0), torch.ones(3, 4)
    assert without_some_fields(people, generator) is people
    assert torch.equal(generator.get_state(), keyed_generator(0).get_state())


def test_a_regression_uses_the_field_and_learns_to_do_without_it(tmp_path):
    """At first, somebody of whom the field is unknown counts as one who is 2 SDs above the mean."""
    regressor, held_out = field_regressor(), crowd_with_a_field(60, seed=1)
    people = regressor.conditioner
    with torch.no_grad():
        people.person_null[4] = 2 * people.person_slope[4] + people.person_place[4]
    where = session_in(tmp_path, replace(RECIPE, steps=80, learning_rate=1e-2, checkpoint_every=80))
    fit(code_regression(where, "test", regressor, crowd_with_a_field(60), held_out, 0.0, people=16), where)
    which = torch.arange(60)
    known = predict_codes(regressor, held_out, which, CPU)[:, 0]
    unknown = predict_codes(regressor, withheld(held_out), which, CPU)[:, 0]
    truth = held_out.codes[:, 0]
    assert (known - truth).square().mean() < 0.4 * truth.var()
    assert (unknown - truth).square().mean() < 1.2 * truth.var()


@pytest.mark.parametrize("what", ["code regression", "prior"])
def test_a_field_is_withheld_in_every_task_that_learns_from_people(tmp_path, what, monkeypatch):
    """With a dropout of everything, what stands in the field decides nothing."""
    monkeypatch.setattr("training.objectives.FIELD_DROPOUT", 1.1)

    def losses(folder, people):
        torch.manual_seed(0)
        regressor, where = field_regressor(), session_in(folder)
        if what == "prior":
            summary = regressor.conditioner.summary_length
            prior = torch.nn.Linear(CODE + summary, CODE)
            given = SimpleNamespace(parameters=prior.parameters)
            task = code_prior(where, given, regressor, people, people, 0.0, people=8)
            wrapped = lambda noisy, sigma, summary: prior(torch.cat([noisy, summary], dim=1))  # noqa: E731
        else:
            task = code_regression(where, "test", regressor, people, people, 0.0, people=8)
            wrapped = regressor.eval()
        return [float(task.loss_of(wrapped, step)[0].detach()) for step in range(3)]

    people = crowd_with_a_field(20)
    dropped = losses(tmp_path / "a", people), losses(tmp_path / "b", withheld(people))
    assert dropped[0] == dropped[1]
    monkeypatch.setattr("training.objectives.FIELD_DROPOUT", 0.0)
    assert losses(tmp_path / "c", people) != losses(tmp_path / "d", withheld(people))


def test_the_denoiser_and_a_student_learn_without_the_field_too(prepared, tiny_pipeline, tmp_path, monkeypatch):
    cohort = replace(prepared, person=np.hstack([prepared.person, np.full((len(prepared.eid), 1), 9, np.float32)]))
    people = len(cohort.eid)
    latents = np.zeros((people, *cohort.mask.shape[1:], 4, 4, 4), np.float16)
    data = TrainingData(cohort, latents, torch.zeros(people, 2), BatchPlan(8, 1, 0.0, 0.0))
    batches = [data.train_batch(session_in(tmp_path / "a"), step)[0].person[:, 4] for step in range(8)]
    gone = torch.stack(batches).isnan()
    assert 0.1 < gone.float().mean() < 0.5 and not data.held_out_batch(0)[0].person.isnan().any()
    given = []
    monkeypatch.setattr(type(tiny_pipeline), "condition", lambda self, patients, *_: given.append(patients) or 1 / 0)
    for dropout in (0.1, 0.0):
        with pytest.raises(ZeroDivisionError):
            heart_maker(tiny_pipeline, 1, cohort, "train", dropout, 0)(torch.arange(32))
    taught, held_out = (patients.person[:, 4].isnan() for patients in given)
    assert 0 < taught.sum() < 32 and not held_out.any()


# ---- Measured and recorded ----


def test_statistics_are_of_the_training_people_who_have_the_field(tiny_preset):
    people = cohort_of_splits()
    values = np.full((24, 1), 1e6, np.float32)
    train = people.rows("train")
    values[train, 0] = np.arange(len(train))
    values[train[:4], 0] = np.nan
    people.person = np.hstack([people.person, values])
    about = regressor_of(people, tiny_preset, 0, fields=("sbp",)).conditioner.config
    assert about.further_fields == ("sbp",) and len(about.person_mean) == 5
    assert about.person_mean[4] == pytest.approx(np.arange(4, 16).mean())
    assert about.person_std[4] == pytest.approx(np.arange(4, 16).std())
    assert about.person_mean[1] == pytest.approx(float(people.person[train, 1].mean()), rel=1e-5)
    people.person[:, 0] = np.nan
    about = regressor_of(people, tiny_preset, 0, fields=("sbp",)).conditioner.config
    assert about.person_mean[:4] == USUAL_MEAN and about.person_std[:4] == USUAL_STD
    assert about.person_mean[4] == pytest.approx(np.arange(4, 16).mean())


def options(folder, **given):
    sizes = {"steps": 2, "hearts_per_batch": 2, "learning_rate": 1e-3, "preset": "nano"}
    return DiffusionOptions(output=folder, **sizes, **given)


def test_a_run_records_its_fields_and_one_without_is_recorded_as_before(prepared, tmp_path):
    autoencoder = SliceAutoencoder(width=8, latent_channels=4)
    plain, told, other = (
        recorded_settings(options(tmp_path, person_fields=fields), prepared, None, autoencoder)
        for fields in ((), ("sbp",), ("hba1c",))
    )
    assert "person_fields" not in plain and {**plain, "person_fields": ("sbp",)} == told
    assert "person_fields" in asdict(options(tmp_path))
    Run(tmp_path / "a", told)
    Run(tmp_path / "a", told)
    for changed in (plain, other):
        with pytest.raises(InputError, match="holds a run of another configuration .person_fields was"):
            Run(tmp_path / "a", changed)
    Run(tmp_path / "before", plain)
    with pytest.raises(InputError, match="person_fields was None, is"):
        Run(tmp_path / "before", told)


def test_a_learning_curve_records_its_fields(prepared):
    plain, told = (point_settings(CeilingOptions(), prepared, None, fields=fields) for fields in ((), ("sbp",)))
    assert told == plain | {"person_fields": ["sbp"]} and "person_fields" not in plain


def test_a_training_opens_its_cohort_with_the_fields_or_refuses(
    phantom_data, prepared, prepared_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("training.cohort_arrays.require_separate_splits", lambda *_: None)
    geometry = prepared.preparation.geometry
    given = DiffusionOptions(data=phantom_data, prepared=prepared_folder, geometry=geometry)
    accelerator = Accelerator(cpu=True)
    cohort, extra = open_cohort(given, accelerator, phantom_data, ("systolic_bp_mmhg",))
    assert cohort.person.shape[1] == extra.person.shape[1] == 5 and np.isfinite(cohort.person).all()
    np.testing.assert_array_equal(cohort.person, extra.person)  # the same people, by two readers
    train = len(cohort.rows("train"))
    assert f"systolic_bp_mmhg is known of {train} of {train} training people" in capsys.readouterr().out
    assert (cohort.folder / FURTHER).exists()
    with pytest.raises(InputError, match="called hba1c; the columns that hold numbers only are systolic_bp_mmhg"):
        open_cohort(given, accelerator, None, ("hba1c",))
    with pytest.raises(InputError, match="Weight is a standard field"):
        open_cohort(replace(given, data=tmp_path / "nothing"), accelerator, None, ("Weight",))
    assert open_cohort(given, accelerator)[0].person.shape[1] == 4
    assert isinstance(prepare_cohort(phantom_data, prepared_folder, Preparation(geometry)).person, np.ndarray)
