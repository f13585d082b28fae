"""What the denoiser knows of given hearts: a number of each heart alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange

from evaluation.likelihood import SIGMAS, denoising_losses
from sampling.patients import Patient

PEOPLE = 4


@pytest.fixture
def people(geometry):
    """Patients, their hearts (n, slices, phases, height, width) uint8, and all slices acquired."""
    rng = np.random.default_rng(0)
    patients = [
        Patient(
            f"patient {k}",
            rng.normal(size=(12, 2500)).astype(np.float32),
            np.ones(12, bool),
            np.array([k % 2, 50 + k, 170, 80], np.float32),
            (),
        )
        for k in range(PEOPLE)
    ]
    hearts = rng.integers(0, 256, (PEOPLE, *geometry.shape)).astype(np.uint8)
    return patients, hearts, np.ones((PEOPLE, geometry.slices, geometry.phases), bool)


def test_the_same_heart_of_the_same_person_has_the_same_loss(tiny_pipeline, people):
    patients, hearts, masks = people
    losses = denoising_losses(tiny_pipeline, patients, hearts, masks)
    assert losses.shape == (PEOPLE,) and np.isfinite(losses).all() and len(set(losses)) == PEOPLE
    np.testing.assert_array_equal(denoising_losses(tiny_pipeline, patients, hearts, masks), losses)
    twins = [replace(patients[0], name=name) for name in ("one", "another")]  # a name is no part of anybody
    same = denoising_losses(tiny_pipeline, twins, hearts[[0, 0]], masks[:2])
    np.testing.assert_array_equal(same, losses[[0, 0]])


def test_the_order_and_the_number_of_people_change_nothing(tiny_pipeline, people):
    patients, hearts, masks = people
    losses = denoising_losses(tiny_pipeline, patients, hearts, masks)
    order = [2, 0, 3, 1]
    turned = denoising_losses(tiny_pipeline, [patients[k] for k in order], hearts[order], masks[order])
    np.testing.assert_array_equal(turned, losses[order])
    np.testing.assert_array_equal(denoising_losses(tiny_pipeline, patients[1:2], hearts[1:2], masks[1:2]), losses[1:2])


def test_the_seed_draws_the_noise_and_the_person_is_told(tiny_pipeline, people):
    patients, hearts, masks = people
    two = hearts[:2], masks[:2]
    losses, other = (denoising_losses(tiny_pipeline, patients[:2], *two, seed) for seed in (0, 1))
    assert (losses != other).all()
    exchanged = denoising_losses(tiny_pipeline, patients[1::-1], *two)
    assert (losses != exchanged).all()


def knows(pipeline, hearts):
    """A denoiser that has learned some hearts by heart: it takes what it sees for the nearest of them."""
    with torch.no_grad():
        known = torch.stack([pipeline.autoencoder.encode(as_slices(heart)) for heart in hearts])  # (K, S*P, C, h, w)

    def denoise(noisy, sigma, places, *_):
        seen = known[:, numbered(pipeline.grid, places)]
        sigma = sigma.view(-1, 1, 1, 1, 1)
        nearest = (noisy[:, None] - (1 - sigma)[:, None] * seen).square().sum(dim=(2, 3, 4, 5)).argmin(dim=1)
        return (noisy - seen[nearest]) / sigma  # noise - data

    return denoise


def numbered(grid, places):
    """The number, position by position, of the slices a denoiser is shown."""
    position = (places.slice_position_mm[0] / grid.slice_step_mm + (grid.slices - 1) / 2).round().long()
    return position * grid.phases + (places.phase[0] * grid.phases).round().long()


def as_slices(heart):
    return rearrange(torch.from_numpy(heart).float() / 255, "s p h w -> (s p) 1 h w")


def test_a_heart_known_by_heart_has_no_loss_and_another_has(tiny_pipeline, people, monkeypatch):
    patients, hearts, masks = people
    monkeypatch.setattr(tiny_pipeline.denoiser, "forward", knows(tiny_pipeline, hearts[:2]))
    losses = denoising_losses(tiny_pipeline, patients, hearts, masks)
    assert losses[:2].max() < 1e-8 and losses[2:].min() > 1e4 * losses[:2].max() > 0


def test_the_loss_is_the_mean_square_over_noise_levels_and_acquired_slices(tiny_pipeline, people, monkeypatch):
    """A denoiser that knows the heart but for an error of 1 + sigma in the fifth slice."""
    patients, hearts, masks = people
    exact, slices = knows(tiny_pipeline, hearts[:1]), masks[0].size

    def wrong(noisy, sigma, places, *rest):
        fifth = (numbered(tiny_pipeline.grid, places) == 4).view(1, -1, 1, 1, 1)
        return exact(noisy, sigma, places, *rest) + fifth * (1 + sigma.view(-1, 1, 1, 1, 1))

    monkeypatch.setattr(tiny_pipeline.denoiser, "forward", wrong)
    error = np.mean([(1 + sigma) ** 2 for sigma in SIGMAS])
    loss = denoising_losses(tiny_pipeline, patients[:1], hearts[:1], masks[:1])
    assert loss == pytest.approx([error / slices], rel=1e-3)
    masks[0, 0] = False  # two slices of six were not acquired
    loss = denoising_losses(tiny_pipeline, patients[:1], hearts[:1], masks[:1])
    assert loss == pytest.approx([error / (slices - 2)], rel=1e-3)
    masks[0, 2, 0] = False  # nor the fifth, position by position
    assert denoising_losses(tiny_pipeline, patients[:1], hearts[:1], masks[:1]) == pytest.approx([0], abs=1e-8)


def test_slices_that_were_not_acquired_have_no_say(tiny_pipeline, people):
    patients, hearts, masks = people
    masks[:, 2, :] = False
    garbage = hearts.copy()
    garbage[:, 2] = 255 - garbage[:, 2]
    losses, blind = (denoising_losses(tiny_pipeline, patients, h, masks) for h in (hearts, garbage))
    np.testing.assert_allclose(blind, losses, rtol=1e-6)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_heart_of_which_nothing_was_acquired_has_no_loss(tiny_pipeline, people):
    patients, hearts, masks = people
    masks[1] = False
    losses = denoising_losses(tiny_pipeline, patients, hearts, masks)
    assert np.isnan(losses).tolist() == [False, True, False, False]
