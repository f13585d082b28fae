import pytest
import torch

from models.denoiser import HeartDenoiser
from models.presets import PRESETS, preset_for


def denoiser_of(preset):
    """Shapes without memory: "large" takes none here."""
    sizes = (preset.denoiser_widths, preset.denoiser_layers)
    with torch.device("meta"):
        return HeartDenoiser(4, (12, 12), preset.ecg_width, 32, *sizes)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_network_that_diffusers_can_build(name):
    preset = PRESETS[name]
    assert denoiser_of(preset).config.widths == preset.denoiser_widths
    assert preset.ecg_width % preset.ecg_heads == 0
    assert preset.autoencoder_width % 8 == 0  # groups of its norms


def test_presets_grow():
    def parameters(name):
        return sum(p.numel() for p in denoiser_of(PRESETS[name]).parameters())

    assert parameters("nano") * 4 < parameters("base") < parameters("large") / 2


def test_auto_is_nano_on_a_cpu_and_base_elsewhere():
    assert [preset_for("auto", device) for device in ("cpu", "cuda", "mps")] == ["nano", "base", "base"]
    assert preset_for("large", "cpu") == "large"
