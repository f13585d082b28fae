"""The head alone, learned on people whose heart code is written in their ECG and weight."""

from dataclasses import replace

import pytest
import torch

import training.code_head
from tests.training.small_people import (
    RECIPE,
    WIDTH,
    Stopped,
    breaks_at,
    everybody,
    fresh_regressor,
    metric,
    same_bits,
    session_in,
    weights,
)
from training.code_head import code_head
from training.fit import fit


def learned_head(folder, regressor, recipe=RECIPE):
    """The regressor's head after learning, and its run."""
    where = session_in(folder, recipe)
    fit(code_head(where, regressor, everybody(40), everybody(20, seed=1), 0.1, people=32), where)
    return where.run


def given_denoiser(regressor):
    """Tokens and embedding of some people."""
    ecg, lead_mask, person, _ = everybody(5, seed=2).take(torch.arange(5))
    with torch.no_grad():
        tokens, summary = regressor.eval()(ecg, lead_mask, person, *torch.ones(2, 5, dtype=torch.bool))
    return torch.cat([tokens.flatten(1), summary[:, :WIDTH]], dim=1)


def test_the_head_learns_and_what_the_denoiser_is_given_stays(tmp_path):
    regressor = fresh_regressor().eval()
    encoder, given = weights(regressor.ecg_encoder), given_denoiser(regressor)
    run = learned_head(tmp_path, regressor, replace(RECIPE, steps=60, learning_rate=1e-2, evaluate_every=20))
    losses = metric(run, "validation_code_loss")
    assert min(losses) < 0.7 * float(everybody(20, seed=1).codes.square().mean())
    assert same_bits(weights(regressor.ecg_encoder), encoder) and torch.equal(given_denoiser(regressor), given)


def test_an_interrupted_head_ends_in_the_same_bits(tmp_path, monkeypatch):
    whole = fresh_regressor().eval()
    learned_head(tmp_path / "whole", whole)
    with monkeypatch.context() as torn:
        breaks_at(torn, training.code_head, "withheld", 7)
        with pytest.raises(Stopped):
            learned_head(tmp_path / "torn", fresh_regressor().eval())
    again = fresh_regressor().eval()
    learned_head(tmp_path / "torn", again)
    assert same_bits(weights(again), weights(whole))
