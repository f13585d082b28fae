"""Slices of a generated heart stay in their places, and its noise belongs to its patient alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange

from sampling.patients import generate, prepared_patients
from sampling.pipeline import sample_generator


@pytest.fixture
def hearts(geometry):
    """Two hearts (2, slices, phases, height, width) in [0, 1], no slice like another."""
    return torch.rand(2, *geometry.shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_decoding_the_latents_of_a_heart_reconstructs_it_slice_by_slice(tiny_pipeline, hearts):
    autoencoder, (slices, phases) = tiny_pipeline.autoencoder, hearts.shape[1:3]
    latents = torch.stack([autoencoder.encode(rearrange(heart, "s p h w -> (s p) 1 h w")) for heart in hearts])
    pixels = torch.cat([autoencoder.decode(of_heart) for of_heart in latents])  # one after the other
    expected = rearrange(pixels, "(b s p) 1 h w -> b s p h w", s=slices, p=phases)
    torch.testing.assert_close(tiny_pipeline.decode(latents), expected, atol=1e-5, rtol=0)
    for heart, of_heart in zip(hearts, expected, strict=True):
        torch.testing.assert_close(tiny_pipeline.reconstruct(heart), of_heart, atol=1e-5, rtol=0)
    assert (torch.cdist(pixels.flatten(1), pixels.flatten(1)) + 99 * torch.eye(len(pixels))).min() > 0.05


def noise_of(seed, patient, sample):
    return tuple(torch.randn(8, generator=sample_generator(seed, patient, sample)).tolist())


def test_noise_is_the_patients_own():
    """Another patient, sample or seed is other noise; the same three are the same noise."""
    keys = [(seed, patient, sample) for seed in (0, 1) for patient in ("one", "two") for sample in (1, 2, 11)]
    assert len({noise_of(*key) for key in keys}) == len(keys)
    assert all(noise_of(*key) == noise_of(*key) for key in keys)


def test_two_patients_with_one_ecg_get_two_hearts(tiny_pipeline, prepared):
    patient = prepared_patients(prepared, np.array([0]))[0]
    people = [patient, replace(patient, name="somebody_else"), patient]
    one, other, again = (hearts[0] for _, hearts in generate(tiny_pipeline, people, 1, 0, 3, steps=1))
    assert np.abs(one - other).max() > 0.01
    np.testing.assert_allclose(again, one, atol=1e-5)
