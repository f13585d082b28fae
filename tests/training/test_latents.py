"""Latents of a cohort are computed once per autoencoder, and never read half."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from cohort.errors import InputError
from models.autoencoder import SliceAutoencoder
from training.autoencoder import measure_latents
from training.latents import cohort_latents


@pytest.fixture
def measured(prepared):
    torch.manual_seed(5)
    autoencoder = SliceAutoencoder(width=8, latent_channels=4).eval()
    measure_latents(autoencoder, torch.tensor(prepared.hearts[:, 1, 0]).unsqueeze(1).float() / 255)
    return autoencoder


def test_latents_of_a_cohort_are_those_of_its_slices(prepared, measured):
    latents = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert latents.shape == (len(prepared.eid), 3, 2, 4, 4, 4)
    with torch.no_grad():
        one = measured.encode(torch.tensor(prepared.hearts[4, 2, 1])[None, None].float() / 255)[0]
    np.testing.assert_allclose(latents[4, 2, 1], one.numpy(), atol=5e-3)  # float16


def test_another_autoencoder_has_another_file_and_the_same_one_is_read_back(prepared, measured):
    first = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert cohort_latents(measured, prepared, torch.device("cpu"), main=True).filename == first.filename
    measured.set_latent_statistics(torch.zeros(4), torch.full((4,), 3.0))
    rescaled = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert rescaled.filename != first.filename and not np.allclose(rescaled, first)


def test_what_a_killed_process_left_is_not_read(prepared, measured):
    whole = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    path = Path(whole.filename)
    path.replace(path.with_name(f".partial-{path.name}"))
    with path.with_name(f".partial-{path.name}").open("r+b") as file:
        file.truncate(1000)
    again = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert again.filename == whole.filename and np.isfinite(again).all() and again.any(axis=(1, 2, 3, 4, 5)).all()


def test_other_weights_have_another_file_though_their_latents_have_one_spread(prepared, measured):
    first = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    with torch.no_grad():
        measured.linear_encoder.weight.mul_(-1)
    other = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert other.filename != first.filename and not np.allclose(other, first)


def test_latents_without_room_are_refused_and_nothing_is_left(prepared, measured, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(prepared.folder.iterdir())
    measured.set_latent_statistics(torch.zeros(4), torch.full((4,), 5.0))
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(InputError, match="bytes are needed and"):
        cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    left = [path.name for path in prepared.folder.iterdir() if path not in before and not path.name.startswith(".lock")]
    assert left == []
