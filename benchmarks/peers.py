"""Training steps of two other libraries. Needs benchmarks/requirements.txt; nothing else here does."""

import sys
from collections.abc import Callable
from types import ModuleType

import torch
from accelerate import Accelerator
from monai.inferers import DiffusionInferer
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDPMScheduler
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.contenders import TOKENS, BareLoop, Load
from models.denoiser import TIMESTEPS
from models.presets import PRESETS

# denoising_diffusion_pytorch imports torchvision for its image folders, of which nothing runs here. An empty stand-in
# takes its place: a torchvision that does not fit torch cannot be imported at all.
for _name in ("torchvision", "torchvision.transforms", "torchvision.utils"):
    sys.modules.setdefault(_name, ModuleType(_name))
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
sys.modules["torchvision"].utils = sys.modules["torchvision.utils"]

from denoising_diffusion_pytorch import GaussianDiffusion, Unet  # noqa: E402

WIDTH = 72  # of the finest level of lucidrains' Unet: of the multiples of 8 the nearest to our nano


def monai_loop(load: Load, accelerator: Accelerator) -> BareLoop:
    """(b) MONAI's DiffusionModelUNet and DiffusionInferer, attention at the lowest level, as near our nano as it goes.

    MONAI does not join slices: every slice is given the tokens anew.
    """
    nano, channels = PRESETS["nano"], load.latent[0]
    unet = DiffusionModelUNet(
        spatial_dims=2,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=nano.denoiser_layers,
        channels=nano.denoiser_widths,
        attention_levels=(False, True),
        num_head_channels=(0, 32),
        with_conditioning=True,
        cross_attention_dim=nano.ecg_width,
        use_flash_attention=True,
    )
    device, inferer = accelerator.device, DiffusionInferer(DDPMScheduler(num_train_timesteps=TIMESTEPS))
    latents = torch.randn(load.images, *load.latent, device=device)
    tokens = torch.randn(load.images, TOKENS, nano.ecg_width, device=device)

    def loss_of(model: nn.Module) -> Tensor:
        noise = torch.randn_like(latents)
        timesteps = torch.randint(TIMESTEPS, (load.images,), device=device)
        predicted = inferer(latents, model, noise, timesteps, condition=tokens)
        return functional.mse_loss(predicted.float(), noise)

    return BareLoop(unet, loss_of, accelerator)


def lucidrains_loop(load: Load, accelerator: Accelerator) -> BareLoop:
    """(c) denoising-diffusion-pytorch's Unet and GaussianDiffusion, without a condition: it takes no tokens."""
    unet = Unet(WIDTH, dim_mults=(1, 2), channels=load.latent[0], flash_attn=True)
    diffusion = GaussianDiffusion(unet, image_size=load.latent[1:], timesteps=TIMESTEPS, auto_normalize=False)
    latents = torch.randn(load.images, *load.latent, device=accelerator.device)
    return BareLoop(diffusion, lambda model: model(latents), accelerator)


PEERS: dict[str, Callable[[Load, Accelerator], BareLoop]] = {
    "(b) MONAI": monai_loop,
    "(c) denoising-diffusion-pytorch": lucidrains_loop,
}
