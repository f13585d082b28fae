import pytest
import torch
from diffusers import UNet2DConditionModel

from models.unet import PRESETS, build_unet, denoise_heart, join_slices, preset_for


@pytest.fixture
def unet(tiny_preset):
    torch.manual_seed(3)
    return build_unet(tiny_preset, latent_channels=4, latent_size=(4, 4), told=32).eval()


def hearts(batch=2, slices=3, seed=0, size=(4, 4)):
    """Arguments of denoise_heart but the UNet."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "latents": draw(batch, slices, 4, *size),
        "timesteps": torch.linspace(100, 900, batch),
        "level_mm": 30 * draw(batch, slices),
        "phase": torch.zeros(batch, slices),
        "tokens": draw(batch, 7, 32),
        "told": draw(batch, 32),
    }


@torch.no_grad()
@pytest.mark.parametrize("slices", [1, 2, 20])
def test_the_number_of_slices_is_free(unet, slices):
    given = hearts(slices=slices)
    out = denoise_heart(unet, **given)
    assert out.shape == given["latents"].shape and out.isfinite().all()


@torch.no_grad()
def test_slices_of_one_heart_are_joined_and_hearts_are_not(unet):
    given = hearts()
    before = denoise_heart(unet, **given)
    given["latents"] = given["latents"].clone()
    given["latents"][0, 0] += 1  # slice 0 of heart 0
    after = denoise_heart(unet, **given)
    assert (after[0, 1:] - before[0, 1:]).abs().amax(dim=(1, 2, 3)).min() > 1e-4  # reaches every other slice
    torch.testing.assert_close(after[1], before[1], atol=1e-6, rtol=0)


@torch.no_grad()
def test_permuting_the_slices_permutes_the_output(unet):
    given, order = hearts(slices=4), torch.tensor([2, 0, 3, 1])
    straight = denoise_heart(unet, **given)
    permuted = denoise_heart(unet, **given | {name: given[name][:, order] for name in ("latents", "level_mm", "phase")})
    torch.testing.assert_close(permuted, straight[:, order], atol=1e-5, rtol=0)
    assert not torch.allclose(permuted, straight, atol=1e-2)


@torch.no_grad()
def test_permuting_the_batch_permutes_the_output(unet):
    given, order = hearts(batch=3), torch.tensor([2, 0, 1])
    straight = denoise_heart(unet, **given)
    permuted = denoise_heart(unet, **{name: value[order] for name, value in given.items()})
    torch.testing.assert_close(permuted, straight[order], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", ["timesteps", "level_mm", "phase", "tokens", "told"])
def test_everything_the_denoiser_is_told_matters(unet, name):
    given = hearts()
    changed = given | {name: given[name] + 0.5 * (given[name].abs() + 1)}
    assert (denoise_heart(unet, **changed) - denoise_heart(unet, **given)).abs().max() > 1e-4


@torch.no_grad()
def test_a_loaded_unet_that_is_told_to_joins_slices_as_before(unet, tmp_path):
    """Attention processors are no part of diffusers' checkpoint."""
    unet.save_pretrained(tmp_path)
    loaded = UNet2DConditionModel.from_pretrained(tmp_path)
    given = hearts()
    assert torch.equal(denoise_heart(join_slices(loaded), **given), denoise_heart(unet, **given))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_network_that_diffusers_can_build(name):
    preset = PRESETS[name]
    with torch.device("meta"):  # shapes without memory: "large" takes none here
        unet = build_unet(preset, latent_channels=4, latent_size=(12, 12), told=32)
    assert unet.config.cross_attention_dim == preset.ecg_width
    assert unet.config.block_out_channels == preset.unet_widths
    assert preset.ecg_width % preset.ecg_heads == 0
    assert preset.autoencoder_width % 8 == 0  # groups of its norms


def test_presets_grow():
    def parameters(name):
        with torch.device("meta"):
            return sum(p.numel() for p in build_unet(PRESETS[name], 4, (12, 12), told=32).parameters())

    assert parameters("nano") * 4 < parameters("base") < parameters("large") / 2


def test_auto_is_nano_on_a_cpu_and_base_elsewhere():
    assert [preset_for("auto", device) for device in ("cpu", "cuda", "mps")] == ["nano", "base", "base"]
    assert preset_for("large", "cpu") == "large"
