import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.code_regressor import CodeRegressor
from sampling.patients import patient_batch, prepared_patients
from training.batch import heart_batch
from training.denoising import drawn_of, noised
from training.objectives import dropped, flow_loss, heart_window, interpolated, stratified_sigma, target_loss
from training.order import keyed_generator


def latents(seed, batch=3, slices=4):
    return torch.randn(batch, slices, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


def test_a_perfect_predictor_has_zero_loss():
    data, noise = latents(0), latents(1)
    _, velocity = interpolated(data, noise, torch.tensor([0.1, 0.5, 0.9]))
    mask = torch.ones(3, 4, dtype=torch.bool)
    assert flow_loss(velocity, velocity, mask) == 0
    assert flow_loss(velocity + 0.5, velocity, mask) == pytest.approx(0.25, rel=1e-4)


def test_the_path_is_straight_from_data_to_noise():
    data, noise = latents(0), latents(1)
    assert torch.equal(interpolated(data, noise, torch.zeros(3))[0], data)
    assert torch.equal(interpolated(data, noise, torch.ones(3))[0], noise)
    sigma = torch.tensor([0.2, 0.5, 0.7])
    point, velocity = interpolated(data, noise, sigma)
    along = point - sigma.view(-1, 1, 1, 1, 1) * velocity  # back along the velocity
    torch.testing.assert_close(along, data, atol=1e-6, rtol=0)


def test_slices_outside_the_acquisition_have_no_say():
    velocity, target = latents(0), latents(1)
    mask = torch.tensor([[True, True, False, True]] * 3)
    loss = flow_loss(velocity, target, mask)
    velocity[:, 2] = 1e6
    assert flow_loss(velocity, target, mask) == loss
    velocity[:, 1] += 1
    assert flow_loss(velocity, target, mask) != loss
    error = (latents(0) - target)[:, [0, 1, 3]].square() * heart_window((3, 3))
    assert loss == pytest.approx(float(error.mean()), rel=1e-5)


def test_a_batch_without_any_acquired_slice_costs_nothing():
    assert flow_loss(latents(0), latents(1), torch.zeros(3, 4, dtype=torch.bool)) == 0


def test_unknown_phenotypes_have_no_say():
    predicted = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    known = torch.tensor([[1.0, math.nan], [1.0, math.nan]])
    loss = target_loss(predicted, known)
    assert loss == 2.0  # (0 + 4) / 2
    loss.backward()
    assert torch.equal(predicted.grad, torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    assert target_loss(predicted, torch.full((2, 2), math.nan)) == 0


def test_ecg_and_person_are_dropped_independently_at_the_stated_rate():
    n, p = 20_000, 0.1
    ecg, person = (~present for present in dropped(n, p, keyed_generator(0)))
    error = 4 * (p * (1 - p) / n) ** 0.5
    assert ecg.float().mean() == pytest.approx(p, abs=error) and person.float().mean() == pytest.approx(p, abs=error)
    assert (ecg & person).float().mean() == pytest.approx(p * p, abs=4 * p / n**0.5)
    assert all(present.all() for present in dropped(100, 0.0, keyed_generator(0)))


@torch.no_grad()
def test_the_denoiser_is_given_in_training_what_it_is_given_in_sampling(
    prepared, tiny_parts, tiny_pipeline, monkeypatch
):
    """Two whole hearts with the codes that the prior drew: the same places, tokens and condition, sigma in [0, 1]."""
    monkeypatch.setattr("training.denoising.CODE_NOISE", 0.0)
    given_to, rows = [], torch.tensor([1, 2])
    tiny_pipeline.denoiser.register_forward_pre_hook(lambda _, given: given_to.append(given))
    patients = patient_batch(prepared_patients(prepared, rows.numpy()))
    present = torch.tensor([True, False]), torch.tensor([False, True])
    patients = replace(patients, ecg_present=present[0], person_present=present[1])
    tiny_pipeline(patients, [keyed_generator("heart", row) for row in rows.tolist()], steps=1)
    _, summary = tiny_pipeline.encode(patients, guided=False)
    generators, known = [keyed_generator("heart", row) for row in rows.tolist()], patients.known
    codes = tiny_pipeline.draw_codes(summary, generators, known=known, widening=tiny_pipeline.widening(patients))
    batch = heart_batch(prepared, np.ones((len(prepared.eid), 3, 2, 4, 4, 4), np.float32), rows, None)
    regressor = CodeRegressor(tiny_parts["ecg_encoder"], tiny_parts["conditioner"])
    everywhere = torch.ones(2, dtype=torch.bool)
    draws = drawn_of(batch, codes, (*present, everywhere), 0.5, keyed_generator("noise"))
    in_training, _ = noised(regressor, batch, codes, draws)
    (_, sigma, places, tokens, condition), (_, drawn_sigma, its_places, *same) = given_to[0], in_training
    assert all(map(torch.equal, (places.pose, places.phase), (its_places.pose, its_places.phase)))
    assert all(map(torch.equal, (tokens, condition), same))
    assert sigma.tolist() == pytest.approx([1, 1], abs=2e-3) and drawn_sigma.min() >= 0 and drawn_sigma.max() < 1
    velocity = tiny_pipeline.denoiser(*in_training)
    assert not torch.allclose(velocity[0], velocity[1], atol=1e-3)


def test_the_middle_of_the_picture_counts_most_and_the_mean_weight_is_1():
    window = heart_window((33, 49))
    assert window.shape == (33, 49) and float(window.mean()) == pytest.approx(1)
    assert window.argmax() == 16 * 49 + 24 and window.min() > 0
    torch.testing.assert_close(window, window.flip(0, 1))


def test_noise_levels_are_one_in_each_part_of_the_range():
    sigma = stratified_sigma(10, keyed_generator(3))
    assert sorted((10 * sigma).int().tolist()) == list(range(10))
    assert sigma.tolist() != sorted(sigma.tolist()) and not torch.equal(sigma, stratified_sigma(10, keyed_generator(4)))
