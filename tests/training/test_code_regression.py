"""Codes from ECG and person, on people whose heart code is written in both: nothing else is known of them."""

from dataclasses import replace

import pytest
import torch

import training.code_regression
from tests.training.small_people import (
    CODE,
    RECIPE,
    Stopped,
    breaks_at,
    everybody,
    fresh_regressor,
    metric,
    same_bits,
    session_in,
    weights,
)
from training.code_regression import code_regression, predict_codes
from training.fit import fit
from training.objectives import target_loss


def regressed(folder, held_out=None, regressor=None, dropout=0.1, recipe=RECIPE):
    """A regressor that has learned, and its run."""
    where, regressor = session_in(folder, recipe), regressor or fresh_regressor()
    held_out = held_out or everybody(20, seed=1)
    fit(code_regression(where, "test", regressor, everybody(40), held_out, dropout, people=8), where)
    return regressor, where.run


def test_codes_are_predicted_in_the_order_asked_for_however_many():
    regressor, people = fresh_regressor().eval(), everybody(131)
    together = predict_codes(regressor, people, torch.arange(131), torch.device("cpu"))
    assert together.shape == (131, CODE) and together.std(0).min() > 1e-3
    some = torch.tensor([130, 5, 128, 5])
    torch.testing.assert_close(predict_codes(regressor, people, some, torch.device("cpu")), together[some])


def test_it_learns_to_read_what_is_written(tmp_path):
    recipe = replace(RECIPE, steps=60, learning_rate=1e-2, checkpoint_every=60)
    regressor, _ = regressed(tmp_path, dropout=0.05, recipe=recipe)
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
