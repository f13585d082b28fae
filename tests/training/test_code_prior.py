"""The prior over heart codes, learned on people whose code is written in their ECG and weight."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import training.code_prior
from models.heart_prior import HeartPrior
from tests.training.small_people import (
    CODE,
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
from training.code_prior import code_prior, fields_of, leads_of
from training.fit import fit


def fresh_prior():
    torch.manual_seed(1)
    return HeartPrior(CODE, WIDTH + CODE, width=16, blocks=1)


def learned_prior(folder, regressor, train=None, recipe=RECIPE):
    """A prior that has learned, and its run."""
    where, prior = session_in(folder, recipe), fresh_prior()
    fit(code_prior(where, prior, regressor, train or everybody(40), everybody(20, seed=1), 0.1, people=32), where)
    return prior, where.run


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
        breaks_at(torn, training.code_prior, "withheld", 7)
        with pytest.raises(Stopped):
            learned_prior(tmp_path / "torn", regressor)
    again, _ = learned_prior(tmp_path / "torn", regressor)
    assert same_bits(weights(again), weights(whole))


@torch.no_grad()
def pooled_recordings(regressor, people):
    """What the encoder makes of each ECG as it was recorded, by the person's weight."""
    ecg, lead_mask, person, _ = people.take(torch.arange(len(people)))
    return dict(zip(person[:, 3].tolist(), regressor.ecg_encoder(ecg, lead_mask)[1], strict=True))


def test_the_prior_hears_several_copies_of_an_ecg_in_training_and_in_validation_the_recording(tmp_path):
    regressor, heard = fresh_regressor().eval(), {}

    def listen(_, given):
        for pooled, person in zip(*given[1:3], strict=True):
            heard.setdefault(float(person[3]), []).append(pooled)

    regressor.conditioner.register_forward_pre_hook(listen)
    learned_prior(tmp_path, regressor)
    for people, augmented in ((everybody(40), True), (everybody(20, seed=1), False)):
        for weight, recorded in pooled_recordings(regressor, people).items():
            versions = torch.stack(heard[weight])
            assert (len({tuple(version) for version in versions.tolist()}) > 1) is augmented
            assert (float((versions - recorded).abs().amax(dim=1).min()) > 1e-4) is augmented


def lead_counts(heard):
    """How many leads each recording had that the encoder was given."""
    return {int(count) for mask in heard for count in mask.sum(dim=1)}


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_prior_hears_recordings_without_leads_if_anything_is_withheld(tmp_path, dropout):
    regressor, heard = fresh_regressor().eval(), []
    regressor.ecg_encoder.register_forward_pre_hook(lambda _, given: heard.append(given[1]))
    where = session_in(tmp_path, replace(RECIPE, steps=1))
    code_prior(where, fresh_prior(), regressor, everybody(40), everybody(20, seed=1), dropout, people=32)
    assert (min(lead_counts(heard)) == 1) is bool(dropout)


def test_a_spread_is_measured_with_as_many_leads_and_fields_as_its_case_says():
    mask, person = torch.ones(400, 12, dtype=torch.bool), torch.ones(400, 6)
    generator = torch.Generator().manual_seed(0)
    kept = {count: leads_of(mask, count, generator) for count in (0, 1, 2, 5, 8)}
    assert not kept[0][:, 6:].any() and kept[8].all()
    assert (kept[1].sum(1) == 1).all() and kept[1].any(0).all()
    for count in (2, 5):
        assert kept[count][:, :6].all() and (kept[count][:, 6:].sum(1) == count - 2).all()
    assert not leads_of(torch.zeros_like(mask), 8, generator).any()
    for count in (0, 3, 4):
        told = fields_of(person, count, generator)
        assert ((~told[:, :4].isnan()).sum(1) == count).all() and (told[:, 4:] == 1).all()
    assert fields_of(person, 3, generator)[:, :4].isnan().any(0).all()
