"""The bare training loop as it is, and with one switch changed."""

import copy

import torch
from accelerate import Accelerator

from benchmarks.contenders import BareLoop, Load, diffusers_loop
from models.denoiser import HeartDenoiser
from models.presets import PRESETS

PLAIN = "as training has it"
CONDITION = 165  # length of the global condition: about what training gives


def switched_loops(load: Load, accelerator: Accelerator, compiled: bool) -> dict[str, BareLoop]:
    """Loops around the nano preset's UNet, by the switch that is changed.

    Args:
        compiled: whether torch.compile is among them.
    """
    torch.manual_seed(0)
    nano, channels, size = PRESETS["nano"], load.latent[0], load.latent[1:]
    denoiser = HeartDenoiser(
        channels, size, nano.ecg_width, CONDITION, widths=nano.denoiser_widths, layers=nano.denoiser_layers
    )

    def loop(**switches: bool) -> BareLoop:
        return diffusers_loop(copy.deepcopy(denoiser.unet), load, accelerator, **switches)

    loops = {
        PLAIN: loop(),
        "channels_last": channels_last(loop()),
        "AdamW tensor by tensor": loop(fused=False),
        "EMA tensor by tensor": loop(foreach=False),
        "bf16": half_precision(loop(), accelerator.device),
        "bf16 and channels_last": half_precision(channels_last(loop()), accelerator.device),
    }
    if compiled:
        loops["torch.compile"] = loop()
        loops["torch.compile"].module.compile()
    return loops


def half_precision(loop: BareLoop, device: torch.device) -> BareLoop:
    """The same loop in bfloat16, as Accelerate does it: the forward pass alone."""
    loop.module.forward = torch.autocast(device.type, torch.bfloat16)(loop.module.forward)
    return loop


def channels_last(loop: BareLoop) -> BareLoop:
    """The same loop, its weights laid out with channels last."""
    loop.module.to(memory_format=torch.channels_last)
    return loop
