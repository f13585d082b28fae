"""The training steps compared: ours inside `learn_diffusion`, and bare loops around the same UNet and two others'."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import torch
from accelerate import Accelerator
from cohort.dataset import HeartBatch
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.training_utils import EMAModel
from models.unet import PRESETS, Preset, coordinates, denoise_heart
from torch import Generator, Tensor, nn
from torch.nn import functional
from training.diffusion import Diet, Lesson, learn_diffusion

from cohort.prepared import PreparedCohort
from training.fit import Recipe
from training.networks import fresh_generator, fresh_reader
from training.objectives import TIMESTEPS, HeartDenoiser
from training.run import Run

COMPONENTS = 24  # of the heart code, as train_diffusion.py has it
TOKENS = 55  # an ECG's 50, its summary, and 4 of the person
RATE = 1e-4


@dataclass(frozen=True)
class Load:
    """What a step works on: so many hearts, so many slices of each, latents of (channels, height, width)."""

    hearts: int
    slices: int
    latent: tuple[int, int, int] = (4, 12, 12)

    @property
    def images(self) -> int:
        return self.hearts * self.slices


class BareLoop:
    """A training step and nothing around it; its data and its condition lie ready on the device.

    As in diffusers' examples: prediction, mean squared error, backward, clip, AdamW, EMA. Every loop has the fast
    optimiser and average that ours has, whatever its authors use, so that only what is compared differs.

    Args:
        module: what is trained.
        loss_of: (wrapped module) -> scalar.
        fused, foreach: of AdamW, of the average.
    """

    def __init__(
        self,
        module: nn.Module,
        loss_of: Callable[[nn.Module], Tensor],
        accelerator: Accelerator,
        fused: bool = True,
        foreach: bool = True,
    ) -> None:
        self.module, self._loss_of, self._accelerator = module, loss_of, accelerator
        module.to(accelerator.device).train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.99), fused=fused)
        self._ema = EMAModel(module.parameters(), decay=0.998, use_ema_warmup=True, power=0.75, foreach=foreach)
        self._wrapped, self._optimizer = accelerator.prepare(module, optimizer)

    def step(self) -> Tensor:
        """One optimiser step; its loss."""
        loss = self._loss_of(self._wrapped)
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._wrapped.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._ema.step(self.module.parameters())
        return loss.detach()


def diffusers_loop(
    unet: nn.Module, load: Load, accelerator: Accelerator, joined: bool = True, **switches: bool
) -> BareLoop:
    """(a) The loop of diffusers' training examples (epsilon prediction) around a UNet of models.unet.build_unet.

    Args:
        joined: whether attention runs over all slices of a heart, as ours does; else diffusers' own processors see
            every slice alone, and the condition is given once a slice.
        switches: of BareLoop.
    """
    people = load.hearts if joined else load.images
    attention = {"cross_attention_kwargs": {"slices": load.slices}} if joined else {}
    if not joined:
        unet.set_attn_processor(AttnProcessor2_0())
    device, scheduler = accelerator.device, DDPMScheduler(TIMESTEPS)
    latents = torch.randn(load.images, *load.latent, device=device)
    place = coordinates(latents)
    tokens = torch.randn(people, TOKENS, unet.config.cross_attention_dim, device=device)
    told = torch.randn(load.images, unet.config.projection_class_embeddings_input_dim, device=device)

    def loss_of(model: nn.Module) -> Tensor:
        noise = torch.randn_like(latents)
        timesteps = torch.randint(TIMESTEPS, (load.images,), device=device)
        noisy = torch.cat([scheduler.add_noise(latents, noise, timesteps), place], dim=1)  # (N, C + 2, h, w)
        out = model(noisy, timesteps, tokens, class_labels=told, **attention).sample
        return functional.mse_loss(out.float(), noise)

    return BareLoop(unet, loss_of, accelerator, **switches)


def monai_loop(load: Load, accelerator: Accelerator, width: int) -> BareLoop:
    """(b) MONAI's DiffusionModelUNet and DiffusionInferer, attention at the lowest level, as near our nano as it goes.

    Args:
        width: of the condition's tokens. MONAI has no joined slices: every slice is given the tokens anew.
    """
    from monai.inferers import DiffusionInferer
    from monai.networks.nets import DiffusionModelUNet
    from monai.networks.schedulers import DDPMScheduler as MonaiScheduler

    nano, channels = PRESETS["nano"], load.latent[0]
    unet = DiffusionModelUNet(
        spatial_dims=2,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=nano.unet_layers,
        channels=nano.unet_widths,
        attention_levels=(False, True),
        num_head_channels=(0, 32),
        with_conditioning=True,
        cross_attention_dim=width,
        use_flash_attention=True,
    )
    device, inferer = accelerator.device, DiffusionInferer(MonaiScheduler(num_train_timesteps=TIMESTEPS))
    latents = torch.randn(load.images, *load.latent, device=device)
    tokens = torch.randn(load.images, TOKENS, width, device=device)

    def loss_of(model: nn.Module) -> Tensor:
        noise = torch.randn_like(latents)
        timesteps = torch.randint(TIMESTEPS, (load.images,), device=device)
        out = inferer(latents, model, noise, timesteps, condition=tokens)
        return functional.mse_loss(out.float(), noise)

    return BareLoop(unet, loss_of, accelerator)


def lucidrains_loop(load: Load, accelerator: Accelerator, dim: int = 72) -> BareLoop:
    """(c) denoising-diffusion-pytorch's Unet and GaussianDiffusion, without a condition: it takes no tokens.

    Args:
        dim: width of the finest level; 72 comes nearest our nano among multiples of 8.
    """
    # the package imports torchvision for its image folders; nothing of it runs here, and a build of torchvision that
    # does not fit that of torch cannot be imported at all
    for name in ("torchvision", "torchvision.transforms", "torchvision.utils"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    sys.modules["torchvision"].utils = sys.modules["torchvision.utils"]
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    unet = Unet(dim, dim_mults=(1, 2), channels=load.latent[0], flash_attn=True)
    diffusion = GaussianDiffusion(unet, image_size=load.latent[1:], timesteps=TIMESTEPS, auto_normalize=False)
    latents = torch.randn(load.images, *load.latent, device=accelerator.device)
    return BareLoop(diffusion, lambda model: model(latents), accelerator)


class LessonOver(Exception):
    """Leaves `learn_diffusion` where its next step would begin, without a checkpoint."""


@dataclass(frozen=True)
class WatchedLesson(Lesson):
    """A lesson of so many steps that says when each begins, and when one more would."""

    steps: int
    begins: Callable[[int], None]

    def train_batch(self, step: int, rank: int, ranks: int) -> tuple[HeartBatch, Tensor, Generator]:
        self.begins(step)
        if step == self.steps:
            raise LessonOver
        return super().train_batch(step, rank, ranks)


class OurTraining:
    """`learn_diffusion` itself on fresh networks: reader, told code, gathering, augmentation, loss, EMA, log.

    Args:
        latents: (N, levels, phases, C, h, w) of the cohort.
    """

    def __init__(
        self, cohort: PreparedCohort, latents: np.ndarray, load: Load, preset: Preset, accelerator: Accelerator
    ) -> None:
        torch.manual_seed(0)
        self.reader = fresh_reader(cohort, preset, COMPONENTS)
        _, unet = fresh_generator(self.reader.conditioner, preset, latents.shape[-3:])
        self.module = HeartDenoiser(unet, denoise_heart)
        codes = torch.randn(len(latents), self.reader.conditioner.code_length)
        self._lesson = (cohort, latents, codes, Diet(load.hearts, load.slices, 0.1, 0.5, seed=0))
        self._accelerator = accelerator

    def run(self, steps: int, begins: Callable[[int], None]) -> None:
        """Train; `begins` is called with 0, 1, ... `steps`, where a step begins and the one before has ended."""
        lesson = WatchedLesson(*self._lesson, steps, begins)
        recipe = Recipe(steps + 1, RATE, checkpoint_every=steps + 1, evaluate_every=steps + 1)
        with TemporaryDirectory() as folder, suppress(LessonOver), redirect_stderr(StringIO()):  # no progress bar
            run = Run(Path(folder) / "run", {}, self._accelerator.is_main_process)
            learn_diffusion(self.module, self.reader, lesson, run, recipe, self._accelerator, lambda step: None)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
