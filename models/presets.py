"""Sizes of the networks, from a laptop to several GPUs."""

from typing import NamedTuple


class Preset(NamedTuple):
    denoiser_widths: tuple[int, ...]
    denoiser_layers: int
    ecg_width: int  # of every token and of the embedding
    ecg_layers: int
    ecg_heads: int
    autoencoder_width: int
    motion_width: int = 64


PRESETS = {  #      denoiser widths  layers  ECG width layers heads  autoencoder motion
    "nano": Preset((64, 128), 1, 128, 2, 4, 32, 64),  # minutes on a CPU
    "base": Preset((128, 256, 384), 2, 256, 6, 8, 64, 128),  # one GPU
    "large": Preset((192, 384, 768), 3, 512, 12, 8, 96, 192),  # several GPUs
}


def preset_for(preset: str, device: str) -> str:
    """The preset asked for; "auto" is nano on a CPU and base on anything faster."""
    return preset if preset != "auto" else "nano" if device == "cpu" else "base"
