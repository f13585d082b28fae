"""Latents of a cohort are computed once per autoencoder, and never read half."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cohort.errors import InputError
from cohort.prepared import load_prepared
from cohort.step_code import modules_of
from cohort.stored_arrays import write_about
from models.autoencoder import SliceAutoencoder
from training.autoencoder import measure_latents
from training.latents import ENCODING, cohort_latents


@pytest.fixture
def own(prepared, tmp_path):
    """The prepared cohort, in a folder that a test may change."""
    return load_prepared(Path(shutil.copytree(prepared.folder, tmp_path / "own")))


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
    folder = Path(whole.filename).parent
    draft = folder.rename(folder.with_name(f".partial-{folder.name}"))
    with (draft / "latents.npy").open("r+b") as file:
        file.truncate(1000)
    again = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert again.filename == whole.filename and np.isfinite(again).all() and again.any(axis=(1, 2, 3, 4, 5)).all()


def test_other_weights_have_another_file_though_their_latents_have_one_spread(prepared, measured):
    first = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    with torch.no_grad():
        measured.linear_encoder.weight.mul_(-1)
    other = cohort_latents(measured, prepared, torch.device("cpu"), main=True)
    assert other.filename != first.filename and not np.allclose(other, first)


def test_latents_changed_on_the_disk_are_refused(own, measured):
    latents = cohort_latents(measured, own, torch.device("cpu"), main=True)
    with Path(latents.filename).open("r+b") as file:
        file.seek(-100, 2)
        file.write(bytes(100))
    with pytest.raises(InputError, match=r"latents\.npy: .*holds something else than was prepared"):
        cohort_latents(measured, own, torch.device("cpu"), main=True)


def test_other_hearts_in_a_folder_of_the_same_name_have_other_latents(own, measured):
    first = cohort_latents(measured, own, torch.device("cpu"), main=True)
    hearts = np.load(own.folder / "hearts.npy")
    np.save(own.folder / "hearts.npy", hearts[::-1])
    about = json.loads((own.folder / "prepared.json").read_text())
    write_about(own.folder, about.pop("arrays"), about)
    other = cohort_latents(measured, load_prepared(own.folder), torch.device("cpu"), main=True)
    assert other.filename != first.filename and np.array_equal(other, first[::-1])


def test_latents_of_other_code_are_made_anew(own, measured, monkeypatch):
    first = cohort_latents(measured, own, torch.device("cpu"), main=True)
    monkeypatch.setattr("training.latents.code_sha256", lambda module: f"other code of {module}")
    assert cohort_latents(measured, own, torch.device("cpu"), main=True).filename != first.filename
    assert "models.autoencoder" in modules_of(ENCODING)


def test_latents_are_for_their_owner_alone(own, measured):
    latents = Path(cohort_latents(measured, own, torch.device("cpu"), main=True).filename)
    assert [path.stat().st_mode & 0o077 for path in (latents, latents.parent)] == [0, 0]


def test_latents_without_room_are_refused_and_nothing_is_left(own, measured, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(own.folder.iterdir())
    measured.set_latent_statistics(torch.zeros(4), torch.full((4,), 5.0))
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(InputError, match="bytes are needed and"):
        cohort_latents(measured, own, torch.device("cpu"), main=True)
    left = [path.name for path in own.folder.iterdir() if path not in before and not path.name.startswith(".lock")]
    drafts = [path for path in own.folder.glob(".partial-*") if list(path.iterdir())]
    assert [name for name in left if not name.startswith(".partial-")] == drafts == []
