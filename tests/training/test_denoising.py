"""A whole training step of the denoiser: what it is given, what it costs and what is learned from it."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from models.code_regressor import CodeRegressor
from training.denoising import BatchPlan, TrainingData, denoising
from training.fit import fit
from training.recipe import Recipe
from training.run import Run
from training.session import Session

PLAN = BatchPlan(hearts=8, slices=3, condition_dropout=0.0, shared_noise=0.5)
LARGE = 100.0  # a code that nothing else in the condition reaches


@dataclass(frozen=True)
class Given:
    """What the denoiser was given at one step: latents (B, S, C, h, w), sigma (B,), tokens and condition."""

    latents: torch.Tensor
    sigma: torch.Tensor
    tokens: torch.Tensor
    condition: torch.Tensor

    @property
    def noise(self):
        """Of hearts whose latents are 0."""
        return self.latents / self.sigma.view(-1, 1, 1, 1, 1)

    @property
    def has_a_code(self):
        """(B,) bool, where every code is LARGE."""
        return self.condition.abs().amax(dim=1) > LARGE / 2


class Recorder(nn.Module):
    """A denoiser of one weight, which answers slice by slice; it keeps what it was given and its gradients."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.training_steps, self.validations, self.gradients = [], [], []
        self.weight.register_hook(lambda gradient: self.gradients.append(float(gradient)))

    def forward(self, latents, sigma, places, tokens, condition):
        given = Given(latents, sigma, tokens, condition)
        (self.training_steps if self.training else self.validations).append(given)
        return self.weight * (latents + condition.mean())


@pytest.fixture
def prepared(prepared):
    """The small cohort, the first two seconds of its ECGs."""
    return replace(prepared, ecg=np.asarray(prepared.ecg[:, :, :500]))


@pytest.fixture
def regressor(tiny_parts):
    return CodeRegressor(tiny_parts["ecg_encoder"], tiny_parts["conditioner"])


@pytest.fixture
def learn(tmp_path, prepared, regressor, monkeypatch):
    """Train for some steps: the recorder, and the losses by name."""
    monkeypatch.setattr(Accelerator, "free_memory", lambda self: None)  # takes longer than a step, for nothing here

    def learn(cohort=None, latents=None, codes=None, steps=1, **plan):
        cohort = cohort or prepared
        people = len(cohort.eid)
        latents = np.zeros((people, 3, 2, 4, 4, 4), np.float32) if latents is None else latents
        codes = torch.zeros(people, 3) if codes is None else codes
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        recorder, data = Recorder(), TrainingData(cohort, latents, codes, replace(PLAN, **plan))
        recipe = Recipe(steps, 1e-3, evaluate_every=steps)
        session = Session(Run(folder, {}), recipe, Accelerator(cpu=True), seed=0)
        fit(denoising(session, recorder, regressor, data, lambda step: None), session)
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return recorder, {name: value for line in lines for name, value in line.items() if name.endswith("loss")}

    return learn


def latents_of(cohort, seed=0):
    return np.random.default_rng(seed).normal(size=(len(cohort.eid), 3, 2, 4, 4, 4)).astype(np.float32)


# ---- Slices outside the acquisition ----


def test_masked_slices_change_neither_loss_nor_gradient_of_a_step(learn, prepared):
    mask = np.zeros(prepared.mask.shape, bool)
    mask[:, 1, 0] = True  # one slice of six: of the three drawn, two lie outside the acquisition
    cohort, latents = replace(prepared, mask=mask), latents_of(prepared)
    noisy_outside = np.where(mask[..., None, None, None], latents, 50 * latents_of(prepared, 1))
    other_inside = np.where(mask[..., None, None, None], latents + 1, latents)
    (one, losses), (same, same_losses), (other, other_losses) = (
        learn(cohort, hearts) for hearts in (latents, noisy_outside, other_inside)
    )
    assert set(losses) == {"flow_loss", "validation_flow_loss"} and same_losses == losses
    assert same.gradients == one.gradients
    assert other.gradients != one.gradients and other_losses["flow_loss"] != losses["flow_loss"]


# ---- Noise ----


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_noise_of_a_batch_correlates_between_the_slices_of_a_heart_by_the_shared_part(learn, prepared, shared):
    empty = np.zeros((len(prepared.eid), 3, 2, 4, 12, 12), np.float32)
    recorder, _ = learn(latents=empty, hearts=8, shared_noise=shared)
    for given in (recorder.training_steps[0], recorder.validations[0]):
        hearts, slices = given.noise.shape[:2]
        correlation = np.corrcoef(given.noise.reshape(hearts * slices, -1))
        heart = np.arange(hearts * slices) // slices
        same = (heart[:, None] == heart) & ~np.eye(len(heart), dtype=bool)
        assert correlation[same].mean() == pytest.approx(shared, abs=0.04)
        assert correlation[heart[:, None] != heart].mean() == pytest.approx(0, abs=0.04)
        assert float(given.noise.var()) == pytest.approx(1, abs=0.05)


def test_processes_see_other_people_and_other_noise(learn, prepared, monkeypatch):
    latents = np.zeros((len(prepared.eid), 3, 2, 4, 4, 4), np.float32)
    codes = torch.arange(1.0, 1 + len(prepared.eid))[:, None].expand(-1, 3) * LARGE  # a code says whose heart it is
    seen = []
    for rank in (0, 1):
        monkeypatch.setattr(Accelerator, "process_index", property(lambda self, rank=rank: rank))
        monkeypatch.setattr(Accelerator, "num_processes", property(lambda self: 2))
        seen.append(learn(latents=latents, codes=codes, hearts=6)[0].training_steps[0])
    people = [set((given.condition.amax(dim=1) / LARGE).round().int().tolist()) for given in seen]
    assert [len(of_one) for of_one in people] == [6, 6] and not people[0] & people[1]
    assert float((seen[0].noise * seen[1].noise).mean()) == pytest.approx(0, abs=0.1)


# ---- The heart's own code ----


def test_the_loss_changes_with_the_code_of_the_heart(learn, prepared):
    latents, codes = latents_of(prepared), torch.zeros(len(prepared.eid), 3)
    _, losses = learn(latents=latents, codes=codes)
    _, other_losses = learn(latents=latents, codes=codes + LARGE)
    assert all(abs(other_losses[name] - losses[name]) > 0.1 for name in losses)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_code_is_dropped_at_its_rate_in_training_and_never_in_validation(learn, prepared, rate):
    hearts = 400
    recorder, _ = learn(codes=torch.full((len(prepared.eid), 3), LARGE), hearts=hearts, condition_dropout=rate)
    told = recorder.training_steps[0].has_a_code.float().mean()
    assert told == pytest.approx(1 - rate, abs=4 * (rate * (1 - rate) / hearts) ** 0.5)
    assert recorder.validations[0].has_a_code.all()


def test_in_place_of_a_code_that_is_unknown_the_predicted_one_is_told(learn, prepared, regressor):
    with torch.no_grad():
        regressor.conditioner.target_head.weight.zero_()
        regressor.conditioner.target_head.bias.fill_(LARGE)
    unknown = torch.full((len(prepared.eid), 3), torch.nan)
    recorder, losses = learn(codes=unknown)
    assert recorder.training_steps[0].has_a_code.all() and np.isfinite(list(losses.values())).all()
    recorder, _ = learn(codes=torch.zeros_like(unknown))
    assert not recorder.training_steps[0].has_a_code.any()


# ---- ECG and person ----


def test_ecg_and_person_are_dropped_at_their_rate_and_never_in_validation(learn, regressor):
    rate, hearts, present = 0.3, 400, []
    regressor.conditioner.register_forward_pre_hook(lambda _, given: present.append(torch.stack(given[3:5]).float()))
    learn(hearts=hearts, condition_dropout=rate)
    training, validation = present
    error = 4 * (rate * (1 - rate) / hearts) ** 0.5
    assert training.mean(dim=1).tolist() == pytest.approx([1 - rate] * 2, abs=error)
    assert training.prod(dim=0).mean() == pytest.approx((1 - rate) ** 2, abs=error)  # independently
    assert validation.all()


def test_training_sees_augmented_ecgs_and_validation_the_recorded_ones(learn, prepared, regressor):
    recordings = torch.tensor(prepared.ecg).float().flatten(1)
    seen = []
    regressor.ecg_encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(1)))
    learn()
    nearest = [torch.cdist(ecg, recordings).amin(dim=1) for ecg in seen]
    assert nearest[0].min() > 1.0 and nearest[1].max() < 1e-3
