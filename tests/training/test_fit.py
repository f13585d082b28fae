"""The loop itself, on a network of a few weights: what is learned must not depend on interruptions."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

import training.launcher
import training.run
from cohort.errors import InputError
from training.checkpoint import read_best
from training.fit import Task, fit
from training.order import keyed_generator
from training.recipe import Recipe
from training.run import Run
from training.session import Session

RECIPE = Recipe(steps=60, learning_rate=1e-2, warmup=5, ema_decay=0.9, checkpoint_every=20, evaluate_every=10)


class Stopped(Exception):
    """Stands for a crash in the middle of a step."""


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.GELU(), nn.Linear(16, 1))


def loss_of(module, step):
    """Learn the sum of three numbers; a step's examples are a function of the step."""
    x = torch.randn(8, 3, generator=keyed_generator("examples", step))
    loss = (module(x) - x.sum(dim=1, keepdim=True)).square().mean()
    return loss, {"loss": loss.detach()}


def evaluate(module, step):
    x = torch.ones(1, 3)
    return {"validation_error": float((module(x) - 3).abs())}


def train(folder, loss=loss_of, module=None, recipe=RECIPE, accelerator=None, evaluate=evaluate, **options):
    task = Task("test", module or network(), loss, evaluate, **options)
    run = Run(folder, {"recipe": "same"})
    return fit(task, Session(run, recipe, accelerator or Accelerator(cpu=True), seed=0))


def last_checkpoint(folder):
    return Run(folder, {"recipe": "same"}).load()


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        a[part].keys() == b[part].keys() and all(torch.equal(a[part][k], b[part][k]) for k in a[part]) for part in a
    )


def interrupted_at(step, how, loss_of=loss_of):
    def loss(module, at):
        if at == step:
            how()
        return loss_of(module, at)

    return loss


def crash():
    raise Stopped


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, train(folder)


def test_it_learns(uninterrupted):
    folder, module = uninterrupted
    losses = [line["loss"] for line in metrics(folder) if "loss" in line]
    assert losses[-1] < losses[0] / 3
    assert not module.training


def test_what_is_left_in_the_module_is_the_average(uninterrupted):
    folder, module = uninterrupted
    step, parts = last_checkpoint(folder)
    assert step == 60
    for index, parameter in enumerate(module.parameters()):
        assert torch.equal(parameter, parts["ema"][str(index)])
    assert not torch.equal(parts["ema"]["0"], parts["module"]["0.weight"])


@pytest.mark.parametrize(("how", "at", "error"), [(crash, 33, Stopped), (terminate, 33, KeyboardInterrupt)])
def test_an_interrupted_run_ends_in_the_same_bits(uninterrupted, tmp_path, how, at, error):
    with pytest.raises(error):
        train(tmp_path, interrupted_at(at, how))
    # a crash loses what came after the last checkpoint; SIGTERM finishes its step and saves it
    assert last_checkpoint(tmp_path)[0] == (20 if how is crash else at + 1)
    module = train(tmp_path)
    assert same_bits(last_checkpoint(tmp_path)[1], last_checkpoint(uninterrupted[0])[1])
    assert all(map(torch.equal, module.parameters(), uninterrupted[1].parameters()))


@pytest.mark.parametrize("at", [20, 30, 60])
def test_an_evaluation_does_not_hold_up_a_stop_and_is_made_up(uninterrupted, tmp_path, at):
    """Also where a checkpoint is due at the same step, at the end, and if it is cut short twice."""

    def endless(module, step):
        if step == at:
            terminate()
            raise AssertionError("the evaluation went on")
        return evaluate(module, step)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, evaluate=endless, best="validation_error")
        assert last_checkpoint(tmp_path)[0] == at
        assert [line["step"] for line in metrics(tmp_path) if "validation_error" in line] == list(range(10, at, 10))
    train(tmp_path, best="validation_error")
    assert metrics(tmp_path) == metrics(uninterrupted[0])
    assert same_bits(last_checkpoint(tmp_path)[1], last_checkpoint(uninterrupted[0])[1])
    errors = {line["step"]: line["validation_error"] for line in metrics(tmp_path) if "validation_error" in line}
    assert read_best(tmp_path / "best.safetensors")[1:] == (min(errors.values()), min(errors, key=errors.get))
    before = metrics(tmp_path)
    train(tmp_path, best="validation_error")
    assert metrics(tmp_path) == before


def test_a_stop_before_an_evaluation_leaves_it_to_the_next_start(uninterrupted, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, interrupted_at(29, terminate))
    assert "validation_error" not in metrics(tmp_path)[-1] and last_checkpoint(tmp_path)[0] == 30
    train(tmp_path)
    assert metrics(tmp_path) == metrics(uninterrupted[0])


def test_metrics_of_a_resumed_run_are_those_of_an_uninterrupted_one(uninterrupted, tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, interrupted_at(50, crash))
    train(tmp_path)
    assert metrics(tmp_path) == metrics(uninterrupted[0])
    kinds = [(line["step"], "loss" in line) for line in metrics(tmp_path)]
    assert len(kinds) == len(set(kinds))


def test_a_finished_run_finishes_at_once(uninterrupted):
    folder, module = uninterrupted

    def never(module, step):
        raise AssertionError("there is nothing left to do")

    again = train(folder, never)
    assert all(map(torch.equal, again.parameters(), module.parameters()))


def test_dropout_is_a_function_of_the_step_too(tmp_path):
    """Masks come from the global generator, whose state no checkpoint holds."""

    def with_dropout():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.5), nn.Linear(16, 1))

    whole = train(tmp_path / "whole", module=with_dropout())
    with pytest.raises(Stopped):
        train(tmp_path / "torn", interrupted_at(33, crash), module=with_dropout())
    torch.manual_seed(99)
    resumed = train(tmp_path / "torn", module=with_dropout())
    assert all(map(torch.equal, resumed.parameters(), whole.parameters()))


@pytest.mark.parametrize("at", [25, 39, 40])
def test_a_loss_that_is_not_finite_stops_with_its_step_and_people_before_anything_is_saved(tmp_path, at):
    """Steps are counted from 1, as in metrics and checkpoints: the loss of step `at` + 1 is NaN."""

    def broken(module, step):
        loss, _ = loss_of(module, step)
        loss = loss * float("nan") if step == at else loss
        return loss, {"loss": loss.detach()}

    told = rf"the loss is not finite at step {at + 1}, process 0, of the people in rows \[{at}, 7\]"
    with pytest.raises(InputError, match=told):
        train(tmp_path, broken, people_of=lambda step: [step, 7])
    step, parts = last_checkpoint(tmp_path)
    assert step <= at
    assert all(value.isfinite().all() for tensors in parts.values() for value in tensors.values())
    best = tmp_path / "best.safetensors"
    assert not best.exists()
    assert max(line["step"] for line in metrics(tmp_path)) <= at


@pytest.mark.parametrize("at", [39, 52])
def test_a_weight_that_is_not_finite_is_never_saved_though_every_loss_is(tmp_path, at):
    def overflowing(module, step):
        if step == at:
            with torch.no_grad():
                module[0].bias[3] = float("inf")
        loss, told = loss_of(module, step)
        return loss.nan_to_num(1.0, 1.0, 1.0).clamp(max=1.0), told

    with pytest.raises(InputError, match="a weight is not finite at step"):
        train(tmp_path, overflowing)
    assert last_checkpoint(tmp_path)[0] <= at


def test_a_damaged_newest_checkpoint_costs_time_and_not_the_result(uninterrupted, tmp_path, capsys):
    with pytest.raises(Stopped):
        train(tmp_path, interrupted_at(45, crash))
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1] / "ema.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    train(tmp_path)
    assert same_bits(last_checkpoint(tmp_path)[1], last_checkpoint(uninterrupted[0])[1])


def test_evaluation_sees_the_average_and_leaves_the_weights_alone(tmp_path):
    seen = {}

    def watch(module, step):
        seen[step] = [p.clone() for p in module.parameters()]
        assert not module.training and not torch.is_grad_enabled()
        return {}

    watched = train(tmp_path / "a", evaluate=watch)
    assert sorted(seen) == [10, 20, 30, 40, 50, 60]
    assert all(map(torch.equal, seen[60], watched.parameters()))
    plain = train(tmp_path / "b", evaluate=lambda module, step: {})
    assert all(map(torch.equal, plain.parameters(), watched.parameters()))


def test_two_small_batches_accumulated_are_one_large_one(tmp_path):
    """Micro-steps 2 k and 2 k + 1 make optimiser step k."""

    def halves(module, micro):
        x = torch.randn(8, 3, generator=keyed_generator("examples", micro // 2))[micro % 2 :: 2]
        loss = (module(x) - x.sum(dim=1, keepdim=True)).square().mean()
        return loss, {"loss": loss.detach()}

    recipe = Recipe(steps=10, learning_rate=1e-2, warmup=2)
    whole = train(tmp_path / "a", recipe=recipe)
    accumulating = Accelerator(cpu=True, gradient_accumulation_steps=2)
    parts = train(tmp_path / "b", halves, recipe=recipe, accelerator=accumulating)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


# ---- The best average ----


def train_for_the_best(folder, loss=loss_of, recipe=RECIPE):
    """A run whose averages do best at step 30, and the averages it was shown."""
    shown = {}

    def judge(module, step):
        shown[step] = [p.clone() for p in module.parameters()]
        return {"miss": abs(step - 30)}

    return train(folder, loss, recipe=recipe, evaluate=judge, best="miss"), shown


def test_the_average_that_did_best_is_left_and_not_the_last(uninterrupted, tmp_path):
    left, shown = train_for_the_best(tmp_path)
    assert all(map(torch.equal, left.parameters(), shown[30]))
    assert not any(map(torch.equal, left.parameters(), shown[60]))
    assert all(map(torch.equal, uninterrupted[1].parameters(), shown[60]))  # being judged changes no step
    assert not left.training and not (uninterrupted[0] / "best.safetensors").exists()


@pytest.mark.parametrize("begun", [True, False])
def test_trained_weights_that_a_stage_begins_with_are_left_where_it_makes_them_worse(tmp_path, begun):
    task = Task("test", network(), loss_of, lambda module, step: {"worse": float(step)}, best="worse")
    session = Session(Run(tmp_path, {"recipe": "same"}), RECIPE, Accelerator(cpu=True), seed=0, begun=begun)
    kept = all(map(torch.equal, fit(task, session).parameters(), network().parameters()))
    assert kept is begun
    assert [line["step"] for line in metrics(tmp_path) if "worse" in line][0] == (0 if begun else 10)


@pytest.fixture(scope="module")
def best_of_a_whole_run(tmp_path_factory):
    return train_for_the_best(tmp_path_factory.mktemp("best"))


@pytest.mark.parametrize(("how", "at"), [(crash, 15), (terminate, 33), (crash, 55)])
def test_the_best_of_an_interrupted_run_is_that_of_a_whole_one(best_of_a_whole_run, tmp_path, how, at):
    whole, shown = best_of_a_whole_run
    with pytest.raises((Stopped, KeyboardInterrupt)):
        train_for_the_best(tmp_path, interrupted_at(at, how))
    again, _ = train_for_the_best(tmp_path)
    assert all(map(torch.equal, again.parameters(), shown[30]))
    finished, _ = train_for_the_best(tmp_path)
    assert all(map(torch.equal, finished.parameters(), whole.parameters()))


# ---- How it is launched ----


def test_a_launcher_that_is_gone_asks_for_a_checkpoint_and_an_end(tmp_path, monkeypatch):
    """Its children would go on as orphans, and keep the next start out of the run's folder."""
    monkeypatch.setattr(training.launcher, "PARENT", -1)
    monkeypatch.setattr(training.launcher, "LAUNCHED", True)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert last_checkpoint(tmp_path)[0] == 1
    monkeypatch.setattr(training.launcher, "LAUNCHED", False)  # of a shell that is gone we know nothing: nohup
    assert train(tmp_path, recipe=Recipe(steps=3, learning_rate=1e-2)) is not None


def test_a_signal_we_were_started_to_ignore_is_ignored(tmp_path):
    """As nohup has us ignore SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        hung_up = interrupted_at(1, lambda: os.kill(os.getpid(), signal.SIGHUP))
        train(tmp_path, hung_up, recipe=Recipe(steps=4, learning_rate=1e-2))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert last_checkpoint(tmp_path)[0] == 4


def test_an_unfinished_run_is_not_continued_by_another_launch(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, interrupted_at(33, crash))
    accumulating = Accelerator(cpu=True, gradient_accumulation_steps=2)
    with pytest.raises(InputError, match="gradient_accumulation_steps was 1, is 2"):
        train(tmp_path, accelerator=accumulating)


def test_a_finished_run_may_be_looked_at_by_any_launch(uninterrupted):
    again = train(uninterrupted[0], accelerator=Accelerator(cpu=True, gradient_accumulation_steps=2))
    assert all(map(torch.equal, again.parameters(), uninterrupted[1].parameters()))


def test_a_disk_too_small_is_told_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(training.run, "free_bytes", lambda folder: 4)

    def never(module, step):
        raise AssertionError("hours of work would end at the first checkpoint")

    weights = sum(p.nbytes for p in network().parameters())
    need = 4 * 4 * weights  # weights, average and AdamW's two moments; two kept, one being written, the best
    with pytest.raises(InputError, match=f"need {need:_} bytes and 4 are free"):
        train(tmp_path, never)


def test_a_checkpoint_of_another_network_is_refused(uninterrupted):
    with pytest.raises(InputError, match="another network"):
        train(uninterrupted[0], module=nn.Linear(3, 1))


# ---- Mixed precision ----


def test_the_scale_of_fp16_losses_survives_an_interruption(tmp_path):
    """It doubles every 7 steps here; a resumed run that began at the first scale again would end elsewhere."""

    def scaled():
        accelerator = Accelerator(cpu=True)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=7)
        return accelerator

    recipe = Recipe(steps=40, learning_rate=1e-2, warmup=5, ema_decay=0.9, checkpoint_every=10, evaluate_every=40)
    train(tmp_path / "whole", recipe=recipe, accelerator=scaled())
    with pytest.raises(Stopped):
        train(tmp_path / "torn", interrupted_at(33, crash), recipe=recipe, accelerator=scaled())
    assert last_checkpoint(tmp_path / "torn")[1]["scaler"]["scale"] == 4 * 2 ** (30 // 7)
    train(tmp_path / "torn", recipe=recipe, accelerator=scaled())
    whole = last_checkpoint(tmp_path / "whole")[1]
    assert "scaler" in whole and same_bits(last_checkpoint(tmp_path / "torn")[1], whole)


@pytest.fixture
def bf16():
    """An Accelerator of bfloat16; what the others of this process agreed on is put back afterwards."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield lambda: Accelerator(cpu=True, mixed_precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)


def test_weights_and_average_stay_in_float32_under_bfloat16(tmp_path, bf16):
    """In bfloat16 an average of decay 0.998 hardly moves."""
    recipe = Recipe(steps=12, learning_rate=1e-2, warmup=2, checkpoint_every=5)
    train(tmp_path, recipe=recipe, accelerator=bf16())
    _, parts = last_checkpoint(tmp_path)
    kinds = {value.dtype for part in ("module", "ema", "optimizer") for value in parts[part].values()}
    assert kinds == {torch.float32, torch.int64}  # the integer: how many steps the average has seen


# ---- Longer ----


def continued(folder, steps):
    """The run of 60 steps, or of more, opened with its length as every training does."""
    recipe = replace(RECIPE, steps=steps)
    task = Task("test", network(), loss_of, evaluate)
    run = Run(folder, {"recipe": "same", "steps": steps}, lengths=("steps",))
    return fit(task, Session(run, recipe, Accelerator(cpu=True), seed=0))


def rates(folder):
    return {line["step"]: line["learning_rate"] for line in metrics(folder) if "learning_rate" in line}


def test_a_longer_run_keeps_its_steps_and_takes_the_rates_of_the_new_length(tmp_path):
    continued(tmp_path, 60)
    before, lines = rates(tmp_path), metrics(tmp_path)
    continued(tmp_path, 90)
    assert metrics(tmp_path)[: len(lines)] == lines and Run(tmp_path, {"recipe": "same", "steps": 90}).done == 90
    new = {step: rate for step, rate in rates(tmp_path).items() if step not in before}
    assert new and new == {step: pytest.approx(replace(RECIPE, steps=90).rate_at(step - 1)) for step in new}


def test_a_longer_run_that_is_interrupted_ends_in_the_same_bits(tmp_path, monkeypatch):
    for name in ("whole", "stopped"):
        continued(tmp_path / name, 60)
    continued(tmp_path / "whole", 90)
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "loss_of", interrupted_at(71, terminate))
        with pytest.raises(KeyboardInterrupt):
            continued(tmp_path / "stopped", 90)
    continued(tmp_path / "stopped", 90)
    one, other = (Run(tmp_path / name, {"recipe": "same", "steps": 90}).load()[1] for name in ("whole", "stopped"))
    assert same_bits(one, other)
