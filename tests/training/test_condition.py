"""Reading ECG and person, on people whose heart code is written in both: nothing else is known of them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from models.heart_prior import HeartPrior
from training.condition import learn_prior, learn_reading, predict_codes, recordings
from training.fit import Recipe
from training.objectives import ConditionReader, target_loss
from training.run import Run

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
    return recordings((cohort, np.arange(people), codes))


def fresh_reader(dropout=0.1):
    torch.manual_seed(0)
    encoder = ECGEncoder(duration_s=1.0, width=WIDTH, layers=1, heads=2, dropout=dropout)
    return ConditionReader(encoder, HeartConditioner(width=WIDTH, components=CODE))


def read(folder, held_out=None, reader=None, dropout=0.1, recipe=RECIPE):
    """A reader that has learned, and its run."""
    run, reader = Run(folder, {}), reader or fresh_reader()
    held_out = held_out or everybody(20, seed=1)
    options = (run, recipe, Accelerator(cpu=True), 8, dropout, 7, "test")
    learn_reading(reader, everybody(40), held_out, *options)
    return reader, run


def fresh_prior():
    torch.manual_seed(1)
    return HeartPrior(CODE, WIDTH + CODE, width=16, blocks=1)


def learn_codes(folder, reader, train=None, recipe=RECIPE, prior=None):
    prior, run = prior or fresh_prior(), Run(folder, {})
    options = (run, recipe, Accelerator(cpu=True), 32, 0.1, 7)
    learn_prior(prior, reader, train or everybody(40), everybody(20, seed=1), *options)
    return prior, run


def metric(run, name):
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_bits(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def breaks_at(monkeypatch, name, call):
    """The function of that name in training.condition fails at its `call`-th call."""
    import training.condition

    calls, whole = [], getattr(training.condition, name)

    def broken(*arguments):
        calls.append(name)
        if len(calls) == call:
            raise Stopped
        return whole(*arguments)

    monkeypatch.setattr(training.condition, name, broken)


# ---- Recordings ----


def test_cohorts_are_joined_in_their_order_and_rows_keep_theirs():
    (one, codes), (other, other_codes) = crowd(6), crowd(4, seed=1)
    rows = np.array([4, 0, 5])
    joined = recordings((one, rows, codes[rows]), (other, np.arange(4), other_codes))
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
    _, lead_mask, person, found = recordings((cohort, np.arange(5), codes)).take(torch.arange(5))
    assert torch.equal(found.isnan(), codes.isnan()) and found.isnan().sum() == 3
    assert person.isnan().sum() == 1 and person[1, 3].isnan() and not lead_mask[3, 8] and lead_mask.sum() == 59


def test_the_first_of_them_are_the_first():
    (one, codes), (other, other_codes) = crowd(3), crowd(3, seed=1)
    joined = recordings((one, np.arange(3), codes), (other, np.arange(3), other_codes))
    first = joined.first(4)
    assert len(first) == 4 and len(joined.first(100)) == 6
    for a, b in zip(first.take(torch.arange(4)), joined.take(torch.arange(4)), strict=True):
        assert torch.equal(a, b)


def test_codes_are_predicted_in_the_order_asked_for_however_many():
    reader, people = fresh_reader().eval(), everybody(131)
    together = predict_codes(reader, people, torch.arange(131), torch.device("cpu"))
    assert together.shape == (131, CODE) and together.std(0).min() > 1e-3
    some = torch.tensor([130, 5, 128, 5])
    torch.testing.assert_close(predict_codes(reader, people, some, torch.device("cpu")), together[some])


# ---- The reader ----


def test_it_learns_to_read_what_is_written(tmp_path):
    reader, _ = read(tmp_path, recipe=replace(RECIPE, steps=60, learning_rate=1e-2, checkpoint_every=60))
    held_out = everybody(20, seed=1)
    predicted = predict_codes(reader, held_out, torch.arange(20), torch.device("cpu"))
    error, spread = (predicted - held_out.codes).square().mean(0), held_out.codes.var(0)
    assert (error < 0.5 * spread).all()  # of the ECG's number and of the person's
    assert not reader.training


def test_the_weights_that_did_best_on_held_out_people_are_left(tmp_path):
    """Held-out people of whom the opposite is true: the more is learned, the worse."""
    held_out = everybody(20, seed=1)
    held_out = replace(held_out, codes=-held_out.codes)
    recipe = replace(RECIPE, steps=30, learning_rate=1e-2)
    reader, run = read(tmp_path, held_out, recipe=recipe)
    losses = metric(run, "validation_code_loss")
    assert min(losses) < losses[-1] - 0.05
    assert same_bits(weights(reader), run.best())
    predicted = predict_codes(reader, held_out, torch.arange(20), torch.device("cpu"))
    assert float(target_loss(predicted, held_out.codes)) == pytest.approx(min(losses), rel=1e-5)
    last = run.load()[1]["ema"]
    assert not torch.equal(last["0"], next(reader.parameters()))


def test_without_dropout_the_nulls_are_never_looked_at(tmp_path):
    def other_nulls():
        reader = fresh_reader()
        with torch.no_grad():
            reader.conditioner.ecg_null.fill_(9.0)
            reader.conditioner.person_null.fill_(-9.0)
        return reader

    def learned(folder, reader, dropout):
        recipe = replace(RECIPE, steps=4)
        found = weights(read(tmp_path / folder, reader=reader, dropout=dropout, recipe=recipe)[0])
        return {name: value for name, value in found.items() if not name.endswith("_null")}

    assert same_bits(learned("a", fresh_reader(), 0.0), learned("b", other_nulls(), 0.0))
    assert not same_bits(learned("c", fresh_reader(), 0.5), learned("d", other_nulls(), 0.5))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return read(tmp_path_factory.mktemp("uninterrupted"))


@pytest.mark.parametrize("step", [3, 7, 11])
def test_an_interrupted_reading_ends_in_the_same_bits(uninterrupted, tmp_path, monkeypatch, step):
    whole, run = uninterrupted
    with monkeypatch.context() as torn:
        breaks_at(torn, "augment_ecg", step + 1)
        with pytest.raises(Stopped):
            read(tmp_path / "torn")
    again, continued = read(tmp_path / "torn")
    assert same_bits(weights(again), weights(whole))
    assert metric(continued, "validation_code_loss") == metric(run, "validation_code_loss")


# ---- The prior ----


def test_the_prior_learns_and_the_reader_does_not(tmp_path):
    reader = fresh_reader().eval()
    before = weights(reader)
    recipe = replace(RECIPE, steps=60, learning_rate=1e-2, checkpoint_every=60, evaluate_every=20)
    prior, run = learn_codes(tmp_path, reader, recipe=recipe)
    assert same_bits(weights(reader), before) and all(p.grad is None for p in reader.parameters())
    losses = metric(run, "validation_prior_loss")
    assert losses[-1] < 0.9 * losses[0]
    assert same_bits(weights(prior), run.best()) and not prior.training


@pytest.mark.parametrize("unknown", ["of all", "of some"])
def test_a_number_that_is_unknown_has_no_say_in_the_prior(tmp_path, unknown):
    """Known of nobody, it moves none of the weights that predict it; known of some, it does."""
    train = everybody(40)
    train.codes[: 40 if unknown == "of all" else 20, 1] = torch.nan
    before = weights(fresh_prior())["leave.1.weight"]
    prior, run = learn_codes(tmp_path, fresh_reader().eval(), train, replace(RECIPE, weight_decay=0.0))
    moved = (weights(prior)["leave.1.weight"] != before).any(dim=1).tolist()
    assert moved == [True, unknown == "of some"]
    assert np.isfinite(metric(run, "prior_loss")).all()


def test_an_interrupted_prior_ends_in_the_same_bits(tmp_path, monkeypatch):
    reader = fresh_reader().eval()
    whole, _ = learn_codes(tmp_path / "whole", reader)
    with monkeypatch.context() as torn:
        breaks_at(torn, "dropped", 7)
        with pytest.raises(Stopped):
            learn_codes(tmp_path / "torn", reader)
    again, _ = learn_codes(tmp_path / "torn", reader)
    assert same_bits(weights(again), weights(whole))


@torch.no_grad()
def pooled_recordings(reader, people):
    """What the encoder makes of each ECG as it was recorded, by the person's weight."""
    ecg, lead_mask, person, _ = people.take(torch.arange(len(people)))
    return dict(zip(person[:, 3].tolist(), reader.ecg_encoder(ecg, lead_mask)[1], strict=True))


def test_the_prior_hears_several_copies_of_an_ecg_in_training_and_in_validation_the_recording(tmp_path):
    reader, heard = fresh_reader().eval(), {}

    def listen(_, given):
        for pooled, person in zip(*given[1:3], strict=True):
            heard.setdefault(float(person[3]), []).append(pooled)

    reader.conditioner.register_forward_pre_hook(listen)
    learn_codes(tmp_path, reader)
    for people, augmented in ((everybody(40), True), (everybody(20, seed=1), False)):
        for weight, recorded in pooled_recordings(reader, people).items():
            versions = torch.stack(heard[weight])
            assert (len({tuple(version) for version in versions.tolist()}) > 1) is augmented
            assert (float((versions - recorded).abs().amax(dim=1).min()) > 1e-4) is augmented
