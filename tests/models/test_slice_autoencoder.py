import pytest
import torch

from models.autoencoder import SliceAutoencoder
from training.autoencoder import measure_latents

STABLE_DIFFUSION = 0.18215  # the scaling factor that AutoencoderKL is born with


@pytest.fixture
def autoencoder():
    torch.manual_seed(4)
    return SliceAutoencoder(width=8, latent_channels=4).eval()


@pytest.fixture
def slices():
    return torch.rand(40, 1, 32, 48, generator=torch.Generator().manual_seed(0))


def test_it_refuses_before_its_statistics_are_measured(autoencoder, slices):
    with pytest.raises(ValueError, match="never measured"):
        autoencoder.encode(slices)
    with pytest.raises(ValueError, match="never measured"):
        autoencoder.decode(torch.zeros(1, 4, 4, 4))


@torch.no_grad()
def test_training_latents_have_mean_0_and_std_1(autoencoder, slices):
    measure_latents(autoencoder, slices)
    latents = autoencoder.encode(slices)
    assert latents.shape == (40, 4, 4, 6)  # f = 8
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    spread = latents.std(dim=(0, 2, 3))
    torch.testing.assert_close(spread, torch.tensor(autoencoder.config.latents_weight), atol=1e-4, rtol=0)
    assert spread.square().mean() == pytest.approx(1, abs=1e-4)


@torch.no_grad()
def test_a_channel_that_paints_more_has_more_of_the_variance(autoencoder, slices):
    autoencoder.linear_decoder.weight[2] *= 9
    measure_latents(autoencoder, slices)
    weight = torch.tensor(autoencoder.config.latents_weight)
    assert weight.argmax() == 2 and len(set(weight.tolist())) == 4


@torch.no_grad()
def test_the_statistics_were_measured_and_are_not_stable_diffusions(autoencoder, slices):
    measure_latents(autoencoder, slices)
    raw = autoencoder.posterior(slices).mode()
    torch.testing.assert_close(torch.tensor(autoencoder.config.latents_mean), raw.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(torch.tensor(autoencoder.config.latents_std), raw.std(dim=(0, 2, 3)))
    assert STABLE_DIFFUSION not in autoencoder.config.latents_std
    assert len(set(autoencoder.config.latents_std)) == 4


@torch.no_grad()
def test_encode_and_decode_are_one_scale(autoencoder, slices):
    """Standardising is undone by decode: the statistics themselves do not show in the reconstruction."""
    reconstructions = []
    for mean, std in ((0.0, 1.0), (0.3, 5.0)):
        autoencoder.set_latent_statistics(torch.full((4,), mean), torch.full((4,), std))
        reconstructions.append(autoencoder.decode(autoencoder.encode(slices)))
    assert reconstructions[0].shape == slices.shape
    assert reconstructions[0].min() >= 0 and reconstructions[0].max() <= 1
    torch.testing.assert_close(*reconstructions, atol=1e-4, rtol=0)


@torch.no_grad()
def test_statistics_survive_a_round_trip_through_a_folder(autoencoder, slices, tmp_path):
    measure_latents(autoencoder, slices)
    autoencoder.save_pretrained(tmp_path)
    loaded = SliceAutoencoder.from_pretrained(tmp_path)
    assert torch.equal(loaded.encode(slices), autoencoder.encode(slices))
