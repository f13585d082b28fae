"""Twelve people stand for hundreds: every copy is a little louder or softer, with noise of its own."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from benchmarks.damaged_ecgs import DAMAGES
from cohort.limb_leads import contradictions
from sampling.patients import Patient, patient_batch
from training import usual_ecgs as fitting
from training.ecg_set import EcgSet
from training.fit_usual_ecgs import add_part
from training.spoiled_ecgs import FAULTS, spoiled
from training.usual_ecgs import usual_ecgs

COPIES = 16


class Copies:
    """A cohort of many: everybody of a prepared one, COPIES times."""

    def __init__(self, cohort):
        rng = np.random.default_rng(0)
        n = len(cohort.eid) * COPIES
        who = np.arange(n) % len(cohort.eid)
        gains = np.exp(0.1 * rng.normal(size=(n, 1, 1)))
        noise = 0.01 * rng.normal(size=(n, 8, cohort.ecg.shape[2]))
        eight = gains * np.asarray(cohort.ecg, np.float32)[who][:, [0, 1, *range(6, 12)]] + noise
        one, two = eight[:, 0], eight[:, 1]
        limb = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
        self.ecg = np.concatenate([limb, eight[:, 2:]], axis=1).astype(np.float32)
        self.lead_mask = np.ones((n, 12), bool)
        self.person = np.asarray(cohort.person)[who]


@pytest.fixture(scope="module")
def many(prepared):
    return Copies(prepared)


def people(many, rows, code):
    return EcgSet.of((many, rows, torch.randn(len(rows), code, generator=torch.Generator().manual_seed(0))))


@pytest.fixture(scope="module")
def kept() -> dict:
    return {}


@pytest.fixture
def fitted(tiny_pipeline, many, kept, monkeypatch):
    """The tiny pipeline, whose networks are always the same, with a part that was fitted once, in fewer steps."""
    if not kept:
        monkeypatch.setattr(fitting, "STEPS", 200)
        rows, code = np.arange(len(many.ecg)), tiny_pipeline.conditioner.code_length
        kept["part"] = usual_ecgs(tiny_pipeline, people(many, rows[:220], code), people(many, rows[220:], code), 0)
    tiny_pipeline.register_modules(usual_ecgs=deepcopy(kept["part"]))
    return tiny_pipeline


def surprises(pipeline, ecg, mask=None):
    mask = np.ones(12, bool) if mask is None else mask
    patients = [Patient(str(k), one, mask, np.full(4, np.nan, np.float32), ()) for k, one in enumerate(ecg)]
    return pipeline.unlikeness(patient_batch(patients)).numpy()


def test_what_is_unlike_is_told_and_what_is_usual_is_not(fitted, many):
    usual = many.ecg[220:]
    as_is = surprises(fitted, usual)
    assert (as_is >= 2).mean() <= 0.05 and np.median(as_is) < 1
    for kind in ("inverted", "V1-V6 reversed", "pure noise", "RA-LA swapped", "nearly flat"):
        told = surprises(fitted, np.stack([DAMAGES[kind](one, k) for k, one in enumerate(usual[:20])]))
        assert np.median(told) > 2, kind


def test_missing_leads_are_no_surprise_and_still_let_faults_show(fitted, many):
    mask = np.ones(12, bool)
    mask[[6, 8, 11]] = False
    assert (surprises(fitted, many.ecg[220:], mask) >= 2).mean() <= 0.1
    assert np.median(surprises(fitted, -many.ecg[220:240], mask)) > 2


def test_no_ecg_and_no_lead_are_not_judged(fitted, many):
    patient = Patient("9000001", many.ecg[0], np.ones(12, bool), np.full(4, np.nan, np.float32), ())
    without = patient_batch([patient], ecg=False)
    assert fitted.unlikeness(without).isnan().all() and fitted.widening(without).tolist() == [1]
    none = patient_batch([Patient("9000001", many.ecg[0], np.zeros(12, bool), patient.person, ())])
    assert fitted.unlikeness(none).isnan().all()


def test_an_unlike_ecg_widens_the_codes_about_their_prediction(fitted, many):
    fitted.usual_ecgs.register_to_config(surprises=(0.0, 2.0), widening=(1.0, 3.0))
    patient = Patient("9000001", -many.ecg[0], np.ones(12, bool), np.full(4, np.nan, np.float32), ())
    batch = patient_batch([patient])
    assert fitted.widening(batch).tolist() == [3]
    _, summary = fitted.encode(batch, guided=False)
    generators = [[torch.Generator().manual_seed(k)] for k in (1, 1, 1)]
    plain = fitted.draw_codes(summary, generators[0])
    wide = fitted.draw_codes(summary, generators[1], widening=torch.tensor([3.0]))
    predicted = fitted.conditioner.predicted(summary)
    torch.testing.assert_close(wide - predicted, 3 * (plain - predicted))
    codes = fitted.condition(batch, generators[2], 1.0)[2]
    torch.testing.assert_close(codes, wide)


def test_too_few_people_tell_nothing(tiny_pipeline, many):
    code = tiny_pipeline.conditioner.code_length
    few = people(many, np.arange(50), code)
    assert usual_ecgs(tiny_pipeline, few, few, 0) is None
    assert tiny_pipeline.usual_ecgs is None


def test_the_part_is_added_to_a_stored_pipeline_and_read_again(fitted, many, tmp_path):
    part, folder = fitted.usual_ecgs, tmp_path / "pipeline"
    fitted.register_modules(usual_ecgs=None)
    fitted.save(folder)
    assert type(fitted).load(folder).usual_ecgs is None
    add_part(folder, part)
    again = type(fitted).load(folder)
    fitted.register_modules(usual_ecgs=part)
    np.testing.assert_allclose(surprises(again, many.ecg[:4]), surprises(fitted, many.ecg[:4]), rtol=1e-3)


def test_factors_rise_to_what_covers_and_never_fall():
    surprise = torch.tensor([0.0] * 500 + [3.0] * 500 + [6.0] * 500)
    missed = torch.from_numpy(np.abs(np.random.default_rng(0).standard_t(fitting.CODES - 1, (1500, 2))))
    missed[500:1000] *= 2
    nobody = torch.zeros(1500, dtype=torch.bool)
    factors = dict(zip(fitting.SURPRISES, fitting._factors(missed, surprise, nobody), strict=True))
    assert factors[0.0] == 1 and factors[3.0] == pytest.approx(2, rel=0.1) and factors[6.0] == factors[3.0]


def test_answers_about_ecgs_that_look_usual_are_not_widened_for_spoiled_ones():
    surprise = torch.tensor([0.5] * 1000 + [2.0] * 1000)
    missed = torch.from_numpy(np.abs(np.random.default_rng(0).standard_t(fitting.CODES - 1, (2000, 2))))
    spoiled_ones = torch.arange(2000) % 2 == 1
    missed[spoiled_ones] *= 3
    factors = dict(zip(fitting.SURPRISES, fitting._factors(missed, surprise, spoiled_ones), strict=True))
    assert factors[0.5] == pytest.approx(1, abs=0.08) and factors[2.0] > 1.5


def test_a_spoiled_ecg_is_another_one_whose_limb_leads_still_agree(many):
    for seed in range(4 * len(FAULTS)):
        worse = spoiled(many.ecg[0], np.random.default_rng(seed))
        assert worse.shape == many.ecg[0].shape and np.isfinite(worse).all()
        assert np.abs(worse - many.ecg[0]).max() > 0.01
        assert contradictions(worse[:6]) == []
