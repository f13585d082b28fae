"""Distillation: a student ends in few steps where its teacher's sampler ended."""

import json
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from models.places import Places
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
from training.distillation import (
    PAIRS_PER_FILE,
    FlowSampler,
    Pairs,
    distillation,
    end_error,
    teacher_pairs,
    velocity_of,
)
from training.fit import fit
from training.order import keyed_generator
from training.recipe import Recipe
from training.run import Run
from training.session import Session

SHAPE = (3, 2, 4, 4)  # slices, channels, height, width
PLACES = Places.short_axis(torch.zeros(1, 3), torch.zeros(1, 3))
CPU = torch.device("cpu")
RECIPE = Recipe(12, 0.05, warmup=1, weight_decay=0.0, ema_decay=0.5, checkpoint_every=4, evaluate_every=4)


class Field(nn.Module):
    """A denoiser that goes straight to `heart` from wherever it stands, but for a fault in its first step."""

    def __init__(self, heart: float = 0.0, fault: float = 0.0) -> None:
        super().__init__()
        self.heart, self.fault = nn.Parameter(torch.tensor(heart)), fault

    def forward(self, points, sigma, places, tokens, condition):
        assert places.phase.shape == points.shape[:2] and len(tokens) == len(condition) == len(points)
        t = sigma.view(-1, 1, 1, 1, 1)
        return (points - self.heart - self.fault * (t > 0.9)) / t


def pairs_to(heart: float, count: int = 10) -> Pairs:
    """From random noise, all to the same heart."""
    noise = torch.randn(count, *SHAPE, generator=keyed_generator("pairs"))
    return Pairs(noise.half(), torch.full_like(noise, heart).half(), torch.zeros(count, 5, 8), torch.zeros(count, 6))


def sampler_of(steps):
    return FlowSampler(make_scheduler(DEFAULT_SCHEDULER), steps)


def learn(student, folder, pairs, steps=1, recipe=RECIPE):
    session = Session(Run(folder, {"recipe": "same"}), recipe, Accelerator(cpu=True), seed=0)
    return fit(distillation(session, student, sampler_of(steps), pairs, pairs, PLACES, hearts=4), session)


# ---- the sampler and what is learned on its way ----


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_straight_field_arrives_in_any_number_of_steps(steps):
    pairs = pairs_to(2.0)
    assert end_error(Field(2.0), sampler_of(steps), pairs, PLACES, 4, CPU) < 2e-3


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_teacher_that_arrives_in_one_step_is_its_own_student(tmp_path, steps):
    student = learn(Field(2.0), tmp_path, pairs_to(2.0), steps)
    assert float(student.heart.detach()) == pytest.approx(2.0, abs=0.02)  # time is told in thousandths
    losses = [
        json.loads(line).get("distillation_loss") for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(loss for loss in losses if loss is not None) < 0.01


@pytest.mark.parametrize("steps", [1, 2])
def test_a_student_learns_where_the_teacher_ends(tmp_path, steps):
    student = learn(Field(0.0), tmp_path, pairs_to(0.3), steps)
    assert float(student.heart.detach()) == pytest.approx(0.3, abs=0.06)


def test_a_later_step_mends_what_an_earlier_one_missed(tmp_path):
    """The way is taught from where the student stands: after a wrong first step the second still leads to the end."""
    pairs = pairs_to(2.0)
    astray = Field(2.0, fault=1.0)
    assert end_error(astray, sampler_of(1), pairs, PLACES, 4, CPU) == pytest.approx(0.5, abs=1e-2)  # 1 of the heart's 2
    assert end_error(astray, sampler_of(2), pairs, PLACES, 4, CPU) < 2e-3
    batch, sampler = pairs.take(torch.arange(4), CPU), sampler_of(2)
    velocity = velocity_of(astray, batch, PLACES)
    points = sampler.until(1, velocity, batch.noise)
    told, sigma = sampler.now(1, points)
    on_the_line = sigma * batch.noise + (1 - sigma) * batch.latents
    assert (points - on_the_line).abs().mean() > 0.4
    torch.testing.assert_close(velocity(points, told), (points - batch.latents) / sigma, atol=5e-3, rtol=0)


def test_a_resumed_student_is_the_uninterrupted_one(tmp_path, monkeypatch):
    pairs = pairs_to(1.0)
    whole = learn(Field(), tmp_path / "whole", pairs, steps=2)
    forward, calls = Field.forward, []

    def crashing(self, *given):
        calls.append(1)
        if len(calls) > 14:
            raise RuntimeError("the machine went down")
        return forward(self, *given)

    monkeypatch.setattr(Field, "forward", crashing)
    with pytest.raises(RuntimeError, match="went down"):
        learn(Field(), tmp_path / "torn", pairs, steps=2)
    monkeypatch.setattr(Field, "forward", forward)
    assert Run(tmp_path / "torn", {"recipe": "same"}).load()[0] == 4
    assert torch.equal(learn(Field(), tmp_path / "torn", pairs, steps=2).heart, whole.heart)


# ---- the teacher's pairs ----


def made(numbers):
    value = numbers.float().view(-1, 1, 1, 1, 1).expand(-1, *SHAPE)
    few = numbers.float()[:, None]
    return {"noise": value.half(), "latents": -value.half(), "tokens": few[:, None].half(), "condition": few}


def test_pairs_an_interrupted_run_has_left_are_kept(tmp_path):
    asked, count = [], 2 * PAIRS_PER_FILE + 3

    def failing(numbers):
        if len(asked) == 2:
            raise RuntimeError
        asked.append(numbers.tolist())
        return made(numbers)

    with pytest.raises(RuntimeError):
        teacher_pairs(tmp_path, count, failing, Accelerator(cpu=True))
    del asked[0]
    pairs = teacher_pairs(tmp_path, count, failing, Accelerator(cpu=True))
    assert asked[-1] == list(range(2 * PAIRS_PER_FILE, count))
    assert pairs.condition[:, 0].tolist() == list(range(count)) and len(pairs) == count
    assert torch.equal(pairs.latents, -pairs.noise)


def test_two_processes_make_the_pairs_of_one(tmp_path):
    count = 3 * PAIRS_PER_FILE
    asked = {0: [], 1: []}
    for rank in (1, 0):

        def make(numbers, rank=rank):
            asked[rank] += numbers.tolist()
            return made(numbers)

        def other(rank=rank):  # stands for the wait: the other process does its share
            if rank == 1:
                teacher_pairs(tmp_path, count, lambda n: asked[0].extend(n.tolist()) or made(n), process(0))

        teacher_pairs(tmp_path, count, make, process(rank, other))
    assert sorted(asked[0] + asked[1]) == list(range(count)) and asked[0] and asked[1]


def process(rank, wait=lambda: None):
    return SimpleNamespace(process_index=rank, num_processes=2, is_main_process=rank == 0, wait_for_everyone=wait)
