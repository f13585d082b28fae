"""The autoencoder begins as patch PCA, and its score is the textbook's."""

import pytest
import torch
from einops import rearrange

from models.autoencoder import SliceAutoencoder
from training.autoencoder import fidelity, measure_latents, patch_basis, patch_pca, psnr_db, reconstruction_loss


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


def test_no_float64_meets_the_device(monkeypatch):
    """Apple's GPUs know none. A tensor of another device raises there; here, what is doubled must be on the CPU."""
    seen = []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: seen.append("cpu") or self)
    true_double = torch.Tensor.double
    monkeypatch.setattr(torch.Tensor, "double", lambda self: seen.append("double") or true_double(self))
    parts = patch_basis(torch.rand(4, 1, 16, 16), 8, 4)
    assert seen == ["cpu", "double"] and all(part.dtype == torch.float32 for part in parts)
