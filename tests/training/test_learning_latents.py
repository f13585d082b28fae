from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from models.autoencoder import SliceAutoencoder
from training.autoencoder import (
    fidelity,
    heart_window,
    measure_latents,
    patch_basis,
    patch_pca,
    psnr_db,
    reconstruction_loss,
)
from training.latents import cohort_latents


def pictures(n=20, side=16, seed=0):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed))


def test_patch_pca_with_all_components_is_the_identity():
    held_out = pictures(seed=1)
    torch.testing.assert_close(patch_pca(pictures(), held_out, 4, 16), held_out, atol=1e-5, rtol=0)


def test_patch_pca_is_exact_on_data_of_its_own_rank_and_not_below():
    patterns = torch.randn(3, 16, generator=torch.Generator().manual_seed(2))

    def mixtures(n, seed):
        """Pictures whose every 4 x 4 patch is a mixture of the three patterns."""
        weights = torch.rand(n * 16, 3, generator=torch.Generator().manual_seed(seed))
        return rearrange(weights @ patterns, "(n h w) (a b) -> n 1 (h a) (w b)", h=4, w=4, a=4)

    train, held_out = mixtures(50, 3), mixtures(10, 4)
    torch.testing.assert_close(patch_pca(train, held_out, 4, 3), held_out, atol=1e-4, rtol=0)
    assert (patch_pca(train, held_out, 4, 2) - held_out).abs().max() > 0.1


def test_patch_pca_beats_every_other_linear_code_of_its_size():
    train = pictures(200, side=8) ** 2
    best = psnr_db(patch_pca(train, train, 4, 4), train)
    blurred = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(train, 2), scale_factor=2)
    assert best > psnr_db(blurred, train)  # block means: also 4 numbers for 16


def untrained(slices, channels=4):
    """An autoencoder that has seen its training slices' patches and not one step."""
    torch.manual_seed(5)
    autoencoder = SliceAutoencoder(width=8, latent_channels=channels).eval()
    autoencoder.start_from_patches(*patch_basis(slices, autoencoder.downsampling, channels))
    return autoencoder


@torch.no_grad()
def test_before_its_first_step_the_autoencoder_is_patch_pca():
    """Exactly so for patches of one mean pixel, and with the raw latents at unit spread."""
    patterns = torch.randn(6, 64, generator=torch.Generator().manual_seed(6))
    weights = torch.randn(16 * 25, 6, generator=torch.Generator().manual_seed(7))
    patches = weights @ patterns
    patches = 0.5 + 0.02 * (patches - patches.mean(dim=0))
    slices = rearrange(patches, "(n h w) (a b) -> n 1 (h a) (w b)", h=4, w=4, a=8)
    autoencoder = untrained(slices)
    raw = autoencoder.posterior(slices).mode()
    torch.testing.assert_close(autoencoder.pixels(raw), patch_pca(slices, slices, 8, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(raw.square().mean(dim=(0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)


def test_on_real_slices_it_starts_no_worse_than_patch_pca(prepared):
    slices = torch.tensor(prepared.hearts).flatten(0, 2).unsqueeze(1).float() / 255
    autoencoder = untrained(slices, 8)
    measure_latents(autoencoder, slices)
    report = fidelity(autoencoder, slices, slices)
    assert report["psnr_db"] > report["patch_pca_psnr_db"] - 0.5 > 10


def test_the_middle_of_the_picture_counts_most_and_the_mean_weight_is_1():
    window = heart_window((33, 49))
    assert window.shape == (33, 49) and float(window.mean()) == pytest.approx(1)
    assert window.argmax() == 16 * 49 + 24 and window.min() > 0
    torch.testing.assert_close(window, window.flip(0, 1))


def test_psnr_has_its_textbook_values():
    zeros = torch.zeros(1, 1, 4, 4)
    assert psnr_db(zeros + 0.1, zeros) == pytest.approx(20, abs=1e-4)
    assert psnr_db(zeros + 0.01, zeros) == pytest.approx(40, abs=1e-3)
    assert psnr_db(zeros - 5, zeros) == float("inf")  # clipped to [0, 1] before it is judged


def test_a_perfect_reconstruction_costs_nothing_and_worse_costs_more():
    truth = pictures()
    kl = torch.tensor(0.0)
    assert reconstruction_loss(truth, truth, kl) == 0
    costs = [float(reconstruction_loss(truth + e * pictures(seed=9), truth, kl)) for e in (0.01, 0.1, 0.5)]
    assert costs == sorted(costs) and costs[0] > 0


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
