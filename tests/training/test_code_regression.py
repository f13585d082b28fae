"""Codes from ECG and person, on people whose heart code is written in both: nothing else is known of them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

import training.code_prior
import training.code_regression
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from models.heart_prior import HeartPrior
from training.code_prior import code_prior
from training.code_regression import code_regression, predict_codes
from training.ecg_set import EcgSet
from training.fit import fit
from training.objectives import target_loss
from training.recipe import Recipe
from training.run import Run
from training.session import Session

SAMPLES = 250  # one second
WIDTH, CODE = 16, 2
RECIPE = Recipe(12, 3e-3, warmup=2, weight_decay=0.05, ema_decay=0.9, checkpoint_every=4, evaluate_every=2)


class Stopped(Exception):
    """Stands for a crash in the middle of a step."""


def crowd(people, seed=0):
    """People of one cohort, and their codes (n, 2): the height of the beat, and the weight."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(people, CODE)).astype(np.float32)
    beat = np.exp(-((np.arange(SAMPLES) - 100) ** 2) / 50)
    cohort = SimpleNamespace(
        ecg=((1 + 0.5 * codes[:, :1, None]) * np.linspace(0.5, 1.5, 12)[:, None] * beat).astype(np.float16),
        lead_mask=np.ones((people, 12), bool),
        person=np.stack([np.ones(people), np.full(people, 60), np.full(people, 170), 76 + 14 * codes[:, 1]], 1),
    )
    cohort.person = cohort.person.astype(np.float32)
    return cohort, torch.from_numpy(codes)


def everybody(people, seed=0):
    cohort, codes = crowd(people, seed)
    return EcgSet.of((cohort, np.arange(people), codes))


def fresh_regressor(dropout=0.1):
    torch.manual_seed(0)
    encoder = ECGEncoder(duration_s=1.0, width=WIDTH, layers=1, heads=2, dropout=dropout)
    return CodeRegressor(encoder, HeartConditioner(width=WIDTH, components=CODE))


def session(folder, recipe):
    return Session(Run(folder, {}), recipe, Accelerator(cpu=True), seed=7)


def regressed(folder, held_out=None, regressor=None, dropout=0.1, recipe=RECIPE):
    """A regressor that has learned, and its run."""
    where, regressor = session(folder, recipe), regressor or fresh_regressor()
    held_out = held_out or everybody(20, seed=1)
    fit(code_regression(where, "test", regressor, everybody(40), held_out, dropout, people=8), where)
    return regressor, where.run


def fresh_prior():
    torch.manual_seed(1)
    return HeartPrior(CODE, WIDTH + CODE, width=16, blocks=1)


def learned_prior(folder, regressor, train=None, recipe=RECIPE):
    """A prior that has learned, and its run."""
    where, prior = session(folder, recipe), fresh_prior()
    fit(code_prior(where, prior, regressor, train or everybody(40), everybody(20, seed=1), 0.1, people=32), where)
    return prior, where.run


def metric(run, name):
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_bits(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def breaks_at(monkeypatch, module, name, call):
    """The function of that name in a module fails at its `call`-th call."""
    calls, whole = [], getattr(module, name)

    def broken(*arguments):
        calls.append(name)
        if len(calls) == call:
            raise Stopped
        return whole(*arguments)

    monkeypatch.setattr(module, name, broken)


# ---- Sets of ECGs ----


def test_cohorts_are_joined_in_their_order_and_rows_keep_theirs():
    (one, codes), (other, other_codes) = crowd(6), crowd(4, seed=1)
    rows = np.array([4, 0, 5])
    joined = EcgSet.of((one, rows, codes[rows]), (other, np.arange(4), other_codes))
    assert len(joined) == 7
    which = torch.tensor([6, 1, 0, 3])  # the other's last, the one's rows 0 and 4, the other's first
    ecg, lead_mask, person, found = joined.take(which)
    assert ecg.dtype == torch.float32 and ecg.shape == (4, 12, SAMPLES) and lead_mask.dtype == torch.bool
    np.testing.assert_array_equal(ecg, np.stack([other.ecg[3], one.ecg[0], one.ecg[4], other.ecg[0]]))
    np.testing.assert_array_equal(person, np.stack([other.person[3], one.person[0], one.person[4], other.person[0]]))
    assert torch.equal(found, torch.stack([other_codes[3], codes[0], codes[4], other_codes[0]]))


def test_what_is_not_known_of_a_person_stays_unknown():
    cohort, codes = crowd(5)
    codes[2, 0], codes[4] = torch.nan, torch.nan
    cohort.person[1, 3], cohort.lead_mask[3, 8] = np.nan, False
    _, lead_mask, person, found = EcgSet.of((cohort, np.arange(5), codes)).take(torch.arange(5))
    assert torch.equal(found.isnan(), codes.isnan()) and found.isnan().sum() == 3
    assert person.isnan().sum() == 1 and person[1, 3].isnan() and not lead_mask[3, 8] and lead_mask.sum() == 59


def test_the_first_of_them_are_the_first():
    (one, codes), (other, other_codes) = crowd(3), crowd(3, seed=1)
    joined = EcgSet.of((one, np.arange(3), codes), (other, np.arange(3), other_codes))
    first = joined.first(4)
    assert len(first) == 4 and len(joined.first(100)) == 6
    for a, b in zip(first.take(torch.arange(4)), joined.take(torch.arange(4)), strict=True):
        assert torch.equal(a, b)


def test_codes_are_predicted_in_the_order_asked_for_however_many():
    regressor, people = fresh_regressor().eval(), everybody(131)
    together = predict_codes(regressor, people, torch.arange(131), torch.device("cpu"))
    assert together.shape == (131, CODE) and together.std(0).min() > 1e-3
    some = torch.tensor([130, 5, 128, 5])
    torch.testing.assert_close(predict_codes(regressor, people, some, torch.device("cpu")), together[some])


# ---- The regressor ----


def test_it_learns_to_read_what_is_written(tmp_path):
    regressor, _ = regressed(tmp_path, recipe=replace(RECIPE, steps=60, learning_rate=1e-2, checkpoint_every=60))
    held_out = everybody(20, seed=1)
    predicted = predict_codes(regressor, held_out, torch.arange(20), torch.device("cpu"))
    error, spread = (predicted - held_out.codes).square().mean(0), held_out.codes.var(0)
    assert (error < 0.5 * spread).all()  # of the ECG's number and of the person's
    assert not regressor.training


def test_the_weights_that_did_best_on_held_out_people_are_left(tmp_path):
    """Held-out people of whom the opposite is true: the more is learned, the worse."""
    held_out = everybody(20, seed=1)
    held_out = replace(held_out, codes=-held_out.codes)
    recipe = replace(RECIPE, steps=30, learning_rate=1e-2)
    regressor, run = regressed(tmp_path, held_out, recipe=recipe)
    losses = metric(run, "validation_code_loss")
    assert min(losses) < losses[-1] - 0.05
    assert same_bits(weights(regressor), run.best())
    predicted = predict_codes(regressor, held_out, torch.arange(20), torch.device("cpu"))
    assert float(target_loss(predicted, held_out.codes)) == pytest.approx(min(losses), rel=1e-5)
    last = run.load()[1]["ema"]
    assert not torch.equal(last["0"], next(regressor.parameters()))


def test_without_dropout_the_nulls_are_never_looked_at(tmp_path):
    def other_nulls():
        regressor = fresh_regressor()
        with torch.no_grad():
            regressor.conditioner.ecg_null.fill_(9.0)
            regressor.conditioner.person_null.fill_(-9.0)
        return regressor

    def learned(folder, regressor, dropout):
        recipe = replace(RECIPE, steps=4)
        found = weights(regressed(tmp_path / folder, regressor=regressor, dropout=dropout, recipe=recipe)[0])
        return {name: value for name, value in found.items() if not name.endswith("_null")}

    assert same_bits(learned("a", fresh_regressor(), 0.0), learned("b", other_nulls(), 0.0))
    assert not same_bits(learned("c", fresh_regressor(), 0.5), learned("d", other_nulls(), 0.5))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return regressed(tmp_path_factory.mktemp("uninterrupted"))


@pytest.mark.parametrize("step", [3, 7, 11])
def test_an_interrupted_reading_ends_in_the_same_bits(uninterrupted, tmp_path, monkeypatch, step):
    whole, run = uninterrupted
    with monkeypatch.context() as torn:
        breaks_at(torn, training.code_regression, "augment_ecg", step + 1)
        with pytest.raises(Stopped):
            regressed(tmp_path / "torn")
    again, continued = regressed(tmp_path / "torn")
    assert same_bits(weights(again), weights(whole))
    assert metric(continued, "validation_code_loss") == metric(run, "validation_code_loss")


# ---- The prior ----


def test_the_prior_learns_and_the_reader_does_not(tmp_path):
    regressor = fresh_regressor().eval()
    before = weights(regressor)
    recipe = replace(RECIPE, steps=60, learning_rate=1e-2, checkpoint_every=60, evaluate_every=20)
    prior, run = learned_prior(tmp_path, regressor, recipe=recipe)
    assert same_bits(weights(regressor), before) and all(p.grad is None for p in regressor.parameters())
    losses = metric(run, "validation_prior_loss")
    assert losses[-1] < 0.9 * losses[0]
    assert same_bits(weights(prior), run.best()) and not prior.training


@pytest.mark.parametrize("unknown", ["of all", "of some"])
def test_a_number_that_is_unknown_has_no_say_in_the_prior(tmp_path, unknown):
    """Known of nobody, it moves none of the weights that predict it; known of some, it does."""
    train = everybody(40)
    train.codes[: 40 if unknown == "of all" else 20, 1] = torch.nan
    before = weights(fresh_prior())["leave.1.weight"]
    prior, run = learned_prior(tmp_path, fresh_regressor().eval(), train, replace(RECIPE, weight_decay=0.0))
    moved = (weights(prior)["leave.1.weight"] != before).any(dim=1).tolist()
    assert moved == [True, unknown == "of some"]
    assert np.isfinite(metric(run, "prior_loss")).all()


def test_an_interrupted_prior_ends_in_the_same_bits(tmp_path, monkeypatch):
    regressor = fresh_regressor().eval()
    whole, _ = learned_prior(tmp_path / "whole", regressor)
    with monkeypatch.context() as torn:
        breaks_at(torn, training.code_prior, "dropped", 7)
        with pytest.raises(Stopped):
            learned_prior(tmp_path / "torn", regressor)
    again, _ = learned_prior(tmp_path / "torn", regressor)
    assert same_bits(weights(again), weights(whole))
